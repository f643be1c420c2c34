package release

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// operator says how a claim is compared with a value.
type operator string

const (
	equals          operator = "equals"
	notEquals       operator = "notEquals"
	less            operator = "less"
	lessOrEquals    operator = "lessOrEquals"
	greater         operator = "greater"
	greaterOrEquals operator = "greaterOrEquals"
	exists          operator = "exists"
)

var operators = []operator{equals, notEquals, less, lessOrEquals, greater, greaterOrEquals, exists}

// group is met if all or any of its conditions are.
type group struct {
	all bool
	of  []condition
}

func (g *group) met(claims object) bool {
	for _, c := range g.of {
		if c.met(claims) != g.all {
			return !g.all
		}
	}
	return g.all
}

// MarshalJSON writes the group under its name.
func (g *group) MarshalJSON() ([]byte, error) {
	name := memberAnyOf
	if g.all {
		name = memberAllOf
	}
	return json.Marshal(map[string][]condition{name: g.of})
}

// claim is met if a claim compares with a value.
type claim struct {
	path  string
	op    operator
	value any // a string, a json.Number or a bool
}

func parseClaim(m object) (condition, error) {
	path, ok := m[memberClaim].(string)
	if !ok || path == "" || len(path) > maxText || slices.Contains(strings.Split(path, "."), "") {
		return nil, invalidPolicy("Each claim has to be the name of a claim, or the names that lead to it with dots between")
	}
	if len(m) != 2 {
		return nil, invalidPolicy("The condition on the claim %.100q has to have one operator", path)
	}
	c := &claim{path: path}
	for _, op := range operators {
		if v, there := m[string(op)]; there {
			c.op, c.value = op, v
		}
	}
	if c.op == "" {
		return nil, invalidPolicy("The condition on the claim %.100q has to have one operator", path)
	}
	return c, c.check()
}

// check makes sure that there is something that the claim can be compared with so.
func (c *claim) check() error {
	number := false
	switch v := c.value.(type) {
	case string:
		if len(v) > maxText {
			return invalidPolicy("The value for the claim %.100q has over %d bytes", c.path, maxText)
		}
	case json.Number:
		if number = exactly(v) != nil; !number {
			return invalidPolicy("The number for the claim %.100q is too long", c.path)
		}
	case bool:
	default:
		return invalidPolicy("The value for the claim %.100q has to be a string, a number, true or false", c.path)
	}
	switch c.op {
	case equals, notEquals:
	case exists:
		if _, ok := truth(c.value); !ok {
			return invalidPolicy("The value of exists for the claim %.100q has to be true or false", c.path)
		}
	default:
		if !number {
			return invalidPolicy("The value of %s for the claim %.100q has to be a number", c.op, c.path)
		}
	}
	return nil
}

// met compares the claim. One that is not there meets nothing, but for what asks
// for just that.
func (c *claim) met(claims object) bool {
	have, there := claims.find(c.path)
	there = there && have != nil
	if c.op == exists {
		want, _ := truth(c.value)
		return there == want
	}
	if !there {
		return false
	}
	switch c.op {
	case equals:
		is, ok := same(have, c.value)
		return ok && is
	case notEquals:
		is, ok := same(have, c.value)
		return ok && !is
	}
	return c.ordered(have)
}

// same reports whether a claim has the value, if it is one that can be compared
// with it. As Azure does, it takes the words true and false for what they say: the
// grammar has them in quotes.
func same(have, want any) (is, ok bool) {
	switch have := have.(type) {
	case string:
		if w, ok := want.(bool); ok {
			return have == strconv.FormatBool(w), true
		}
		w, ok := want.(string)
		return have == w, ok
	case bool:
		w, ok := truth(want)
		return have == w, ok
	case json.Number:
		w, ok := want.(json.Number)
		if !ok {
			return false, false
		}
		order, ok := compare(have, w)
		return order == 0, ok
	}
	return false, false
}

// truth returns what a bool or one of the words says.
func truth(v any) (is, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		return v == "true", v == "true" || v == "false"
	}
	return false, false
}

func compare(have, want json.Number) (order int, ok bool) {
	var a, b *big.Rat
	if a, b = exactly(have), exactly(want); a == nil || b == nil {
		return 0, false
	}
	return a.Cmp(b), true
}

func (c *claim) ordered(have any) bool {
	a, ok := have.(json.Number)
	b, okToo := c.value.(json.Number)
	if !ok || !okToo {
		return false
	}
	order, ok := compare(a, b)
	if !ok {
		return false
	}
	switch c.op {
	case less:
		return order < 0
	case lessOrEquals:
		return order <= 0
	case greater:
		return order > 0
	case greaterOrEquals:
		return order >= 0
	}
	return false
}

// MarshalJSON writes the condition with the claim first.
func (c *claim) MarshalJSON() ([]byte, error) {
	path, err := json.Marshal(c.path)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(c.value)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"claim":%s,"%s":%s}`, path, c.op, value), nil
}
