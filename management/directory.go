package management

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// DefaultDirectoryEndpoint is Microsoft Graph's.
const DefaultDirectoryEndpoint = "https://graph.microsoft.com"

// DirectoryOptions tunes a DirectoryClient. The zero value manages applications of
// Azure's public cloud.
type DirectoryOptions struct {
	// ClientOptions is azcore's: transport, retries, logging, further policies. Its
	// Cloud and APIVersion mean nothing here.
	azcore.ClientOptions

	// Endpoint is where the directory is, DefaultDirectoryEndpoint unless given.
	// Of an OpenKeyVault under its own names it is that of the management plane.
	Endpoint string
	// Audience is what tokens are asked for, the endpoint unless given.
	Audience string
}

// DirectoryClient is a client of the directory: it registers applications, gives
// them service principals, which access policies and role assignments name, and
// client secrets. It is safe for concurrent use. Applications are named by their
// client id.
//
// Every method returns an *Error if the service refuses it, and the context's error
// if the context ends first. In Azure, what was just made may be missing for some
// seconds in what is asked next.
type DirectoryClient struct{ c Client }

// NewDirectoryClient returns a client of the directory. It sends nothing. It
// refuses a nil credential, and an endpoint that is not https.
func NewDirectoryClient(cred azcore.TokenCredential, options *DirectoryOptions) (*DirectoryClient, error) {
	if cred == nil {
		return nil, errors.New("management: the credential is nil")
	}
	if options == nil {
		options = &DirectoryOptions{}
	}
	endpoint := strings.TrimRight(options.Endpoint, "/")
	if endpoint == "" {
		endpoint = DefaultDirectoryEndpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("management: the endpoint of the directory must be an https URL")
	}
	audience := options.Audience
	if audience == "" {
		audience = endpoint
	}
	base := options.ClientOptions
	base.InsecureAllowCredentialWithHTTP = false
	toDirectory := gate.New(base.Transport, maxAnswer)
	toDirectory.Origin = gate.OriginOf(u)
	base.Transport = toDirectory
	client, err := azcore.NewClient(moduleName, moduleVersion, runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(cred, []string{audience + "/.default"}, nil)},
	}, &base)
	if err != nil {
		return nil, fmt.Errorf("management: %w", err)
	}
	return &DirectoryClient{Client{endpoint: endpoint, origin: toDirectory.Origin, pipeline: client.Pipeline(), tracer: client.Tracer()}}, nil
}

// CreateApplication registers an application. It gets tokens once it has a service
// principal and a password.
func (d *DirectoryClient) CreateApplication(ctx context.Context, displayName string) (*graph.Application, error) {
	return askDirectory[graph.Application](ctx, d, operation{
		name: "CreateApplication", method: http.MethodPost, success: []int{http.StatusCreated},
		body: graph.CreateApplicationRequest{DisplayName: displayName, SignInAudience: graph.SignInAudience},
	}, "/applications")
}

// GetApplication returns an application.
func (d *DirectoryClient) GetApplication(ctx context.Context, clientID string) (*graph.Application, error) {
	return askDirectory[graph.Application](ctx, d, operation{name: "GetApplication", method: http.MethodGet}, keyed("applications", clientID))
}

// ListApplications lists the applications of the caller's tenant.
func (d *DirectoryClient) ListApplications(ctx context.Context) iter.Seq2[graph.Application, error] {
	return listDirectory[graph.Application](ctx, d, "ListApplications", "/applications")
}

// DeleteApplication deletes an application with its service principal and its
// passwords. Tokens that it has are good to their own end.
func (d *DirectoryClient) DeleteApplication(ctx context.Context, clientID string) error {
	_, err := askDirectory[struct{}](ctx, d, operation{
		name: "DeleteApplication", method: http.MethodDelete, success: []int{http.StatusNoContent},
	}, keyed("applications", clientID))
	return err
}

// AddPassword gives an application a new client secret, which the service chooses
// and shows in the answer, once. A zero end is the service's default, two years.
func (d *DirectoryClient) AddPassword(ctx context.Context, clientID, displayName string, end time.Time) (*graph.PasswordCredential, error) {
	password := &graph.PasswordCredential{DisplayName: displayName}
	if !end.IsZero() {
		end = end.UTC()
		password.End = &end
	}
	return askDirectory[graph.PasswordCredential](ctx, d, operation{
		name: "AddPassword", method: http.MethodPost, body: graph.AddPasswordRequest{Password: password},
	}, keyed("applications", clientID)+"/addPassword")
}

// RemovePassword takes a client secret away from an application.
func (d *DirectoryClient) RemovePassword(ctx context.Context, clientID, keyID string) error {
	_, err := askDirectory[struct{}](ctx, d, operation{
		name: "RemovePassword", method: http.MethodPost, body: graph.RemovePasswordRequest{KeyID: keyID}, success: []int{http.StatusNoContent},
	}, keyed("applications", clientID)+"/removePassword")
	return err
}

// CreateServicePrincipal gives an application its service principal. If it has one,
// IsConflict holds of the error.
func (d *DirectoryClient) CreateServicePrincipal(ctx context.Context, clientID string) (*graph.ServicePrincipal, error) {
	return askDirectory[graph.ServicePrincipal](ctx, d, operation{
		name: "CreateServicePrincipal", method: http.MethodPost, success: []int{http.StatusCreated},
		body: graph.CreateServicePrincipalRequest{AppID: clientID},
	}, "/servicePrincipals")
}

// GetServicePrincipal returns the service principal of an application. Its ID is
// the object id that permissions name.
func (d *DirectoryClient) GetServicePrincipal(ctx context.Context, clientID string) (*graph.ServicePrincipal, error) {
	return askDirectory[graph.ServicePrincipal](ctx, d, operation{name: "GetServicePrincipal", method: http.MethodGet}, keyed("servicePrincipals", clientID))
}

// keyed returns the path of what has the client id, by OData's alternate key.
func keyed(collection, clientID string) string {
	return "/" + collection + "(appId='" + url.PathEscape(strings.ReplaceAll(clientID, "'", "''")) + "')"
}

// askDirectory performs the operation at an escaped path below the version, and
// decodes its answer, if it has a body.
func askDirectory[T any](ctx context.Context, d *DirectoryClient, op operation, path string) (out *T, err error) {
	ctx, end := runtime.StartSpan(ctx, "DirectoryClient."+op.name, d.c.tracer, nil)
	defer func() { end(err) }()
	req, err := runtime.NewRequest(ctx, op.method, d.c.endpoint+"/v1.0"+path)
	if err == nil && op.body != nil {
		err = runtime.MarshalAsJSON(req, op.body)
	}
	if err != nil {
		return nil, fmt.Errorf("management: %s: %w", op.name, err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	resp, err := d.c.send(req, op)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	out = new(T)
	return out, decode(op.name, resp, out)
}

// listDirectory is list for the directory, whose pages have another form.
func listDirectory[T any](ctx context.Context, d *DirectoryClient, name, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		op := operation{name: name, method: http.MethodGet}
		page, err := askDirectory[graph.Page[T]](ctx, d, op, path)
		for {
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range page.Value {
				if !yield(item, nil) {
					return
				}
			}
			link := page.NextLink
			if link == "" {
				return
			}
			if page, err = nextDirectoryPage[T](ctx, d, op, link); err == nil && page.NextLink == link {
				err = fmt.Errorf("management: %s: the next page is the same one again", name)
			}
		}
	}
}

func nextDirectoryPage[T any](ctx context.Context, d *DirectoryClient, op operation, link string) (*graph.Page[T], error) {
	req, err := d.c.nextRequest(ctx, link)
	if err != nil {
		return nil, fmt.Errorf("management: %s: %w", op.name, err)
	}
	resp, err := d.c.send(req, op)
	if err != nil {
		return nil, err
	}
	page := new(graph.Page[T])
	return page, decode(op.name, resp, page)
}
