package seal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// A passphrase root wraps under a key that Argon2id (RFC 9106) makes of the
// passphrase. What it returns is
//
//	format      1 byte, 1
//	time        4 bytes, passes over the memory
//	memory      4 bytes, in KiB
//	threads     1 byte
//	salt        16 bytes
//	nonce, ciphertext, tag
//
// with the associated data "okv-passphrase", everything before the nonce, and
// what the caller gave.
const (
	passphraseHeader = 1 + 4 + 4 + 1 + saltSize
	saltSize         = 16
)

// Cost is what an attempt at a passphrase costs, as Argon2id counts it.
type Cost struct {
	Time      uint32 // passes over the memory
	MemoryKiB uint32
	Threads   uint8
}

// DefaultCost is the second recommended option of RFC 9106, section 4: a tenth
// of a second or so, and memory that every server has.
var DefaultCost = Cost{Time: 3, MemoryKiB: 64 << 10, Threads: 4}

// The most that a stored wrap may ask for. Whoever can write to the store could
// otherwise have the next start take all memory.
const (
	maxTime      = 16
	maxMemoryKiB = 1 << 20
	maxThreads   = 64
)

func (c Cost) check() error {
	if c.Time < 1 || c.Time > maxTime || c.Threads < 1 || c.Threads > maxThreads ||
		c.MemoryKiB < 8*uint32(c.Threads) || c.MemoryKiB > maxMemoryKiB {
		return fmt.Errorf("an Argon2id of %d passes over %d KiB in %d threads is out of bounds", c.Time, c.MemoryKiB, c.Threads)
	}
	return nil
}

// MinPassphrase is how many characters a new passphrase must have. It stands
// alone against whoever has a copy of the data and all the time there is.
const MinPassphrase = 16

// maxPassphrase is in bytes.
const maxPassphrase = 1 << 10

// ErrPassphrase is wrapped by the error of Open when a passphrase root was tried
// and is not the one that the keyring is wrapped by.
var ErrPassphrase = errors.New("the passphrase is wrong")

// TypedPassphrase is the URI of a passphrase that somebody types in.
const TypedPassphrase = "passphrase:"

// passphraseRoot is a root key that is made of a passphrase.
type passphraseRoot struct {
	uri        string
	passphrase secret.Bytes
	cost       Cost // of what it wraps
}

// NewPassphraseRoot returns the root of a passphrase, with the cost of what it
// wraps; what it unwraps says itself what it costs. The URI is TypedPassphrase,
// or passphrase: and the absolute path of the file that holds it.
func NewPassphraseRoot(uri string, passphrase secret.Bytes, cost Cost) (Root, error) {
	if !strings.HasPrefix(uri, TypedPassphrase) {
		return nil, fmt.Errorf("root key %q: it is no passphrase", uri)
	}
	if err := cost.check(); err != nil {
		return nil, fmt.Errorf("root key %s: %w", uri, err)
	}
	switch n := passphrase.Len(); {
	case n == 0:
		return nil, fmt.Errorf("root key %s: the passphrase is empty", uri)
	case n > maxPassphrase:
		return nil, fmt.Errorf("root key %s: the passphrase has more than %d bytes", uri, maxPassphrase)
	}
	return &passphraseRoot{uri, passphrase, cost}, nil
}

// CheckNewRoot returns why a root must not begin to protect a keyring: that its
// passphrase is too short.
func CheckNewRoot(root Root) error {
	r, ok := root.(*passphraseRoot)
	if ok && utf8.RuneCount(r.passphrase.Reveal()) < MinPassphrase {
		return fmt.Errorf("the passphrase is too short: a new one has at least %d characters, five random words for example", MinPassphrase)
	}
	return nil
}

// openPassphraseFile returns the root of the passphrase in a file that only its
// owner can read.
func openPassphraseFile(path string) (Root, error) {
	text, err := readKeyFile(path, "passphrase")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("passphrase file %s does not exist: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("passphrase file %s: %w", path, err)
	}
	line, err := PassphraseLine(text)
	if err != nil {
		clear(text)
		return nil, fmt.Errorf("passphrase file %s: %w", path, err)
	}
	return NewPassphraseRoot(PassphraseURI(path), line, DefaultCost)
}

// PassphraseLine returns a passphrase without the end of its line, which editors
// add. It takes over text.
func PassphraseLine(text []byte) (secret.Bytes, error) {
	text = trimLineEnd(text)
	for _, c := range text {
		if c == '\n' || c == '\r' || c == 0 {
			return secret.Bytes{}, errors.New("a passphrase is one line")
		}
	}
	return secret.New(text), nil
}

func trimLineEnd(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
	}
	return text
}

// PassphraseURI returns the URI of the passphrase in the file at an absolute
// path.
func PassphraseURI(path string) string {
	return (&url.URL{Scheme: "passphrase", Path: slashedPath(path), OmitHost: true}).String()
}

// slashedPath begins with a slash, as the path of a URI does.
func slashedPath(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") { // C:\okv\root.key
		slashed = "/" + slashed
	}
	return slashed
}

func (r *passphraseRoot) URI() string { return r.uri }

func (r *passphraseRoot) Wrap(plaintext, associated []byte) ([]byte, error) {
	header := make([]byte, 0, passphraseHeader)
	header = append(header, format1)
	header = binary.BigEndian.AppendUint32(header, r.cost.Time)
	header = binary.BigEndian.AppendUint32(header, r.cost.MemoryKiB)
	header = append(header, r.cost.Threads)
	header = header[:passphraseHeader]
	_, _ = rand.Read(header[passphraseHeader-saltSize:]) // never fails: the process ends instead
	c, err := r.cipher(header)
	if err != nil {
		return nil, err
	}
	body, err := c.seal(plaintext, passphraseData(header, associated))
	if err != nil {
		return nil, fmt.Errorf("wrapping with %s: %w", r.uri, err)
	}
	return append(header, body...), nil
}

// Unwrap's error for a wrong passphrase is ErrOpen and says what it is: nobody
// else can be told apart by it.
func (r *passphraseRoot) Unwrap(wrapped, associated []byte) ([]byte, error) {
	if len(wrapped) < passphraseHeader || wrapped[0] != format1 {
		return nil, ErrOpen
	}
	header := wrapped[:passphraseHeader:passphraseHeader]
	c, err := r.cipher(header)
	if err != nil {
		return nil, err
	}
	plaintext, err := c.open(wrapped[passphraseHeader:], passphraseData(header, associated))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, ErrOpen)
	}
	return plaintext, nil
}

// cipher derives the key that a header describes.
func (r *passphraseRoot) cipher(header []byte) (cipher, error) {
	cost := Cost{
		Time: binary.BigEndian.Uint32(header[1:]), MemoryKiB: binary.BigEndian.Uint32(header[5:]), Threads: header[9],
	}
	if err := cost.check(); err != nil {
		return cipher{}, err
	}
	key := argon2.IDKey(r.passphrase.Reveal(), header[passphraseHeader-saltSize:], cost.Time, cost.MemoryKiB, cost.Threads, keySize)
	defer clear(key)
	return newCipher(key)
}

func passphraseData(header, associated []byte) []byte {
	const label = "okv-passphrase"
	ad := make([]byte, 0, len(label)+len(header)+len(associated))
	ad = append(ad, label...)
	ad = append(ad, header...)
	return append(ad, associated...)
}
