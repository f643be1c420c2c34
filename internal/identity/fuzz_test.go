package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// FuzzVerify checks that whatever a client sends as a token is refused, unless
// it is a token that was signed, letter for letter of what was signed.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	valid := w.bearer(vaultResource)
	segments := strings.Split(valid, ".")
	f.Add(valid)
	f.Add(valid + ".")
	f.Add(valid[:len(valid)-1])
	f.Add(segments[0] + "." + segments[1] + ".")
	f.Add(forge(header("alg", "none"), signedBy(func(string) []byte { return nil })))
	f.Add(forge(signedBy(rs256(foreignKey()))))
	f.Add(forge(header("crit", []string{"b64"}), header("b64", false)))
	f.Add(`{"protected":"` + segments[0] + `","payload":"` + segments[1] + `","signature":"` + segments[2] + `"}`)
	f.Add("a.b.c.d.e")
	f.Add("")
	signed := decoded(valid)
	f.Fuzz(func(t *testing.T, bearer string) {
		for _, p := range planes {
			caller, err := w.svc.Verify(t.Context(), p.plane, bearer)
			if err == nil {
				// The decoder of base64 overlooks line breaks and the last bits.
				if p.plane != PlaneVault || caller.ObjectID != objectID || !bytes.Equal(decoded(bearer), signed) {
					t.Fatalf("%s believes %q: %+v", p.name, bearer, caller)
				}
				continue
			}
			if fault.KindOf(err) != fault.Unauthenticated || caller.ObjectID != "" {
				t.Fatalf("%s: %+v, %v", p.name, caller, err)
			}
		}
	})
}

// decoded returns the three segments of a token, or nil.
func decoded(token string) []byte {
	var all []byte
	for segment := range strings.SplitSeq(token, ".") {
		b, err := base64.RawURLEncoding.DecodeString(segment)
		if err != nil {
			return nil
		}
		all = append(append(all, b...), '.')
	}
	return all
}

var guidText = regexp.MustCompile(`\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z`)

func FuzzIsGUID(f *testing.F) {
	for _, s := range []string{"", tenantA, strings.ToUpper(tenantA), tenantA + "\n", "{" + tenantA + "}", tenantA[:35], strings.Replace(tenantA, "-", "0", 1), strings.Replace(tenantA, "a", "g", 1), strings.Repeat("-", 36)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := IsGUID(s), guidText.MatchString(s); got != want {
			t.Errorf("IsGUID(%q) is %v", s, got)
		}
	})
}

// FuzzFindTenant checks that a path segment leads to the tenant that it names, or
// to a refusal that can stand in a log.
func FuzzFindTenant(f *testing.F) {
	w := newWorld(f)
	for _, s := range []string{"", "common", "Organizations", tenantA, strings.ToUpper(domainB), "c.example.com", "adfs", "..", "a.b\r\nc", strings.Repeat("a.", 200), "\u212aommon.com", "%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		got, err := w.svc.FindTenant(t.Context(), segment)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Number != 90002 && e.Number != 900023 {
				t.Fatalf("%q: %v", segment, err)
			}
			for _, c := range []byte(e.Error()) {
				if c < ' ' || c > '~' {
					t.Fatalf("%q: the refusal holds the byte %#x", segment, c)
				}
			}
			return
		}
		switch {
		case got.ID == tenantA && (anyFold(segment, tenantA, domainA, "common", "organizations")):
		case got.ID == tenantB && anyFold(segment, tenantB, domainB):
		default:
			t.Errorf("%q is %+v", segment, got)
		}
	})
}

func anyFold(s string, among ...string) bool {
	for _, a := range among {
		if strings.EqualFold(s, a) {
			return true
		}
	}
	return false
}
