package keyvault

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
)

// remoteTimeout bounds an operation that has no context of its own.
const remoteTimeout = time.Minute

// remoteKey is a version of a key in a vault.
type remoteKey struct {
	client  *Client
	name    string
	version string
	id      string
	public  crypto.PublicKey
	ctx     context.Context
	limit   time.Duration // of an operation, 0 if ctx alone bounds it
}

func readKey(ctx context.Context, client *Client, name, version string) (remoteKey, error) {
	bundle, err := client.GetKey(ctx, name, version)
	if err != nil {
		return remoteKey{}, err
	}
	public, err := PublicKey(bundle.Key)
	if err != nil {
		return remoteKey{}, err
	}
	id, err := ParseID(bundle.Key.KID)
	if err != nil || id.Version == "" {
		return remoteKey{}, errors.New("keyvault: the answer does not name the version of the key")
	}
	return remoteKey{
		client: client, name: name, version: id.Version, id: bundle.Key.KID, public: public,
		ctx: context.WithoutCancel(ctx), limit: remoteTimeout,
	}, nil
}

// KeyID returns the URL of the version of the key.
func (k *remoteKey) KeyID() string { return k.id }

// Public returns the public key: an *rsa.PublicKey or an *ecdsa.PublicKey.
func (k *remoteKey) Public() crypto.PublicKey { return k.public }

// bounded returns the context of one operation.
func (k *remoteKey) bounded() (context.Context, context.CancelFunc) {
	if k.limit == 0 {
		return k.ctx, func() {}
	}
	return context.WithTimeout(k.ctx, k.limit)
}

func (k remoteKey) withContext(ctx context.Context) remoteKey {
	k.ctx, k.limit = ctx, 0
	return k
}

// Signer is a private key that stays in the vault, as a crypto.Signer. Packages
// such as crypto/x509 and crypto/tls use it in the place of a key of their own.
//
// Each signature is a request to the vault. A Signer uses one version of a key,
// the one that was current when it was made: its public key never changes, and
// after a rotation another Signer is needed. It is safe for concurrent use.
type Signer struct{ remoteKey }

// NewSigner reads a key, which needs the permission keys/get, and returns it as a
// Signer of the version that the vault answered with. It returns an error for
// keys that crypto/x509 does not know, such as those on the curve P-256K.
//
// ctx bounds the reading. The operations of the Signer keep its values but outlast
// its end, and take a minute at most; WithContext bounds them otherwise.
func NewSigner(ctx context.Context, client *Client, name, version string) (*Signer, error) {
	k, err := readKey(ctx, client, name, version)
	if err != nil {
		return nil, err
	}
	return &Signer{k}, nil
}

// WithContext returns the same key with another context, which alone bounds every
// operation.
func (s *Signer) WithContext(ctx context.Context) *Signer { return &Signer{s.withContext(ctx)} }

// Sign signs a digest of the hash function that opts name. The first parameter
// has no effect: the vault has its own source of randomness. It needs the
// permission keys/sign.
//
// RSA keys sign digests of SHA-256, SHA-384 and SHA-512, according to PKCS #1 v1.5
// or, if opts are *rsa.PSSOptions, PSS with a salt as long as the hash, which is
// the only length that vaults have. Elliptic-curve keys sign any digest, and the
// signature is in ASN.1.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil {
		return nil, errors.New("keyvault: Signer: the options do not name a hash function")
	}
	if hash := opts.HashFunc(); hash != 0 && len(digest) != hash.Size() {
		return nil, fmt.Errorf("keyvault: Signer: a digest of %v has %d bytes, not %d", hash, hash.Size(), len(digest))
	}
	switch public := s.public.(type) {
	case *rsa.PublicKey:
		algorithm, err := signatureAlgorithm(opts)
		if err != nil {
			return nil, fmt.Errorf("keyvault: Signer: %w", err)
		}
		return s.sign(algorithm, digest, public.Size())
	case *ecdsa.PublicKey:
		return s.signECDSA(public, digest)
	}
	panic("keyvault: a Signer of neither RSA nor ECDSA")
}

// signatureAlgorithm returns the algorithm of an RSA key.
func signatureAlgorithm(opts crypto.SignerOpts) (api.Algorithm, error) {
	hash := opts.HashFunc()
	pss, isPSS := opts.(*rsa.PSSOptions)
	if isPSS && pss.SaltLength != rsa.PSSSaltLengthAuto && pss.SaltLength != rsa.PSSSaltLengthEqualsHash && pss.SaltLength != hash.Size() {
		return "", fmt.Errorf("a vault's PSS signatures have a salt as long as the hash, not of %d bytes", pss.SaltLength)
	}
	switch hash {
	case crypto.SHA256:
		if isPSS {
			return api.AlgorithmPS256, nil
		}
		return api.AlgorithmRS256, nil
	case crypto.SHA384:
		if isPSS {
			return api.AlgorithmPS384, nil
		}
		return api.AlgorithmRS384, nil
	case crypto.SHA512:
		if isPSS {
			return api.AlgorithmPS512, nil
		}
		return api.AlgorithmRS512, nil
	case 0:
		return "", errors.New("an RSA key signs digests, and the options do not name the hash function")
	}
	return "", fmt.Errorf("a vault's RSA keys sign digests of SHA-256, SHA-384 and SHA-512, not of %v", hash)
}

// signECDSA signs a digest of any length, though a vault takes only one of the
// length that the curve's own algorithm has. ECDSA begins by reading the digest as
// a number, of which it keeps the leftmost bits, FIPS 186-5 section 6.4.1: leading
// zeros do not change it, nor does what lies beyond the bits that are kept.
func (s *Signer) signECDSA(public *ecdsa.PublicKey, digest []byte) ([]byte, error) {
	algorithm, size := api.AlgorithmES256, 32
	switch public.Params().BitSize {
	case 384:
		algorithm, size = api.AlgorithmES384, 48
	case 521:
		algorithm, size = api.AlgorithmES512, 64
	}
	if len(digest) == 0 || len(digest) > size && size == 64 {
		return nil, fmt.Errorf("keyvault: Signer: a digest of %d bytes", len(digest))
	}
	fitted := make([]byte, size)
	copy(fitted[max(0, size-len(digest)):], digest)
	half := (public.Params().BitSize + 7) / 8
	signature, err := s.sign(algorithm, fitted, 2*half)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]),
	})
}

// sign returns a signature of size bytes.
func (s *Signer) sign(algorithm api.Algorithm, digest []byte, size int) ([]byte, error) {
	ctx, cancel := s.bounded()
	defer cancel()
	result, err := s.client.Sign(ctx, s.name, s.version, api.KeySignParameters{Algorithm: algorithm, Value: digest})
	if err != nil {
		return nil, err
	}
	if len(result.Value) != size {
		return nil, fmt.Errorf("keyvault: Signer: the answer has %d bytes, and a signature of the key %d", len(result.Value), size)
	}
	return result.Value, nil
}
