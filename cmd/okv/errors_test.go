package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	refused := func(operation string, status int, code, inner string) error {
		return fmt.Errorf("trying: %w", &keyvault.Error{
			Operation: operation, StatusCode: status, Code: code, InnerCode: inner, Message: "No.\r\nReally \x1b[31mnot.",
		})
	}
	managed := func(operation string, status int, code string) error {
		return &management.Error{Operation: operation, StatusCode: status, Code: code, Message: "No."}
	}
	lookup := &url.Error{Op: "Get", URL: "https://x", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}}
	for name, tc := range map[string]struct {
		err    error
		want   string // all of it, or a beginning and an end around "..."
		status int
	}{
		"secret not found":   {refused("GetSecret", 404, "SecretNotFound", ""), "SecretNotFound: No. Really \uFFFD[31mnot; okv secret list --vault-name NAME shows those that exist, okv secret list-deleted --vault-name NAME those that are deleted", 3},
		"key not found":      {refused("DeleteKey", 404, "KeyNotFound", ""), "KeyNotFound: ...okv key list-deleted --vault-name NAME those that are deleted", 3},
		"no deleted key":     {refused("PurgeDeletedKey", 404, "KeyNotFound", ""), "KeyNotFound: ...; okv key list-deleted --vault-name NAME shows those that are deleted", 3},
		"no vault":           {refused("GetKey", 404, "VaultNotFound", ""), "VaultNotFound: ...; okv vault list shows the vaults of the subscription", 3},
		"a deleted name":     {refused("SetSecret", 409, "Conflict", api.InnerObjectIsDeletedButRecoverable), "Conflict (ObjectIsDeletedButRecoverable): ...okv secret recover, or free its name with okv secret purge", 1},
		"firewall":           {refused("SetSecret", 403, "Forbidden", api.InnerForbiddenByFirewall), "Forbidden (ForbiddenByFirewall): ...okv vault network-rule add --name VAULT --ip-address ADDRESS", 1},
		"old policy code":    {refused("RecoverDeletedKey", 403, "Forbidden", api.InnerAccessDenied), "Forbidden (AccessDenied): ...the permission keys/recover: okv vault set-policy --name VAULT --object-id OBJECT_ID --add --key-permissions recover", 1},
		"role":               {refused("ListSecrets", 403, "Forbidden", api.InnerForbiddenByRBAC), "Forbidden (ForbiddenByRbac): ...--role \"Key Vault Secrets User\" --assignee OBJECT_ID --scope VAULT_ID", 1},
		"deleted, disabled":  {refused("GetDeletedSecret", 403, "Forbidden", api.InnerSecretDisabled), "Forbidden (SecretDisabled): ...; a deleted secret that is disabled is not shown; okv secret recover brings it back, disabled", 1},
		"key disabled":       {refused("GetKey", 403, "Forbidden", api.InnerKeyDisabled), "Forbidden (KeyDisabled): ...okv key set-attributes --enabled true", 1},
		"key not for it":     {refused("Sign", 403, "Forbidden", api.InnerKeyOperationForbidden), "Forbidden (KeyOperationForbidden): ...okv key set-attributes --ops changes it", 1},
		"key expired":        {refused("Encrypt", 403, "Forbidden", "KeyExpired"), "Forbidden (KeyExpired): ...--expires and --not-before change them", 1},
		"key too early":      {refused("Sign", 403, "Forbidden", "KeyNotYetValid"), "Forbidden (KeyNotYetValid): ...--expires and --not-before change them", 1},
		"may not wrap":       {refused("WrapKey", 403, "Forbidden", api.InnerForbiddenByPolicy), "Forbidden (ForbiddenByPolicy): ...the permission keys/wrapKey: okv vault set-policy --name VAULT --object-id OBJECT_ID --add --key-permissions wrapKey", 1},
		"key type":           {refused("CreateKey", 400, "BadParameter", api.InnerKeyTypeNotSupported), "BadParameter (KeyTypeNotSupported): ...; symmetric keys are for managed HSMs: --hsm-name NAME", 1},
		"not decrypted":      {refused("Decrypt", 400, "BadParameter", ""), "BadParameter: ...; check that the algorithm is the one that made the value, and --version the version of the key that did", 1},
		"not encrypted":      {refused("Encrypt", 400, "BadParameter", ""), "BadParameter: No. Really \uFFFD[31mnot.", 1},
		"purge protection":   {refused("PurgeDeletedKey", 403, "Forbidden", ""), "Forbidden: No. Really \uFFFD[31mnot.", 1},
		"throttled":          {refused("GetKey", 429, "Throttled", ""), "Throttled: ...; try again later", 1},
		"unavailable":        {refused("GetKey", 503, "ServiceUnavailable", ""), "ServiceUnavailable: ...try again later", 1},
		"no code":            {&keyvault.Error{Operation: "GetKey", StatusCode: 502}, "keyvault: GetKey: 502 Bad Gateway; ...try again later", 1},
		"no group":           {managed("CreateOrUpdateVault", 404, arm.CodeResourceGroupNotFound), "ResourceGroupNotFound: No; --create-group makes it", 3},
		"no group to list":   {managed("ListVaultsByGroup", 404, arm.CodeResourceGroupNotFound), "ResourceGroupNotFound: No; okv group list shows those that exist", 3},
		"a protected vault":  {managed("PurgeDeletedVault", 405, arm.CodeMethodNotAllowed), "MethodNotAllowed: No; ...which okv vault show-deleted shows", 1},
		"no subscription":    {managed("ListVaults", 404, arm.CodeSubscriptionNotFound), "SubscriptionNotFound: No; check --subscription or AZURE_SUBSCRIPTION_ID", 3},
		"vault not found":    {managed("GetVault", 404, arm.CodeResourceNotFound), "ResourceNotFound: ...okv vault list-deleted those that are deleted", 3},
		"may not manage":     {managed("DeleteVault", 403, arm.CodeAuthorizationFailed), "AuthorizationFailed: ...--scope GROUP_ID", 1},
		"vault is deleted":   {managed("CreateOrUpdateVault", 409, arm.CodeConflictError), "ConflictError: ...okv vault purge", 1},
		"our own not found":  {fmt.Errorf("x: %w", notFoundError("there is no vault")), "there is no vault", 3},
		"usage":              {usageError{newSecret(), errors.New("a\nb")}, "a b; see secret --help", 2},
		"interrupted":        {fmt.Errorf("keyvault: GetSecret: %w", context.Canceled), "interrupted", 1},
		"unknown host":       {lookup, "Get \"https://x\": dial: lookup x: no such host; check the vault's name, ...leads to it", 1},
		"no name server":     {&net.DNSError{Err: "connection refused", Name: "x", UnwrapErr: syscall.ECONNREFUSED}, "lookup x: connection refused", 1},
		"unknown authority":  {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "tls: failed to verify certificate: x509: certificate signed by unknown authority; set SSL_CERT_FILE ...", 1},
		"proxy refuses":      {fmt.Errorf("Get: %w", &proxyError{"127.0.0.1:1", "x:443", 403}), "Get: the proxy 127.0.0.1:1 does not connect to x:443: 403 Forbidden; look at HTTPS_PROXY ...", 1},
		"proxy is gone":      {&net.OpError{Op: "proxyconnect", Net: "tcp", Err: syscall.ECONNREFUSED}, "proxyconnect tcp: connection refused; look at HTTPS_PROXY; ...may have ended", 1},
		"nothing listens":    {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, "dial tcp: connection refused; nothing listens there: check the address", 1},
		"port in use":        {&net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}, "listen tcp: address already in use; something listens there already: ...", 1},
		"port of root's":     {&net.OpError{Op: "listen", Net: "tcp", Err: syscall.EACCES}, "listen tcp: permission denied; a port below 1024 needs root ...", 1},
		"nobody's address":   {&net.OpError{Op: "listen", Net: "tcp", Err: lookup}, "listen tcp: ...; it must be an address of this machine, or :PORT for all of them", 1},
		"dev says how":       {fmt.Errorf("%w; choose another address with --listen", &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}), "listen tcp: address already in use; choose another address with --listen", 1},
		"no credential":      {fmt.Errorf("x: %w", credentialError{err: errors.New("DefaultAzureCredential: many\nlines")}), "there are no credentials in the environment; run this inside okv dev -- sh, ...az login", 1},
		"token not obtained": {credentialError{&azidentity.AuthenticationFailedError{}, lookup}, "no token: Get \"https://x\": dial: lookup x: no such host; check ...", 1},
		"anything else":      {errors.New("a\nb"), "a b", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, status := explain(tc.err)
			begin, end, open := strings.Cut(tc.want, "...")
			matches := line == tc.want
			if open {
				matches = strings.HasPrefix(line, begin) && strings.HasSuffix(line, end)
			}
			if !matches || status != tc.status {
				t.Errorf("got %d %q, want %d %q", status, line, tc.status, tc.want)
			}
		})
	}
}

// The tests of credentials depend on the environment and so are not parallel.
func TestRefusedCredential(t *testing.T) {
	const body = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret.\r\nTrace ID: 1\r\nCorrelation ID: 2"}`
	for name, tc := range map[string]struct{ body, clientID, want string }{
		"by the token service": {body, "app", "the credentials were refused: invalid_client: AADSTS7000215: Invalid client secret; check AZURE_CLIENT_ID, "},
		"on one line":          {strings.ReplaceAll(body, `\r\n`, " "), "app", "the credentials were refused: invalid_client: AADSTS7000215: Invalid client secret; check AZURE_CLIENT_ID, "},
		"by something else":    {"<html>", "app", "the credentials were refused: 401 Unauthorized; check AZURE_CLIENT_ID, "},
		"not ours to check":    {"", "", "the credentials were refused: 401 Unauthorized; run this inside okv dev -- sh, "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AZURE_CLIENT_ID", tc.clientID)
			resp := &http.Response{StatusCode: 401, Body: io.NopCloser(strings.NewReader(tc.body))}
			line, status := explain(credentialError{err: &azidentity.AuthenticationFailedError{RawResponse: resp}})
			if !strings.HasPrefix(line, tc.want) || status != statusFailed {
				t.Errorf("got %d %q, want %q", status, line, tc.want)
			}
		})
	}
}

// The names in the table are of methods that exist, and none that the commands
// use is missing: whatever the group of a command calls has a permission.
func TestNeeds(t *testing.T) {
	t.Parallel()
	client := reflect.TypeFor[*keyvault.Client]()
	for operation, need := range needs {
		if _, ok := client.MethodByName(operation); !ok {
			t.Errorf("there is no method %s", operation)
		}
		if noun := map[bool]string{true: "secret", false: "key"}[strings.Contains(operation, "Secret")]; need.noun != noun {
			t.Errorf("%s is of a %s", operation, need.noun)
		}
		if need.permission == "" || need.role == "" {
			t.Errorf("%s needs nothing", operation)
		}
	}
	for i := range client.NumMethod() {
		name := client.Method(i).Name
		_, known := needs[name]
		if known == (name == "VaultURL") {
			t.Errorf("%s is in the table: %v", name, known)
		}
	}
}
