package resource

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	actRoleRead   = "Microsoft.Authorization/roleAssignments/read"
	actRoleDelete = "Microsoft.Authorization/roleAssignments/delete"
)

// Codes of refusals that the planes have to know.
const (
	// CodeLastAdministrator is of the refusal to leave a place without anybody who
	// may assign roles.
	CodeLastAdministrator = "CannotDeleteLastRbacAdminAssignment"
)

// PrincipalTypes are the kinds of principals, in Azure's words.
var PrincipalTypes = []string{"User", "Group", "ServicePrincipal", "ForeignGroup", "Device"}

const maxAssignmentDescription = 1024

// PutRoleAssignment is what a role assignment is to be.
type PutRoleAssignment struct {
	// RoleID is the GUID of a role definition, or a resource id that ends with it.
	RoleID string
	// PrincipalID is an object id.
	PrincipalID string
	// PrincipalType is one of PrincipalTypes in any case. Given, the principal need
	// not be known.
	PrincipalType string
	Description   string
	// Condition and DelegatedIdentity are refused: nothing here would heed them.
	Condition, DelegatedIdentity string
}

// check is what an assignment must satisfy whatever the state. It returns what
// will be stored.
func (in PutRoleAssignment) check(name string) (a catalog.RoleAssignment, err error) {
	if err := checkAssignmentName(name); err != nil {
		return a, err
	}
	if in.RoleID == "" || in.PrincipalID == "" {
		return a, fault.New(fault.Invalid, "InvalidCreateRoleAssignmentRequest",
			"The request was incorrectly formatted: roleDefinitionId and principalId must be given.")
	}
	if !validGUID(in.PrincipalID) {
		return a, fault.New(fault.Invalid, "InvalidPrincipalId", "A valid principal ID must be provided for role assignment.")
	}
	role := access.RoleByID(in.RoleID)
	if role == nil {
		return a, fault.New(fault.Invalid, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", roleGUID(in.RoleID))
	}
	kind := ""
	if in.PrincipalType != "" {
		if kind = oneOf(in.PrincipalType, PrincipalTypes...); kind == "" {
			return a, invalidValue("properties.principalType", in.PrincipalType)
		}
	}
	if in.Condition != "" {
		return a, fault.New(fault.Invalid, "ConditionNotSupported",
			"This service does not evaluate conditions of role assignments, so it makes none that has a condition: without it the assignment would grant more than was asked for.")
	}
	if in.DelegatedIdentity != "" {
		return a, badRequest("The property delegatedManagedIdentityResourceId is not supported by this service.")
	}
	if utf8.RuneCountInString(in.Description) > maxAssignmentDescription {
		return a, badRequest("The description of a role assignment has at most %d characters.", maxAssignmentDescription)
	}
	return catalog.RoleAssignment{
		Assignment:    access.Assignment{ID: fold(name), RoleID: role.ID, PrincipalID: fold(in.PrincipalID)},
		PrincipalType: kind, Description: in.Description,
	}, nil
}

func checkAssignmentName(name string) error {
	if validGUID(name) {
		return nil
	}
	return fault.New(fault.Invalid, "InvalidRoleAssignmentId",
		"The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", clipName(name))
}

// clipName is what is repeated of a name that is none.
func clipName(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// roleGUID is the last segment of a role definition's id.
func roleGUID(id string) string { return clipName(id[strings.LastIndexByte(id, '/')+1:]) }

// knowPrincipal completes the type of the principal, who must be known unless
// the type was given. The directory is asked about the caller's own tenant, which
// is the scope's: others are not let in.
func (s *Service) knowPrincipal(ctx context.Context, call Call, a *catalog.RoleAssignment) (refusal, err error) {
	kind := ""
	if s.cfg.Principal != nil {
		if kind, err = s.cfg.Principal(ctx, call.Caller.TenantID, a.PrincipalID); err != nil {
			return nil, err
		}
	}
	switch {
	case kind == "" && a.PrincipalType == "":
		return fault.New(fault.Invalid, "PrincipalNotFound",
			"Principal %s does not exist in the directory %s. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
			plainGUID(a.PrincipalID), call.Caller.TenantID), nil
	case kind != "" && a.PrincipalType != "" && kind != a.PrincipalType:
		return fault.New(fault.Invalid, "UnmatchedPrincipalType",
			"The PrincipalId '%s' has type '%s' , which is different from specified PrinciaplType '%s'.", plainGUID(a.PrincipalID), kind, a.PrincipalType), nil
	case kind != "":
		a.PrincipalType = kind
	}
	return nil, nil
}

func plainGUID(s string) string { return strings.ReplaceAll(s, "-", "") }

// PutRoleAssignment assigns a role at a scope, which must exist down to the
// vault, under a name that is a GUID and unique among all assignments. Of one that
// exists, the description alone can change. It is Forbidden to whoever may not
// assign roles there.
func (s *Service) PutRoleAssignment(ctx context.Context, call Call, at Scope, name string, in PutRoleAssignment) (assigned catalog.RoleAssignment, created bool, err error) {
	op := inScope(call, "RoleAssignmentPut", actRoleWrite, at, clipName(name))
	given, invalid := in.check(name)
	if op.invalid == nil {
		op.invalid = invalid
	}
	if op.invalid == nil {
		if op.invalid, err = s.knowPrincipal(ctx, call, &given); err != nil {
			return assigned, false, s.conclude(ctx, op, err)
		}
	}
	now := s.now()
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		where, err := s.existing(tx, p, at)
		if err != nil {
			return err
		}
		a := given
		a.Scope = where.String()
		have, err := s.assignmentIn(tx, a.ID)
		if err != nil {
			return err
		}
		if created = have == nil; !created {
			assigned, err = s.describe(tx, *have, a, call, now)
			return err
		}
		if err := s.unbound(tx, a.Assignment); err != nil {
			return err
		}
		a.CreatedBy, a.CreatedOn, a.UpdatedBy, a.UpdatedOn = call.Caller.ObjectID, now, call.Caller.ObjectID, now
		assigned = a
		return s.putAssignment(tx, a)
	})
	return assigned, created, err
}

// describe changes what can be changed of an assignment. The same once more
// changes nothing.
func (s *Service) describe(tx store.Tx, have, want catalog.RoleAssignment, call Call, now time.Time) (catalog.RoleAssignment, error) {
	if !sameBinding(have.Assignment, want.Assignment) {
		return have, fault.New(fault.Invalid, "RoleAssignmentUpdateNotPermitted",
			"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
	}
	if have.Description == want.Description && have.PrincipalType != "" {
		return have, nil
	}
	have.Description = want.Description
	if have.PrincipalType == "" {
		have.PrincipalType = want.PrincipalType
	}
	have.UpdatedBy, have.UpdatedOn = call.Caller.ObjectID, now
	return have, s.putAssignment(tx, have)
}

func sameBinding(a, b access.Assignment) bool {
	return string(bindingOf(a)) == string(bindingOf(b))
}

func bindingOf(a access.Assignment) []byte { return bindingKey(a.Scope, a.RoleID, a.PrincipalID) }

// unbound refuses what another assignment says already.
func (s *Service) unbound(tx store.Tx, a access.Assignment) error {
	key := bindingOf(a)
	recs, err := tx.Get(key)
	if err != nil || !recs[0].Exists() {
		return err
	}
	var id string
	if err := s.open(key, recs[0], &id); err != nil {
		return err
	}
	return fault.New(fault.Conflict, "RoleAssignmentExists",
		"The role assignment already exists. The ID of the existing role assignment is %s.", plainGUID(id))
}

// assignmentIn returns the assignment with an id, or nil.
func (s *Service) assignmentIn(g catalog.Getter, id string) (*catalog.RoleAssignment, error) {
	key := catalog.RoleKey(id)
	recs, err := g.Get(key)
	if err != nil || !recs[0].Exists() {
		return nil, err
	}
	a, err := s.cfg.Catalog.DecodeAssignment(key, recs[0])
	return &a, err
}

// putAssignment writes an assignment with its index entry. The keys of both, and
// of the epoch, must be among the reads of the transaction.
func (s *Service) putAssignment(tx store.Tx, a catalog.RoleAssignment) error {
	key, sealed, err := s.cfg.Catalog.EncodeAssignment(a)
	if err != nil {
		return err
	}
	tx.Put(key, sealed)
	if err := s.put(tx, bindingOf(a.Assignment), a.ID); err != nil {
		return err
	}
	return s.putEpoch(tx)
}

func (s *Service) putEpoch(tx store.Tx) error {
	key, sealed, err := s.cfg.Catalog.EncodeEpoch()
	if err != nil {
		return err
	}
	tx.Put(key, sealed)
	return nil
}

// GetRoleAssignment returns an assignment at exactly the scope.
func (s *Service) GetRoleAssignment(ctx context.Context, call Call, at Scope, name string) (found catalog.RoleAssignment, err error) {
	op := atScope(call, "RoleAssignmentGet", actRoleRead, at, clipName(name))
	op.invalid = checkAssignmentName(name)
	err = s.read(ctx, op, func(v store.View, _ place) error {
		have, err := s.assignmentAt(v, at, name)
		if err != nil {
			return err
		}
		if have == nil {
			return fault.New(fault.NotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", name)
		}
		found = *have
		return nil
	})
	return found, err
}

// assignmentAt is assignmentIn for one that must be at exactly the scope.
func (s *Service) assignmentAt(g catalog.Getter, at Scope, name string) (*catalog.RoleAssignment, error) {
	have, err := s.assignmentIn(g, name)
	if err != nil || have == nil || fold(have.Scope) != fold(at.String()) {
		return nil, err
	}
	return have, nil
}

// DeleteRoleAssignment takes a role away and returns the assignment that there
// was, or nil. The last that lets somebody assign roles in a subscription may be
// deleted by those only who may do so at the root, and the last at the root by
// nobody: the refusal has the code CodeLastAdministrator. Assignments to those whom
// the directory does not know, or no longer, do not count.
func (s *Service) DeleteRoleAssignment(ctx context.Context, call Call, at Scope, name string) (gone *catalog.RoleAssignment, err error) {
	op := atScope(call, "RoleAssignmentDelete", actRoleDelete, at, clipName(name))
	op.invalid = checkAssignmentName(name)
	living, err := s.livingAdministrators(ctx, call, at)
	if err != nil {
		return nil, s.conclude(ctx, op, err)
	}
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		gone, err = s.assignmentAt(tx, at, name)
		if err != nil || gone == nil {
			return err
		}
		if err := mayLeave(p, at, gone.Assignment, living); err != nil {
			return err
		}
		binding := bindingOf(gone.Assignment)
		if _, err := tx.Get(binding); err != nil {
			return err
		}
		tx.Delete(catalog.RoleKey(gone.ID))
		tx.Delete(binding)
		return s.putEpoch(tx)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// livingAdministrators returns the principals that the directory knows of those who
// may assign roles at a subscription or at the root, in lower case. It is asked
// before the update that counts them, which does not wait for it.
func (s *Service) livingAdministrators(ctx context.Context, call Call, at Scope) (map[string]bool, error) {
	if at.Group != "" {
		return nil, nil
	}
	var all []string
	err := s.cfg.Store.View(ctx, func(v store.View) error {
		roles, err := s.cfg.Catalog.Roles(v)
		all = roles.Administrators(at.String())
		return err
	})
	living := map[string]bool{}
	for _, principal := range all {
		kind := "unknown"
		if err == nil && s.cfg.Principal != nil {
			kind, err = s.cfg.Principal(ctx, call.Caller.TenantID, principal)
		}
		living[principal] = kind != ""
	}
	return living, err
}

// mayLeave keeps a subscription, and the root of the tenant, from being left
// without anybody who may assign roles there and is among the living.
func mayLeave(p place, at Scope, a access.Assignment, living map[string]bool) error {
	role := access.RoleByID(a.RoleID)
	if at.Group != "" || role == nil || !role.AssignsRoles() || !living[strings.ToLower(a.PrincipalID)] {
		return nil
	}
	n := 0
	for _, principal := range p.roles.Administrators(a.Scope) {
		if living[principal] {
			n++
		}
	}
	if n > 1 {
		return nil
	}
	if !p.op.root && access.Control(p.op.call.Caller, p.roles, actRoleDelete, "/") == nil {
		return nil
	}
	return fault.New(fault.Conflict, CodeLastAdministrator, "Cannot delete the last RBAC admin assignment")
}
