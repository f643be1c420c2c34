package dataplane

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// authenticate finds out who asks. A token that is not believed gets the
// challenge again, as a missing one does: without it the official clients would
// not ask for another.
func (p *plane) authenticate(x *httpx.Exchange, info vault.Info) error {
	bearer, given := httpx.Bearer(x.Request)
	if !given {
		return challenge(x, info, "AKV10000: Request is missing a Bearer or PoP token.")
	}
	caller, err := p.Verify(x.Context(), bearer)
	if err != nil {
		if message, disbelieved := tokenMessage(err); disbelieved {
			return challenge(x, info, message)
		}
		return err
	}
	if !strings.EqualFold(caller.TenantID, info.TenantID) {
		return challenge(x, info, fmt.Sprintf("AKV10032: Invalid issuer. Expected one of %s, found %s.",
			issuerOf(caller, info.TenantID), caller.Issuer))
	}
	x.Caller = caller
	return nil
}

// challenge tells the caller where tokens for this vault are issued. Each value
// stands without inner spaces or equals signs and the authority has the tenant
// as its only segment, because the official clients take the header apart with
// nothing better than splits.
func challenge(x *httpx.Exchange, info vault.Info, message string) error {
	x.ResponseWriter.Header().Set("WWW-Authenticate",
		`Bearer authorization="`+x.Site.LoginURL()+"/"+info.TenantID+`", resource="`+x.Site.ContainerResource()+`"`)
	return &httpx.Refusal{Status: http.StatusUnauthorized, Code: api.CodeUnauthorized, Message: message}
}

// issuerOf returns what would have been the issuer of a token of the tenant,
// from the caller's own: issuers differ by tenant alone.
func issuerOf(c access.Caller, tenant string) string {
	if c.TenantID == "" || !strings.Contains(c.Issuer, c.TenantID) {
		return "https://sts.windows.net/" + tenant + "/"
	}
	return strings.ReplaceAll(c.Issuer, c.TenantID, tenant)
}
