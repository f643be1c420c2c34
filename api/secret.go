package api

import (
	"fmt"
	"log/slog"
)

// SecretBundle is a version of a secret. Value is present in the answers to set
// and get, absent in all others.
//
// Formatting or logging a SecretBundle shows everything but the value.
type SecretBundle struct {
	Value       *string `json:"value,omitempty"`
	ContentType string  `json:"contentType,omitempty"`
	// ID is the URL of this version.
	ID string `json:"id,omitempty"`
	// Managed is true if the secret belongs to a certificate.
	Managed    bool              `json:"managed,omitempty"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	// KID is the URL of the key that belongs to the certificate behind the
	// secret.
	KID string `json:"kid,omitempty"`
	// PreviousVersion is the version id that this one replaced, from version
	// 2025-06-01-preview on.
	PreviousVersion string `json:"previousVersion,omitempty"`
}

// DeletedSecretBundle is a deleted secret. It never has a value; its ID keeps
// the version.
type DeletedSecretBundle struct {
	Deletion
	SecretBundle
}

// SecretItem is a secret, or a version of one, as a list shows it: without
// value. In a list of secrets the ID has no version.
type SecretItem struct {
	ContentType string            `json:"contentType,omitempty"`
	ID          string            `json:"id,omitempty"`
	Managed     bool              `json:"managed,omitempty"`
	Attributes  *Attributes       `json:"attributes,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
}

// DeletedSecretItem is a deleted secret as a list shows it. Its ID has no
// version.
type DeletedSecretItem struct {
	Deletion
	SecretItem
}

// SecretSetParameters is the body of a set, which makes a new version.
//
// Formatting or logging it shows everything but the value.
type SecretSetParameters struct {
	// Value is required, and may be empty.
	Value       *string           `json:"value,omitempty"`
	ContentType *string           `json:"contentType,omitempty"`
	Attributes  *Attributes       `json:"attributes,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
}

// SecretUpdateParameters is the body of an update. Members that are nil leave
// what is stored as it is; Tags, if not nil, replaces all tags. The value of a
// version never changes.
type SecretUpdateParameters struct {
	ContentType *string           `json:"contentType,omitempty"`
	Attributes  *Attributes       `json:"attributes,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
}

// String returns the bundle as JSON with its value redacted.
func (b SecretBundle) String() string {
	type plain SecretBundle
	b.Value = redactString(b.Value)
	return jsonText(plain(b))
}

// Format writes String for every verb, so that no verb reveals the value.
func (b SecretBundle) Format(f fmt.State, _ rune) { writeText(f, b.String()) }

// LogValue returns String.
func (b SecretBundle) LogValue() slog.Value { return slog.StringValue(b.String()) }

// String returns the bundle as JSON with its value redacted.
func (b DeletedSecretBundle) String() string {
	type plain SecretBundle
	b.Value = redactString(b.Value)
	return jsonText(struct {
		Deletion
		plain
	}{b.Deletion, plain(b.SecretBundle)})
}

// Format writes String for every verb, so that no verb reveals the value.
func (b DeletedSecretBundle) Format(f fmt.State, _ rune) { writeText(f, b.String()) }

// LogValue returns String.
func (b DeletedSecretBundle) LogValue() slog.Value { return slog.StringValue(b.String()) }

// String returns the parameters as JSON with their value redacted.
func (p SecretSetParameters) String() string {
	type plain SecretSetParameters
	p.Value = redactString(p.Value)
	return jsonText(plain(p))
}

// Format writes String for every verb, so that no verb reveals the value.
func (p SecretSetParameters) Format(f fmt.State, _ rune) { writeText(f, p.String()) }

// LogValue returns String.
func (p SecretSetParameters) LogValue() slog.Value { return slog.StringValue(p.String()) }
