package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/config"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

func (s *site) quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fill starts the site and sets a secret.
func (s *site) fill() {
	s.t.Helper()
	r := s.start()
	r.createVault()
	r.setSecret("kept", "value").is(200)
	r.stop()
}

// wantKept starts the site and reads that secret.
func (s *site) wantKept() {
	s.t.Helper()
	r := s.start()
	r.wantSecret("kept", "value")
	r.stop()
}

// audited counts the records of an operation in the audit log's file.
func (s *site) audited(operation string) int {
	s.t.Helper()
	log, err := os.ReadFile(s.cfg.AuditFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Count(string(log), `"operation":"`+operation+`"`)
}

func TestRecover(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	lost := s.path("root.key")
	for range 2 { // the recovery key stays good
		if err := os.Rename(lost, s.path("lost.key")); err != nil {
			t.Fatal(err)
		}
		_, err := s.tryStart()
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), lost+" does not exist") || !strings.Contains(err.Error(), "okv operator recover makes a new one") {
			t.Fatalf("without the root key: %v", err)
		}
		dropped, err := Recover(t.Context(), Data(s.cfg), s.recoveryKey(), s.quiet())
		if err != nil {
			t.Fatal(err)
		}
		if len(dropped) != 1 || dropped[0] != s.cfg.RootKey {
			t.Errorf("dropped %v", dropped)
		}
		s.wantKept()
	}
	if got := s.audited("RootKeyRecover"); got != 2 {
		t.Errorf("%d records of a recovery", got)
	}
	// The root key before opens nothing any more.
	if err := os.Rename(s.path("lost.key"), lost); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryStart(); !errors.Is(err, seal.ErrNoRoot) || !strings.Contains(err.Error(), "okv operator recover") {
		t.Errorf("with the old root key: %v", err)
	}
}

func TestRecoverRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	other, _, err := seal.NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, cfg DataConfig, root seal.Root, want error, text string) {
		t.Helper()
		if _, err := Recover(t.Context(), cfg, root, s.quiet()); err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	recovery := s.recoveryKey()
	refused("over a root key", Data(s.cfg), recovery, fs.ErrExist, s.path("root.key")+" exists")
	refused("another recovery key", Data(s.cfg), other, seal.ErrNoRoot, recovery.URI())
	refused("another recovery key", Data(s.cfg), other, seal.ErrNoRoot, "this recovery key has been replaced since")
	r := s.start()
	refused("beside a server", Data(s.cfg), recovery, store.ErrLocked, "stop okv serve first")
	r.stop()
	empty := Data(s.cfg)
	empty.Dir = s.path("nothing")
	refused("no installation", empty, recovery, nil, "is not initialised: run okv init")
	if _, err := os.Stat(s.path("nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory was made: %v", err)
	}
	weak := Data(s.cfg)
	weak.Root, weak.OpenRoot = seal.TypedPassphrase, cheapPassphrase("too short")
	refused("a short passphrase", weak, recovery, nil, "the passphrase is too short")
	s.wantKept() // by the root key that there was all the time
}

// A root key is replaced, by another file and by a passphrase.
func TestRecoverReplaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.cfg.RootKey = seal.FileURI(s.path("root2.key"))
	if _, err := Recover(t.Context(), Data(s.cfg), s.recoveryKey(), s.quiet()); err != nil {
		t.Fatal(err)
	}
	s.wantKept()
	s.cfg.RootKey = seal.PassphraseURI(s.path("pass"))
	s.write("pass", "correct horse battery staple")
	data := Data(s.cfg)
	data.OpenRoot = cheapPassphrase("correct horse battery staple")
	if dropped, err := Recover(t.Context(), data, s.recoveryKey(), s.quiet()); err != nil || len(dropped) != 1 {
		t.Fatalf("%v, %v", dropped, err)
	}
	s.wantKept()
}

// Between the new keyring and its root key's file a Recover may end: the next one
// makes another.
func TestRecoverInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	if err := os.Remove(s.path("root.key")); err != nil {
		t.Fatal(err)
	}
	recovery := s.recoveryKey()
	err := onKeyring(t.Context(), Data(s.cfg), s.quiet(), func(st store.Store) error {
		k, err := seal.Open(t.Context(), st, recovery)
		if err != nil {
			return err
		}
		root, _, err := newRoot(Data(s.cfg))
		if err != nil {
			return err
		}
		return k.Rewrap(t.Context(), st, root, recovery)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), Data(s.cfg), recovery, s.quiet()); err != nil {
		t.Fatal(err)
	}
	s.wantKept()
}

func TestReplaceRecoveryKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	before := s.recoveryKey()
	if _, _, err := ReplaceRecoveryKey(t.Context(), Data(s.cfg), s.path("recovery.key"), s.quiet()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over the old one: %v", err)
	}
	uri, text, err := ReplaceRecoveryKey(t.Context(), Data(s.cfg), "", s.quiet())
	if err != nil {
		t.Fatal(err)
	}
	printed, err := seal.ReadRecoveryKey(strings.NewReader(string(text.Reveal())))
	if err != nil || printed.URI() != uri || uri == before.URI() {
		t.Fatalf("%v, %s, %v", printed, uri, err)
	}
	if err := os.Rename(s.path("recovery.key"), s.path("old.key")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReplaceRecoveryKey(t.Context(), Data(s.cfg), s.path("recovery.key"), s.quiet()); err != nil {
		t.Fatal(err)
	}
	s.wantKept()
	if got := s.audited("RecoveryKeyReplace"); got != 2 {
		t.Errorf("%d records of replacing the recovery key", got)
	}
	if err := os.Remove(s.path("root.key")); err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]seal.Root{"the first": before, "the second": printed} {
		if _, err := Recover(t.Context(), Data(s.cfg), root, s.quiet()); !errors.Is(err, seal.ErrNoRoot) {
			t.Errorf("%s recovery key: %v", name, err)
		}
	}
	if _, _, err := ReplaceRecoveryKey(t.Context(), Data(s.cfg), "", s.quiet()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "okv operator recover") {
		t.Errorf("without the root key: %v", err)
	}
	if _, err := Recover(t.Context(), Data(s.cfg), s.recoveryKey(), s.quiet()); err != nil {
		t.Fatal(err)
	}
	s.wantKept()
}

// A directory that `okv dev` has made, or another user's, is not one to serve.
func TestServeNeedsAnInstallation(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	if _, err := s.tryStart(); err == nil || !strings.Contains(err.Error(), "is not initialised: run okv init") {
		t.Errorf("no directory: %v", err)
	}
	if err := os.Mkdir(s.path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryStart(); err == nil || !strings.Contains(err.Error(), "is not initialised: run okv init") {
		t.Errorf("an empty directory: %v", err)
	}
	if entries, err := os.ReadDir(s.path("data")); err != nil || len(entries) != 0 {
		t.Errorf("left there: %v, %v", entries, err)
	}
	if err := os.Mkdir(s.path("data/store"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryStart(); err == nil || !strings.Contains(err.Error(), "is not initialised: run okv init") {
		t.Errorf("an empty store: %v", err)
	}
	if os.Geteuid() != 0 {
		return // nothing can be given away
	}
	other := newSite(t)
	if err := os.Chown(other.cfg.DataDir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := other.tryStart(); err == nil || !strings.Contains(err.Error(), "belongs to the user 12345: run this as that user") {
		t.Errorf("another's directory: %v", err)
	}
	if err := other.install(nil); err == nil || !strings.Contains(err.Error(), "belongs to the user 12345") {
		t.Errorf("init of another's directory: %v", err)
	}
}

func TestDataOfConfig(t *testing.T) {
	t.Parallel()
	got := Data(&config.Config{DataDir: "/d", RootKey: "file:/k", AuditFile: "/a", DiskReserve: 7})
	if got.Dir != "/d" || got.Root != "file:/k" || got.AuditFile != "/a" || got.DiskReserve != 7 || !got.MustExist {
		t.Errorf("%+v", got)
	}
}
