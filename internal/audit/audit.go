// Package audit keeps one record of every operation that a caller was allowed
// or refused.
//
// A read or a refusal is written to the sink before its answer is sent. The
// record of a mutation is written into the store by the transaction that makes
// the change, and exported to the sink by a tailer, so that it can be neither
// lost nor wrong. When the sink fails, Ready says so and new operations are to
// be refused: what cannot be audited does not happen.
//
// A record names objects and callers. It never holds a value, a key, a token or
// a body.
package audit

import (
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// Origin says where a request came from and how it is told apart.
type Origin struct {
	RequestID       string `json:"requestId,omitempty"`       // ours: x-ms-request-id
	ClientRequestID string `json:"clientRequestId,omitempty"` // the caller's, as sent
	Address         string `json:"address,omitempty"`         // of the peer
	UserAgent       string `json:"userAgent,omitempty"`
	APIVersion      string `json:"apiVersion,omitempty"`
}

// Record is one operation. The operation names are those of Azure's
// AuditEvent log: "SecretGet", "VaultPut".
type Record struct {
	ID        string    `json:"id"`   // time-ordered and unique; set by the log
	Time      time.Time `json:"time"` // wall clock; set by the log
	Operation string    `json:"operation"`
	// Resource is the resource id of the vault or group.
	Resource string `json:"resource,omitempty"`
	// Object is the path in the vault: "secrets/name/version".
	Object string        `json:"object,omitempty"`
	Caller access.Caller `json:"caller"`
	Origin Origin        `json:"origin"`
	// Code is empty for success, else Azure's error code, with the inner code
	// after a slash when there is one.
	Code string `json:"code,omitempty"`
	// Reason is the refusal's message.
	Reason string `json:"reason,omitempty"`
}
