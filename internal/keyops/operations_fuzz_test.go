package keyops

import (
	"bytes"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// FuzzDecrypt: whatever is sent is opened or refused; what is opened can be
// closed and opened again.
func FuzzDecrypt(f *testing.F) {
	for i, a := range algorithms {
		if a.ops[0] == sign {
			continue
		}
		out := must(user(a).do(a.ops[0], a.name, inputFor(a)))
		f.Add(uint8(i), out.Value, out.IV, out.AAD, out.Tag)
		f.Add(uint8(i), out.Value[:len(out.Value)/2], out.IV, []byte("x"), []byte(nil))
	}
	f.Add(uint8(200), []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, row uint8, value, iv, aad, tag []byte) {
		a := algorithms[int(row)%len(algorithms)]
		do, undo := encrypt, decrypt
		if a.ops[0] == wrapKey {
			do, undo = wrapKey, unwrapKey
		}
		key, in := user(a), Input{bytes.Clone(value), bytes.Clone(iv), bytes.Clone(aad), bytes.Clone(tag)}
		out, err := key.do(undo, a.name, in)
		if !bytes.Equal(in.Value, value) || !bytes.Equal(in.IV, iv) || !bytes.Equal(in.AAD, aad) || !bytes.Equal(in.Tag, tag) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || out.Value != nil {
				t.Fatalf("%s: %v with a value: %v", a.name, err, out.Value != nil)
			}
			return
		}
		again := Input{Value: out.Value, AAD: aad}
		if a.scheme == cbc || a.scheme == cbcPadded {
			again.IV = iv
		}
		closed, err := key.do(do, a.name, again)
		if err != nil {
			t.Fatalf("%s: what was opened cannot be closed: %v", a.name, err)
		}
		if deterministic := a.scheme != gcm && a.key == TypeOct; deterministic && !bytes.Equal(closed.Value, value) {
			t.Fatalf("%s: two ciphertexts of one value", a.name)
		}
	})
}

// FuzzVerify: nobody makes a signature by chance. A signature of the digest
// passes, and only one that Sign could have made of it when there is but one.
func FuzzVerify(f *testing.F) {
	for i, a := range algorithms {
		if a.ops[0] == sign {
			d := digestFor(a)
			f.Add(uint8(i), d, must(user(a).Sign(a.name, d)))
			f.Add(uint8(i), d, []byte{})
			f.Add(uint8(i), d[1:], bytes.Repeat([]byte{0xff}, 64))
		}
	}
	f.Fuzz(func(t *testing.T, row uint8, digest, signature []byte) {
		a := algorithms[int(row)%len(algorithms)]
		key := user(a)
		ok, err := key.Verify(a.name, digest, signature)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || ok {
				t.Fatalf("%s: %v, %v", a.name, ok, err)
			}
			return
		}
		if !ok {
			return
		}
		if a.scheme == pkcs1Signature || a.scheme == mac {
			if only, err := key.Sign(a.name, digest); err != nil || !bytes.Equal(only, signature) {
				t.Fatalf("%s: a second signature of one digest: %v", a.name, err)
			}
		}
		if other, err := key.Verify(a.name, flip(digest, 0), signature); other || err != nil {
			t.Fatalf("%s: it is a signature of another digest too: %v", a.name, err)
		}
	})
}
