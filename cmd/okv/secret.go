package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// maxValue is what a vault takes of a value, in bytes, and maxValueFile bounds what
// is read for one.
const (
	maxValue     = 25600
	maxValueFile = 1 << 20
)

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
		showDeleted:  ofName((*keyvault.Client).GetDeletedSecret),
	}
	return newObjects(secrets, "secret sets, shows and deletes secrets, with the flags of az keyvault secret.",
		`  okv secret set --vault-name dev --name db-password --file password.txt
  okv secret show --vault-name dev --name db-password
  okv secret list --vault-name dev -o json`, newSecretSet, newSecretSetAttributes, newSecretDownload)
}

// secretValue are the flags for the value of a secret.
type secretValue struct {
	value, file string
	encoding    *choice[encoding]
}

func (s *secretValue) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.value, "value", "", "the `VALUE`, which other users of the machine can see; - is standard input")
	flags.StringVarP(&s.file, "file", "f", "", "`FILE` with the content; - is standard input")
	s.encoding = encodingFlag(cmd, "how the value stands for the content of --file")
	cmd.MarkFlagsOneRequired("value", "file")
	cmd.MarkFlagsMutuallyExclusive("value", "file")
}

// read returns the value that the flags mean.
func (s *secretValue) read(cmd *cobra.Command) (string, error) {
	if cmd.Flags().Changed("file") {
		content, err := readFile(cmd.InOrStdin(), s.file, maxValueFile, "that is more than a secret can hold")
		if err != nil {
			return "", err
		}
		return s.encoding.value.encode(content)
	}
	value := s.value
	if value == "-" {
		content, err := readFile(cmd.InOrStdin(), "-", maxValueFile, "standard input has more than a secret can hold")
		if err != nil {
			return "", err
		}
		value = string(content)
	}
	return value, s.encoding.value.check(value)
}

func newSecretSet(g *group) *cobra.Command {
	var name, contentType string
	var value secretValue
	var attributes attributeFlags
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Set a secret: create it, or give it a new version",
		Long: `set gives a secret a new version with this value, which becomes the current one.

A value on the command line can be seen by other users of the machine while okv
runs, and stays in the history of the shell. --file takes it from a file, or from
standard input if the file is "-", byte for byte; --value - reads it there, too.

A value is text in UTF-8. Any other content of a file is stored with --encoding
base64 or hex, and the tag file-encoding says so, to az keyvault as well:
okv secret download brings the content back.`,
		Example: `  okv secret set --vault-name dev --name db-password --value hunter2
  okv secret set --vault-name dev --name tls-key --file key.pem --content-type application/x-pem-file
  okv secret set --vault-name dev --name keystore --file store.p12 --encoding base64
  pass db | okv secret set --vault-name dev --name db-password --value - --tags env=test owner=web --expires 2030-01-31`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&name, "name", "n", "", "`NAME` of the secret")
	g.completeObjects(cmd, g.list)
	value.add(cmd)
	contentTypeFlag(cmd, &contentType)
	attributes.add(cmd)
	mustExist(cmd.MarkFlagRequired("name"))

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		text, err := value.read(cmd)
		if err != nil {
			return err
		}
		if n := len(text); n > maxValue {
			return fmt.Errorf("the value has %d bytes, and a secret holds at most %d", n, maxValue)
		}
		parameters := api.SecretSetParameters{Value: &text, Attributes: attributes.attributes(), Tags: attributes.tags}
		if cmd.Flags().Changed("encoding") {
			parameters.Tags = value.encoding.value.tag(parameters.Tags)
		}
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
	}
	return cmd
}

func contentTypeFlag(cmd *cobra.Command, contentType *string) {
	cmd.Flags().StringVar(contentType, "content-type", "", "`TYPE` of the value, such as text/plain")
	cmd.Flags().StringVar(contentType, "description", "", "the same `TEXT` as --content-type")
	cmd.MarkFlagsMutuallyExclusive("content-type", "description")
}

func newSecretSetAttributes(g *group) *cobra.Command {
	var contentType string
	t, change := g.newTarget(), &changeFlags{}
	cmd := g.newSetAttributes(t, change, func(cmd *cobra.Command, client *keyvault.Client) (any, error) {
		parameters := api.SecretUpdateParameters{Attributes: change.attributes(), Tags: change.tags}
		if cmd.Flags().Changed("content-type") || cmd.Flags().Changed("description") {
			parameters.ContentType = &contentType
		}
		return client.UpdateSecret(cmd.Context(), t.name, t.version, parameters)
	})
	contentTypeFlag(cmd, &contentType)
	cmd.MarkFlagsOneRequired(append(change.names(), "content-type", "description")...)
	return cmd
}

func newSecretDownload(g *group) *cobra.Command {
	t := g.newTarget()
	var file outFile
	cmd := &cobra.Command{
		Use:   "download",
		Short: "Write the content of a secret to a file",
		Long: `download writes what a secret holds to a file, byte for byte. Only the owner may
read the file. One that exists stays, unless --overwrite is given.

Without --encoding the tag file-encoding says how the value stands for the
content, as okv secret set and az keyvault leave it; without the tag it is text.`,
		Example: `  okv secret download --vault-name dev --name keystore --file store.p12
  okv secret download --vault-name dev --name db-password --file -`,
		Args: noArgs,
	}
	g.addTarget(cmd, t, true)
	file.add(cmd)
	enc := encodingFlag(cmd, "how the value stands for the content (default is the tag file-encoding)")

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := g.client(cmd, t, g.collection())
		if err != nil {
			return err
		}
		if err := file.check(); err != nil {
			return err
		}
		answer, err := client.GetSecret(cmd.Context(), t.name, t.version)
		if err != nil {
			return err
		}
		if answer.Value == nil {
			return errors.New("the answer has no value")
		}
		e := enc.value
		if e == "" {
			if e, err = encodingOf(answer.Tags); err != nil {
				return err
			}
		}
		content, err := e.decode(*answer.Value)
		if err != nil {
			return err
		}
		return file.write(cmd.OutOrStdout(), content)
	}
	return cmd
}
