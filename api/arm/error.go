package arm

import "encoding/json"

// ErrorResponse is the body of every answer that is not a success.
type ErrorResponse struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail is Resource Manager's description of a refusal.
type ErrorDetail struct {
	// Code is one of the Code constants, or another that the service adds.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
	// Target is the member or resource that the error is about.
	Target         string                `json:"target,omitempty"`
	Details        []ErrorDetail         `json:"details,omitempty"`
	AdditionalInfo []ErrorAdditionalInfo `json:"additionalInfo,omitempty"`
}

// ErrorAdditionalInfo is what a provider adds for programs.
type ErrorAdditionalInfo struct {
	Type string          `json:"type,omitempty"`
	Info json.RawMessage `json:"info,omitempty"`
}

// Values of error.code of Resource Manager.
const (
	CodeAuthenticationFailed               = "AuthenticationFailed"
	CodeInvalidAuthenticationToken         = "InvalidAuthenticationToken"
	CodeExpiredAuthenticationToken         = "ExpiredAuthenticationToken"
	CodeInvalidAuthenticationTokenTenant   = "InvalidAuthenticationTokenTenant"
	CodeInvalidAuthenticationTokenAudience = "InvalidAuthenticationTokenAudience"
	CodeAuthorizationFailed                = "AuthorizationFailed"
	CodeMissingAPIVersionParameter         = "MissingApiVersionParameter"
	CodeInvalidAPIVersionParameter         = "InvalidApiVersionParameter"
	CodeNoRegisteredProviderFound          = "NoRegisteredProviderFound"
	CodeMissingSubscriptionRegistration    = "MissingSubscriptionRegistration"
	CodeInvalidSubscriptionID              = "InvalidSubscriptionId"
	CodeSubscriptionNotFound               = "SubscriptionNotFound"
	CodeResourceGroupNotFound              = "ResourceGroupNotFound"
	CodeResourceNotFound                   = "ResourceNotFound"
	CodeInvalidResourceGroupLocation       = "InvalidResourceGroupLocation"
	CodeResourceGroupBeingDeleted          = "ResourceGroupBeingDeleted"
	CodeBadRequest                         = "BadRequest"
)

// Values of error.code of the Key Vault provider.
const (
	CodeVaultAlreadyExists           = "VaultAlreadyExists"
	CodeConflictError                = "ConflictError"
	CodeVaultNameNotValid            = "VaultNameNotValid"
	CodeSoftDeletedVaultDoesNotExist = "SoftDeletedVaultDoesNotExist"
	CodeDeletedVaultNotFound         = "DeletedVaultNotFound"
	CodeMethodNotAllowed             = "MethodNotAllowed"
	CodeInsufficientPermissions      = "InsufficientPermissions"
)
