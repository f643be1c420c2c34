package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// The names of sign-ins in the audit log, after Entra ID's logs of them.
const (
	servicePrincipalSignIn = "ServicePrincipalSignIn"
	managedIdentitySignIn  = "ManagedIdentitySignIn"
)

// signIn is one request for a token on its way to the audit log.
type signIn struct {
	name     string
	origin   audit.Origin
	resource string
	app      *applicationRecord // nil until it is known who asks
}

// conclude audits a sign-in and returns what the caller is told. What names no
// application of ours is not recorded, and refusals only so often: whoever reaches
// the service can ask for tokens, and must not be able to fill the disk with it.
func (s *Service) conclude(ctx context.Context, in *signIn, err error) error {
	if in.app == nil {
		return err
	}
	r := in.record()
	var refused *Error
	switch {
	case err == nil:
		r.Caller.Issuer = s.Issuer(in.app.TenantID)
	case errors.As(err, &refused):
		r.Code, r.Reason = refused.code(), refused.Message
	default:
		r.Code = "InternalServerError"
	}
	if err != nil {
		left, ok := s.refused.record(s.cfg.Now())
		if !ok {
			return err
		}
		if left > 0 {
			r.Reason += fmt.Sprintf(" (%d refused sign-ins before this one are not in this log.)", left)
		}
	}
	if failed := s.cfg.Audit.Write(context.WithoutCancel(ctx), r); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// record names the application whether or not it has proved to be the one that asks.
func (in *signIn) record() *audit.Record {
	return &audit.Record{
		Operation: in.name, Resource: directoryScope, Object: clip(in.resource), Origin: in.origin,
		Caller: access.Caller{TenantID: in.app.TenantID, ObjectID: in.app.ObjectID, AppID: in.app.ClientID},
	}
}

// recordedRefusals is how many refused sign-ins a minute are in the audit log.
const recordedRefusals = 60

// refusals counts refused sign-ins. It is safe for concurrent use.
type refusals struct {
	mu       sync.Mutex // guards all below
	minute   int64
	recorded int // in that minute
	left     int // since the last one that was recorded
}

// record reports whether the next one is to be recorded, and then how many have
// not been since the last one that was.
func (r *refusals) record(now time.Time) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now.Unix() / 60; minute != r.minute {
		r.minute, r.recorded = minute, 0
	}
	if r.recorded == recordedRefusals {
		r.left++
		return 0, false
	}
	left, r.left = r.left, 0
	r.recorded++
	return left, true
}

// IsUnavailable reports whether err says that nothing can be audited now, so that
// no token is issued either.
func IsUnavailable(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Unavailable
}
