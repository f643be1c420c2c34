package keyvault

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/openkeyvault/openkeyvault/api"
)

// Decrypter is an RSA private key that stays in the vault, as a crypto.Decrypter.
// What is said of a Signer is true of it, too. It is a type of its own because
// crypto/tls takes whatever decrypts for an RSA key of the oldest handshake.
type Decrypter struct{ remoteKey }

// NewDecrypter is NewSigner for a key that decrypts. It returns an error for keys
// that are not RSA.
func NewDecrypter(ctx context.Context, client *Client, name, version string) (*Decrypter, error) {
	k, err := readKey(ctx, client, name, version)
	if err != nil {
		return nil, err
	}
	if _, isRSA := k.public.(*rsa.PublicKey); !isRSA {
		return nil, errors.New("keyvault: only RSA keys decrypt")
	}
	return &Decrypter{k}, nil
}

// WithContext returns the same key with another context, which alone bounds every
// operation.
func (d *Decrypter) WithContext(ctx context.Context) *Decrypter {
	return &Decrypter{d.withContext(ctx)}
}

// Decrypt decrypts: according to PKCS #1 v1.5 if opts are nil or
// *rsa.PKCS1v15DecryptOptions, or to OAEP with SHA-1 or SHA-256 and no label if
// they are *rsa.OAEPOptions. It needs the permission keys/decrypt.
//
// Whoever sends ciphertexts of PKCS #1 v1.5 and learns which of them could be
// decrypted can decrypt others. A SessionKeyLen, which is to hide that, is
// refused: how long a vault takes to answer may tell it all the same.
func (d *Decrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	algorithm, err := decryptionAlgorithm(opts)
	if err != nil {
		return nil, fmt.Errorf("keyvault: Decrypter: %w", err)
	}
	ctx, cancel := d.bounded()
	defer cancel()
	result, err := d.client.Decrypt(ctx, d.name, d.version, api.KeyOperationParameters{Algorithm: algorithm, Value: ciphertext})
	if err != nil {
		return nil, err
	}
	return result.Value, nil
}

func decryptionAlgorithm(opts crypto.DecrypterOpts) (api.Algorithm, error) {
	switch opts := opts.(type) {
	case nil:
		return api.AlgorithmRSA15, nil
	//lint:ignore SA1019 it is how callers ask for what vaults have, and the documentation warns
	case *rsa.PKCS1v15DecryptOptions:
		if opts.SessionKeyLen != 0 {
			return "", errors.New("a vault cannot hide whether a session key could be decrypted")
		}
		return api.AlgorithmRSA15, nil
	case *rsa.OAEPOptions:
		switch {
		case len(opts.Label) != 0:
			return "", errors.New("a vault's OAEP has no label")
		case opts.MGFHash != 0 && opts.MGFHash != opts.Hash:
			return "", errors.New("a vault's OAEP has one hash function")
		case opts.Hash == crypto.SHA1:
			return api.AlgorithmRSAOAEP, nil
		case opts.Hash == crypto.SHA256:
			return api.AlgorithmRSAOAEP256, nil
		}
		return "", fmt.Errorf("a vault's OAEP has SHA-1 or SHA-256, not %v", opts.Hash)
	}
	return "", fmt.Errorf("options of the type %T", opts)
}
