package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// maxValueFile bounds what is read for a value. A vault takes 25 KB.
const maxValueFile = 1 << 20

func newSecret() *cobra.Command {
	secrets := kind{
		noun:         "secret",
		contentTypes: true,
		show:         ofVersion((*keyvault.Client).GetSecret),
		remove:       ofName((*keyvault.Client).DeleteSecret),
		recover:      ofName((*keyvault.Client).RecoverDeletedSecret),
		purge:        (*keyvault.Client).PurgeDeletedSecret,
		backup:       (*keyvault.Client).BackupSecret,
		restore:      restored((*keyvault.Client).RestoreSecret),
		list:         listOf((*keyvault.Client).ListSecrets),
		versions:     listOfName((*keyvault.Client).ListSecretVersions),
		deleted:      listOf((*keyvault.Client).ListDeletedSecrets),
	}
	return newObjects(secrets, "secret sets, shows and deletes secrets, with the flags of az keyvault secret.",
		`  okv secret set --vault-name dev --name db-password --file password.txt
  okv secret show --vault-name dev --name db-password
  okv secret list --vault-name dev -o json`, newSecretSet)
}

func newSecretSet(g *group) *cobra.Command {
	var name, value, file, contentType string
	var attributes attributeFlags
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Set a secret: create it, or give it a new version",
		Long: `set gives a secret a new version with this value, which becomes the current one.

A value on the command line can be seen by other users of the machine while okv
runs, and stays in the history of the shell. --file takes it from a file, or from
standard input if the file is "-", byte for byte. It must be UTF-8.`,
		Example: `  okv secret set --vault-name dev --name db-password --value hunter2
  okv secret set --vault-name dev --name tls-key --file key.pem --content-type application/x-pem-file
  pass db | okv secret set --vault-name dev --name db-password --file - --tags env=test owner=web --expires 2030-01-31`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("file") {
				var err error
				if value, err = readValue(cmd.InOrStdin(), file); err != nil {
					return err
				}
			}
			if !utf8.ValidString(value) {
				return errors.New("the value is not UTF-8, which is all that a secret can be: encode it, in base64 for example")
			}
			parameters := api.SecretSetParameters{Value: &value, Attributes: attributes.attributes(), Tags: attributes.tags}
			if contentType != "" {
				parameters.ContentType = &contentType
			}
			client, err := g.client(cmd, g.newTarget(), g.collection())
			if err != nil {
				return err
			}
			answer, err := client.SetSecret(cmd.Context(), name, parameters)
			if err == nil && g.output.value == formatText {
				answer.Value = nil // whoever set it knows it
			}
			return g.write(cmd)(answer, err)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&name, "name", "n", "", "`NAME` of the secret")
	flags.StringVar(&value, "value", "", "the `VALUE`; other users of the machine can see it")
	flags.StringVarP(&file, "file", "f", "", "`FILE` with the value; - is standard input")
	flags.StringVar(&contentType, "content-type", "", "`TYPE` of the value, such as text/plain")
	flags.StringVar(&contentType, "description", "", "the same `TEXT` as --content-type")
	attributes.add(cmd)
	mustExist(cmd.MarkFlagRequired("name"))
	cmd.MarkFlagsOneRequired("value", "file")
	cmd.MarkFlagsMutuallyExclusive("value", "file")
	cmd.MarkFlagsMutuallyExclusive("content-type", "description")
	return cmd
}

// readValue reads a value from a file, or from in if that is "-".
func readValue(in io.Reader, file string) (string, error) {
	value, err := readFile(in, file, maxValueFile, "that is more than a secret can hold")
	return string(value), err
}

// readFile reads a file, or in if that is "-", of at most max bytes.
func readFile(in io.Reader, file string, max int64, tooLarge string) ([]byte, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	if int64(len(content)) > max {
		return nil, errors.New("--file: " + tooLarge)
	}
	return content, nil
}
