package vault

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

var useOperations = slices.DeleteFunc(slices.Clone(testOperations), func(o testOperation) bool { return !o.usesKey() })

// opOf is the word that key_ops and messages have for the operation.
func (o testOperation) opOf() string { return strings.ToLower(o.method[:1]) + o.method[1:] }

// makes reports whether the operation is refused outside of the key's dates.
func (o testOperation) makes() bool {
	return slices.Contains([]string{"Encrypt", "Sign", "WrapKey"}, o.method)
}

// plant puts a key into a vault, which need not be one that an operation would let
// in, and which is not checked again.
func (w *world) plant(vault, name string, key *keyops.Key) string {
	w.t.Helper()
	private, err := key.MarshalPrivate()
	if err != nil {
		w.t.Fatal(err)
	}
	public := key.Public()
	v := versionRecord{Version: newVersion(), Key: newKeyRecord(public, false, keyops.DefaultOps(public.Type))}
	op := keyKind.onName(call(vault), "Import", access.KeyImport, name)
	if _, err := w.svc.addVersion(w.ctx(), op, keyKind, name, v, private.Reveal()); err != nil {
		w.t.Fatal(err)
	}
	return v.Version
}

// What one operation makes another undoes or accepts, with the version that was
// asked for, which the answer names.
func TestUseKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	first := must(w.svc.ImportKey(w.ctx(), call("v"), "My-Key", importedRSAKey()))(t)
	second := must(w.svc.CreateKey(w.ctx(), call("v"), "my-key", newECKey))(t)
	for _, version := range []string{first.Version, strings.ToUpper(first.Version)} {
		for name, pair := range map[string][2]func(CipherRequest) (*KeyResult, error){
			"encrypt": {
				func(in CipherRequest) (*KeyResult, error) {
					return w.svc.Encrypt(w.ctx(), call("v"), "MY-KEY", version, in)
				},
				func(in CipherRequest) (*KeyResult, error) {
					return w.svc.Decrypt(w.ctx(), call("v"), "my-key", version, in)
				},
			},
			"wrap": {
				func(in CipherRequest) (*KeyResult, error) {
					return w.svc.WrapKey(w.ctx(), call("v"), "MY-KEY", version, in)
				},
				func(in CipherRequest) (*KeyResult, error) {
					return w.svc.UnwrapKey(w.ctx(), call("v"), "my-key", version, in)
				},
			},
		} {
			made := must(pair[0](oaep("the value")))(t)
			back := must(pair[1](CipherRequest{Algorithm: keyops.RSAOAEP256, Input: keyops.Input{Value: made.Value}}))(t)
			if string(back.Value) != "the value" || bytes.Contains(made.Value, []byte("value")) {
				t.Errorf("%s: %q of %x", name, back.Value, made.Value)
			}
			for _, r := range []*KeyResult{made, back} {
				if r.Name != "My-Key" || r.Version != first.Version {
					t.Errorf("%s: by %s/%s", name, r.Name, r.Version)
				}
			}
		}
	}
	signature := must(w.svc.Sign(w.ctx(), call("v"), "my-key", first.Version, rs256))(t)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(theRSAKey().Public().N), E: 65537}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, rs256.Message.Value, signature.Value); err != nil || signature.Version != first.Version {
		t.Errorf("by %s: %v", signature.Version, err)
	}
	ec := SignRequest{Algorithm: keyops.ES256, Message: rs256.Message}
	current := must(w.svc.Sign(w.ctx(), call("v"), "my-key", "", ec))(t)
	if current.Version != second.Version || len(current.Value) != 64 {
		t.Errorf("the current version is %s, the signature %x", current.Version, current.Value)
	}
	for _, tt := range []struct {
		version string
		in      VerifyRequest
		want    bool
	}{
		{first.Version, VerifyRequest{rs256, signature.Value}, true},
		{first.Version, VerifyRequest{rs256, current.Value}, false},
		{"", VerifyRequest{ec, current.Value}, true},
		{"", VerifyRequest{ec, nil}, false},
	} {
		if got := must(w.svc.Verify(w.ctx(), call("v"), "my-key", tt.version, tt.in))(t); got != tt.want {
			t.Errorf("%+v verifies: %t", tt, got)
		}
	}
}

// TestUseByState goes through the states of a key with every operation, on a
// clock that is moved around the dates and their leeway.
func TestUseByState(t *testing.T) {
	t.Parallel()
	const atNBF, atExp = testStart + 10_000, testStart + 20_000
	dates := Attributes{NotBefore: ptr(int64(atNBF)), Expires: ptr(int64(atExp))}
	off := Attributes{Enabled: ptr(false)}
	offAndDated := dates
	offAndDated.Enabled = off.Enabled
	var all []string
	for _, op := range useOperations {
		all = append(all, op.opOf())
	}
	for _, tt := range []struct {
		name       string
		attributes Attributes
		ops        []string // nil for all
		now        int64
		makes      string // inner code for encrypt, sign and wrapKey, or ""
		others     string
	}{
		{"plain", Attributes{}, nil, testStart, "", ""},
		{"disabled", off, nil, testStart, "KeyDisabled", "KeyDisabled"},
		{"early", dates, nil, atNBF - ClockLeeway - 1, "KeyNotYetValid", ""},
		{"early, within the leeway", dates, nil, atNBF - ClockLeeway, "", ""},
		{"valid", dates, nil, atNBF, "", ""},
		{"at its end", dates, nil, atExp, "", ""},
		{"late, within the leeway", dates, nil, atExp + ClockLeeway - 1, "", ""},
		{"late", dates, nil, atExp + ClockLeeway, "KeyExpired", ""},
		{"disabled before all", offAndDated, []string{}, atExp + ClockLeeway, "KeyDisabled", "KeyDisabled"},
		{"without operations", Attributes{}, []string{"import", "export"}, testStart, "KeyOperationForbidden", "KeyOperationForbidden"},
		{"late before operations", dates, []string{}, atExp + ClockLeeway, "KeyExpired", "KeyOperationForbidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.vault("v")
			in := importedRSAKey()
			in.Attributes, in.Ops = tt.attributes, tt.ops
			made := must(w.svc.ImportKey(w.ctx(), call("v"), "k", in))(t)
			w.clock.add(tt.now - testStart)
			for _, op := range useOperations {
				w.audited()
				_, err := op.run(w, call("v"), "k")
				inner := tt.others
				if op.makes() {
					inner = tt.makes
				}
				record := w.audited()[0]
				if record.Object != "keys/k/"+made.Version {
					t.Errorf("%s is audited as %+v", op.method, record)
				}
				if inner == "" {
					if err != nil || record.Code != "" {
						t.Errorf("%s: %v, audited as %+v", op.method, err, record)
					}
					continue
				}
				text := map[string]string{
					"KeyDisabled": "Operation %s is not allowed on a disabled key.", "KeyNotYetValid": "Operation %s is not allowed on a key that is not valid yet.",
					"KeyExpired": "Operation %s is not allowed on an expired key.", "KeyOperationForbidden": "Operation %s is not permitted on this key.",
				}[inner]
				refused{fault.Forbidden, "Forbidden", inner, fmt.Sprintf(text, op.opOf())}.check(t, err)
				if record.Code != "Forbidden/"+inner {
					t.Errorf("%s is audited as %+v", op.method, record)
				}
			}
		})
	}
	// One word of key_ops permits one operation.
	w := newWorld(t)
	w.vault("v")
	for _, word := range all {
		in := importedRSAKey()
		in.Ops = []string{word}
		must(w.svc.ImportKey(w.ctx(), call("v"), "k", in))(t)
		for _, op := range useOperations {
			if _, err := op.run(w, call("v"), "k"); (err == nil) != (op.opOf() == word) {
				t.Errorf("key_ops [%s]: %s: %v", word, op.method, err)
			}
		}
	}
}

// What is wrong with the parameters is told last, and audited.
func TestUseRefusesParametersLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	off := importedRSAKey()
	off.Attributes.Enabled = ptr(false)
	must(w.svc.ImportKey(w.ctx(), call("v"), "off", off))(t)
	k := must(w.svc.ImportKey(w.ctx(), call("v"), "k", importedRSAKey()))(t)
	runs := map[string]func(Call, string, string) error{
		"encrypt": func(c Call, name, version string) error {
			_, err := w.svc.Encrypt(w.ctx(), c, name, version, CipherRequest{Algorithm: keyops.RSAOAEP, Rejected: refusedByReader})
			return err
		},
		"sign": func(c Call, name, version string) error {
			in := rs256
			in.Rejected = refusedByReader
			_, err := w.svc.Sign(w.ctx(), c, name, version, in)
			return err
		},
		"verify": func(c Call, name, version string) error {
			in := signed()
			in.Rejected = refusedByReader
			_, err := w.svc.Verify(w.ctx(), c, name, version, in)
			return err
		},
	}
	for op, run := range runs {
		if f, ok := fault.As(run(user("v"), "k", "")); !ok || f.Inner != "ForbiddenByPolicy" {
			t.Errorf("%s without permission: %v", op, f)
		}
		notFound("key", "none").check(t, run(call("v"), "none", ""))
		notFound("key", "k/latest").check(t, run(call("v"), "k", "latest"))
		refused{fault.Forbidden, "Forbidden", "KeyDisabled", "Operation " + op + " is not allowed on a disabled key."}.check(t, run(call("v"), "off", ""))
		w.audited()
		refused{fault.Invalid, "BadParameter", "", "Not like this."}.check(t, run(call("v"), "k", ""))
		if r := w.audited(); len(r) != 1 || r[0].Code != "BadParameter" || r[0].Reason != "Not like this." || r[0].Object != "keys/k/"+k.Version {
			t.Errorf("%s is audited as %+v", op, r)
		}
	}
	for op, want := range map[string]string{
		"encrypt": "Property 'alg' is required.\r\nSupported algorithms for encrypt with keys of type RSA are RSA1_5, RSA-OAEP, RSA-OAEP-256.",
		"decrypt": "The parameter is incorrect.\r\n",
		"sign":    "Invalid length of 'value': 0 bytes. RS256 requires 32 bytes, encoded with base64url.",
		"verify":  "Invalid length of 'digest': 0 bytes. RS256 requires 32 bytes, encoded with base64url.",
	} {
		var err error
		switch op {
		case "encrypt":
			_, err = w.svc.Encrypt(w.ctx(), call("v"), "k", "", CipherRequest{})
		case "decrypt":
			_, err = w.svc.Decrypt(w.ctx(), call("v"), "k", "", oaep("no ciphertext"))
		case "sign":
			_, err = w.svc.Sign(w.ctx(), call("v"), "k", "", SignRequest{Algorithm: keyops.RS256})
		case "verify":
			_, err = w.svc.Verify(w.ctx(), call("v"), "k", "", VerifyRequest{SignRequest: SignRequest{Algorithm: keyops.RS256}})
		}
		refused{fault.Invalid, "BadParameter", "", want}.check(t, err)
	}
}

// A curve that is not the algorithm's is told with the key's path.
func TestCurveMismatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	k := must(w.svc.CreateKey(w.ctx(), call("v"), "My-Key", newECKey))(t)
	_, err := w.svc.Sign(w.ctx(), call("v"), "my-key", "", SignRequest{Algorithm: keyops.ES256K, Message: rs256.Message})
	path := "keys/My-Key/" + k.Version
	refused{fault.Invalid, "BadParameter", "", "Key and signing algorithm are incompatible. Key " + path +
		" uses curve 'P-256', and algorithm 'ES256K' can only be used with curve 'P-256K'."}.check(t, err)
	if mismatch := (*CurveMismatch)(nil); !errors.As(err, &mismatch) || mismatch.Path != path {
		t.Errorf("got %v", err)
	}
}

// With roles, whoever may read keys may do with an asymmetric key what its public
// part is for: that part is no secret. A symmetric key has none, and is not used
// without the action itself. Access policies have no such rule.
func TestReadersUsePublicParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policies := w.vault("v", func(v *catalog.Vault) {
		v.Policies = append(v.Policies, access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: words("keys", "get", "list")})
	})
	must(w.svc.ImportKey(w.ctx(), call("v"), "rsa", importedRSAKey()))(t)
	octets, err := keyops.GenerateOct(256)
	if err != nil {
		t.Fatal(err)
	}
	w.plant("v", "oct", octets)
	for _, op := range useOperations {
		for _, key := range []string{"rsa", "oct", "none"} {
			_, err := op.run(w, user("v"), key)
			deniedByPolicy(op, user("v")).check(t, err)
		}
	}
	byRole := policies.Clone()
	byRole.RBAC = ptr(true)
	w.putVault(byRole)
	w.assign(access.Assignment{ID: "b", RoleID: reader, PrincipalID: userOID, Scope: byRole.ResourceID()})
	for _, op := range useOperations {
		_, err := op.run(w, user("v"), "rsa")
		if slices.Contains([]string{"Encrypt", "WrapKey", "Verify"}, op.method) {
			if err != nil {
				t.Errorf("%s with a key that may be read: %v", op.method, err)
			}
			_, err = op.run(w, user("v"), "none")
			notFound("key", "none").check(t, err)
		} else {
			deniedByRole(op, user("v"), byRole, "rsa").check(t, err)
			_, err = op.run(w, user("v"), "none")
			deniedByRole(op, user("v"), byRole, "none").check(t, err)
		}
		w.audited()
		_, err = op.run(w, user("v"), "oct")
		deniedByRole(op, user("v"), byRole, "oct").check(t, err)
		if r := w.audited(); len(r) != 1 || r[0].Object != "keys/oct" || r[0].Code != "Forbidden/ForbiddenByRbac" {
			t.Errorf("%s is audited as %+v", op.method, r)
		}
	}
	// With the action itself a symmetric key is used: what is refused is the
	// algorithm.
	w.assign(access.Assignment{ID: "b", RoleID: cryptoUser, PrincipalID: userOID, Scope: byRole.ResourceID()})
	_, err = w.svc.WrapKey(w.ctx(), user("v"), "oct", "", CipherRequest{Algorithm: keyops.A256KW, Input: keyops.Input{Value: make([]byte, 32)}})
	if err != nil {
		t.Error(err)
	}
}

// TestCachedKeys has keys in the cache that may no longer be used, or whose name
// is another's.
func TestCachedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	sign := func(alg keyops.Algorithm) (*KeyResult, error) {
		return w.svc.Sign(w.ctx(), call("v"), "k", "", SignRequest{Algorithm: alg, Message: rs256.Message})
	}
	must(w.svc.ImportKey(w.ctx(), call("v"), "k", importedRSAKey()))(t)
	first := must(sign(keyops.RS256))(t)
	if again := must(sign(keyops.RS256))(t); !bytes.Equal(first.Value, again.Value) || w.svc.keys.Len() != 1 {
		t.Errorf("%d keys in the cache; signatures %x and %x", w.svc.keys.Len(), first.Value, again.Value)
	}

	set := func(in UpdateKey) { must(w.other.UpdateKey(w.ctx(), call("v"), "k", "", in))(t) }
	inner := func() string {
		_, err := sign(keyops.RS256)
		f, ok := fault.As(err)
		if !ok {
			return fmt.Sprint(err)
		}
		return f.Inner
	}
	set(UpdateKey{Attributes: Attributes{Enabled: ptr(false)}})
	if got := inner(); got != "KeyDisabled" {
		t.Errorf("disabled: %s", got)
	}
	set(UpdateKey{Attributes: Attributes{Enabled: ptr(true)}, Ops: []string{"verify"}})
	if got := inner(); got != "KeyOperationForbidden" {
		t.Errorf("not for signing: %s", got)
	}
	set(UpdateKey{Ops: []string{"sign"}, Attributes: Attributes{Expires: ptr(testStart - ClockLeeway)}})
	if got := inner(); got != "KeyExpired" {
		t.Errorf("expired: %s", got)
	}
	set(UpdateKey{Attributes: Attributes{Expires: ptr(testStart + day)}})
	must(sign(keyops.RS256))(t)

	// Deleted, it is not there; recovered, it is.
	must(w.other.DeleteKey(w.ctx(), call("v"), "k"))(t)
	_, err := sign(keyops.RS256)
	notFound("key", "k").check(t, err)
	must(w.other.RecoverKey(w.ctx(), call("v"), "k"))(t)
	must(sign(keyops.RS256))(t)

	// Another key under the same name and version, as a restored backup is.
	blob := must(w.svc.BackupKey(w.ctx(), call("v"), "k"))(t)
	key := w.svc.keys
	w.purgeAny("v", keyKind, "k")
	must(w.svc.RestoreKey(w.ctx(), call("v"), blob))(t)
	must(sign(keyops.RS256))(t)
	if key.Len() != 1 {
		t.Errorf("%d keys in the cache", key.Len())
	}
	w.purgeAny("v", keyKind, "k")
	_, err = sign(keyops.RS256)
	notFound("key", "k").check(t, err)
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", newECKey))(t)
	must(sign(keyops.ES256))(t)
}

// A stored key is read once, however often it is used: what would be an error in
// the store is not seen while the revision stands.
func TestCacheGoesByRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	k := must(w.svc.ImportKey(w.ctx(), call("v"), "k", importedRSAKey()))(t)
	key := keyKind.key(v.ID, body, "k", k.Version)
	w.svc.keys.Put(string(key), cachedKey{}) // of no revision, and no key
	must(w.svc.Sign(w.ctx(), call("v"), "k", "", rs256))(t)
	held, ok := w.svc.keys.Get(string(key))
	if !ok || held.key == nil {
		t.Fatal("the key is not in the cache")
	}
	stored := w.dump()[string(key)]
	w.updateRaw(key, []byte("no key"))
	if _, err := w.svc.Sign(w.ctx(), call("v"), "k", "", rs256); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("with another revision: %v", err)
	}
	w.updateRaw(key, []byte(stored))
	must(w.svc.Sign(w.ctx(), call("v"), "k", "", rs256))(t)
	if again, _ := w.svc.keys.Get(string(key)); again.key == held.key {
		t.Error("the key of an older revision is in the cache")
	}
}

func TestCacheOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	for range cachedKeys + 8 {
		w.svc.keys.Put(newVersion(), cachedKey{})
	}
	must(w.svc.ImportKey(w.ctx(), call("v"), "k", importedRSAKey()))(t)
	must(w.svc.Sign(w.ctx(), call("v"), "k", "", rs256))(t)
	if n := w.svc.keys.Len(); n != cachedKeys {
		t.Errorf("%d keys in the cache, at most %d are to be", n, cachedKeys)
	}
}

// Many callers use few keys while these are disabled, enabled and replaced: each
// answer is one that the key of that version gives.
func TestUseConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	for _, name := range []string{"a", "b"} {
		must(w.svc.ImportKey(w.ctx(), call("v"), name, importedRSAKey()))(t)
	}
	want := signed()
	var group sync.WaitGroup
	for i := range 4 {
		name := []string{"a", "b"}[i%2]
		group.Go(func() {
			for range 20 {
				got, err := w.svc.Sign(w.ctx(), call("v"), name, "", rs256)
				if f, ok := fault.As(err); ok && f.Inner == "KeyDisabled" {
					continue
				}
				if err != nil || !bytes.Equal(got.Value, want.Signature) {
					t.Errorf("signing: %v", err)
					return
				}
			}
		})
	}
	group.Go(func() {
		for i := range 20 {
			if _, err := w.other.UpdateKey(w.ctx(), call("v"), "a", "", UpdateKey{Attributes: Attributes{Enabled: ptr(i%2 == 1)}}); err != nil {
				t.Error(err)
			}
			if _, err := w.other.ImportKey(w.ctx(), call("v"), "b", importedRSAKey()); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
}

// Nothing of what is encrypted, decrypted or signed is in the audit log, nor in
// what a result shows of itself.
func TestNoValueInTheAuditLogOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	must(w.svc.ImportKey(w.ctx(), call("v"), "k", importedRSAKey()))(t)
	const needle = "needle-in-a-haystack"
	made := must(w.svc.Encrypt(w.ctx(), call("v"), "k", "", oaep(needle)))(t)
	back := must(w.svc.Decrypt(w.ctx(), call("v"), "k", "", CipherRequest{Algorithm: keyops.RSAOAEP256, Input: keyops.Input{Value: made.Value}}))(t)
	if string(back.Value) != needle {
		t.Errorf("got %q", back.Value)
	}
	shown := fmt.Sprintf("%v %+v %#v %s", back, back, back, *back) + fmt.Sprintf("%v %+v %#v", oaep(needle), oaep(needle), oaep(needle))
	for _, r := range w.audited() {
		shown += string(must(r.MarshalJSON())(t))
	}
	if strings.Contains(shown, needle) {
		t.Errorf("shown: %s", shown)
	}
}
