package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// TestNothingInClearOnDisk writes secrets, keys and applications, and then looks
// through every file of the data directory for each value, private number and
// client secret, in every encoding that could have been made of them. Two
// planted values prove that the search finds what is there: one in a file, one
// in the database itself.
func TestNothingInClearOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, DataConfig{Dir: dir, DisableCompression: true})
	ctx := t.Context()
	values := map[string][]byte{}
	var call = ownerCall(testVault)

	for i := range 50 {
		value := []byte(rand.Text() + rand.Text())
		if i%5 == 0 {
			value = bytes.Repeat(value, 400) // as long as a value may be, nearly
		}
		name := fmt.Sprintf("secret-%d", i)
		if _, err := s.Vaults().SetSecret(ctx, call, name, vault.SetSecret{Value: secret.New(bytes.Clone(value))}); err != nil {
			t.Fatal(err)
		}
		values[name] = value[:min(len(value), 52)]
	}
	for name, spec := range map[string]keyops.Spec{
		"rsa":  {Type: keyops.TypeRSA, Bits: 2048},
		"p256": {Type: keyops.TypeEC, Curve: keyops.CurveP256},
		"p384": {Type: keyops.TypeEC, Curve: keyops.CurveP384},
		"p521": {Type: keyops.TypeEC, Curve: keyops.CurveP521},
		"k256": {Type: keyops.TypeEC, Curve: keyops.CurveP256K},
	} {
		if _, err := s.Vaults().CreateKey(ctx, call, name, vault.CreateKey{Spec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	privateNumbers(t, s, values)
	if len(values) != 50+6+4 { // d, p, q, dp, dq, qi of the RSA key, and four scalars
		t.Fatalf("%d values to look for", len(values))
	}
	_, clientSecret, err := s.Identity().CreateApplication(ctx, testTenant, "an application")
	if err != nil {
		t.Fatal(err)
	}
	values["client secret"] = clientSecret.Reveal()
	values["owner's client secret"] = []byte(testSecret)

	inDatabase, inFile := []byte(rand.Text()), []byte(rand.Text())
	plant(t, s, inDatabase)
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	encoded := base64.RawURLEncoding.EncodeToString(reversed(inFile))
	if err := os.WriteFile(filepath.Join(dir, "planted"), []byte("x"+encoded+"x"), 0o600); err != nil {
		t.Fatal(err)
	}

	files := 0
	found := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for name, value := range values {
			if form := find(content, value); form != "" {
				t.Errorf("%s holds %s, as %s", path, name, form)
			}
		}
		found["database"] = found["database"] || find(content, inDatabase) == "raw"
		// The two alphabets of base64 differ in two characters, which the planted
		// text need not have.
		planted := find(content, inFile)
		found["file"] = found["file"] || planted == "base64, reversed" || planted == "base64url, reversed"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found["database"] || !found["file"] {
		t.Errorf("the search did not find what was planted: %v", found)
	}
	t.Logf("%d values in 8 forms each, %d files", len(values), files)
}

// plant puts a value into the database as no part of the program does.
func plant(t *testing.T, s *Server, value []byte) {
	t.Helper()
	err := s.data.store.Update(t.Context(), func(tx store.Tx) error {
		key := tuple.Key("planted")
		if _, err := tx.Get(key); err != nil {
			return err
		}
		tx.Put(key, value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// privateNumbers adds the private numbers of every key of the vault.
func privateNumbers(t *testing.T, s *Server, values map[string][]byte) {
	t.Helper()
	err := s.data.catalog.View(context.Background(), testVault, nil, func(v store.View, sc catalog.Scope, _ []store.Record) error {
		bodies := tuple.Append(tuple.Append(catalog.VaultKey(sc.Vault.ID), "body"), "keys")
		entries, err := v.Scan(tuple.Prefix(bodies), store.MaxScan)
		if err != nil {
			return err
		}
		for i, e := range entries {
			plain, err := sc.Sealer.Open(e.Key, e.Value)
			if err != nil {
				return err
			}
			// After the record's format, the key's own: its format, its
			// encoding, and PKCS #8 or a scalar.
			encoded := plain[3:]
			name := fmt.Sprintf("key %d: ", i)
			parsed, err := x509.ParsePKCS8PrivateKey(encoded)
			if err != nil {
				values[name+"d"] = encoded
				continue
			}
			switch k := parsed.(type) {
			case *rsa.PrivateKey:
				values[name+"d"], values[name+"p"], values[name+"q"] = k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes()
				values[name+"dp"], values[name+"dq"], values[name+"qi"] = k.Precomputed.Dp.Bytes(), k.Precomputed.Dq.Bytes(), k.Precomputed.Qinv.Bytes()
			case *ecdsa.PrivateKey:
				if values[name+"d"], err = k.Bytes(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// find returns the form in which content holds value, or "".
func find(content, value []byte) string {
	for _, order := range []struct {
		suffix string
		bytes  []byte
	}{{"", value}, {", reversed", reversed(value)}} {
		if bytes.Contains(content, order.bytes) {
			return "raw" + order.suffix
		}
		text := hex.EncodeToString(order.bytes)
		if bytes.Contains(content, []byte(text)) || bytes.Contains(content, []byte(strings.ToUpper(text))) {
			return "hex" + order.suffix
		}
		for _, form := range []struct {
			name     string
			encoding *base64.Encoding
		}{{"base64", base64.RawStdEncoding}, {"base64url", base64.RawURLEncoding}} {
			// A value may stand at any offset of what was encoded; its whole
			// groups look the same at each of the three.
			for skip := range 3 {
				whole := order.bytes[skip:]
				if bytes.Contains(content, []byte(form.encoding.EncodeToString(whole[:len(whole)/3*3]))) {
					return form.name + order.suffix
				}
			}
		}
	}
	return ""
}

func reversed(b []byte) []byte {
	r := bytes.Clone(b)
	slices.Reverse(r)
	return r
}
