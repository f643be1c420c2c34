package dataplane

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// operations are the operations of Azure Key Vault: secrets, keys and, as far as
// they are for vaults, the rest, in the order of its reference.
var operations = []string{
	"PUT /secrets/n SecretSet", "GET /secrets/n/v SecretGet", "PATCH /secrets/n/v SecretUpdate", "DELETE /secrets/n SecretDelete", "GET /secrets SecretList",
	"GET /secrets/n/versions SecretListVersions", "POST /secrets/n/backup SecretBackup", "POST /secrets/restore SecretRestore", "GET /deletedsecrets SecretListDeleted",
	"GET /deletedsecrets/n SecretGetDeleted", "DELETE /deletedsecrets/n SecretPurge", "POST /deletedsecrets/n/recover SecretRecover",

	"POST /keys/n/create KeyCreate", "PUT /keys/n KeyImport", "GET /keys/n/v KeyGet", "PATCH /keys/n/v KeyUpdate", "DELETE /keys/n KeyDelete", "GET /keys KeyList",
	"GET /keys/n/versions KeyListVersions", "POST /keys/n/backup KeyBackup", "POST /keys/restore KeyRestore", "POST /keys/n/v/encrypt KeyEncrypt",
	"POST /keys/n/v/decrypt KeyDecrypt", "POST /keys/n/v/wrapkey KeyWrap", "POST /keys/n/v/unwrapkey KeyUnwrap", "POST /keys/n/v/sign KeySign",
	"POST /keys/n/v/verify KeyVerify", "POST /keys/n/rotate KeyRotate", "GET /keys/n/rotationpolicy KeyRotationPolicyGet", "PUT /keys/n/rotationpolicy KeyRotationPolicySet",
	"POST /keys/n/v/release KeyRelease", "GET /keys/n/v/attestation KeyGetAttestation", "POST /keys/n/v/securewrapkey KeySecureWrap",
	"POST /keys/n/v/secureunwrapkey KeySecureUnwrap", "GET /deletedkeys KeyListDeleted", "GET /deletedkeys/n KeyGetDeleted", "DELETE /deletedkeys/n KeyPurge",
	"POST /deletedkeys/n/recover KeyRecover",

	"POST /certificates/n/create CertificateCreate", "POST /certificates/n/import CertificateImport", "GET /certificates/n/v CertificateGet",
	"PATCH /certificates/n/v CertificateUpdate", "DELETE /certificates/n CertificateDelete", "GET /certificates CertificateList",
	"GET /certificates/n/versions CertificateListVersions", "GET /certificates/n/policy CertificatePolicyGet", "PATCH /certificates/n/policy CertificatePolicyUpdate",
	"GET /certificates/n/pending CertificatePendingGet", "PATCH /certificates/n/pending CertificatePendingUpdate", "DELETE /certificates/n/pending CertificatePendingDelete",
	"POST /certificates/n/pending/merge CertificatePendingMerge", "POST /certificates/n/backup CertificateBackup", "POST /certificates/restore CertificateRestore",
	"GET /deletedcertificates CertificateListDeleted", "GET /deletedcertificates/n CertificateGetDeleted", "DELETE /deletedcertificates/n CertificatePurge",
	"POST /deletedcertificates/n/recover CertificateRecover", "GET /certificates/contacts CertificateContactsGet", "PUT /certificates/contacts CertificateContactsSet",
	"DELETE /certificates/contacts CertificateContactsDelete", "GET /certificates/issuers CertificateIssuersList", "GET /certificates/issuers/n CertificateIssuerGet",
	"PUT /certificates/issuers/n CertificateIssuerSet", "PATCH /certificates/issuers/n CertificateIssuerUpdate", "DELETE /certificates/issuers/n CertificateIssuerDelete",

	"GET /storage StorageAccountList", "PUT /storage/n StorageAccountSet", "GET /storage/n StorageAccountGet", "PATCH /storage/n StorageAccountUpdate",
	"DELETE /storage/n StorageAccountDelete", "POST /storage/n/regeneratekey StorageAccountRegenerateKey", "GET /storage/n/sas StorageSasDefinitionList",
	"PUT /storage/n/sas/d StorageSasDefinitionSet", "GET /storage/n/sas/d StorageSasDefinitionGet", "PATCH /storage/n/sas/d StorageSasDefinitionUpdate",
	"DELETE /storage/n/sas/d StorageSasDefinitionDelete", "POST /storage/n/backup StorageAccountBackup", "POST /storage/restore StorageAccountRestore",
	"GET /deletedstorage StorageAccountListDeleted", "GET /deletedstorage/n StorageAccountGetDeleted", "DELETE /deletedstorage/n StorageAccountPurge",
	"POST /deletedstorage/n/recover StorageAccountRecover", "GET /deletedstorage/n/sas StorageSasDefinitionListDeleted",
	"GET /deletedstorage/n/sas/d StorageSasDefinitionGetDeleted", "POST /deletedstorage/n/sas/d/recover StorageSasDefinitionRecover",
}

// TestOperations finds every operation of Azure under its path and name, also
// with a trailing slash, and with an empty segment where a version may be left
// out. There are no others.
func TestOperations(t *testing.T) {
	t.Parallel()
	p := newPlane(Config{})
	unknown := map[string]bool{}
	for _, route := range p.routes() {
		unknown[route.Name] = true
	}
	for _, op := range operations {
		method, rest, _ := strings.Cut(op, " ")
		path, name, _ := strings.Cut(rest, " ")
		delete(unknown, name)
		paths := []string{path, path + "/", strings.ToUpper(path)}
		if strings.Contains(path, "/v") && !strings.HasSuffix(path, "/versions") && !strings.Contains(path, "/verify") {
			paths = append(paths, strings.Replace(path, "/v", "/", 1), strings.Replace(path, "/v", "", 1))
		}
		for _, path := range paths {
			route, _, allow, ok := p.router.Match(method, path)
			if !ok || route.Name != name {
				t.Errorf("%s %s is %+v, allow %q; want %s", method, path, route, allow, name)
			}
		}
	}
	if len(unknown) > 0 {
		t.Errorf("routes that Azure does not have: %q", slices.Sorted(maps.Keys(unknown)))
	}
}

// TestUnbuilt sends every operation that exists by name only: the answer says
// which it is, to callers who are known.
func TestUnbuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fill := strings.NewReplacer("{name}", "n", "{version?}", "v", "{issuer}", "i", "{account}", "a", "{definition}", "d")
	for _, op := range unbuilt {
		path := fill.Replace(op.pattern)
		w.do(request{method: op.method, path: path, as: "none"}).is(401)
		w.do(request{method: op.method, path: path, version: "none"}).refused(bad("api-version must be specified"))
		for _, as := range []string{"owner", "nobody"} {
			w.do(request{method: op.method, path: path, as: as, body: "not JSON", header: map[string]string{"Content-Type": "x"}}).refused(refused{501, "NotImplemented", "",
				fmt.Sprintf("The operation %s (%s %s) of Azure Key Vault is not built in this key vault.", op.name, op.method, op.pattern)})
		}
	}
	w.call("POST", "/keys/n//securewrapkey", "{}").is(501)
}

// TestPaths sends the paths that the official clients make of names and absent
// versions. None of them is redirected.
func TestPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.set("My-Name", "v").version()
	k := w.create("My-Name").version()
	for _, path := range []string{
		"/secrets/My-Name", "/secrets/My-Name/", "/secrets/My-Name//", "/secrets/my-name/" + v, "/secrets/my-name/" + v + "/", "/SECRETS/MY-NAME/", "/%73ecrets/%4Dy%2DName",
		"/keys/My-Name", "/keys/My-Name/", "/Keys/my-name/" + k, "/secrets", "/secrets/", "/keys/", "/secrets/my-name/versions/", "/deletedkeys/", "/deletedsecrets",
	} {
		if a := w.call("GET", path, "").is(200); a.header.Get("Location") != "" {
			t.Errorf("%s: Location %s", path, a.header.Get("Location"))
		}
	}
	for _, path := range []string{"/secrets/My-Name", "/secrets/My-Name/", "/secrets/My-Name/" + v, "/keys/My-Name/", "/keys/My-Name/" + k} {
		w.call("PATCH", path, "{}").is(200)
	}
	w.call("PUT", "/secrets/My-Name/", `{"value":"v"}`).is(200)
	w.call("POST", "/keys/My-Name/create/", `{"kty":"EC"}`).is(200)
	w.call("DELETE", "/keys/My-Name/", "").is(200)
	w.call("POST", "/deletedkeys/my-name/recover/", "").is(200)
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	const nothing = "The requested resource was not found: no operation of a key vault has this path."
	for _, path := range []string{
		"/", "/secret", "/nothing/here", "//secrets/s", "/secrets//", "/secrets//versions", "/secrets/s/v/x", "/secrets/s///", "/secrets%2Fs", "/keys/s/v/frobnicate",
		"/secrets/restore/versions", "/keys/restore/" + strings.Repeat("0", 32), "/certificates/contacts/policy", "/.well-known/openid-configuration", "/metadata/endpoints",
		"/subscriptions", "/favicon.ico",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := w.call(method, path, "")
			a.refused(refused{404, "NotFound", "", nothing})
			if a.header.Get("Allow") != "" {
				t.Errorf("%s: Allow %q", a.about, a.header.Get("Allow"))
			}
		}
	}
	// A key of a reserved name could be made by this path, and then by no path be
	// deleted.
	w.call("POST", "/keys/restore/create", `{"kty":"EC"}`).refused(refused{404, "NotFound", "", nothing})
	w.call("GET", "/keys", "").text(`{"value":[],"nextLink":null}`)

	for _, tt := range []struct{ method, path, allow string }{
		{"POST", "/secrets", "GET"}, {"DELETE", "/keys/", "GET"}, {"POST", "/secrets/s", "DELETE, GET, PATCH, PUT"}, {"POST", "/keys/s/", "DELETE, GET, PATCH, PUT"},
		{"DELETE", "/secrets/s/" + strings.Repeat("0", 32), "GET, PATCH"}, {"PUT", "/secrets/s/versions", "GET"}, {"GET", "/keys/s/create", "POST"},
		{"PUT", "/deletedsecrets/s", "DELETE, GET"}, {"GET", "/deletedkeys/s/recover", "POST"}, {"PUT", "/secrets/restore", "POST"}, {"GET", "/SECRETS/RESTORE/", "POST"},
		{"DELETE", "/keys/restore", "POST"}, {"GET", "/keys/s//sign", "POST"}, {"OPTIONS", "/secrets", "GET"}, {"BREW", "/secrets", "GET"}, {"get", "/secrets", "GET"},
		{"POST", "/certificates/contacts", "DELETE, GET, PUT"},
	} {
		a := w.call(tt.method, tt.path, "")
		a.refused(refused{405, "MethodNotAllowed", "", "The requested resource does not support this HTTP method. It supports " + tt.allow + "."})
		if got := a.header.Get("Allow"); got != tt.allow {
			t.Errorf("%s: Allow %q, want %q", a.about, got, tt.allow)
		}
	}
	if a := w.call("HEAD", "/secrets/s", "").is(405); a.header.Get("Allow") != "DELETE, GET, PATCH, PUT" || a.body != "" {
		t.Errorf("HEAD: Allow %q, body %q", a.header.Get("Allow"), a.body)
	}
}
