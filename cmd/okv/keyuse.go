package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// maxKeyInput bounds what is read for an operation with a key. The service takes
// 64 KB.
const maxKeyInput = 1 << 20

// dataType is the value of --data-type.
type dataType string

const (
	dataBase64 dataType = "base64"
	dataText   dataType = "plaintext"
)

// cipherUse is one of the four operations that take a value to another.
type cipherUse struct {
	use, short, long string
	undoes           bool // decrypt or unwrap
	algorithms       []api.Algorithm
	call             func(*keyvault.Client, context.Context, string, string, api.KeyOperationParameters) (*api.KeyOperationResult, error)
	examples         []string
}

var (
	rsaCiphers     = []api.Algorithm{api.AlgorithmRSAOAEP256, api.AlgorithmRSAOAEP, api.AlgorithmRSA15}
	encryptCiphers = append(rsaCiphers[:3:3],
		api.AlgorithmA128GCM, api.AlgorithmA192GCM, api.AlgorithmA256GCM, api.AlgorithmA128CBC, api.AlgorithmA192CBC, api.AlgorithmA256CBC,
		api.AlgorithmA128CBCPAD, api.AlgorithmA192CBCPAD, api.AlgorithmA256CBCPAD)
	wrapCiphers = append(rsaCiphers[:3:3],
		api.AlgorithmA128KW, api.AlgorithmA192KW, api.AlgorithmA256KW, api.AlgorithmAESKeyWrap, api.AlgorithmAESKeyWrapPad)
)

const valueHelp = `
A value on the command line can be seen by other users of the machine while okv
runs; --value - reads it from standard input.`

func newKeyEncrypt(g *group) *cobra.Command {
	return g.newCipher(cipherUse{
		use: "encrypt", short: "Encrypt a value with a key",
		long: `encrypt encrypts a value, which an RSA key takes up to less than its own length: it
is for keys and passwords, not for files. The value is base64 unless --data-type is
plaintext; the result is base64, and its iv, tag and aad are hexadecimal.
` + valueHelp,
		algorithms: encryptCiphers, call: (*keyvault.Client).Encrypt,
		examples: []string{
			"encrypt --vault-name dev --name wrapper --algorithm RSA-OAEP-256 --value aHVudGVyMg==",
			"encrypt --vault-name dev --name wrapper --algorithm RSA-OAEP-256 --value - --data-type plaintext -o json",
		},
	})
}

func newKeyDecrypt(g *group) *cobra.Command {
	return g.newCipher(cipherUse{
		use: "decrypt", short: "Decrypt what was encrypted with a key",
		long: `decrypt decrypts the result of okv key encrypt, with the version of the key that
encrypted it: that is the one in its key id. The result is shown as base64, or as
text if --data-type is plaintext.`,
		undoes: true, algorithms: encryptCiphers, call: (*keyvault.Client).Decrypt,
		examples: []string{"decrypt --vault-name dev --name wrapper --algorithm RSA-OAEP-256 --value aGlkZGVu --data-type plaintext"},
	})
}

func newKeyWrap(g *group) *cobra.Command {
	return g.newCipher(cipherUse{
		use: "wrap", short: "Wrap a symmetric key with a key",
		long: `wrap encrypts a symmetric key, and differs from encrypt in the permission that it
needs.
` + valueHelp,
		algorithms: wrapCiphers, call: (*keyvault.Client).WrapKey,
		examples: []string{"wrap --vault-name dev --name wrapper --algorithm RSA-OAEP-256 --value AAECAwQFBgcICQoLDA0ODw=="},
	})
}

func newKeyUnwrap(g *group) *cobra.Command {
	return g.newCipher(cipherUse{
		use: "unwrap", short: "Unwrap what was wrapped with a key",
		long: `unwrap returns the symmetric key that okv key wrap has wrapped, with the version of
the key that wrapped it: that is the one in its key id.`,
		undoes: true, algorithms: wrapCiphers, call: (*keyvault.Client).UnwrapKey,
		examples: []string{"unwrap --vault-name dev --name wrapper --algorithm RSA-OAEP-256 --value d3JhcHBlZA=="},
	})
}

// cipherFlags are the flags of a cipherUse.
type cipherFlags struct {
	algorithm    *choice[api.Algorithm]
	dataType     *choice[dataType]
	value        string
	iv, aad, tag string
}

func (f *cipherFlags) add(cmd *cobra.Command, u cipherUse) {
	flags := cmd.Flags()
	f.algorithm = choiceFlag(cmd, flags, "algorithm", "a", "the algorithm", append([]api.Algorithm{""}, u.algorithms...)...)
	usage := "what the value is"
	if u.undoes {
		usage = "how the result is shown"
	}
	f.dataType = choiceFlag(cmd, flags, "data-type", "", usage, dataBase64, dataText)
	flags.StringVar(&f.value, "value", "", "the `VALUE`; - is standard input")
	flags.StringVar(&f.iv, "iv", "", "`HEX` of the initialization vector, for AES")
	flags.StringVar(&f.aad, "aad", "", "`HEX` of what is authenticated besides, for AES-GCM")
	if u.undoes {
		flags.StringVar(&f.tag, "tag", "", "`HEX` of the authentication tag, for AES-GCM")
	}
	mustExist(cmd.MarkFlagRequired("algorithm"))
	mustExist(cmd.MarkFlagRequired("value"))
}

// parameters returns what the flags mean. No error repeats the value.
func (f *cipherFlags) parameters(cmd *cobra.Command, undoes bool) (p api.KeyOperationParameters, err error) {
	value := f.value
	if value == "-" {
		content, err := readNamed(cmd.InOrStdin(), "--value", "-", maxKeyInput, "standard input has more than an operation takes")
		if err != nil {
			return p, err
		}
		value = string(content)
	}
	p.Algorithm, p.Value = f.algorithm.value, []byte(value)
	if undoes || f.dataType.value == dataBase64 {
		if p.Value, err = decodeBase64(value); err != nil {
			hint := "; text is encrypted with --data-type plaintext"
			if undoes {
				hint = ", as the result of encrypting is"
			}
			return p, usageError{cmd, errors.New("--value is not base64" + hint)}
		}
	}
	if len(p.Value) == 0 {
		return p, usageError{cmd, errors.New("--value is empty")}
	}
	for _, m := range []struct {
		flag, text string
		to         *api.Base64URL
	}{{"--iv", f.iv, &p.IV}, {"--aad", f.aad, &p.AAD}, {"--tag", f.tag, &p.Tag}} {
		if m.text == "" {
			continue
		}
		if *m.to, err = hex.DecodeString(m.text); err != nil {
			return p, usageError{cmd, errors.New(m.flag + " is not hexadecimal")}
		}
	}
	return p, nil
}

// decodeBase64 takes base64 of both alphabets, with padding or without. Line
// breaks do not matter.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(text)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
}

func (g *group) newCipher(u cipherUse) *cobra.Command {
	t, flags := g.newTarget(), &cipherFlags{}
	cmd := &cobra.Command{
		Use: u.use, Short: u.short, Long: u.long, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parameters, err := flags.parameters(cmd, u.undoes)
			if err != nil {
				return err
			}
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			result, err := u.call(client, cmd.Context(), t.name, t.version, parameters)
			if err != nil {
				return err
			}
			return g.writeCipher(cmd, u, flags, result)
		},
	}
	g.addTarget(cmd, t, true)
	flags.add(cmd, u)
	cmd.Example = g.examples(u.examples...)
	return cmd
}

// writeCipher writes a result as az does.
func (g *group) writeCipher(cmd *cobra.Command, u cipherUse, flags *cipherFlags, result *api.KeyOperationResult) error {
	value := base64.StdEncoding.EncodeToString(result.Value)
	if u.undoes && flags.dataType.value == dataText {
		if value = string(result.Value); !utf8.ValidString(value) {
			return errors.New("the result is not text; without --data-type plaintext it is shown as base64")
		}
	}
	answer := map[string]any{"kid": result.KID, "algorithm": flags.algorithm.value, "result": value}
	fields := []field{{"Key", result.KID}, {"Algorithm", string(flags.algorithm.value)}}
	if !u.undoes {
		for _, m := range []struct {
			label, name string
			bytes       []byte
		}{{"IV", "iv", result.IV}, {"Tag", "tag", result.Tag}, {"AAD", "aad", result.AAD}} {
			answer[m.name] = nil
			if len(m.bytes) > 0 {
				answer[m.name] = hex.EncodeToString(m.bytes)
				fields = append(fields, field{m.label, hex.EncodeToString(m.bytes)})
			}
		}
	}
	if g.output.value == formatJSON {
		return writeJSON(cmd.OutOrStdout(), answer)
	}
	if value == "" {
		value = `""`
	}
	return writeFields(cmd.OutOrStdout(), append(fields, field{"Result", value}))
}

// wrongLength says that a flag's value cannot be what the algorithm takes.
func wrongLength(flag string, have int, algorithm api.Algorithm, want int) error {
	return fmt.Errorf("%s has %d bytes, and a digest for %s has %d", flag, have, algorithm, want)
}
