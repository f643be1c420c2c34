package keyops

import (
	"bytes"
	"fmt"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"

	"github.com/openkeyvault/openkeyvault/internal/keyops/externalmu"
)

// akpKey is a key pair of ML-DSA. public is kept because the library copies it,
// tens of kilobytes, whenever it is asked for it.
type akpKey struct {
	private *mldsa.PrivateKey
	public  *mldsa.PublicKey
}

func newAKPKey(private *mldsa.PrivateKey) *Key {
	return newKey(&akpKey{private, private.PublicKey()})
}

func (k *akpKey) algorithm() Algorithm { return Algorithm(k.public.Parameters().String()) }

// parametersOf returns the parameter set that an algorithm names.
func parametersOf(alg Algorithm) (_ mldsa.Parameters, known bool) {
	switch alg {
	case MLDSA44:
		return mldsa.MLDSA44(), true
	case MLDSA65:
		return mldsa.MLDSA65(), true
	case MLDSA87:
		return mldsa.MLDSA87(), true
	}
	return mldsa.Parameters{}, false
}

func unknownAKP() error {
	return invalid("The algorithm of the AKP key is not supported. Supported algorithms are %s, %s and %s.", MLDSA44, MLDSA65, MLDSA87)
}

// GenerateAKP makes a key pair for an algorithm of ML-DSA.
func GenerateAKP(alg Algorithm) (*Key, error) {
	parameters, known := parametersOf(alg)
	if !known {
		return nil, unknownAKP()
	}
	private, err := mldsa.GenerateKey(parameters)
	if err != nil {
		return nil, fmt.Errorf("generating a key of %s: %w", alg, err)
	}
	return newAKPKey(private), nil
}

// seedKey returns the key pair that the seed makes. Its error is an ErrKey.
func seedKey(alg Algorithm, seed []byte) (*Key, error) {
	parameters, known := parametersOf(alg)
	if !known || len(seed) != mldsa.PrivateKeySize {
		return nil, fmt.Errorf("%w: not a seed of ML-DSA", ErrKey)
	}
	private, err := mldsa.NewPrivateKey(parameters, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: not a seed of ML-DSA", ErrKey)
	}
	return newAKPKey(private), nil
}

func importAKP(k PrivateJWK) (*Key, error) {
	parameters, known := parametersOf(k.Algorithm)
	if !known {
		return nil, unknownAKP()
	}
	for _, m := range []struct {
		name  string
		bytes []byte
		size  int
	}{{"pub", k.Pub, parameters.PublicKeySize()}, {"priv", k.Priv, mldsa.PrivateKeySize}} {
		if len(m.bytes) == 0 {
			return nil, malformed("The AKP key is missing its member %s.", m.name)
		}
		if len(m.bytes) != m.size {
			return nil, malformed("The member %s of the AKP key has %d bytes. With %s it has %d.", m.name, len(m.bytes), k.Algorithm, m.size)
		}
	}
	key, err := seedKey(k.Algorithm, k.Priv)
	if err != nil {
		return nil, inconsistent(TypeAKP, "The member priv of the AKP key is not a seed of %s.", k.Algorithm)
	}
	if !bytes.Equal(key.Public().Pub, k.Pub) {
		return nil, inconsistent(TypeAKP, "The member pub of the AKP key is not the public key of priv.")
	}
	return key, nil
}

// maxContext is the bound of FIPS 204 section 5.2, in bytes.
const maxContext = 255

func (m Message) checkMLDSA() error {
	if n := len(m.ExternalMu); n != 0 {
		if n != externalmu.Size {
			return invalid("Invalid length of 'external_mu': %d bytes. ML-DSA requires %d bytes, encoded with base64url.", n, externalmu.Size)
		}
		if len(m.Value) != 0 || len(m.Context) != 0 {
			return invalid("The parameter external_mu stands for the message and its context, which must be left out.")
		}
		return nil
	}
	if len(m.Context) > maxContext {
		return invalid("Invalid length of 'context': %d bytes. At most %d bytes are supported.", len(m.Context), maxContext)
	}
	if len(m.Value) > maxInput {
		return invalid("Invalid length of 'value': %d bytes. At most %d bytes are supported.", len(m.Value), maxInput)
	}
	return nil
}

// sign is hedged, FIPS 204 section 3.4: no two signatures are the same.
func (k *akpKey) sign(m Message) (signature []byte, err error) {
	if len(m.ExternalMu) != 0 {
		signature, err = k.private.Sign(nil, m.ExternalMu, mldsacrypto.MLDSAMu)
	} else {
		signature, err = k.private.Sign(nil, m.Value, &mldsa.Options{Context: string(m.Context)})
	}
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.algorithm(), err)
	}
	return signature, nil
}

func (k *akpKey) verify(m Message, signature []byte) bool {
	if len(m.ExternalMu) != 0 {
		return externalmu.Verify(k.public.Bytes(), m.ExternalMu, signature)
	}
	return mldsa.Verify(k.public, m.Value, signature, &mldsa.Options{Context: string(m.Context)}) == nil
}
