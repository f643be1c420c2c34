package dataplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

const (
	secrets        = "secrets"
	deletedSecrets = "deletedsecrets"
)

func (p *plane) setSecret(x *httpx.Exchange) error {
	var body api.SecretSetParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	in := vault.SetSecret{ContentType: body.ContentType, Tags: body.Tags, Attributes: readAttributes(body.Attributes)}
	// A value that is missing stays the zero value, which the domain refuses
	// once it knows that the caller may set secrets at all.
	if body.Value != nil {
		in.Value = secret.New([]byte(*body.Value))
	}
	s, err := p.Vaults.SetSecret(x.Context(), call(x), x.Params["name"], in)
	if err != nil {
		return err
	}
	answer := secretBundle(x, s)
	answer.Value = body.Value
	return x.Reply(http.StatusOK, (*secretAnswer)(&answer))
}

func (p *plane) getSecret(x *httpx.Exchange) error {
	if err := checkOutContentType(x); err != nil {
		return err
	}
	s, err := p.Vaults.GetSecret(x.Context(), call(x), x.Params["name"], x.Params["version"])
	if err != nil {
		return err
	}
	answer := secretBundle(x, s)
	value := string(s.Value.Reveal())
	answer.Value = &value
	if err := x.Reply(http.StatusOK, (*secretAnswer)(&answer)); err != nil {
		return err
	}
	p.answers.keep(x, s.Reading, (*secretAnswer)(&answer))
	return nil
}

// checkOutContentType refuses to convert. The parameter is about the secret of
// a certificate, which the vaults of this build do not have; giving a plain
// secret unconverted would pass for an answer.
func checkOutContentType(x *httpx.Exchange) error {
	if !since(x, api.Version20250601Preview) {
		return nil
	}
	if wanted, given := x.QueryValue("outContentType"); given && wanted != "" {
		return badParameter("The outContentType '%s' cannot be served: the content is not that of a certificate, and only certificates are converted.", clip(wanted))
	}
	return nil
}

func (p *plane) updateSecret(x *httpx.Exchange) error {
	var body api.SecretUpdateParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	s, err := p.Vaults.UpdateSecret(x.Context(), call(x), x.Params["name"], x.Params["version"], vault.UpdateSecret{
		ContentType: body.ContentType, Tags: body.Tags, Attributes: readAttributes(body.Attributes),
	})
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, secretBundle(x, s))
}

func (p *plane) deleteSecret(x *httpx.Exchange) error {
	s, err := p.Vaults.DeleteSecret(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, deletedSecretBundle(x, s))
}

func (p *plane) listSecrets(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Vaults.ListSecrets(x.Context(), call(x), asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/secrets", found, func(x *httpx.Exchange, s *vault.Secret) api.SecretItem {
		return secretItem(x, s, "")
	})
}

func (p *plane) listSecretVersions(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	name := x.Params["name"]
	found, err := p.Vaults.ListSecretVersions(x.Context(), call(x), name, asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/secrets/"+name+"/versions", found, func(x *httpx.Exchange, s *vault.Secret) api.SecretItem {
		return secretItem(x, s, s.Version)
	})
}

func (p *plane) listDeletedSecrets(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Vaults.ListDeletedSecrets(x.Context(), call(x), asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/deletedsecrets", found, func(x *httpx.Exchange, s *vault.Secret) api.DeletedSecretItem {
		return api.DeletedSecretItem{Deletion: deletion(x, deletedSecrets, &s.Object), SecretItem: secretItem(x, s, "")}
	})
}

func (p *plane) getDeletedSecret(x *httpx.Exchange) error {
	s, err := p.Vaults.GetDeletedSecret(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, deletedSecretBundle(x, s))
}

func (p *plane) recoverSecret(x *httpx.Exchange) error {
	s, err := p.Vaults.RecoverSecret(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, secretBundle(x, s))
}

func (p *plane) purgeSecret(x *httpx.Exchange) error {
	if err := p.Vaults.PurgeSecret(x.Context(), call(x), x.Params["name"]); err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}

// secretBundle renders a version of a secret, without its value.
func secretBundle(x *httpx.Exchange, s *vault.Secret) api.SecretBundle {
	return api.SecretBundle{
		ContentType: contentType(s),
		ID:          objectID(x, secrets, s.Name, s.Version),
		Managed:     s.Managed,
		Attributes:  attributes(x, &s.Object),
		Tags:        tags(&s.Object),
	}
}

func deletedSecretBundle(x *httpx.Exchange, s *vault.Secret) api.DeletedSecretBundle {
	return api.DeletedSecretBundle{Deletion: deletion(x, deletedSecrets, &s.Object), SecretBundle: secretBundle(x, s)}
}

// secretItem renders a secret as a list shows it, under its version's id unless
// version is empty.
func secretItem(x *httpx.Exchange, s *vault.Secret, version string) api.SecretItem {
	return api.SecretItem{
		ContentType: contentType(s),
		ID:          objectID(x, secrets, s.Name, version),
		Managed:     s.Managed,
		Attributes:  attributes(x, &s.Object),
		Tags:        tags(&s.Object),
	}
}

func contentType(s *vault.Secret) string {
	if s.ContentType == nil {
		return ""
	}
	return *s.ContentType
}
