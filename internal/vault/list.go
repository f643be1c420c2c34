package vault

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// listNames returns a page of the heads in an area, in the order of their folded
// names. Their versions are not shown.
func (s *Service) listNames(ctx context.Context, call Call, k *kind, operationName, area string, p PageRequest) (Page[shown], error) {
	op := k.onAll(call, operationName, k.list)
	op.ofDeleted = area == dead
	op.reject(checkPage(p, validName))
	var page Page[shown]
	err := s.read(ctx, op, func(v store.View, sc catalog.Scope, _ *seen) (err error) {
		page, err = scanPage(v, k.key(sc.Vault.ID, area), p, func(e store.Entry) (shown, bool, error) {
			head, err := open(sc, e.Key, e.Record, decodeHead)
			if err != nil {
				return shown{}, false, err
			}
			head.Current.Version = ""
			return showHead(sc, head), head.Restoring == "", nil
		})
		return err
	})
	return page, err
}

// listVersions returns a page of the versions of a live object, in the order of
// their ids. A name that is not in use has none.
func (s *Service) listVersions(ctx context.Context, call Call, k *kind, name string, p PageRequest) (Page[shown], error) {
	op := k.onName(call, "ListVersions", k.list, name).reads(k.inArea(name, live))
	op.reject(checkPage(p, validVersion))
	var page Page[shown]
	err := s.read(ctx, op, func(v store.View, sc catalog.Scope, r *seen) error {
		head, err := s.head(sc, r, k, live, name)
		if err != nil || head == nil {
			return err
		}
		page, err = scanPage(v, k.key(sc.Vault.ID, ver, name), p, func(e store.Entry) (shown, bool, error) {
			version, err := open(sc, e.Key, e.Record, decodeVersion)
			return head.show(sc, version), true, err
		})
		return err
	})
	return page, err
}

// scanPage reads the records directly below the key, one more than asked for to
// know whether there is another page. An item that is not to be shown makes the
// page shorter.
func scanPage(v store.View, below []byte, p PageRequest, item func(store.Entry) (_ shown, show bool, _ error)) (Page[shown], error) {
	r := tuple.Prefix(below)
	if p.Marker != "" {
		r.Start = tuple.After(tuple.Append(below[:len(below):len(below)], strings.ToLower(p.Marker)))
	}
	entries, err := v.Scan(r, p.Max+1)
	if err != nil {
		return Page[shown]{}, err
	}
	var page Page[shown]
	if len(entries) > p.Max {
		entries = entries[:p.Max]
		if page.Next, err = lastElement(entries[p.Max-1].Key); err != nil {
			return Page[shown]{}, err
		}
	}
	page.Items = make([]shown, 0, len(entries))
	for _, e := range entries {
		found, show, err := item(e)
		if err != nil {
			return Page[shown]{}, err
		}
		if show {
			page.Items = append(page.Items, found)
		}
	}
	return page, nil
}

// lastElement returns the name or version that a record key ends with.
func lastElement(key []byte) (string, error) {
	elements, err := tuple.Decode(key)
	if err != nil {
		return "", err
	}
	return elements[len(elements)-1].String, nil
}

// pageOf turns a page into one of what callers know.
func pageOf[T any](page Page[shown], err error, as func(shown) (*T, error)) (Page[T], error) {
	if err != nil {
		return Page[T]{}, err
	}
	items := make([]T, len(page.Items))
	for i, item := range page.Items {
		v, err := as(item)
		if err != nil {
			return Page[T]{}, err
		}
		items[i] = *v
	}
	return Page[T]{Items: items, Next: page.Next}, nil
}
