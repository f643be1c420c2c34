package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/keyvault"
)

// addressHelp says how the commands for what is in a vault find it.
const addressHelp = `The vault is the one of --vault-url, else https://NAME.vault.azure.net for the NAME
of --vault-name, else the one of AZURE_KEYVAULT_URL, which okv dev sets. With
OKV_CLOUD=management.example.com, vaults and all else are those of that cloud.`

// address is which vault, or which managed HSM, the flags of a command group name.
type address struct{ url, name, hsm string }

func (a *address) add(group *cobra.Command) {
	group.PersistentFlags().StringVar(&a.name, "vault-name", "", "`NAME` of the vault")
	group.PersistentFlags().StringVar(&a.url, "vault-url", "", "`URL` of the vault")
	completeNames(group, "vault-name", vaultNames(func() string { return "" }))
}

// addHSM adds the flag for a managed HSM, which has keys alone.
func (a *address) addHSM(group *cobra.Command) {
	group.PersistentFlags().StringVar(&a.hsm, "hsm-name", "", "`NAME` of a managed HSM, instead of a vault")
	noFiles(group, "hsm-name")
}

// resolve returns the URL of the vault.
func (a *address) resolve() (string, error) {
	switch fromEnvironment := os.Getenv("AZURE_KEYVAULT_URL"); {
	case a.hsm != "" && (a.url != "" || a.name != ""):
		return "", errors.New("--hsm-name names a managed HSM: leave --vault-name and --vault-url out")
	case a.url != "":
		return a.url, nil
	case a.hsm != "":
		return hostOf("--hsm-name", a.hsm, func(c *cloudConfig) string { return c.hsmSuffix })
	case a.name != "":
		return hostOf("--vault-name", a.name, func(c *cloudConfig) string { return c.vaultSuffix })
	case fromEnvironment != "":
		return fromEnvironment, nil
	}
	return "", errors.New("which vault? Give --vault-name or --vault-url, or set AZURE_KEYVAULT_URL")
}

// hostOf returns the URL that a name has in the cloud.
func hostOf(flag, name string, suffix func(*cloudConfig) string) (string, error) {
	// Anything else than a name would make the URL of another host.
	if strings.Trim(name, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		return "", errors.New(flag + " has letters, digits and hyphens only; --vault-url takes a whole address")
	}
	c, err := findCloud()
	if err != nil {
		return "", err
	}
	if suffix(c) == "" {
		return "", errors.New("the cloud does not say where its managed HSMs are; --vault-url takes a whole address")
	}
	return "https://" + name + suffix(c), nil
}

// target is which object the flags of a command name, and which version of it.
type target struct {
	address           *address
	id, name, version string
}

// add adds the flags for an object of a noun. Only some commands know versions.
func (t *target) add(cmd *cobra.Command, noun string, versions bool) {
	flags := cmd.Flags()
	flags.StringVarP(&t.name, "name", "n", "", "`NAME` of the "+noun)
	flags.StringVar(&t.id, "id", "", "`URL` of the "+noun+", instead of vault, name and version")
	cmd.MarkFlagsOneRequired("name", "id")
	cmd.MarkFlagsMutuallyExclusive("name", "id")
	if versions {
		flags.StringVarP(&t.version, "version", "v", "", "`VERSION` of the "+noun+", the current one unless given")
		cmd.MarkFlagsMutuallyExclusive("version", "id")
	}
}

// resolve completes the target from its id, which must be one of the
// collection, and returns the URL of the vault.
func (t *target) resolve(collection string) (string, error) {
	if t.id == "" {
		return t.address.resolve()
	}
	if *t.address != (address{}) {
		return "", errors.New("--id names the vault already: leave --vault-name and --vault-url out")
	}
	id, err := keyvault.ParseID(t.id)
	if err != nil {
		return "", fmt.Errorf("--id is not the URL of an object, https://VAULT/%s/NAME or https://VAULT/%[1]s/NAME/VERSION", collection)
	}
	if id.Collection != collection {
		return "", fmt.Errorf("--id is the URL of one of the vault's %s, not of its %s", id.Collection, collection)
	}
	t.name, t.version = id.Name, id.Version
	return id.VaultURL, nil
}

// keyID returns the URL that a resolved target names.
func (t *target) keyID(client *keyvault.Client) string {
	return keyvault.ID{VaultURL: client.VaultURL(), Collection: "keys", Name: t.name, Version: t.version}.String()
}
