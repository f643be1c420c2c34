package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// object is what any answer of a vault about a secret or a key may hold. The
// wire types differ in little else than in what they leave out.
type object struct {
	api.Deletion
	ID          string            `json:"id"`
	KID         string            `json:"kid"`
	Key         *api.JSONWebKey   `json:"key"`
	Value       *string           `json:"value"`
	ContentType string            `json:"contentType"`
	Managed     bool              `json:"managed"`
	Attributes  *api.Attributes   `json:"attributes"`
	Tags        map[string]string `json:"tags"`

	name, version string
	document      document // the answer with the name
}

// newObject makes an object of an answer.
func newObject(answer any) (*object, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	o := &object{Attributes: &api.Attributes{}}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	id, err := keyvault.ParseID(o.address())
	if err != nil {
		return nil, err
	}
	o.name, o.version = id.Name, id.Version
	o.document, err = newDocument(answer, map[string]string{"name": o.name})
	return o, err
}

// address returns the URL of the object. The kid of a secret is that of the key
// which its certificate belongs to.
func (o *object) address() string {
	switch {
	case o.ID != "":
		return o.ID
	case o.Key != nil:
		return o.Key.KID
	}
	return o.KID
}

// write describes the object. The value comes last and, if it has several
// lines, below its label, so that it can be copied as it is.
func (o *object) write(w io.Writer) error {
	a := o.Attributes
	fields := []field{
		{"Name", o.name},
		{"Version", o.version},
		{"ID", o.address()},
		{"Type", o.keyType()},
		{"Operations", o.operations()},
		{"Content type", o.ContentType},
		{"Enabled", formatBool(a.Enabled)},
		{"Not before", formatTime(a.NotBefore)},
		{"Expires", formatTime(a.Expires)},
		{"Created", formatTime(a.Created)},
		{"Updated", formatTime(a.Updated)},
		{"Recovery", o.recovery()},
		{"Deleted", formatTime(o.DeletedDate)},
		{"Purge due", formatTime(o.ScheduledPurgeDate)},
		{"Tags", formatTags(o.Tags)},
	}
	block := ""
	if o.Value != nil {
		switch value := printableLines(*o.Value); {
		case value == "":
			fields = append(fields, field{"Value", `""`})
		case strings.Contains(value, "\n"):
			block = "Value:\n" + strings.TrimSuffix(value, "\n") + "\n"
		default:
			fields = append(fields, field{"Value", value})
		}
	}
	if err := writeFields(w, fields); err != nil {
		return err
	}
	_, err := io.WriteString(w, block)
	return err
}

// keyType returns the type of a key with its size or curve.
func (o *object) keyType() string {
	switch {
	case o.Key == nil:
		return ""
	case len(o.Key.N) > 0:
		return string(o.Key.Kty) + " " + strconv.Itoa(new(big.Int).SetBytes(o.Key.N).BitLen())
	case o.Key.Crv != "":
		return string(o.Key.Kty) + " " + string(o.Key.Crv)
	case o.Key.Alg != "":
		return string(o.Key.Kty) + " " + string(o.Key.Alg)
	}
	return string(o.Key.Kty)
}

func (o *object) operations() string {
	if o.Key == nil {
		return ""
	}
	return joined(o.Key.KeyOps, ", ")
}

// recovery says what happens to the object when it is deleted.
func (o *object) recovery() string {
	text := string(o.Attributes.RecoveryLevel)
	if days := o.Attributes.RecoverableDays; text != "" && days != nil && *days > 0 {
		text += fmt.Sprintf(", %d days", *days)
	}
	return text
}
