package management

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// TestRedirects checks that the token does not follow a redirect.
func TestRedirects(t *testing.T) {
	for _, location := range []string{"http://management.example.com/", "https://evil.net/", endpoint + "/other", "/other"} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			f, client := newFake(t)
			f.then(answer(code, "", "Location", location))
			_, err := client.CreateOrUpdateVault(t.Context(), "g", "v", arm.VaultCreateOrUpdateParameters{})
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.StatusCode != code {
				t.Errorf("%d to %s: %v", code, location, err)
			}
			f.wantSeen("PUT " + aVaultPath)
		}
	}
}

// endless is a transport whose answers do not end.
type endless struct{ read int64 }

func (e *endless) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(e), Request: r}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestEndlessAnswer(t *testing.T) {
	e := &endless{}
	client := newTestClient(t, &fakeCredential{}, (&fakeManager{t: t}).options(e))
	if _, err := client.GetVault(t.Context(), "g", "v"); !errors.Is(err, gate.ErrAnswerTooLarge) {
		t.Errorf("the error is %v", err)
	}
	if e.read > maxAnswer+1 {
		t.Errorf("%d bytes were read, over more than one attempt", e.read)
	}
}

// FuzzParseError reads bodies of refusals: whatever is there, there is an error
// to show for it.
func FuzzParseError(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", "[]", `{"error":{"code":"c","message":"m","details":[{"code":"d"}]}}`, `{"code":"c"}`, `{"error":"x","code":"c"}`, `{"error":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		said, ok := parseError(body)
		if ok != (said.Code != "") {
			t.Fatalf("%q gave %+v, %v", body, said, ok)
		}
		text := (&Error{Operation: "GetVault", StatusCode: 400, Code: said.Code, Message: said.Message}).Error()
		if !strings.HasPrefix(text, "management: GetVault: 400 Bad Request") {
			t.Fatalf("%q gave %q", body, text)
		}
	})
}
