package keyops

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"filippo.io/mldsa"
	koblitz "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

var errFalse = errors.New("does not verify")

func verified(ok bool, err error) error {
	if !ok {
		return errFalse
	}
	return err
}

func second[T any](_ T, err error) error { return err }

// BenchmarkOperations gives the time of an operation, and as x-raw how many
// times that of the primitive below it takes.
func BenchmarkOperations(b *testing.B) {
	digest, page, iv := make([]byte, 32), make([]byte, 4096), make([]byte, 16)
	keys := userKeys()
	rsaKey, p256, p256k, oct, akp := keys["RSA"], keys["P-256"], keys["P-256K"], keys["256"], keys["ML-DSA-65"]
	private := rsaKey.private().(*rsa.PrivateKey)
	public := &private.PublicKey
	nist := p256.private().(*ecdsa.PrivateKey)
	bitcoin := p256k.private().(*koblitzKey)
	symmetric := oct.private().(*symmetricKey)
	lattice := akp.private().(*akpKey)
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	rs256, ps256 := must(rsaKey.Sign(RS256, digest)), must(rsaKey.Sign(PS256, digest))
	es256, es256ASN1 := must(p256.Sign(ES256, digest)), must(ecdsa.SignASN1(rand.Reader, nist, digest))
	es256k, es256kRaw := must(p256k.Sign(ES256K, digest)), koblitz.Sign(bitcoin.PrivateKey, digest)
	hs256, mldsa65 := must(oct.Sign(HS256, digest)), must(akp.Sign(MLDSA65, page))
	oaep := must(rsaKey.Encrypt(RSAOAEP, Input{Value: digest})).Value
	oaep256 := must(rsaKey.Encrypt(RSAOAEP256, Input{Value: digest})).Value
	pkcs1 := must(rsaKey.Encrypt(RSA15, Input{Value: digest})).Value
	sealed := must(oct.Encrypt(A256GCM, Input{Value: page}))
	sealedRaw := symmetric.aead.Seal(nil, nil, page, nil)
	cbc := must(oct.Encrypt(A256CBCPAD, Input{Value: page, IV: iv}))
	wrapped := must(oct.Wrap(A256KW, Input{Value: digest}))
	mac := func() []byte { h := hmac.New(sha256.New, symmetric.octets); h.Write(digest); return h.Sum(nil) }
	for _, bm := range []struct {
		name       string
		whole, raw func() error
	}{
		{"RS256 sign", func() error { return second(rsaKey.Sign(RS256, digest)) },
			func() error { return second(rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest)) }},
		{"RS256 verify", func() error { return verified(rsaKey.Verify(RS256, digest, rs256)) },
			func() error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, rs256) }},
		{"PS256 sign", func() error { return second(rsaKey.Sign(PS256, digest)) },
			func() error { return second(rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest, pss)) }},
		{"PS256 verify", func() error { return verified(rsaKey.Verify(PS256, digest, ps256)) },
			func() error { return rsa.VerifyPSS(public, crypto.SHA256, digest, ps256, pss) }},
		{"RSA-OAEP encrypt", func() error { return second(rsaKey.Encrypt(RSAOAEP, Input{Value: digest})) },
			func() error { return second(rsa.EncryptOAEP(sha1.New(), rand.Reader, public, digest, nil)) }},
		{"RSA-OAEP unwrap", func() error { return second(rsaKey.Unwrap(RSAOAEP, Input{Value: oaep})) },
			func() error { return second(rsa.DecryptOAEP(sha1.New(), nil, private, oaep, nil)) }},
		{"RSA-OAEP-256 unwrap", func() error { return second(rsaKey.Unwrap(RSAOAEP256, Input{Value: oaep256})) },
			func() error { return second(rsa.DecryptOAEP(sha256.New(), nil, private, oaep256, nil)) }},
		{"RSA1_5 decrypt", func() error { return second(rsaKey.Decrypt(RSA15, Input{Value: pkcs1})) },
			//lint:ignore SA1019 RSA1_5 is part of the protocol
			func() error { return second(rsa.DecryptPKCS1v15(nil, private, pkcs1)) }},
		{"ES256 sign", func() error { return second(p256.Sign(ES256, digest)) },
			func() error { return second(ecdsa.SignASN1(rand.Reader, nist, digest)) }},
		{"ES256 verify", func() error { return verified(p256.Verify(ES256, digest, es256)) },
			func() error { return verified(ecdsa.VerifyASN1(&nist.PublicKey, digest, es256ASN1), nil) }},
		{"ES256K sign", func() error { return second(p256k.Sign(ES256K, digest)) },
			func() error { koblitz.Sign(bitcoin.PrivateKey, digest); return nil }},
		{"ES256K verify", func() error { return verified(p256k.Verify(ES256K, digest, es256k)) },
			func() error { return verified(es256kRaw.Verify(digest, bitcoin.public), nil) }},
		{"A256GCM encrypt 4 KiB", func() error { return second(oct.Encrypt(A256GCM, Input{Value: page})) },
			func() error { symmetric.aead.Seal(nil, nil, page, nil); return nil }},
		{"A256GCM decrypt 4 KiB", func() error { return second(oct.Decrypt(A256GCM, Input(sealed))) },
			func() error { return second(symmetric.aead.Open(nil, nil, sealedRaw, nil)) }},
		{"A256CBCPAD decrypt 4 KiB", func() error { return second(oct.Decrypt(A256CBCPAD, Input(cbc))) },
			func() error {
				cipher.NewCBCDecrypter(symmetric.block, iv).CryptBlocks(make([]byte, len(cbc.Value)), cbc.Value)
				return nil
			}},
		{"A256KW unwrap", func() error { return second(oct.Unwrap(A256KW, Input(wrapped))) },
			func() error { unwrap(symmetric.block, wrapped.Value); return nil }},
		{"HS256 sign", func() error { return second(oct.Sign(HS256, digest)) }, func() error { mac(); return nil }},
		{"HS256 verify", func() error { return verified(oct.Verify(HS256, digest, hs256)) },
			func() error { return verified(hmac.Equal(mac(), hs256), nil) }},
		{"ML-DSA-65 sign", func() error { return second(akp.Sign(MLDSA65, page)) },
			func() error { return second(lattice.private.Sign(nil, page, nil)) }},
		{"ML-DSA-65 verify", func() error { return verified(akp.Verify(MLDSA65, page, mldsa65)) },
			func() error { return mldsa.Verify(lattice.public, page, mldsa65, nil) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			var whole, raw time.Duration
			// In turns, so that what else the machine does falls on both.
			for b.Loop() {
				start := time.Now()
				if err := bm.whole(); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if err := bm.raw(); err != nil {
					b.Fatal(err)
				}
				whole, raw = whole+middle.Sub(start), raw+time.Since(middle)
			}
			b.ReportMetric(float64(whole)/float64(b.N), "ns/whole")
			b.ReportMetric(float64(whole)/float64(raw), "x-raw")
		})
	}
}
