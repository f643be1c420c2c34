package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// signingBits is the size of the RSA keys that sign tokens.
const signingBits = 2048

// signing is the keys of the token service.
type signing struct {
	ready chan struct{} // closed once keys or failed is set
	// failed is why there are no keys. It is written before ready is closed.
	failed error
	keys   atomic.Pointer[keySet]
}

// keySet is one immutable state of the keys, oldest first. All of them verify.
type keySet struct {
	revision store.Revision
	keys     []signingKey
}

type signingKey struct {
	id      string
	private *rsa.PrivateKey
	signer  jose.Signer
	signs   time.Time // from when on it signs
}

// signer returns the newest key that signs at a time.
func (k *keySet) signer(now time.Time) *signingKey {
	for i := len(k.keys) - 1; i > 0; i-- {
		if !now.Before(k.keys[i].signs) {
			return &k.keys[i]
		}
	}
	return &k.keys[0]
}

func (k *keySet) find(id string) *signingKey {
	if k == nil {
		return nil
	}
	i := slices.IndexFunc(k.keys, func(key signingKey) bool { return key.id == id })
	if i < 0 {
		return nil
	}
	return &k.keys[i]
}

// keysRecord is the keys as they are stored.
type keysRecord struct {
	Keys []keyRecord `json:"keys"`
}

type keyRecord struct {
	PKCS8   []byte    `json:"pkcs8"`
	Created time.Time `json:"created"`
	// Signs is from when on the key signs; zero is from the beginning.
	Signs time.Time `json:"signs,omitzero"`
}

// Start loads the keys that sign tokens. If there are none, it has one made in
// the background until ctx ends, and only what needs it waits. Where that fails,
// Maintain tries again.
func (s *Service) Start(ctx context.Context) error {
	keys, err := s.reloadKeys(ctx)
	if err != nil {
		return err
	}
	if keys != nil {
		close(s.signing.ready)
		return nil
	}
	go func() {
		defer close(s.signing.ready)
		if s.signing.failed = s.makeKey(ctx); s.signing.failed != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("making the key that signs tokens", "error", s.signing.failed)
		}
	}()
	return nil
}

func (s *Service) openKeys(rec store.Record) (*keySet, error) {
	var stored keysRecord
	if err := s.open(tokenKeysKey, rec, &stored); err != nil {
		return nil, err
	}
	set := &keySet{revision: rec.Revision}
	for _, k := range stored.Keys {
		parsed, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
		clear(k.PKCS8)
		private, ok := parsed.(*rsa.PrivateKey)
		if err != nil || !ok {
			return nil, errors.New("a key that signs tokens cannot be read")
		}
		key, err := newSigningKey(private)
		if err != nil {
			return nil, err
		}
		key.signs = k.Signs
		set.keys = append(set.keys, key)
	}
	if len(set.keys) == 0 {
		return nil, errors.New("the record of the keys that sign tokens has none")
	}
	return set, nil
}

// makeKey makes the first key, unless another process was faster.
func (s *Service) makeKey(ctx context.Context) error {
	encoded, err := generateKey()
	if err != nil {
		return err
	}
	defer clear(encoded)
	record := keysRecord{Keys: []keyRecord{{PKCS8: encoded, Created: s.cfg.Now().UTC()}}}
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(tokenKeysKey)
		if err != nil || recs[0].Exists() {
			return err
		}
		return s.put(tx, tokenKeysKey, record)
	})
	if err == nil {
		_, err = s.reloadKeys(ctx)
	}
	return err
}

// retryFirstKey makes the first key where Start has tried and failed.
func (s *Service) retryFirstKey(ctx context.Context) error {
	select {
	case <-s.signing.ready:
		return s.makeKey(ctx)
	default:
		return nil
	}
}

// generateKey returns a new key in PKCS #8. The caller clears it.
func generateKey() ([]byte, error) {
	private, err := rsa.GenerateKey(rand.Reader, signingBits)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

// newSigningKey names the key by its thumbprint (RFC 7638).
func newSigningKey(private *rsa.PrivateKey) (signingKey, error) {
	public := jose.JSONWebKey{Key: &private.PublicKey}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, fmt.Errorf("naming a key that signs tokens: %w", err)
	}
	key := signingKey{id: base64.RawURLEncoding.EncodeToString(thumbprint), private: private}
	// Entra ID's tokens of version 1.0 carry the key's id twice.
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t", key.id)
	key.signer, err = jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: key.id},
	}, options)
	return key, err
}

// currentKeys waits for the keys.
func (s *Service) currentKeys(ctx context.Context) (*keySet, error) {
	select {
	case <-s.signing.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	keys := s.signing.keys.Load()
	if keys == nil {
		return nil, fmt.Errorf("there is no key that signs tokens: %w", s.signing.failed)
	}
	return keys, nil
}

// keyByID returns a key for verification, or nil. A key that is not known may be
// one that another process has made since, so the store is asked.
func (s *Service) keyByID(ctx context.Context, id string) (*signingKey, error) {
	keys, err := s.currentKeys(ctx)
	if err != nil {
		return nil, err
	}
	if key := keys.find(id); key != nil {
		return key, nil
	}
	if keys, err = s.reloadKeys(ctx); err != nil {
		return nil, err
	}
	return keys.find(id), nil
}

// reloadKeys returns the keys as they are in the store.
func (s *Service) reloadKeys(ctx context.Context) (keys *keySet, err error) {
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(tokenKeysKey)
		if err == nil {
			keys, err = s.refreshKeys(recs[0])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("loading the keys that sign tokens: %w", err)
	}
	return keys, nil
}

// refreshKeys returns the keys of their record, nil if it is not there, and keeps
// them. Those of an older state that it may so bring back for a moment differ by
// one that does not sign yet, or by one of which no token is good any more.
func (s *Service) refreshKeys(rec store.Record) (*keySet, error) {
	keys := s.signing.keys.Load()
	if !rec.Exists() || keys != nil && keys.revision == rec.Revision {
		return keys, nil
	}
	keys, err := s.openKeys(rec)
	if err != nil {
		return nil, err
	}
	s.signing.keys.Store(keys)
	return keys, nil
}

// PublicKeys returns the keys with which anybody can verify the tokens, in the
// form of RFC 7517. A key is among them from the moment it exists, in whichever
// process, to the end of the last token that it signed.
func (s *Service) PublicKeys(ctx context.Context) (jose.JSONWebKeySet, error) {
	if _, err := s.currentKeys(ctx); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	keys, err := s.reloadKeys(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var set jose.JSONWebKeySet
	for _, k := range keys.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.private.PublicKey, KeyID: k.id, Use: "sig", Algorithm: string(jose.RS256)})
	}
	return set, nil
}
