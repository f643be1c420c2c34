//go:build !openssl

package keyops

import "crypto/rsa"

// native is what a build with the tag openssl keeps of an RSA key besides. Here
// there is nothing.
type native struct{}

func newNative(*rsa.PrivateKey) native { return native{} }

// sign reports false: the standard library does it.
func (native) sign(algorithm, []byte) ([]byte, bool, error) { return nil, false, nil }

// decrypt reports false: the standard library does it.
func (native) decrypt(algorithm, []byte) ([]byte, bool, error) { return nil, false, nil }
