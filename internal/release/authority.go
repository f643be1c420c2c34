package release

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What is kept of authorities, and for how long.
const (
	maxAuthorities = 256
	maxKeys        = 100
	// keysLife is how long keys are believed before their authority is asked
	// again: what it no longer publishes has been withdrawn.
	keysLife = time.Hour
	// An unknown key id has the keys fetched again, but not at every request: ids
	// are whatever somebody writes into a token.
	refetchAfter = time.Minute
	// After a failure, requests are answered without another try for this long.
	retryAfter = 5 * time.Second
)

// authorityKeys is what is known of an authority. It is never changed.
type authorityKeys struct {
	keys    map[string]crypto.PublicKey // by key id, as it last published them
	fetched time.Time
	tried   time.Time // when it was last asked
	failed  bool      // that time
}

// good reports whether the keys may still be believed.
func (a authorityKeys) good(now time.Time) bool {
	return a.keys != nil && within(now.Sub(a.fetched), keysLife)
}

// asking reports whether the authority should be asked, for a key of the id.
func (a authorityKeys) asking(now time.Time, id string) bool {
	if _, known := a.keys[id]; known && a.good(now) {
		return false
	}
	if a.failed {
		return !within(now.Sub(a.tried), retryAfter)
	}
	return !a.good(now) || !within(now.Sub(a.tried), refetchAfter)
}

// within is false as well when a clock was set back.
func within(age, most time.Duration) bool { return age >= 0 && age < most }

// key returns the key of an authority that has an id.
func (v *Verifier) key(ctx context.Context, issuer, id string) (crypto.PublicKey, error) {
	authority := strings.TrimSuffix(issuer, "/")
	known, _ := v.authorities.Get(authority)
	if known.asking(v.cfg.Now(), id) {
		var err error
		if known, err = v.ask(ctx, authority, known); err != nil {
			return nil, err
		}
	}
	if !known.good(v.cfg.Now()) {
		return nil, unverified("The keys of its issuer cannot be fetched at the moment.")
	}
	if key, ok := known.keys[id]; ok {
		return key, nil
	}
	return nil, unverified("Its issuer does not publish the key that its kid names.")
}

// ask fetches an authority's keys anew. Why that fails is for the log alone: an
// answer that told it would tell what can be reached from here.
func (v *Verifier) ask(ctx context.Context, authority string, known authorityKeys) (authorityKeys, error) {
	keys, err := v.fetchKeys(ctx, authority)
	if ctx.Err() != nil {
		return known, ctx.Err() // the caller has gone; the authority did nothing wrong
	}
	known.tried, known.failed = v.cfg.Now(), err != nil
	if err != nil {
		v.cfg.Logger.Warn("the keys of an attestation authority cannot be fetched", "authority", authority, "error", err)
	} else {
		known.keys, known.fetched = keys, known.tried
	}
	v.authorities.Put(authority, known)
	return known, nil
}

func (v *Verifier) fetchKeys(ctx context.Context, authority string) (map[string]crypto.PublicKey, error) {
	text, err := v.cfg.Fetch(ctx, authority+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	metadata, err := decodeObject(text)
	if err != nil {
		return nil, fmt.Errorf("its metadata: %w", err)
	}
	if _, there := metadata["issuer"]; there && !sameIssuer(metadata.text("issuer"), authority) {
		return nil, errors.New("its metadata is another issuer's")
	}
	address := metadata.text("jwks_uri")
	if !sameOrigin(address, authority) {
		return nil, errors.New("its metadata has no jwks_uri on the authority's own host")
	}
	if text, err = v.cfg.Fetch(ctx, address); err != nil {
		return nil, err
	}
	return parseKeys(text)
}

// sameOrigin reports whether both are URLs of https with the same host and port.
// The authority's keys are its own to publish, not those of whom it points to.
func sameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	w, errToo := url.Parse(b)
	return err == nil && errToo == nil && u.Scheme == "https" && w.Scheme == "https" && origin(u) == origin(w)
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return strings.ToLower(u.Hostname()) + " " + port
}

// parseKeys reads a JSON Web Key Set. A key that is not understood is passed over:
// an authority may have such beside those that it signs with.
func parseKeys(text []byte) (map[string]crypto.PublicKey, error) {
	set, err := decodeObject(text)
	if err != nil {
		return nil, fmt.Errorf("its keys: %w", err)
	}
	listed, ok := set["keys"].(list)
	if !ok || len(listed) > maxKeys {
		return nil, fmt.Errorf("its keys are not a list of at most %d", maxKeys)
	}
	keys := map[string]crypto.PublicKey{}
	for _, k := range listed {
		jwk, ok := k.(object)
		if !ok || jwk.text("kid") == "" || jwk.text("use") == "enc" {
			continue
		}
		key, err := publicKey(jwk)
		if err != nil {
			continue
		}
		if _, twice := keys[jwk.text("kid")]; twice {
			return nil, errors.New("two of its keys have one id")
		}
		keys[jwk.text("kid")] = key
	}
	return keys, nil
}
