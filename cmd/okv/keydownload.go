package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// keyEncoding is the value of --encoding of key download.
type keyEncoding string

const (
	keyPEM keyEncoding = "PEM"
	keyDER keyEncoding = "DER"
)

func newKeyDownload(g *group) *cobra.Command {
	t := g.newTarget()
	var file outFile
	cmd := &cobra.Command{
		Use:   "download",
		Short: "Write the public part of a key to a file",
		Long: `download writes the public part of a key of RSA, EC or ML-DSA to a file, as openssl
and most libraries read it. The private part never leaves the vault. A file that
exists stays, unless --overwrite is given.`,
		Args: noArgs,
	}
	g.addTarget(cmd, t, true)
	file.add(cmd)
	encoding := choiceFlag(cmd, cmd.Flags(), "encoding", "e", "the form of the key", keyPEM, keyDER)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := g.client(cmd, t, g.collection())
		if err != nil {
			return err
		}
		if err := file.check(); err != nil {
			return err
		}
		bundle, err := client.GetKey(cmd.Context(), t.name, t.version)
		if err != nil {
			return err
		}
		content, err := marshalPublic(bundle.Key)
		if err != nil {
			return err
		}
		if encoding.value == keyPEM {
			content = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: content})
		}
		return file.write(cmd.OutOrStdout(), content)
	}
	cmd.Example = g.examples("download --vault-name dev --name NAME --file NAME.pem", "download --vault-name dev --name NAME --file - --encoding DER")
	return cmd
}

// marshalPublic returns the SubjectPublicKeyInfo of a key, RFC 5280.
func marshalPublic(key *api.JSONWebKey) ([]byte, error) {
	if key != nil && key.Crv == api.CurveP256K && len(key.X) == 32 && len(key.Y) == 32 {
		return marshalKoblitz(key)
	}
	if key != nil && isAKP(key.Kty) {
		return marshalAKP(key)
	}
	public, err := keyvault.PublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("this key has no form for files: %w", err)
	}
	return x509.MarshalPKIXPublicKey(public)
}

// marshalKoblitz is x509.MarshalPKIXPublicKey for the curve that x509 does not
// know.
func marshalKoblitz(key *api.JSONWebKey) ([]byte, error) {
	curve, err := asn1.Marshal(oidSECP256K1)
	if err != nil {
		return nil, err
	}
	point := append(append([]byte{4}, key.X...), key.Y...)
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: oidECPublicKey, Parameters: asn1.RawValue{FullBytes: curve}},
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
}
