package main

import (
	"bytes"
	"crypto/sha3"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

var akpAlgorithms = []api.Algorithm{api.AlgorithmMLDSA44, api.AlgorithmMLDSA65, api.AlgorithmMLDSA87}

// maxMessage bounds what a service takes of a message.
const maxMessage = 64 << 10

// readMessage reads what an AKP key signs. Of a message that the service does not
// take, and of an empty one, which it takes for none, c becomes the mu, which
// depends on the public key: t becomes the version that has it.
func readMessage(cmd *cobra.Command, file string, client *keyvault.Client, t *target, c *content) error {
	in, err := openInput(cmd.InOrStdin(), "--file", file)
	if err != nil {
		return err
	}
	defer in.Close()
	head, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	switch {
	case err != nil:
		return fmt.Errorf("--file: %w", err)
	case len(head) > 0 && len(head) <= maxMessage:
		c.digest = head
		return nil
	}
	bundle, err := client.GetKey(cmd.Context(), t.name, t.version)
	if err != nil {
		return err
	}
	if bundle.Key == nil || len(bundle.Key.Pub) == 0 {
		return errors.New("the key is not of the type AKP; okv key show says what it is")
	}
	id, err := keyvault.ParseID(bundle.Key.KID)
	if err != nil {
		return err
	}
	t.version = id.Version
	if c.mu, err = externalMu(bundle.Key.Pub, io.MultiReader(bytes.NewReader(head), in)); err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	return nil
}

// externalMu returns the mu of FIPS 204 algorithms 2 and 7, with an empty context.
func externalMu(public []byte, message io.Reader) ([]byte, error) {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(sha3.SumSHAKE256(public, 64))
	_, _ = h.Write([]byte{0, 0})
	if _, err := io.Copy(h, message); err != nil {
		return nil, err
	}
	mu := make([]byte, 64)
	_, err := h.Read(mu)
	return mu, err
}

// akpParameters are the parameter sets by the last number of their object
// identifiers, RFC 9881 section 2.
var akpParameters = map[int]mldsa.Parameters{17: mldsa.MLDSA44(), 18: mldsa.MLDSA65(), 19: mldsa.MLDSA87()}

// oidSignatures is the arc in which they are.
var oidSignatures = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3}

// akpPKCS8 returns the ML-DSA key in PKCS #8, RFC 9881 section 6, if it is one. Only
// a key with its seed is one that vaults have.
func akpPKCS8(der []byte) (key *api.JSONWebKey, ok bool, err error) {
	var info privateKeyInfo
	if unmarshalWhole(der, &info) != nil {
		return nil, false, nil
	}
	oid := info.Algorithm.Algorithm
	last := len(oid) - 1
	if last < 0 || !oid[:last].Equal(oidSignatures) {
		return nil, false, nil
	}
	parameters, ok := akpParameters[oid[last]]
	if !ok {
		return nil, false, nil
	}
	private, err := mldsa.NewPrivateKey(parameters, akpSeed(info.Key))
	if err != nil {
		return nil, true, fmt.Errorf("it is a key of %s without its seed, with which alone vaults take such a key", parameters)
	}
	return &api.JSONWebKey{
		Kty: api.KeyTypeAKP, Alg: api.Algorithm(parameters.String()), Pub: private.PublicKey().Bytes(), Priv: private.Bytes(),
	}, true, nil
}

// akpSeed returns the seed in a private key that is one or, as openssl writes it,
// has one before what it expands to.
func akpSeed(der []byte) []byte {
	var seed asn1.RawValue
	if unmarshalWhole(der, &seed) != nil {
		return nil
	}
	if seed.Class == asn1.ClassContextSpecific && seed.Tag == 0 {
		return seed.Bytes
	}
	var both struct{ Seed, Expanded []byte }
	if unmarshalWhole(der, &both) != nil {
		return nil
	}
	return both.Seed
}

// marshalAKP is x509.MarshalPKIXPublicKey for the keys that x509 does not know.
func marshalAKP(key *api.JSONWebKey) ([]byte, error) {
	for _, parameters := range akpParameters {
		if parameters.String() == string(key.Alg) {
			public, err := mldsa.NewPublicKey(parameters, key.Pub)
			if err != nil {
				return nil, err
			}
			return mldsax509.MarshalPKIXPublicKey(public)
		}
	}
	return nil, fmt.Errorf("this key has no form for files: okv does not know its algorithm %q", key.Alg)
}
