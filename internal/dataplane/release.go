package dataplane

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// maxNonce bounds what comes back in an answer as it was sent, in bytes.
const maxNonce = 1 << 10

func (p *plane) releaseKey(x *httpx.Exchange) error {
	var body api.KeyReleaseParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	if body.Enc == "" {
		body.Enc = string(keyops.RSAAESKeyWrap)
	}
	k, err := p.Vaults.ReleaseKey(x.Context(), call(x), x.Params["name"], x.Params["version"], vault.ReleaseKey{
		Target: body.Target, Encryption: keyops.ReleaseEncryption(body.Enc), Rejected: checkRelease(body),
	})
	if err != nil {
		return err
	}
	signed, err := p.signRelease(x, body, k)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, api.KeyReleaseResult{Value: signed})
}

func checkRelease(body api.KeyReleaseParameters) error {
	if body.Target == "" {
		return badParameter("%s", requiredText("target")+"It is the attestation token of the environment that the key is released to.")
	}
	if len(body.Nonce) > maxNonce {
		return badParameter("Invalid length of 'nonce': %d bytes. At most %d bytes are supported.", len(body.Nonce), maxNonce)
	}
	return nil
}

// releasePayload is what the signed answer says. The key's id in the request has
// no version if the request had none.
type releasePayload struct {
	Request struct {
		APIVersion string `json:"api-version"`
		Enc        string `json:"enc"`
		KID        string `json:"kid"`
		Nonce      string `json:"nonce,omitempty"`
	} `json:"request"`
	Response struct {
		Key api.KeyBundle `json:"key"`
	} `json:"response"`
}

// signRelease signs with the key of the certificate that the vault's host shows, as
// Azure does: whoever trusts the one can verify the other.
func (p *plane) signRelease(x *httpx.Exchange, body api.KeyReleaseParameters, k *vault.ReleasedKey) (string, error) {
	var payload releasePayload
	payload.Request.APIVersion, payload.Request.Enc, payload.Request.Nonce = x.APIVersion, body.Enc, body.Nonce
	payload.Request.KID = objectID(x, keys, k.Name, x.Params["version"])
	payload.Response.Key = keyBundle(x, &k.Key)
	payload.Response.Key.Key.KeyHSM = k.Wrapped
	text, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	host, err := url.Parse(x.Site.ContainerURL())
	if err != nil {
		return "", err
	}
	cert, err := p.Certificate(host.Hostname())
	if err != nil {
		return "", err
	}
	return release.Sign(cert, text)
}

func readReleasePolicy(x *httpx.Exchange, p *api.ReleasePolicy) *vault.ReleasePolicy {
	if p == nil || !since(x, api.Version73Preview) {
		return nil
	}
	return &vault.ReleasePolicy{ContentType: p.ContentType, Data: p.Data, Immutable: p.Immutable != nil && *p.Immutable}
}

func releasePolicy(x *httpx.Exchange, k *vault.Key) *api.ReleasePolicy {
	p := k.ReleasePolicy
	if p == nil || !since(x, api.Version73Preview) {
		return nil
	}
	return &api.ReleasePolicy{ContentType: p.ContentType, Data: p.Data, Immutable: &p.Immutable}
}
