package mgmtplane

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

const maxFilter = 2048

// filter is a conjunction of equalities, by folded property name.
type filter map[string]string

// readFilter parses $filter: "name eq 'text'" terms with "and" between. That is
// all that clients send to the lists there are. Only the properties in allowed,
// given in lower case, may be compared.
func readFilter(x *httpx.Exchange, allowed ...string) (filter, error) {
	text, _ := x.QueryValue("$filter")
	f, ok := parseFilter(text)
	if ok {
		for name := range f {
			ok = ok && contains(allowed, name)
		}
	}
	if !ok {
		return nil, badFilter(text)
	}
	return f, nil
}

func badFilter(text string) error {
	return fault.New(fault.Invalid, "InvalidFilterInQueryString",
		"Invalid $filter '%s' specified in the query string.", clip(text, 128))
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func parseFilter(text string) (filter, bool) {
	f := filter{}
	rest := strings.TrimSpace(text)
	if rest == "" {
		return f, true
	}
	if len(rest) > maxFilter {
		return nil, false
	}
	for {
		var name, operator, value string
		var ok bool
		name, rest = nextWord(rest)
		if operator, rest = nextWord(rest); !strings.EqualFold(operator, "eq") || name == "" {
			return nil, false
		}
		if value, rest, ok = literal(rest); !ok {
			return nil, false
		}
		name = strings.ToLower(name)
		if _, twice := f[name]; twice {
			return nil, false
		}
		f[name] = value
		if rest == "" {
			return f, true
		}
		var conjunction string
		if conjunction, rest = nextWord(rest); !strings.EqualFold(conjunction, "and") {
			return nil, false
		}
	}
}

// nextWord returns what stands before the next blank, and what follows the
// blanks.
func nextWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(s, " ")
	return word, strings.TrimLeft(rest, " ")
}

// literal returns a text in single quotes, in which a quote is doubled, and what
// follows it.
func literal(s string) (value, rest string, ok bool) {
	value, rest, ok = quoted(s)
	if !ok || rest != "" && rest[0] != ' ' {
		return "", "", false
	}
	return value, strings.TrimLeft(rest, " "), true
}

// quoted is literal, whatever stands behind the text.
func quoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// tag returns the tag that the filter asks for.
func (f filter) tag() (name string, value *string) {
	if v, given := f["tagvalue"]; given {
		value = &v
	}
	return f["tagname"], value
}

func (f filter) resources() resource.ResourceFilter {
	name, value := f.tag()
	return resource.ResourceFilter{Type: f["resourcetype"], Name: f["name"], Group: f["resourcegroup"], TagName: name, TagValue: value}
}
