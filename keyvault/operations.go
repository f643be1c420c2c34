package keyvault

import (
	"context"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
)

// Encrypt encrypts a value with a key, at most as long as the algorithm allows:
// with RSA that is less than the modulus. Symmetric keys are those of managed
// HSMs; what they answer beside the value, Decrypt needs. It needs the permission
// keys/encrypt.
func (c *Client) Encrypt(ctx context.Context, name, version string, parameters api.KeyOperationParameters) (*api.KeyOperationResult, error) {
	return c.useKey(ctx, "Encrypt", name, version, "encrypt", parameters)
}

// Decrypt returns what was encrypted. An error with status 400 says only that it
// could not be decrypted, not why. It needs the permission keys/decrypt.
func (c *Client) Decrypt(ctx context.Context, name, version string, parameters api.KeyOperationParameters) (*api.KeyOperationResult, error) {
	return c.useKey(ctx, "Decrypt", name, version, "decrypt", parameters)
}

// WrapKey encrypts a symmetric key, and differs from Encrypt in the permission
// that it needs: keys/wrapKey.
func (c *Client) WrapKey(ctx context.Context, name, version string, parameters api.KeyOperationParameters) (*api.KeyOperationResult, error) {
	return c.useKey(ctx, "WrapKey", name, version, "wrapkey", parameters)
}

// UnwrapKey returns the key that was wrapped. It needs the permission
// keys/unwrapKey.
func (c *Client) UnwrapKey(ctx context.Context, name, version string, parameters api.KeyOperationParameters) (*api.KeyOperationResult, error) {
	return c.useKey(ctx, "UnwrapKey", name, version, "unwrapkey", parameters)
}

// Sign signs a digest, whose length must be that of the algorithm's hash
// function, or with an AKP key a message of 64 KiB at most. Signatures of
// elliptic-curve keys are the two numbers one after the other, RFC 7518 section
// 3.4; a Signer returns what x509 and TLS have instead. It needs the permission
// keys/sign.
func (c *Client) Sign(ctx context.Context, name, version string, parameters api.KeySignParameters) (*api.KeyOperationResult, error) {
	return onVersion[api.KeyOperationResult](ctx, c, name, version, operation{
		name: "Sign", method: http.MethodPost, path: []string{"keys", name, version, "sign"}, body: parameters,
		akp: ofAKP(parameters.Algorithm, parameters.ExternalMu, parameters.Context),
	})
}

// ofAKP reports whether the parameters of an operation are those of an AKP key,
// which alone needs no algorithm.
func ofAKP(algorithm api.Algorithm, externalMu, context []byte) bool {
	switch algorithm {
	case "", api.AlgorithmMLDSA44, api.AlgorithmMLDSA65, api.AlgorithmMLDSA87:
		return true
	}
	return externalMu != nil || context != nil
}

// Verify reports whether a signature is the key's. One that is not is no error.
// It needs the permission keys/verify; with PublicKey a program can verify the
// signatures of most keys without asking the vault.
func (c *Client) Verify(ctx context.Context, name, version string, parameters api.KeyVerifyParameters) (bool, error) {
	result, err := onVersion[api.KeyVerifyResult](ctx, c, name, version, operation{
		name: "Verify", method: http.MethodPost, path: []string{"keys", name, version, "verify"}, body: parameters,
		akp: ofAKP(parameters.Algorithm, parameters.ExternalMu, parameters.Context),
	})
	if err != nil {
		return false, err
	}
	return result.Value, nil
}

// GetRandomBytes returns count bytes, 1 to 128, of a managed HSM's random number
// generator. Vaults have none. It needs the role's permission rng.
func (c *Client) GetRandomBytes(ctx context.Context, count int32) ([]byte, error) {
	result, err := call[api.RandomBytes](ctx, c, operation{
		name: "GetRandomBytes", method: http.MethodPost, path: []string{"rng"}, body: api.RandomBytesParameters{Count: count},
	})
	if err != nil {
		return nil, err
	}
	return result.Value, nil
}

func (c *Client) useKey(ctx context.Context, operationName, name, version, action string, parameters any) (*api.KeyOperationResult, error) {
	return onVersion[api.KeyOperationResult](ctx, c, name, version, operation{
		name: operationName, method: http.MethodPost, path: []string{"keys", name, version, action}, body: parameters,
	})
}
