package vault

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

func premium(v *catalog.Vault) { v.Premium = true }

// checkKeyIs compares all of a key but its numbers, of which it wants the lengths.
func checkKeyIs(t *testing.T, got, want *Key, size int) {
	t.Helper()
	public := got.Public
	switch public.Type {
	case keyops.TypeRSA:
		if len(public.N) != size || public.N[0] < 0x80 || !bytes.Equal(public.E, []byte{1, 0, 1}) || public.X != nil || public.Y != nil {
			t.Errorf("public numbers %+v", public)
		}
	case keyops.TypeEC:
		if len(public.X) != size || len(public.Y) != size || public.N != nil || public.E != nil {
			t.Errorf("public numbers %+v", public)
		}
	case keyops.TypeAKP:
		if len(public.Pub) != size || public.N != nil || public.X != nil {
			t.Errorf("public numbers %+v", public)
		}
	}
	bare := *got
	bare.Public = keyops.PublicJWK{Type: public.Type, Curve: public.Curve, Algorithm: public.Algorithm}
	if !reflect.DeepEqual(&bare, want) {
		t.Errorf("got  %+v\nwant %+v", &bare, want)
	}
}

// That the private key fits the public one is checked of everything in the store
// when the test ends.
func TestCreateKeyOfEveryType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("standard")
	w.vault("premium", premium)
	rsaOps := []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
	ecOps := []string{"sign", "verify"}
	rsa := func(bits int) keyops.Spec { return keyops.Spec{Type: keyops.TypeRSA, Bits: bits} }
	ec := func(c keyops.Curve) keyops.Spec { return keyops.Spec{Type: keyops.TypeEC, Curve: c} }
	akp := func(a keyops.Algorithm) keyops.Spec { return keyops.Spec{Type: keyops.TypeAKP, Algorithm: a} }
	tests := []struct {
		name, vault string
		in          CreateKey
		curve       keyops.Curve
		size        int // bytes of n, of a coordinate, or of pub
		ops         []string
	}{
		{"RSA-2048-by-default", "standard", CreateKey{Spec: rsa(0)}, "", 256, rsaOps},
		{"RSA-4096", "standard", CreateKey{Spec: rsa(4096)}, "", 512, rsaOps},
		{"RSA-3072-HSM", "premium", CreateKey{Spec: rsa(3072), HSM: true}, "", 384, rsaOps},
		{"P-256-by-default", "standard", CreateKey{Spec: ec("")}, "P-256", 32, ecOps},
		{"P-256", "premium", CreateKey{Spec: ec("P-256")}, "P-256", 32, ecOps},
		{"P-384", "standard", CreateKey{Spec: ec("P-384")}, "P-384", 48, ecOps},
		{"P-521", "standard", CreateKey{Spec: ec("P-521")}, "P-521", 66, ecOps},
		{"P-256K", "standard", CreateKey{Spec: ec("P-256K")}, "P-256K", 32, ecOps},
		{"P-256-HSM", "premium", CreateKey{Spec: ec("P-256"), HSM: true}, "P-256", 32, ecOps},
		{"P-384-HSM", "premium", CreateKey{Spec: ec("P-384"), HSM: true}, "P-384", 48, ecOps},
		{"P-521-HSM", "premium", CreateKey{Spec: ec("P-521"), HSM: true}, "P-521", 66, ecOps},
		{"P-256K-HSM", "premium", CreateKey{Spec: ec("P-256K"), HSM: true}, "P-256K", 32, ecOps},
		{"size-that-agrees-with-the-curve", "standard",
			CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-384", Bits: 384}}, "P-384", 48, ecOps},
		{"ML-DSA-44", "standard", CreateKey{Spec: akp("ML-DSA-44")}, "", 1312, ecOps},
		{"ML-DSA-65", "standard", CreateKey{Spec: akp("ML-DSA-65")}, "", 1952, ecOps},
		{"ML-DSA-87-HSM", "premium", CreateKey{Spec: akp("ML-DSA-87"), HSM: true}, "", 2592, ecOps},
		{"not-exportable", "standard", CreateKey{Spec: ec(""), Attributes: Attributes{Exportable: ptr(false)}}, "P-256", 32, ecOps},
		{"explicit-ops", "standard", CreateKey{Spec: ec(""), Ops: []string{"verify", "sign"}}, "P-256", 32, []string{"verify", "sign"}},
		{"no-ops", "standard", CreateKey{Spec: ec(""), Ops: []string{}}, "P-256", 32, []string{}},
		{"ops-that-the-type-cannot-do", "standard",
			CreateKey{Spec: ec(""), Ops: []string{"unwrapKey", "import", "export"}}, "P-256", 32, []string{"unwrapKey", "import", "export"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			made := must(w.svc.CreateKey(w.ctx(), call(tt.vault), tt.name, tt.in))(t)
			want := &Key{
				Object: Object{Name: tt.name, Version: made.Version, Enabled: true, Created: testStart, Updated: testStart,
					RecoveryLevel: "Recoverable+Purgeable", RecoverableDays: 90},
				Public: keyops.PublicJWK{Type: tt.in.Spec.Type, Curve: tt.curve, Algorithm: tt.in.Spec.Algorithm},
				HSM:    tt.in.HSM, Ops: tt.ops,
			}
			if !validVersion(made.Version) {
				t.Errorf("version %q", made.Version)
			}
			checkKeyIs(t, made, want, tt.size)
			for _, version := range []string{"", made.Version, strings.ToUpper(made.Version)} {
				got := must(w.svc.GetKey(w.ctx(), call(tt.vault), strings.ToUpper(tt.name), version))(t)
				if !reflect.DeepEqual(got, made) {
					t.Errorf("version %q: got %+v, want %+v", version, got, made)
				}
			}
		})
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("standard")
	w.vault("premium", premium)
	must(w.svc.CreateKey(w.ctx(), call("standard"), "k", newECKey))(t)
	must(w.svc.CreateKey(w.ctx(), call("premium"), "k", newECKey))(t)
	bad := func(message string) refused { return refused{fault.Invalid, "BadParameter", "", message} }
	const (
		sizes = "Unsupported key size (%d). Supported sizes are [2048, 3072, 4096]"
		curve = "The curve is not supported. Supported curves are P-256, P-384, P-521 and P-256K."
		ops   = "The key_ops member has an invalid value. Valid values are encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import and export."
	)
	badType := func(kty string) refused {
		return refused{fault.Invalid, "BadParameter", "KeyTypeNotSupported", "Invalid kty value: " + kty}
	}
	badSize := func(n string) refused {
		return refused{fault.Invalid, "BadParameter", "KeySizeNotSupported", strings.Replace(sizes, "%d", n, 1)}
	}
	rsa := func(bits int) CreateKey { return CreateKey{Spec: keyops.Spec{Type: keyops.TypeRSA, Bits: bits}} }
	ec := func(c keyops.Curve) CreateKey {
		return CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC, Curve: c}}
	}
	withOps := func(ops ...string) CreateKey { in := ec(""); in.Ops = ops; return in }
	with := func(a Attributes) CreateKey { in := ec(""); in.Attributes = a; return in }
	tests := []struct {
		name, vault string
		in          CreateKey
		want        refused
	}{
		{"no type", "standard", CreateKey{}, bad("Property 'kty' is required.\r\n")},
		{"oct", "standard", CreateKey{Spec: keyops.Spec{Type: "oct"}}, badType("oct")},
		{"oct in a premium vault", "premium", CreateKey{Spec: keyops.Spec{Type: "oct"}, HSM: true}, badType("oct-HSM")},
		{"AKP without its algorithm", "standard", CreateKey{Spec: keyops.Spec{Type: "AKP"}},
			bad("The algorithm of the AKP key is not supported. Supported algorithms are ML-DSA-44, ML-DSA-65 and ML-DSA-87.")},
		{"rejected by its reader", "standard", CreateKey{Rejected: refusedByReader}, bad("Not like this.")},
		{"a type with its HSM in it", "premium", CreateKey{Spec: keyops.Spec{Type: "RSA-HSM"}}, badType("RSA-HSM")},
		{"1024 bits", "standard", rsa(1024), badSize("1024")},
		{"2047 bits", "standard", rsa(2047), badSize("2047")},
		{"8192 bits", "standard", rsa(8192), badSize("8192")},
		{"negative bits", "standard", rsa(-2048), badSize("-2048")},
		{"RSA with a curve", "standard", CreateKey{Spec: keyops.Spec{Type: keyops.TypeRSA, Curve: "P-256"}},
			bad("The parameter crv is only for keys of type EC.")},
		{"RSA with exponent 3", "standard", CreateKey{Spec: keyops.Spec{Type: keyops.TypeRSA, PublicExponent: 3}},
			bad("The public exponent 3 is not supported. Leave it out, or use 65537.")},
		{"P-224", "standard", ec("P-224"), bad(curve)},
		{"a curve in lower case", "standard", ec("p-256"), bad(curve)},
		{"the curve's name of 2016", "standard", ec("SECP256K1"), bad(curve)},
		{"a size of another curve", "standard", CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-521", Bits: 384}},
			bad("The key size 384 does not agree with the curve P-521.")},
		{"EC with an exponent", "standard", CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC, PublicExponent: 65537}},
			bad("The parameter public_exponent is only for keys of type RSA.")},
		{"an unknown operation", "standard", withOps("sign", "fly"), bad(ops)},
		{"an operation in lower case", "standard", withOps("wrapkey"), bad(ops)},
		{"an empty operation", "standard", withOps(""), bad(ops)},
		{"an operation twice", "standard", withOps("sign", "verify", "sign"), bad("The key_ops member has the value sign twice.")},
		{"HSM in a standard vault", "standard", CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC}, HSM: true},
			refused{fault.Forbidden, "Forbidden", "", "Hardware key operation not allowed on standard vault"}},
		{"what is wrong with the request first", "standard", CreateKey{Spec: keyops.Spec{Type: "OKP"}, HSM: true}, badType("OKP")},
		{"exportable in a standard vault", "standard", with(Attributes{Exportable: ptr(true)}),
			bad("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")},
		{"exportable without a policy", "premium", with(Attributes{Exportable: ptr(true)}),
			bad("AKV.SKR.1004: Exportable keys must have release policy.")},
		{"a date before 1970", "standard", with(Attributes{NotBefore: ptr(int64(-1))}), badProperty},
		{"a tag too long", "standard", CreateKey{Spec: newECKey.Spec, Tags: map[string]string{strings.Repeat("k", MaxTagLength+1): ""}}, badProperty},
	}
	before := w.dump()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"k", "new"} {
				_, err := w.svc.CreateKey(w.ctx(), call(tt.vault), name, tt.in)
				tt.want.check(t, err)
			}
			if diff := sameRecords(before, w.dump()); diff != nil {
				t.Error(diff)
			}
		})
	}
}

// Every version is a key of its own: the next may be of another type.
func TestKeyVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	specs := []CreateKey{
		{Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-384"}, Tags: map[string]string{"n": "1"},
			Attributes: Attributes{Enabled: ptr(false), NotBefore: ptr(int64(1)), Expires: ptr(int64(2))}},
		{Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-521"}, Ops: []string{"verify"}},
		{Spec: keyops.Spec{Type: keyops.TypeEC}, HSM: true},
	}
	var made []*Key
	for i, in := range specs {
		name := []string{"Name", "name", "NAME"}[i]
		key := must(w.svc.CreateKey(w.ctx(), call("v"), name, in))(t)
		if key.Name != "Name" || key.Created != testStart+int64(10*i) || key.Updated != key.Created ||
			key.Enabled != (i != 0) || key.HSM != in.HSM || !reflect.DeepEqual(key.Tags, in.Tags) ||
			!reflect.DeepEqual(key.NotBefore, in.Attributes.NotBefore) || !reflect.DeepEqual(key.Expires, in.Attributes.Expires) {
			t.Errorf("version %d is %+v", i, key)
		}
		made = append(made, key)
		w.clock.add(10)
	}
	for _, key := range made {
		if got := must(w.svc.GetKey(w.ctx(), call("v"), "name", key.Version))(t); !reflect.DeepEqual(got, key) {
			t.Errorf("got %+v, want %+v", got, key)
		}
	}
	if got := must(w.svc.GetKey(w.ctx(), call("v"), "name", ""))(t); !reflect.DeepEqual(got, made[2]) {
		t.Errorf("the current version is %+v", got)
	}
	if made[0].Public.Equal(made[1].Public) || bytes.Equal(made[1].Public.X, made[2].Public.X) {
		t.Error("two versions are one key")
	}
}

func TestUpdateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	want := must(w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{
		Spec: newECKey.Spec, Tags: map[string]string{"k": "v"},
		Attributes: Attributes{NotBefore: ptr(int64(1)), Expires: ptr(int64(2))},
	}))(t)
	w.clock.add(3)
	want.Updated = testStart + 3
	steps := []struct {
		name string
		in   UpdateKey
		want func(*Key)
	}{
		{"nothing", UpdateKey{}, func(*Key) {}},
		{"ops", UpdateKey{Ops: []string{"verify"}}, func(k *Key) { k.Ops = []string{"verify"} }},
		{"ops that the type cannot do", UpdateKey{Ops: []string{"encrypt", "sign"}}, func(k *Key) { k.Ops = []string{"encrypt", "sign"} }},
		{"no ops", UpdateKey{Ops: []string{}}, func(k *Key) { k.Ops = []string{} }},
		{"tags are replaced, ops stay", UpdateKey{Tags: map[string]string{"l": "w"}}, func(k *Key) { k.Tags = map[string]string{"l": "w"} }},
		{"expiry alone", UpdateKey{Attributes: Attributes{Expires: ptr(int64(9))}}, func(k *Key) { k.Expires = ptr(int64(9)) }},
		{"not before alone", UpdateKey{Attributes: Attributes{NotBefore: ptr(int64(8))}}, func(k *Key) { k.NotBefore = ptr(int64(8)) }},
		{"disabled", UpdateKey{Attributes: Attributes{Enabled: ptr(false)}}, func(k *Key) { k.Enabled = false }},
		{"exportable as it is", UpdateKey{Attributes: Attributes{Exportable: ptr(false)}}, func(*Key) {}},
		{"enabled again", UpdateKey{Attributes: Attributes{Enabled: ptr(true)}}, func(k *Key) { k.Enabled = true }},
		{"no tags", UpdateKey{Tags: map[string]string{}}, func(k *Key) { k.Tags = nil }},
	}
	for _, step := range steps {
		step.want(want)
		got := must(w.svc.UpdateKey(w.ctx(), call("v"), "K", "", step.in))(t)
		if len(got.Tags) == 0 {
			got.Tags = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", step.name, got, want)
		}
		if got := must(w.svc.GetKey(w.ctx(), call("v"), "k", ""))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read back %+v, want %+v", step.name, got, want)
		}
	}
}

func TestUpdateOlderKeyVersionLeavesTheCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	old := must(w.svc.CreateKey(w.ctx(), call("v"), "k", newECKey))(t)
	current := must(w.svc.CreateKey(w.ctx(), call("v"), "k", newECKey))(t)
	w.clock.add(5)
	in := UpdateKey{Ops: []string{"sign"}, Tags: map[string]string{"old": "1"}, Attributes: Attributes{Enabled: ptr(false)}}
	got := must(w.svc.UpdateKey(w.ctx(), call("v"), "k", strings.ToUpper(old.Version), in))(t)
	want := *old
	want.Ops, want.Tags, want.Enabled, want.Updated = []string{"sign"}, map[string]string{"old": "1"}, false, testStart+5
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got %+v, want %+v", got, &want)
	}
	for version, want := range map[string]*Key{"": current, current.Version: current, old.Version: &want} {
		if got := must(w.svc.GetKey(w.ctx(), call("v"), "k", version))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("version %q: got %+v, want %+v", version, got, want)
		}
	}
	// The current one by its id changes what "" and lists show.
	must(w.svc.UpdateKey(w.ctx(), call("v"), "k", current.Version, UpdateKey{Ops: []string{"verify"}}))(t)
	if got := must(w.svc.GetKey(w.ctx(), call("v"), "k", ""))(t); !slices.Equal(got.Ops, []string{"verify"}) {
		t.Errorf("the current version has the operations %v", got.Ops)
	}
	if page := must(w.svc.ListKeys(w.ctx(), call("v"), onePage))(t); !slices.Equal(page.Items[0].Ops, []string{"verify"}) {
		t.Errorf("the list shows the operations %v", page.Items[0].Ops)
	}
}

func TestUpdateKeyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	made := must(w.svc.CreateKey(w.ctx(), call("v"), "k", newECKey))(t)
	before := w.dump()
	for name, tt := range map[string]struct {
		in   UpdateKey
		want refused
	}{
		"unknown operation": {UpdateKey{Ops: []string{"fly"}}, refused{fault.Invalid, "BadParameter", "",
			"The key_ops member has an invalid value. Valid values are encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import and export."}},
		"operation twice": {UpdateKey{Ops: []string{"sign", "sign"}}, refused{fault.Invalid, "BadParameter", "", "The key_ops member has the value sign twice."}},
		"exportable": {UpdateKey{Attributes: Attributes{Exportable: ptr(true)}}, refused{fault.Invalid, "BadParameter", "",
			"AKV.SKR.1014: Cannot modify the exportable state of a key."}},
		"tag":  {UpdateKey{Tags: map[string]string{"k": strings.Repeat("v", MaxTagLength+1)}}, badProperty},
		"date": {UpdateKey{Attributes: Attributes{Expires: ptr(int64(maxTime + 1))}}, badProperty},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []string{"", made.Version} {
				_, err := w.svc.UpdateKey(w.ctx(), call("v"), "k", version, tt.in)
				tt.want.check(t, err)
			}
			if diff := sameRecords(before, w.dump()); diff != nil {
				t.Error(diff)
			}
		})
	}
}

// A disabled key is shown, unlike a disabled secret: it is its use that is
// refused.
func TestDisabledKeysAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	made := must(w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: newECKey.Spec, Attributes: Attributes{Enabled: ptr(false)}}))(t)
	if got := must(w.svc.GetKey(w.ctx(), call("v"), "k", ""))(t); !reflect.DeepEqual(got, made) || got.Enabled {
		t.Errorf("got %+v", got)
	}
	gone := must(w.svc.DeleteKey(w.ctx(), call("v"), "k"))(t)
	if got := must(w.svc.GetDeletedKey(w.ctx(), call("v"), "k"))(t); !reflect.DeepEqual(got, gone) || !got.Public.Equal(made.Public) || got.Enabled {
		t.Errorf("deleted: got %+v", got)
	}
	if got := must(w.svc.RecoverKey(w.ctx(), call("v"), "k"))(t); !reflect.DeepEqual(got, made) {
		t.Errorf("recovered: got %+v", got)
	}
}

func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	known := must(w.svc.CreateKey(w.ctx(), call("v"), "known", newECKey))(t)
	other := strings.Repeat("0", 32)
	for _, tt := range []struct{ name, version, path string }{
		{"Nobody", "", "Nobody"},
		{"nobody", other, "nobody/" + other},
		{"known", other, "known/" + other},
		{"known", "latest", "known/latest"},
		{"known", known.Version + "0", "known/" + known.Version + "0"},
	} {
		_, err := w.svc.GetKey(w.ctx(), call("v"), tt.name, tt.version)
		notFound("key", tt.path).check(t, err)
		_, err = w.svc.UpdateKey(w.ctx(), call("v"), tt.name, tt.version, UpdateKey{})
		notFound("key", tt.path).check(t, err)
	}
}

// What an answer holds is the caller's own: changing it changes nothing that
// another caller sees.
func TestAnswersAreNotShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	attributes := Attributes{NotBefore: ptr(int64(1)), Expires: ptr(int64(2))}
	tags := map[string]string{"k": "v"}
	must(w.svc.CreateKey(w.ctx(), call("v"), "n", CreateKey{Spec: newECKey.Spec, Tags: tags, Attributes: attributes}))(t)
	in := newSecret("x")
	in.ContentType, in.Tags, in.Attributes = ptr("text"), tags, attributes
	must(w.svc.SetSecret(w.ctx(), call("v"), "n", in))(t)
	*attributes.NotBefore, *attributes.Expires, *in.ContentType, tags["k"] = 7, 7, "changed", "changed"

	scribble := func(o *Object) {
		*o.NotBefore, *o.Expires, o.Tags["k"] = 9, 9, "scribbled"
	}
	var keys []*Key
	var secrets []*Secret
	for range 2 {
		key := must(w.svc.GetKey(w.ctx(), call("v"), "n", ""))(t)
		kept := *key
		kept.Ops, kept.Public = slices.Clone(key.Ops), keyops.PublicJWK{X: slices.Clone(key.Public.X), Y: slices.Clone(key.Public.Y)}
		kept.Object = Object{NotBefore: ptr(*key.NotBefore), Expires: ptr(*key.Expires), Tags: map[string]string{"k": key.Tags["k"]}}
		keys = append(keys, &kept)
		scribble(&key.Object)
		key.Ops[0], key.Public.X[0], key.Public.Y[0] = "fly", ^key.Public.X[0], ^key.Public.Y[0]

		secret := must(w.svc.GetSecret(w.ctx(), call("v"), "n", ""))(t)
		secrets = append(secrets, &Secret{ContentType: ptr(*secret.ContentType),
			Object: Object{NotBefore: ptr(*secret.NotBefore), Expires: ptr(*secret.Expires), Tags: map[string]string{"k": secret.Tags["k"]}}})
		scribble(&secret.Object)
		*secret.ContentType = "scribbled"
		secret.Value.Zero()
	}
	if !reflect.DeepEqual(keys[0], keys[1]) || *keys[0].NotBefore != 1 || keys[0].Tags["k"] != "v" {
		t.Errorf("a key changed from %+v to %+v", keys[0], keys[1])
	}
	if !reflect.DeepEqual(secrets[0], secrets[1]) || *secrets[0].Expires != 2 || *secrets[0].ContentType != "text" {
		t.Errorf("a secret changed from %+v to %+v", secrets[0], secrets[1])
	}
	if got := must(w.svc.GetSecret(w.ctx(), call("v"), "n", ""))(t); string(got.Value.Reveal()) != "x" {
		t.Errorf("the value is %q", got.Value.Reveal())
	}
}
