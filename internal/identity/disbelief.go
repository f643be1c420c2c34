package identity

import (
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// The functions of this file say why a token is not believed, in the words of the
// plane that it was sent to.

const timeLayout = "01/02/2006 15:04:05"

func disbelieve(plane Plane, armCode, armFormat string, armArgs []any, vaultFormat string, vaultArgs ...any) error {
	switch plane {
	case PlaneManagement:
		return fault.New(fault.Unauthenticated, armCode, armFormat, armArgs...)
	case PlaneDirectory:
		return fault.New(fault.Unauthenticated, graph.CodeInvalidToken, "%s", directoryText(armCode))
	}
	return fault.New(fault.Unauthenticated, api.CodeUnauthorized, vaultFormat, vaultArgs...)
}

// directoryText is all that the directory says.
func directoryText(armCode string) string {
	switch armCode {
	case arm.CodeExpiredAuthenticationToken:
		return "Lifetime validation failed, the token is expired."
	case arm.CodeInvalidAuthenticationTokenAudience:
		return "Access token validation failure. Invalid audience."
	}
	return "Access token validation failure."
}

func malformed(plane Plane) error {
	return disbelieve(plane,
		arm.CodeInvalidAuthenticationToken, "The access token is invalid.", nil,
		"Error validating token: IDX12741: JWT must have three segments (JWS) of base64url, with the claims of an access token.")
}

func badSignature(plane Plane) error {
	return disbelieve(plane,
		arm.CodeInvalidAuthenticationToken, "The access token is invalid.", nil,
		"Error validating token: IDX10501: Signature validation failed. No key of this token service has signed it.")
}

func wrongIssuer(plane Plane, want, got string) error {
	got = clip(got)
	return disbelieve(plane,
		arm.CodeInvalidAuthenticationTokenTenant, "The access token is from the wrong issuer '%s'. It must match '%s'.", []any{got, want},
		"AKV10032: Invalid issuer. Expected one of %s, found %s.", want, got)
}

func expired(plane Plane, at, now time.Time) error {
	end, current := at.UTC().Format(timeLayout), now.UTC().Format(timeLayout)
	return disbelieve(plane,
		arm.CodeExpiredAuthenticationToken, "The access token expiry UTC time '%s' is earlier than current UTC time '%s'.", []any{end, current},
		"Error validating token: IDX10223: Lifetime validation failed. The token is expired. ValidTo (UTC): '%s', Current time (UTC): '%s'.", end, current)
}

func notYetValid(plane Plane, from, now time.Time) error {
	begin, current := from.UTC().Format(timeLayout), now.UTC().Format(timeLayout)
	return disbelieve(plane,
		arm.CodeInvalidAuthenticationToken, "The access token is not yet valid. Valid from UTC time '%s', current UTC time '%s'.", []any{begin, current},
		"Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid. ValidFrom (UTC): '%s', Current time (UTC): '%s'.", begin, current)
}

func wrongAudience(plane Plane, allowed []string, got string) error {
	got = clip(got)
	return disbelieve(plane,
		arm.CodeInvalidAuthenticationTokenAudience,
		"The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.",
		[]any{got, strings.Join(allowed, "','")},
		"AKV10022: Invalid audience. Expected %s, found: %s.", strings.Join(allowed, " or "), got)
}
