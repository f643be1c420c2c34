package mgmtplane

import (
	"context"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// Vaults and managed HSMs have operations of the same shape. Each function of this
// file makes a handler of such an operation from what the domain does and from how
// the result is shown.

type handler = func(*httpx.Exchange) error

// renderer makes the wire's form of a vault or a managed HSM.
type renderer[W any] func(*httpx.Exchange, *catalog.Vault) W

// change answers with what has become of a resource under the spec of the body.
func change[S, W any](
	read func(*httpx.Exchange) (S, error),
	write func(ctx context.Context, c resource.Call, subscription, group, name string, spec S) (*catalog.Vault, error),
	render renderer[W],
) handler {
	return func(x *httpx.Exchange) error {
		spec, err := read(x)
		if err != nil {
			return err
		}
		v, err := write(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"], spec)
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, render(x, v))
	}
}

// show answers with a resource of the place, a group or a location, that the
// parameter in names.
func show[W any](
	in string,
	get func(ctx context.Context, c resource.Call, subscription, place, name string) (*catalog.Vault, error),
	render renderer[W],
) handler {
	return func(x *httpx.Exchange) error {
		v, err := get(x.Context(), call(x), x.Params["subscription"], x.Params[in], x.Params["vault"])
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, render(x, v))
	}
}

// showPage answers with a page of a list.
func showPage[W any](
	list func(ctx context.Context, c resource.Call, subscription, group string, page resource.PageRequest) (resource.Page[*catalog.Vault], error),
	render renderer[W],
) handler {
	return func(x *httpx.Exchange) error {
		page, err := readPage(x)
		if err != nil {
			return err
		}
		found, err := list(x.Context(), call(x), x.Params["subscription"], x.Params["group"], page)
		if err != nil {
			return err
		}
		return replyPage(x, found, func(v *catalog.Vault) W { return render(x, v) })
	}
}

// showDeleted is showPage for what is in no group any more.
func showDeleted[W any](
	list func(ctx context.Context, c resource.Call, subscription string, page resource.PageRequest) (resource.Page[*catalog.Vault], error),
	render renderer[W],
) handler {
	inAnyGroup := func(ctx context.Context, c resource.Call, subscription, _ string, page resource.PageRequest) (resource.Page[*catalog.Vault], error) {
		return list(ctx, c, subscription, page)
	}
	return showPage(inAnyGroup, render)
}

// checkName answers whether a name is free.
func checkName(check func(ctx context.Context, c resource.Call, subscription, name string) (resource.NameCheck, error)) handler {
	return func(x *httpx.Exchange) error {
		var body arm.CheckNameAvailabilityParameters
		if err := readBody(x, &body); err != nil {
			return err
		}
		found, err := check(x.Context(), call(x), x.Params["subscription"], body.Name)
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, arm.CheckNameAvailabilityResult{
			NameAvailable: found.Available, Reason: found.Reason, Message: found.Message,
		})
	}
}

// purge answers where to ask how far the purge is.
func purge(begin func(ctx context.Context, c resource.Call, subscription, location, name string) (job string, err error)) handler {
	return func(x *httpx.Exchange) error {
		subscription, location := x.Params["subscription"], x.Params["location"]
		job, err := begin(x.Context(), call(x), subscription, location, x.Params["vault"])
		if err != nil {
			return err
		}
		return replyPolling(x, "/subscriptions/"+subscription+"/providers/Microsoft.KeyVault/locations/"+
			resource.NormalLocation(location)+"/operationResults/"+job, nil)
	}
}

// recovers reports whether a mode of creation is that of recovery, and refuses what
// is none.
func recovers(mode string) (bool, error) {
	if strings.EqualFold(mode, arm.CreateModeRecover) {
		return true, nil
	}
	if mode == "" || strings.EqualFold(mode, arm.CreateModeDefault) {
		return false, nil
	}
	return false, fault.New(fault.Invalid, arm.CodeBadRequest, "Invalid value found at properties.createMode: %s", clip(mode, 64))
}

// publicAccess returns what is shown of where no choice was made, too.
func publicAccess(v *catalog.Vault) *string {
	state := v.PublicNetworkAccess
	if state == "" {
		state = arm.PublicAccessEnabled
	}
	return &state
}
