package api

import "github.com/openkeyvault/openkeyvault/internal/jsontext"

// The bodies below come with most of the requests that have one, and nearly
// always as one object of plain strings. That they decode themselves, and leave
// everything else to encoding/json.

// UnmarshalFlat decodes text, as json.Unmarshal would, if it is an object of
// known members that are strings of ASCII without escapes. Otherwise, and if a
// value will not do, it reports false and changes nothing. text is not kept.
func (p *KeyOperationParameters) UnmarshalFlat(text []byte) bool {
	next := *p
	if !unmarshalFlat(text, keyOperationMembers, &next.Algorithm, &next.Value, &next.IV, &next.AAD, &next.Tag) {
		return false
	}
	*p = next
	return true
}

// UnmarshalFlat decodes text as that of KeyOperationParameters does.
func (p *KeySignParameters) UnmarshalFlat(text []byte) bool {
	next := *p
	if !unmarshalFlat(text, keySignMembers, &next.Algorithm, &next.Value, &next.ExternalMu, &next.Context) {
		return false
	}
	*p = next
	return true
}

// UnmarshalFlat decodes text as that of KeyOperationParameters does.
func (p *KeyVerifyParameters) UnmarshalFlat(text []byte) bool {
	next := *p
	if !unmarshalFlat(text, keyVerifyMembers, &next.Algorithm, &next.Digest, &next.Value, &next.ExternalMu, &next.Context) {
		return false
	}
	*p = next
	return true
}

// UnmarshalFlat decodes text as that of KeyOperationParameters does. Attributes
// and tags are not flat.
func (p *SecretSetParameters) UnmarshalFlat(text []byte) bool {
	var room [maxFlat][]byte
	values := room[:len(secretSetMembers)]
	if !jsontext.Strings(text, secretSetMembers, values) {
		return false
	}
	for i, to := range [...]**string{&p.Value, &p.ContentType} {
		if values[i] != nil {
			s := string(values[i])
			*to = &s
		}
	}
	return true
}

// The names of the members, in the order in which they are decoded.
var (
	keyOperationMembers = []string{"alg", "value", "iv", "aad", "tag"}
	keySignMembers      = []string{"alg", "value", "external_mu", "context"}
	keyVerifyMembers    = []string{"alg", "digest", "value", "external_mu", "context"}
	secretSetMembers    = []string{"value", "contentType"}
)

// maxFlat is the most members that one of them has.
const maxFlat = 5

// unmarshalFlat decodes the members of the names: the first is the algorithm, the
// others are binary.
func unmarshalFlat(text []byte, names []string, algorithm *Algorithm, binary ...*Base64URL) bool {
	var room [maxFlat][]byte
	values := room[:len(names)]
	if !jsontext.Strings(text, names, values) {
		return false
	}
	if values[0] != nil {
		*algorithm = Algorithm(values[0])
	}
	for i, value := range values[1:] {
		if value != nil && binary[i].UnmarshalText(value) != nil {
			return false
		}
	}
	return true
}
