package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// What the User-Agent header and traces call this package.
const (
	moduleName    = "openkeyvault-keyvault"
	moduleVersion = "v0.1.0"
)

// maxAnswer bounds what is read of an answer, after decompression. The largest
// legitimate ones are backups of objects with many versions.
const maxAnswer = 64 << 20

// ClientOptions tunes a Client. The zero value is good for vaults of Azure.
type ClientOptions struct {
	// ClientOptions is azcore's: transport, retries, logging, further policies.
	// APIVersion is api.VersionLatest unless given, and for what only AKP keys have
	// api.Version20260501Preview, the first version that knows them. An
	// *http.Client as Transport that has no CheckRedirect of its own will not
	// follow redirects.
	// InsecureAllowCredentialWithHTTP has no effect: a token never leaves
	// without TLS.
	policy.ClientOptions

	// DisableChallengeResourceVerification accepts challenges that name any
	// resource. Set it only for a vault behind a host name that is not below
	// its own domain, and only if that host is trusted with tokens for all that
	// the credential can reach.
	DisableChallengeResourceVerification bool
}

// Client is a client of one vault. It is safe for concurrent use.
//
// Every method that sends a request returns an *Error if the vault refuses it,
// and the context's error if the context ends first.
type Client struct {
	vault    string // https://host[:port], no trailing slash
	origin   gate.Origin
	version  string
	akp      string // the version for AKP keys
	pipeline runtime.Pipeline
	tracer   tracing.Tracer
}

// NewClient returns a client of the vault at vaultURL, such as
// https://contoso.vault.azure.net. It sends nothing. It refuses URLs that are
// not https or have a path, and a nil credential.
func NewClient(vaultURL string, cred azcore.TokenCredential, options *ClientOptions) (*Client, error) {
	u, err := parseVaultURL(vaultURL)
	if err != nil {
		return nil, err
	}
	if cred == nil {
		return nil, errors.New("keyvault: the credential is nil")
	}
	if options == nil {
		options = &ClientOptions{}
	}
	base := options.ClientOptions
	version, akp := base.APIVersion, base.APIVersion
	if version == "" {
		version, akp = api.VersionLatest, api.Version20260501Preview
	}
	// The client writes api-version itself, also where azcore would not.
	base.APIVersion = ""
	vault := gate.OriginOf(u)
	toVault := gate.New(base.Transport, maxAnswer)
	toVault.Origin = vault
	base.Transport = toVault
	auth := newAuthenticator(cred, vault, !options.DisableChallengeResourceVerification)
	return &Client{
		vault:   u.Scheme + "://" + u.Host,
		origin:  vault,
		version: version,
		akp:     akp,
		pipeline: runtime.NewPipeline(moduleName, moduleVersion, runtime.PipelineOptions{
			PerRetry:               []policy.Policy{auth},
			AllowedQueryParameters: []string{"maxresults"},
			Tracing:                runtime.TracingOptions{Namespace: "Microsoft.KeyVault"},
		}, &base),
		tracer: options.TracingProvider.NewTracer(moduleName, moduleVersion),
	}, nil
}

// VaultURL returns the address of the vault, without a trailing slash.
func (c *Client) VaultURL() string { return c.vault }

func parseVaultURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		// The error of url.Parse repeats the text, in which a user may have
		// put a password.
		return nil, errors.New("keyvault: the vault URL cannot be parsed")
	case u.Scheme != "https":
		return nil, errors.New("keyvault: the vault URL must begin with https://")
	case u.Hostname() == "":
		return nil, errors.New("keyvault: the vault URL has no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("keyvault: the vault URL must be only https:// and a host, with a port if need be")
	}
	return u, nil
}

// operation is one request of the data plane.
type operation struct {
	name   string   // the method of Client, for errors and traces
	method string   // of HTTP
	path   []string // segments, unescaped; an empty last one ends the path in a slash
	query  url.Values
	body   any  // nil for none
	status int  // the one that means success; 0 is 200
	akp    bool // it needs a version that knows AKP keys
}

// call performs the operation and decodes its answer.
func call[T any](ctx context.Context, c *Client, op operation) (*T, error) {
	out := new(T)
	if err := c.do(ctx, op, out); err != nil {
		return nil, err
	}
	return out, nil
}

// do performs the operation and decodes its answer into out, if out is not nil.
func (c *Client) do(ctx context.Context, op operation, out any) (err error) {
	ctx, end := runtime.StartSpan(ctx, "Client."+op.name, c.tracer, nil)
	defer func() { end(err) }()
	req, err := c.newRequest(ctx, op)
	if err != nil {
		return fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	return c.send(req, op, out)
}

func (c *Client) newRequest(ctx context.Context, op operation) (*policy.Request, error) {
	query := url.Values{"api-version": {c.version}}
	if op.akp {
		query.Set("api-version", c.akp)
	}
	for name, values := range op.query {
		query[name] = values
	}
	var path strings.Builder
	for _, segment := range op.path {
		path.WriteString("/" + url.PathEscape(segment))
	}
	req, err := runtime.NewRequest(ctx, op.method, c.vault+path.String()+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	if op.body != nil {
		err = runtime.MarshalAsJSON(req, op.body)
	}
	return req, err
}

func (c *Client) send(req *policy.Request, op operation, out any) error {
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	want := op.status
	if want == 0 {
		want = http.StatusOK
	}
	if resp.StatusCode != want {
		return newError(op.name, resp)
	}
	if out == nil {
		return nil
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("keyvault: %s: decoding the answer: %w", op.name, err)
	}
	return nil
}
