package keyvault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// AuthenticationCallback obtains a token. It is given what the vault's challenge
// says: the URL of the authority with the tenant as its path, the resource that
// the token must be for, and the scope, of which either of the last two may be
// empty. It returns the type of the token, which must be Bearer, and the token.
//
// The authority is only as trustworthy as the vault's host. A callback that
// holds more than one credential, or sends its credential to the authority that
// it is given, should compare it with those it knows.
type AuthenticationCallback func(ctx context.Context, authority, resource, scope string) (tokenType, token string, err error)

// CallbackCredential makes a credential for NewClient of a function, in the
// manner of the client libraries of 2018. A Client calls it when it first needs
// a token and whenever the vault no longer accepts the last one, never twice at
// the same time. The credential is of no use to other clients.
func CallbackCredential(callback AuthenticationCallback) azcore.TokenCredential {
	return &callbackCredential{callback}
}

type callbackCredential struct{ callback AuthenticationCallback }

// GetToken always fails: a token request holds no challenge.
func (*callbackCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("keyvault: a CallbackCredential works with keyvault.NewClient only")
}

// answer returns a token without an expiry, since the callback tells none: it
// serves until the vault refuses it.
func (c *callbackCredential) answer(ctx context.Context, ch *challenge) (azcore.AccessToken, error) {
	if c.callback == nil {
		return azcore.AccessToken{}, errors.New("the authentication callback is nil")
	}
	tokenType, token, err := c.callback(ctx, ch.authority, ch.resource, ch.scope)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("the authentication callback: %w", err)
	}
	if !strings.EqualFold(tokenType, "Bearer") {
		return azcore.AccessToken{}, fmt.Errorf("the authentication callback returned a token of type %q, not Bearer", tokenType)
	}
	return azcore.AccessToken{Token: token}, nil
}
