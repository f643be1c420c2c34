package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/dev"
	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/server"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// The vaults of a house: role assignments decide in one, access policies in the
// other. Their names are of one length, so that their answers are.
const (
	byRoles    = "bench-roles"
	byPolicies = "bench-rules"
	domain     = ".vault.azure.net"
	hsmName    = "bench"
	hsmHost    = hsmName + ".managedhsm.azure.net"
	location   = "eastus"
	group      = "bench"
)

// owner is the application that asks.
var owner = access.Caller{TenantID: dev.TenantID, ObjectID: dev.ObjectID, AppID: dev.ClientID}

// house is a data directory as `okv dev --data-dir` has it, with an application
// that may do everything in the two vaults, and a token for it.
type house struct {
	dir    string
	root   []byte // the certificate of the authority, DER encoded
	leaves map[string]leaf
	token  string
	// hsmToken is the token for the managed HSM.
	hsmToken string
	names    int // of secrets in each vault that was filled
}

// leaf is the certificate of a host, as it is told to a server process.
type leaf struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS #8
}

// newHouse makes a house and so many secrets in each of the vaults to fill.
func (r *run) newHouse(ctx context.Context, name string, names int, fill ...string) (_ *house, err error) {
	h := &house{dir: filepath.Join(r.dir, name), leaves: map[string]leaf{}, names: names}
	ca, err := devca.Open(filepath.Join(h.dir, "dev"), hosts().Suffixes())
	if err != nil {
		return nil, err
	}
	h.root = ca.Certificate().Raw
	for _, host := range []string{byRoles + domain, byPolicies + domain, hsmHost} {
		if err := h.certify(ca, host); err != nil {
			return nil, err
		}
	}
	srv, err := server.Open(ctx, serverConfig(h.dir, ca.GetCertificate))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.Shutdown(context.WithoutCancel(ctx))) }()
	if err := furnish(ctx, srv.Identity(), srv.Resources()); err != nil {
		return nil, err
	}
	for _, v := range fill {
		if err := r.fill(ctx, srv.Vaults(), v, names); err != nil {
			return nil, err
		}
	}
	for audience, token := range map[string]*string{"https://vault.azure.net": &h.token, "https://managedhsm.azure.net": &h.hsmToken} {
		issued, err := srv.Identity().IssueTo(ctx, audit.Origin{UserAgent: userAgent}, owner.AppID, audience)
		if err != nil {
			return nil, err
		}
		*token = string(issued.Access.Reveal())
	}
	return h, nil
}

func (h *house) certify(ca *devca.Authority, host string) error {
	cert, err := ca.GetCertificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	h.leaves[host] = leaf{cert.Certificate[0], key}
	return nil
}

// furnish makes the tenant, its application, the subscription and the vaults.
func furnish(ctx context.Context, ids *identity.Service, resources *resource.Service) error {
	if err := ids.EnsureTenant(ctx, identity.Tenant{ID: owner.TenantID, Domain: dev.TenantDomain, Name: "bench"}); err != nil {
		return err
	}
	app := identity.Application{ClientID: owner.AppID, ObjectID: owner.ObjectID, TenantID: owner.TenantID, Name: "bench"}
	if err := ids.EnsureApplication(ctx, app, identity.NewSecret()); err != nil {
		return err
	}
	if err := furnishVaults(ctx, resources); err != nil {
		return err
	}
	_, err := resources.EnsureHSM(ctx, resource.EnsureHSM{
		Subscription: dev.SubscriptionID, Group: group, Name: hsmName, Location: location, TenantID: owner.TenantID,
		Admin: owner.ObjectID, Roles: []string{access.LocalRoleCryptoUser},
	})
	return err
}

func furnishVaults(ctx context.Context, resources *resource.Service) error {
	err := resources.Bootstrap(ctx, resource.Bootstrap{
		TenantID: owner.TenantID, SubscriptionID: dev.SubscriptionID, SubscriptionName: "bench",
		OwnerObjectID: owner.ObjectID, OwnerRoles: []string{access.RoleOwner, access.RoleKeyVaultAdministrator},
	})
	if err != nil {
		return err
	}
	if err := resources.EnsureGroup(ctx, dev.SubscriptionID, group, location, nil); err != nil {
		return err
	}
	for _, name := range []string{byRoles, byPolicies} {
		roles := name == byRoles
		spec := resource.VaultSpec{
			Location: location, TenantID: owner.TenantID, SKUFamily: "A", SKUName: "premium", RBAC: &roles,
			Policies: []access.Policy{{
				TenantID: owner.TenantID, ObjectID: owner.ObjectID,
				Permissions: access.Permissions{Secrets: []string{"get", "list", "set", "delete"}},
			}},
		}
		call := resource.Call{Caller: owner, APIVersion: "2023-07-01"}
		if _, _, err := resources.PutVault(ctx, call, dev.SubscriptionID, group, name, spec); err != nil {
			return fmt.Errorf("vault %s: %w", name, err)
		}
	}
	return nil
}

// writers is how many secrets are written at once when a vault is filled: they
// share the syncs of the disk.
const writers = 256

// fill sets secrets through the service itself: nothing else may write its
// records.
func (r *run) fill(ctx context.Context, vaults *vault.Service, name string, secrets int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(writers, secrets) {
		all.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1)
				if n > int64(secrets) {
					return
				}
				if n%100_000 == 0 {
					r.progress("%d of %d secrets are set", n, secrets)
				}
				if err := setSecret(ctx, vaults, name, int(n-1)); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func setSecret(ctx context.Context, vaults *vault.Service, name string, n int) error {
	call := vault.Call{Caller: owner, Vault: name}
	_, err := vaults.SetSecret(ctx, call, string(appendName(nil, n)), vault.SetSecret{
		Value: secret.New([]byte(secretValue)), ContentType: &secretType, Tags: secretTags,
	})
	return err
}

// server returns a server process over the house.
func (h *house) server() spec {
	return spec{Server: &serverSpec{Listen: "127.0.0.1:0", Dir: h.dir, Leaves: h.leaves}}
}

// bare returns a server process that gives one answer of the house's server.
func (h *house) bare(a *answer) spec {
	return spec{Server: &serverSpec{Listen: "127.0.0.1:0", Leaves: h.leaves, Answer: a}}
}

// committing is bare, with the engine behind it.
func (h *house) committing(a *answer, e *engineSpec) spec {
	s := h.bare(a)
	s.Server.Engine = e
	return s
}

// load returns a load on one of the vaults, by one connection.
func (h *house) load(address, vault string, op operation) *loadSpec {
	return &loadSpec{
		requests: requests{Host: vault + domain, Token: h.token, Op: op, Names: h.names},
		Address:  address, Root: h.root, Connections: 1,
	}
}

// use returns a load of one request with a body, to a vault or the managed HSM.
func (h *house) use(address, host, path, body string) *loadSpec {
	l := h.load(address, "", opUse)
	l.Host, l.Path, l.Body = host, path, body
	if host == hsmHost {
		l.Token = h.hsmToken
	}
	return l
}
