// Package graph holds the wire types of the directory's API: the part of Microsoft
// Graph 1.0 with which applications, their service principals and their client
// secrets are managed. The server and the client library share them.
//
// An application is what its owner registered; its service principal is what
// tokens are issued to and permissions are given to. They have one AppID, the
// client id, and an object id each.
package graph

import "time"

// Application is an application registration.
type Application struct {
	// ID is the object id of the registration, AppID the client id.
	ID             string     `json:"id,omitempty"`
	AppID          string     `json:"appId,omitempty"`
	DisplayName    string     `json:"displayName,omitempty"`
	CreatedAt      *time.Time `json:"createdDateTime,omitempty"`
	SignInAudience string     `json:"signInAudience,omitempty"`
	// IdentifierURIs are none in OpenKeyVault.
	IdentifierURIs []string             `json:"identifierUris"`
	Passwords      []PasswordCredential `json:"passwordCredentials"`
}

// PasswordCredential is a client secret.
type PasswordCredential struct {
	KeyID       string `json:"keyId,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// SecretText is the secret itself. Only the answer that creates it has it.
	SecretText string     `json:"secretText,omitempty"`
	Start      *time.Time `json:"startDateTime,omitempty"`
	End        *time.Time `json:"endDateTime,omitempty"`
}

// ServicePrincipal is an application in its tenant. ID is the object id that
// access policies and role assignments name.
type ServicePrincipal struct {
	ID                     string   `json:"id,omitempty"`
	AppID                  string   `json:"appId,omitempty"`
	DisplayName            string   `json:"displayName,omitempty"`
	AppDisplayName         string   `json:"appDisplayName,omitempty"`
	AppOwnerOrganizationID string   `json:"appOwnerOrganizationId,omitempty"` // the tenant
	AccountEnabled         *bool    `json:"accountEnabled,omitempty"`
	ServicePrincipalNames  []string `json:"servicePrincipalNames,omitempty"`
	ServicePrincipalType   string   `json:"servicePrincipalType,omitempty"`
	SignInAudience         string   `json:"signInAudience,omitempty"`
}

// Organization is a tenant.
type Organization struct {
	ID              string           `json:"id"`
	DisplayName     string           `json:"displayName"`
	TenantType      string           `json:"tenantType,omitempty"`
	VerifiedDomains []VerifiedDomain `json:"verifiedDomains"`
}

// VerifiedDomain is a domain of a tenant.
type VerifiedDomain struct {
	Name      string `json:"name"`
	IsDefault bool   `json:"isDefault"`
	IsInitial bool   `json:"isInitial"`
	Type      string `json:"type"`
}

// CreateApplicationRequest is the body that creates an application.
type CreateApplicationRequest struct {
	DisplayName    string `json:"displayName"`
	SignInAudience string `json:"signInAudience,omitempty"`
}

// CreateServicePrincipalRequest is the body that creates a service principal.
type CreateServicePrincipalRequest struct {
	AppID string `json:"appId"`
}

// AddPasswordRequest is the body of addPassword.
type AddPasswordRequest struct {
	Password *PasswordCredential `json:"passwordCredential,omitempty"`
}

// RemovePasswordRequest is the body of removePassword.
type RemovePasswordRequest struct {
	KeyID string `json:"keyId"`
}

// GetByIDsRequest is the body of directoryObjects/getByIds. Without types, objects
// of every type are looked for.
type GetByIDsRequest struct {
	IDs   []string `json:"ids"`
	Types []string `json:"types,omitempty"`
}

// Page is one page of a list.
type Page[T any] struct {
	Context  string `json:"@odata.context,omitempty"`
	NextLink string `json:"@odata.nextLink,omitempty"`
	Value    []T    `json:"value"`
}

// ErrorResponse is the body of every answer that is not a success.
type ErrorResponse struct {
	Error Error `json:"error"`
}

// Error is the directory's description of a refusal.
type Error struct {
	Code       string     `json:"code"`
	Message    string     `json:"message"`
	InnerError InnerError `json:"innerError"`
}

// InnerError says which request was refused, and when (in UTC, without a zone).
type InnerError struct {
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// Values of error.code.
const (
	CodeInvalidToken     = "InvalidAuthenticationToken"
	CodeDenied           = "Authorization_RequestDenied"
	CodeNotFound         = "Request_ResourceNotFound"
	CodeBadRequest       = "Request_BadRequest"
	CodeUnsupportedQuery = "Request_UnsupportedQuery"
	CodeDuplicate        = "Request_MultipleObjectsWithSameKeyValue"
)

// SignInAudience is that of an application of one tenant.
const SignInAudience = "AzureADMyOrg"
