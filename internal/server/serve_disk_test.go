package server

import (
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	testReserve = 64 << 20
	noRoomText  = "The service has no room for more, so that nothing is changed; reading goes on. Retry later; the operator finds the cause in the server's log."
	noAuditText = "The audit log cannot be written, so no operation is carried out. Retry later; the operator finds the cause in the server's log."
)

// room is a disk whose free space the test says.
type room struct {
	free   atomic.Uint64
	failed atomic.Bool
}

func (r *room) probe(string) (uint64, error) {
	if r.failed.Load() {
		return 0, errors.New("nobody knows")
	}
	return r.free.Load(), nil
}

func onDisk(r *room) func(*Config) {
	return func(c *Config) { c.Data.DiskReserve, c.Data.freeSpace = testReserve, r.probe }
}

// On a disk that is nearly full, changes are refused and reading goes on, purging
// too; on one that is full nothing is done, because nothing can be audited. With
// room again everything works, and nothing was lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := &room{}
	disk.free.Store(testReserve)
	h := newHouse(t, inDir(t.TempDir()), onDisk(disk))
	for _, name := range []string{"kept", "deleted"} {
		h.data(http.MethodPut, testVault, "/secrets/"+name, `{"value":"v"}`).is(200)
	}
	h.data(http.MethodDelete, testVault, "/secrets/deleted", "").is(200)
	group := subscription + "/resourceGroups/another"

	disk.free.Store(testReserve - 1)
	for range 2 {
		h.data(http.MethodPut, testVault, "/secrets/late", `{"value":"v"}`).refused(503, "ServiceUnavailable", "", noRoomText)
		h.data(http.MethodPost, testVault, "/keys/late/create", `{"kty":"EC"}`).refused(503, "ServiceUnavailable", "", noRoomText)
		h.data(http.MethodDelete, testVault, "/secrets/kept", "").refused(503, "ServiceUnavailable", "", noRoomText)
		h.manage(http.MethodPut, group, `{"location":"eastus"}`).refused(503, "ServiceUnavailable", "", noRoomText)
		h.data(http.MethodGet, testVault, "/secrets/kept/", "").is(200)
		h.manage(http.MethodGet, subscription+"/resourceGroups", "").is(200)
		if err := h.srv.Ready(t.Context()); err == nil || err.Error() != "the disk has less than 64 MiB of room: changes are refused" {
			t.Errorf("Ready: %v", err)
		}
	}
	if n := strings.Count(h.log.String(), "the disk is nearly full"); n != 1 {
		t.Errorf("the log says %d times that the disk is nearly full", n)
	}
	// Who removes makes room.
	h.data(http.MethodDelete, testVault, "/deletedsecrets/deleted", "").is(204)
	h.data(http.MethodGet, testVault, "/deletedsecrets/deleted", "").is(404)
	// Who has a token or asks for one is not concerned.
	h.tokens = map[string]string{}
	h.data(http.MethodGet, testVault, "/secrets/kept/", "").is(200)

	disk.free.Store(testReserve/auditShare - 1)
	h.data(http.MethodGet, testVault, "/secrets/kept/", "").refused(503, "ServiceUnavailable", "", noAuditText)
	h.data(http.MethodPut, testVault, "/secrets/late", `{"value":"v"}`).refused(503, "ServiceUnavailable", "", noAuditText)
	if err := h.srv.Ready(t.Context()); err == nil || err.Error() != "the audit log cannot be written: every operation is refused" {
		t.Errorf("Ready: %v", err)
	}

	disk.free.Store(testReserve)
	h.eventually("the end of the trouble", func() bool { return h.srv.Ready(t.Context()) == nil })
	h.data(http.MethodGet, testVault, "/secrets/kept/", "").is(200)
	h.data(http.MethodPut, testVault, "/secrets/late", `{"value":"v"}`).is(200)
	h.manage(http.MethodPut, group, `{"location":"eastus"}`).is(201)
	if n := strings.Count(h.log.String(), "the disk has room again"); n != 1 {
		t.Errorf("the log says %d times that there is room again", n)
	}
}

// On a full disk the engine would not come to an end of opening its files.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHouse(t, inDir(dir))
	h.shutdown()
	disk := &room{}
	cfg := h.cfg
	onDisk(disk)(&cfg)
	for free, ok := range map[uint64]bool{0: false, testReserve/startShare - 1: false, testReserve / startShare: true} {
		disk.free.Store(free)
		s, err := Open(t.Context(), cfg)
		if ok {
			if err != nil {
				t.Fatalf("with %d free: %v", free, err)
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "the disk of "+dir+" has ") || !strings.Contains(err.Error(), "KiB of room, and the server needs 8 MiB to start: make room there") {
			t.Errorf("with %d free: %v", free, err)
		}
	}
}

// A disk that does not say how much room it has is no reason to refuse.
func TestUnknownRoom(t *testing.T) {
	t.Parallel()
	disk := &room{}
	disk.failed.Store(true)
	h := newHouse(t, inDir(t.TempDir()), onDisk(disk))
	h.data(http.MethodPut, testVault, "/secrets/x", `{"value":"v"}`).is(200)
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(200)
	if err := h.srv.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(h.log.String(), "is not known, so that none is kept in reserve"); n < 1 || n > 2 {
		t.Errorf("the log says %d times that the room is not known, want once for each of the store and the audit log", n)
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, inDir(t.TempDir()))
	disk := &room{}
	s := &reserved{Store: h.srv.data.store, disk: newDisk(DataConfig{freeSpace: disk.probe}, "", h.cfg.Logger), reserve: testReserve}
	put := func(tx store.Tx) error { tx.Put([]byte("k"), []byte("v")); return nil }
	remove := func(tx store.Tx) error { tx.Delete([]byte("k")); return nil }
	empty := func(tx store.Tx) error {
		tx.DeleteRange(store.Range{Start: []byte("k"), End: []byte("l")})
		tx.Put([]byte("j"), []byte("what was purged"))
		return nil
	}
	nothing := func(tx store.Tx) error { _, err := tx.Get([]byte("k")); return err }
	own := func(tx store.Tx) error { return errCrash }
	for _, tc := range []struct {
		name           string
		fn             func(store.Tx) error
		low, full      bool // whether it is let through
		failsByItsself bool
	}{
		{"put", put, false, false, false}, {"delete", remove, true, false, false}, {"delete a range", empty, true, false, false},
		{"read", nothing, true, false, false}, {"fail", own, true, false, true},
	} {
		for free, passes := range map[uint64]bool{
			math.MaxUint64: true, testReserve: true, testReserve - 1: tc.low, testReserve / auditShare: tc.low, testReserve/auditShare - 1: tc.full, 0: tc.full,
		} {
			disk.free.Store(free)
			err := s.Update(t.Context(), tc.fn)
			if passes && tc.failsByItsself {
				if !errors.Is(err, errCrash) {
					t.Errorf("%s with %d free: %v", tc.name, free, err)
				}
			} else if passes != (err == nil) || !passes && fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%s with %d free: %v", tc.name, free, err)
			}
		}
	}
	// What is refused has left nothing.
	disk.free.Store(testReserve)
	if err := s.Update(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	disk.free.Store(0)
	_ = s.Update(t.Context(), put)
	err := s.View(t.Context(), func(v store.View) error {
		recs, err := v.Get([]byte("k"))
		if err == nil && recs[0].Exists() {
			t.Error("an update that was refused has written")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A file that was moved away is whole, and what comes later is in the new one.
func TestReopenAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHouse(t, inDir(dir))
	path, moved := filepath.Join(dir, "audit.log"), filepath.Join(dir, "audit.log.1")
	h.data(http.MethodGet, testVault, "/secrets/before/", "").is(404)
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	h.data(http.MethodGet, testVault, "/secrets/between/", "").is(404)
	if err := h.srv.data.sink.reopen(); err != nil {
		t.Fatal(err)
	}
	h.data(http.MethodGet, testVault, "/secrets/after/", "").is(404)
	has := func(path, name string) bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), `"secrets/`+name+`"`)
	}
	for name, inOld := range map[string]bool{"before": true, "between": true, "after": false} {
		if has(moved, name) != inOld || has(path, name) == inOld {
			t.Errorf("%s: in the old file %v, in the new %v", name, has(moved, name), has(path, name))
		}
	}
	// Where the new file cannot be made, the old one stays in use.
	if err := errors.Join(os.Rename(path, moved), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := h.srv.data.sink.reopen(); err == nil {
		t.Error("a directory was opened as the audit log")
	}
	h.data(http.MethodGet, testVault, "/secrets/last/", "").is(404)
	if !has(moved, "last") {
		t.Error("a record is lost")
	}
}
