package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// The key space of this package:
//
//	tenant/<tenant id>      a tenant
//	app/<client id>         an application with its credentials
//	appobject/<object id>   the client id of the application whose object id it is,
//	                        or whose service principal's
//	appdeleted/<client id>  when the application was deleted
//	tokenkeys               the keys that sign tokens
//
// Ids are folded to lower case in keys.
var (
	tenantRoot      = tuple.Key("tenant")
	applicationRoot = tuple.Key("app")
	tokenKeysKey    = tuple.Key("tokenkeys")
)

func tenantKey(id string) []byte { return tuple.Key("tenant", strings.ToLower(id)) }

func applicationKey(clientID string) []byte { return tuple.Key("app", strings.ToLower(clientID)) }

func objectKey(id string) []byte { return tuple.Key("appobject", strings.ToLower(id)) }

func deletedKey(clientID string) []byte { return tuple.Key("appdeleted", strings.ToLower(clientID)) }

// put seals v and writes it at the key.
func (s *Service) put(tx store.Tx, key []byte, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	defer clear(plain)
	sealed, err := s.cfg.Sealer.Seal(key, plain)
	if err != nil {
		return err
	}
	tx.Put(key, sealed)
	return nil
}

// open decodes the record at the key into v.
func (s *Service) open(key []byte, rec store.Record, v any) error {
	if !rec.Exists() {
		return errors.New("the record is missing")
	}
	plain, err := s.cfg.Sealer.Open(key, rec.Value)
	if err != nil {
		return fmt.Errorf("opening a record: %w", err)
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		// The decoder's own error could quote the record.
		return errors.New("decoding a record: it is not what this program writes")
	}
	return nil
}
