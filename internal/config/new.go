package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/template"
	"unicode"
)

// New is what must be known to write a configuration file. Paths may be relative
// to the file.
type New struct {
	Domain, Listen, DataDir, RootKey, Certificate, Key string
}

// Text returns a configuration file that says what its keys are for.
func (n New) Text() (string, error) {
	var b strings.Builder
	if err := newFile.Execute(&b, n); err != nil {
		return "", fmt.Errorf("writing a configuration: %w", err)
	}
	return b.String(), nil
}

var newFile = template.Must(template.New("").Funcs(template.FuncMap{"quote": quote, "parent": parent}).Parse(
	`# The configuration of okv serve. Paths may be relative to this file.

# Each vault is NAME.{{.Domain}}. DNS must lead these names to this server,
# and the certificate must be good for them:
#   *.{{.Domain}}, login.{{parent .Domain}}, management.{{parent .Domain}}
domain = {{quote .Domain}}
#login_host = "login.{{parent .Domain}}"
#management_host = "management.{{parent .Domain}}"

# Also answer for Azure's own names (*.vault.azure.net, login.microsoftonline.com
# and so on), where DNS leads those here.
#azure_names = false

# The address of the HTTPS listener, and the URL under which clients reach the
# token service. Tokens name it as their issuer: whoever changes it makes those
# that are in use invalid.
listen = {{quote .Listen}}
#public_url = "https://login.{{parent .Domain}}"

# The records, sealed. A directory of the server's own.
data_dir = {{quote .DataDir}}

# What opens the records. Keep it apart from them: file:PATH or passphrase:PATH
# for a file, passphrase: for one that is typed in at each start.
root_key = {{quote .RootKey}}

# With less room than this on the disk, changes are refused and reading goes on.
#disk_reserve_mib = 64

[tls]
# PEM files. They are read again when they change.
certificate = {{quote .Certificate}}
key = {{quote .Key}}

[health]
# Where GET /livez and GET /readyz are answered, in plain HTTP. Leave it out for
# none.
listen = "127.0.0.1:8081"

[audit]
# One line of JSON for each operation. By default it is audit.log in data_dir.
#file = "/var/log/okv/audit.log"

[egress]
# Where the server may go on a user's word, such as to an attestation authority
# that a key's release policy names. Public addresses are allowed at port 443, and
# besides them only what is listed here, as HOST:PORT.
#allow = ["attest.corp.example:8443"]

[log]
#level = "info"  # debug, info, warn or error
#format = "text" # or json

[shutdown]
# How long running requests may take to finish, and how long the server takes
# requests as before while /readyz already says that it will end.
#grace = "30s"
#delay = "0s"
`))

// parent returns the domain without its first label.
func parent(domain string) string {
	_, rest, _ := strings.Cut(strings.TrimSuffix(domain, "."), ".")
	return rest
}

// quote returns a string of TOML. JSON's are strings of TOML, too, but for DEL.
func quote(text string) (string, error) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "", errors.New("a value has control characters")
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// Create writes a file that does not exist, whole or not at all. One that exists
// with the same text is as good; else the error wraps fs.ErrExist.
func Create(path, text string) error {
	if have, err := os.ReadFile(path); err == nil {
		if string(have) == text {
			return nil
		}
		return fmt.Errorf("%s exists and says something else: %w", path, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	beside := path + ".tmp"
	f, err := os.Create(beside)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync() // before the rename, or a power cut may leave an empty file
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(beside, path)
}
