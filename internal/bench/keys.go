package bench

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/server"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// keyConnections keep a core busy with operations that take long.
const keyConnections = 16

// keyUse is one operation of the scenario.
type keyUse struct {
	primitive primitive
	name      string // of the key
	spec      keyops.Spec
	operation string // the last segment of the path
	algorithm keyops.Algorithm
	value     int // bytes of what is signed or unwrapped
	budget    float64
}

// keyUses are the algorithms that have a budget. Where the primitive takes no
// longer than a request over TLS, the budget leaves room for that.
var keyUses = []keyUse{
	{rs256, "rsa-2048", keyops.Spec{Type: keyops.TypeRSA, Bits: 2048}, "sign", keyops.RS256, 32, 0.85},
	{ps256, "rsa-3072", keyops.Spec{Type: keyops.TypeRSA, Bits: 3072}, "sign", keyops.PS256, 32, 0.85},
	{unwrap, "rsa-wrap", keyops.Spec{Type: keyops.TypeRSA, Bits: 2048}, "unwrapkey", keyops.RSAOAEP256, 32, 0.85},
	{es256, "p-256", keyops.Spec{Type: keyops.TypeEC, Curve: keyops.CurveP256}, "sign", keyops.ES256, 32, 0.50},
	{es384, "p-384", keyops.Spec{Type: keyops.TypeEC, Curve: keyops.CurveP384}, "sign", keyops.ES384, 48, 0.50},
	// Symmetric keys are a managed HSM's.
	{gcm, "aes-256", keyops.Spec{Type: keyops.TypeOct, Bits: 256}, "encrypt", keyops.A256GCM, gcmValue, 0.50},
}

// keys measures operations with keys through HTTP, against the primitive alone on
// the same core, and against the primitive behind a bare TLS handler.
func (r *run) keys(ctx context.Context) error {
	h, err := r.newHouse(ctx, "keys", r.sizes.warm, byRoles)
	if err != nil {
		return err
	}
	bodies, err := h.makeKeys(ctx)
	if err != nil {
		return err
	}
	for _, u := range keyUses {
		if err := r.compareKey(ctx, h, u, bodies[u.name]); err != nil {
			return fmt.Errorf("%s: %w", u.primitive, err)
		}
	}
	return r.generation(ctx, h)
}

// makeKeys makes the keys in the vault that roles decide about, and returns the
// body of a request for each.
func (h *house) makeKeys(ctx context.Context) (bodies map[string]string, err error) {
	none := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("nobody connects") }
	srv, err := server.Open(ctx, serverConfig(h.dir, none))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.Shutdown(context.WithoutCancel(ctx))) }()
	bodies = map[string]string{}
	for _, u := range keyUses {
		call := vault.Call{Caller: owner, Vault: byRoles}
		if u.spec.Type == keyops.TypeOct {
			bodies[u.name] = u.body(make([]byte, u.value))
			continue
		}
		if _, err := srv.Vaults().CreateKey(ctx, call, u.name, vault.CreateKey{Spec: u.spec}); err != nil {
			return nil, err
		}
		value := make([]byte, u.value)
		if u.operation == "unwrapkey" {
			made, err := srv.Vaults().WrapKey(ctx, call, u.name, "", vault.CipherRequest{Algorithm: u.algorithm, Input: keyops.Input{Value: value}})
			if err != nil {
				return nil, err
			}
			value = made.Value
		}
		bodies[u.name] = u.body(value)
	}
	return bodies, nil
}

func (u keyUse) body(value []byte) string {
	return fmt.Sprintf(`{"alg":%q,"value":%q}`, u.algorithm, base64.RawURLEncoding.EncodeToString(value))
}

func (r *run) compareKey(ctx context.Context, h *house, u keyUse, body string) (err error) {
	host := byRoles + domain
	if u.spec.Type == keyops.TypeOct {
		host = hsmHost
	}
	load := func(address string) *loadSpec {
		l := h.use(address, host, "/keys/"+u.name+"//"+u.operation, body)
		l.Connections = keyConnections
		return l
	}
	ours, err := r.startSide(ctx, serverCore(), h.server(), load)
	if err != nil {
		return err
	}
	defer func() { ours.stop(&err) }()
	if host == hsmHost {
		if _, err := fetch(ctx, h.use(ours.worker.address, host, "/keys/"+u.name+"/create", `{"kty":"oct-HSM","key_size":256}`)); err != nil {
			return err
		}
	}
	same, err := fetch(ctx, load(ours.worker.address))
	if err != nil {
		return err
	}
	alone, err := r.spawn(ctx, serverCore(), spec{Primitive: u.primitive})
	if err != nil {
		return err
	}
	limit := &side{worker: alone, asker: alone}
	defer func() { limit.stop(&err) }()
	bare, err := r.startSide(ctx, serverCore(), h.using(same, u.primitive), load)
	if err != nil {
		return err
	}
	defer func() { bare.stop(&err) }()
	if err := r.alternate(ours, limit, bare); err != nil {
		return err
	}
	row := Row{Scenario: string(u.primitive), Unit: PerSecond, LimitOf: "the primitive alone on the same core", Budget: ratioAtLeast(u.budget)}
	behind := row
	row.Note = costs(ours, limit)
	r.add(compare(row, ours.each(work.rate), limit.each(work.rate)))
	behind.Scenario += ", HTTP at the limit too"
	behind.LimitOf, behind.Budget = "the primitive behind a bare net/http TLS handler", nil
	behind.Note = costs(ours, bare)
	if serverCore() != anyCore {
		behind.Note += doubts(ours, bare)
	}
	r.add(compare(behind, ours.each(work.rate), bare.each(work.rate)))
	return r.profiled(ours, slug(row.Scenario))
}

// using is bare, with a primitive for every request.
func (h *house) using(a *answer, p primitive) spec {
	s := h.bare(a)
	s.Server.Primitive = p
	return s
}
