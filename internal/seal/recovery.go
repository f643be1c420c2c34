package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// recoveryKeyFile is the form of recovery keys. The magic keeps one from being
// taken for a root key, which lies beside the service and is read by it.
var recoveryKeyFile = keyFile{magic: "okv-recovery-key", noun: "recovery key"}

const recoveryComment = "# Recovery key %s of an OpenKeyVault installation. When the root key is lost,\n" +
	"# okv operator recover makes a new one with it. Whoever has it and a copy of the\n" +
	"# data can open every vault. Keep it offline, apart from both.\n"

const recoveryScheme = "recovery:"

// NewRecoveryKey returns a new random recovery key: a root whose text is kept
// offline. Its URI, such as recovery:1f0c2a9e, tells which of several it is and
// nothing more.
func NewRecoveryKey() (Root, secret.Bytes, error) {
	key := newKey()
	id := recoveryID(key)
	text := append(fmt.Appendf(nil, recoveryComment, id), recoveryKeyFile.line(key)...)
	root, err := newKeyRoot(recoveryScheme+id, key)
	return root, secret.New(text), err
}

// NewRecoveryFile is NewRecoveryKey with the text in a file, as NewRootFile has
// it.
func NewRecoveryFile(path string) (*NewKey, error) {
	root, text, err := NewRecoveryKey()
	if err != nil {
		return nil, err
	}
	defer text.Zero()
	return prepareKey(root, path, "recovery key file "+path, text.Reveal())
}

// recoveryID is far too short to tell anything of a key of 256 random bits.
func recoveryID(key []byte) string {
	sum := sha256.Sum256(append([]byte("okv-recovery-id"), key...))
	return hex.EncodeToString(sum[:4])
}

// ReadRecoveryKey reads the text of a recovery key. Its errors show nothing of
// the text.
func ReadRecoveryKey(r io.Reader) (Root, error) {
	text, err := readBounded(r, recoveryKeyFile.noun)
	if err != nil {
		return nil, fmt.Errorf("the recovery key: %w", err)
	}
	defer clear(text)
	key, err := recoveryKeyFile.parse(text)
	if err != nil {
		return nil, fmt.Errorf("the recovery key: %w", err)
	}
	return newKeyRoot(recoveryScheme+recoveryID(key), key)
}
