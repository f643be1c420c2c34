package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

// maxKeyFile bounds what is read of a key.
const maxKeyFile = 1 << 20

// keySource are the flags for the key to import.
type keySource struct {
	pemFile, pemText, pemPassword string
	jwkFile                       string
	byokFile, byokText            string
	kty                           *choice[api.KeyType]
	curve                         *choice[api.Curve]
}

func (s *keySource) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.pemFile, "pem-file", "", "`FILE` with a private key in PEM; - is standard input")
	flags.StringVar(&s.pemText, "pem-string", "", "the `PEM` itself, which other users of the machine can see")
	flags.StringVar(&s.pemPassword, "pem-password", "", "the `PASSWORD` of the PEM")
	flags.StringVar(&s.jwkFile, "jwk-file", "", "`FILE` with a private key as a JSON Web Key; - is standard input")
	flags.StringVar(&s.byokFile, "byok-file", "", "`FILE` with a key wrapped for a managed HSM or a premium vault")
	flags.StringVar(&s.byokText, "byok-string", "", "the `TEXT` of such a file")
	s.kty = choiceFlag(cmd, flags, "kty", "", "type of a wrapped key, RSA unless given", "", api.KeyTypeRSA, api.KeyTypeEC, api.KeyTypeOct)
	s.curve = choiceFlag(cmd, flags, "curve", "", "curve of a wrapped EC key", "", api.CurveP256, api.CurveP384, api.CurveP521, api.CurveP256K)
	sources := []string{"pem-file", "pem-string", "jwk-file", "byok-file", "byok-string"}
	cmd.MarkFlagsOneRequired(sources...)
	cmd.MarkFlagsMutuallyExclusive(sources...)
}

// check returns an error if flags contradict each other.
func (s *keySource) check(p protection) error {
	wrapped := s.byokFile != "" || s.byokText != ""
	switch {
	case s.pemPassword != "" && s.pemFile == "" && s.pemText == "":
		return errors.New("--pem-password is for --pem-file and --pem-string")
	case !wrapped && (s.kty.value != "" || s.curve.value != ""):
		return errors.New("--kty and --curve are for wrapped keys; any other says itself what it is")
	case wrapped && p == protectionSoftware:
		return errors.New("a wrapped key is for an HSM, which --protection software contradicts")
	}
	return nil
}

// read returns the key, which is a wrapped one or has its private part.
func (s *keySource) read(cmd *cobra.Command) (*api.JSONWebKey, error) {
	flag, file := "--byok-file", s.byokFile
	switch {
	case s.pemText != "":
		return named("--pem-string")(parsePEM([]byte(s.pemText), s.pemPassword))
	case s.byokText != "":
		return s.wrapped([]byte(s.byokText)), nil
	case s.pemFile != "":
		flag, file = "--pem-file", s.pemFile
	case s.jwkFile != "":
		flag, file = "--jwk-file", s.jwkFile
	}
	content, err := readNamed(cmd.InOrStdin(), flag, file, maxKeyFile, "that is more than a key can be")
	if err != nil {
		return nil, err
	}
	switch flag {
	case "--pem-file":
		return named(flag)(parsePEM(content, s.pemPassword))
	case "--jwk-file":
		return named(flag)(parseJWK(content))
	}
	return s.wrapped(content), nil
}

func (s *keySource) wrapped(content []byte) *api.JSONWebKey {
	kty := s.kty.value
	if kty == "" {
		kty = api.KeyTypeRSA
	}
	return &api.JSONWebKey{Kty: kty + hsmSuffix, Crv: s.curve.value, KeyHSM: content}
}

// named returns a function that puts the name of a flag before an error.
func named(flag string) func(*api.JSONWebKey, error) (*api.JSONWebKey, error) {
	return func(key *api.JSONWebKey, err error) (*api.JSONWebKey, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		return key, nil
	}
}

func newKeyImport(g *group) *cobra.Command {
	var name string
	var source keySource
	var attributes attributeFlags
	var release releaseFlags
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Import a key that was made elsewhere, or give a key such a version",
		Long: `import stores a private key as a new version, which becomes the current one. It
reads the first key of a PEM file (PKCS #8, encrypted or not, PKCS #1 or SEC 1), a
JSON Web Key, or a key that was wrapped for an HSM (BYOK).

Once it is there, destroy the file: only in the vault does the key never leave it.`,
		Example: `  okv key import --vault-name dev --name legacy --pem-file key.pem --ops sign verify
  okv key import --vault-name dev --name partner --jwk-file key.json --protection hsm
  openssl pkey -in encrypted.pem | okv key import --vault-name dev --name legacy --pem-file -`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&name, "name", "n", "", "`NAME` of the key")
	g.completeObjects(cmd, g.list)
	source.add(cmd)
	ops := keyOpsFlag(cmd)
	protect := choiceFlag(cmd, flags, "protection", "p", "where the key lives; hsm needs a premium vault", "",
		protectionSoftware, protectionHSM)
	attributes.add(cmd)
	release.add(cmd, true)
	mustExist(cmd.MarkFlagRequired("name"))

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := source.check(protect.value); err != nil {
			return usageError{cmd, err}
		}
		key, err := source.read(cmd)
		if err != nil {
			return err
		}
		if ops.values != nil {
			key.KeyOps = ops.values
		}
		parameters := api.KeyImportParameters{Key: key, Tags: attributes.tags}
		if parameters.Attributes, parameters.ReleasePolicy, err = release.apply(cmd, attributes.attributes()); err != nil {
			return err
		}
		if hsm := protect.value == protectionHSM || key.KeyHSM != nil; hsm {
			parameters.HSM = &hsm
		}
		client, err := g.client(cmd, g.newTarget(), g.collection())
		if err != nil {
			return err
		}
		return g.write(cmd)(client.ImportKey(cmd.Context(), name, parameters))
	}
	return cmd
}
