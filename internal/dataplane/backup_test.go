package dataplane

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestBackupRestore moves a secret and a key to another vault, and meets every
// refusal on the way.
func TestBackupRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("other")
	const other = "other.vault.azure.net"
	for _, kind := range []struct{ collection, singular, method, path, body string }{
		{"secrets", "secret", "PUT", "/secrets/Moved", `{"value":"hunter2","tags":{"a":"b"}}`},
		{"keys", "key", "POST", "/keys/Moved/create", `{"kty":"EC","tags":{"a":"b"}}`},
	} {
		t.Run(kind.collection, func(t *testing.T) {
			made := w.do(request{method: kind.method, path: kind.path, body: kind.body}).is(200)
			restored := w.do(request{method: kind.method, path: kind.path, body: kind.body}).is(200)
			backup := w.do(request{method: "POST", path: "/" + kind.collection + "/moved/backup"}).is(200)
			var result struct{ Value string }
			if err := json.Unmarshal([]byte(backup.body), &result); err != nil || result.Value == "" || strings.ContainsAny(result.Value, "+/=") {
				t.Fatalf("backup %s: %v", backup.body, err)
			}
			restore := "/" + kind.collection + "/restore"
			body := `{"value":"` + result.Value + `"}`
			moved := w.do(request{method: "POST", path: restore, body: body, host: other}).is(200)
			if want := strings.ReplaceAll(strings.Replace(restored.body, `"value":"hunter2",`, "", 1), host, other); moved.body != want {
				t.Errorf("restored %s\nwant %s", moved.body, want)
			}
			w.do(request{method: "GET", path: "/" + kind.collection + "/moved/" + made.version(), host: other}).is(200)

			path := "https://" + other + "/" + kind.collection + "/Moved/" + restored.version()
			conflict := w.do(request{method: "POST", path: restore, body: body, host: other}).is(409)
			if !strings.HasPrefix(conflict.body, `{"error":{"code":"Conflict","message":"There was a conflict restoring the `+kind.singular+` '`+path+`'. `) {
				t.Errorf("conflict: %s", conflict.body)
			}
			for name, bad := range map[string]string{
				"tampered":   `{"value":"` + result.Value[:100] + "AAAA" + result.Value[104:] + `"}`,
				"cut off":    `{"value":"` + result.Value[:len(result.Value)-4] + `"}`,
				"foreign":    `{"value":"JkF6dXJlS2V5VmF1bHRLZXlCYWNrdXBWMS5taWNyb3NvZnQuY29t"}`,
				"empty":      `{"value":""}`,
				"missing":    `{}`,
				"not base64": `{"value":"%"}`,
				"a number":   `{"value":1}`,
				"no JSON":    `x`,
			} {
				refused := w.do(request{method: "POST", path: restore, body: bad, host: other}).is(400)
				if !strings.Contains(refused.body, `"code":"BadParameter"`) || strings.Contains(refused.body, result.Value[100:140]) {
					t.Errorf("%s: %s", name, refused.body)
				}
			}
			w.do(request{method: "POST", path: restore, body: body, as: "nobody", host: other}).is(403)
			w.do(request{method: "POST", path: "/" + kind.collection + "/moved/backup", as: "nobody"}).is(403)
			w.do(request{method: "POST", path: "/" + kind.collection + "/none/backup"}).is(404)
			w.do(request{method: "POST", path: restore, body: `{"value":"` + strings.Repeat("A", maxRestoreBody) + `"}`}).is(413)
		})
	}
	secret := w.do(request{method: "POST", path: "/secrets/moved/backup"}).is(200)
	wrong := w.do(request{method: "POST", path: "/keys/restore", body: secret.body}).is(400)
	if !strings.Contains(wrong.body, "It is not a backup of a key.") {
		t.Errorf("a secret's backup as a key's: %s", wrong.body)
	}
}
