package vault

import (
	"bytes"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// What is stored must be read for ever: these are records of the first format, to
// which lines are added and of which none is changed.
const (
	storedSecretHead = "\x01" + `{"name":"My-Secret","current":{"version":"0123456789abcdef0123456789abcdef","disabled":true,"nbf":0,"exp":253402300799,` +
		`"created":1800000000,"updated":1800000001,"tags":{"":"v","k":""},"contentType":""},"deleted":{"at":1800000002,"purgeAt":1807776002}}`
	storedPlainHead      = "\x01" + `{"name":"n","current":{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2}}`
	storedExportableHead = "\x01" + `{"name":"n","current":{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2},` +
		`"release":{"contentType":"application/json","policy":"e30=","immutable":true}}`
	storedECVersion = "\x01" + `{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2,` +
		`"key":{"type":"EC","curve":"P-256K","x":"AQ==","y":"Ag==","hsm":true,"ops":["sign","verify"]}}`
	storedRSAVersion = "\x01" + `{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2,` +
		`"key":{"type":"RSA","n":"//8=","e":"AQAB","ops":[]}}`
	storedAKPVersion = "\x01" + `{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2,` +
		`"key":{"type":"AKP","alg":"ML-DSA-65","pub":"AQI=","hsm":true,"ops":["sign"]}}`
	storedOctVersion = "\x01" + `{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2,` +
		`"key":{"type":"oct","hsm":true,"ops":["wrapKey","unwrapKey"]}}`
	storedOct128 = "\x01" + `{"version":"0123456789abcdef0123456789abcdef","created":1,"updated":2,` +
		`"key":{"type":"oct","bits":128,"hsm":true,"ops":[]}}`
)

const storedID = "0123456789abcdef0123456789abcdef"

func TestStoredFormats(t *testing.T) {
	t.Parallel()
	heads := map[string]*headRecord{
		storedSecretHead: {Name: "My-Secret", Deleted: &deletionRecord{At: 1800000002, PurgeAt: 1807776002}, Current: versionRecord{
			Version: storedID, Disabled: true, NotBefore: ptr(int64(0)), Expires: ptr(int64(maxTime)), Created: 1800000000, Updated: 1800000001,
			Tags: map[string]string{"k": "", "": "v"}, ContentType: ptr("")}},
		storedPlainHead: {Name: "n", Current: versionRecord{Version: storedID, Created: 1, Updated: 2}},
		storedExportableHead: {Name: "n", Current: versionRecord{Version: storedID, Created: 1, Updated: 2},
			Release: &releaseRecord{ContentType: "application/json", Policy: []byte("{}"), Immutable: true}},
	}
	for stored, want := range heads {
		if got := must(decodeHead([]byte(stored)))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v", stored, got)
		}
		if got := must(encodeRecord(want))(t); string(got) != stored {
			t.Errorf("written as %s, want %s", got, stored)
		}
	}
	versions := map[string]*versionRecord{
		storedECVersion: {Version: storedID, Created: 1, Updated: 2, Key: &keyRecord{
			Type: keyops.TypeEC, Curve: keyops.CurveP256K, X: []byte{1}, Y: []byte{2}, HSM: true, Ops: []string{"sign", "verify"}}},
		storedRSAVersion: {Version: storedID, Created: 1, Updated: 2, Key: &keyRecord{
			Type: keyops.TypeRSA, N: []byte{255, 255}, E: []byte{1, 0, 1}, Ops: []string{}}},
		storedAKPVersion: {Version: storedID, Created: 1, Updated: 2, Key: &keyRecord{
			Type: keyops.TypeAKP, Alg: keyops.MLDSA65, Pub: []byte{1, 2}, HSM: true, Ops: []string{"sign"}}},
		storedOct128: {Version: storedID, Created: 1, Updated: 2, Key: &keyRecord{
			Type: keyops.TypeOct, Bits: 128, HSM: true, Ops: []string{}}},
		storedOctVersion: {Version: storedID, Created: 1, Updated: 2, Key: &keyRecord{
			Type: keyops.TypeOct, HSM: true, Ops: []string{"wrapKey", "unwrapKey"}}},
	}
	for stored, want := range versions {
		if got := must(decodeVersion([]byte(stored)))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v", stored, got)
		}
		if got := must(encodeRecord(want))(t); string(got) != stored {
			t.Errorf("written as %s, want %s", got, stored)
		}
	}
	for _, value := range []string{"", "v", "\x00\xff"} {
		if stored := encodeBody([]byte(value)); string(stored) != "\x01"+value || string(must(decodeBody(stored))(t)) != value {
			t.Errorf("a body of %q is %q", value, stored)
		}
	}
}

// Where the records of an object are is part of what is stored, too.
func TestStoredKeys(t *testing.T) {
	t.Parallel()
	const name, version = "MY-Name0", "ABCDEF"
	for _, k := range []*kind{secretKind, keyKind} {
		for _, area := range []string{"live", "dead"} {
			if got, want := k.key(storedID, area, name), tuple.Key("v", storedID, area, k.collection, "my-name0"); !bytes.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
		for _, area := range []string{"ver", "body"} {
			if got, want := k.key(storedID, area, name, version), tuple.Key("v", storedID, area, k.collection, "my-name0", "abcdef"); !bytes.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
		due := tuple.Append(tuple.Append(tuple.Append(tuple.AppendUint(tuple.Key("due"), 1807776002), storedID), k.collection), "my-name0")
		if got := k.due(1807776002, storedID, name); !bytes.Equal(got, due) {
			t.Errorf("%q, want %q", got, due)
		}
		if got := must(parseDue(due))(t); got != (dueKey{at: 1807776002, vaultID: storedID, name: "my-name0", kind: k}) {
			t.Errorf("%q is read as %+v", due, got)
		}
	}
	if secretKind.collection != "secrets" || keyKind.collection != "keys" {
		t.Error("collections are part of stored keys")
	}
}

func TestMalformedRecords(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{
		"", "\x00", "\x01", "\x02{}", "{}", "\x01null", "\x01[]", "\x01{", "\x01{} ", "\x01{}{}", "\x01{}",
		"\x02" + storedPlainHead[1:], storedPlainHead[1:], storedPlainHead + "}", storedPlainHead[:len(storedPlainHead)-1],
		strings.Replace(storedPlainHead, storedID, storedID[1:], 1), strings.Replace(storedPlainHead, `"n"`, `"a/b"`, 1),
		strings.Replace(storedPlainHead, `"n"`, `""`, 1), strings.Replace(storedPlainHead, `:1`, `:"1"`, 1),
	} {
		if h, err := decodeHead([]byte(plain)); !errors.Is(err, errRecord) || h != nil {
			t.Errorf("%q is read as %+v, %v", plain, h, err)
		}
		if v, err := decodeVersion([]byte(plain)); !errors.Is(err, errRecord) || v != nil {
			t.Errorf("%q is read as %+v, %v", plain, v, err)
		}
	}
	for _, plain := range []string{"", "\x00", "\x02value", "value"} {
		if b, err := decodeBody([]byte(plain)); !errors.Is(err, errRecord) || b != nil {
			t.Errorf("%q is read as %q, %v", plain, b, err)
		}
	}
}

func TestMalformedDueKeys(t *testing.T) {
	t.Parallel()
	text := func(s string) tuple.Element { return tuple.Element{String: s} }
	number := func(n uint64) tuple.Element { return tuple.Element{Uint: n, IsUint: true} }
	due, at, id, kind, name := text("due"), number(1), text(storedID), text("secrets"), text("n")
	if _, err := parseDue(tuple.Encode(due, at, id, kind, name)); err != nil {
		t.Fatal(err)
	}
	for _, e := range [][]tuple.Element{
		{due}, {due, at}, {due, at, id, kind}, {due, at, id, kind, name, name},
		{due, text("1"), id, kind, name}, {due, number(1<<62 + 1), id, kind, name}, {due, number(1<<64 - 1), id, kind, name},
		{due, at, text(""), kind, name}, {due, at, number(1), kind, name},
		{due, at, id, text(""), name}, {due, at, id, text("cars"), name}, {due, at, id, text("Secrets"), name},
		{due, at, id, kind, text("")}, {due, at, id, kind, text("a/b")}, {due, at, id, kind, number(1)},
	} {
		if d, err := parseDue(tuple.Encode(e...)); !errors.Is(err, errRecord) || d != (dueKey{}) {
			t.Errorf("%+v is read as %+v, %v", e, d, err)
		}
	}
	if d, err := parseDue([]byte("\xff")); !errors.Is(err, tuple.ErrMalformed) || d != (dueKey{}) {
		t.Errorf("no key is read as %+v, %v", d, err)
	}
}

// A record that is missing or not what it must be is our own failure, whatever
// the operation: nothing else is said of it, and nothing is changed.
func TestDamagedRecordsAreInternalErrors(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			whole := w.dump()
			for key := range whole {
				if !strings.HasPrefix(key, string(catalog.VaultKey(v.ID))) {
					continue
				}
				w.updateRaw([]byte(key), []byte("\x01damaged"))
				damaged := w.dump()
				w.audited()
				_, err := op.run(w, call("v"), "obj")
				switch records := w.audited(); {
				case err == nil && op.needs(v, key):
					t.Errorf("with %q damaged nothing is noticed", key)
				case err == nil:
				case fault.KindOf(err) != fault.Internal || strings.Contains(err.Error(), "damaged"):
					t.Errorf("with %q damaged: %v", key, err)
				case len(records) != 1 || records[0].Code != "InternalServerError":
					t.Errorf("with %q damaged, audited as %+v", key, records)
				default:
					if diff := sameRecords(damaged, w.dump()); diff != nil {
						t.Errorf("with %q damaged: %v", key, diff)
					}
				}
				w.restore(whole)
			}
		})
	}
}

// needs reports whether the operation cannot do without the record.
func (o testOperation) needs(v *catalog.Vault, key string) bool {
	below := func(area string) bool {
		return strings.HasPrefix(key, string(o.kind().key(v.ID, area, "obj")))
	}
	return key == string(catalog.VaultKey(v.ID)) || below(live) || below(dead) ||
		o.method == "GetSecret" && below(body) || strings.HasSuffix(o.method, "Versions") && below(ver)
}

// restore brings the store back to what a dump has.
func (w *world) restore(records map[string]string) {
	w.t.Helper()
	now := w.dump()
	w.update(func(tx store.Tx) {
		for key := range now {
			if _, ok := records[key]; !ok {
				tx.Delete([]byte(key))
			}
		}
		for key, value := range records {
			if now[key] != value {
				tx.Put([]byte(key), []byte(value))
			}
		}
	})
}

// FuzzRecord has what only the holder of the vault's key could have sealed: it
// must be refused or used, and what can be used can be written again.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{storedSecretHead, storedPlainHead, storedExportableHead, storedECVersion, storedRSAVersion, "", "\x01", "\x01null", "\x02{}",
		"\x01" + `{"name":"n","current":{"version":"0123456789abcdef0123456789abcdef","created":1e3,"updated":-9223372036854775808,"tags":null,"key":{}}}`,
		"\x01" + `{"NAME":"n","name":"m","current":null,"current":{"version":"ABCDEFABCDEFABCDEFABCDEFABCDEFAB"},"deleted":{}}`,
	} {
		f.Add([]byte(seed))
	}
	vault := &catalog.Vault{SoftDelete: true, RetentionDays: 90}
	f.Fuzz(func(t *testing.T, plain []byte) {
		b, err := decodeBody(plain)
		if (err == nil) != (len(plain) > 0 && plain[0] == format1) || err == nil && !bytes.Equal(encodeBody(b), plain) {
			t.Fatalf("body %q, %v", b, err)
		}
		h, err := decodeHead(plain)
		if (h == nil) != (err != nil) || err != nil && !errors.Is(err, errRecord) {
			t.Fatalf("head %+v, %v", h, err)
		}
		if h != nil {
			checkAgain(t, h, decodeHead)
			checkShown(t, shown{vault, h.Name, &h.Current, h.Deleted, h.Release})
		}
		v, err := decodeVersion(plain)
		if (v == nil) != (err != nil) || err != nil && !errors.Is(err, errRecord) {
			t.Fatalf("version %+v, %v", v, err)
		}
		if v != nil {
			checkAgain(t, v, decodeVersion)
			checkShown(t, shown{vault, "n", v, nil, nil})
		}
	})
}

// checkAgain checks that a record that was read is written as one that is read as
// the same.
func checkAgain[T any](t *testing.T, record T, decode func([]byte) (T, error)) {
	t.Helper()
	once := must(encodeRecord(record))(t)
	if again := must(encodeRecord(must(decode(once))(t)))(t); !bytes.Equal(once, again) {
		t.Fatalf("%q becomes %q", once, again)
	}
}

func checkShown(t *testing.T, x shown) {
	t.Helper()
	s := must(x.secret())(t)
	if s.Version != x.version.Version || s.Enabled == x.version.Disabled || (s.Deleted != nil) != (x.deleted != nil) {
		t.Fatalf("%+v is shown as %+v", x.version, s)
	}
	for _, show := range []func() (*Key, error){x.key, x.keyItem} {
		if k, err := show(); (err == nil) != (x.version.Key != nil) || (k == nil) != (err != nil) {
			t.Fatalf("%+v is shown as %+v, %v", x.version, k, err)
		}
	}
}

// FuzzSealedRecord has what anybody could put into the database.
func FuzzSealedRecord(f *testing.F) {
	w := newWorld(f)
	v := w.vault("v")
	made := w.set("v", "n", "value")
	sealer := must(w.ring.Vault(v.ID, v.WrappedKey))(f)
	sc := catalog.Scope{Vault: v, Sealer: sealer}
	records := w.dump()
	keys := [][]byte{secretKind.key(v.ID, live, "n"), secretKind.key(v.ID, ver, "n", made.Version), secretKind.key(v.ID, body, "n", made.Version)}
	genuine := map[string]bool{}
	for i, key := range keys {
		sealed := records[string(key)]
		genuine[string(key)+sealed] = true
		f.Add(uint8(i), []byte(sealed))
		f.Add(uint8(i+1), []byte(sealed))
		f.Add(uint8(i), []byte(sealed[:len(sealed)/2]))
	}
	f.Add(uint8(0), []byte(storedPlainHead))
	f.Fuzz(func(t *testing.T, at uint8, sealed []byte) {
		key := keys[int(at)%len(keys)]
		rec := store.Record{Value: sealed, Revision: 1}
		_, headErr := open(sc, key, rec, decodeHead)
		_, versionErr := open(sc, key, rec, decodeVersion)
		value, bodyErr := open(sc, key, rec, decodeBody)
		if genuine[string(key)+string(sealed)] {
			return
		}
		if !errors.Is(headErr, seal.ErrOpen) || !errors.Is(versionErr, seal.ErrOpen) || !errors.Is(bodyErr, seal.ErrOpen) || value != nil {
			t.Fatalf("opened: %v, %v, %q %v", headErr, versionErr, value, bodyErr)
		}
	})
}

func FuzzDueKey(f *testing.F) {
	f.Add(secretKind.due(1, storedID, "n"))
	f.Add(keyKind.due(1<<62, "x", "a-B0"))
	f.Add(keyKind.due(-1, storedID, "n"))
	f.Add(append(secretKind.due(1, storedID, "n"), 0))
	f.Add(tuple.Key("due", "1", storedID, "secrets", "n"))
	f.Add(tuple.AppendUint(dueRoot[:len(dueRoot):len(dueRoot)], 7))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, key []byte) {
		d, err := parseDue(key)
		if err != nil {
			return
		}
		if d.kind == nil || d.vaultID == "" || !validName(d.name) || d.at < 0 {
			t.Fatalf("%q is read as %+v", key, d)
		}
		if !bytes.HasPrefix(key, dueRoot) || strings.ToLower(d.name) != d.name {
			return // nobody writes it
		}
		if again := d.kind.due(d.at, d.vaultID, d.name); !bytes.Equal(again, key) {
			t.Fatalf("%q is read as %+v, whose key is %q", key, d, again)
		}
	})
}

var azureName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// FuzzName has any two names: each is valid exactly if Azure's pattern says so,
// and both mean one object exactly if they differ by case only.
func FuzzName(f *testing.F) {
	for _, seed := range [][2]string{
		{"a", "A"}, {"a-B-0", "a_b"}, {"", "\n"}, {"a\n", "a"}, {"ä", "Ä"}, {"k", "\u212a"}, {"\u017f", "s"}, {"a\x00", "a"}, {"..", "a/b"}, {"%61", "a"},
		{strings.Repeat("n", MaxNameLength), strings.Repeat("N", MaxNameLength+1)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b} {
			err := checkName(name)
			if valid := azureName.MatchString(name); valid != (err == nil) {
				t.Fatalf("%q: %v", name, err)
			}
			if err != nil {
				refused{fault.Invalid, "BadParameter", "", "The request URI contains an invalid name: " + name}.check(t, err)
				return
			}
		}
		same := strings.EqualFold(a, b)
		for _, k := range []*kind{secretKind, keyKind} {
			if got := bytes.Equal(k.key(storedID, live, a), k.key(storedID, live, b)); got != same {
				t.Fatalf("%q and %q are one object: %t", a, b, got)
			}
			// What one name owns is not below another's.
			for _, r := range k.contents(storedID, a) {
				for _, area := range []string{ver, body} {
					key := k.key(storedID, area, b, storedID)
					if bytes.Compare(r.Start, key) <= 0 && bytes.Compare(key, r.End) < 0 && !same {
						t.Fatalf("%q owns %q", a, key)
					}
				}
			}
			if d := must(parseDue(k.due(1, storedID, a)))(t); d.name != strings.ToLower(a) {
				t.Fatalf("%q is due as %q", a, d.name)
			}
		}
	})
}
