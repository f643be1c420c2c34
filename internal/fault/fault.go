// Package fault is the error vocabulary of the domain.
//
// Every operation of the domain that refuses a request returns an *Error with a
// closed Kind, the error code that the Azure service uses on the wire for this
// refusal, and a message that is fit for the caller's eyes. Any other error is
// an internal failure: the planes answer it with a fixed sentence and a request
// id, and only the log sees its text.
//
// The package knows no HTTP: the one map from Kind to status is in httpx.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of refusal an Error is.
type Kind int

// The closed set of kinds.
const (
	// Internal is the kind of every error that is not an *Error.
	Internal Kind = iota
	// Invalid: the request is malformed or a value is out of range.
	Invalid
	// Unauthenticated: no token, or one that is not believed.
	Unauthenticated
	// Forbidden: the caller is known and may not, or the object's state forbids it.
	Forbidden
	// NotFound: the named thing does not exist.
	NotFound
	// MethodNotAllowed: the resource exists and does not have this operation.
	MethodNotAllowed
	// Conflict: the request contradicts the present state; a later one may not.
	Conflict
	// TooLarge: the body is over its limit.
	TooLarge
	// Throttled: the caller should slow down.
	Throttled
	// Unavailable: this node cannot serve now; another, or a later try, may.
	Unavailable
)

var kindNames = [...]string{
	"internal", "invalid", "unauthenticated", "forbidden", "not found",
	"method not allowed", "conflict", "too large", "throttled", "unavailable",
}

// Kinds returns every kind, for tests that must cover all of them.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String returns the kind in words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is a refusal that the caller is told about.
type Error struct {
	Kind Kind
	// Code is Azure's error.code, such as "SecretNotFound".
	Code string
	// Inner is Azure's error.innererror.code, or empty.
	Inner string
	// Message is Azure's error.message. It never holds a secret.
	Message string
	// Target is error.target of the management plane, or empty.
	Target string
}

// New returns an Error of the kind with a code and a formatted message.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithInner returns a copy of e that carries the inner code.
func (e *Error) WithInner(code string) *Error {
	c := *e
	c.Inner = code
	return &c
}

// Error returns the code and the message.
func (e *Error) Error() string {
	if e.Inner != "" {
		return e.Code + " (" + e.Inner + "): " + e.Message
	}
	return e.Code + ": " + e.Message
}

// As returns the *Error in err's chain, if there is one.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf returns the kind of err: that of the *Error in its chain, else Internal.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
