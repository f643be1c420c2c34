package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

func TestDecodeBase64(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":               "",
		"aHVudGVyMg==":   "hunter2",
		"aHVudGVyMg":     "hunter2",
		"-_8=":           "\xfb\xff",
		"+/8":            "\xfb\xff",
		"aHVu\r\ndGVy\n": "hunter",
		" aHVudGVy ":     "hunter",
	} {
		if got, err := decodeBase64(text); err != nil || string(got) != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"a", "hunter2!", "aH Vu", "=aaa"} {
		if got, err := decodeBase64(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestSymmetricFlags checks what RSA has no use for: it goes to the service, and
// comes back, in hexadecimal.
func TestSymmetricFlags(t *testing.T) {
	t.Parallel()
	u := cipherUse{undoes: true, algorithms: encryptCiphers}
	flags := &cipherFlags{}
	cmd := &cobra.Command{Use: "x"}
	flags.add(cmd, u)
	if err := cmd.ParseFlags([]string{"-a", "a256gcm", "--value", "AQ==", "--iv", "0203", "--aad", "04", "--tag", "ff"}); err != nil {
		t.Fatal(err)
	}
	p, err := flags.parameters(cmd, true)
	if err != nil || p.Algorithm != api.AlgorithmA256GCM || string(p.Value) != "\x01" || string(p.IV) != "\x02\x03" || string(p.AAD) != "\x04" || string(p.Tag) != "\xff" {
		t.Errorf("%s %x %x %x %x, %v", p.Algorithm, p.Value, p.IV, p.AAD, p.Tag, err)
	}
}

func TestWriteCipher(t *testing.T) {
	t.Parallel()
	gcm := &api.KeyOperationResult{KID: "https://x", Value: []byte{1}, IV: []byte{2, 3}, Tag: []byte{0xff}, AAD: []byte{4}}
	for _, tc := range []struct {
		name   string
		undoes bool
		format format
		data   dataType
		result *api.KeyOperationResult
		want   string
	}{
		{"text", false, formatText, dataBase64, gcm, "Key:       https://x\nAlgorithm: A256GCM\nIV:        0203\nTag:       ff\nAAD:       04\nResult:    AQ==\n"},
		{"JSON", false, formatJSON, dataText, gcm, "{\n  \"aad\": \"04\",\n  \"algorithm\": \"A256GCM\",\n  \"iv\": \"0203\",\n  \"kid\": \"https://x\",\n  \"result\": \"AQ==\",\n  \"tag\": \"ff\"\n}\n"},
		{"nothing", true, formatText, dataText, &api.KeyOperationResult{KID: "https://x"}, "Key:       https://x\nAlgorithm: A256GCM\nResult:    \"\"\n"},
		{"a terminal's command", true, formatText, dataText, &api.KeyOperationResult{KID: "https://x", Value: []byte("\x1b[2J")}, "Key:       https://x\nAlgorithm: A256GCM\nResult:    \"\\x1b[2J\"\n"},
	} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		g := &group{output: &choice[format]{value: tc.format}}
		flags := &cipherFlags{algorithm: &choice[api.Algorithm]{value: api.AlgorithmA256GCM}, dataType: &choice[dataType]{value: tc.data}}
		if err := g.writeCipher(cmd, cipherUse{undoes: tc.undoes}, flags, tc.result); err != nil || out.String() != tc.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tc.name, err, out.String(), tc.want)
		}
	}
}

func TestHashOf(t *testing.T) {
	t.Parallel()
	for _, a := range signatureAlgorithms {
		bits := strings.Trim(string(a), "RSPEHK")
		if got := hashOf(a).String(); got != "SHA-"+bits {
			t.Errorf("%s is with %s", a, got)
		}
	}
}
