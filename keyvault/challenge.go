package keyvault

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// Bounds of what is parsed of WWW-Authenticate. A vault's challenge has some
// 150 characters; one that asks for claims, some hundreds more.
const (
	maxChallengeHeader = 8 << 10
	maxChallenges      = 16
	maxParameters      = 32
)

var errNoChallenge = errors.New("the vault did not say where to get a token")

// challenge is what a vault says about the tokens that it accepts. It is not
// changed once made.
type challenge struct {
	// authority is the URL of the token service, its path's first segment the
	// tenant.
	authority string
	tenant    string
	// resource and scope are what the header says; one of them may be empty.
	resource, scope string
	// claims, if not empty, is the JSON text that a new token must be asked for
	// with: the vault no longer accepts the present one, although it has not
	// expired.
	claims string
}

// tokenScope is the scope to request a token for.
func (c *challenge) tokenScope() string {
	if c.scope != "" {
		return c.scope
	}
	if strings.HasSuffix(c.resource, "/.default") {
		return c.resource
	}
	// A resource that ends in a slash keeps it: the authorities take what
	// precedes "/.default" for the audience.
	return c.resource + "/.default"
}

// sameTokens reports whether a token for one challenge serves the other.
func (c *challenge) sameTokens(d *challenge) bool {
	return c.authority == d.authority && c.tokenScope() == d.tokenScope()
}

// readChallenge returns the first Bearer challenge that names an authority. It
// returns errNoChallenge if the header has none.
func readChallenge(header http.Header) (*challenge, error) {
	parsed, err := parseAuthenticate(header.Values("WWW-Authenticate"))
	if err != nil {
		return nil, fmt.Errorf("the vault's challenge cannot be understood: %w", err)
	}
	for _, p := range parsed {
		if !strings.EqualFold(p.scheme, "Bearer") {
			continue
		}
		authority := p.parameters["authorization"]
		if authority == "" {
			authority = p.parameters["authorization_uri"]
		}
		if authority != "" {
			return newChallenge(authority, p.parameters)
		}
	}
	return nil, errNoChallenge
}

func newChallenge(authority string, parameters map[string]string) (*challenge, error) {
	c := &challenge{authority: authority, resource: parameters["resource"], scope: parameters["scope"]}
	u, err := url.Parse(authority)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("the vault's challenge names an authority that is not an https URL")
	}
	c.tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if c.resource == "" && c.scope == "" {
		return nil, errors.New("the vault's challenge names no resource")
	}
	if parameters["error"] == "insufficient_claims" && parameters["claims"] != "" {
		claims, err := base64.StdEncoding.DecodeString(parameters["claims"])
		if err != nil {
			return nil, errors.New("the vault's challenge has claims that are not base64")
		}
		c.claims = string(claims)
	}
	return c, nil
}

// verify refuses a challenge whose resource is not a parent domain of the
// vault's host, at the same port: a token for it could be used elsewhere.
func (c *challenge) verify(vault gate.Origin) error {
	scope := c.tokenScope()
	u, err := url.Parse(scope)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("the vault's challenge names the resource %q, which is not an https URL", scope)
	}
	resource := gate.OriginOf(u)
	if net.ParseIP(vault.Host) != nil || resource.Port != vault.Port || !strings.HasSuffix(vault.Host, "."+resource.Host) {
		return fmt.Errorf("the challenge resource %s is not a parent domain of the vault %s; "+
			"DisableChallengeResourceVerification accepts it, if the vault is to be trusted with such tokens", resource, vault)
	}
	return nil
}

// schemeParameters is one challenge of a WWW-Authenticate header, RFC 9110
// section 11.6.1. Names of parameters are in lower case.
type schemeParameters struct {
	scheme     string
	parameters map[string]string
}

// parseAuthenticate takes WWW-Authenticate headers apart. It is lenient where
// that is unambiguous: commas may be missing, and a value without quotes may
// hold whatever is not blank, comma or quote.
func parseAuthenticate(values []string) ([]schemeParameters, error) {
	size := 0
	for _, v := range values {
		size += len(v)
	}
	if size > maxChallengeHeader {
		return nil, fmt.Errorf("it is longer than %d bytes", maxChallengeHeader)
	}
	var all []schemeParameters
	for _, v := range values {
		found, err := (&challengeScanner{rest: v}).challenges()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) > maxChallenges {
		return nil, fmt.Errorf("it has more than %d challenges", maxChallenges)
	}
	return all, nil
}

type challengeScanner struct{ rest string }

func (s *challengeScanner) challenges() ([]schemeParameters, error) {
	var all []schemeParameters
	for {
		s.rest = strings.TrimLeft(s.rest, " \t,")
		if s.rest == "" {
			return all, nil
		}
		word := s.take(isToken)
		if word == "" {
			return nil, errors.New("it has an unexpected character")
		}
		if afterBlank := strings.TrimLeft(s.rest, " \t"); !strings.HasPrefix(afterBlank, "=") {
			all = append(all, schemeParameters{scheme: word, parameters: map[string]string{}})
			s.skipToken68()
			continue
		}
		if len(all) == 0 {
			return nil, errors.New("it has a parameter before any scheme")
		}
		if err := s.parameter(word, all[len(all)-1].parameters); err != nil {
			return nil, err
		}
	}
}

// parameter reads what follows the name of a parameter.
func (s *challengeScanner) parameter(name string, into map[string]string) error {
	s.rest = strings.TrimLeft(s.rest, " \t")[1:] // the equals sign
	s.rest = strings.TrimLeft(s.rest, " \t")
	value, err := s.value()
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	if _, twice := into[name]; twice {
		return errors.New("it has a parameter twice")
	}
	if len(into) == maxParameters {
		return fmt.Errorf("it has more than %d parameters", maxParameters)
	}
	into[name] = value
	return nil
}

func (s *challengeScanner) value() (string, error) {
	if !strings.HasPrefix(s.rest, `"`) {
		value := s.take(func(c byte) bool { return c > ' ' && c != ',' && c != '"' && c != 0x7f })
		if value == "" {
			return "", errors.New("it has a parameter without value")
		}
		return value, nil
	}
	var value strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return value.String(), nil
		case c == '\\' && i+1 < len(s.rest):
			i++
			value.WriteByte(s.rest[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", errors.New("it has a quoted value without end")
}

// skipToken68 skips credentials in the form that Negotiate and others put after
// the scheme instead of parameters.
func (s *challengeScanner) skipToken68() {
	ahead := challengeScanner{rest: strings.TrimLeft(s.rest, " \t")}
	ahead.take(func(c byte) bool { return isToken(c) || c == '/' })
	ahead.rest = strings.TrimLeft(strings.TrimLeft(ahead.rest, "="), " \t")
	if ahead.rest == "" || ahead.rest[0] == ',' {
		s.rest = ahead.rest
	}
}

// take consumes the characters for which is holds.
func (s *challengeScanner) take(is func(byte) bool) string {
	n := 0
	for n < len(s.rest) && is(s.rest[n]) {
		n++
	}
	word := s.rest[:n]
	s.rest = s.rest[n:]
	return word
}

// isToken reports whether c may stand in a token, RFC 9110 section 5.6.2.
func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
