package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// ApplicationFilter selects applications. Members that are empty select all.
type ApplicationFilter struct {
	ClientID string
	// Name is the whole name and NamePrefix its beginning, both without case.
	Name, NamePrefix string
	// Principals leaves applications without a service principal out.
	Principals bool
	// None selects nothing.
	None bool
}

func (f ApplicationFilter) selects(app *applicationRecord) bool {
	return (f.ClientID == "" || strings.EqualFold(f.ClientID, app.ClientID)) &&
		(f.Name == "" || strings.EqualFold(f.Name, app.Name)) &&
		strings.HasPrefix(strings.ToLower(app.Name), strings.ToLower(f.NamePrefix)) &&
		(!f.Principals || app.ObjectID != "")
}

// DirectoryPage asks for one page of a list: at most Max applications (1 to
// MaxDirectoryPage) after Marker, which is empty or the Next of an earlier page.
type DirectoryPage struct {
	Max    int
	Marker string
}

// ListApplications returns a page of the applications of the caller's tenant that
// the filter selects, in order of client id, and the marker of the next page, which
// is empty on the last. A caller without permission may ask for itself, by its
// client id.
func (d *Directory) ListApplications(ctx context.Context, call Call, filter ApplicationFilter, page DirectoryPage) (found []*Registration, next string, err error) {
	op := &operation{call: call, name: "ApplicationList", object: "applications", action: actRead}
	err = d.read(ctx, op, func(v store.View, refusal error) error {
		if filter.ClientID != "" && !filter.None {
			app, err := d.find(v, call.Caller, ApplicationRef{ClientID: filter.ClientID})
			if err != nil {
				return err
			}
			if refusal != nil && (app == nil || !app.isCaller(call.Caller)) {
				return refusal
			}
			if app != nil && filter.selects(app) {
				found = []*Registration{app.registration()}
			}
			return nil
		}
		if refusal != nil || filter.None {
			return refusal
		}
		if page.Max < 1 || page.Max > MaxDirectoryPage || len(page.Marker) > maxEcho {
			return fault.New(fault.Invalid, graph.CodeBadRequest, "The page that is asked for is not one.")
		}
		found, next, err = d.scan(v, call, filter, page)
		return err
	})
	return found, next, err
}

func (d *Directory) scan(v store.View, call Call, filter ApplicationFilter, page DirectoryPage) (found []*Registration, next string, err error) {
	r := tuple.Prefix(applicationRoot)
	if page.Marker != "" {
		r.Start = tuple.After(applicationKey(page.Marker))
	}
	for {
		batch, err := v.Scan(r, page.Max+1)
		if err != nil {
			return nil, "", err
		}
		for _, e := range batch {
			app, err := d.Identity.openApplication(e.Key, e.Record)
			if err != nil {
				return nil, "", err
			}
			if !strings.EqualFold(app.TenantID, call.Caller.TenantID) || !filter.selects(app) {
				continue
			}
			if len(found) == page.Max {
				return found, strings.ToLower(found[page.Max-1].ClientID), nil
			}
			found = append(found, app.registration())
		}
		if len(batch) <= page.Max {
			return found, "", nil
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
	}
}

// GetObjects returns the applications of the caller's tenant that have one of the
// object ids, their own or their service principals', each as often as it is named.
// Ids that are nobody's are left out. A caller without permission may name itself
// alone.
func (d *Directory) GetObjects(ctx context.Context, call Call, ids []string) (found []*Registration, err error) {
	op := &operation{call: call, name: "DirectoryObjectsGet", object: "directoryObjects", action: actRead}
	err = d.read(ctx, op, func(v store.View, refusal error) error {
		self := func(id string) bool { return call.Caller.ObjectID != "" && strings.EqualFold(id, call.Caller.ObjectID) }
		switch {
		case refusal != nil && (len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return !self(id) })):
			return refusal
		case len(ids) == 0 || len(ids) > MaxObjects:
			return fault.New(fault.Invalid, graph.CodeBadRequest, "The number of ids must be from 1 to %d.", MaxObjects)
		}
		for _, id := range ids {
			app, err := d.find(v, call.Caller, ApplicationRef{RegistrationID: id})
			if err == nil && app == nil {
				app, err = d.find(v, call.Caller, ApplicationRef{ObjectID: id})
			}
			if err != nil {
				return err
			}
			if app != nil {
				found = append(found, app.registration())
			}
		}
		return nil
	})
	return found, err
}
