package api

// KeyRotationPolicy says when a key gets a new version by itself, and when its
// owner is told that it will expire.
type KeyRotationPolicy struct {
	ID              string                       `json:"id,omitempty"`
	LifetimeActions []LifetimeAction             `json:"lifetimeActions,omitzero"`
	Attributes      *KeyRotationPolicyAttributes `json:"attributes,omitempty"`
}

// KeyRotationPolicyAttributes are a policy's own attributes.
type KeyRotationPolicyAttributes struct {
	// ExpiryTime is how long a new version lives, as an ISO 8601 duration of 28
	// days at least; empty for ever.
	ExpiryTime string `json:"expiryTime,omitempty"`
	// Created and Updated are in seconds since 1970, and read-only.
	Created *int64 `json:"created,omitempty"`
	Updated *int64 `json:"updated,omitempty"`
}

// LifetimeAction is done once for every version.
type LifetimeAction struct {
	Trigger *LifetimeTrigger    `json:"trigger,omitempty"`
	Action  *LifetimeActionType `json:"action,omitempty"`
}

// LifetimeTrigger is one of two ISO 8601 durations.
type LifetimeTrigger struct {
	TimeAfterCreate  string `json:"timeAfterCreate,omitempty"`
	TimeBeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
}

// LifetimeActionType names an action. Its case does not matter.
type LifetimeActionType struct {
	Type KeyRotationAction `json:"type,omitempty"`
}

// KeyRotationAction is what a policy does.
type KeyRotationAction string

// Actions of rotation policies.
const (
	ActionRotate KeyRotationAction = "Rotate"
	ActionNotify KeyRotationAction = "Notify"
)

// KeyReleaseParameters is the body of a release.
type KeyReleaseParameters struct {
	// Target is required: the attestation token of who asks, a JSON Web Token
	// whose claims hold the key to wrap for.
	Target string `json:"target,omitempty"`
	// Nonce comes back in the answer.
	Nonce string `json:"nonce,omitempty"`
	// Enc is how the key is wrapped: CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256
	// or RSA_AES_KEY_WRAP_384.
	Enc string `json:"enc,omitempty"`
}

// KeyReleaseResult is the answer: a signed object in compact form, RFC 7515.
type KeyReleaseResult struct {
	Value string `json:"value"`
}
