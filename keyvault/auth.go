package keyvault

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// How long before its expiry a token is replaced if its issuer names no better
// moment, and how long a failed replacement is left alone while the old token
// still works.
const (
	renewBefore = 5 * time.Minute
	renewPause  = 30 * time.Second
)

// maxSends is how often one request may be sent with a token: with the one at
// hand, with one for a new challenge, and with one for claims that the vault
// then asks for.
const maxSends = 3

// authenticator is the policy that answers the vault's challenges and puts the
// token into requests.
type authenticator struct {
	cred   azcore.TokenCredential
	vault  gate.Origin
	verify bool

	// turn is held by whoever uses the fields below it, also while the
	// credential is asked, so that concurrent requests ask it once. It is a
	// channel so that a request that ends does not keep waiting.
	turn      chan struct{}
	challenge *challenge // the last one accepted; nil before the first
	token     azcore.AccessToken
	renewAt   time.Time // not before then; zero if no renewal has failed
}

func newAuthenticator(cred azcore.TokenCredential, vault gate.Origin, verify bool) *authenticator {
	return &authenticator{cred: cred, vault: vault, verify: verify, turn: make(chan struct{}, 1)}
}

// Do sends the request with a token. The vault's first challenge is asked for
// with a request that has no body, so that nothing is disclosed to a host that
// then turns out not to be the vault.
func (a *authenticator) Do(req *policy.Request) (*http.Response, error) {
	ctx := req.Raw().Context()
	ch, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	if ch == nil {
		resp, err := a.probe(req)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		if ch, err = a.accept(ctx, resp.Header); err != nil {
			return nil, gate.Permanent(err)
		}
	}
	return a.send(req, ch)
}

// probe sends the request without body and token. A vault answers it with a
// challenge, or, if it cannot serve at all, with another error.
func (a *authenticator) probe(req *policy.Request) (*http.Response, error) {
	bare := req.Clone(req.Raw().Context())
	if err := bare.SetBody(nil, ""); err != nil {
		return nil, gate.Permanent(err)
	}
	bare.Raw().GetBody = nil
	bare.Raw().Header.Del("Authorization")
	resp, err := bare.Next()
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return nil, gate.Permanent(errors.New("the host answered without asking for a token: it is not a vault"))
	}
	return resp, nil
}

// send sends the request with a token for ch. A challenge that comes back is
// answered with another token, unless there is none.
func (a *authenticator) send(req *policy.Request, ch *challenge) (*http.Response, error) {
	ctx := req.Raw().Context()
	refused := ""
	var resp *http.Response
	for range maxSends {
		token, err := a.tokenFor(ctx, ch, refused)
		if err != nil {
			return nil, gate.Permanent(err)
		}
		if token == refused {
			return resp, nil
		}
		req.Raw().Header.Set("Authorization", "Bearer "+token)
		if err := req.RewindBody(); err != nil {
			return nil, gate.Permanent(err)
		}
		resp, err = req.Next()
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		refused = token
		switch ch, err = a.accept(ctx, resp.Header); {
		case errors.Is(err, errNoChallenge):
			return resp, nil
		case err != nil:
			return nil, gate.Permanent(err)
		}
	}
	return resp, nil
}

// accept reads and verifies the challenge of a 401 and remembers it.
func (a *authenticator) accept(ctx context.Context, header http.Header) (*challenge, error) {
	ch, err := readChallenge(header)
	if err != nil {
		return nil, err
	}
	if a.verify {
		if err := ch.verify(a.vault); err != nil {
			return nil, err
		}
	}
	if err := a.lock(ctx); err != nil {
		return nil, err
	}
	defer a.unlock()
	if a.challenge == nil || !a.challenge.sameTokens(ch) {
		a.token, a.renewAt = azcore.AccessToken{}, time.Time{}
	}
	a.challenge = ch
	return ch, nil
}

// known returns the last accepted challenge, or nil.
func (a *authenticator) known(ctx context.Context) (*challenge, error) {
	if err := a.lock(ctx); err != nil {
		return nil, err
	}
	defer a.unlock()
	return a.challenge, nil
}

// tokenFor returns a token that answers ch and is not the refused one, if the
// credential has another.
func (a *authenticator) tokenFor(ctx context.Context, ch *challenge, refused string) (string, error) {
	if err := a.lock(ctx); err != nil {
		return "", err
	}
	defer a.unlock()
	usable := a.token.Token != "" && a.token.Token != refused && a.challenge.sameTokens(ch)
	if usable && !a.dueLocked(time.Now()) {
		return a.token.Token, nil
	}
	claims := ""
	if refused != "" {
		claims = ch.claims
	}
	fresh, err := a.ask(ctx, ch, claims)
	if err == nil && fresh.Token == "" {
		err = errors.New("the credential returned an empty token")
	}
	if err != nil {
		if usable && time.Now().Before(a.token.ExpiresOn) {
			a.renewAt = time.Now().Add(renewPause)
			return a.token.Token, nil
		}
		return "", err
	}
	if a.challenge.sameTokens(ch) {
		a.token, a.renewAt = fresh, time.Time{}
	}
	return fresh.Token, nil
}

// dueLocked reports whether it is time to replace the token. A token without
// expiry serves until it is refused.
func (a *authenticator) dueLocked(now time.Time) bool {
	switch {
	case a.token.ExpiresOn.IsZero():
		return false
	case !now.Before(a.token.ExpiresOn):
		return true
	case now.Before(a.renewAt):
		return false
	case a.token.RefreshOn.IsZero():
		return now.After(a.token.ExpiresOn.Add(-renewBefore))
	}
	return now.After(a.token.RefreshOn)
}

func (a *authenticator) ask(ctx context.Context, ch *challenge, claims string) (azcore.AccessToken, error) {
	if c, ok := a.cred.(*callbackCredential); ok {
		return c.answer(ctx, ch)
	}
	return a.cred.GetToken(valueless{ctx}, policy.TokenRequestOptions{
		Scopes:    []string{ch.tokenScope()},
		TenantID:  ch.tenant,
		Claims:    claims,
		EnableCAE: true,
	})
}

func (a *authenticator) lock(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return gate.Permanent(ctx.Err())
	}
}

func (a *authenticator) unlock() { <-a.turn }

// valueless hides a context's values. The credential sends requests of its own,
// which azcore's per-request headers and captured responses are not meant for.
type valueless struct{ context.Context }

func (valueless) Value(any) any { return nil }
