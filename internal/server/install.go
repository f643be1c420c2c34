package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// InstallConfig says what Install makes.
type InstallConfig struct {
	// Data names the directory and the root key. A root key file that does not
	// exist is made, one that exists is used.
	Data DataConfig
	// TenantDomain is a name of the tenant besides its id.
	TenantDomain string
	// TenantID and SubscriptionID are GUIDs; empty means new ones.
	TenantID, SubscriptionID string
	// RecoveryFile is where the recovery key is written; nothing must be there.
	// Empty leaves it to the Installation.
	RecoveryFile string
	Logger       *slog.Logger

	// before is a seam for tests: it is called before each step, and its error
	// ends Install as a crash would, were it a step's.
	before func(step string) error
}

// Installation is what the operator must learn of a new installation, and nobody
// learns again.
type Installation struct {
	TenantID, SubscriptionID string
	// Owner has every role that there is need for, Secret is its client secret.
	Owner  identity.Application
	Secret identity.Secret
	// Recovery is the URI of the recovery key, RecoveryKey its text unless it was
	// written to a file.
	Recovery    string
	RecoveryKey secret.Bytes
}

// The marker is a file in the data directory from before anything else is there
// until its owner has been told what to keep. While it is there, nobody has used
// the installation, so all of it may be made again. It holds the URI of the
// recovery key, once that is written to a file.
const markerName = "init.unfinished"

// Install makes an installation in a directory that holds none, calls deliver
// with what its owner must keep, and returns once all of it is durable. If it
// fails, or the process ends at any point, nothing of it can be used, and it can
// be called again. A directory that holds an installation is refused.
func Install(ctx context.Context, cfg InstallConfig, deliver func(*Installation) error) (err error) {
	in := &installer{cfg: cfg, made: &Installation{TenantID: cfg.TenantID, SubscriptionID: cfg.SubscriptionID}}
	defer func() {
		if in.store != nil {
			err = errors.Join(err, in.store.Close())
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"marker", in.begin},
		{"store", in.open},
		{"root key", in.makeRoot},
		{"recovery key", in.makeRecovery},
		{"keyring", in.makeKeyring},
		{"owner", in.makeOwner},
		{"delivery", func(context.Context) error { return deliver(in.made) }},
		{"end", in.finish},
	} {
		if cfg.before != nil {
			if err := cfg.before(step.name); err != nil {
				return err
			}
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// installer is one run of Install.
type installer struct {
	cfg      InstallConfig
	marked   string // what the marker holds
	store    store.Store
	root     seal.Root
	recovery seal.Root
	keyring  *seal.Keyring
	made     *Installation
}

func (in *installer) begin(context.Context) error {
	dir := in.cfg.Data.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating the data directory: %w", err)
	}
	if err := checkOwner(dir); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, markerName))
	if err == nil {
		in.marked = strings.TrimSpace(string(text))
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the data directory: %w", err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "lost+found", markerName + ".tmp":
		default:
			return fmt.Errorf("the data directory %s is initialised already, or somebody else's: it holds %s", dir, e.Name())
		}
	}
	return in.mark("")
}

// mark writes the marker anew, so that a power cut leaves the old or the new.
func (in *installer) mark(text string) error {
	dir := in.cfg.Data.Dir
	path := filepath.Join(dir, markerName)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	in.marked = text
	return syncDir(dir)
}

// open opens the store, whose lock keeps another Install out, and empties it of
// what an earlier one has left.
func (in *installer) open(ctx context.Context) (err error) {
	if in.store, err = openStore(in.cfg.Data, in.cfg.Logger); err != nil {
		in.store = nil // not a nil pointer
		return err
	}
	return in.store.Update(ctx, func(tx store.Tx) error {
		tx.DeleteRange(tuple.Prefix(nil))
		return nil
	})
}

func (in *installer) makeRoot(context.Context) (err error) {
	uri := in.cfg.Data.Root
	if path := seal.PathOfURI(uri); path != "" && strings.HasPrefix(uri, "file:") {
		if err := seal.CreateRootFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if in.root, err = in.cfg.Data.openRoot(uri); err != nil {
		return err
	}
	return seal.CheckNewRoot(in.root)
}

// makeRecovery makes the recovery key. A file that an earlier run has written is
// known by the marker: its key has never opened anything.
func (in *installer) makeRecovery(context.Context) (err error) {
	path := in.cfg.RecoveryFile
	if path == "" {
		in.recovery, in.made.RecoveryKey, err = seal.NewRecoveryKey()
	} else if in.recovery, err = in.earlierRecovery(path); err == nil && in.recovery == nil {
		in.recovery, err = in.writeRecovery(path)
	}
	if err == nil {
		in.made.Recovery = in.recovery.URI()
	}
	return err
}

// earlierRecovery returns the recovery key in a file of an earlier run, or nil.
func (in *installer) earlierRecovery(path string) (seal.Root, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	root, err := seal.ReadRecoveryKey(f)
	if err != nil || root.URI() != in.marked {
		return nil, nil // writeRecovery says that it exists
	}
	return root, nil
}

func (in *installer) writeRecovery(path string) (seal.Root, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	key, err := seal.NewRecoveryFile(path)
	if err != nil {
		return nil, err
	}
	if err := in.mark(key.Root().URI()); err != nil {
		return nil, errors.Join(err, key.Discard())
	}
	return key.Root(), key.Place()
}

func (in *installer) makeKeyring(ctx context.Context) (err error) {
	if in.keyring, err = seal.Open(ctx, in.store, in.root, in.recovery); err != nil {
		return err
	}
	_, err = seal.OpenBackupKeys(ctx, in.store, in.keyring)
	return err
}

// makeOwner makes the tenant, the subscription and the application that owns
// both.
func (in *installer) makeOwner(ctx context.Context) (err error) {
	made := in.made
	ids, resources := offline(in.store, in.keyring, in.cfg.Logger)
	for _, id := range []*string{&made.TenantID, &made.SubscriptionID} {
		if *id == "" {
			*id = httpx.NewRequestID() // a random GUID, too
		}
	}
	if err := ids.EnsureTenant(ctx, identity.Tenant{ID: made.TenantID, Domain: in.cfg.TenantDomain, Name: in.cfg.TenantDomain}); err != nil {
		return err
	}
	if made.Owner, made.Secret, err = ids.CreateApplication(ctx, made.TenantID, "owner"); err != nil {
		return err
	}
	if err := resources.Bootstrap(ctx, resource.Bootstrap{
		TenantID: made.TenantID, TenantDomain: in.cfg.TenantDomain,
		SubscriptionID: made.SubscriptionID, SubscriptionName: "OpenKeyVault",
		OwnerObjectID: made.Owner.ObjectID, OwnerRoles: []string{access.RoleKeyVaultAdministrator},
	}); err != nil {
		return err
	}
	return own(ctx, resources, made.Owner)
}

// finish closes the store before it takes the marker away: an error that Close
// finds must not come too late.
func (in *installer) finish(context.Context) error {
	s := in.store
	in.store = nil
	if err := s.Close(); err != nil {
		return err
	}
	dir := in.cfg.Data.Dir
	if err := os.Remove(filepath.Join(dir, markerName)); err != nil {
		return err
	}
	return syncDir(dir)
}

// checkInstalled returns why a directory holds no installation.
func checkInstalled(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return errNotInitialised(dir)
	} else if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if err := checkOwner(dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, markerName)); err == nil {
		return fmt.Errorf("the data directory %s is not initialised: okv init did not come to its end. Run it again", dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the data directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "store")); errors.Is(err, fs.ErrNotExist) {
		return errNotInitialised(dir)
	}
	return nil
}

func errNotInitialised(dir string) error {
	return fmt.Errorf("the data directory %s is not initialised: run okv init", dir)
}

// syncDir makes a directory's entries durable. Windows has no such call and needs
// none: NTFS journals names.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
