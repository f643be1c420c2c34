package seal

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// newStoreOf returns a store that holds the keyring's present record.
func newStoreOf(t testing.TB, k *Keyring) store.Store {
	t.Helper()
	record, err := k.state.Load().record()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	put(t, s, recordKey(), record)
	return s
}

func TestOpenAgain(t *testing.T) {
	s, root, second := newStore(t), newFileRoot(t, "root.key"), newRoot(t)
	k := openKeyring(t, s, root, second)
	vault, wrapped := newVault(t, k, "v1")
	sealedBySystem, sealedByVault := mustSeal(t, k.System(), "a", "system's"), mustSeal(t, vault, "b", "vault's")
	for name, roots := range map[string][]Root{
		"the first root":            {root},
		"the second root":           {second},
		"both, in another order":    {second, root},
		"a stranger and then one":   {newRoot(t), newFileRoot(t, "other.key"), root},
		"a wrong file, and a spare": {newFileRoot(t, "root.key"), second},
	} {
		t.Run(name, func(t *testing.T) {
			again := openKeyring(t, s, roots...)
			checkOpens(t, again.System(), "a", sealedBySystem, "system's")
			checkOpens(t, vaultSealer(t, again, "v1", wrapped), "b", sealedByVault, "vault's")
		})
	}
}

func TestOpenAfterTheRootFileMoved(t *testing.T) {
	s, root := newStore(t), newFileRoot(t, "root.key")
	sealed := mustSeal(t, openKeyring(t, s, root).System(), "a", "value")
	moved := *root.(*keyRoot)
	moved.uri = "file:/somewhere/else"
	checkOpens(t, openKeyring(t, s, &moved).System(), "a", sealed, "value")

	renamed := *root.(*keyRoot)
	renamed.uri = "pkcs11:object=root"
	if _, err := Open(t.Context(), s, &renamed); !errors.Is(err, ErrNoRoot) {
		t.Errorf("a root of another scheme was tried: %v", err)
	}
}

func TestOpenWithoutItsRoot(t *testing.T) {
	s, root := newStore(t), newFileRoot(t, "root.key")
	openKeyring(t, s, root)
	before := keyringRecord(t, s)
	stranger := newRoot(t)
	for name, roots := range map[string][]Root{
		"another file":          {newFileRoot(t, "root.key")},
		"another kind":          {stranger},
		"a root that is away":   {&fakeRoot{Root: stranger, uri: root.URI(), unwrap: func([]byte) ([]byte, error) { return nil, errDisk }}},
		"a key of a wrong size": {&fakeRoot{Root: stranger, uri: root.URI(), unwrap: func([]byte) ([]byte, error) { return make([]byte, 31), nil }}},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := Open(t.Context(), s, roots...)
			if !errors.Is(err, ErrNoRoot) || k != nil {
				t.Fatalf("Open = %v, %v, want ErrNoRoot", k, err)
			}
			for _, uri := range []string{roots[0].URI(), root.URI()} {
				if !strings.Contains(err.Error(), uri) {
					t.Errorf("%q does not name %s", err, uri)
				}
			}
			if strings.Contains(name, "away") && !strings.Contains(err.Error(), errDisk.Error()) {
				t.Errorf("%q does not say why", err)
			}
		})
	}
	if !bytes.Equal(keyringRecord(t, s), before) {
		t.Error("a failed Open has changed the record")
	}
	if _, err := Open(t.Context(), s); err == nil {
		t.Error("Open without any root succeeds")
	}
}

// TestARootThatGivesAnotherKey: the wrap opens, and to a key that is not the
// keyring's.
func TestARootThatGivesAnotherKey(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	openKeyring(t, s, root)
	liar := &fakeRoot{Root: root, uri: root.URI(), unwrap: func([]byte) ([]byte, error) { return newKey(), nil }}
	if k, err := Open(t.Context(), s, liar); !errors.Is(err, ErrOpen) || k != nil {
		t.Errorf("Open = %v, %v, want ErrOpen", k, err)
	}
}

func TestAStoreWithRecordsAndNoKeyring(t *testing.T) {
	s := newStore(t)
	put(t, s, []byte("\x02v\x00\x01"), []byte("a record"))
	k, err := Open(t.Context(), s, newRoot(t))
	if err == nil || k != nil || !strings.Contains(err.Error(), "records and no keyring") {
		t.Errorf("Open = %v, %v, want a refusal", k, err)
	}
}

// fakeRoot is a root that misbehaves.
type fakeRoot struct {
	Root
	uri    string
	wrap   func([]byte) ([]byte, error)
	unwrap func([]byte) ([]byte, error)
}

func (r *fakeRoot) URI() string { return r.uri }

func (r *fakeRoot) Wrap(key, associated []byte) ([]byte, error) {
	if r.wrap != nil {
		return r.wrap(key)
	}
	return r.Root.Wrap(key, associated)
}

func (r *fakeRoot) Unwrap(wrapped, associated []byte) ([]byte, error) {
	if r.unwrap != nil {
		return r.unwrap(wrapped)
	}
	return r.Root.Unwrap(wrapped, associated)
}

// TestRootsAreTriedBeforeTheyCount: neither Open nor Rewrap stores a wrap that
// could lock its owner out.
func TestRootsAreTriedBeforeTheyCount(t *testing.T) {
	good := newRoot(t)
	many := make([]Root, maxWraps+1)
	for i := range many {
		many[i] = &fakeRoot{Root: good, uri: "ephemeral:" + strings.Repeat("i", i)}
	}
	tests := map[string]struct {
		roots []Root
		want  string
	}{
		"wraps, and does not unwrap": {[]Root{&fakeRoot{Root: good, uri: "kms:1", unwrap: func([]byte) ([]byte, error) { return nil, errDisk }}}, "kms:1: unwrapping"},
		"unwraps to something else":  {[]Root{&fakeRoot{Root: good, uri: "kms:1", unwrap: func([]byte) ([]byte, error) { return newKey(), nil }}}, "does not unwrap what it wraps"},
		"does not wrap":              {[]Root{good, &fakeRoot{Root: good, uri: "kms:1", wrap: func([]byte) ([]byte, error) { return nil, errDisk }}}, "kms:1: wrapping"},
		"wraps to nothing":           {[]Root{&fakeRoot{Root: good, uri: "kms:1", wrap: func([]byte) ([]byte, error) { return nil, nil }}}, "0 bytes"},
		"wraps to too much":          {[]Root{&fakeRoot{Root: good, uri: "kms:1", wrap: func([]byte) ([]byte, error) { return make([]byte, maxWrapped+1), nil }}}, "cannot be stored"},
		"has no URI":                 {[]Root{&fakeRoot{Root: good}}, "URI"},
		"has a URI without end":      {[]Root{&fakeRoot{Root: good, uri: strings.Repeat("u", maxURI+1)}}, "URI"},
		"is given twice":             {[]Root{good, good}, "given twice"},
		"is one of too many":         {many, "from 1 to 16 root keys, not 17"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			empty := newStore(t)
			if k, err := Open(t.Context(), empty, tt.roots...); err == nil || k != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, %v, want an error with %q", k, err, tt.want)
			}
			if record, err := read(t.Context(), empty); record != nil || err != nil {
				t.Errorf("Open has stored %x, %v", record, err)
			}
			used := newStore(t)
			k := openKeyring(t, used, good)
			before := keyringRecord(t, used)
			if err := k.Rewrap(t.Context(), used, tt.roots...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Rewrap: %v, want an error with %q", err, tt.want)
			}
			if !bytes.Equal(keyringRecord(t, used), before) {
				t.Error("Rewrap has changed the record")
			}
		})
	}
	if err := openKeyring(t, newStore(t), good).Rewrap(t.Context(), newStore(t)); err == nil {
		t.Error("Rewrap for no roots succeeds")
	}
}

// TestTheLargestKeyringFitsARecord: every wrap at its bound and a full ring.
func TestTheLargestKeyringFitsARecord(t *testing.T) {
	const ringSize = 3 + maxGenerations*ringEntrySize
	if size := 1 + keyringIDSize + 1 + maxWraps*(2+maxURI+2+maxWrapped) + Overhead + ringSize; size > store.MaxValue {
		t.Errorf("a keyring may have %d bytes, a value of the store %d", size, store.MaxValue)
	}
}

// TestTwoProcessesCreate: another process creates the keyring between the look
// and the write of the first.
func TestTwoProcessesCreate(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	var other *Keyring
	hooked := hookedStore{s, func() error {
		if other == nil {
			other = openKeyring(t, s, root)
		}
		return nil
	}}
	k := openKeyring(t, hooked, root)
	checkOpens(t, k.System(), "a", mustSeal(t, other.System(), "a", "value"), "value")
}

func TestCreateFails(t *testing.T) {
	s := newStore(t)
	k, err := Open(t.Context(), hookedStore{s, func() error { return errDisk }}, newRoot(t))
	if !errors.Is(err, errDisk) || k != nil {
		t.Errorf("Open = %v, %v, want the store's error", k, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if k, err := Open(ctx, s, newRoot(t)); !errors.Is(err, context.Canceled) || k != nil {
		t.Errorf("Open = %v, %v, want the context's error", k, err)
	}
}

func TestRotate(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k := openKeyring(t, s, root)
	system := k.System() // made before, follows
	vault, wrapped := newVault(t, k, "v1")
	old, oldVault := mustSeal(t, system, "a", "old"), mustSeal(t, vault, "b", "vault's")
	oldRecord := keyringRecord(t, s)
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	fresh := mustSeal(t, system, "a", "new")
	if fresh[4] != 2 || old[4] != 1 {
		t.Errorf("sealed under generations %d and then %d, want 1 and 2", old[4], fresh[4])
	}
	_, freshWrapped := newVault(t, k, "v2")
	if wrapped[4] != 1 || freshWrapped[4] != 2 {
		t.Errorf("vault keys wrapped under generations %d and then %d, want 1 and 2", wrapped[4], freshWrapped[4])
	}
	for name, k := range map[string]*Keyring{"this process": k, "a later one": openKeyring(t, s, root)} {
		t.Run(name, func(t *testing.T) {
			checkOpens(t, k.System(), "a", old, "old")
			checkOpens(t, k.System(), "a", fresh, "new")
			checkOpens(t, vaultSealer(t, k, "v1", wrapped), "b", oldVault, "vault's")
			vaultSealer(t, k, "v2", freshWrapped)
		})
	}
	put(t, s, recordKey(), oldRecord)
	checkErrOpen(t, openKeyring(t, s, root).System(), "a", fresh)
}

// TestAKeySealsOnlyOnceItIsDurable: a rotation that cannot be stored changes
// nothing in memory either.
func TestAKeySealsOnlyOnceItIsDurable(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k := openKeyring(t, s, root)
	broken := hookedStore{s, func() error { return errDisk }}
	if err := k.Rotate(t.Context(), broken); !errors.Is(err, errDisk) {
		t.Errorf("Rotate: %v, want the store's error", err)
	}
	if err := k.Rewrap(t.Context(), broken, newRoot(t)); !errors.Is(err, errDisk) {
		t.Errorf("Rewrap: %v, want the store's error", err)
	}
	if sealed := mustSeal(t, k.System(), "a", "value"); sealed[4] != 1 {
		t.Errorf("sealed under generation %d, which no store has", sealed[4])
	}
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Errorf("the keyring does not rotate after a fault: %v", err)
	}
}

// TestTwoProcessesRotate: the rotation that loses the race keeps the winner's
// generation.
func TestTwoProcessesRotate(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k, other := openKeyring(t, s, root), openKeyring(t, s, root)
	var between []byte
	hooked := hookedStore{s, func() error {
		if between == nil {
			if err := other.Rotate(t.Context(), s); err != nil {
				return err
			}
			between = mustSeal(t, other.System(), "a", "between")
		}
		return nil
	}}
	if err := k.Rotate(t.Context(), hooked); err != nil {
		t.Fatal(err)
	}
	checkOpens(t, k.System(), "a", between, "between")
	if sealed := mustSeal(t, k.System(), "a", "value"); sealed[4] != 3 {
		t.Errorf("sealed under generation %d, want 3", sealed[4])
	}
}

// TestARaceThatNeverEnds: somebody always writes first.
func TestARaceThatNeverEnds(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k, other := openKeyring(t, s, root), openKeyring(t, s, root)
	attempts := 0
	hooked := hookedStore{s, func() error {
		attempts++
		return other.Rotate(t.Context(), s)
	}}
	if err := k.Rotate(t.Context(), hooked); !errors.Is(err, errChanged) || attempts != maxAttempts {
		t.Errorf("after %d attempts: %v, want errChanged after %d", attempts, err, maxAttempts)
	}
}

func TestReload(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k, other := openKeyring(t, s, root), openKeyring(t, s, root)
	if err := other.Rotate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, other.System(), "a", "value")
	_, wrapped := newVault(t, other, "v1")
	checkErrOpen(t, k.System(), "a", sealed)
	if _, err := k.Vault("v1", wrapped); err != ErrOpen {
		t.Errorf("a key of an unknown generation: %v, want ErrOpen", err)
	}
	if err := k.Reload(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	checkOpens(t, k.System(), "a", sealed, "value")
	vaultSealer(t, k, "v1", wrapped)

	if err := k.Reload(t.Context(), newStore(t)); err == nil {
		t.Error("Reload from a store without a keyring succeeds")
	}
	checkOpens(t, k.System(), "a", sealed, "value")
}

func TestRewrap(t *testing.T) {
	s, old, kept, added := newStore(t), newRoot(t), newFileRoot(t, "kept.key"), newFileRoot(t, "added.key")
	k, other := openKeyring(t, s, old, kept), openKeyring(t, s, old)
	sealed := mustSeal(t, k.System(), "a", "value")
	oldRecord := keyringRecord(t, s)
	if err := k.Rewrap(t.Context(), s, kept, added); err != nil {
		t.Fatal(err)
	}
	for _, root := range []Root{kept, added} {
		checkOpens(t, openKeyring(t, s, root).System(), "a", sealed, "value")
	}
	if _, err := Open(t.Context(), s, old); !errors.Is(err, ErrNoRoot) {
		t.Errorf("the root left out: %v, want ErrNoRoot", err)
	}

	// The root left out still opens a copy of the old record, and learns from it
	// nothing that opens the new one.
	e, err := decodeEnvelope(oldRecord)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := e.header.unwrap([]Root{old})
	if err != nil {
		t.Fatal(err)
	}
	now, err := decodeEnvelope(keyringRecord(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := now.open(outer); err != ErrOpen {
		t.Errorf("the old outer key and the new record: %v, want ErrOpen", err)
	}
	if now.header.id != e.header.id {
		t.Error("the installation has another id")
	}

	// Another process goes on with what it knows, and cannot follow.
	if err := other.Reload(t.Context(), s); !errors.Is(err, ErrOpen) {
		t.Errorf("Reload after another process's Rewrap: %v, want ErrOpen", err)
	}
	if err := other.Rotate(t.Context(), s); !errors.Is(err, ErrOpen) {
		t.Errorf("Rotate after another process's Rewrap: %v, want ErrOpen", err)
	}
	checkOpens(t, other.System(), "a", sealed, "value")
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Errorf("Rotate after the process's own Rewrap: %v", err)
	}
	checkOpens(t, openKeyring(t, s, added).System(), "a", mustSeal(t, k.System(), "a", "later"), "later")
}

// TestWrapsAreBoundToTheirPlace: a wrap moved to another URI or installation
// does not open, and a header changed around the sealed ring neither.
func TestWrapsAreBoundToTheirPlace(t *testing.T) {
	root := newRoot(t)
	s := newStore(t)
	openKeyring(t, s, root)
	record := keyringRecord(t, s)
	for name, change := range map[string]func(*envelope){
		"id":             func(e *envelope) { e.header.id[0] ^= 1 },
		"URI":            func(e *envelope) { e.header.wraps[0].uri = "ephemeral:2" },
		"wrapped key":    func(e *envelope) { e.header.wraps[0].wrapped[30] ^= 1 },
		"wrap's format":  func(e *envelope) { e.header.wraps[0].wrapped[0]++ },
		"a wrap too few": func(e *envelope) { e.header.wraps[0].wrapped = e.header.wraps[0].wrapped[:1] },
		"a wrap added":   func(e *envelope) { e.header.wraps = append(e.header.wraps, wrap{"file:/x", []byte{1}}) },
		"ring":           func(e *envelope) { e.sealed[40] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			e, err := decodeEnvelope(record)
			if err != nil {
				t.Fatal(err)
			}
			change(&e)
			if k, err := open(e.encode(), []Root{root}); !errors.Is(err, ErrOpen) && !errors.Is(err, ErrNoRoot) || k != nil {
				t.Errorf("open = %v, %v, want ErrOpen or ErrNoRoot", k, err)
			}
		})
	}
	for i := range record {
		changed := bytes.Clone(record)
		changed[i] ^= 0x40
		if k, err := open(changed, []Root{root}); err == nil || k != nil {
			t.Errorf("a keyring with byte %d changed opens", i)
		}
	}
}

func TestRotateVaultKey(t *testing.T) {
	s, root := newStore(t), newRoot(t)
	k := openKeyring(t, s, root)
	first, wrapped := newVault(t, k, "v1")
	old := mustSeal(t, first, "a", "old")
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	rotated, err := k.RotateVaultKey("v1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if rotated[4] != 2 {
		t.Errorf("wrapped under generation %d of the keyring, want its newest, 2", rotated[4])
	}
	second := vaultSealer(t, k, "v1", rotated)
	fresh := mustSeal(t, second, "a", "new")
	if fresh[4] != 2 {
		t.Errorf("sealed under generation %d, want 2", fresh[4])
	}
	checkOpens(t, second, "a", old, "old")
	checkOpens(t, second, "a", fresh, "new")
	checkErrOpen(t, first, "a", fresh)

	for name, call := range map[string]func() ([]byte, error){
		"another vault": func() ([]byte, error) { return k.RotateVaultKey("v2", wrapped) },
		"no key":        func() ([]byte, error) { return k.RotateVaultKey("v1", nil) },
	} {
		if got, err := call(); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%s: %x, %v, want ErrOpen", name, got, err)
		}
	}
	if got, err := k.NewVaultKey(""); err == nil || got != nil {
		t.Errorf("a vault key without a vault: %x, %v", got, err)
	}
}

func TestRotationsAreBounded(t *testing.T) {
	g, err := newGeneration(1, newKey())
	if err != nil {
		t.Fatal(err)
	}
	full := &ring{slices.Repeat([]generation{g}, maxGenerations)}
	if r, err := full.rotated(); err == nil || r != nil {
		t.Error("a full ring rotates")
	}
	g.id = math.MaxUint32
	if r, err := (&ring{[]generation{g}}).rotated(); err == nil || r != nil {
		t.Error("a ring at the last generation rotates")
	}
	short := &ring{make([]generation, 1, 4)}
	short.generations[0] = generation{id: 7, key: g.key, cipher: g.cipher}
	a, errA := short.rotated()
	b, errB := short.rotated()
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if a.generations[1].key.Equal(b.generations[1].key) || len(short.generations) != 1 || a.generations[1].id != 8 {
		t.Error("two rotations of one ring share their new key")
	}
}
