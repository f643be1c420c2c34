package bench

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"time"
)

// primitive is an operation with a key, as the standard library does it: what
// every service over it must spend.
type primitive string

const (
	rs256  primitive = "RS256, RSA 2048, sign"
	ps256  primitive = "PS256, RSA 3072, sign"
	unwrap primitive = "RSA-OAEP-256, RSA 2048, unwrap"
	es256  primitive = "ES256, sign"
	es384  primitive = "ES384, sign"
	gcm    primitive = "A256GCM, 4 KiB, encrypt"
)

// gcmValue is how much A256GCM encrypts at once.
const gcmValue = 4 << 10

// work returns the operation with a new key. It is safe for concurrent use.
func (p primitive) work() (func() error, error) {
	digest := make([]byte, 48)
	switch p {
	case rs256:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		return func() error { return second(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:32])) }, err
	case ps256:
		key, err := rsa.GenerateKey(rand.Reader, 3072)
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return func() error { return second(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:32], options)) }, err
	case unwrap:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, digest[:32], nil)
		return func() error { return second(rsa.DecryptOAEP(sha256.New(), nil, key, wrapped, nil)) }, err
	case es256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return func() error { return second(ecdsa.SignASN1(rand.Reader, key, digest[:32])) }, err
	case es384:
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		return func() error { return second(ecdsa.SignASN1(rand.Reader, key, digest)) }, err
	case gcm:
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			return nil, err
		}
		sealer, err := cipher.NewGCMWithRandomNonce(block)
		plain := make([]byte, gcmValue)
		return func() error { sealer.Seal(nil, nil, plain, nil); return nil }, err
	}
	return nil, fmt.Errorf("there is no primitive %q", p)
}

func second[T any](_ T, err error) error { return err }

// primitiveJob does nothing but a primitive, on one thread.
type primitiveJob struct{ work func() error }

func newPrimitive(p primitive) (job, error) {
	work, err := p.work()
	if err != nil {
		return nil, err
	}
	return &primitiveJob{work}, nil
}

func (p *primitiveJob) address() string { return "" }

func (p *primitiveJob) close() error { return nil }

func (p *primitiveJob) run(ctx context.Context, t task) (w work, err error) {
	started := time.Now()
	for !t.ended(w.Done, started) && ctx.Err() == nil {
		if err := p.work(); err != nil {
			return w, err
		}
		w.Done++
	}
	w.Elapsed = time.Since(started)
	return w, ctx.Err()
}
