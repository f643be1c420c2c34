package dataplane

import (
	"fmt"
	"strings"
	"testing"
)

// TestSecrets takes a secret through its life at every api-version, and checks
// each answer to the letter.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, s := range shapes {
		t.Run(s.version, func(t *testing.T) {
			name := fmt.Sprintf("at-%d", i)
			w.vault(name)
			secretLife(t, w, name+".vault.azure.net", s)
		})
	}
}

func secretLife(t *testing.T, w *world, host string, s shape) {
	do := func(method, path, body string) answer {
		t.Helper()
		a := w.do(request{method: method, path: path, body: body, version: s.version, host: host})
		a.t = t
		return a
	}
	text := func(start string) func(string, string) string {
		return func(version, updated string) string {
			return strings.NewReplacer("{host}", host, "{v}", version, "{updated}", updated, "{days}", s.object).Replace(start)
		}
	}
	const first = `"id":"https://{host}/secrets/My-Secret{v}","attributes":{"enabled":true,"nbf":1,"exp":4102444800,"created":1800000000,"updated":{updated},"recoveryLevel":"Recoverable+Purgeable"{days}}`
	w.now.Store(testStart)

	// Set, under the name's first case for ever.
	set := do("PUT", "/secrets/My-Secret", `{"value":"<&> \"ü\" \u0000😀","contentType":"text/plain","attributes":{"enabled":true,"nbf":1,"exp":4102444800,"created":5,"recoveryLevel":"x"},"tags":{"a":"b"}}`).is(200)
	v1 := set.version()
	value := `{"value":"<&> \"ü\" \u0000😀","contentType":"text/plain",`
	bundle := text(first + `,"tags":{"a":"b"}}`)
	set.text(value + bundle("/"+v1, "1800000000"))
	for _, path := range []string{"/secrets/My-Secret", "/secrets/my-secret/", "/secrets/MY-SECRET/" + v1, "/secrets/my-secret/" + strings.ToUpper(v1)} {
		do("GET", path, "").text(value + bundle("/"+v1, "1800000000"))
	}

	// Update: without value.
	w.now.Store(testStart + 10)
	updated := text(first + `,"tags":{"c":"d","e":""}}`)
	do("PATCH", "/secrets/my-secret/"+v1, `{"contentType":"x","tags":{"c":"d","e":""},"value":"ignored"}`).text(`{"contentType":"x",` + updated("/"+v1, "1800000010"))
	do("PATCH", "/secrets/my-secret/", `{}`).text(`{"contentType":"x",` + updated("/"+v1, "1800000010"))

	// A second version, with nothing but a value.
	w.now.Store(testStart + 20)
	const second = `"id":"https://{host}/secrets/My-Secret{v}","attributes":{"enabled":true,"created":1800000020,"updated":{updated},"recoveryLevel":"Recoverable+Purgeable"{days}}}`
	set = do("PUT", "/secrets/my-secret", `{"value":""}`).is(200)
	v2 := set.version()
	bare := text(second)
	set.text(`{"value":"",` + bare("/"+v2, "1800000020"))
	do("GET", "/secrets/my-secret/"+v1, "").text(`{"value":"<&> \"ü\" \u0000😀","contentType":"x",` + updated("/"+v1, "1800000010"))

	// Lists: names without versions, versions in the order of their ids.
	do("GET", "/secrets", "").text(`{"value":[{` + bare("", "1800000020") + `],"nextLink":null}`)
	do("GET", "/secrets/my-secret/versions", "").text(`{"value":[` + inOrder(map[string]string{
		v1: `{"contentType":"x",` + updated("/"+v1, "1800000010"), v2: `{` + bare("/"+v2, "1800000020"),
	}) + `],"nextLink":null}`)
	do("GET", "/deletedsecrets", "").text(`{"value":[],"nextLink":null}`)

	// Delete, look at what is deleted, recover.
	w.now.Store(testStart + 30)
	deletion := `{"recoveryId":"https://` + host + `/deletedsecrets/My-Secret","deletedDate":1800000030,"scheduledPurgeDate":1807776030,`
	do("DELETE", "/secrets/my-secret", "").text(deletion + bare("/"+v2, "1800000020"))
	do("GET", "/deletedsecrets/my-secret", "").text(deletion + bare("/"+v2, "1800000020"))
	do("GET", "/deletedsecrets", "").text(`{"value":[` + deletion + bare("", "1800000020") + `],"nextLink":null}`)
	do("GET", "/secrets", "").text(`{"value":[],"nextLink":null}`)
	do("GET", "/secrets/my-secret/versions", "").text(`{"value":[],"nextLink":null}`)
	do("POST", "/deletedsecrets/my-secret/recover", "").text(`{` + bare("/"+v2, "1800000020"))
	do("GET", "/secrets/my-secret/", "").text(`{"value":"",` + bare("/"+v2, "1800000020"))

	// Purge.
	do("DELETE", "/secrets/my-secret", "").is(200)
	if a := do("DELETE", "/deletedsecrets/my-secret", "").is(204); a.body != "" {
		t.Errorf("a purge answers with %q", a.body)
	}
	do("GET", "/deletedsecrets", "").text(`{"value":[],"nextLink":null}`)
	do("GET", "/deletedsecrets/my-secret", "").refused(refused{404, "SecretNotFound", "", "Deleted Secret not found: my-secret"})
}

// TestSecretOfVaultWithoutSoftDelete deletes for good: the answer is the normal
// bundle.
func TestSecretOfVaultWithoutSoftDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("plain", withoutSoftDelete)
	do := func(method, path, version, body string) answer {
		return w.do(request{method: method, path: path, body: body, version: version, host: "plain.vault.azure.net"})
	}
	for version, tail := range map[string]string{"7.0": "", "7.6": `,"recoverableDays":0`} {
		v := do("PUT", "/secrets/s", version, `{"value":"v"}`).is(200).version()
		do("DELETE", "/secrets/s", version, "").text(`{"id":"https://plain.vault.azure.net/secrets/s/` + v +
			`","attributes":{"enabled":true,"created":1800000000,"updated":1800000000,"recoveryLevel":"Purgeable"` + tail + `}}`)
		do("GET", "/secrets/s", version, "").refused(notFound("secret", "Secret", "s"))
		do("GET", "/deletedsecrets", version, "").text(`{"value":[],"nextLink":null}`)
	}
}

// TestRecoveryLevelOfProtectedVault covers a vault that keeps what is deleted,
// for a time of its own.
func TestRecoveryLevelOfProtectedVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("kept", protected)
	do := func(method, path, body string) answer {
		return w.do(request{method: method, path: path, body: body, host: "kept.vault.azure.net"})
	}
	v := do("PUT", "/secrets/s", `{"value":"v","attributes":{"enabled":false}}`).is(200).version()
	bundle := `"id":"https://kept.vault.azure.net/secrets/s/` + v + `","attributes":{"enabled":false,"created":1800000000,"updated":1800000000,"recoveryLevel":"CustomizedRecoverable","recoverableDays":7}}`
	do("DELETE", "/secrets/s", "").text(`{"recoveryId":"https://kept.vault.azure.net/deletedsecrets/s","deletedDate":1800000000,"scheduledPurgeDate":1800604800,` + bundle)
	// Not even the deleted form of a disabled secret is shown.
	do("GET", "/deletedsecrets/s", "").refused(refused{403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."})
	purge := do("DELETE", "/deletedsecrets/s", "")
	purge.refused(refused{403, "Forbidden", "", `Operation "purge" is not allowed because purge protection is enabled for this vault. ` +
		"Key Vault service will automatically purge it after the retention period has passed. Vault: kept;location=eastus"})
	do("POST", "/deletedsecrets/s/recover", "").text("{" + bundle)
}

// TestEmptyTags holds a bug against coming back: the answer to a set or an update
// with an empty set of tags had a member that no later answer had.
func TestEmptyTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, to := range []struct{ method, path, body string }{
		{"PUT", "/secrets/s", `{"value":"v","tags":{}}`}, {"PUT", "/secrets/s", `{"value":"v","tags":null}`},
		{"POST", "/keys/s/create", `{"kty":"EC","tags":{}}`},
	} {
		a := w.call(to.method, to.path, to.body).is(200)
		get, _, _ := strings.Cut(to.path, "/create")
		w.call("GET", get, "").text(a.body)
		w.call("PATCH", get, `{"tags":{"a":"b"}}`).is(200)
		cleared := w.call("PATCH", get, `{"tags":{}}`).is(200)
		if strings.Contains(a.body+cleared.body, "tags") {
			t.Errorf("%s: %s, then %s", a.about, a.body, cleared.body)
		}
	}
}

// TestAddressesFollowTheRequest asks for one secret under each name of its
// vault: what is rendered is never stored.
func TestAddressesFollowTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.set("s", "v").version()
	w.set("t", "v")
	for asked, base := range map[string]string{
		"unit.vault.azure.net": "https://unit.vault.azure.net", "UNIT.Vault.Azure.NET:443": "https://unit.vault.azure.net", "unit.vault.azure.net.:8443": "https://unit.vault.azure.net:8443",
		"Unit.vault.localhost:8443": "https://unit.vault.localhost:8443", "unit.vault.localhost": "https://unit.vault.localhost",
	} {
		var got struct{ ID string }
		w.do(request{method: "GET", path: "/secrets/s", host: asked}).is(200).decode(&got)
		if got.ID != base+"/secrets/s/"+v {
			t.Errorf("%s: %s", asked, got.ID)
		}
		var page struct{ NextLink string }
		w.do(request{method: "GET", path: "/secrets?maxresults=1", host: asked}).is(200).decode(&page)
		if strings.Count(base, ":") == 1 {
			base += ":443"
		}
		if !strings.HasPrefix(page.NextLink, base+"/secrets?") {
			t.Errorf("%s: %s", asked, page.NextLink)
		}
	}
}

// TestOutContentType covers a parameter that is about certificates' secrets.
func TestOutContentType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	get := func(query, version string) answer {
		return w.do(request{method: "GET", path: "/secrets/s" + query, version: version})
	}
	for _, version := range []string{"2025-06-01-preview", "2025-07-01", latest} {
		get("?outContentType=application/x-pem-file", version).refused(bad("The outContentType 'application/x-pem-file' cannot be served: " +
			"the content is not that of a certificate, and only certificates are converted."))
		get("?outContentType=", version).is(200)
	}
	get("?outContentType=application/x-pem-file", "7.6").is(200)
	if a := get("?OUTcontentTYPE="+strings.Repeat("x", 1000), latest); strings.Contains(a.refusal().message, strings.Repeat("x", 65)) {
		t.Errorf("all of the caller's text is repeated: %s", a.body)
	}
}
