// Package dataplane is the data plane's HTTP: it finds the vault and the
// operation of a request, challenges callers without a token that is believed,
// decodes, calls the domain and encodes, as Azure Key Vault does on the wire.
//
// It guarantees that nothing of a body is read before the caller is known, that
// every answer carries a request id, that every refusal is Azure's JSON
// envelope, and that neither values nor tokens nor paths are logged. It knows no
// permission, no store, and of types and algorithms only which api-version has
// their names: the rest is the domain's.
package dataplane

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// Vaults is the domain, as *vault.Service provides it. Every operation
// authorises and audits itself.
type Vaults interface {
	Info(ctx context.Context, name string) (vault.Info, error)
	// Again says whether what was answered may be answered again.
	Again(ctx context.Context, c vault.Call, r *vault.Reading) (bool, error)

	SetSecret(ctx context.Context, c vault.Call, name string, in vault.SetSecret) (*vault.Secret, error)
	GetSecret(ctx context.Context, c vault.Call, name, version string) (*vault.Secret, error)
	UpdateSecret(ctx context.Context, c vault.Call, name, version string, in vault.UpdateSecret) (*vault.Secret, error)
	ListSecrets(ctx context.Context, c vault.Call, p vault.PageRequest) (vault.Page[vault.Secret], error)
	ListSecretVersions(ctx context.Context, c vault.Call, name string, p vault.PageRequest) (vault.Page[vault.Secret], error)
	DeleteSecret(ctx context.Context, c vault.Call, name string) (*vault.Secret, error)
	GetDeletedSecret(ctx context.Context, c vault.Call, name string) (*vault.Secret, error)
	ListDeletedSecrets(ctx context.Context, c vault.Call, p vault.PageRequest) (vault.Page[vault.Secret], error)
	RecoverSecret(ctx context.Context, c vault.Call, name string) (*vault.Secret, error)
	PurgeSecret(ctx context.Context, c vault.Call, name string) error
	BackupSecret(ctx context.Context, c vault.Call, name string) ([]byte, error)
	RestoreSecret(ctx context.Context, c vault.Call, blob []byte) (*vault.Secret, error)

	CreateKey(ctx context.Context, c vault.Call, name string, in vault.CreateKey) (*vault.Key, error)
	ImportKey(ctx context.Context, c vault.Call, name string, in vault.ImportKey) (*vault.Key, error)
	GetKey(ctx context.Context, c vault.Call, name, version string) (*vault.Key, error)
	UpdateKey(ctx context.Context, c vault.Call, name, version string, in vault.UpdateKey) (*vault.Key, error)
	ListKeys(ctx context.Context, c vault.Call, p vault.PageRequest) (vault.Page[vault.Key], error)
	ListKeyVersions(ctx context.Context, c vault.Call, name string, p vault.PageRequest) (vault.Page[vault.Key], error)
	DeleteKey(ctx context.Context, c vault.Call, name string) (*vault.Key, error)
	GetDeletedKey(ctx context.Context, c vault.Call, name string) (*vault.Key, error)
	ListDeletedKeys(ctx context.Context, c vault.Call, p vault.PageRequest) (vault.Page[vault.Key], error)
	RecoverKey(ctx context.Context, c vault.Call, name string) (*vault.Key, error)
	PurgeKey(ctx context.Context, c vault.Call, name string) error
	BackupKey(ctx context.Context, c vault.Call, name string) ([]byte, error)
	RestoreKey(ctx context.Context, c vault.Call, blob []byte) (*vault.Key, error)

	Encrypt(ctx context.Context, c vault.Call, name, version string, in vault.CipherRequest) (*vault.KeyResult, error)
	Decrypt(ctx context.Context, c vault.Call, name, version string, in vault.CipherRequest) (*vault.KeyResult, error)
	WrapKey(ctx context.Context, c vault.Call, name, version string, in vault.CipherRequest) (*vault.KeyResult, error)
	UnwrapKey(ctx context.Context, c vault.Call, name, version string, in vault.CipherRequest) (*vault.KeyResult, error)
	Sign(ctx context.Context, c vault.Call, name, version string, in vault.SignRequest) (*vault.KeyResult, error)
	Verify(ctx context.Context, c vault.Call, name, version string, in vault.VerifyRequest) (bool, error)
	ReleaseKey(ctx context.Context, c vault.Call, name, version string, in vault.ReleaseKey) (*vault.ReleasedKey, error)

	RotateKey(ctx context.Context, c vault.Call, name string) (*vault.Key, error)
	GetRotationPolicy(ctx context.Context, c vault.Call, name string) (*vault.RotationPolicy, error)
	SetRotationPolicy(ctx context.Context, c vault.Call, name string, in vault.SetRotationPolicy) (*vault.RotationPolicy, error)
}

// Config is what the plane works with.
type Config struct {
	Vaults Vaults
	// Certificate returns the certificate of a vault's host, whose key signs what is
	// released from that vault.
	Certificate func(host string) (*tls.Certificate, error)
	// Verify turns a bearer token into a caller. A *fault.Error of kind
	// Unauthenticated is answered with a challenge and its message.
	Verify func(ctx context.Context, bearer string) (access.Caller, error)
	// MissingVault, if not nil, is asked to make a vault that a request names
	// and that does not exist. When it returns nil, the vault exists.
	MissingVault func(ctx context.Context, name string) error
	// HSM, if not nil, makes this the plane of managed HSMs: Vaults are those, with
	// keys and nothing else in them.
	HSM    HSM
	Logger *slog.Logger
}

type plane struct {
	Config
	router  *httpx.Router
	answers *answers
}

// New returns the plane of all vault hosts, or of all hosts of managed HSMs. It
// needs the request's httpx.Site, which names the vault or HSM.
func New(cfg Config) *httpx.Plane {
	return newPlane(cfg).handler()
}

func newPlane(cfg Config) *plane {
	p := &plane{Config: cfg, answers: newAnswers()}
	routes := p.routes()
	if p.HSM != nil {
		routes = p.hsmRoutes(routes)
	}
	p.router = httpx.NewRouter(routes)
	return p
}

func (p *plane) handler() *httpx.Plane {
	return &httpx.Plane{
		Name: "data plane", Prepare: writeCommonHeaders, Serve: p.serve, Refuse: refuse, IsRefusal: httpx.IsRefusal, Logger: p.Logger,
	}
}

// serve answers, or returns why the request is refused.
func (p *plane) serve(x *httpx.Exchange) error {
	if done, err := p.answerAgain(x); done || err != nil {
		return err
	}
	return p.operate(x)
}

// operate does the steps that every operation has in common, in their fixed order.
func (p *plane) operate(x *httpx.Exchange) error {
	path := x.URL.EscapedPath()
	if p.HSM != nil {
		path = foldScope(path)
	}
	route, params, allow, found := p.router.Match(x.Method, path)
	x.Route, x.Params = route, params
	info, err := p.findVault(x.Context(), x.Site.Container())
	if err != nil {
		return err
	}
	x.ResponseWriter.Header()[regionHeader] = []string{info.Location}
	if err := p.authenticate(x, info); err != nil {
		return err
	}
	if err := checkVersion(x); err != nil {
		return err
	}
	if !found {
		return noRoute(x, allow)
	}
	if err := checkContentType(x); err != nil {
		return err
	}
	return route.Handle(x)
}

// findVault returns what may be known of the vault, which the MissingVault hook
// may have to make first.
func (p *plane) findVault(ctx context.Context, name string) (vault.Info, error) {
	info, err := p.Vaults.Info(ctx, name)
	if p.MissingVault == nil || fault.KindOf(err) != fault.NotFound {
		return info, err
	}
	if err := p.MissingVault(ctx, name); err != nil {
		return vault.Info{}, err
	}
	return p.Vaults.Info(ctx, name)
}
