package release

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const testIssuer = "https://attest.example.com"

// policyOf returns a policy with one authority and one condition.
func policyOf(condition string) string {
	return fmt.Sprintf(`{"version":"1.0.0","anyOf":[{"authority":%q,"allOf":[%s]}]}`, testIssuer, condition)
}

func parsePolicy(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// The forms are of recordings of Azure Key Vault: what a client sent, and what it
// got back.
func TestPolicyForm(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"eyJhbnlPZiI6W3siYWxsT2YiOlt7ImNsYWltIjoic2RrLXRlc3QiLCJlcXVhbHMiOiJ0cnVlIn1dLCJhdXRob3JpdHkiOiJodHRwczovL3Nrcl9hdHRlc3RhdGlvbi5henVyZS5uZXQvIn1dLCJ2ZXJzaW9uIjoiMS4wLjAifQ": "eyJ2ZXJzaW9uIjoiMS4wLjAiLCJhbnlPZiI6W3siYXV0aG9yaXR5IjoiaHR0cHM6Ly9za3JfYXR0ZXN0YXRpb24uYXp1cmUubmV0LyIsImFsbE9mIjpbeyJjbGFpbSI6InNkay10ZXN0IiwiZXF1YWxzIjoidHJ1ZSJ9XX1dfQ",
	} {
		data, err := base64.RawURLEncoding.DecodeString(sent)
		if err != nil {
			t.Fatal(err)
		}
		shown := parsePolicy(t, string(data)).Text()
		if got := base64.RawURLEncoding.EncodeToString(shown); got != want {
			t.Errorf("%s\nis shown as %s\nwant %s", data, shown, want)
		}
	}
	nested := `{"version":"1.0.0","anyOf":[{"authority":"https://a.example/","anyOf":[{"claim":"a.b","exists":false},{"allOf":[{"claim":"n","less":1.50},{"claim":"s","notEquals":"x\"y"}]}]},{"authority":"https://b.example","allOf":[{"anyOf":[{"claim":"c","greaterOrEquals":-2e3}]}]}]}`
	mixed := strings.NewReplacer("anyOf", "ANYOF", "allOf", "allof", "authority", "Authority", "version", "Version", "claim", "CLAIM", "exists", "Exists", "greaterOrEquals", "greaterorequals").Replace(nested)
	for _, text := range []string{nested, mixed, " " + strings.ReplaceAll(nested, ",", " ,\n\t") + "\r\n"} {
		if shown := string(parsePolicy(t, text).Text()); shown != nested {
			t.Errorf("%s\nis shown as %s", text, shown)
		}
	}
}

func TestPolicyRefusals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxText+1)
	deep := func(n int) string {
		return strings.Repeat(`{"anyOf":[`, n) + `{"claim":"a","equals":"b"}` + strings.Repeat(`]}`, n)
	}
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat(`{"claim":"a","equals":"b"},`, n), ",") }
	for _, text := range []string{deep(maxNested - 1), many(maxConditions)} {
		parsePolicy(t, policyOf(text))
	}
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":               {"", "not one JSON object"},
		"a list":                {"[]", "not one JSON object"},
		"a half":                {`{"version":"1.0.0","anyOf":[`, "not one JSON object"},
		"two objects":           {policyOf(many(1)) + "{}", "not one JSON object"},
		"a member twice":        {`{"version":"1.0.0","version":"1.0.0","anyOf":[]}`, "not one JSON object"},
		"twice in another case": {`{"version":"1.0.0","Version":"1.0.0","anyOf":[]}`, "the member version twice"},
		"too long":              {strings.Repeat(" ", MaxPolicy) + policyOf(many(1)), "at most 16384 are supported"},

		"no version":           {`{"anyOf":[{"authority":"https://a","allOf":[{"claim":"a","equals":"b"}]}]}`, `version has to be "1.0.0"`},
		"another version":      {strings.Replace(policyOf(many(1)), "1.0.0", "1.0", 1), `version has to be "1.0.0"`},
		"an unknown member":    {strings.Replace(policyOf(many(1)), `{"version"`, `{"x":1,"version"`, 1), `the member "x" where there can be version, anyOf`},
		"no authorities":       {`{"version":"1.0.0"}`, "a list of at least one authority"},
		"an empty list":        {`{"version":"1.0.0","anyOf":[]}`, "a list of at least one authority"},
		"an object for a list": {`{"version":"1.0.0","anyOf":{}}`, "a list of at least one authority"},
		"allOf of authorities": {strings.Replace(policyOf(many(1)), `"anyOf"`, `"allOf"`, 1), `the member "allOf"`},
		"a text for one":       {`{"version":"1.0.0","anyOf":["https://a"]}`, "something else"},

		"no authority":        {`{"version":"1.0.0","anyOf":[{"allOf":[{"claim":"a","equals":"b"}]}]}`, "has to be the https URL"},
		"one without scheme":  {strings.Replace(policyOf(many(1)), "https://", "", 1), "has to be the https URL"},
		"one of http":         {strings.Replace(policyOf(many(1)), "https:", "http:", 1), "has to be the https URL"},
		"one with a user":     {strings.Replace(policyOf(many(1)), "attest.", "user@attest.", 1), "has to be the https URL"},
		"one with a query":    {strings.Replace(policyOf(many(1)), ".com", ".com/?", 1), "has to be the https URL"},
		"one with a fragment": {strings.Replace(policyOf(many(1)), ".com", ".com/#", 1), "has to be the https URL"},
		"a long one":          {strings.Replace(policyOf(many(1)), ".com", ".com/"+long, 1), "has to be the https URL"},
		"both groups":         {strings.Replace(policyOf(many(1)), `"allOf"`, `"anyOf":[{"claim":"a","equals":"b"}],"allOf"`, 1), "either anyOf or allOf"},
		"no group":            {`{"version":"1.0.0","anyOf":[{"authority":"https://a"}]}`, "either anyOf or allOf"},

		"no condition":             {policyOf(""), "a list of at least one condition"},
		"an empty condition":       {policyOf("{}"), "Each condition has to have"},
		"a text for a condition":   {policyOf(`"a"`), "something else"},
		"a group and more":         {policyOf(`{"anyOf":[{"claim":"a","equals":"b"}],"equals":"b"}`), "Each condition has to have"},
		"an operator alone":        {policyOf(`{"equals":"b"}`), "either anyOf or allOf"},
		"the grammar of 2021":      {policyOf(`{"claim":"a","condition":"equals","value":"b"}`), "the member"},
		"no operator":              {policyOf(`{"claim":"a"}`), "has to have one operator"},
		"two operators":            {policyOf(`{"claim":"a","equals":"b","notEquals":"c"}`), "has to have one operator"},
		"a claim and a group":      {policyOf(`{"claim":"a","anyOf":[{"claim":"a","equals":"b"}]}`), "has to have one operator"},
		"an empty name":            {policyOf(`{"claim":"","equals":"b"}`), "the name of a claim"},
		"an empty step":            {policyOf(`{"claim":"a..b","equals":"b"}`), "the name of a claim"},
		"a number for a name":      {policyOf(`{"claim":1,"equals":"b"}`), "the name of a claim"},
		"a long name":              {policyOf(`{"claim":"` + long + `","equals":"b"}`), "the name of a claim"},
		"an object for a value":    {policyOf(`{"claim":"a","equals":{}}`), "has to be a string, a number, true or false"},
		"a list for a value":       {policyOf(`{"claim":"a","equals":["b"]}`), "has to be a string, a number, true or false"},
		"null for a value":         {policyOf(`{"claim":"a","equals":null}`), "has to be a string, a number, true or false"},
		"a long value":             {policyOf(`{"claim":"a","equals":"` + long + `"}`), "has over 1024 bytes"},
		"a long number":            {policyOf(`{"claim":"a","equals":1` + strings.Repeat("0", maxNumber) + `}`), "is too long"},
		"a number out of bounds":   {policyOf(`{"claim":"a","less":1e401}`), "is too long"},
		"an order of texts":        {policyOf(`{"claim":"a","less":"5"}`), "has to be a number"},
		"an order of truths":       {policyOf(`{"claim":"a","greaterOrEquals":true}`), "has to be a number"},
		"a text for exists":        {policyOf(`{"claim":"a","exists":"yes"}`), "has to be true or false"},
		"a number for exists":      {policyOf(`{"claim":"a","exists":1}`), "has to be true or false"},
		"too many":                 {policyOf(many(maxConditions + 1)), "more than 200 conditions"},
		"too many, in groups":      {policyOf(`{"anyOf":[` + many(maxConditions/2) + `]},{"anyOf":[` + many(maxConditions/2) + `]}`), "more than 200 conditions"},
		"too deep":                 {policyOf(deep(maxNested)), "nested more than 12 deep"},
		"too long when escaped":    {policyOf(strings.Repeat(`{"claim":"a","equals":"`+strings.Repeat("<", 500)+`"},`, 20) + many(1)), "With its special characters escaped"},
		"too deep to read at all ": {policyOf(deep(4 * maxDepth)), "nested too deep"},
	} {
		p, err := ParsePolicy([]byte(tt.text))
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || p != nil || !strings.HasPrefix(f.Message, "The release policy is not valid. ") || !strings.Contains(f.Message, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// testClaims are the claims that conditions are tried on.
const testClaims = `{"iss":"https://attest.example.com/","s":"text","empty":"","yes":true,"no":false,"word":"true","n":5,"half":0.5,"big":9007199254740993,"zero":0,
	"null":null,"list":["text",5],"huge":1e999,"a.b":"flat","svn":{"tee":{"version":7,"ok":true}},"x-ms-isolation-tee":{"x-ms-attestation-type":"sevsnpvm"}}`

func TestConditions(t *testing.T) {
	t.Parallel()
	claims, err := decodeObject([]byte(testClaims))
	if err != nil {
		t.Fatal(err)
	}
	for condition, want := range map[string]bool{
		`{"claim":"s","equals":"text"}`: true, `{"claim":"s","equals":"Text"}`: false, `{"claim":"S","equals":"text"}`: false, `{"claim":"empty","equals":""}`: true,
		`{"claim":"yes","equals":"true"}`: true, `{"claim":"yes","equals":true}`: true, `{"claim":"yes","equals":"false"}`: false, `{"claim":"yes","equals":"True"}`: false,
		`{"claim":"no","equals":"false"}`: true, `{"claim":"no","equals":false}`: true, `{"claim":"no","equals":true}`: false, `{"claim":"no","equals":0}`: false,
		`{"claim":"word","equals":true}`: true, `{"claim":"word","equals":false}`: false, `{"claim":"s","equals":true}`: false,
		`{"claim":"n","equals":5}`: true, `{"claim":"n","equals":5.0}`: true, `{"claim":"n","equals":50e-1}`: true, `{"claim":"n","equals":"5"}`: false, `{"claim":"n","equals":6}`: false,
		`{"claim":"big","equals":9007199254740993}`: true, `{"claim":"big","equals":9007199254740992}`: false,
		`{"claim":"svn.tee.version","equals":7}`: true, `{"claim":"svn.tee","equals":7}`: false, `{"claim":"svn.tee.version.x","equals":7}`: false, `{"claim":"svn.x.version","equals":7}`: false,
		`{"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"sevsnpvm"}`: true, `{"claim":"a.b","equals":"flat"}`: false,
		`{"claim":"list","equals":"text"}`: false, `{"claim":"list.0","equals":"text"}`: false, `{"claim":"null","equals":"null"}`: false, `{"claim":"gone","equals":"x"}`: false, `{"claim":"huge","equals":1}`: false,

		`{"claim":"s","notEquals":"other"}`: true, `{"claim":"s","notEquals":"text"}`: false, `{"claim":"yes","notEquals":"false"}`: true, `{"claim":"yes","notEquals":"true"}`: false,
		`{"claim":"n","notEquals":6}`: true, `{"claim":"n","notEquals":5}`: false,
		// What is not there, or cannot be compared, meets nothing.
		`{"claim":"gone","notEquals":"x"}`: false, `{"claim":"null","notEquals":"x"}`: false, `{"claim":"list","notEquals":"x"}`: false, `{"claim":"n","notEquals":"x"}`: false, `{"claim":"huge","notEquals":1}`: false,

		`{"claim":"n","less":6}`: true, `{"claim":"n","less":5}`: false, `{"claim":"n","lessOrEquals":5}`: true, `{"claim":"n","lessOrEquals":4.99}`: false,
		`{"claim":"n","greater":4}`: true, `{"claim":"n","greater":5}`: false, `{"claim":"n","greaterOrEquals":5}`: true, `{"claim":"n","greaterOrEquals":5.01}`: false,
		`{"claim":"half","less":0.51}`: true, `{"claim":"half","greater":-1}`: true, `{"claim":"big","greater":9007199254740992}`: true, `{"claim":"zero","lessOrEquals":-0}`: true,
		`{"claim":"s","less":6}`: false, `{"claim":"yes","greater":0}`: false, `{"claim":"gone","less":6}`: false, `{"claim":"gone","greaterOrEquals":-1}`: false, `{"claim":"huge","greater":1}`: false,

		`{"claim":"s","exists":true}`: true, `{"claim":"s","exists":"true"}`: true, `{"claim":"s","exists":false}`: false, `{"claim":"no","exists":true}`: true, `{"claim":"svn.tee","exists":true}`: true,
		`{"claim":"gone","exists":true}`: false, `{"claim":"gone","exists":"false"}`: true, `{"claim":"gone.x","exists":false}`: true, `{"claim":"null","exists":true}`: false,

		`{"anyOf":[{"claim":"n","equals":1},{"claim":"n","equals":5}]}`: true, `{"anyOf":[{"claim":"n","equals":1},{"claim":"n","equals":2}]}`: false,
		`{"allOf":[{"claim":"n","equals":5},{"claim":"s","equals":"text"}]}`: true, `{"allOf":[{"claim":"n","equals":5},{"claim":"s","equals":"x"}]}`: false,
		`{"anyOf":[{"claim":"n","equals":1},{"allOf":[{"claim":"n","equals":5},{"anyOf":[{"claim":"yes","equals":"true"}]}]}]}`: true,
		`{"claim":"n","equals":5},{"claim":"s","equals":"text"}`:                                                                true, `{"claim":"n","equals":5},{"claim":"s","equals":"x"}`: false,
	} {
		p := parsePolicy(t, policyOf(condition))
		for _, issuer := range []string{testIssuer, testIssuer + "/"} {
			if got := p.Permits(&Statement{Issuer: issuer, claims: claims}); got != want {
				t.Errorf("%s permits: %v", condition, got)
			}
		}
		for _, issuer := range []string{"", "https://attest.example.co", "https://attest.example.com//", "https://attest.example.com/x", "https://ATTEST.example.com"} {
			if p.Trusts(issuer) || p.Permits(&Statement{Issuer: issuer, claims: claims}) {
				t.Errorf("%s permits what %s attests", condition, issuer)
			}
		}
	}
}

// Each authority has its own conditions: what one attests does not meet those of
// another.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	p := parsePolicy(t, `{"version":"1.0.0","anyOf":[{"authority":"https://a.example","allOf":[{"claim":"x","equals":"a"}]},{"authority":"https://b.example/","anyOf":[{"claim":"x","equals":"b"}]},{"authority":"https://a.example","allOf":[{"claim":"x","equals":"c"}]}]}`)
	for _, tt := range []struct {
		issuer, x string
		want      bool
	}{
		{"https://a.example", "a", true},
		{"https://a.example/", "c", true},
		{"https://b.example", "b", true},
		{"https://a.example", "b", false},
		{"https://b.example", "a", false},
		{"https://c.example", "a", false},
	} {
		if got := p.Permits(&Statement{Issuer: tt.issuer, claims: object{"x": tt.x}}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// Whatever is read is shown in a form that reads as the same policy, and decides
// without a panic.
func FuzzPolicy(f *testing.F) {
	for _, condition := range []string{
		`{"claim":"s","equals":"text"}`, `{"claim":"a.b","exists":false}`, `{"claim":"n","less":1e5},{"anyOf":[{"claim":"n","notEquals":true}]}`, `{"CLAIM":"<&>","Equals":"\u2028"}`,
	} {
		f.Add([]byte(policyOf(condition)))
	}
	f.Add([]byte(`{"version":"1.0.0","anyOf":[{"authority":"https://a","anyOf":[{"allOf":[{"claim":"a","equals":"b"}]}]}]}`))
	claims, err := decodeObject([]byte(testClaims))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		again, err := ParsePolicy(p.Text())
		if err != nil || string(again.Text()) != string(p.Text()) {
			t.Fatalf("%s is shown as %s, which reads as %+v, %v", text, p.Text(), again, err)
		}
		for _, a := range p.authorities {
			s := &Statement{Issuer: a.issuer, claims: claims}
			if p.Permits(s) != again.Permits(s) {
				t.Fatalf("%s and %s decide differently", text, p.Text())
			}
		}
	})
}
