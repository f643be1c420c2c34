// Package release decides to whom a private key may be handed out: it reads
// release policies, verifies attestation tokens, and signs what is released.
//
// It guarantees that nothing of a token is believed before its signature was
// checked with a key of the very authority that a policy names, and that a policy
// that is not understood permits nothing. It knows no vaults, no permissions and
// no store, and no private key but that which signs answers; how an authority is
// reached is its caller's to say.
package release

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Bounds of a policy.
const (
	// MaxPolicy bounds a policy document, in bytes.
	MaxPolicy       = 16 << 10
	maxConditions   = 200
	maxNested       = 12
	maxText         = 1 << 10 // of a claim's name, a value, an authority
	policyVersion   = "1.0.0"
	memberAnyOf     = "anyOf"
	memberAllOf     = "allOf"
	memberClaim     = "claim"
	memberVersion   = "version"
	memberAuthority = "authority"
)

// Policy is a release policy of the grammar 1.0.0: which authorities may attest
// what. It is never changed.
type Policy struct {
	authorities []authority
	text        []byte
}

// authority is an issuer of attestation tokens, with the conditions that the
// claims of a token of its must meet.
type authority struct {
	issuer    string
	condition *group
}

// condition is what the claims of a token may meet.
type condition interface {
	json.Marshaler
	met(claims object) bool
}

// ParsePolicy reads a policy document. The error is a *fault.Error of kind Invalid
// that says what is wrong. As Azure does it takes the names of members in any case.
func ParsePolicy(data []byte) (*Policy, error) {
	if len(data) > MaxPolicy {
		return nil, invalidPolicy("It has %d bytes, and at most %d are supported", len(data), MaxPolicy)
	}
	doc, err := decodeObject(data)
	if err != nil {
		return nil, invalidPolicy("It is not one JSON object, names a member twice, or is nested too deep")
	}
	top, err := members(doc, memberVersion, memberAnyOf)
	if err != nil {
		return nil, err
	}
	if top[memberVersion] != policyVersion {
		return nil, invalidPolicy("Its version has to be %q", policyVersion)
	}
	entries, ok := top[memberAnyOf].(list)
	if !ok || len(entries) == 0 {
		return nil, invalidPolicy("Its anyOf has to be a list of at least one authority")
	}
	p, left := new(Policy), maxConditions
	for _, entry := range entries {
		a, err := parseAuthority(entry, &left)
		if err != nil {
			return nil, err
		}
		p.authorities = append(p.authorities, a)
	}
	if p.text, err = p.write(); err != nil {
		return nil, err
	}
	if len(p.text) > MaxPolicy {
		return nil, invalidPolicy("With its special characters escaped it has %d bytes, and at most %d are supported", len(p.text), MaxPolicy)
	}
	return p, nil
}

// Text returns the policy in the one form in which Azure shows it, whatever it was
// read from: version, then authorities, each with its name first. ParsePolicy
// reads it. The caller must not change it.
func (p *Policy) Text() []byte { return p.text }

func invalidPolicy(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadParameter", "The release policy is not valid. "+format+".", args...)
}

// members returns the members of an object under the names as they are given
// here, and refuses all others.
func members(v any, names ...string) (object, error) {
	o, ok := v.(object)
	if !ok {
		return nil, invalidPolicy("Where it needs an object it has something else")
	}
	found := object{}
next:
	for name, value := range o {
		for _, known := range names {
			if strings.EqualFold(name, known) {
				if _, twice := found[known]; twice {
					return nil, invalidPolicy("It has the member %s twice", known)
				}
				found[known] = value
				continue next
			}
		}
		return nil, invalidPolicy("It has the member %.100q where there can be %s", name, strings.Join(names, ", "))
	}
	return found, nil
}

func parseAuthority(v any, left *int) (authority, error) {
	m, err := members(v, memberAuthority, memberAnyOf, memberAllOf)
	if err != nil {
		return authority{}, err
	}
	issuer := m.text(memberAuthority)
	if err := checkIssuer(issuer); err != nil {
		return authority{}, err
	}
	delete(m, memberAuthority)
	g, err := parseGroup(m, left, maxNested)
	return authority{issuer, g}, err
}

// checkIssuer wants the URL under which an authority publishes its keys.
func checkIssuer(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxText || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return invalidPolicy("Each authority has to be the https URL of an attestation service, such as https://example.attest.azure.net")
	}
	return nil
}

// parseGroup reads an object with an anyOf or an allOf.
func parseGroup(m object, left *int, depth int) (*group, error) {
	any, isAny := m[memberAnyOf]
	all, isAll := m[memberAllOf]
	if isAny == isAll {
		return nil, invalidPolicy("Each authority has to have either anyOf or allOf")
	}
	g, of := &group{all: isAll}, any
	if isAll {
		of = all
	}
	entries, ok := of.(list)
	if !ok || len(entries) == 0 {
		return nil, invalidPolicy("Each anyOf and allOf has to be a list of at least one condition")
	}
	if *left -= len(entries); *left < 0 || depth == 0 {
		return nil, invalidPolicy("It has more than %d conditions, or they are nested more than %d deep", maxConditions, maxNested)
	}
	for _, entry := range entries {
		c, err := parseCondition(entry, left, depth)
		if err != nil {
			return nil, err
		}
		g.of = append(g.of, c)
	}
	return g, nil
}

func parseCondition(v any, left *int, depth int) (condition, error) {
	names := []string{memberAnyOf, memberAllOf, memberClaim}
	for _, op := range operators {
		names = append(names, string(op))
	}
	m, err := members(v, names...)
	if err != nil {
		return nil, err
	}
	if _, isClaim := m[memberClaim]; isClaim {
		return parseClaim(m)
	}
	if len(m) != 1 {
		return nil, invalidPolicy("Each condition has to have either claim and one operator, or anyOf, or allOf")
	}
	return parseGroup(m, left, depth-1)
}

// Trusts reports whether tokens of the issuer may meet the policy. A slash at the
// end makes no difference.
func (p *Policy) Trusts(issuer string) bool {
	for _, a := range p.authorities {
		if sameIssuer(a.issuer, issuer) {
			return true
		}
	}
	return false
}

func sameIssuer(a, b string) bool {
	return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

// Permits reports whether what was attested meets the policy.
func (p *Policy) Permits(s *Statement) bool {
	for _, a := range p.authorities {
		if sameIssuer(a.issuer, s.Issuer) && a.condition.met(s.claims) {
			return true
		}
	}
	return false
}

func (p *Policy) write() ([]byte, error) {
	return json.Marshal(struct {
		Version string      `json:"version"`
		AnyOf   []authority `json:"anyOf"`
	}{policyVersion, p.authorities})
}

// MarshalJSON writes an authority.
func (a authority) MarshalJSON() ([]byte, error) {
	conditions, err := a.condition.MarshalJSON()
	if err != nil {
		return nil, err
	}
	issuer, err := json.Marshal(a.issuer)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"authority":%s,%s`, issuer, conditions[1:]), nil
}
