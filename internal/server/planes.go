package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/dataplane"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/mgmtplane"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/tokenplane"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// planes are the handlers by what a host serves.
type planes struct {
	vault, management http.Handler
	token             *tokenplane.Plane
}

// dispatch sends a request to the plane of its host. Names that the table does
// not have are refused: no address may be rendered from a host that anyone can
// write.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	site, ok := s.cfg.Hosts.Lookup(r.Host)
	if !ok {
		refuse(w, http.StatusMisdirectedRequest, "MisdirectedRequest",
			"This service does not answer for the host of the request. Use a host name of its host table, or start it with --domain.")
		return
	}
	r = r.WithContext(httpx.WithSite(r.Context(), site))
	switch {
	case site.Vault != "":
		s.planes.vault.ServeHTTP(w, r)
	case site.HSM != "":
		refuse(w, http.StatusNotImplemented, "NotImplemented", "Managed HSMs are not built; use a vault.")
	case site.Login && (!site.Management || s.planes.token.Serves(r.URL.EscapedPath())):
		s.planes.token.ServeHTTP(w, r)
	default:
		s.planes.management.ServeHTTP(w, r)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("X-Ms-Request-Id", httpx.NewRequestID())
	// The connection is the only one to tell of a failure to write to it.
	_ = httpx.WriteJSON(w, status, struct {
		Error detail `json:"error"`
	}{detail{code, message}})
}

// connect builds the domain over the data, and the planes over the domain.
func (s *Server) connect(ctx context.Context) error {
	d, cfg := s.data, s.cfg
	vaults, management := audiences(cfg.Hosts, cfg.Ports)
	s.identity = identity.New(identity.Config{
		Store: d.store, Sealer: d.keyring.System(), Issuer: cfg.Issuer, Now: wallClock, Logger: cfg.Logger,
		Audiences:    map[identity.Plane][]string{identity.PlaneVault: vaults, identity.PlaneManagement: management},
		OnAdopt:      cfg.OnAdopt,
		AliasTenants: cfg.AliasTenants,
	})
	if err := s.identity.Start(ctx); err != nil {
		return err
	}
	s.vaults = vault.New(vault.Config{
		Store: d.store, Catalog: d.catalog, Audit: d.audit, Backups: d.backups, Now: cfg.DomainClock, Logger: cfg.Logger,
	})
	s.resources = resource.New(resource.Config{
		Store: d.store, Catalog: d.catalog, Keyring: d.keyring, Audit: d.audit,
		Now: cfg.DomainClock, Compact: d.store.Compact, Logger: cfg.Logger,
	})
	s.planes = planes{
		vault: dataplane.New(dataplane.Config{
			Vaults: s.vaults, Verify: s.verifier(identity.PlaneVault),
			MissingVault: cfg.OnMissingVault, Logger: cfg.Logger,
		}),
		management: mgmtplane.New(mgmtplane.Config{
			Resources: s.resources, Verify: s.verifier(identity.PlaneManagement),
			Hosts: cfg.Hosts, Logger: cfg.Logger,
		}),
		token: tokenplane.New(tokenplane.Config{Identity: s.identity, Hosts: cfg.Hosts, Logger: cfg.Logger}),
	}
	return nil
}

func (s *Server) verifier(p identity.Plane) func(context.Context, string) (access.Caller, error) {
	return func(ctx context.Context, bearer string) (access.Caller, error) {
		return s.identity.Verify(ctx, p, bearer)
	}
}

// audiences returns what tokens may be for: the vaults and the management plane
// under each of their names and ports, Azure's own names for both (clients of
// any configuration ask for those), and the ids of Azure's applications.
func audiences(hosts httpx.Hosts, ports []int) (vaults, management []string) {
	vaults = []string{"https://vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}
	management = []string{
		"https://management.core.windows.net/", "https://management.azure.com/",
		"797f4846-ba00-4fd7-ba43-dac1f8f63013",
	}
	suffixes := []string{""}
	for _, p := range ports {
		if p != 443 {
			suffixes = append(suffixes, ":"+strconv.Itoa(p))
		}
	}
	for _, row := range hosts {
		managers := row.Management
		if row.Loopback {
			managers = append([]string{"127.0.0.1", "[::1]"}, managers...)
		}
		for _, port := range suffixes {
			vaults = append(vaults, fmt.Sprintf("https://%s%s", row.VaultSuffix, port))
			for _, m := range managers {
				management = append(management, fmt.Sprintf("https://%s%s", m, port))
			}
		}
	}
	return vaults, management
}
