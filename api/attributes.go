package api

import "time"

// UnixTime is a moment in whole seconds since 1970-01-01T00:00:00Z, the form of
// every time on the data plane.
type UnixTime int64

// Unix returns t cut to whole seconds.
func Unix(t time.Time) UnixTime { return UnixTime(t.Unix()) }

// Time returns the moment in UTC.
func (u UnixTime) Time() time.Time { return time.Unix(int64(u), 0).UTC() }

// Attributes is the management part of a secret or a key. In requests only
// Enabled, NotBefore, Expires and, for keys, Exportable are read; the service
// sets the others.
type Attributes struct {
	Enabled *bool `json:"enabled,omitempty"`
	// NotBefore and Expires bound the use of keys. They do not prevent a secret
	// from being read.
	NotBefore *UnixTime `json:"nbf,omitempty"`
	Expires   *UnixTime `json:"exp,omitempty"`
	Created   *UnixTime `json:"created,omitempty"`
	Updated   *UnixTime `json:"updated,omitempty"`

	RecoveryLevel RecoveryLevel `json:"recoveryLevel,omitempty"`
	// RecoverableDays is the retention in days after deletion: 7 to 90, or 0 in
	// a vault without soft delete. Present from version 7.1 on.
	RecoverableDays *int32 `json:"recoverableDays,omitempty"`
	// Exportable says whether the private key may be released. Keys only, from
	// version 7.3 on.
	Exportable *bool `json:"exportable,omitempty"`
	// HSMPlatform is "0" for software keys, "1" and "2" for generations of
	// HSMs. Keys only, from version 7.5 on.
	HSMPlatform string `json:"hsmPlatform,omitempty"`
}

// RecoveryLevel says what deletion means for an object.
type RecoveryLevel string

// Recovery levels. The customized forms are those of a retention of less than
// 90 days.
const (
	RecoveryPurgeable                                  RecoveryLevel = "Purgeable"
	RecoveryRecoverablePurgeable                       RecoveryLevel = "Recoverable+Purgeable"
	RecoveryRecoverable                                RecoveryLevel = "Recoverable"
	RecoveryRecoverableProtectedSubscription           RecoveryLevel = "Recoverable+ProtectedSubscription"
	RecoveryCustomizedRecoverablePurgeable             RecoveryLevel = "CustomizedRecoverable+Purgeable"
	RecoveryCustomizedRecoverable                      RecoveryLevel = "CustomizedRecoverable"
	RecoveryCustomizedRecoverableProtectedSubscription RecoveryLevel = "CustomizedRecoverable+ProtectedSubscription"
)

// Deletion is what the deleted form of an object adds to it. The members are
// absent when a vault without soft delete has deleted the object for good.
type Deletion struct {
	// RecoveryID is the URL of the deleted object, without version.
	RecoveryID         string    `json:"recoveryId,omitempty"`
	DeletedDate        *UnixTime `json:"deletedDate,omitempty"`
	ScheduledPurgeDate *UnixTime `json:"scheduledPurgeDate,omitempty"`
}
