package release

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Sign returns the payload as a signed object in compact form, RFC 7515, with the
// certificate's chain and thumbprints in its header, as Azure's answers have them.
//
// The certificate is one of TLS. What it signs here begins with a letter, and what
// it signs in a handshake with 64 spaces or, up to TLS 1.2, with bytes that
// contain what base64 has not: neither can be taken for the other.
func Sign(cert *tls.Certificate, payload []byte) (string, error) {
	if len(cert.Certificate) == 0 {
		return "", fmt.Errorf("release: signing without a certificate")
	}
	alg, err := algorithmOf(cert)
	if err != nil {
		return "", err
	}
	chain := make([]string, len(cert.Certificate))
	for i, der := range cert.Certificate {
		chain[i] = base64.StdEncoding.EncodeToString(der)
	}
	thumbprint, thumbprint256 := sha1.Sum(cert.Certificate[0]), sha256.Sum256(cert.Certificate[0])
	options := (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5t", base64.RawURLEncoding.EncodeToString(thumbprint[:])).
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint256[:])).
		WithHeader("x5c", chain)
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: alg, Key: jose.JSONWebKey{Key: cert.PrivateKey, KeyID: fmt.Sprintf("%X", thumbprint)},
	}, options)
	if err != nil {
		return "", fmt.Errorf("release: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("release: signing: %w", err)
	}
	return jws.CompactSerialize()
}

// algorithmOf returns RS256 where it can, which is Azure's.
func algorithmOf(cert *tls.Certificate) (jose.SignatureAlgorithm, error) {
	switch key := cert.PrivateKey.(type) {
	case *rsa.PrivateKey:
		return jose.RS256, nil
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	case *ecdsa.PrivateKey:
		switch key.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	}
	return "", fmt.Errorf("release: signing with a key of type %T", cert.PrivateKey)
}
