package vault

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// testOperation is one operation of the service as the tests that hold for all of
// them see it.
type testOperation struct {
	method     string // of Service
	audit      string // its name in the audit log
	category   string // of the permission that it needs
	permission string
	dataAction string
	role       string // a built-in role that has the data action
	state      state  // of the object before it
	changes    bool   // it writes
	run        func(w *world, c Call, name string) (any, error)
}

// state is what there is of an object.
type state int

const (
	absent state = iota
	active
	deleted
	exportable // and active
)

const (
	secretsUser    = "4633458b-17de-408a-b874-0445c86b69e6"
	secretsOfficer = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
	cryptoUser     = "12338af0-0e69-4776-bea7-57ae8d297424"
	encryptionUser = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
	cryptoOfficer  = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
	releaseUser    = "08bbd89e-9f13-488c-ac41-acfcb10c90ab"
	reader         = "21090545-7ca7-4776-b22c-e363652d74d2"
)

var onePage = PageRequest{Max: MaxPage}

func newSecret(value string) SetSecret { return SetSecret{Value: secret.New([]byte(value))} }

var newECKey = CreateKey{Spec: keyops.Spec{Type: keyops.TypeEC}}

// importedECKey is the key of RFC 7517, appendix A.2.
var importedECKey = ImportKey{Key: keyops.PrivateJWK{
	Type: keyops.TypeEC, Curve: keyops.CurveP256,
	X: unpadded("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"),
	Y: unpadded("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"),
	D: unpadded("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"),
}}

func unpadded(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

var testOperations = []testOperation{
	{"SetSecret", "SecretSet", "secrets", "set", "secrets/setSecret/action", secretsOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.SetSecret(w.ctx(), c, n, newSecret("new")) }},
	{"GetSecret", "SecretGet", "secrets", "get", "secrets/getSecret/action", secretsUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.GetSecret(w.ctx(), c, n, "") }},
	{"UpdateSecret", "SecretUpdate", "secrets", "set", "secrets/update/action", secretsOfficer, active, true,
		func(w *world, c Call, n string) (any, error) {
			return w.svc.UpdateSecret(w.ctx(), c, n, "", UpdateSecret{})
		}},
	{"ListSecrets", "SecretList", "secrets", "list", "secrets/readMetadata/action", reader, active, false,
		func(w *world, c Call, _ string) (any, error) { return w.svc.ListSecrets(w.ctx(), c, onePage) }},
	{"ListSecretVersions", "SecretListVersions", "secrets", "list", "secrets/readMetadata/action", secretsUser, active, false,
		func(w *world, c Call, n string) (any, error) {
			return w.svc.ListSecretVersions(w.ctx(), c, n, onePage)
		}},
	{"DeleteSecret", "SecretDelete", "secrets", "delete", "secrets/delete", secretsOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.DeleteSecret(w.ctx(), c, n) }},
	{"GetDeletedSecret", "SecretGetDeleted", "secrets", "get", "secrets/readMetadata/action", reader, deleted, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.GetDeletedSecret(w.ctx(), c, n) }},
	{"ListDeletedSecrets", "SecretListDeleted", "secrets", "list", "secrets/readMetadata/action", reader, deleted, false,
		func(w *world, c Call, _ string) (any, error) { return w.svc.ListDeletedSecrets(w.ctx(), c, onePage) }},
	{"RecoverSecret", "SecretRecover", "secrets", "recover", "secrets/recover/action", secretsOfficer, deleted, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.RecoverSecret(w.ctx(), c, n) }},
	{"PurgeSecret", "SecretPurge", "secrets", "purge", "secrets/purge/action", secretsOfficer, deleted, true,
		func(w *world, c Call, n string) (any, error) { return nil, w.svc.PurgeSecret(w.ctx(), c, n) }},
	{"BackupSecret", "SecretBackup", "secrets", "backup", "secrets/backup/action", secretsOfficer, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.BackupSecret(w.ctx(), c, n) }},
	{"RestoreSecret", "SecretRestore", "secrets", "restore", "secrets/restore/action", secretsOfficer, absent, true,
		func(w *world, c Call, n string) (any, error) {
			return w.svc.RestoreSecret(w.ctx(), c, w.blob(secretKind, n))
		}},

	{"CreateKey", "KeyCreate", "keys", "create", "keys/create/action", cryptoOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.CreateKey(w.ctx(), c, n, newECKey) }},
	{"ImportKey", "KeyImport", "keys", "import", "keys/import/action", cryptoOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.ImportKey(w.ctx(), c, n, importedECKey) }},
	{"GetKey", "KeyGet", "keys", "get", "keys/read", cryptoUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.GetKey(w.ctx(), c, n, "") }},
	{"UpdateKey", "KeyUpdate", "keys", "update", "keys/update/action", cryptoUser, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.UpdateKey(w.ctx(), c, n, "", UpdateKey{}) }},
	{"ListKeys", "KeyList", "keys", "list", "keys/read", reader, active, false,
		func(w *world, c Call, _ string) (any, error) { return w.svc.ListKeys(w.ctx(), c, onePage) }},
	{"ListKeyVersions", "KeyListVersions", "keys", "list", "keys/read", reader, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.ListKeyVersions(w.ctx(), c, n, onePage) }},
	{"DeleteKey", "KeyDelete", "keys", "delete", "keys/delete", cryptoOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.DeleteKey(w.ctx(), c, n) }},
	{"GetDeletedKey", "KeyGetDeleted", "keys", "get", "keys/read", reader, deleted, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.GetDeletedKey(w.ctx(), c, n) }},
	{"ListDeletedKeys", "KeyListDeleted", "keys", "list", "keys/read", reader, deleted, false,
		func(w *world, c Call, _ string) (any, error) { return w.svc.ListDeletedKeys(w.ctx(), c, onePage) }},
	{"RecoverKey", "KeyRecover", "keys", "recover", "keys/recover/action", cryptoOfficer, deleted, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.RecoverKey(w.ctx(), c, n) }},
	{"PurgeKey", "KeyPurge", "keys", "purge", "keys/purge/action", cryptoOfficer, deleted, true,
		func(w *world, c Call, n string) (any, error) { return nil, w.svc.PurgeKey(w.ctx(), c, n) }},
	{"BackupKey", "KeyBackup", "keys", "backup", "keys/backup/action", cryptoOfficer, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.BackupKey(w.ctx(), c, n) }},
	{"RestoreKey", "KeyRestore", "keys", "restore", "keys/restore/action", cryptoOfficer, absent, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.RestoreKey(w.ctx(), c, w.blob(keyKind, n)) }},
	{"RotateKey", "KeyRotate", "keys", "rotate", "keys/rotate/action", cryptoOfficer, active, true,
		func(w *world, c Call, n string) (any, error) { return w.svc.RotateKey(w.ctx(), c, n) }},
	{"GetRotationPolicy", "KeyRotationPolicyGet", "keys", "getrotationpolicy", "keyrotationpolicies/read", reader, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.GetRotationPolicy(w.ctx(), c, n) }},
	{"SetRotationPolicy", "KeyRotationPolicySet", "keys", "setrotationpolicy", "keyrotationpolicies/write", cryptoOfficer, active, true,
		func(w *world, c Call, n string) (any, error) {
			return w.svc.SetRotationPolicy(w.ctx(), c, n, SetRotationPolicy{})
		}},

	{"Encrypt", "KeyEncrypt", "keys", "encrypt", "keys/encrypt/action", cryptoUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.Encrypt(w.ctx(), c, n, "", oaep("plain")) }},
	{"Decrypt", "KeyDecrypt", "keys", "decrypt", "keys/decrypt/action", cryptoUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.Decrypt(w.ctx(), c, n, "", closed()) }},
	{"WrapKey", "KeyWrap", "keys", "wrapKey", "keys/wrap/action", encryptionUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.WrapKey(w.ctx(), c, n, "", oaep("plain")) }},
	{"UnwrapKey", "KeyUnwrap", "keys", "unwrapKey", "keys/unwrap/action", encryptionUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.UnwrapKey(w.ctx(), c, n, "", closed()) }},
	{"Sign", "KeySign", "keys", "sign", "keys/sign/action", cryptoUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.Sign(w.ctx(), c, n, "", rs256) }},
	{"Verify", "KeyVerify", "keys", "verify", "keys/verify/action", cryptoUser, active, false,
		func(w *world, c Call, n string) (any, error) { return w.svc.Verify(w.ctx(), c, n, "", signed()) }},
	{"ReleaseKey", "KeyRelease", "keys", "release", "keys/release/action", releaseUser, exportable, false,
		func(w *world, c Call, n string) (any, error) {
			return w.svc.ReleaseKey(w.ctx(), c, n, "", w.attested())
		}},
}

// named reports whether the operation is about one object that its caller names.
func (o testOperation) named() bool {
	return !strings.HasSuffix(o.audit, "Restore") && !strings.HasSuffix(o.audit, "List") && !strings.HasSuffix(o.audit, "ListDeleted")
}

// lists reports whether the operation answers with a page.
func (o testOperation) lists() bool { return strings.HasPrefix(o.method, "List") }

func (o testOperation) kind() *kind { return kindOf(o.category) }

// prepare brings an object of the operation's kind into the state, as the caller
// who may do everything.
func (w *world) prepare(vault string, k *kind, name string, to state) {
	w.t.Helper()
	w.purgeAny(vault, k, name)
	if to == absent {
		return
	}
	var err error
	if k == secretKind {
		_, err = w.svc.SetSecret(w.ctx(), call(vault), name, newSecret("old"))
	} else {
		w.plant(vault, name, theRSAKey())
	}
	if err == nil && to == exportable {
		err = w.makeExportable(vault, name)
	}
	if err == nil && to == deleted {
		_, err = w.svc.delete(w.ctx(), call(vault), k, name)
	}
	if err != nil {
		w.t.Fatalf("preparing %s: %v", name, err)
	}
}

// purgeAny makes a name free, whatever its state.
func (w *world) purgeAny(vault string, k *kind, name string) {
	w.t.Helper()
	for _, step := range []func() error{
		func() error { _, err := w.svc.delete(w.ctx(), call(vault), k, name); return err },
		func() error { return w.svc.purge(w.ctx(), call(vault), k, name) },
	} {
		if err := step(); err != nil && !strings.Contains(err.Error(), "not found") {
			w.t.Fatalf("purging %s: %v", name, err)
		}
	}
}

// Every exported operation that a caller asks for has its row above, so that what
// the tests hold for all of them holds for a new one too. Again repeats an operation;
// Info answers no caller; PurgeDue and RunLifetimeActions are the service's own work.
func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	rows := map[string]int{}
	for _, op := range testOperations {
		rows[op.method]++
	}
	service := reflect.TypeFor[*Service]()
	for m := range service.Methods() {
		if m.Name == "Again" {
			continue
		}
		asks := m.Type.NumIn() > 2 && m.Type.In(2) == reflect.TypeFor[Call]()
		switch free := m.Name == "Info" || m.Name == "PurgeDue" || m.Name == "RunLifetimeActions"; {
		case asks && rows[m.Name] != 1:
			t.Errorf("%s has %d rows in testOperations", m.Name, rows[m.Name])
		case !asks && !free:
			t.Errorf("%s asks for no Call: who may do it, and who has done it?", m.Name)
		}
		delete(rows, m.Name)
	}
	for name := range rows {
		t.Errorf("testOperations has a row of %s, which is no operation", name)
	}
}
