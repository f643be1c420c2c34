package server

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

var errCrash = errors.New("the process is killed here")

// checkUsable starts the installation, works with it and ends it.
func (s *site) checkUsable() {
	s.t.Helper()
	r := s.start()
	r.createVault()
	r.setSecret("a", "value").is(200)
	r.wantSecret("a", "value")
	r.stop()
}

func TestInstall(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for id, what := range map[string]string{
		s.made.TenantID: "tenant", s.made.SubscriptionID: "subscription", s.made.Owner.ClientID: "client", s.made.Owner.ObjectID: "object",
	} {
		if !identity.IsGUID(id) {
			t.Errorf("the id of the %s is %q", what, id)
		}
	}
	if s.made.RecoveryKey.Len() != 0 || s.made.Recovery != s.recoveryKey().URI() {
		t.Errorf("the recovery key %s is to be in its file alone, which is %s", s.made.Recovery, s.recoveryKey().URI())
	}
	for name, want := range map[string]os.FileMode{"root.key": 0o600, "recovery.key": 0o600, "data": os.ModeDir | 0o700} {
		if info, err := os.Stat(s.path(name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %v", name, info, err, want)
		}
	}
	s.checkUsable()

	// What is there is never made again.
	before, err := os.ReadFile(s.path("root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.install(nil); err == nil || !strings.Contains(err.Error(), "the data directory "+s.cfg.DataDir+" is initialised already") {
		t.Errorf("a second time: %v", err)
	}
	if after, err := os.ReadFile(s.path("root.key")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the root key has changed: %v", err)
	}
	r := s.start()
	r.wantSecret("a", "value")
	r.stop()
}

func TestInstallPrintsRecoveryKey(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	err := s.install(func(c *InstallConfig) {
		c.RecoveryFile, c.TenantID, c.SubscriptionID = "", testTenant, testSubscription
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.made.TenantID != testTenant || s.made.SubscriptionID != testSubscription || s.made.Owner.TenantID != testTenant {
		t.Errorf("made %+v", s.made)
	}
	root, err := seal.ReadRecoveryKey(bytes.NewReader(s.made.RecoveryKey.Reveal()))
	if err != nil || root.URI() != s.made.Recovery {
		t.Fatalf("the recovery key is %v, %v", root, err)
	}
	if err := os.Remove(s.path("root.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), Data(s.cfg), root, s.quiet()); err != nil {
		t.Fatal(err)
	}
	s.checkUsable()
}

// An Install that ends at any point leaves nothing that works, and the next one
// makes all of it.
func TestInstallInterrupted(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"marker", "store", "root key", "recovery key", "keyring", "owner", "delivery", "end"} {
		for _, printed := range []bool{false, true} {
			name := step
			if printed {
				name += ", recovery key printed"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := emptySite(t)
				reached := false
				change := func(c *InstallConfig) {
					if printed {
						c.RecoveryFile = ""
					}
				}
				err := s.install(func(c *InstallConfig) {
					change(c)
					c.before = func(at string) error {
						if at == step {
							reached = true
							return errCrash
						}
						return nil
					}
				})
				if !errors.Is(err, errCrash) || !reached {
					t.Fatalf("Install: %v", err)
				}
				first := s.made
				if _, err := s.tryStart(); err == nil || !strings.Contains(err.Error(), "is not initialised") {
					t.Fatalf("half an installation is served: %v", err)
				}
				if err := s.install(change); err != nil {
					t.Fatalf("the second time: %v", err)
				}
				if first != nil && (first.Secret.Equal(s.made.Secret.Bytes) || first.Owner.ClientID == s.made.Owner.ClientID) {
					t.Error("a secret that was delivered by a run that failed is good")
				}
				s.checkUsable()
				if entries, err := os.ReadDir(s.cfg.DataDir); err != nil || len(entries) != 2 {
					t.Errorf("the data directory holds %v, %v, want the store and the audit log", entries, err)
				}
				if _, err := os.Stat(s.path("recovery.key.tmp")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("a copy of the recovery key is left: %v", err)
				}
			})
		}
	}
}

// A delivery that fails, as into a full disk, is an Install that failed: the
// secrets are lost.
func TestInstallUndelivered(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	cfg := InstallConfig{Data: DataConfig{Dir: s.cfg.DataDir, Root: s.cfg.RootKey}, Logger: s.quiet()}
	if err := Install(t.Context(), cfg, func(*Installation) error { return errCrash }); !errors.Is(err, errCrash) {
		t.Fatalf("Install: %v", err)
	}
	if err := s.install(nil); err != nil {
		t.Fatal(err)
	}
	s.checkUsable()
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*site)
		want    string
	}{
		"somebody's files": {func(s *site) { s.write("data/notes.txt", "x") }, "it holds notes.txt"},
		"another's recovery key": {func(s *site) {
			_, text, err := seal.NewRecoveryKey()
			if err != nil {
				s.t.Fatal(err)
			}
			s.write("recovery.key", string(text.Reveal()))
		}, "recovery.key exists"},
		"no recovery key":      {func(s *site) { s.write("recovery.key", "x") }, "recovery.key exists"},
		"a broken root key":    {func(s *site) { s.write("root.key", "okv-root-key v1") }, "root.key: its line is incomplete"},
		"a root key for all":   {func(s *site) { s.write("root.key", "x"); s.chmod("root.key", 0o644) }, "chmod 600"},
		"a file for directory": {func(s *site) { s.write("data", "x") }, "creating the data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := emptySite(t)
			tc.prepare(s)
			if err := s.install(nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Install: %v, want %q", err, tc.want)
			}
			if s.made != nil {
				t.Error("it was delivered")
			}
		})
	}
}

// The file system of a volume has a directory of its own, and a root key may be
// brought along.
func TestInstallOnAVolume(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	if err := os.MkdirAll(s.path("data/lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := seal.CreateRootFile(s.path("root.key")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(s.path("root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.install(nil); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(s.path("root.key")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the root key has changed: %v", err)
	}
	s.checkUsable()
}

// Two at once do not make half an installation each.
func TestInstallTwiceAtOnce(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	err := s.install(func(c *InstallConfig) {
		c.before = func(step string) error {
			if step != "keyring" {
				return nil
			}
			err := s.install(func(c *InstallConfig) { c.RecoveryFile = "" })
			if !errors.Is(err, store.ErrLocked) {
				t.Errorf("the second: %v", err)
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.checkUsable()
}

func TestInstallWithPassphrase(t *testing.T) {
	t.Parallel()
	s := emptySite(t, `root_key = "passphrase:pass"`)
	s.write("pass", "too short\n")
	if err := s.install(nil); err == nil || !strings.Contains(err.Error(), "the passphrase is too short") {
		t.Fatalf("Install: %v", err)
	}
	s.write("pass", "correct horse battery staple\n")
	cheap := func(c *InstallConfig) { c.Data.OpenRoot = cheapPassphrase("correct horse battery staple") }
	if err := s.install(cheap); err != nil {
		t.Fatal(err)
	}
	s.checkUsable()
	s.write("pass", "correct horse battery stable\n")
	_, err := s.tryStart()
	if !errors.Is(err, seal.ErrPassphrase) || !strings.Contains(err.Error(), "the passphrase is wrong") || !strings.Contains(err.Error(), "okv operator recover") {
		t.Errorf("a wrong passphrase: %v", err)
	}
}

// cheapPassphrase opens the root of a passphrase that wraps in no time.
func cheapPassphrase(text string) func(string) (seal.Root, error) {
	return func(uri string) (seal.Root, error) {
		return seal.NewPassphraseRoot(uri, secret.New([]byte(text)), seal.Cost{Time: 1, MemoryKiB: 8, Threads: 1})
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) chmod(name string, mode os.FileMode) {
	s.t.Helper()
	if err := os.Chmod(s.path(name), mode); err != nil {
		s.t.Fatal(err)
	}
}
