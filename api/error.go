package api

// ErrorResponse is the body of every answer that is not a success, except that
// a 401 may have none.
type ErrorResponse struct {
	Error Error `json:"error"`
}

// Error is Azure's description of a refusal.
type Error struct {
	// Code is one of the Code constants, or another that the service adds.
	Code string `json:"code"`
	// Message is for people. It may hold "\r\n".
	Message string `json:"message"`
	// InnerError, if present, refines Code.
	InnerError *InnerError `json:"innererror,omitempty"`
}

// InnerError refines the code of an Error.
type InnerError struct {
	// Code is one of the Inner constants, or another that the service adds.
	Code string `json:"code,omitempty"`
	// InnerError refines this one in turn. No answer of a vault is known to
	// have it; the specification allows it.
	InnerError *InnerError `json:"innererror,omitempty"`
}

// Values of error.code.
const (
	CodeBadParameter        = "BadParameter"
	CodeUnauthorized        = "Unauthorized"
	CodeForbidden           = "Forbidden"
	CodeConflict            = "Conflict"
	CodeThrottled           = "Throttled"
	CodeInternalServerError = "InternalServerError"
	CodeServiceUnavailable  = "ServiceUnavailable"

	CodeSecretNotFound = "SecretNotFound"
	CodeKeyNotFound    = "KeyNotFound"
)

// Values of error.innererror.code.
const (
	// InnerAccessDenied and InnerForbiddenByPolicy both say that the vault's
	// access policies do not grant the operation; the service has used either.
	InnerAccessDenied        = "AccessDenied"
	InnerForbiddenByPolicy   = "ForbiddenByPolicy"
	InnerForbiddenByRBAC     = "ForbiddenByRbac"
	InnerForbiddenByFirewall = "ForbiddenByFirewall"
	// InnerForbiddenByConnection says that public network access is off.
	InnerForbiddenByConnection = "ForbiddenByConnection"

	InnerSecretDisabled          = "SecretDisabled"
	InnerKeyDisabled             = "KeyDisabled"
	InnerKeyOperationForbidden   = "KeyOperationForbidden"
	InnerKeyTypeNotSupported     = "KeyTypeNotSupported"
	InnerKeySizeNotSupported     = "KeySizeNotSupported"
	InnerKeyManagedByKeyVault    = "KeyManagedByKeyVault"
	InnerSecretManagedByKeyVault = "SecretManagedByKeyVault"

	InnerObjectIsDeletedButRecoverable = "ObjectIsDeletedButRecoverable"
	InnerObjectIsBeingDeleted          = "ObjectIsBeingDeleted"
	InnerObjectIsBeingRecovered        = "ObjectIsBeingRecovered"
)
