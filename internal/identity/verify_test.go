package identity

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// texts are what the two planes say. The management plane's text begins with its
// code and a space.
type texts struct{ management, vault string }

const tokenErr = "Error validating token: "

var (
	malformedTokenText = texts{"InvalidAuthenticationToken The access token is invalid.",
		tokenErr + "IDX12741: JWT must have three segments (JWS) of base64url, with the claims of an access token."}
	badSignatureText = texts{"InvalidAuthenticationToken The access token is invalid.",
		tokenErr + "IDX10501: Signature validation failed. No key of this token service has signed it."}
)

func wrongIssuerText(want, got string) texts {
	return texts{"InvalidAuthenticationTokenTenant The access token is from the wrong issuer '" + got + "'. It must match '" + want + "'.",
		"AKV10032: Invalid issuer. Expected one of " + want + ", found " + got + "."}
}

func wrongAudienceText(got string) texts {
	return texts{"InvalidAuthenticationTokenAudience The access token has been obtained for wrong audience or resource '" + got +
		"'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
		"AKV10022: Invalid audience. Expected https://vault.azure.net or " + vaultAppID + " or https://vault.localhost:8443, found: " + got + "."}
}

func expiredText(end, now string) texts {
	return texts{"ExpiredAuthenticationToken The access token expiry UTC time '" + end + "' is earlier than current UTC time '" + now + "'.",
		tokenErr + "IDX10223: Lifetime validation failed. The token is expired. ValidTo (UTC): '" + end + "', Current time (UTC): '" + now + "'."}
}

func notYetValidText(begin, now string) texts {
	return texts{"InvalidAuthenticationToken The access token is not yet valid. Valid from UTC time '" + begin + "', current UTC time '" + now + "'.",
		tokenErr + "IDX10222: Lifetime validation failed. The token is not yet valid. ValidFrom (UTC): '" + begin + "', Current time (UTC): '" + now + "'."}
}

// checkDisbelief checks that a token is refused in the plane's own words.
func checkDisbelief(t testing.TB, plane Plane, err error, token string, want texts) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unauthenticated {
		t.Fatalf("error %v, want a refusal of kind %s", err, fault.Unauthenticated)
	}
	said := f.Message
	wanted := want.vault
	if plane == PlaneManagement {
		said, wanted = f.Code+" "+f.Message, want.management
	} else if f.Code != "Unauthorized" {
		t.Errorf("code %s", f.Code)
	}
	if said != wanted || f.Inner != "" {
		t.Errorf("refused with\n %s\nwant\n %s", said, wanted)
	}
	if len(token) > 100 && strings.Contains(err.Error(), token[len(token)-100:]) {
		t.Errorf("the refusal repeats the token: %v", err)
	}
}

// planes are the two planes, each with an audience of its own.
var planes = []struct {
	name     string
	plane    Plane
	audience string
	other    string
}{
	{"vault", PlaneVault, vaultResource, managementResource},
	{"management", PlaneManagement, managementResource, vaultResource},
}

const (
	issuerA = "https://sts.windows.net/" + tenantA + "/"
	issuerB = "https://sts.windows.net/" + tenantB + "/"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := access.Caller{TenantID: tenantA, ObjectID: objectID, AppID: clientID, Issuer: issuerA}
	for _, p := range planes {
		for name, token := range map[string]string{
			"issued":                 w.bearer(p.audience),
			"forged with our key":    forge(claim("aud", p.audience)),
			"of the first second":    forge(claim("aud", p.audience), claim("nbf", now0.Unix())),
			"of the last second":     forge(claim("aud", p.audience), claim("exp", now0.Unix()+1)),
			"without nbf":            forge(claim("aud", p.audience), claim("nbf", nil)),
			"for a slash more":       forge(claim("aud", strings.TrimSuffix(p.audience, "/")+"/")),
			"for a slash less":       forge(claim("aud", strings.TrimSuffix(p.audience, "/"))),
			"for upper case":         forge(claim("aud", strings.ToUpper(p.audience))),
			"with an unknown claim":  forge(claim("aud", p.audience), claim("scp", "user_impersonation"), claim("roles", []string{"Owner"})),
			"with an unknown header": forge(claim("aud", p.audience), header("x5u", "https://evil.example/key"), header("jku", "https://evil.example/keys")),
		} {
			for range 2 { // the second from memory
				got, err := w.svc.Verify(t.Context(), p.plane, token)
				if err != nil || got.TenantID != want.TenantID || got.ObjectID != want.ObjectID || got.AppID != want.AppID || got.Issuer != want.Issuer || len(got.Groups) != 0 {
					t.Errorf("%s, a token %s: %+v, %v", p.name, name, got, err)
				}
			}
		}
	}
	for _, aud := range []string{vaultAppID, strings.ToUpper(vaultAppID), "https://vault.localhost:8443/"} {
		if _, err := w.svc.Verify(t.Context(), PlaneVault, forge(claim("aud", aud))); err != nil {
			t.Errorf("aud %s: %v", aud, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "01/02/2030 03:04:05"
	valid := func(changes ...func(*forged)) func(string) string {
		return func(aud string) string {
			return forge(append([]func(*forged){claim("aud", aud)}, changes...)...)
		}
	}
	// edited takes a token that would be believed apart.
	edited := func(edit func(segments []string) string) func(string) string {
		return func(aud string) string { return edit(strings.Split(valid()(aud), ".")) }
	}
	der, err := x509.MarshalPKIXPublicKey(&ownKey().PublicKey)
	must(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	pkcs1 := x509.MarshalPKCS1PublicKey(&ownKey().PublicKey)
	foreignJWK := map[string]any{"kty": "RSA", "n": b64(foreignKey().N.Bytes()), "e": "AQAB"}

	for _, tc := range []struct {
		name  string
		token func(aud string) string
		want  texts
	}{
		{"expired now", valid(claim("exp", now0.Unix())), expiredText(at, at)},
		{"expired long ago", valid(claim("exp", now0.Unix()-86400)), expiredText("01/01/2030 03:04:05", at)},
		{"without exp", valid(claim("exp", nil)), expiredText("01/01/1970 00:00:00", at)},
		{"not yet valid", valid(claim("nbf", now0.Unix()+1)), notYetValidText("01/02/2030 03:04:06", at)},

		{"another audience", func(string) string { return valid()("https://graph.microsoft.com") }, wrongAudienceText("https://graph.microsoft.com")},
		{"no audience", valid(claim("aud", nil)), wrongAudienceText("")},
		{"an audience below", func(aud string) string { return valid()(aud + "/x") }, texts{}},
		{"an audience with two slashes", func(aud string) string { return valid()(strings.TrimSuffix(aud, "/") + "//") }, texts{}},
		{"an audience with a port", func(aud string) string { return valid()(strings.TrimSuffix(aud, "/") + ":443") }, texts{}},
		{"an audience of http", func(aud string) string { return valid()(strings.Replace(aud, "https:", "http:", 1)) }, texts{}},
		{"an audience that is hostile", func(string) string { return valid()("a'\r\nb\u00fc" + strings.Repeat("x", 200)) }, wrongAudienceText("a'??b??" + strings.Repeat("x", 121))},
		{"a list of audiences", func(aud string) string { return valid(claim("aud", []string{aud}))(aud) }, malformedTokenText},

		{"another issuer", valid(claim("iss", "https://login.evil.example/"+tenantA+"/")), wrongIssuerText(issuerA, "https://login.evil.example/"+tenantA+"/")},
		{"an issuer without a slash", valid(claim("iss", strings.TrimSuffix(issuerA, "/"))), wrongIssuerText(issuerA, strings.TrimSuffix(issuerA, "/"))},
		{"an issuer in upper case", valid(claim("iss", strings.ToUpper(issuerA))), wrongIssuerText(issuerA, strings.ToUpper(issuerA))},
		{"no issuer", valid(claim("iss", nil)), wrongIssuerText(issuerA, "")},
		{"another tenant than the issuer's", valid(claim("tid", tenantB)), wrongIssuerText(issuerB, issuerA)},
		{"the issuer of another tenant", valid(claim("iss", issuerB)), wrongIssuerText(issuerA, issuerB)},
		{"no tenant", valid(claim("tid", nil), claim("iss", "https://sts.windows.net//")), wrongIssuerText("https://sts.windows.net//", "https://sts.windows.net//")},
		{"no object id", valid(claim("oid", nil)), wrongIssuerText(issuerA, issuerA)},

		{"a changed payload", edited(func(s []string) string {
			return s[0] + "." + b64(bytes.Replace(decode(t, s[1]), []byte(objectID), []byte(objectID[:35]+"2"), 1)) + "." + s[2]
		}), badSignatureText},
		{"a changed header", edited(func(s []string) string {
			return b64(bytes.Replace(decode(t, s[0]), []byte("JWT"), []byte("JWS"), 1)) + "." + s[1] + "." + s[2]
		}), badSignatureText},
		{"a changed signature", edited(func(s []string) string {
			sig := decode(t, s[2])
			sig[len(sig)/2] ^= 1
			return s[0] + "." + s[1] + "." + b64(sig)
		}), badSignatureText},
		{"a short signature", edited(func(s []string) string { return s[0] + "." + s[1] + "." + b64(decode(t, s[2])[1:]) }), badSignatureText},
		{"a long signature", edited(func(s []string) string { return s[0] + "." + s[1] + "." + b64(append([]byte{0}, decode(t, s[2])...)) }), badSignatureText},
		{"no signature", edited(func(s []string) string { return s[0] + "." + s[1] + "." }), badSignatureText},
		{"the signature of another token", func(aud string) string {
			_, signature, _ := cutLast(valid(claim("oid", "other"))(aud))
			input, _, _ := cutLast(valid()(aud))
			return input + "." + signature
		}, badSignatureText},

		{"alg none", valid(header("alg", "none"), signedBy(func(string) []byte { return nil })), badSignatureText},
		{"alg None", valid(header("alg", "None"), signedBy(func(string) []byte { return nil })), badSignatureText},
		{"alg none with a signature", valid(header("alg", "none")), badSignatureText},
		{"no alg", valid(header("alg", nil)), badSignatureText},
		{"HS256 with the public key in PEM", valid(header("alg", "HS256"), signedBy(hs256(asPEM))), badSignatureText},
		{"HS256 with the public key in DER", valid(header("alg", "HS256"), signedBy(hs256(der))), badSignatureText},
		{"HS256 with the public key in PKCS #1", valid(header("alg", "HS256"), signedBy(hs256(pkcs1))), badSignatureText},
		{"HS256 with the modulus", valid(header("alg", "HS256"), signedBy(hs256(ownKey().N.Bytes()))), badSignatureText},
		{"HS256 with nothing", valid(header("alg", "HS256"), signedBy(hs256(nil))), badSignatureText},
		{"RS512 with our key", valid(header("alg", "RS512"), signedBy(rs512(ownKey()))), badSignatureText},
		{"RS512 that says RS256", valid(signedBy(rs512(ownKey()))), badSignatureText},
		{"PS256 with our key", valid(header("alg", "PS256"), signedBy(ps256(ownKey()))), badSignatureText},
		{"PS256 that says RS256", valid(signedBy(ps256(ownKey()))), badSignatureText},

		{"an unknown kid", valid(header("kid", "unknown")), badSignatureText},
		{"no kid", valid(header("kid", nil)), badSignatureText},
		{"an empty kid", valid(header("kid", "")), badSignatureText},
		{"a foreign key under our kid", valid(signedBy(rs256(foreignKey()))), badSignatureText},
		{"a foreign key under its own kid", valid(header("kid", thumbprint(&foreignKey().PublicKey)), signedBy(rs256(foreignKey()))), badSignatureText},
		{"a foreign key that the token brings", valid(header("jwk", foreignJWK), signedBy(rs256(foreignKey()))), badSignatureText},
		{"a foreign key that the token brings, no kid", valid(header("kid", nil), header("jwk", foreignJWK), signedBy(rs256(foreignKey()))), badSignatureText},
		{"a critical header", valid(header("crit", []string{"exp"}), header("exp", 1)), badSignatureText},
		{"an unencoded payload", valid(header("crit", []string{"b64"}), header("b64", false)), badSignatureText},

		{"flattened JSON", edited(func(s []string) string {
			return `{"protected":"` + s[0] + `","payload":"` + s[1] + `","signature":"` + s[2] + `"}`
		}), malformedTokenText},
		{"general JSON", edited(func(s []string) string {
			return `{"payload":"` + s[1] + `","signatures":[{"protected":"` + s[0] + `","signature":"` + s[2] + `"}]}`
		}), malformedTokenText},
		{"five segments", edited(func(s []string) string { return strings.Join(append(s, "a", "b"), ".") }), malformedTokenText},
		{"two segments", edited(func(s []string) string { return s[0] + "." + s[1] }), malformedTokenText},
		{"a dot at the end", edited(func(s []string) string { return strings.Join(s, ".") + "." }), malformedTokenText},
		{"padded segments", edited(func(s []string) string { return s[0] + "." + s[1] + "." + s[2] + "==" }), badSignatureText},
		{"a space before", edited(func(s []string) string { return " " + strings.Join(s, ".") }), badSignatureText},
		{"claims that are a list", valid(func(f *forged) { f.payload = []byte(`[]`) }), malformedTokenText},
		{"claims that are no JSON", valid(func(f *forged) { f.payload = []byte(`oid=` + objectID) }), malformedTokenText},
		{"a fraction as exp", valid(claim("exp", 1e10+0.5)), malformedTokenText},
		{"a text as exp", valid(claim("exp", "1893560645")), malformedTokenText},
		{"too long", valid(claim("padding", strings.Repeat("x", maxToken))), malformedTokenText},
		{"empty", func(string) string { return "" }, malformedTokenText},
		{"two dots", func(string) string { return ".." }, badSignatureText},
		{"garbage", func(string) string { return "garbage" }, malformedTokenText},
		{"bytes", func(string) string { return "\x00\xff.\x80.\n" }, badSignatureText},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, p := range planes {
				token := tc.token(p.audience)
				want := tc.want
				if want == (texts{}) {
					_, claims := parts(t, token)
					want = wrongAudienceText(claims["aud"].(string))
				}
				for range 2 {
					caller, err := w.svc.Verify(t.Context(), p.plane, token)
					checkDisbelief(t, p.plane, err, token, want)
					if caller.ObjectID != "" || caller.TenantID != "" {
						t.Errorf("%s: caller %+v", p.name, caller)
					}
				}
			}
		})
	}
	if n := w.svc.verified.Len(); n != 0 {
		t.Errorf("%d tokens are remembered that nobody believed", n)
	}
}

// A token for one plane is of no use at the other.
func TestVerifyOtherPlane(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, p := range planes {
		token := w.bearer(p.other)
		_, err := w.svc.Verify(t.Context(), p.plane, token)
		checkDisbelief(t, p.plane, err, token, wrongAudienceText(p.other))
	}
	graph := w.bearer("https://graph.microsoft.com")
	for _, p := range planes {
		_, err := w.svc.Verify(t.Context(), p.plane, graph)
		checkDisbelief(t, p.plane, err, graph, wrongAudienceText("https://graph.microsoft.com"))
	}
}

// What is remembered of a token is who it is of, not that it may pass.
func TestVerifyRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.bearer(vaultResource)
	_, err := w.svc.Verify(t.Context(), PlaneVault, token)
	must(t, err)
	if w.svc.verified.Len() != 1 {
		t.Fatal("the token is not remembered, so that this test would see nothing")
	}
	_, err = w.svc.Verify(t.Context(), PlaneManagement, token)
	checkDisbelief(t, PlaneManagement, err, token, wrongAudienceText(vaultResource))

	w.now = now0.Add(-5*time.Minute - time.Second)
	_, err = w.svc.Verify(t.Context(), PlaneVault, token)
	checkDisbelief(t, PlaneVault, err, token, notYetValidText("01/02/2030 02:59:05", "01/02/2030 02:59:04"))

	w.now = now0.Add(time.Hour - time.Nanosecond)
	_, err = w.svc.Verify(t.Context(), PlaneVault, token)
	must(t, err)
	w.now = now0.Add(time.Hour)
	_, err = w.svc.Verify(t.Context(), PlaneVault, token)
	checkDisbelief(t, PlaneVault, err, token, expiredText("01/02/2030 04:04:05", "01/02/2030 04:04:05"))
	if n := w.svc.verified.Len(); n != 0 {
		t.Errorf("%d tokens are remembered", n)
	}
	// Nor is a changed token taken for the one that is remembered.
	w.now = now0
	_, err = w.svc.Verify(t.Context(), PlaneVault, token)
	must(t, err)
	input, _, _ := cutLast(token)
	_, err = w.svc.Verify(t.Context(), PlaneVault, input+".AAAA")
	checkDisbelief(t, PlaneVault, err, token, badSignatureText)
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range cachedTokens {
		w.svc.verified.Put(tokenName{byte(i), byte(i >> 8), 1}, &verifiedToken{})
	}
	_, err := w.svc.Verify(t.Context(), PlaneVault, w.bearer(vaultResource))
	must(t, err)
	if n := w.svc.verified.Len(); n != cachedTokens {
		t.Errorf("%d tokens are remembered", n)
	}
}

func decode(t testing.TB, segment string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	must(t, err)
	return b
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func rs512(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha512.Sum512([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, sum[:])
		if err != nil {
			panic(err)
		}
		return signature
	}
}

func ps256(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			panic(err)
		}
		return signature
	}
}
