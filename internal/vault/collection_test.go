package vault

import (
	"fmt"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// collection is what secrets and keys have in common, as the exported operations
// of a service show it.
type collection struct {
	*kind
	// set makes a version with a value, or a key, that no other version has.
	set func(c Call, name string, in ...setting) (Object, error)
	get func(c Call, name, version string) (Object, error)
	// value returns what tells the contents of two versions apart.
	value                       func(c Call, name, version string) (string, error)
	update                      func(c Call, name, version string, in setting) (Object, error)
	delete, getDeleted, recover func(c Call, name string) (Object, error)
	purge                       func(c Call, name string) error
	backup                      func(c Call, name string) ([]byte, error)
	restore                     func(c Call, blob []byte) (Object, error)
	list, listDeleted           func(c Call, p PageRequest) (Page[Object], error)
	versions                    func(c Call, name string, p PageRequest) (Page[Object], error)
}

// setting is what may be set of every object.
type setting struct {
	Tags       map[string]string
	Attributes Attributes
}

func (w *world) collections(s *Service) []collection {
	return []collection{w.secrets(s), w.keys(s)}
}

func (w *world) secrets(s *Service) collection {
	return collection{
		kind: secretKind,
		set: func(c Call, name string, in ...setting) (Object, error) {
			request := newSecret(fmt.Sprintf("value %d", w.serial.Add(1)))
			for _, i := range in {
				request.Tags, request.Attributes = i.Tags, i.Attributes
			}
			return secretObject(s.SetSecret(w.ctx(), c, name, request))
		},
		get: func(c Call, name, version string) (Object, error) {
			return secretObject(s.GetSecret(w.ctx(), c, name, version))
		},
		value: func(c Call, name, version string) (string, error) {
			got, err := s.GetSecret(w.ctx(), c, name, version)
			if err != nil {
				return "", err
			}
			return string(got.Value.Reveal()), nil
		},
		update: func(c Call, name, version string, in setting) (Object, error) {
			return secretObject(s.UpdateSecret(w.ctx(), c, name, version, UpdateSecret{Tags: in.Tags, Attributes: in.Attributes}))
		},
		delete: func(c Call, name string) (Object, error) { return secretObject(s.DeleteSecret(w.ctx(), c, name)) },
		getDeleted: func(c Call, name string) (Object, error) {
			return secretObject(s.GetDeletedSecret(w.ctx(), c, name))
		},
		recover: func(c Call, name string) (Object, error) { return secretObject(s.RecoverSecret(w.ctx(), c, name)) },
		purge:   func(c Call, name string) error { return s.PurgeSecret(w.ctx(), c, name) },
		backup:  func(c Call, name string) ([]byte, error) { return s.BackupSecret(w.ctx(), c, name) },
		restore: func(c Call, blob []byte) (Object, error) { return secretObject(s.RestoreSecret(w.ctx(), c, blob)) },
		list: func(c Call, p PageRequest) (Page[Object], error) {
			page, err := s.ListSecrets(w.ctx(), c, p)
			return objects(page, err, func(x Secret) Object { return x.Object })
		},
		listDeleted: func(c Call, p PageRequest) (Page[Object], error) {
			page, err := s.ListDeletedSecrets(w.ctx(), c, p)
			return objects(page, err, func(x Secret) Object { return x.Object })
		},
		versions: func(c Call, name string, p PageRequest) (Page[Object], error) {
			page, err := s.ListSecretVersions(w.ctx(), c, name, p)
			return objects(page, err, func(x Secret) Object { return x.Object })
		},
	}
}

func (w *world) keys(s *Service) collection {
	return collection{
		kind: keyKind,
		set: func(c Call, name string, in ...setting) (Object, error) {
			request := newECKey
			for _, i := range in {
				request.Tags, request.Attributes = i.Tags, i.Attributes
			}
			return keyObject(s.CreateKey(w.ctx(), c, name, request))
		},
		get: func(c Call, name, version string) (Object, error) {
			return keyObject(s.GetKey(w.ctx(), c, name, version))
		},
		value: func(c Call, name, version string) (string, error) {
			got, err := s.GetKey(w.ctx(), c, name, version)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%+v", got.Public), nil
		},
		update: func(c Call, name, version string, in setting) (Object, error) {
			return keyObject(s.UpdateKey(w.ctx(), c, name, version, UpdateKey{Tags: in.Tags, Attributes: in.Attributes}))
		},
		delete:     func(c Call, name string) (Object, error) { return keyObject(s.DeleteKey(w.ctx(), c, name)) },
		getDeleted: func(c Call, name string) (Object, error) { return keyObject(s.GetDeletedKey(w.ctx(), c, name)) },
		recover:    func(c Call, name string) (Object, error) { return keyObject(s.RecoverKey(w.ctx(), c, name)) },
		purge:      func(c Call, name string) error { return s.PurgeKey(w.ctx(), c, name) },
		backup:     func(c Call, name string) ([]byte, error) { return s.BackupKey(w.ctx(), c, name) },
		restore:    func(c Call, blob []byte) (Object, error) { return keyObject(s.RestoreKey(w.ctx(), c, blob)) },
		list: func(c Call, p PageRequest) (Page[Object], error) {
			page, err := s.ListKeys(w.ctx(), c, p)
			return objects(page, err, func(x Key) Object { return x.Object })
		},
		listDeleted: func(c Call, p PageRequest) (Page[Object], error) {
			page, err := s.ListDeletedKeys(w.ctx(), c, p)
			return objects(page, err, func(x Key) Object { return x.Object })
		},
		versions: func(c Call, name string, p PageRequest) (Page[Object], error) {
			page, err := s.ListKeyVersions(w.ctx(), c, name, p)
			return objects(page, err, func(x Key) Object { return x.Object })
		},
	}
}

func secretObject(s *Secret, err error) (Object, error) {
	if err != nil {
		return Object{}, err
	}
	return s.Object, nil
}

func keyObject(k *Key, err error) (Object, error) {
	if err != nil {
		return Object{}, err
	}
	return k.Object, nil
}

func objects[T any](page Page[T], err error, object func(T) Object) (Page[Object], error) {
	if err != nil {
		return Page[Object]{}, err
	}
	all := Page[Object]{Next: page.Next}
	for _, item := range page.Items {
		all.Items = append(all.Items, object(item))
	}
	return all, nil
}

// walk follows the pages of a list to the end.
func (w *world) walk(max int, list func(PageRequest) (Page[Object], error)) []Object {
	w.t.Helper()
	var all []Object
	for p := (PageRequest{Max: max}); ; {
		page, err := list(p)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(page.Items) > max || page.Next != "" && len(page.Items) != max {
			w.t.Fatalf("a page of %d items, and another at %q, when asked for %d", len(page.Items), page.Next, max)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		p.Marker = page.Next
	}
}

// The refusals of names and objects, as Azure words them.

func (k *kind) wantNotFound(path string) refused { return notFound(k.noun, path) }

func (k *kind) wantDeletedNotFound(name string) refused {
	return refused{fault.NotFound, k.capital + "NotFound", "", "Deleted " + k.capital + " not found: " + name}
}

func (k *kind) wantTaken(name string) refused {
	return refused{fault.Conflict, "Conflict", "ObjectIsDeletedButRecoverable",
		k.capital + " " + name + " is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the " +
			k.noun + " can only be recovered or purged."}
}

func (k *kind) wantInUse(name, version string) refused {
	return refused{fault.Conflict, "Conflict", "", strings.ReplaceAll("There was a conflict restoring the NOUN '"+k.collection+"/"+name+"/"+version+
		"'. This can happen if either: a second NOUN with the same name was created after the first NOUN was deleted; thus trying to restore a NOUN whose name is already in use. "+
		"To fix this, rename the second NOUN to something else so that the restore works. "+
		"The second probable cause of this exception is when multiple operations are performed in parallel against the NOUN. "+
		"To avoid this error, perform operations against a NOUN in a sequential manner.", "NOUN", k.noun)}
}
