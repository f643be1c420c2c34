package dataplane

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

func (p *plane) backupSecret(x *httpx.Exchange) error { return backUp(x, p.Vaults.BackupSecret) }

func (p *plane) backupKey(x *httpx.Exchange) error { return backUp(x, p.Vaults.BackupKey) }

func backUp(x *httpx.Exchange, do func(context.Context, vault.Call, string) ([]byte, error)) error {
	blob, err := do(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, api.BackupResult{Value: blob})
}

func (p *plane) restoreSecret(x *httpx.Exchange) error {
	return restore(x, p.Vaults.RestoreSecret, secretBundle)
}

func (p *plane) restoreKey(x *httpx.Exchange) error {
	return restore(x, p.Vaults.RestoreKey, keyBundle)
}

func restore[D, W any](x *httpx.Exchange, do func(context.Context, vault.Call, []byte) (D, error), render func(*httpx.Exchange, D) W) error {
	var body api.RestoreParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	restored, err := do(x.Context(), call(x), body.Value)
	if err != nil {
		return withAddress(x, err)
	}
	return x.Reply(http.StatusOK, render(x, restored))
}

// withAddress has an error name the object by its URL, as Azure does.
func withAddress(x *httpx.Exchange, err error) error {
	f, ok := fault.As(err)
	path := pathIn(err)
	if !ok || path == "" {
		return err
	}
	named := *f
	named.Message = strings.Replace(f.Message, path, x.Site.ContainerURL()+"/"+path, 1)
	return &named
}

// pathIn returns the path of an object that the error's message holds, or "".
func pathIn(err error) string {
	var conflict *vault.RestoreConflict
	if errors.As(err, &conflict) {
		return conflict.Path
	}
	var mismatch *vault.CurveMismatch
	if errors.As(err, &mismatch) {
		return mismatch.Path
	}
	return ""
}
