package management

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// What the User-Agent header and traces call this package.
const (
	moduleName    = "openkeyvault-management"
	moduleVersion = "v0.1.0"
)

// defaultPollInterval is shorter than azcore's half minute: a vault is ready
// within seconds.
const defaultPollInterval = 5 * time.Second

// maxAnswer bounds what is read of an answer, after decompression: a page of
// vaults with a thousand access policies each has some tens of megabytes.
const maxAnswer = 64 << 20

// ClientOptions tunes a Client. The zero value manages vaults of Azure's public
// cloud.
type ClientOptions struct {
	// ClientOptions is azcore's: cloud, transport, retries, logging, further
	// policies, registration of the provider. APIVersion is the version of the
	// Key Vault provider, arm.KeyVaultLatest unless given. An *http.Client as
	// Transport that has no CheckRedirect of its own will not follow redirects.
	// InsecureAllowCredentialWithHTTP has no effect.
	azarm.ClientOptions

	// PollInterval is the pace at which long operations are asked for their
	// state when the service names none: 5 seconds unless given, at least one.
	PollInterval time.Duration
}

// Client is a client of the management plane for one subscription. It is safe
// for concurrent use.
//
// Every method that sends a request returns an *Error if the service refuses
// it, and the context's error if the context ends first.
type Client struct {
	subscription string
	version      string // of the Key Vault provider
	endpoint     string // no trailing slash
	origin       gate.Origin
	poll         time.Duration
	pipeline     runtime.Pipeline
	tracer       tracing.Tracer
}

// NewClient returns a client for the subscription, which may be empty as long as
// only subscriptions and tenants are listed. It sends nothing. It refuses a nil
// credential, and a cloud whose Resource Manager is missing or not https.
func NewClient(subscriptionID string, cred azcore.TokenCredential, options *ClientOptions) (*Client, error) {
	if cred == nil {
		return nil, errors.New("management: the credential is nil")
	}
	if options == nil {
		options = &ClientOptions{}
	}
	base := options.ClientOptions
	c := &Client{subscription: subscriptionID, version: base.APIVersion, poll: options.PollInterval}
	if c.version == "" {
		c.version = arm.KeyVaultLatest
	}
	switch {
	case c.poll == 0:
		c.poll = defaultPollInterval
	case c.poll < time.Second:
		// Azcore insists too, but only once the operation has begun.
		return nil, errors.New("management: the poll interval is less than a second")
	}
	// Azcore would put the version into requests for every type of resource.
	base.APIVersion = ""
	base.InsecureAllowCredentialWithHTTP = false
	// The transport must be in the options before it can know the endpoint,
	// which the options decide.
	toManager := gate.New(base.Transport, maxAnswer)
	base.Transport = toManager
	client, err := azarm.NewClient(moduleName, moduleVersion, cred, &base)
	if err != nil {
		return nil, fmt.Errorf("management: %w", err)
	}
	u, err := url.Parse(client.Endpoint())
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("management: the endpoint of Resource Manager must be an https URL")
	}
	c.endpoint, c.origin = strings.TrimRight(client.Endpoint(), "/"), gate.OriginOf(u)
	toManager.Origin = c.origin
	c.pipeline, c.tracer = client.Pipeline(), client.Tracer()
	return c, nil
}

// SubscriptionID returns the subscription that the client was made for.
func (c *Client) SubscriptionID() string { return c.subscription }

// operation is one request of the management plane.
type operation struct {
	name    string   // the method of Client, for errors and traces
	method  string   // of HTTP
	path    []string // segments, unescaped, none empty
	version string
	query   url.Values
	body    any   // nil for none
	success []int // statuses; nil is 200
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
	resp, err := c.start(ctx, op)
	if err != nil {
		return err
	}
	return decode(op.name, resp, out)
}

// start performs the operation up to its first answer, which it checks.
func (c *Client) start(ctx context.Context, op operation) (*http.Response, error) {
	req, err := c.newRequest(ctx, op)
	if err != nil {
		return nil, fmt.Errorf("management: %s: %w", op.name, err)
	}
	return c.send(req, op)
}

func (c *Client) newRequest(ctx context.Context, op operation) (*policy.Request, error) {
	var path strings.Builder
	for _, segment := range op.path {
		// Such a segment would address another resource than the one meant.
		if segment == "" || segment == "." || segment == ".." {
			return nil, errors.New("the subscription, group, location or name is empty or a relative path")
		}
		path.WriteString("/" + url.PathEscape(segment))
	}
	query := url.Values{"api-version": {op.version}}
	for name, values := range op.query {
		query[name] = values
	}
	// Resource Manager's own clients write blanks in filters as %20.
	text := strings.ReplaceAll(query.Encode(), "+", "%20")
	req, err := runtime.NewRequest(ctx, op.method, c.endpoint+path.String()+"?"+text)
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	if op.body != nil {
		err = runtime.MarshalAsJSON(req, op.body)
	}
	return req, err
}

func (c *Client) send(req *policy.Request, op operation) (*http.Response, error) {
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return nil, fmt.Errorf("management: %s: %w", op.name, err)
	}
	success := op.success
	if success == nil {
		success = []int{http.StatusOK}
	}
	if !slices.Contains(success, resp.StatusCode) {
		return nil, asError(op.name, runtime.NewResponseError(resp))
	}
	return resp, nil
}

func decode(operation string, resp *http.Response, out any) error {
	if out == nil {
		return nil
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return fmt.Errorf("management: %s: %w", operation, err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("management: %s: decoding the answer: %w", operation, err)
	}
	return nil
}

// await performs a long operation and returns its final result.
func await[T any](ctx context.Context, c *Client, op operation) (out *T, err error) {
	ctx, end := runtime.StartSpan(ctx, "Client."+op.name, c.tracer, nil)
	defer func() { end(err) }()
	resp, err := c.start(ctx, op)
	if err != nil {
		return nil, err
	}
	poller, err := runtime.NewPoller(resp, c.pipeline, &runtime.NewPollerOptions[T]{Tracer: c.tracer})
	if err != nil {
		return nil, asError(op.name, err)
	}
	result, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: c.poll})
	if err != nil {
		return nil, asError(op.name, err)
	}
	return &result, nil
}

// inSubscription returns the path of something in the subscription.
func (c *Client) inSubscription(segments ...string) []string {
	return append([]string{"subscriptions", c.subscription}, segments...)
}

// inProvider returns the path of something that the Key Vault provider has in
// the subscription.
func (c *Client) inProvider(segments ...string) []string {
	return append(c.inSubscription("providers", arm.KeyVaultNamespace), segments...)
}

// vaultPath returns the path of something of a vault.
func (c *Client) vaultPath(group, name string, segments ...string) []string {
	path := c.inSubscription("resourceGroups", group, "providers", arm.KeyVaultNamespace, "vaults", name)
	return append(path, segments...)
}
