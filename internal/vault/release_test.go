package vault

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
)

// exportableKey is a request for an EC key that may be released.
func (w *world) exportableKey() CreateKey {
	return CreateKey{Spec: newECKey.Spec, HSM: true, Attributes: Attributes{Exportable: ptr(true)}, ReleasePolicy: w.toGood()}
}

func skr(message string) refused { return refused{fault.Invalid, "BadParameter", "", message} }

var (
	skr1001 = skr("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")
	skr1003 = skr("AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.")
	skr1004 = skr("AKV.SKR.1004: Exportable keys must have release policy.")
	skr1005 = skr("AKV.SKR.1005: Non-exportable keys must not have release policy.")
	skr1006 = skr("AKV.SKR.1006: Exportable keys must be HSM keys.")
	skr1014 = skr("AKV.SKR.1014: Cannot modify the exportable state of a key.")
	skr1016 = skr("AKV.SKR.1016: Key Release Policy can only be set on versionless key.")
	skr1020 = skr("AKV.SKR.1020: Immutable Key Release Policy cannot be modified.")
)

var (
	notAttested  = refused{fault.Forbidden, "Forbidden", "AccessDenied", "Target environment attestation does not meet key release policy requirements."}
	notForUse    = refused{fault.Forbidden, "Forbidden", "KeyOperationForbidden", "Operation release is not permitted on this key."}
	releaseOfOff = refused{fault.Forbidden, "Forbidden", "KeyDisabled", "Operation release is not allowed on a disabled key."}
)

// The key that arrives is the one that was made, of each type, and of the version
// that was asked for.
func TestReleaseKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	imported := importedRSAKey()
	imported.HSM, imported.Attributes, imported.ReleasePolicy = true, Attributes{Exportable: ptr(true)}, w.toGood()
	first := must(w.svc.ImportKey(w.ctx(), call("v"), "My-Key", imported))(t)
	koblitz := w.exportableKey()
	koblitz.Spec.Curve = keyops.CurveP256K
	second := must(w.svc.CreateKey(w.ctx(), call("v"), "my-key", koblitz))(t)
	for _, want := range []*Key{first, second} {
		for _, version := range []string{strings.ToUpper(want.Version), ""} {
			if version == "" && want == first {
				continue
			}
			got := must(w.svc.ReleaseKey(w.ctx(), call("v"), "MY-KEY", version, w.attested()))(t)
			if want.ReleasePolicy == nil || got.ReleasePolicy == nil || !reflect.DeepEqual(got.Key, *want) {
				t.Errorf("released\n%+v, want\n%+v", got.Key, want)
			}
			key := must(releasetest.Open(got.Wrapped, want.Public.Type))(t)
			if !key.Public().Equal(want.Public) {
				t.Errorf("%s: another key arrives", want.Public.Type)
			}
		}
	}
	for _, e := range []keyops.ReleaseEncryption{keyops.RSAAESKeyWrap256, keyops.RSAAESKeyWrap384} {
		in := w.attested()
		in.Encryption = e
		if got := must(w.svc.ReleaseKey(w.ctx(), call("v"), "my-key", "", in))(t); !bytes.Contains(got.Wrapped, []byte(`"enc":"`+e+`"`)) {
			t.Errorf("%s: %s", e, got.Wrapped)
		}
	}
}

// The key's state is told before anything about the token, and that before the
// request's other members count: nobody is asked about a token in vain.
func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	must(w.svc.CreateKey(w.ctx(), call("v"), "good", w.exportableKey()))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "plain", CreateKey{Spec: newECKey.Spec, HSM: true}))(t)
	off := w.exportableKey()
	off.Attributes.Enabled = ptr(false)
	must(w.svc.CreateKey(w.ctx(), call("v"), "off", off))(t)
	late := w.exportableKey()
	late.Attributes.NotBefore, late.Attributes.Expires = ptr(testStart-1000), ptr(testStart-900)
	must(w.svc.CreateKey(w.ctx(), call("v"), "late", late))(t)
	early := w.exportableKey()
	early.Attributes.NotBefore = ptr(testStart + 1000)
	must(w.svc.CreateKey(w.ctx(), call("v"), "early", early))(t)
	w.audited()

	attested := w.attested()
	withToken := func(claims map[string]any) ReleaseKey { return ReleaseKey{Target: w.authority.Token(claims)} }
	rejected := attested
	rejected.Rejected = refusedByReader
	enc := attested
	enc.Encryption = "RSA1_5"
	unverified := func(why string) refused {
		return refused{fault.Forbidden, "Forbidden", "AccessDenied", "Target environment attestation statement cannot be verified. " + why}
	}
	for name, tt := range map[string]struct {
		key, version string
		in           ReleaseKey
		want         *refused // nil for none
	}{
		"all is well":                  {"good", "", attested, nil},
		"after the end of the key":     {"late", "", attested, nil},
		"before the beginning":         {"early", "", attested, nil},
		"no such key":                  {"none", "", attested, ptr(notFound("key", "none"))},
		"no such version":              {"good", strings.Repeat("0", 32), attested, ptr(notFound("key", "good/"+strings.Repeat("0", 32)))},
		"disabled":                     {"off", "", rejected, &releaseOfOff},
		"not exportable":               {"plain", "", rejected, &notForUse},
		"rejected by who read it":      {"good", "", rejected, &refused{fault.Invalid, "BadParameter", "", "Not like this."}},
		"an unknown encryption":        {"good", "", enc, ptr(skr("The parameter enc is not supported. Supported values are CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 and RSA_AES_KEY_WRAP_384."))},
		"no token":                     {"good", "", ReleaseKey{}, ptr(unverified("It is not a JSON Web Token with a signature of RSA or ECDSA."))},
		"a token that expired":         {"good", "", withToken(map[string]any{"tee": "good", "exp": 1}), ptr(unverified("It has expired."))},
		"a token without the claim":    {"good", "", withToken(nil), &notAttested},
		"a token with another claim":   {"good", "", withToken(map[string]any{"tee": "bad"}), &notAttested},
		"a token of another authority": {"good", "", ReleaseKey{Target: releasetest.New("https://other.example.com").Token(map[string]any{"tee": "good"})}, &notAttested},
	} {
		w.audited()
		got, err := w.svc.ReleaseKey(w.ctx(), call("v"), tt.key, tt.version, tt.in)
		record := w.audited()
		if tt.want == nil {
			if err != nil || len(record) != 1 || record[0].Code != "" {
				t.Errorf("%s: %v, audited as %+v", name, err, record)
			}
			continue
		}
		tt.want.check(t, err)
		if got != nil || len(record) != 1 || !strings.HasPrefix(record[0].Code, tt.want.code) || record[0].Reason != tt.want.message || strings.Contains(record[0].Reason, "eyJ") {
			t.Errorf("%s: %+v, audited as %+v", name, got, record)
		}
	}
}

// A signature of another authority under the trusted one's name.
func TestReleaseToImpostor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", w.exportableKey()))(t)
	impostor := releasetest.New(w.authority.Issuer)
	_, err := w.svc.ReleaseKey(w.ctx(), call("v"), "k", "", ReleaseKey{Target: impostor.Token(map[string]any{"tee": "good"})})
	refused{fault.Forbidden, "Forbidden", "AccessDenied", "Target environment attestation statement cannot be verified. Its signature is not one of its issuer's."}.check(t, err)
}

// attestation does something while a token is verified.
type attestation struct {
	Attestation
	meanwhile func()
}

func (a attestation) Verify(ctx context.Context, token string, p *release.Policy) (*release.Statement, error) {
	a.meanwhile()
	return a.Attestation.Verify(ctx, token, p)
}

// What changes while a token is being verified counts.
func TestReleaseSeesChanges(t *testing.T) {
	t.Parallel()
	update := func(in UpdateKey) func(*testing.T, *world, *catalog.Vault) {
		return func(t *testing.T, w *world, _ *catalog.Vault) {
			must(w.other.UpdateKey(w.ctx(), call("v"), "k", "", in))(t)
		}
	}
	for name, tt := range map[string]struct {
		meanwhile func(*testing.T, *world, *catalog.Vault)
		want      refused
	}{
		"disabled": {update(UpdateKey{Attributes: Attributes{Enabled: ptr(false)}}), releaseOfOff},
		"another policy": {func(t *testing.T, w *world, v *catalog.Vault) {
			update(UpdateKey{ReleasePolicy: &ReleasePolicy{Data: w.authority.Policy(`{"claim":"tee","equals":"better"}`)}})(t, w, v)
		}, notAttested},
		"another authority": {func(t *testing.T, w *world, v *catalog.Vault) {
			update(UpdateKey{ReleasePolicy: &ReleasePolicy{Data: releasetest.New("https://other.example.com").Policy(`{"claim":"tee","equals":"good"}`)}})(t, w, v)
		}, notAttested},
		"deleted": {func(t *testing.T, w *world, _ *catalog.Vault) {
			must(w.other.DeleteKey(w.ctx(), call("v"), "k"))(t)
		}, notFound("key", "k")},
		"no permission": {func(_ *testing.T, w *world, v *catalog.Vault) {
			none := v.Clone()
			none.Policies = []access.Policy{{TenantID: testTenant, ObjectID: testOID, Permissions: access.Permissions{Keys: []string{"get"}}}}
			w.putVault(none)
		}, deniedByPolicy(testOperations[slices.IndexFunc(testOperations, func(o testOperation) bool { return o.method == "ReleaseKey" })], call("v"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.vault("v", premium)
			must(w.svc.CreateKey(w.ctx(), call("v"), "k", w.exportableKey()))(t)
			w.svc.cfg.Attestation = attestation{w.svc.cfg.Attestation, func() { tt.meanwhile(t, w, v) }}
			got, err := w.svc.ReleaseKey(w.ctx(), call("v"), "k", "", w.attested())
			tt.want.check(t, err)
			if got != nil {
				t.Errorf("released %+v", got)
			}
		})
	}
}

// Which keys may be exportable, and what of an existing one can be changed.
func TestExportableKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("std")
	w.vault("v", premium)
	good, soft := w.exportableKey(), w.exportableKey()
	soft.HSM = false
	with := func(base CreateKey, change func(*CreateKey)) CreateKey {
		change(&base)
		return base
	}
	akp := with(good, func(in *CreateKey) { in.Spec = keyops.Spec{Type: keyops.TypeAKP, Algorithm: keyops.MLDSA44} })
	before := w.dump()
	for name, tt := range map[string]struct {
		vault string
		in    CreateKey
		want  refused
	}{
		"a standard vault":             {"std", soft, skr1001},
		"without a policy":             {"v", with(good, func(in *CreateKey) { in.ReleasePolicy = nil }), skr1004},
		"a policy alone":               {"v", with(good, func(in *CreateKey) { in.Attributes.Exportable = nil }), skr1005},
		"a policy and not exportable":  {"v", with(good, func(in *CreateKey) { in.Attributes.Exportable = ptr(false) }), skr1005},
		"a policy in a standard vault": {"std", CreateKey{Spec: newECKey.Spec, ReleasePolicy: w.toGood()}, skr1005},
		"a software key":               {"v", soft, skr1006},
		"a key of ML-DSA":              {"v", akp, skr("Keys of the type AKP cannot be exportable.")},
		"a policy that is none":        {"v", with(good, func(in *CreateKey) { in.ReleasePolicy = &ReleasePolicy{Data: []byte("{}")} }), skr(`The release policy is not valid. Its version has to be "1.0.0".`)},
		"an empty policy":              {"v", with(good, func(in *CreateKey) { in.ReleasePolicy = &ReleasePolicy{} }), skr("The release policy is not valid. It is not one JSON object, names a member twice, or is nested too deep.")},
		"another content type": {"v", with(good, func(in *CreateKey) {
			in.ReleasePolicy = &ReleasePolicy{ContentType: "text/plain", Data: in.ReleasePolicy.Data}
		}),
			skr("The content type of a release policy has to be application/json.")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.svc.CreateKey(w.ctx(), call(tt.vault), "k", tt.in)
			tt.want.check(t, err)
		})
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
	transferred := ImportKey{Key: importedECKey.Key, Attributes: Attributes{Exportable: ptr(true)}, ReleasePolicy: w.toGood()}
	_, err := w.svc.ImportKey(w.ctx(), call("v"), "k", transferred)
	skr1006.check(t, err)
	transferred.HSM = true
	if got := must(w.svc.ImportKey(w.ctx(), call("v"), "k", transferred))(t); got.ReleasePolicy == nil {
		t.Errorf("imported %+v", got)
	}
}

// The release policy is one for all versions of a key, and says how it was given
// in Azure's form.
func TestReleasePolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	in := w.exportableKey()
	in.ReleasePolicy.Data = append([]byte(" "), in.ReleasePolicy.Data...)
	first := must(w.svc.CreateKey(w.ctx(), call("v"), "k", in))(t)
	want := &ReleasePolicy{ContentType: "application/json; charset=utf-8", Data: w.toGood().Data}
	if !reflect.DeepEqual(first.ReleasePolicy, want) {
		t.Errorf("created with %+v, want %+v", first.ReleasePolicy, want)
	}
	must(w.svc.CreateKey(w.ctx(), call("v"), "plain", CreateKey{Spec: newECKey.Spec, HSM: true}))(t)

	// A new version keeps the policy, or brings a new one for all.
	second := must(w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: newECKey.Spec, HSM: true}))(t)
	w.showsPolicy("k", want, first, second)
	better := &ReleasePolicy{ContentType: "application/json", Data: w.authority.Policy(`{"claim":"tee","equals":"better"}`)}
	third := w.exportableKey()
	third.ReleasePolicy = better
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", third))(t)
	w.showsPolicy("k", better, first, second)

	for name, tt := range map[string]struct {
		key  string
		in   CreateKey
		want refused
	}{
		"no longer exportable": {"k", CreateKey{Spec: newECKey.Spec, HSM: true, Attributes: Attributes{Exportable: ptr(false)}}, skr1003},
		"exportable from now":  {"plain", w.exportableKey(), skr1003},
		"a software version":   {"k", newECKey, skr1006},
	} {
		_, err := w.svc.CreateKey(w.ctx(), call("v"), tt.key, tt.in)
		if tt.want.check(t, err); t.Failed() {
			t.Error(name)
		}
	}
	for name, tt := range map[string]struct {
		key, version string
		in           UpdateKey
		want         refused
	}{
		"no longer exportable":       {"k", "", UpdateKey{Attributes: Attributes{Exportable: ptr(false)}}, skr1014},
		"exportable from now":        {"plain", "", UpdateKey{Attributes: Attributes{Exportable: ptr(true)}, ReleasePolicy: better}, skr1014},
		"a policy of none":           {"plain", "", UpdateKey{ReleasePolicy: better}, skr1005},
		"a policy of a version":      {"k", first.Version, UpdateKey{ReleasePolicy: better}, skr1016},
		"a policy of the current":    {"k", must(w.svc.GetKey(w.ctx(), call("v"), "k", ""))(t).Version, UpdateKey{ReleasePolicy: better}, skr1016},
		"a policy that is not valid": {"k", "", UpdateKey{ReleasePolicy: &ReleasePolicy{Data: []byte("{}")}}, skr(`The release policy is not valid. Its version has to be "1.0.0".`)},
	} {
		_, err := w.svc.UpdateKey(w.ctx(), call("v"), tt.key, tt.version, tt.in)
		if tt.want.check(t, err); t.Failed() {
			t.Error(name)
		}
	}

	// As it is, it may be given, for each version.
	must(w.svc.UpdateKey(w.ctx(), call("v"), "k", first.Version, UpdateKey{Attributes: Attributes{Exportable: ptr(true)}, Tags: map[string]string{"a": "b"}}))(t)
	w.showsPolicy("k", better, first, second)
	must(w.svc.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{ReleasePolicy: w.toGood()}))(t)
	w.showsPolicy("k", want, first, second)
}

// showsPolicy wants the policy wherever the key is shown.
func (w *world) showsPolicy(name string, want *ReleasePolicy, versions ...*Key) {
	w.t.Helper()
	shown := must(w.svc.ListKeyVersions(w.ctx(), call("v"), name, onePage))(w.t).Items
	for _, k := range must(w.svc.ListKeys(w.ctx(), call("v"), onePage))(w.t).Items {
		if k.Name == name {
			shown = append(shown, k)
		}
	}
	for _, v := range append(versions, &Key{}) {
		shown = append(shown, *must(w.svc.GetKey(w.ctx(), call("v"), name, v.Version))(w.t))
	}
	for _, k := range shown {
		if !reflect.DeepEqual(k.ReleasePolicy, want) {
			w.t.Errorf("%s/%s shows %+v, want %+v", k.Name, k.Version, k.ReleasePolicy, want)
		}
	}
}

// An immutable policy stays, whatever is given in its place: that is told even of
// what is no policy at all, as the real service does.
func TestImmutablePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	in := w.exportableKey()
	in.ReleasePolicy.Immutable = true
	first := must(w.svc.CreateKey(w.ctx(), call("v"), "k", in))(t)
	other := &ReleasePolicy{Data: w.authority.Policy(`{"claim":"tee","equals":"better"}`), Immutable: true}
	for name, policy := range map[string]*ReleasePolicy{
		"another": other, "mutable": w.toGood(), "none": {Data: []byte("x")}, "another content type": {ContentType: "application/json", Data: in.ReleasePolicy.Data, Immutable: true},
	} {
		_, err := w.svc.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{ReleasePolicy: policy})
		skr1020.check(t, err)
		next := w.exportableKey()
		next.ReleasePolicy = policy
		_, err = w.svc.CreateKey(w.ctx(), call("v"), "k", next)
		if skr1020.check(t, err); t.Failed() {
			t.Fatal(name)
		}
	}
	must(w.svc.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{ReleasePolicy: in.ReleasePolicy}))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", in))(t)
	want := &ReleasePolicy{ContentType: "application/json; charset=utf-8", Data: in.ReleasePolicy.Data, Immutable: true}
	w.showsPolicy("k", want, first)

	// A policy may become so.
	must(w.svc.CreateKey(w.ctx(), call("v"), "later", w.exportableKey()))(t)
	must(w.svc.UpdateKey(w.ctx(), call("v"), "later", "", UpdateKey{ReleasePolicy: in.ReleasePolicy}))(t)
	_, err := w.svc.UpdateKey(w.ctx(), call("v"), "later", "", UpdateKey{ReleasePolicy: other})
	skr1020.check(t, err)
}

// The policy goes with its key through rotation, deletion, recovery, backup and
// restoring, and binds it there.
func TestPolicyStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	in := w.exportableKey()
	in.ReleasePolicy.Immutable = true
	made := must(w.svc.CreateKey(w.ctx(), call("v"), "k", in))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: newECKey.Spec, HSM: true}))(t)
	rotated := must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t)
	w.showsPolicy("k", made.ReleasePolicy, made, rotated)
	blob := must(w.svc.BackupKey(w.ctx(), call("v"), "k"))(t)
	gone := must(w.svc.DeleteKey(w.ctx(), call("v"), "k"))(t)
	shown := must(w.svc.GetDeletedKey(w.ctx(), call("v"), "k"))(t)
	_, err := w.svc.ReleaseKey(w.ctx(), call("v"), "k", "", w.attested())
	notFound("key", "k").check(t, err)
	back := must(w.svc.RecoverKey(w.ctx(), call("v"), "k"))(t)
	for _, k := range []*Key{gone, shown, back} {
		if !reflect.DeepEqual(k.ReleasePolicy, made.ReleasePolicy) {
			t.Errorf("shows %+v, want %+v", k.ReleasePolicy, made.ReleasePolicy)
		}
	}
	w.showsPolicy("k", made.ReleasePolicy, made)
	w.purgeAny("v", keyKind, "k")
	must(w.svc.RestoreKey(w.ctx(), call("v"), blob))(t)
	w.showsPolicy("k", made.ReleasePolicy, made)
	_, err = w.svc.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{ReleasePolicy: w.toGood()})
	skr1020.check(t, err)
	released := must(w.svc.ReleaseKey(w.ctx(), call("v"), "k", made.Version, w.attested()))(t)
	if key := must(releasetest.Open(released.Wrapped, keyops.TypeEC))(t); !key.Public().Equal(made.Public) {
		t.Error("another key arrives")
	}
}

// Nothing is released from records that no process could have written.
func TestMalformedPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", w.exportableKey()))(t)
	op, _ := keyKind.onVersion(call("v"), "Update", access.KeyUpdate, "k", "")
	op.settle = func(_, next *headRecord) error {
		next.Release = &releaseRecord{ContentType: defaultPolicyType, Policy: []byte("{}")}
		return nil
	}
	must(w.svc.amend(w.ctx(), op, keyKind, "k", "", func(*versionRecord) error { return nil }))(t)
	if _, err := w.svc.ReleaseKey(w.ctx(), call("v"), "k", "", w.attested()); !errors.Is(err, errRecord) || fault.KindOf(err) != fault.Internal {
		t.Errorf("%v", err)
	}
	blob := must(w.svc.BackupKey(w.ctx(), call("v"), "k"))(t)
	w.purgeAny("v", keyKind, "k")
	if _, err := w.svc.RestoreKey(w.ctx(), call("v"), blob); !errors.Is(err, errRecord) {
		t.Errorf("%v", err)
	}
}
