package seal

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"
)

func FuzzOpen(f *testing.F) {
	k := openKeyring(f, newStore(f), newRoot(f))
	s, _ := newVault(f, k, "v1")
	genuine := mustSeal(f, s, "record", "value")
	empty := mustSeal(f, s, "record", "")
	f.Add([]byte("record"), genuine)
	f.Add([]byte("record"), empty)
	f.Add([]byte("recor"), genuine)
	f.Add([]byte{}, genuine[:Overhead])
	f.Add([]byte("record"), []byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, key, sealed []byte) {
		got, err := s.Open(key, sealed)
		if string(key) == "record" && (bytes.Equal(sealed, genuine) || bytes.Equal(sealed, empty)) {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if err != ErrOpen || got != nil {
			t.Fatalf("Open = %x, %v, want ErrOpen itself", got, err)
		}
	})
}

// FuzzDecodeRing has bytes that only an authenticated message brings.
func FuzzDecodeRing(f *testing.F) {
	one, err := singleRing(newKey())
	if err != nil {
		f.Fatal(err)
	}
	two, err := one.rotated()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one.encode())
	f.Add(two.encode())
	f.Add(two.encode()[:20])
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{1, 0xff, 0xff})
	descending := two.encode()
	binary.BigEndian.PutUint32(descending[3:], 9)
	f.Add(descending)
	f.Fuzz(func(t *testing.T, b []byte) {
		given := bytes.Clone(b)
		r, err := decodeRing(given)
		if err != nil {
			if r != nil {
				t.Fatal("a ring with an error")
			}
			return
		}
		clear(given) // is not kept
		if !bytes.Equal(r.encode(), b) {
			t.Fatalf("%x is encoded as %x", b, r.encode())
		}
		sealed, err := r.seal(forRecord, []byte("name"), []byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.open(forRecord, []byte("name"), sealed); err != nil || string(got) != "value" {
			t.Fatalf("the ring does not open what it seals: %q, %v", got, err)
		}
	})
}

func FuzzDecodeEnvelope(f *testing.F) {
	dir := filepath.Join("testdata", "format1")
	record := readGolden(f, dir).Keyring
	root := goldenRoot(f, dir)
	f.Add(record)
	f.Add(record[:len(record)-1])
	f.Add(record[:18])
	f.Add(append([]byte{2}, record[1:]...))
	f.Add(append(append(bytes.Clone(record[:17]), 0), record[18:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		given := bytes.Clone(b)
		e, err := decodeEnvelope(given)
		if err == nil {
			clear(given) // is not kept
			if !bytes.Equal(e.encode(), b) {
				t.Fatalf("%x is encoded as %x", b, e.encode())
			}
		}
		if k, err := open(b, []Root{root}); (err == nil) != bytes.Equal(b, record) || (k == nil) != (err != nil) {
			t.Fatalf("a changed keyring: %v, %v", k, err)
		}
	})
}

func FuzzParseRootFile(f *testing.F) {
	f.Add(rootFileText(newKey()))
	f.Add([]byte("okv-root-key v1 AAAA 00"))
	f.Add([]byte("# comment\r\n\r\nokv-root-key\tv1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := rootKeyFile.parse(text)
		if err != nil {
			if key != nil {
				t.Fatal("a key with an error")
			}
			return
		}
		if again, err := rootKeyFile.parse(rootFileText(key)); err != nil || !bytes.Equal(again, key) {
			t.Fatalf("written anew it is another key: %v", err)
		}
	})
}

func FuzzPathOfURI(f *testing.F) {
	for _, uri := range []string{"file:/a", "file:///a/../b", "file://h/a", "file:/%00", "file:a", "file:/a?b#c", "file:/ü%20"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		path, err := pathOfURI(uri)
		if err != nil {
			return
		}
		again, err := pathOfURI(FileURI(path))
		if err != nil || again != path || !filepath.IsAbs(path) {
			t.Fatalf("%q is %q, and that %q, %v", uri, path, again, err)
		}
	})
}
