package directoryplane

import (
	"net/http"
	"time"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// secretYears is how long a secret is good for whose end nobody chose.
const secretYears = 2

func (p *Plane) listApplications(x *httpx.Exchange) error {
	return list(p, x, "applications", false, application)
}

// list answers with a page of applications or of their service principals.
func list[T any](p *Plane, x *httpx.Exchange, collection string, principals bool, render func(*identity.Registration) T) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	f, err := readFilter(x)
	if err != nil {
		return err
	}
	f.Principals = principals
	found, next, err := p.Directory.ListApplications(x.Context(), call(x), f, page)
	if err != nil {
		return err
	}
	answer := graph.Page[T]{Context: contextURL(x, collection), Value: make([]T, len(found))}
	for i, r := range found {
		answer.Value[i] = render(r)
	}
	if next != "" {
		answer.NextLink = nextLink(x, next)
	}
	return x.Reply(http.StatusOK, answer)
}

func (p *Plane) createApplication(x *httpx.Exchange) error {
	var body graph.CreateApplicationRequest
	if err := readBody(x, &body); err != nil {
		return err
	}
	made, err := p.Directory.CreateApplication(x.Context(), call(x), body.DisplayName)
	if err != nil {
		return err
	}
	return replyApplication(x, http.StatusCreated, made)
}

func (p *Plane) getApplication(x *httpx.Exchange) error {
	found, err := p.Directory.GetApplication(x.Context(), call(x), applicationRef(x))
	if err != nil {
		return err
	}
	return replyApplication(x, http.StatusOK, found)
}

func (p *Plane) deleteApplication(x *httpx.Exchange) error {
	if err := p.Directory.DeleteApplication(x.Context(), call(x), applicationRef(x)); err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}

func (p *Plane) addPassword(x *httpx.Exchange) error {
	var body graph.AddPasswordRequest
	if err := readBody(x, &body); err != nil {
		return err
	}
	// As Graph has it, every secret has an end.
	now := time.Now().UTC().Truncate(time.Second)
	spec := identity.SecretSpec{Start: now}
	if c := body.Password; c != nil {
		spec.Name = c.DisplayName
		spec.Start, spec.End = orElse(c.Start, now), orElse(c.End, time.Time{})
	}
	if spec.End.IsZero() {
		spec.End = spec.Start.AddDate(secretYears, 0, 0)
	}
	info, secret, err := p.Directory.AddSecret(x.Context(), call(x), applicationRef(x), spec)
	if err != nil {
		return err
	}
	made := password(info)
	made.SecretText = string(secret.Reveal())
	return x.Reply(http.StatusOK, passwordBody{contextURL(x, "microsoft.graph.passwordCredential"), made})
}

func orElse(t *time.Time, other time.Time) time.Time {
	if t == nil {
		return other
	}
	return *t
}

func (p *Plane) removePassword(x *httpx.Exchange) error {
	var body graph.RemovePasswordRequest
	if err := readBody(x, &body); err != nil {
		return err
	}
	if err := p.Directory.RemoveSecret(x.Context(), call(x), applicationRef(x), body.KeyID); err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}
