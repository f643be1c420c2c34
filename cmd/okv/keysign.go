package main

import (
	"crypto"
	_ "crypto/sha256" // for crypto.Hash.New
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// signatureAlgorithms are those that sign a digest.
var signatureAlgorithms = []api.Algorithm{
	api.AlgorithmRS256, api.AlgorithmRS384, api.AlgorithmRS512, api.AlgorithmPS256, api.AlgorithmPS384, api.AlgorithmPS512,
	api.AlgorithmES256, api.AlgorithmES384, api.AlgorithmES512, api.AlgorithmES256K,
	api.AlgorithmHS256, api.AlgorithmHS384, api.AlgorithmHS512,
}

// content is what is signed: digest, or mu instead, which only AKP keys sign. An
// AKP key takes a message for a digest.
type content struct{ digest, mu []byte }

// digestFlags are what is signed, and how.
type digestFlags struct {
	algorithm    *choice[api.Algorithm]
	digest, file string
}

func (d *digestFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	d.algorithm = choiceFlag(cmd, flags, "algorithm", "a", "the algorithm", slices.Concat([]api.Algorithm{""}, signatureAlgorithms, akpAlgorithms)...)
	flags.StringVar(&d.digest, "digest", "", "`BASE64` of the digest")
	flags.StringVarP(&d.file, "file", "f", "", "`FILE` to make the digest of; - is standard input")
	mustExist(cmd.MarkFlagRequired("algorithm"))
	cmd.MarkFlagsOneRequired("digest", "file")
	cmd.MarkFlagsMutuallyExclusive("digest", "file")
}

// read returns what is signed and the client of the vault that t is in. It gives t
// a version if the content depends on it.
func (d *digestFlags) read(cmd *cobra.Command, g *group, t *target) (*keyvault.Client, *content, error) {
	var c content
	var err error
	message := slices.Contains(akpAlgorithms, d.algorithm.value)
	switch {
	case message && d.digest != "":
		err = usageError{cmd, fmt.Errorf("%s signs a message, not its digest: --file is what it signs", d.algorithm.value)}
	case !message:
		c.digest, err = d.readDigest(cmd)
	}
	if err != nil {
		return nil, nil, err
	}
	client, err := g.client(cmd, t, g.collection())
	if err == nil && message {
		err = readMessage(cmd, d.file, client, t, &c)
	}
	return client, &c, err
}

func (d *digestFlags) readDigest(cmd *cobra.Command) ([]byte, error) {
	hash := hashOf(d.algorithm.value)
	if d.file != "" {
		return hashFile(cmd.InOrStdin(), d.file, hash)
	}
	digest, err := decodeBase64(d.digest)
	if err != nil {
		return nil, usageError{cmd, errors.New("--digest is not base64; --file makes the digest of a file")}
	}
	if len(digest) != hash.Size() {
		return nil, usageError{cmd, fmt.Errorf("%w; --file makes the digest of a file", wrongLength("--digest", len(digest), d.algorithm.value, hash.Size()))}
	}
	return digest, nil
}

// hashOf returns the hash function of a signature algorithm.
func hashOf(a api.Algorithm) crypto.Hash {
	switch name := strings.TrimSuffix(string(a), "K"); name[len(name)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func hashFile(in io.Reader, file string, hash crypto.Hash) ([]byte, error) {
	input, err := openInput(in, "--file", file)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	h := hash.New()
	if _, err := io.Copy(h, input); err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	return h.Sum(nil), nil
}

func newKeySign(g *group) *cobra.Command {
	t, flags := g.newTarget(), &digestFlags{}
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign a digest, or a file, with a key",
		Long: `sign signs a digest of the algorithm's hash function, or with --file the digest of a
file, which is made here: only the digest goes to the vault. The signature is base64.
That of an EC key is its two numbers one after the other, as JSON Web Signatures
have it, not ASN.1.

ML-DSA signs the file itself. One of more than 64 KiB stays here all the same, for
which okv reads the public key.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, c, err := flags.read(cmd, g, t)
			if err != nil {
				return err
			}
			result, err := client.Sign(cmd.Context(), t.name, t.version, api.KeySignParameters{
				Algorithm: flags.algorithm.value, Value: c.digest, ExternalMu: c.mu,
			})
			if err != nil {
				return err
			}
			signature := base64.StdEncoding.EncodeToString(result.Value)
			if g.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"algorithm": flags.algorithm.value, "keyId": result.KID, "signature": signature})
			}
			return writeFields(cmd.OutOrStdout(), []field{{"Key", result.KID}, {"Algorithm", string(flags.algorithm.value)}, {"Signature", signature}})
		},
	}
	g.addTarget(cmd, t, true)
	flags.add(cmd)
	cmd.Example = g.examples("sign --vault-name dev --name NAME --algorithm ES256 --file release.tar.gz",
		"sign --vault-name dev --name NAME --algorithm ES256 --digest n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg= -o json")
	return cmd
}

func newKeyVerify(g *group) *cobra.Command {
	t, flags := g.newTarget(), &digestFlags{}
	var signature string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify a signature of a digest, or of a file",
		Long: `verify asks the vault whether a signature, as okv key sign writes it, is the key's.
It is the version that signed which knows: the one in the key id that sign shows.

The exit status is 1 if the signature is wrong, too; az keyvault ends with 0.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			value, err := decodeBase64(signature)
			if err != nil {
				return usageError{cmd, errors.New("--signature is not base64")}
			}
			client, c, err := flags.read(cmd, g, t)
			if err != nil {
				return err
			}
			valid, err := client.Verify(cmd.Context(), t.name, t.version, api.KeyVerifyParameters{
				Algorithm: flags.algorithm.value, Digest: c.digest, ExternalMu: c.mu, Value: value,
			})
			if err != nil {
				return err
			}
			return g.writeVerified(cmd, t.keyID(client), flags.algorithm.value, valid)
		},
	}
	g.addTarget(cmd, t, true)
	flags.add(cmd)
	cmd.Flags().StringVar(&signature, "signature", "", "`BASE64` of the signature")
	mustExist(cmd.MarkFlagRequired("signature"))
	cmd.Example = g.examples("verify --vault-name dev --name NAME --algorithm ES256 --file release.tar.gz --signature c2lnbmF0dXJl")
	return cmd
}

func (g *group) writeVerified(cmd *cobra.Command, keyID string, algorithm api.Algorithm, valid bool) error {
	var err error
	if g.output.value == formatJSON {
		err = writeJSON(cmd.OutOrStdout(), map[string]any{"algorithm": algorithm, "isValid": valid, "keyId": keyID})
	} else {
		err = writeFields(cmd.OutOrStdout(), []field{{"Key", keyID}, {"Algorithm", string(algorithm)}, {"Valid", formatBool(&valid)}})
	}
	if err == nil && !valid {
		return errors.New("the signature is not this key's over this digest; a version that is no longer the current one is named with --version")
	}
	return err
}
