package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// MaxBackupVersions is how many versions an object may have to be backed up, as
// Azure documents it.
const MaxBackupVersions = 500

// MaxBackup is how long a backup may be, in bytes: as many versions with the largest
// values have room, and what cannot be restored is not handed out.
const MaxBackup = 24 << 20

// BackupSecret returns a sealed copy of a secret with all its versions, which
// RestoreSecret takes in any vault of the same subscription. A secret with more
// than MaxBackupVersions versions, or of more than MaxBackup bytes with its tags, is
// Invalid.
func (s *Service) BackupSecret(ctx context.Context, call Call, name string) ([]byte, error) {
	return s.backup(ctx, call, secretKind, access.SecretBackup, name)
}

// BackupKey is BackupSecret for keys.
func (s *Service) BackupKey(ctx context.Context, call Call, name string) ([]byte, error) {
	return s.backup(ctx, call, keyKind, access.KeyBackup, name)
}

// RestoreSecret makes a secret of what BackupSecret returned, with its name, its
// versions and their attributes as they were. It returns the current version
// without a value. A blob that is not whole, not a secret's, or not of this
// subscription is Invalid; a name that is in use, deleted or not, is a
// *RestoreConflict.
func (s *Service) RestoreSecret(ctx context.Context, call Call, blob []byte) (*Secret, error) {
	return asSecret(s.restore(ctx, call, secretKind, access.SecretRestore, blob))
}

// RestoreKey is RestoreSecret for keys. An HSM key in a standard vault is
// Forbidden; a key of a type that the vault does not take is Invalid.
func (s *Service) RestoreKey(ctx context.Context, call Call, blob []byte) (*Key, error) {
	return asKey(s.restore(ctx, call, keyKind, access.KeyRestore, blob))
}

// backupRecord is what a blob holds, after a format byte.
type backupRecord struct {
	Name     string          `json:"name"`
	Current  string          `json:"current"` // version id
	Versions []backupVersion `json:"versions"`
	Release  *releaseRecord  `json:"release,omitempty"`
}

type backupVersion struct {
	Record versionRecord `json:"record"`
	Body   []byte        `json:"body"`
}

func (b *backupRecord) zero() {
	for _, v := range b.Versions {
		clear(v.Body)
	}
}

func (s *Service) backup(ctx context.Context, call Call, k *kind, action access.Action, name string) (blob []byte, err error) {
	op := k.onName(call, "Backup", action, name).reads(k.inArea(name, live))
	err = s.read(ctx, op, func(v store.View, sc catalog.Scope, r *seen) error {
		head, err := s.head(sc, r, k, live, name)
		if err != nil {
			return err
		}
		if head == nil {
			return k.notFound(name)
		}
		contents := &backupRecord{Name: head.Name, Current: head.Current.Version, Release: head.Release}
		defer contents.zero()
		if contents.Versions, err = readVersions(v, sc, k, name); err != nil {
			return err
		}
		plain, err := encodeRecord(contents)
		if err != nil {
			return err
		}
		defer clear(plain)
		if blob, err = s.cfg.Backups.Seal(originOf(sc.Vault, k), plain); err == nil && len(blob) > MaxBackup {
			err = fault.New(fault.Invalid, "BadParameter",
				"The %s with its versions and tags is larger than the %d MiB that a backup can hold. Fewer or shorter tags make it smaller.", k.noun, MaxBackup>>20)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return blob, nil
}

// originOf binds a backup to where it may be restored. What comes from a managed
// HSM never goes into a vault, nor the other way.
func originOf(v *catalog.Vault, k *kind) seal.Origin {
	origin := seal.Origin{Kind: k.collection, TenantID: v.TenantID, SubscriptionID: v.SubscriptionID}
	if v.HSM != nil {
		origin.Kind = "hsm/" + origin.Kind
	}
	return origin
}

// readVersions returns all versions of an object with their bodies.
func readVersions(v store.View, sc catalog.Scope, k *kind, name string) ([]backupVersion, error) {
	entries, err := v.Scan(tuple.Prefix(k.key(sc.Vault.ID, ver, name)), MaxBackupVersions+1)
	if err != nil {
		return nil, err
	}
	if len(entries) > MaxBackupVersions {
		return nil, fault.New(fault.Invalid, "BadParameter",
			"The %s has more than %d versions, which is more than a backup can hold.", k.noun, MaxBackupVersions)
	}
	versions := make([]backupVersion, len(entries))
	bodies := make([][]byte, len(entries))
	for i, e := range entries {
		record, err := open(sc, e.Key, e.Record, decodeVersion)
		if err != nil {
			return nil, err
		}
		versions[i].Record = *record
		bodies[i] = k.key(sc.Vault.ID, body, name, record.Version)
	}
	recs, err := v.Get(bodies...)
	if err != nil {
		return nil, err
	}
	for i, rec := range recs {
		if versions[i].Body, err = open(sc, bodies[i], rec, decodeBody); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// RestoreConflict says that the name of a restored object is in use. It wraps a
// *fault.Error.
type RestoreConflict struct {
	// Path is the object's, with its version, as it stands in the message:
	// "secrets/name/version".
	Path  string
	cause *fault.Error
}

// Error returns the text of the *fault.Error.
func (e *RestoreConflict) Error() string { return e.cause.Error() }

// Unwrap returns the *fault.Error.
func (e *RestoreConflict) Unwrap() error { return e.cause }

func restoreConflict(k *kind, name, version string) error {
	path := k.collection + "/" + name + "/" + version
	return &RestoreConflict{path, fault.New(fault.Conflict, "Conflict",
		"There was a conflict restoring the %[1]s '%[2]s'. This can happen if either: a second %[1]s with the same name was created after the first %[1]s was deleted; "+
			"thus trying to restore a %[1]s whose name is already in use. To fix this, rename the second %[1]s to something else so that the restore works. "+
			"The second probable cause of this exception is when multiple operations are performed in parallel against the %[1]s. "+
			"To avoid this error, perform operations against a %[1]s in a sequential manner.", k.noun, path)}
}

func invalidBlob(why string) error {
	return fault.New(fault.Invalid, "BadParameter", "Cannot decrypt backup blob.%s", why)
}

func (s *Service) restore(ctx context.Context, call Call, k *kind, action access.Action, blob []byte) (shown, error) {
	op := k.onAll(call, "Restore", action)
	var contents *backupRecord
	var scope catalog.Scope
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, _ *seen) (err error) {
		scope = sc
		contents, err = s.openBackup(sc, k, blob)
		return err
	})
	if err != nil {
		return shown{}, s.conclude(ctx, op, err)
	}
	defer contents.zero()
	r := &restoration{service: s, kind: k, op: op, scope: scope, contents: contents}
	op.path = k.collection + "/" + contents.Name
	op.reads(k.inArea(contents.Name, live, dead))
	return r.run(ctx)
}

// openBackup returns what a blob holds, if the vault may hold it.
func (s *Service) openBackup(sc catalog.Scope, k *kind, blob []byte) (*backupRecord, error) {
	origin, plain, err := s.cfg.Backups.Open(blob)
	if errors.Is(err, seal.ErrOpen) {
		return nil, invalidBlob("")
	}
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	want := originOf(sc.Vault, k)
	switch {
	case origin.Kind != want.Kind:
		return nil, invalidBlob(" It is not a backup of a " + k.noun + ".")
	case origin != want:
		return nil, invalidBlob(" It was made in another tenant or subscription, and restores there only.")
	}
	contents := new(backupRecord)
	if err := decodeRecord(plain, contents); err != nil {
		return nil, fmt.Errorf("decoding a backup: %w", err)
	}
	return contents, contents.check(sc, k)
}

// check makes sure that what another process, perhaps an older one, has sealed is
// an object that this one could have made.
func (b *backupRecord) check(sc catalog.Scope, k *kind) error {
	if !validName(b.Name) || b.current() == nil || len(b.Versions) > MaxBackupVersions {
		return errRecord
	}
	if !b.Release.valid() || b.Release != nil && k != keyKind {
		return errRecord
	}
	for _, v := range b.Versions {
		if !validVersion(v.Record.Version) || (v.Record.Key != nil) != (k == keyKind) {
			return errRecord
		}
		if v.Record.Key == nil {
			continue
		}
		if err := admitType(sc.Vault, v.Record.Key.Type, v.Record.Key.HSM); err != nil {
			return err
		}
	}
	return nil
}

func (b *backupRecord) current() *versionRecord {
	i := slices.IndexFunc(b.Versions, func(v backupVersion) bool { return v.Record.Version == b.Current })
	if i < 0 {
		return nil
	}
	return &b.Versions[i].Record
}
