package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/devca"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2030-01-31":                "2030-01-31T00:00:00Z",
		"2030-01-31T12Z":            "2030-01-31T12:00:00Z",
		"2030-01-31T12:30Z":         "2030-01-31T12:30:00Z",
		"2030-01-31T12:30":          "2030-01-31T12:30:00Z",
		"2030-01-31T12:30:15Z":      "2030-01-31T12:30:15Z",
		"2030-01-31T12:30:15":       "2030-01-31T12:30:15Z",
		"2030-01-31T12:30:15.9Z":    "2030-01-31T12:30:15Z",
		"2030-01-31T12:30:15+02:00": "2030-01-31T10:30:15Z",
		"":                          "",
		"tomorrow":                  "",
		"2030-02-31":                "",
	} {
		var m moment
		err := m.Set(text)
		if m.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v, want %q", text, m.String(), err, want)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	var tg tags
	for _, text := range []string{"b=2", "a=x=y", "c", "", "b=3"} {
		if err := tg.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := tg.String(); got != "a=x=y, b=3, c=" {
		t.Errorf("the tags are %q", got)
	}
	if tg.Set("=x") == nil {
		t.Error("a tag without a name is accepted")
	}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	sku := choiceFlag(cmd, cmd.Flags(), "sku", "", "", "standard", "premium")
	kty := choiceFlag(cmd, cmd.Flags(), "kty", "", "", "", api.KeyTypeRSA, api.KeyTypeRSAHSM)
	if sku.String() != "standard" || kty.String() != "" || kty.Type() != "RSA|RSA-HSM" {
		t.Errorf("the defaults are %q and %q, the type is %q", sku, kty, kty.Type())
	}
	if err := kty.Set("rsa-hsm"); err != nil || kty.value != api.KeyTypeRSAHSM {
		t.Errorf("rsa-hsm is %q, %v", kty.value, err)
	}
	for _, text := range []string{"", "rs", "RSA "} {
		if kty.Set(text) == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestKeyType(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kty       api.KeyType
		curve     api.Curve
		algorithm api.Algorithm
		p         protection
		want      api.KeyType
	}{
		{"", "", "", "", api.KeyTypeRSA},
		{"", "", "", protectionSoftware, api.KeyTypeRSA},
		{"", "", "", protectionHSM, api.KeyTypeRSAHSM},
		{"", api.CurveP384, "", "", api.KeyTypeEC},
		{"", api.CurveP384, "", protectionHSM, api.KeyTypeECHSM},
		{api.KeyTypeECHSM, "", "", protectionHSM, api.KeyTypeECHSM},
		{api.KeyTypeECHSM, "", "", "", api.KeyTypeECHSM},
		{api.KeyTypeECHSM, "", "", protectionSoftware, ""},
		{"", "", api.AlgorithmMLDSA44, "", api.KeyTypeAKP},
		{"", "", api.AlgorithmMLDSA44, protectionHSM, api.KeyTypeAKPHSM},
		{api.KeyTypeAKPHSM, "", api.AlgorithmMLDSA44, "", api.KeyTypeAKPHSM},
		{api.KeyTypeAKP, "", "", protectionHSM, api.KeyTypeAKPHSM},
		{api.KeyTypeEC, "", api.AlgorithmMLDSA44, "", ""},
	} {
		got, err := keyType(tc.kty, tc.curve, tc.algorithm, tc.p)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%v is %q, %v", tc, got, err)
		}
	}
}

func TestOptionalBool(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"true": "true", "false": "false", "FALSE": "false", "": "", "perhaps": ""} {
		var o optionalBool
		err := o.Set(text)
		if (err == nil) != (want != "") || err == nil && o.String() != want {
			t.Errorf("%q is %q, %v", text, o.String(), err)
		}
	}
	if got := (&optionalBool{}).String(); got != "" {
		t.Errorf("what was not given is %q", got)
	}
}

// An empty word is none at all, which is not the same as no flag.
func TestChoices(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	c := choicesFlag(cmd, "ops", "", api.OperationSign, api.OperationVerify)
	if c.values != nil {
		t.Errorf("without a flag there are %q", c.values)
	}
	if err := c.Set(""); err != nil || c.values == nil || len(c.values) != 0 {
		t.Errorf("an empty word is %#v, %v", c.values, err)
	}
	for _, text := range []string{"SIGN", "verify"} {
		if err := c.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if c.String() != "sign verify" {
		t.Errorf("the words are %q", c)
	}
	for _, text := range []string{"", "dance"} {
		if c.Set(text) == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// An unset attribute is one that stays as it is.
func TestChangeFlags(t *testing.T) {
	t.Parallel()
	if a := (&changeFlags{}).attributes(); a != nil {
		t.Errorf("without flags there are attributes: %v", a)
	}
	no, begin := false, api.UnixTime(5)
	a := (&changeFlags{enabled: optionalBool{&no}}).attributes()
	if a == nil || a.Enabled == nil || *a.Enabled || a.Expires != nil || a.NotBefore != nil {
		t.Errorf("disabled is %+v", a)
	}
	a = (&changeFlags{notBefore: moment{&begin}}).attributes()
	if a == nil || a.Enabled != nil || a.Expires != nil || *a.NotBefore != 5 {
		t.Errorf("not before is %+v", a)
	}
}

func TestAttributeFlags(t *testing.T) {
	t.Parallel()
	if a := (&attributeFlags{}).attributes(); a != nil {
		t.Errorf("without flags there are attributes: %v", a)
	}
	a := (&attributeFlags{disabled: true}).attributes()
	if a == nil || a.Enabled == nil || *a.Enabled || a.Expires != nil || a.NotBefore != nil {
		t.Errorf("disabled is %+v", a)
	}
	end := api.UnixTime(5)
	if a := (&attributeFlags{expires: moment{&end}}).attributes(); a == nil || a.Enabled != nil || *a.Expires != 5 {
		t.Errorf("expires is %+v", a)
	}
}

func TestAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		address     address
		environment string
		want        string
	}{
		"url before all":       {address{url: "https://a", name: "b"}, "https://c", "https://a"},
		"name":                 {address{name: "b-1"}, "https://c", "https://b-1.vault.azure.net"},
		"environment":          {address{}, "https://c", "https://c"},
		"nothing":              {address{}, "", ""},
		"name of another host": {address{name: "evil.example.com/"}, "https://c", ""},
		"managed HSM":          {address{hsm: "pool"}, "https://c", "https://pool.managedhsm.azure.net"},
		"HSM of another host":  {address{hsm: "evil.example.com/"}, "https://c", ""},
		"HSM and vault":        {address{hsm: "pool", name: "b"}, "https://c", ""},
		"HSM and url":          {address{hsm: "pool", url: "https://a"}, "https://c", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AZURE_KEYVAULT_URL", tc.environment)
			got, err := tc.address.resolve()
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	read := func(in io.Reader, file string) (string, error) {
		content, err := readFile(in, file, maxValueFile, "too much")
		return string(content), err
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("a\r\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := read(strings.NewReader("other"), file); err != nil || got != "a\r\nb\n" {
		t.Errorf("the file is %q, %v", got, err)
	}
	if got, err := read(strings.NewReader("other\n"), "-"); err != nil || got != "other\n" {
		t.Errorf("standard input is %q, %v", got, err)
	}
	if _, err := read(nil, file+"-gone"); err == nil || !strings.HasPrefix(err.Error(), "--file: ") {
		t.Errorf("a missing file is %v", err)
	}
	if _, err := read(io.LimitReader(zeros{}, maxValueFile), "-"); err != nil {
		t.Errorf("as much as there may be: %v", err)
	}
	if _, err := read(io.LimitReader(zeros{}, maxValueFile+1), "-"); err == nil || err.Error() != "--file: too much" {
		t.Errorf("an endless value is %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// okv dev trust prints each command and runs it, or only prints it.
func TestTrust(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := devca.Open(filepath.Join(dir, "dev"), []string{"vault.azure.net"}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (asked, out string, err error) {
		cmd := newTrust("trust", "", "", func(certFile string) (devca.Commands, error) {
			asked = certFile
			return devca.Commands{{"okv", "version"}}, nil
		})
		var b strings.Builder
		cmd.SetOut(&b)
		cmd.SetArgs(append(args, "--data-dir", dir))
		err = cmd.Execute()
		return asked, b.String(), err
	}
	asked, out, err := run("--dry-run")
	if err != nil || out != "+ okv version\n" {
		t.Errorf("the dry run printed %q, %v", out, err)
	}
	if want := filepath.Join(dir, "dev", "ca.pem"); asked != want {
		t.Errorf("trusted is %q, want %q", asked, want)
	}
	if _, out, err = run(); err != nil || out != "+ okv version\n"+buildVersion()+"\n" {
		t.Errorf("the run printed %q, %v", out, err)
	}

	// The real commands depend on the system; a Linux without a directory for
	// roots has none.
	real := map[string]string{}
	for _, cmd := range trustCommands() {
		var b strings.Builder
		cmd.SetOut(&b)
		cmd.SetArgs([]string{"--dry-run", "--data-dir", dir})
		if err := cmd.Execute(); err != nil && !strings.Contains(err.Error(), "no known directory") {
			t.Errorf("%s: %v", cmd.Name(), err)
		}
		real[cmd.Name()] = b.String()
	}
	if trust := real["trust"]; trust != "" && (!strings.Contains(trust, asked) || strings.Contains(trust, "rm ")) {
		t.Errorf("trust is %q", trust)
	}
	if untrust := real["untrust"]; untrust == real["trust"] && untrust != "" || strings.Contains(untrust, "install ") {
		t.Errorf("untrust is %q", untrust)
	}
}
