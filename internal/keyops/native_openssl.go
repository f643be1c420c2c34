//go:build openssl

package keyops

/*
#cgo LDFLAGS: -lcrypto
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static EVP_PKEY *okv_parse(const unsigned char *der, long size) {
	return d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, size);
}

static const EVP_MD *okv_digest(int bits) {
	switch (bits) {
	case 160: return EVP_sha1();
	case 256: return EVP_sha256();
	case 384: return EVP_sha384();
	case 512: return EVP_sha512();
	}
	return NULL;
}

// okv_sign returns 1 and the signature, or another value. Without a digest, the
// value is signed as it is.
static int okv_sign(EVP_PKEY *key, int pss, int bits, const unsigned char *value, size_t size, unsigned char *out, size_t *room) {
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
		(bits == 0 || EVP_PKEY_CTX_set_signature_md(ctx, okv_digest(bits)) == 1) &&
		(!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1) &&
		EVP_PKEY_sign(ctx, out, room, value, size) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

// okv_unwrap is RSA-OAEP.
static int okv_unwrap(EVP_PKEY *key, int bits, const unsigned char *value, size_t size, unsigned char *out, size_t *room) {
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_oaep_md(ctx, okv_digest(bits)) == 1 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, okv_digest(bits)) == 1 &&
		EVP_PKEY_decrypt(ctx, out, room, value, size) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}
*/
import "C"

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"runtime"
)

// native is an RSA key as OpenSSL's libcrypto has it, whose private operations
// take less time where the processor has the instructions for it. Keys are made,
// checked and stored by the standard library all the same.
type native struct{ key *nativeKey }

// nativeKey is safe for concurrent use: libcrypto counts references and locks.
type nativeKey struct{ pkey *C.EVP_PKEY }

func newNative(private *rsa.PrivateKey) native {
	der := x509.MarshalPKCS1PrivateKey(private)
	defer clear(der)
	pkey := C.okv_parse((*C.uchar)(&der[0]), C.long(len(der)))
	if pkey == nil {
		return native{} // the standard library knows the key
	}
	k := &nativeKey{pkey}
	runtime.AddCleanup(k, func(pkey *C.EVP_PKEY) { C.EVP_PKEY_free(pkey) }, pkey)
	return native{k}
}

var errNative = errors.New("libcrypto refuses the key or the value")

// sign reports false for what it leaves to the standard library.
func (n native) sign(a algorithm, value []byte) ([]byte, bool, error) {
	if n.key == nil || len(value) == 0 {
		return nil, false, nil
	}
	out, room := n.room()
	var isPSS, bits C.int
	if a.scheme == pss {
		isPSS = 1
	}
	if a.hash != 0 {
		bits = C.int(8 * a.hash.Size())
	}
	ok := C.okv_sign(n.key.pkey, isPSS, bits, (*C.uchar)(&value[0]), C.size_t(len(value)), (*C.uchar)(&out[0]), &room)
	runtime.KeepAlive(n.key)
	if ok != 1 {
		return nil, true, errNative
	}
	return out[:room], true, nil
}

// decrypt reports false for what it leaves to the standard library: RSA1_5 among
// it, whose refusals must not differ in time.
func (n native) decrypt(a algorithm, ciphertext []byte) ([]byte, bool, error) {
	if n.key == nil || a.scheme != oaep || len(ciphertext) == 0 {
		return nil, false, nil
	}
	out, room := n.room()
	ok := C.okv_unwrap(n.key.pkey, C.int(8*a.hash.Size()), (*C.uchar)(&ciphertext[0]), C.size_t(len(ciphertext)), (*C.uchar)(&out[0]), &room)
	runtime.KeepAlive(n.key)
	if ok != 1 {
		clear(out)
		return nil, true, errNative
	}
	return out[:room], true, nil
}

// room returns a place for a result, which is at most as long as the modulus.
func (n native) room() ([]byte, C.size_t) {
	size := C.EVP_PKEY_get_size(n.key.pkey)
	return make([]byte, size), C.size_t(size)
}
