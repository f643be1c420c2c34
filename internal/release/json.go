package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// maxDepth bounds how deep objects and lists stand in one another.
const maxDepth = 32

var errJSON = errors.New("it is not a JSON object, names a member twice, or is nested too deep")

// object is an object of JSON, by the names of its members. A value is an object,
// a list, a string, a json.Number, a bool or nil.
type (
	object map[string]any
	list   []any
)

// decodeObject reads one object and nothing else. Unlike encoding/json it refuses
// a member that is there twice: of two readers, each might believe another one.
func decodeObject(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if _, err := d.Token(); !ok || err != io.EOF {
		return nil, errJSON
	}
	return o, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil || depth == 0 {
		return nil, errJSON
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			text, ok := name.(string)
			if _, twice := o[text]; err != nil || !ok || twice {
				return nil, errJSON
			}
			if o[text], err = decodeValue(d, depth-1); err != nil {
				return nil, err
			}
		}
		return o, closing(d)
	case json.Delim('['):
		l := list{}
		for d.More() {
			v, err := decodeValue(d, depth-1)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		return l, closing(d)
	}
	return t, nil
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errJSON
	}
	return nil
}

// find returns the member that a path of names leads to, "object.object.member".
func (o object) find(path string) (any, bool) {
	name, rest, below := strings.Cut(path, ".")
	v, ok := o[name]
	if !below || !ok {
		return v, ok
	}
	inner, ok := v.(object)
	if !ok {
		return nil, false
	}
	return inner.find(rest)
}

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// Bounds of numbers that are compared. They have room for every number that a
// float or an integer of 64 bits can be.
const (
	maxNumber   = 64
	maxExponent = 400
)

// exactly returns the value of a number, or nil if it is out of bounds.
func exactly(n json.Number) *big.Rat {
	if len(n) > maxNumber {
		return nil
	}
	if i := strings.IndexAny(string(n), "eE"); i >= 0 {
		if e, err := strconv.Atoi(string(n[i+1:])); err != nil || e < -maxExponent || e > maxExponent {
			return nil
		}
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil
	}
	return r
}
