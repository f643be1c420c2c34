package resource

import (
	"context"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// maxOrphans bounds the role assignments that one update takes away with others'
// writes.
const maxOrphans = 40

// orphan is a role assignment at a place that does not exist (any more).
type orphan struct {
	binding []byte // its index key
	id      string
}

// orphansAt returns the role assignments at exactly a scope and, if below, at
// objects in it: at most maxOrphans, and one more if there are more. While the place
// does not exist nobody can make others, so that the update which makes the place
// can take them away: whoever makes a vault under a name that was used before is not
// to share it with those who had roles in the other.
func (s *Service) orphansAt(ctx context.Context, scope string, below bool) (found []orphan, err error) {
	ranges := []store.Range{tuple.Prefix(tuple.Key("rolebinding", fold(scope)))}
	if below {
		// Every text that begins with the scope and a slash, which '0' comes after.
		ranges = append(ranges, store.Range{Start: tuple.Key("rolebinding", fold(scope)+"/"), End: tuple.Key("rolebinding", fold(scope)+"0")})
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		for _, r := range ranges {
			batch, err := v.Scan(r, maxOrphans+1-len(found))
			if err != nil {
				return err
			}
			for _, e := range batch {
				o := orphan{binding: e.Key}
				if err := s.open(e.Key, e.Record, &o.id); err != nil {
					return err
				}
				found = append(found, o)
			}
			if len(found) > maxOrphans {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for role assignments at %s: %w", scope, err)
	}
	return found, nil
}

// dropOrphans takes role assignments away in the update that makes the place where
// they are.
func (s *Service) dropOrphans(tx store.Tx, orphans []orphan) error {
	if len(orphans) == 0 {
		return nil
	}
	if len(orphans) > maxOrphans {
		return fault.New(fault.Conflict, "RoleAssignmentsRemain",
			"There are more than %d role assignments of something that had this name before. List them at the subscription and delete them first.", maxOrphans)
	}
	keys := [][]byte{catalog.AuthzKey}
	for _, o := range orphans {
		keys = append(keys, o.binding, catalog.RoleKey(o.id))
	}
	if _, err := tx.Get(keys...); err != nil {
		return err
	}
	for _, key := range keys[1:] {
		tx.Delete(key)
	}
	return s.putEpoch(tx)
}
