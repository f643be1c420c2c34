package mgmtplane

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// readAssignmentFilter parses the filters of role assignments: atScope(),
// assignedTo('id'), both, or principalId eq 'id' alone.
func readAssignmentFilter(x *httpx.Exchange) (f resource.RoleAssignmentFilter, err error) {
	text, _ := x.QueryValue("$filter")
	terms, ok := parseTerms(text)
	if !ok {
		return f, badFilter(text)
	}
	for name, value := range terms {
		switch name {
		case "atscope()":
			f.AtScope = true
		case "assignedto()":
			f.AssignedTo = value
		case "principalid":
			f.PrincipalID = value
		}
		ok = ok && (name == "atscope()" || value != "")
	}
	known := terms.only("atscope()", "assignedto()") || terms.only("principalid")
	if !ok || !known {
		return resource.RoleAssignmentFilter{}, badFilter(text)
	}
	return f, nil
}

// readDefinitionFilter parses the filters of role definitions: roleName eq 'x',
// type eq 'x', and atScopeAndBelow(), which leaves none of those out that there
// are.
func readDefinitionFilter(x *httpx.Exchange) (f resource.RoleDefinitionFilter, err error) {
	text, _ := x.QueryValue("$filter")
	terms, ok := parseTerms(text)
	if !ok || !terms.only("rolename", "type", "atscopeandbelow()") {
		return f, badFilter(text)
	}
	return resource.RoleDefinitionFilter{Name: terms["rolename"], Type: terms["type"]}, nil
}

// only reports whether the filter has no other terms than these.
func (f filter) only(names ...string) bool {
	for name := range f {
		if !contains(names, name) {
			return false
		}
	}
	return true
}

// parseTerms is parseFilter for filters that may have functions, too: their
// argument, if there is one, is in the result under the name with "()".
func parseTerms(text string) (filter, bool) {
	f := filter{}
	rest := strings.TrimSpace(text)
	if len(rest) > maxFilter {
		return nil, false
	}
	for rest != "" {
		if len(f) > 0 {
			var conjunction string
			if conjunction, rest = nextWord(rest); !strings.EqualFold(conjunction, "and") {
				return nil, false
			}
		}
		var name, value string
		var ok bool
		if name, value, rest, ok = term(rest); !ok {
			return nil, false
		}
		if _, twice := f[name]; twice {
			return nil, false
		}
		f[name] = value
	}
	return f, true
}

// functions are those that filters know, and whether they have an argument.
var functions = map[string]bool{"atscope": false, "atscopeandbelow": false, "assignedto": true}

// term returns the first term of a filter, and what follows it.
func term(s string) (name, value, rest string, ok bool) {
	end := strings.IndexAny(s, " (")
	if end < 1 {
		return "", "", "", false
	}
	name, rest = strings.ToLower(s[:end]), s[end:]
	if rest[0] == ' ' {
		var operator string
		if operator, rest = nextWord(strings.TrimLeft(rest, " ")); !strings.EqualFold(operator, "eq") {
			return "", "", "", false
		}
		value, rest, ok = literal(rest)
		return name, value, rest, ok
	}
	argument, known := functions[name]
	rest = strings.TrimLeft(rest[1:], " ")
	if argument {
		if value, rest, ok = quoted(rest); !ok {
			return "", "", "", false
		}
	}
	rest, closed := strings.CutPrefix(strings.TrimLeft(rest, " "), ")")
	if !known || !closed || rest != "" && rest[0] != ' ' {
		return "", "", "", false
	}
	return name + "()", value, strings.TrimLeft(rest, " "), true
}
