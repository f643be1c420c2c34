package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// Exit statuses. az, too, ends with 3 for what does not exist.
const (
	statusFailed   = 1
	statusUsage    = 2
	statusNotFound = 3
)

// usageError says that the command line of cmd is wrong.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e usageError) Error() string { return e.err.Error() }

// notFoundError says that what the command line names does not exist. The
// service itself was not asked for it, or did not say so.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

// explain returns what to tell the user about err, in one line with the likely
// way out, and the status to exit with.
func explain(err error) (line string, status int) {
	text, hint, status := diagnose(err)
	line = oneLine(text)
	if hint != "" {
		line = strings.TrimSuffix(line, ".") + "; " + hint
	}
	return line, status
}

func diagnose(err error) (text, hint string, status int) {
	var (
		usage    usageError
		missing  notFoundError
		data     *keyvault.Error
		manager  *management.Error
		unsigned credentialError
	)
	switch {
	case errors.As(err, &usage):
		return usage.Error(), fmt.Sprintf("see %s --help", usage.cmd.CommandPath()), statusUsage
	case errors.As(err, &missing):
		return missing.Error(), "", statusNotFound
	case errors.As(err, &data):
		return refusal(data.Code, data.InnerCode, data.Message, data), dataHint(data), statusOf(data.StatusCode)
	case errors.As(err, &manager):
		return refusal(manager.Code, "", manager.Message, manager), managementHint(manager), statusOf(manager.StatusCode)
	case errors.As(err, &unsigned):
		text, hint = credentialFailure(unsigned)
		return text, hint, statusFailed
	case errors.Is(err, context.Canceled):
		return "interrupted", "", statusFailed
	}
	return err.Error(), networkHint(err), statusFailed
}

func statusOf(code int) int {
	if code == http.StatusNotFound {
		return statusNotFound
	}
	return statusFailed
}

// refusal returns the service's code and message, or all that err knows if the
// service gave none.
func refusal(code, inner, message string, err error) string {
	switch {
	case code == "" || message == "":
		return err.Error()
	case inner != "":
		return fmt.Sprintf("%s (%s): %s", code, inner, message)
	}
	return code + ": " + message
}

// oneLine makes one line of text, without what a terminal takes for a command.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// credentialFailure says why there is no token: none of the credentials is
// there, one was refused, or the service that issues tokens was not reached.
func credentialFailure(e credentialError) (text, hint string) {
	var refused *azidentity.AuthenticationFailedError
	switch {
	case !errors.As(e.err, &refused):
		return "there are no credentials in the environment", noCredentialHint
	case refused.RawResponse != nil:
		return tokenRefusal(refused.RawResponse), credentialHint()
	case e.network != nil:
		return "no token: " + e.network.Error(), networkHint(e.network)
	}
	return "no token: " + refused.Error(), credentialHint()
}

const noCredentialHint = "run this inside okv dev -- sh, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or sign in with az login"

// credentialHint is what to look at when a credential or its token is refused.
func credentialHint() string {
	if os.Getenv("AZURE_CLIENT_ID") == "" {
		return noCredentialHint
	}
	return "check AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, and that AZURE_TENANT_ID is the tenant of the vault; those of an okv dev end with it"
}

// tokenRefusal returns the description in a token service's answer. It ends
// where ids of the request begin, each on a line of its own.
func tokenRefusal(resp *http.Response) string {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	body, err := runtime.Payload(resp)
	if err != nil || json.Unmarshal(body, &said) != nil || said.Code == "" {
		return fmt.Sprintf("the credentials were refused: %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	description, _, _ := strings.Cut(said.Description, " Trace ID:")
	description, _, _ = strings.Cut(description, "\n")
	return fmt.Sprintf("the credentials were refused: %s: %s", said.Code, description)
}

// networkHint returns what to look at when a request did not reach a service,
// or nothing if another try may help as much.
func networkHint(err error) string {
	var (
		unknown   *net.DNSError
		untrusted *tls.CertificateVerificationError
		refused   *proxyError
		operation *net.OpError
	)
	switch {
	case errors.As(err, &operation) && operation.Op == "listen":
		return listenHint(err)
	case errors.As(err, &untrusted):
		return "set SSL_CERT_FILE to a bundle with the authority's certificate, or run this inside okv dev -- sh, which does"
	case errors.As(err, &refused):
		return "look at HTTPS_PROXY and NO_PROXY; the proxy of an okv dev --offline leads to its vaults only"
	case errors.As(err, &operation) && operation.Op == "proxyconnect":
		return "look at HTTPS_PROXY; if that is the proxy of an okv dev, it may have ended"
	case errors.As(err, &unknown) && unknown.IsNotFound:
		return "check the vault's name, or run this inside okv dev -- sh, where every vault's name leads to it"
	case unknown == nil && errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check the address"
	}
	return ""
}

// listenHint returns what to look at when a server cannot listen where it is told
// to. Those of okv dev say themselves how to choose another address.
func listenHint(err error) string {
	switch {
	case strings.Contains(err.Error(), "--listen"):
		return ""
	case errors.Is(err, syscall.EADDRINUSE):
		return "something listens there already: stop it, or choose another address"
	case errors.Is(err, syscall.EACCES):
		return "a port below 1024 needs root or the capability CAP_NET_BIND_SERVICE, which the unit of systemd gives"
	}
	return "it must be an address of this machine, or :PORT for all of them"
}

// vaultFlags returns the flags that name the vault which refused, for commands
// that a hint suggests.
func vaultFlags(err error) string {
	host := requestHost(err)
	switch name, ok := strings.CutSuffix(host, suffixOfVaults()); {
	case host == "":
		return "--vault-name NAME"
	case ok:
		return "--vault-name " + name
	}
	return "--vault-url https://" + host
}

// vaultName returns the name of the vault that refused, or a word for it.
func vaultName(err error) string {
	if name, ok := strings.CutSuffix(requestHost(err), suffixOfVaults()); ok {
		return name
	}
	return "VAULT"
}

// requestHost returns the host that refused a request, or nothing if the error
// does not say.
func requestHost(err error) string {
	var response *azcore.ResponseError
	// As finds the nil that an error without a response unwraps to as well.
	if !errors.As(err, &response) || response == nil || response.RawResponse == nil || response.RawResponse.Request == nil {
		return ""
	}
	return response.RawResponse.Request.URL.Host
}
