package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Every key of the database starts with one byte that says whose it is; records
// have the caller's key behind it. A record's value is its revision, eight bytes
// big-endian, and the caller's value.
const (
	engineSpace = 0x00
	recordSpace = 0x01

	revisionBytes = 8
)

// revisionKey holds the last revision given out. It is written with every
// commit, because a deleted record's revision is found nowhere else.
var revisionKey = []byte{engineSpace, 'r', 'e', 'v'}

var errEmptyKey = errors.New("store: empty key")

// recordKey appends the database key of the record to dst.
func recordKey[K string | []byte](dst []byte, key K) []byte {
	return append(append(dst, recordSpace), key...)
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return errEmptyKey
	case len(key) > store.MaxKey:
		return fmt.Errorf("%w: a key of %d bytes", store.ErrTooLarge, len(key))
	}
	return nil
}

func emptyRange(r store.Range) bool { return bytes.Compare(r.Start, r.End) >= 0 }

// getter is what snapshots, batches and the database have in common.
type getter interface {
	Get(key []byte) ([]byte, io.Closer, error)
}

// getRecord reads one record; its value is a copy.
func getRecord(from getter, dbKey []byte) (store.Record, error) {
	stored, closer, err := from.Get(dbKey)
	if errors.Is(err, crdb.ErrNotFound) {
		return store.Record{}, nil
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("reading a record: %w", err)
	}
	record, err := decodeRecord(stored)
	if closeErr := closer.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("reading a record: %w", closeErr)
	}
	return record, err
}

func decodeRecord(stored []byte) (store.Record, error) {
	if len(stored) < revisionBytes {
		return store.Record{}, fmt.Errorf("reading a record: stored value of %d bytes has no revision", len(stored))
	}
	return store.Record{
		Value:    bytes.Clone(stored[revisionBytes:]),
		Revision: store.Revision(binary.BigEndian.Uint64(stored)),
	}, nil
}

func readRevision(db *crdb.DB) (uint64, error) {
	stored, closer, err := db.Get(revisionKey)
	if errors.Is(err, crdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the last revision: %w", err)
	}
	defer closer.Close()
	if len(stored) != revisionBytes {
		return 0, fmt.Errorf("reading the last revision: it has %d bytes", len(stored))
	}
	return binary.BigEndian.Uint64(stored), nil
}
