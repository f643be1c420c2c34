package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

const answerTimeout = time.Minute

// connection is what the clients of one run share.
type connection struct {
	cloud   *cloudConfig
	options azcore.ClientOptions
	cred    azcore.TokenCredential
}

// connect prepares clients with the credential that the environment holds. It
// asks for nothing but the cloud, if that is not Azure's.
func connect() (*connection, error) {
	cloud, err := findCloud()
	if err != nil {
		return nil, err
	}
	roots, err := loadRoots(os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		return nil, err
	}
	network := newNetwork(roots)
	options := azcore.ClientOptions{
		Cloud:     cloud.configuration,
		Transport: &http.Client{Transport: network},
		Retry:     policy.RetryOptions{ShouldRetry: shouldRetry, RetryDelay: 500 * time.Millisecond},
		Telemetry: policy.TelemetryOptions{ApplicationID: "okv"},
	}
	cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: options,
		// Else Microsoft would be asked whether it knows the cloud.
		DisableInstanceDiscovery: cloud.private,
	})
	if err != nil {
		return nil, err // a variable of its own has a value that it does not know
	}
	return &connection{cloud: cloud, options: options, cred: credential{cred, network}}, nil
}

func (c *connection) vault(address string) (*keyvault.Client, error) {
	return keyvault.NewClient(address, c.cred, &keyvault.ClientOptions{ClientOptions: c.options})
}

func (c *connection) manager(subscription string) (*management.Client, error) {
	options := &management.ClientOptions{}
	options.ClientOptions.ClientOptions = c.options
	return management.NewClient(subscription, c.cred, options)
}

func (c *connection) directory() (*management.DirectoryClient, error) {
	return management.NewDirectoryClient(c.cred, &management.DirectoryOptions{ClientOptions: c.options, Endpoint: c.cloud.directory})
}

// claims are what a token says of its caller.
type claims struct {
	OID   string `json:"oid"`
	AppID string `json:"appid"` // in tokens of version 1
	AZP   string `json:"azp"`   // in those of version 2
}

// clientID returns the client id of the caller's application, or nothing.
func (c *claims) clientID() string {
	if c.AppID != "" {
		return c.AppID
	}
	return c.AZP
}

// identity returns what the service that issues tokens says about the caller: an
// object id, at least.
func (c *connection) identity(ctx context.Context) (*claims, error) {
	token, err := c.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.cloud.scope}})
	if err != nil {
		return nil, err
	}
	own := &claims{}
	parts := strings.Split(token.Token, ".")
	if len(parts) == 3 {
		// The service verifies the token; here it only says who we are.
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, own)
		}
	}
	if own.OID == "" {
		return nil, errors.New("the token does not say which object it is for")
	}
	return own, nil
}

// loadRoots returns the system's roots and those of the file that SSL_CERT_FILE
// names. On some systems Go's own roots leave the variable out, and okv must
// work inside okv dev everywhere.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("SSL_CERT_FILE: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(bundle)
	return roots, nil
}

// network is the transport of all clients. It remembers why it last failed,
// because the credentials turn that into text.
type network struct {
	transport *http.Transport
	mu        sync.Mutex
	failure   error // guarded by mu
}

func newNetwork(roots *x509.CertPool) *network {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = answerTimeout
	transport.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return &proxyError{proxy: proxy.Host, target: req.Host, status: resp.StatusCode}
		}
		return nil
	}
	return &network{transport: transport}
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.transport.RoundTrip(req)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.failure = err
	}
	return resp, err
}

func (n *network) lastFailure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure
}

// proxyError is a proxy's refusal to connect.
type proxyError struct {
	proxy, target string
	status        int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s does not connect to %s: %d %s", e.proxy, e.target, e.status, http.StatusText(e.status))
}

// shouldRetry spares the user the wait for what another try does not mend.
func shouldRetry(resp *http.Response, err error) bool {
	if err != nil {
		return networkHint(err) == ""
	}
	return runtime.HasStatusCode(resp, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
}

// credential marks the errors of the credential, which otherwise are text.
type credential struct {
	azcore.TokenCredential
	network *network
}

func (c credential) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.TokenCredential.GetToken(ctx, options)
	if err != nil && ctx.Err() == nil {
		err = credentialError{err: err, network: c.network.lastFailure()}
	}
	return token, err
}

// credentialError says that there is no token.
type credentialError struct {
	err     error
	network error // the last failure of the network, or nil
}

func (e credentialError) Error() string { return e.err.Error() }
func (e credentialError) Unwrap() error { return e.err }
