package audit

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// standard is the line of a record as encoding/json writes it.
func standard(t *testing.T, r Record) string {
	t.Helper()
	type caller struct {
		TenantID string   `json:"tenantId,omitempty"`
		ObjectID string   `json:"objectId,omitempty"`
		AppID    string   `json:"appId,omitempty"`
		Issuer   string   `json:"issuer,omitempty"`
		Groups   []string `json:"groups,omitempty"`
	}
	text, err := json.Marshal(struct {
		ID        string    `json:"id"`
		Time      time.Time `json:"time"`
		Operation string    `json:"operation"`
		Resource  string    `json:"resource,omitempty"`
		Object    string    `json:"object,omitempty"`
		Origin    Origin    `json:"origin"`
		Code      string    `json:"code,omitempty"`
		Reason    string    `json:"reason,omitempty"`
		Caller    caller    `json:"caller"`
	}{r.ID, r.Time, r.Operation, r.Resource, r.Object, r.Origin, r.Code, r.Reason, caller(r.Caller)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzLine compares the line that is written by hand with that of encoding/json,
// with every subset of the members.
func FuzzLine(f *testing.F) {
	f.Add("text", "more text", uint16(0), int64(0))
	f.Add("text", "more text", ^uint16(0), int64(1_700_000_000_123_456_789))
	f.Add("<a href=\"x\">", "\xff\x00\n\\ é \u2028", ^uint16(0), int64(1_700_000_000_100_000_000))
	f.Fuzz(func(t *testing.T, a, b string, members uint16, nanoseconds int64) {
		n := 0
		pick := func() string {
			n++
			if members>>n&1 == 0 {
				return ""
			}
			return []string{a, b, a + b}[n%3]
		}
		r := Record{
			ID: a, Time: time.Unix(0, nanoseconds).UTC(), Operation: b, Resource: pick(), Object: pick(), Code: pick(), Reason: pick(),
			Origin: Origin{RequestID: pick(), ClientRequestID: pick(), Address: pick(), UserAgent: pick(), APIVersion: pick()},
			Caller: access.Caller{TenantID: pick(), ObjectID: pick(), AppID: pick(), Issuer: pick()},
		}
		for i := range members & 3 {
			r.Caller.Groups = append(r.Caller.Groups, []string{a, b, ""}[i])
		}
		if got, want := string(r.appendJSON(nil)), standard(t, r); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}
