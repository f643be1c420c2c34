package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestClientSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, otherSecret, err := w.svc.CreateApplication(t.Context(), tenantA, "other")
	must(t, err)
	const given = "hunter2"
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: "given", ObjectID: newGUID(), TenantID: tenantA}, GivenSecret(given)))
	longest := strings.Repeat("\u00e9", 512)
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: "longest", ObjectID: newGUID(), TenantID: tenantA}, GivenSecret(longest)))
	right := string(w.secret.Reveal())

	for _, tc := range []struct {
		name   string
		client string
		secret Secret
		number int // 0: a token
	}{
		{"random", clientID, w.secret, 0},
		{"random, as a client sends it", clientID, GivenSecret(right), 0},
		{"client id in upper case", strings.ToUpper(clientID), w.secret, 0},
		{"given", "given", GivenSecret(given), 0},
		{"the longest", "longest", GivenSecret(longest), 0},
		{"wrong", clientID, GivenSecret("wrong"), 7000215},
		{"given, wrong", "given", GivenSecret("Hunter2"), 7000215},
		{"of another application", clientID, otherSecret, 7000215},
		{"the other way round", other.ClientID, w.secret, 7000215},
		{"a part", clientID, GivenSecret(right[:len(right)-1]), 7000215},
		{"with an addition", clientID, GivenSecret(right + "x"), 7000215},
		// HMAC pads its key with zero bytes and hashes a long one, so that these
		// two were taken for the right secret once.
		{"with a zero byte", clientID, GivenSecret(right + "\x00"), 7000215},
		{"the hash of a long one", "longest", GivenSecret(string(digestOf(longest))), 7000215},
		{"too long", clientID, GivenSecret(strings.Repeat("x", maxSecretLength+1)), 7000215},
		{"empty", clientID, GivenSecret(""), 7000216},
		{"none", clientID, Secret{}, 7000216},
		{"redacted", clientID, GivenSecret(w.secret.String()), 7000215},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, err := w.ask(as(tc.client, tc.secret))
			switch tc.number {
			case 0:
				if err != nil || !strings.EqualFold(token.ClientID, tc.client) {
					t.Errorf("token of %q, %v", token.ClientID, err)
				}
			case 7000216:
				wantRefusal(t, err, 7000216, InvalidClient, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
			default:
				wantRefusal(t, err, tc.number, InvalidClient, text(secretText, tc.client))
			}
			if err != nil && tc.secret.Len() > 1 && strings.Contains(fmt.Sprintf("%+v %#v", err, err), string(tc.secret.Reveal())) {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func digestOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// A chosen secret needs a slow hash and a random one does not; neither shows
// that two applications have the same.
func TestSecretHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	random := NewSecret()
	for _, tc := range []struct {
		name       string
		secret     Secret
		iterations int
	}{
		{"random", random, 1},
		{"given", GivenSecret("hunter2"), 600_000},
	} {
		a, err := w.svc.hash(ctx, tc.secret)
		must(t, err)
		b, err := w.svc.hash(ctx, tc.secret)
		must(t, err)
		if a.Iterations != tc.iterations || len(a.Salt) != 16 || len(a.Sum) != 32 {
			t.Errorf("%s: %d iterations, a salt of %d bytes and a sum of %d", tc.name, a.Iterations, len(a.Salt), len(a.Sum))
		}
		if bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.Sum, b.Sum) {
			t.Errorf("%s: equal secrets have equal hashes", tc.name)
		}
		for candidate, want := range map[string]bool{string(tc.secret.Reveal()): true, "other": false} {
			if ok, err := w.svc.matches(ctx, a, GivenSecret(candidate)); ok != want || err != nil {
				t.Errorf("%s: %q matches: %v, %v", tc.name, candidate, ok, err)
			}
		}
	}
	if h, err := w.svc.hash(ctx, GivenSecret(string(random.Reveal()))); err != nil || h.Iterations != 600_000 {
		t.Errorf("a given secret that looks random: %d iterations, %v", h.Iterations, err)
	}
	seen := map[string]bool{}
	for range 100 {
		s := string(NewSecret().Reveal())
		if len(s) < 26 || seen[s] {
			t.Fatal("a random secret is short or not new")
		}
		seen[s] = true
	}
}

// The hash is what Python's hashlib.pbkdf2_hmac makes of the SHA-256 of "passwd".
func TestSecretHashKnownAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want, err := hex.DecodeString("dbefcbd1b6989e34993ede4b1aaddef21b3b0f6b1d9d3d3637d62e1c22943315")
	must(t, err)
	h := secretHash{Salt: []byte("salt"), Iterations: 1, Sum: want}
	if ok, err := w.svc.matches(t.Context(), h, GivenSecret("passwd")); !ok || err != nil {
		t.Errorf("the vector does not match: %v", err)
	}
}

// What is stored of an application, even once unsealed, holds no secret in any
// usual form.
func TestRecordsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	given := GivenSecret("a secret that somebody chose")
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: "given", ObjectID: newGUID(), TenantID: tenantA}, given))
	records := w.dump()
	if !strings.Contains(records[string(applicationKey("given"))], `"clientId":"given"`) {
		t.Fatal("the records were not opened, so that this test would see nothing")
	}
	for _, secret := range []Secret{w.secret, given} {
		raw := secret.Reveal()
		for key, record := range records {
			for _, form := range []string{string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
				if strings.Contains(record, form) {
					t.Errorf("the record %q holds the secret: %s", key, record)
				}
			}
		}
	}
	for _, v := range []any{w.secret, Token{Access: w.secret.Bytes}, ClientCredentials{Secret: w.secret}} {
		encoded, err := json.Marshal(v)
		must(t, err)
		for _, shown := range []string{string(encoded), fmt.Sprintf("%v %+v %#v %s", v, v, v, v)} {
			if strings.Contains(shown, string(w.secret.Reveal())) {
				t.Errorf("%T shows its secret: %s", v, shown)
			}
		}
	}
}

// A flood of wrong secrets waits for its turn and leaves when its client does.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: "given", ObjectID: newGUID(), TenantID: tenantA}, GivenSecret("hunter2")))
	for range cap(w.svc.hashing) {
		w.svc.hashing <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := ClientCredentials{Tenant: tenantA, ClientID: "given", Secret: GivenSecret("wrong"), Resource: vaultResource}
	if _, err := w.svc.ClientCredentials(ctx, origin, req); !errors.Is(err, context.Canceled) {
		t.Errorf("with every place taken: %v", err)
	}
	// A random secret costs nothing and waits for nobody.
	_, err := w.ask()
	must(t, err)
	<-w.svc.hashing
	_, err = w.ask(as("given", GivenSecret("hunter2")))
	must(t, err)
	if n := len(w.svc.hashing); n != cap(w.svc.hashing)-1 {
		t.Errorf("%d places are taken afterwards", n)
	}
}
