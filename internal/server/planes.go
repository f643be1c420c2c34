package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/dataplane"
	"github.com/openkeyvault/openkeyvault/internal/directoryplane"
	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/hsm"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/mgmtplane"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/tokenplane"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// planes are the handlers by what a host serves.
type planes struct {
	vault, hsm            *httpx.Plane
	management, directory http.Handler
	token                 *tokenplane.Plane
}

// handle answers a request. Its own frame is small, so that the stack does not grow
// before growStack.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		growStack()
	}
	s.dispatch(w, r)
}

// dispatch sends a request to the plane of its host. Names that the table does
// not have are refused: no address may be rendered from a host that anyone can
// write.
//
//go:noinline
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	site, ok := s.site(r.Host)
	switch {
	case !ok:
		refuse(w, http.StatusMisdirectedRequest, "MisdirectedRequest",
			"This service does not answer for the host of the request. Use a host name of its host table, or add its domain to the configuration.")
	case s.draining.Load():
		s.refuseDraining(w, r.WithContext(httpx.WithSite(r.Context(), site)), site)
	case site.Vault != "":
		s.planes.vault.ServeSite(w, r, site)
	default:
		s.dispatchOther(w, r.WithContext(httpx.WithSite(r.Context(), site)), site)
	}
}

// dispatchOther is dispatch for hosts that are no vault's.
func (s *Server) dispatchOther(w http.ResponseWriter, r *http.Request, site httpx.Site) {
	switch {
	case site.HSM != "":
		s.planes.hsm.ServeHTTP(w, r)
	case isDirectory(site, r):
		s.planes.directory.ServeHTTP(w, r)
	case s.isToken(site, r):
		s.planes.token.ServeHTTP(w, r)
	default:
		s.planes.management.ServeHTTP(w, r)
	}
}

// site finds the host of a request in the table, or among those that were found
// there before.
func (s *Server) site(host string) (httpx.Site, bool) {
	if site, ok := s.sites.Get(host); ok {
		return site, true
	}
	site, ok := s.cfg.Hosts.Lookup(host)
	if ok && len(host) <= maxCachedHost {
		s.sites.Put(host, site)
	}
	return site, ok
}

// isToken reports whether a request that is not for a vault is for the token
// service.
func (s *Server) isToken(site httpx.Site, r *http.Request) bool {
	return site.Login && !isDirectory(site, r) && (!site.Management || s.planes.token.Serves(r.URL.EscapedPath()))
}

// isDirectory is isToken for the directory. Its version, which the token service
// would take for a tenant's domain, tells it on a host that it shares.
func isDirectory(site httpx.Site, r *http.Request) bool {
	return site.Directory && (!site.Management || strings.HasPrefix(r.URL.EscapedPath(), "/v1.0/"))
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
	audiences := audiences(cfg.Hosts, cfg.Ports)
	s.identity = identity.New(identity.Config{
		Store: d.records, Sealer: d.keyring.System(), Audit: d.audit, Issuer: cfg.Issuer, Now: wallClock, Logger: cfg.Logger,
		Audiences:    audiences,
		OnAdopt:      cfg.OnAdopt,
		AliasTenants: cfg.AliasTenants,
	})
	if err := s.identity.Start(ctx); err != nil {
		return err
	}
	attestation := release.NewVerifier(release.VerifierConfig{Fetch: egress.New(cfg.Egress).Get, Now: wallClock, Logger: cfg.Logger})
	s.vaults = vault.New(vault.Config{
		Store: d.records, Catalog: d.catalog, Audit: d.audit, Backups: d.backups, Now: cfg.DomainClock, Logger: cfg.Logger, Attestation: attestation,
	})
	// What falls due in managed HSMs is seen to by s.vaults: it goes by the ids of
	// their documents.
	hsms := d.catalog.HSMs()
	keysOfHSMs := vault.New(vault.Config{
		Store: d.records, Catalog: hsms, Audit: d.audit, Backups: d.backups, Now: cfg.DomainClock, Logger: cfg.Logger, Attestation: attestation,
	})
	s.resources = resource.New(resource.Config{
		Store: d.records, Catalog: d.catalog, Keyring: d.keyring, Audit: d.audit,
		Now: cfg.DomainClock, Compact: d.store.Compact, Principal: s.identity.PrincipalType, Logger: cfg.Logger,
	})
	certificate := func(host string) (*tls.Certificate, error) {
		return cfg.Certificate(&tls.ClientHelloInfo{ServerName: host})
	}
	s.planes = planes{
		vault: dataplane.New(dataplane.Config{
			Vaults: s.vaults, Verify: s.verifier(identity.PlaneVault),
			Certificate:  certificate,
			MissingVault: cfg.OnMissingVault, Logger: cfg.Logger,
		}),
		hsm: dataplane.New(dataplane.Config{
			Vaults: keysOfHSMs, HSM: hsm.New(hsm.Config{Catalog: hsms, Audit: d.audit}), Verify: s.verifier(identity.PlaneHSM),
			Certificate:  certificate,
			MissingVault: cfg.OnMissingHSM, Logger: cfg.Logger,
		}),
		management: mgmtplane.New(mgmtplane.Config{
			Resources: s.resources, Verify: s.verifier(identity.PlaneManagement),
			Hosts: cfg.Hosts, Logger: cfg.Logger,
		}),
		directory: directoryplane.New(directoryplane.Config{
			Directory: identity.NewDirectory(identity.DirectoryConfig{Identity: s.identity, Catalog: d.catalog, Audit: d.audit}),
			Verify:    s.verifier(identity.PlaneDirectory), Logger: cfg.Logger,
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

// audiences returns what tokens may be for: the vaults, the managed HSMs and the
// management plane under each of their names and ports, Azure's own names for them
// (clients of any configuration ask for those), and the ids of Azure's applications.
// Where the management plane has the directory on its hosts, a token for the one is
// a token for the other.
func audiences(hosts httpx.Hosts, ports []int) map[identity.Plane][]string {
	vaults := []string{"https://vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}
	hsms := []string{"https://managedhsm.azure.net", "589d5083-6f11-4d30-a62a-a4b316a14abf"}
	management := []string{
		"https://management.core.windows.net/", "https://management.azure.com/",
		"797f4846-ba00-4fd7-ba43-dac1f8f63013",
	}
	directory := []string{"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"}
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
			hsms = append(hsms, fmt.Sprintf("https://%s%s", row.HSMSuffix, port))
			for _, m := range managers {
				management = append(management, fmt.Sprintf("https://%s%s", m, port))
				if len(row.Directory) == 0 {
					directory = append(directory, fmt.Sprintf("https://%s%s", m, port))
				}
			}
			for _, host := range row.Directory {
				directory = append(directory, fmt.Sprintf("https://%s%s", host, port))
			}
		}
	}
	return map[identity.Plane][]string{
		identity.PlaneVault: once(vaults), identity.PlaneHSM: once(hsms), identity.PlaneManagement: once(management), identity.PlaneDirectory: once(directory),
	}
}

// once returns the audiences without those that say the same as an earlier one:
// refusals of tokens list them all.
func once(audiences []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, a := range audiences {
		if same := strings.TrimSuffix(a, "/"); !seen[same] {
			seen[same] = true
			kept = append(kept, a)
		}
	}
	return kept
}
