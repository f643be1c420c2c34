package mgmtplane

import (
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// tokenCodes are Resource Manager's own codes for tokens that it does not
// believe.
var tokenCodes = map[string]bool{
	arm.CodeInvalidAuthenticationToken: true, arm.CodeExpiredAuthenticationToken: true,
	arm.CodeInvalidAuthenticationTokenTenant: true, arm.CodeInvalidAuthenticationTokenAudience: true,
}

// tokenRefusal puts the reason for which a token is not believed into Resource
// Manager's words, unless it is in them already: a verifier may have the data
// plane's. What says nothing about the token is returned as it is.
func tokenRefusal(err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unauthenticated || tokenCodes[f.Code] {
		return err
	}
	return fault.New(fault.Unauthenticated, arm.CodeInvalidAuthenticationToken, "The access token is invalid.")
}
