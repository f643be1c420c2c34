package access

import (
	"strings"
	"unicode/utf8"
)

// Role is a role definition: what its assignments allow. Entries are action
// names in which * stands for any run of characters, slashes too.
type Role struct {
	ID, Name, Description       string
	Actions, NotActions         []string
	DataActions, NotDataActions []string
}

// allows reports whether action matches an entry of granted and none of
// withheld.
func allows(granted, withheld []string, action string) bool {
	return matchesAny(granted, action) && !matchesAny(withheld, action)
}

func matchesAny(patterns []string, action string) bool {
	for _, p := range patterns {
		if match(p, action) {
			return true
		}
	}
	return false
}

// match compares without case. The last star takes what is left over, every
// earlier one as little as it can: patterns are short and come from role
// definitions, never from a request.
func match(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	s, found := cutFolded(s, first)
	switch {
	case !found:
		return false
	case !star:
		return s == ""
	case rest == "":
		return true
	}
	s, rest = strings.ToLower(s), strings.ToLower(rest)
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// cutFolded is strings.CutPrefix of both in lower case. The prefix is ASCII, or
// folded already; rest may be in any case.
func cutFolded(s, prefix string) (rest string, found bool) {
	for i := range len(prefix) {
		if i == len(s) {
			return s, false
		}
		if s[i] >= utf8.RuneSelf {
			// Some letters of other alphabets fold to ASCII.
			return strings.CutPrefix(strings.ToLower(s), strings.ToLower(prefix))
		}
		if lower(s[i]) != lower(prefix[i]) {
			return s, false
		}
	}
	return s[len(prefix):], true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// Assignments is an immutable index of role assignments. The nil pointer is
// one without any.
type Assignments struct {
	byPrincipal map[string][]grant
}

type grant struct {
	scope string // folded, without a trailing slash; "" is the root
	role  *Role
}

// NewAssignments indexes assignments. One of an unknown role grants nothing.
func NewAssignments(assignments []Assignment) *Assignments {
	a := &Assignments{byPrincipal: map[string][]grant{}}
	for _, as := range assignments {
		role := RoleByID(as.RoleID)
		if role == nil {
			continue
		}
		principal := strings.ToLower(as.PrincipalID)
		a.byPrincipal[principal] = append(a.byPrincipal[principal], grant{foldScope(as.Scope), role})
	}
	return a
}

// dataAllowed decides about an object, a path below the scope of its vault, or
// about the vault if that is empty.
func (a *Assignments) dataAllowed(c Caller, vault, object, action string) bool {
	// Most roles are held at the vault or above, and then no path is put together.
	if a.dataAllowedAt(c, vault, action) {
		return true
	}
	return object != "" && a.dataAllowedAt(c, vault+"/"+object, action)
}

func (a *Assignments) dataAllowedAt(c Caller, scope, action string) bool {
	return a.any(c, scope, func(r *Role) bool { return allows(r.DataActions, r.NotDataActions, action) })
}

func (a *Assignments) controlAllowed(c Caller, scope, action string) bool {
	return a.any(c, scope, func(r *Role) bool { return allows(r.Actions, r.NotActions, action) })
}

// any reports whether a role that the caller holds at the scope or above
// satisfies ok.
func (a *Assignments) any(c Caller, scope string, ok func(*Role) bool) bool {
	if a == nil {
		return false
	}
	scope = strings.TrimRight(scope, "/")
	holds := func(principal string) bool {
		for _, g := range a.byPrincipal[strings.ToLower(principal)] {
			if within(scope, g.scope) && ok(g.role) {
				return true
			}
		}
		return false
	}
	if holds(c.ObjectID) {
		return true
	}
	for _, group := range c.Groups {
		if holds(group) {
			return true
		}
	}
	return false
}

// assignRole is the action that lets a role hand out roles.
const assignRole = "Microsoft.Authorization/roleAssignments/write"

// AssignsRoles reports whether the role lets its holders assign roles.
func (r *Role) AssignsRoles() bool { return allows(r.Actions, r.NotActions, assignRole) }

// Administrators returns the principals, in lower case, of the assignments at
// exactly the scope, not above or below it, whose role lets its holders assign
// roles: one for each assignment.
func (a *Assignments) Administrators(scope string) (principals []string) {
	if a == nil {
		return nil
	}
	scope = foldScope(scope)
	for principal, grants := range a.byPrincipal {
		for _, g := range grants {
			if g.scope == scope && g.role.AssignsRoles() {
				principals = append(principals, principal)
			}
		}
	}
	return principals
}

func foldScope(scope string) string { return strings.TrimRight(strings.ToLower(scope), "/") }

// Within reports whether a scope is outer or lies below it. Case and a slash at
// the end make no difference.
func Within(scope, outer string) bool { return within(foldScope(scope), foldScope(outer)) }

// within reports whether scope is outer, which is folded, or lies below it.
// Neither has a trailing slash.
func within(scope, outer string) bool {
	rest, found := cutFolded(scope, outer)
	return found && (rest == "" || rest[0] == '/')
}

// RoleByID returns the built-in role whose definition has the GUID, or nil.
// What stands before the last slash is ignored: role ids compare by GUID.
func RoleByID(id string) *Role {
	id = strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
	return builtinByID[id]
}
