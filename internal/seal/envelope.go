package seal

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of the keyring record, checked on writing and on reading.
const (
	maxWraps   = 16
	maxURI     = 2 << 10
	maxWrapped = 16 << 10 // what a key management service may make of 32 bytes
)

const keyringIDSize = 16

// header is the part of the keyring record in clear: who can open it.
type header struct {
	// id is random per installation and ties the wraps to it.
	id    [keyringIDSize]byte
	wraps []wrap
}

// wrap is the outer key as one root has wrapped it.
type wrap struct {
	uri     string
	wrapped []byte
}

// envelope is the keyring record.
type envelope struct {
	header header
	sealed []byte // the ring, under the outer key, bound to the header
}

var errEnvelope = errors.New("seal: malformed keyring record")

func newKeyringID() (id [keyringIDSize]byte) {
	_, _ = rand.Read(id[:]) // never fails: the process ends instead
	return id
}

func (h header) encode() []byte {
	b := append([]byte{format1}, h.id[:]...)
	b = append(b, byte(len(h.wraps)))
	for _, w := range h.wraps {
		b = binary.BigEndian.AppendUint16(b, uint16(len(w.uri)))
		b = append(b, w.uri...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(w.wrapped)))
		b = append(b, w.wrapped...)
	}
	return b
}

func (e envelope) encode() []byte { return append(e.header.encode(), e.sealed...) }

// decodeEnvelope is the inverse of encode and accepts nothing else. It copies
// what it keeps.
func decodeEnvelope(b []byte) (envelope, error) {
	var e envelope
	if len(b) < 1+keyringIDSize+1 {
		return e, errEnvelope
	}
	if b[0] != format1 {
		return e, fmt.Errorf("seal: the keyring has format %d, which this program does not know", b[0])
	}
	b = b[1:]
	b = b[copy(e.header.id[:], b):]
	count := int(b[0])
	b = b[1:]
	if count < 1 || count > maxWraps {
		return e, errEnvelope
	}
	for range count {
		uri, rest, ok := cutField(b, maxURI)
		if !ok {
			return e, errEnvelope
		}
		wrapped, rest, ok := cutField(rest, maxWrapped)
		if !ok {
			return e, errEnvelope
		}
		e.header.wraps = append(e.header.wraps, wrap{string(uri), slices.Clone(wrapped)})
		b = rest
	}
	if len(b) < Overhead {
		return e, errEnvelope
	}
	e.sealed = slices.Clone(b)
	return e, nil
}

// cutField splits off a non-empty field with a two-byte length.
func cutField(b []byte, most int) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < 1 || n > most || len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// open returns the ring of the record.
func (e envelope) open(outer *ring) (*ring, error) {
	plaintext, err := outer.open(forKeyring, e.header.encode(), e.sealed)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	return decodeRing(plaintext)
}

// record returns the keyring record of s.
func (s *state) record() ([]byte, error) {
	plaintext := s.ring.encode()
	defer clear(plaintext)
	sealed, err := s.outer.seal(forKeyring, s.header.encode(), plaintext)
	if err != nil {
		return nil, err
	}
	return envelope{s.header, sealed}.encode(), nil
}

// wrapAnew returns a state, and its record, in which a new outer key seals the
// ring, so that the roots given can open it and no other.
func wrapAnew(id [keyringIDSize]byte, r *ring, roots []Root) (*state, []byte, error) {
	outer, err := singleRing(newKey())
	if err != nil {
		return nil, nil, err
	}
	h, err := wrapOuter(id, outer.generations[0].key.Reveal(), roots)
	if err != nil {
		return nil, nil, err
	}
	s := &state{header: h, outer: outer, ring: r}
	record, err := s.record()
	return s, record, err
}

func wrapOuter(id [keyringIDSize]byte, key []byte, roots []Root) (header, error) {
	h := header{id: id}
	if len(roots) < 1 || len(roots) > maxWraps {
		return h, fmt.Errorf("there must be from 1 to %d root keys, not %d", maxWraps, len(roots))
	}
	for _, root := range roots {
		uri := root.URI()
		if len(uri) < 1 || len(uri) > maxURI {
			return h, fmt.Errorf("the URI of a root key must have from 1 to %d bytes, not %d", maxURI, len(uri))
		}
		if slices.ContainsFunc(h.wraps, func(w wrap) bool { return w.uri == uri }) {
			return h, fmt.Errorf("root key %s is given twice", uri)
		}
		wrapped, err := wrapChecked(root, key, wrapData(id, uri))
		if err != nil {
			return h, fmt.Errorf("root key %s: %w", uri, err)
		}
		h.wraps = append(h.wraps, wrap{uri, wrapped})
	}
	return h, nil
}

// wrapChecked also unwraps, because a root that can only wrap (a service that
// grants encrypt and not decrypt) would lock its owner out at the next start.
func wrapChecked(root Root, key, associated []byte) ([]byte, error) {
	wrapped, err := root.Wrap(key, associated)
	if err != nil {
		return nil, fmt.Errorf("wrapping the keyring: %w", err)
	}
	if len(wrapped) < 1 || len(wrapped) > maxWrapped {
		return nil, fmt.Errorf("wrapping the keyring: a wrapped key of %d bytes cannot be stored", len(wrapped))
	}
	back, err := root.Unwrap(wrapped, associated)
	if err != nil {
		return nil, fmt.Errorf("unwrapping what it has just wrapped: %w", err)
	}
	defer clear(back)
	if subtle.ConstantTimeCompare(back, key) != 1 {
		return nil, errors.New("it does not unwrap what it wraps")
	}
	return wrapped, nil
}

// wrapData binds a wrap to the installation and to the URI stored with it.
func wrapData(id [keyringIDSize]byte, uri string) []byte {
	const label = "okv-keyring"
	ad := append([]byte(label), format1)
	ad = append(ad, id[:]...)
	return append(ad, uri...)
}

// unwrap returns the outer key, from the first root that opens a wrap. Wraps of
// a root's own URI come first; then those of its scheme, because a key file that
// was moved is still the same key.
func (h header) unwrap(roots []Root) (*ring, error) {
	var reasons []error
	for _, exact := range []bool{true, false} {
		for _, root := range roots {
			for _, w := range h.wraps {
				if !concerns(w.uri, root.URI(), exact) {
					continue
				}
				key, err := root.Unwrap(w.wrapped, wrapData(h.id, w.uri))
				switch {
				case err == nil && len(key) == keySize:
					return singleRing(key)
				case err == nil:
					err = ErrOpen
					fallthrough
				case !errors.Is(err, ErrOpen) || errors.Is(err, ErrPassphrase):
					reasons = append(reasons, fmt.Errorf("%s: %w", root.URI(), err))
				}
			}
		}
	}
	return nil, h.noRoot(roots, reasons)
}

// concerns reports whether a wrap is worth trying: exact compares the whole URI,
// else only URIs that differ, by scheme.
func concerns(wrapURI, rootURI string, exact bool) bool {
	if exact || wrapURI == rootURI {
		return exact && wrapURI == rootURI
	}
	a, _, _ := strings.Cut(wrapURI, ":")
	b, _, _ := strings.Cut(rootURI, ":")
	return a == b
}

// noRoot tells a wrong passphrase first: it is what somebody at a terminal needs
// to know, and the rest is for those who wonder.
func (h header) noRoot(roots []Root, reasons []error) error {
	given := make([]string, len(roots))
	for i, r := range roots {
		given[i] = r.URI()
	}
	why := fmt.Errorf("%w: given %s", ErrNoRoot, strings.Join(given, ", "))
	if errors.Is(errors.Join(reasons...), ErrPassphrase) {
		why = fmt.Errorf("%w: %w", ErrPassphrase, why)
	} else if len(reasons) > 0 {
		texts := make([]string, len(reasons))
		for i, r := range reasons {
			texts[i] = r.Error()
		}
		why = fmt.Errorf("%w (%s)", why, strings.Join(texts, "; "))
	}
	return fmt.Errorf("%w, while it is wrapped by %s", why, strings.Join(h.uris(), ", "))
}

func (h header) uris() []string {
	uris := make([]string, len(h.wraps))
	for i, w := range h.wraps {
		uris[i] = w.uri
	}
	return uris
}
