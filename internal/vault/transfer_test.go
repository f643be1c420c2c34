package vault

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

// exchangeKey returns the key that the blobs below are wrapped for.
var exchangeKey = sync.OnceValue(func() keyops.PrivateJWK {
	text, err := os.ReadFile("../keyops/testdata/openssl/rsa-2048.pem")
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	k := parsed.(*rsa.PrivateKey)
	return keyops.PrivateJWK{
		Type: keyops.TypeRSA, N: k.N.Bytes(), E: []byte{1, 0, 1}, D: k.D.Bytes(), P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes(),
		DP: k.Precomputed.Dp.Bytes(), DQ: k.Precomputed.Dq.Bytes(), QI: k.Precomputed.Qinv.Bytes(),
	}
})

// transfers returns the blobs that OpenSSL has made, one of each type.
func transfers(t testing.TB) map[keyops.Type]*keyops.Transfer {
	t.Helper()
	text, err := os.ReadFile("../keyops/testdata/transfer/openssl.json")
	if err != nil {
		t.Fatal(err)
	}
	var blobs []struct {
		Kty  keyops.Type
		Blob string
	}
	if err := json.Unmarshal(text, &blobs); err != nil {
		t.Fatal(err)
	}
	of := map[keyops.Type]*keyops.Transfer{}
	for _, b := range blobs {
		of[b.Kty] = must(keyops.ParseTransfer([]byte(b.Blob)))(t)
	}
	if of[keyops.TypeRSA] == nil || of[keyops.TypeEC] == nil || of[keyops.TypeOct] == nil {
		t.Fatalf("blobs of %v", of)
	}
	return of
}

// kek imports the exchange key.
func (w *world) kek(vault string, change ...func(*ImportKey)) *Key {
	w.t.Helper()
	in := ImportKey{Key: exchangeKey(), HSM: true, Ops: []string{"import"}}
	for _, c := range change {
		c(&in)
	}
	return must(w.svc.ImportKey(w.ctx(), call(vault), "KEK", in))(w.t)
}

// A transferred key is an HSM key like any other. That its private part fits the
// public one is checked of everything in the store when the test ends.
func TestImportTransferred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	kek := w.kek("v")
	w.kek("v", func(in *ImportKey) { in.Key = importedRSAKey().Key }) // is not the version that the blob names
	for of, blob := range transfers(t) {
		if of == keyops.TypeOct {
			continue
		}
		w.audited()
		in := ImportKey{Key: keyops.PrivateJWK{Type: of}, Transfer: &Transfer{blob, "kek", strings.ToUpper(kek.Version)}, Tags: map[string]string{"k": "v"}}
		got := must(w.svc.ImportKey(w.ctx(), call("v"), "Moved", in))(t)
		if got.Name != "Moved" || got.Public.Type != of || !got.HSM || got.Tags["k"] != "v" || len(got.Ops) != len(keyops.DefaultOps(of)) {
			t.Errorf("imported %+v", got)
		}
		if r := w.audited(); len(r) != 1 || r[0].Operation != "KeyImport" || r[0].Object != "keys/Moved/"+got.Version {
			t.Errorf("audited as %+v", r)
		}
		w.purgeAny("v", keyKind, "moved")
	}
	in := ImportKey{Key: keyops.PrivateJWK{Type: keyops.TypeRSA}, Transfer: &Transfer{transfers(t)[keyops.TypeRSA], "kek", kek.Version}}
	must(w.svc.ImportKey(w.ctx(), call("v"), "used", in))(t)
	must(w.svc.Sign(w.ctx(), call("v"), "used", "", rs256))(t)
}

// TestImportTransferredRefuses has every reason why a key exchange key does not
// do, and why what it opens does not come in.
func TestImportTransferredRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	w.vault("standard")
	kek := w.kek("v")
	ec := must(w.svc.CreateKey(w.ctx(), call("v"), "ec", CreateKey{Spec: newECKey.Spec, HSM: true, Ops: []string{"import"}}))(t)
	variant := func(name string, change func(*ImportKey)) *Key {
		in := ImportKey{Key: exchangeKey(), HSM: true, Ops: []string{"import"}}
		change(&in)
		return must(w.svc.ImportKey(w.ctx(), call("v"), name, in))(t)
	}
	variant("soft", func(in *ImportKey) { in.HSM = false })
	variant("mute", func(in *ImportKey) { in.Ops = []string{"unwrapKey", "decrypt"} })
	variant("off", func(in *ImportKey) { in.Attributes.Enabled = ptr(false) })
	variant("another", func(in *ImportKey) { in.Key = importedRSAKey().Key })
	variant("old", func(in *ImportKey) { in.Attributes.Expires = ptr(testStart - day) })
	bad := func(message string) refused { return refused{fault.Invalid, "BadParameter", "", message} }
	blobs := transfers(t)
	before := w.dump()
	for _, tt := range []struct {
		what, vault   string
		of            keyops.Type
		name, version string
		want          refused
	}{
		{"no such key", "v", keyops.TypeRSA, "none", "", notFound("key", "none")},
		{"no such version", "v", keyops.TypeRSA, "kek", ec.Version, notFound("key", "kek/"+ec.Version)},
		{"no version", "v", keyops.TypeRSA, "kek", "latest", notFound("key", "kek/latest")},
		{"no name", "v", keyops.TypeRSA, "a_b", kek.Version, bad("The request URI contains an invalid name: a_b")},
		{"of no HSM", "v", keyops.TypeRSA, "soft", "", bad("The key exchange key is not of type RSA-HSM.")},
		{"of another type", "v", keyops.TypeRSA, "ec", "", bad("The key exchange key is not of type RSA-HSM.")},
		{"not for importing", "v", keyops.TypeRSA, "mute", "", refused{fault.Forbidden, "Forbidden", "KeyOperationForbidden", "Operation import is not permitted on this key."}},
		{"disabled", "v", keyops.TypeRSA, "off", "", refused{fault.Forbidden, "Forbidden", "KeyDisabled", "Operation import is not allowed on a disabled key."}},
		{"another key", "v", keyops.TypeRSA, "another", "", bad("The parameter is incorrect.\r\n")},
		{"another type inside", "v", keyops.TypeEC, "kek", "", bad("The transferred key is not of type EC.")},
		{"a symmetric key", "v", keyops.TypeOct, "kek", "", refused{fault.Invalid, "BadParameter", "KeyTypeNotSupported", "Invalid kty value: oct-HSM"}},
		{"AKP", "v", keyops.TypeAKP, "kek", "", bad("Keys of this type cannot be transferred. Supported types are RSA, EC and oct.")},
		{"in a standard vault", "standard", keyops.TypeRSA, "kek", "", hsmRefused},
	} {
		t.Run(tt.what, func(t *testing.T) {
			blob := blobs[keyops.TypeRSA]
			if tt.of == keyops.TypeOct {
				blob = blobs[tt.of]
			}
			w.audited()
			_, err := w.svc.ImportKey(w.ctx(), call(tt.vault), "new", ImportKey{Key: keyops.PrivateJWK{Type: tt.of}, Transfer: &Transfer{blob, tt.name, tt.version}})
			tt.want.check(t, err)
			if r := w.audited(); len(r) != 1 || r[0].Operation != "KeyImport" || r[0].Object != "keys/new" || r[0].Reason != tt.want.message {
				t.Errorf("audited as %+v", r)
			}
			if diff := sameRecords(before, w.dump()); diff != nil {
				t.Error(diff)
			}
		})
	}
	// Importing undoes what was done while the key was valid.
	must(w.svc.ImportKey(w.ctx(), call("v"), "new", ImportKey{Key: keyops.PrivateJWK{Type: keyops.TypeRSA}, Transfer: &Transfer{blobs[keyops.TypeRSA], "old", ""}}))(t)
}

var hsmRefused = refused{fault.Forbidden, "Forbidden", "", "Hardware key operation not allowed on standard vault"}

// Who may import under one name only, by a role, may not make use of the exchange
// key for it.
func TestTransferNeedsPermissionOfTheExchangeKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", premium)
	w.kek("v")
	byRole := v.Clone()
	byRole.RBAC = ptr(true)
	w.putVault(byRole)
	role := func(id, object string) access.Assignment {
		return access.Assignment{ID: id, RoleID: cryptoOfficer, PrincipalID: userOID, Scope: v.ResourceID() + "/keys/" + object}
	}
	try := func() error {
		in := ImportKey{Key: keyops.PrivateJWK{Type: keyops.TypeRSA}, Transfer: &Transfer{transfers(t)[keyops.TypeRSA], "kek", ""}}
		_, err := w.svc.ImportKey(w.ctx(), user("v"), "new", in)
		return err
	}
	importing := testOperation{audit: "KeyImport", category: "keys", dataAction: "keys/import/action"}
	w.assign(role("b", "new"))
	deniedByRole(importing, user("v"), byRole, "kek").check(t, try())
	w.assign(role("b", "kek"))
	deniedByRole(importing, user("v"), byRole, "new").check(t, try())
	w.assign(role("b", "new"), role("c", "kek"))
	if err := try(); err != nil {
		t.Error(err)
	}
}

// TestTypesOfAVault: a symmetric key comes into a vault by no way.
func TestTypesOfAVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	w.vault("other", premium, func(v *catalog.Vault) { v.SubscriptionID = testSub })
	want := refused{fault.Invalid, "BadParameter", "KeyTypeNotSupported", "Invalid kty value: oct"}
	_, err := w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: keyops.Spec{Type: keyops.TypeOct}})
	want.check(t, err)
	_, err = w.svc.ImportKey(w.ctx(), call("v"), "k", ImportKey{Key: keyops.PrivateJWK{Type: keyops.TypeOct, K: make([]byte, 32)}})
	want.check(t, err)
	w.plant("v", "k", must(keyops.GenerateOct(128))(t))
	blob := must(w.svc.BackupKey(w.ctx(), call("v"), "k"))(t)
	_, err = w.svc.RestoreKey(w.ctx(), call("other"), blob)
	want.check(t, err)

	// A key of ML-DSA comes in by all of them, and is used.
	made := must(w.svc.CreateKey(w.ctx(), call("v"), "akp", CreateKey{Spec: keyops.Spec{Type: keyops.TypeAKP, Algorithm: keyops.MLDSA44}, HSM: true}))(t)
	blob = must(w.svc.BackupKey(w.ctx(), call("v"), "akp"))(t)
	back := must(w.svc.RestoreKey(w.ctx(), call("other"), blob))(t)
	if !back.Public.Equal(made.Public) || back.Public.Algorithm != keyops.MLDSA44 || !back.HSM {
		t.Errorf("restored %+v", back)
	}
	message := SignRequest{Message: keyops.Message{Value: []byte("a message"), Context: []byte("c")}}
	signature := must(w.svc.Sign(w.ctx(), call("v"), "akp", "", message))(t)
	for _, context := range []string{"c", "d"} {
		message.Message.Context = []byte(context)
		if ok := must(w.svc.Verify(w.ctx(), call("other"), "akp", "", VerifyRequest{message, signature.Value}))(t); ok != (context == "c") {
			t.Errorf("with the context %s it verifies: %t", context, ok)
		}
	}
}
