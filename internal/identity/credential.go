package identity

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// Secret is a client secret. The zero Secret matches none.
type Secret struct {
	secret.Bytes
	// random says that the secret was made here, from 128 random bits or more.
	random bool
}

// NewSecret returns a new random client secret of 130 bits, in letters and digits.
func NewSecret() Secret { return Secret{secret.New([]byte(rand.Text())), true} }

// GivenSecret returns a client secret that somebody else has chosen.
func GivenSecret(text string) Secret { return Secret{Bytes: secret.New([]byte(text))} }

// maxSecretLength bounds what is hashed: Entra ID's own secrets have 40
// characters.
const maxSecretLength = 1024

// The cost of a hash. A chosen secret may be a word of a dictionary, which only
// a slow hash protects (the count is OWASP's for PBKDF2-HMAC-SHA256). A random
// one cannot be guessed from its hash, however fast.
const (
	chosenIterations = 600_000
	randomIterations = 1
	saltSize         = 16
)

// secretHash is what is stored of a client secret.
type secretHash struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	Sum        []byte `json:"sum"` // PBKDF2-HMAC-SHA256 (RFC 8018) of the secret's SHA-256, 32 bytes
}

func (s *Service) hash(ctx context.Context, secret Secret) (secretHash, error) {
	h := secretHash{Salt: make([]byte, saltSize), Iterations: chosenIterations}
	if secret.random {
		h.Iterations = randomIterations
	}
	rand.Read(h.Salt)
	var err error
	h.Sum, err = s.derive(ctx, h, secret)
	return h, err
}

// matches reports whether secret is the one that was hashed, in time that does
// not depend on how much of it is right.
func (s *Service) matches(ctx context.Context, h secretHash, secret Secret) (bool, error) {
	sum, err := s.derive(ctx, h, secret)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, h.Sum) == 1, nil
}

// derive computes a hash, while no more than a bounded number of others is being
// computed: a flood of wrong secrets must leave the processors to those who have
// tokens already.
func (s *Service) derive(ctx context.Context, h secretHash, secret Secret) ([]byte, error) {
	if h.Iterations > randomIterations {
		select {
		case s.hashing <- struct{}{}:
			defer func() { <-s.hashing }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// HMAC takes a key for the same as that key with zero bytes after it, and a
	// long key for the same as its hash. Secrets that differ must not be the same.
	digest := sha256.Sum256(secret.Reveal())
	return pbkdf2.Key(sha256.New, string(digest[:]), h.Salt, h.Iterations, sha256.Size)
}
