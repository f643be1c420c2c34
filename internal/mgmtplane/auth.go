package mgmtplane

import (
	"fmt"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// authenticate finds out who asks.
func (p *plane) authenticate(x *httpx.Exchange) error {
	bearer, given := httpx.Bearer(x.Request)
	if !given {
		return fault.New(fault.Unauthenticated, arm.CodeAuthenticationFailed,
			"Authentication failed. The 'Authorization' header is missing.")
	}
	caller, err := p.Verify(x.Context(), bearer)
	if err != nil {
		return tokenRefusal(err)
	}
	x.Caller = caller
	return nil
}

// challenge tells the caller where tokens for the subscription come from. No
// official client needs it: it is for people and their tools.
func (p *plane) challenge(x *httpx.Exchange, why error) {
	tenant := ""
	if id := x.Params["subscription"]; id != "" {
		var err error
		if tenant, err = p.Resources.TenantOf(x.Context(), id); err != nil {
			p.Logger.WarnContext(x.Context(), "finding the tenant of a subscription for a challenge", "error", err)
		}
	}
	if tenant == "" {
		tenant = "common"
	}
	text := "The access token is invalid."
	if f, ok := fault.As(why); ok && f.Code == arm.CodeAuthenticationFailed {
		text = "The authentication failed because of missing 'Authorization' header."
	}
	x.ResponseWriter.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization_uri="%s/%s", error="invalid_token", error_description="%s"`,
		x.Site.LoginURL(), tenant, text))
}
