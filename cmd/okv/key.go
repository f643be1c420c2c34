package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// protection is the value of --protection.
type protection string

const (
	protectionSoftware protection = "software"
	protectionHSM      protection = "hsm"
)

// hsmSuffix ends the types of keys that never leave an HSM.
const hsmSuffix = "-HSM"

func newKey() *cobra.Command {
	keys := kind{
		noun:     "key",
		hsm:      true,
		show:     ofVersion((*keyvault.Client).GetKey),
		remove:   ofName((*keyvault.Client).DeleteKey),
		recover:  ofName((*keyvault.Client).RecoverDeletedKey),
		purge:    (*keyvault.Client).PurgeDeletedKey,
		backup:   (*keyvault.Client).BackupKey,
		restore:  restored((*keyvault.Client).RestoreKey),
		list:     listOf((*keyvault.Client).ListKeys),
		versions: listOfName((*keyvault.Client).ListKeyVersions),
		deleted:  listOf((*keyvault.Client).ListDeletedKeys),

		showDeleted: ofName((*keyvault.Client).GetDeletedKey),
	}
	return newObjects(keys, `key creates, imports, shows, uses, rotates and deletes keys, with the flags of
az keyvault key. Private keys never leave the vault; -o json shows the public part
as a JSON Web Key.`,
		`  okv key create --vault-name dev --name signer --kty EC --curve P-256
  okv key show --vault-name dev --name signer -o json
  okv key sign --vault-name dev --name signer --algorithm ES256 --file release.tar.gz`,
		newKeyCreate, newKeyImport, newKeyDownload, newKeySetAttributes, newKeyEncrypt, newKeyDecrypt, newKeyWrap, newKeyUnwrap,
		newKeySign, newKeyVerify, newKeyRotate, newKeyRotationPolicy, newKeyRelease, newKeyRandom)
}

func newKeyCreate(g *group) *cobra.Command {
	var name string
	var size int32
	var attributes attributeFlags
	var release releaseFlags
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a key, or give it a new version",
		Long: `create makes a key inside the vault, as a new version that becomes the current
one. It is RSA of 2048 bits unless the flags say otherwise, EC with --curve, and a
key of ML-DSA, the signatures for the time after RSA and EC, with --algorithm or
--kty AKP.`,
		Example: `  okv key create --vault-name dev --name wrapper --size 3072 --ops wrapKey unwrapKey
  okv key create --vault-name dev --name signer --kty EC --curve P-256 --tags env=test
  okv key create --vault-name dev --name lasting --algorithm ML-DSA-65
  okv key create --vault-name dev --name vital --protection hsm --expires 2030-01-31
  okv key create --vault-name dev --name enclave --protection hsm --exportable --policy policy.json`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&name, "name", "n", "", "`NAME` of the key")
	g.completeObjects(cmd, g.list)
	kty := choiceFlag(cmd, flags, "kty", "", "type of the key", "",
		api.KeyTypeRSA, api.KeyTypeRSAHSM, api.KeyTypeEC, api.KeyTypeECHSM, api.KeyTypeOct, api.KeyTypeOctHSM,
		api.KeyTypeAKP, api.KeyTypeAKPHSM)
	flags.Int32Var(&size, "size", 0, "`BITS` of an RSA key: 2048, 3072 or 4096")
	curve := choiceFlag(cmd, flags, "curve", "", "curve of an EC key", "",
		api.CurveP256, api.CurveP384, api.CurveP521, api.CurveP256K)
	algorithm := choiceFlag(cmd, flags, "algorithm", "a", "algorithm of an AKP key, ML-DSA-65 unless given", append([]api.Algorithm{""}, akpAlgorithms...)...)
	ops := keyOpsFlag(cmd)
	protect := choiceFlag(cmd, flags, "protection", "p", "where the key lives; hsm needs a premium vault", "",
		protectionSoftware, protectionHSM)
	attributes.add(cmd)
	release.add(cmd, true)
	cmd.MarkFlagsMutuallyExclusive("curve", "algorithm")
	cmd.MarkFlagsMutuallyExclusive("size", "algorithm")
	mustExist(cmd.MarkFlagRequired("name"))

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		parameters := api.KeyCreateParameters{
			Crv: curve.value, Alg: algorithm.value, KeyOps: ops.values, Tags: attributes.tags,
		}
		var err error
		if parameters.Attributes, parameters.ReleasePolicy, err = release.apply(cmd, attributes.attributes()); err != nil {
			return err
		}
		if parameters.Kty, err = keyType(kty.value, curve.value, algorithm.value, protect.value); err != nil {
			return usageError{cmd, err}
		}
		if isAKP(parameters.Kty) && parameters.Alg == "" {
			parameters.Alg = api.AlgorithmMLDSA65
		}
		if size != 0 {
			parameters.KeySize = &size
		}
		client, err := g.client(cmd, g.newTarget(), g.collection())
		if err != nil {
			return err
		}
		return g.write(cmd)(client.CreateKey(cmd.Context(), name, parameters))
	}
	return cmd
}

func keyOpsFlag(cmd *cobra.Command) *choices[api.KeyOperation] {
	return choicesFlag(cmd, "ops", "what the key may do",
		api.OperationEncrypt, api.OperationDecrypt, api.OperationSign, api.OperationVerify,
		api.OperationWrapKey, api.OperationUnwrapKey, api.OperationImport, api.OperationExport)
}

func newKeySetAttributes(g *group) *cobra.Command {
	t, change := g.newTarget(), &changeFlags{}
	var ops *choices[api.KeyOperation]
	var release releaseFlags
	cmd := g.newSetAttributes(t, change, func(cmd *cobra.Command, client *keyvault.Client) (any, error) {
		_, policy, err := release.apply(cmd, nil)
		if err != nil {
			return nil, err
		}
		return client.UpdateKey(cmd.Context(), t.name, t.version, api.KeyUpdateParameters{
			KeyOps: ops.values, Attributes: change.attributes(), Tags: change.tags, ReleasePolicy: policy,
		})
	})
	ops = keyOpsFlag(cmd)
	release.add(cmd, false)
	cmd.MarkFlagsOneRequired(append(change.names(), "ops", "policy")...)
	return cmd
}

// keyType returns the type of key that the flags mean.
func keyType(kty api.KeyType, curve api.Curve, algorithm api.Algorithm, p protection) (api.KeyType, error) {
	switch {
	case kty == "" && curve != "":
		kty = api.KeyTypeEC
	case kty == "" && algorithm != "":
		kty = api.KeyTypeAKP
	case kty == "":
		kty = api.KeyTypeRSA
	}
	hsm := strings.HasSuffix(string(kty), hsmSuffix)
	switch {
	case algorithm != "" && !isAKP(kty):
		return "", fmt.Errorf("--algorithm is for keys of the type AKP, which --kty %s contradicts", kty)
	case p == protectionSoftware && hsm:
		return "", errors.New("--kty is a type for HSMs, which --protection software contradicts")
	case p == protectionHSM && !hsm:
		kty += hsmSuffix
	}
	return kty, nil
}

func isAKP(kty api.KeyType) bool { return kty == api.KeyTypeAKP || kty == api.KeyTypeAKPHSM }
