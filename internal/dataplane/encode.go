package dataplane

import (
	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// call is who asks, from where and of which vault, for the domain.
func call(x *httpx.Exchange) vault.Call {
	return vault.Call{
		Caller: x.Caller,
		Origin: audit.Origin{
			RequestID:       x.RequestID,
			ClientRequestID: clientRequestID(x.Request),
			Address:         x.ClientAddress(),
			UserAgent:       httpx.ClientAgent(x.Request),
			APIVersion:      x.APIVersion,
		},
		Vault: x.Site.Container(),
	}
}

// readAttributes returns what a caller may set of an object.
func readAttributes(a *api.Attributes) vault.Attributes {
	if a == nil {
		return vault.Attributes{}
	}
	return vault.Attributes{Enabled: a.Enabled, NotBefore: (*int64)(a.NotBefore), Expires: (*int64)(a.Expires)}
}

// objectID returns the URL of an object: of a version of it, unless version is
// empty.
func objectID(x *httpx.Exchange, collection, name, version string) string {
	var room [256]byte
	id := x.Site.AppendContainerURL(room[:0])
	for _, segment := range [...]string{collection, name, version} {
		if segment != "" {
			id = append(append(id, '/'), segment...)
		}
	}
	return string(id)
}

// attributes returns what every kind of object shows, as the api-version has
// it.
func attributes(x *httpx.Exchange, o *vault.Object) *api.Attributes {
	a := &api.Attributes{
		Enabled:       &o.Enabled,
		NotBefore:     (*api.UnixTime)(o.NotBefore),
		Expires:       (*api.UnixTime)(o.Expires),
		Created:       (*api.UnixTime)(&o.Created),
		Updated:       (*api.UnixTime)(&o.Updated),
		RecoveryLevel: api.RecoveryLevel(o.RecoveryLevel),
	}
	if since(x, api.Version71Preview) {
		days := int32(o.RecoverableDays)
		a.RecoverableDays = &days
	}
	return a
}

// tags returns the tags of an object, or nil without any: whether it was given an
// empty set of them or none is forgotten by the next answer, so no answer shows
// it.
func tags(o *vault.Object) map[string]string {
	if len(o.Tags) == 0 {
		return nil
	}
	return o.Tags
}

// deletion returns what the deleted form of an object adds. It is empty in a
// vault without soft delete, where the object is gone.
func deletion(x *httpx.Exchange, collection string, o *vault.Object) api.Deletion {
	if o.Deleted == nil {
		return api.Deletion{}
	}
	return api.Deletion{
		RecoveryID:         objectID(x, collection, o.Name, ""),
		DeletedDate:        (*api.UnixTime)(&o.Deleted.At),
		ScheduledPurgeDate: (*api.UnixTime)(&o.Deleted.PurgeAt),
	}
}
