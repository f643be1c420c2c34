package identity

import "fmt"

// Error is a refusal of a token request that the client is told about, in the
// terms of Entra ID
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
type Error struct {
	// Number is that of the AADSTS code.
	Number int
	// OAuth is the error code of RFC 6749, section 5.2, or one of Entra ID's own.
	OAuth string
	// Message is for people. It never holds a secret.
	Message string
}

// The values of Error.OAuth.
const (
	InvalidRequest       = "invalid_request"
	InvalidClient        = "invalid_client"
	InvalidScope         = "invalid_scope"
	InvalidResource      = "invalid_resource"
	InvalidTenant        = "invalid_tenant"
	InvalidInstance      = "invalid_instance"
	UnauthorizedClient   = "unauthorized_client"
	UnsupportedGrantType = "unsupported_grant_type"
)

// Error returns the code and the message, as the service writes them.
func (e *Error) Error() string { return e.code() + ": " + e.Message }

func (e *Error) code() string { return fmt.Sprintf("AADSTS%d", e.Number) }

func refuse(number int, oauth, format string, args ...any) *Error {
	return &Error{Number: number, OAuth: oauth, Message: fmt.Sprintf(format, args...)}
}

func tenantNotFound(tenant string) *Error {
	return refuse(90002, InvalidTenant, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. "+
		"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", clip(tenant))
}

func tenantMalformed(tenant string) *Error {
	return refuse(900023, InvalidRequest, "Specified tenant identifier '%s' is neither a valid DNS name, nor a valid external domain.", clip(tenant))
}

func clientNotFound(clientID, tenant string) *Error {
	return refuse(700016, UnauthorizedClient, "Application with identifier '%s' was not found in the directory '%s'. "+
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. "+
		"You may have sent your authentication request to the wrong tenant.", clip(clientID), clip(tenant))
}

func wrongSecret(clientID string) *Error {
	return refuse(7000215, InvalidClient, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
		"not the client secret ID, for a secret added to app '%s'.", clip(clientID))
}

func expiredSecret(clientID string) *Error {
	return refuse(7000222, InvalidClient, "The provided client secret keys for app '%s' are expired. "+
		"Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, "+
		"or consider using certificate credentials for added security: https://aka.ms/certCreds.", clip(clientID))
}

func noPrincipal(clientID, tenant string) *Error {
	return refuse(7000229, UnauthorizedClient, "The client application %s is missing service principal in the tenant %s. "+
		"See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119", clip(clientID), clip(tenant))
}

func noSecret() *Error {
	return refuse(7000216, InvalidClient, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
}

func resourceNotFound(resource, tenant string) *Error {
	return refuse(500011, InvalidResource, "The resource principal named %s was not found in the tenant named %s. "+
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. "+
		"You might have sent your authentication request to the wrong tenant.", clip(resource), clip(tenant))
}

// maxEcho bounds what an error repeats of the client's own text.
const maxEcho = 128

// clip returns text that is safe to repeat: short, and printable ASCII.
func clip(s string) string {
	if len(s) > maxEcho {
		s = s[:maxEcho]
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
