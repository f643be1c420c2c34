package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

func inDir(dir string) func(*Config) { return func(c *Config) { c.Data.Dir = dir } }

// restart ends the server as a process ends, and opens the same directory.
func (h *house) restart() {
	h.t.Helper()
	h.shutdown()
	h.open()
}

// After a restart everything is found: values, keys, permissions, resources,
// tokens that were issued before, and the audit log of all of it.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHouse(t, inDir(dir))
	h.data(http.MethodPut, testVault, "/secrets/kept", `{"value":"v1","tags":{"a":"b"}}`).is(200)
	h.data(http.MethodPut, testVault, "/secrets/kept", `{"value":"v2"}`).is(200)
	h.data(http.MethodPut, testVault, "/secrets/deleted", `{"value":"v"}`).is(200)
	h.data(http.MethodDelete, testVault, "/secrets/deleted", "").is(200)
	h.data(http.MethodPost, testVault, "/keys/kept/create", `{"kty":"EC"}`).is(200)
	h.manage(http.MethodPut, subscription+"/resourceGroups/another", `{"location":"westeurope"}`).is(201)
	paths := []string{"/secrets/kept/", "/secrets/kept/versions", "/secrets", "/deletedsecrets/deleted", "/keys/kept/", "/keys"}
	before := map[string]string{}
	for _, path := range paths {
		before[path] = h.data(http.MethodGet, testVault, path, "").is(200).body
	}
	group := h.manage(http.MethodGet, subscription+"/resourceGroups/another", "").is(200).body
	old := h.token(testClient, houseSecret, vaultResource)

	h.restart()
	for _, path := range paths {
		// With the old token: its key was kept as well.
		if got := h.data(http.MethodGet, testVault, path, "", old).is(200).body; got != before[path] {
			t.Errorf("%s was\n %s\nand is\n %s", path, before[path], got)
		}
	}
	if got := h.manage(http.MethodGet, subscription+"/resourceGroups/another", "").is(200).body; got != group {
		t.Errorf("the group was\n %s\nand is\n %s", group, got)
	}
	h.data(http.MethodPost, testVault, "/deletedsecrets/deleted/recover", "").is(200)
	h.shutdown()

	log, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	ids := map[string]bool{}
	for line := range strings.Lines(string(log)) {
		var r struct{ ID, Operation, Code string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || ids[r.ID] {
			t.Errorf("audit line %q: %v", line, err)
		}
		ids[r.ID] = true
		seen[r.Operation]++
	}
	for operation, want := range map[string]int{"SecretSet": 3, "SecretDelete": 1, "SecretRecover": 1, "KeyCreate": 1, "SecretGet": 2, "KeyGet": 2, "ResourceGroupPut": 2, "ResourceGroupGet": 2} {
		if seen[operation] != want {
			t.Errorf("%d records of %s, want %d", seen[operation], operation, want)
		}
	}
}

func TestRootKeyFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	h := newHouse(t, inDir(dir))
	h.shutdown()
	for name, want := range map[string]os.FileMode{"root.key": 0o600, "audit.log": 0o600, ".": os.ModeDir | 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	// Without its root key a database is not opened with a new one, which would
	// look right and open nothing.
	key := filepath.Join(dir, "root.key")
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	cfg := h.cfg
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("without the root key: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root key was made: %v", err)
	}
	if err := os.WriteFile(key, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.data(http.MethodGet, testVault, "/secrets", "").is(200)
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHouse(t, inDir(dir))
	_, err := Open(t.Context(), h.cfg)
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "opening the data directory "+dir) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("Open: %v", err)
	}
	// The first is none the worse for it.
	h.data(http.MethodPut, testVault, "/secrets/x", `{"value":"v"}`).is(200)
	h.restart()
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(200)
}

// upload is a request whose body has begun to be read and has not ended.
type upload struct {
	body   *io.PipeWriter
	answer chan answer
	failed chan error
}

func (h *house) beginUpload(path string) *upload {
	h.t.Helper()
	r, w := io.Pipe()
	begun := make(chan struct{})
	ctx := httptrace.WithClientTrace(h.t.Context(), &httptrace.ClientTrace{
		Got100Continue: sync.OnceFunc(func() { close(begun) }), // the handler reads
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, dataURL(testVault, path), r)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	req.Header.Set("Authorization", "Bearer "+h.token(testClient, houseSecret, vaultResource))
	u := &upload{w, make(chan answer, 1), make(chan error, 1)}
	client := h.newClient(false)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			u.failed <- err
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		u.answer <- answer{h.t, "", resp.Proto, resp.StatusCode, resp.Header, string(body)}
	}()
	select {
	case <-begun:
	case err := <-u.failed:
		h.t.Fatal(err)
	case <-time.After(patience):
		h.t.Fatal("the body is not asked for")
	}
	return u
}

func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, inDir(t.TempDir()))
	u := h.beginUpload("/secrets/late")
	h.client.CloseIdleConnections()
	srv, done := h.srv, make(chan error, 1)
	go func() { done <- srv.Shutdown(t.Context()) }()
	// Serve returns as soon as nobody new is let in.
	if err := <-h.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if conn, err := net.Dial("tcp", h.addr); err == nil {
		conn.Close()
		t.Error("a connection is taken after Shutdown")
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v with a request running", err)
	default:
	}
	if _, err := io.WriteString(u.body, `{"value":"in time"}`); err != nil {
		t.Fatal(err)
	}
	u.body.Close()
	select {
	case a := <-u.answer:
		a.is(200)
	case err := <-u.failed:
		t.Fatalf("the running request was cut off: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	h.open()
	if a := h.data(http.MethodGet, testVault, "/secrets/late/", "").is(200); !strings.Contains(a.body, `"value":"in time"`) {
		t.Errorf("body %s", a.body)
	}
}

// A request that does not end cannot keep the server from ending, nor its data
// from being closed.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, inDir(t.TempDir()))
	u := h.beginUpload("/secrets/never")
	defer u.body.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.srv.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-h.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	u.body.CloseWithError(errors.New("given up"))
	select {
	case a := <-u.answer:
		t.Errorf("status %d", a.status)
	case <-u.failed:
	}
	h.open()
	h.data(http.MethodGet, testVault, "/secrets/never/", "").is(404)
}

// A domain clock that is ahead makes deleted objects and vaults due, and leaves
// tokens alone. The workers purge what is due without anyone asking for it.
func TestPurgeByWorkers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	ahead := time.Duration(0)
	shift := func(by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ahead = by
	}
	h := newHouse(t, inDir(dir), func(c *Config) {
		c.DomainClock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
	})
	const gone = subscription + "/resourceGroups/unit" + provider + "/vaults/gone"
	for _, name := range []string{"due", "kept"} {
		h.data(http.MethodPut, testVault, "/secrets/"+name, `{"value":"v"}`).is(200)
	}
	h.data(http.MethodDelete, testVault, "/secrets/due", "").is(200)
	h.data(http.MethodPost, testVault, "/keys/due/create", `{"kty":"EC"}`).is(200)
	h.data(http.MethodDelete, testVault, "/keys/due", "").is(200)
	h.manage(http.MethodPut, gone, `{"location":"eastus","properties":{"tenantId":"`+testTenant+`","sku":{"family":"A","name":"standard"},"enableRbacAuthorization":true}}`).is(200)
	h.manage(http.MethodDelete, gone, "").is(200)
	deleted := subscription + provider + "/locations/eastus/deletedVaults/gone"

	shift(90*24*time.Hour - time.Hour)
	h.restart()
	if err := h.srv.purgeDue(t.Context()); err != nil { // whatever the workers have got to
		t.Error(err)
	}
	h.data(http.MethodGet, testVault, "/deletedsecrets/due", "").is(200)
	h.manage(http.MethodGet, deleted, "").is(200)

	shift(90*24*time.Hour + time.Minute)
	h.restart()
	h.eventually("the purge of a secret", func() bool { return h.data(http.MethodGet, testVault, "/deletedsecrets/due", "").status == 404 })
	h.eventually("the purge of a key", func() bool { return h.data(http.MethodGet, testVault, "/deletedkeys/due", "").status == 404 })
	h.eventually("the purge of a vault", func() bool { return h.manage(http.MethodGet, deleted, "").status == 404 })
	h.data(http.MethodGet, testVault, "/secrets/kept/", "").is(200)
}

// A process that has promised to delete a group and then dies leaves that to the
// next one.
func TestGroupDeletionAfterRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHouse(t, inDir(dir))
	h.data(http.MethodPut, testVault, "/secrets/x", `{"value":"v"}`).is(200)
	h.shutdown()

	job := acceptDeletion(t, dir)

	h.open()
	result := subscription + "/operationresults/" + job
	h.eventually("the end of the job", func() bool { return h.manage(http.MethodGet, result, "").status == 200 })
	h.manage(http.MethodGet, subscription+"/resourceGroups/unit", "").is(404)
	h.manage(http.MethodGet, subscription+provider+"/locations/eastus/deletedVaults/"+testVault, "").is(200)
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(404)
	// The vault comes back with what was in it.
	h.manage(http.MethodPut, subscription+"/resourceGroups/unit", `{"location":"eastus"}`).is(201)
	h.manage(http.MethodPut, subscription+"/resourceGroups/unit"+provider+"/vaults/"+testVault,
		`{"location":"eastus","properties":{"createMode":"recover","tenantId":"`+testTenant+`","sku":{"family":"A","name":"premium"}}}`).is(200)
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(200)
}

// acceptDeletion is a process that takes the request and does no more.
func acceptDeletion(t *testing.T, dir string) (job string) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	d, err := openData(t.Context(), DataConfig{Dir: dir}, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	svc := resource.New(resource.Config{
		Store: d.store, Catalog: d.catalog, Keyring: d.keyring, Audit: d.audit, Now: time.Now, Compact: d.store.Compact, Logger: logger,
	})
	call := resource.Call{Caller: access.Caller{TenantID: testTenant, ObjectID: testOwner, AppID: testClient}, APIVersion: coreAPI}
	if job, err = svc.DeleteGroup(t.Context(), call, testSubscription, "unit"); err != nil {
		t.Fatal(err)
	}
	return job
}

// A server that cannot open its data says so, and leaves nothing open.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	cfg := h.cfg
	cfg.Data.Dir = file
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "creating the data directory") {
		t.Errorf("a file as the data directory: %v", err)
	}
	cfg.Data = DataConfig{Dir: t.TempDir(), Root: "nonsense:"}
	if _, err := Open(t.Context(), cfg); err == nil {
		t.Error("a root key of an unknown kind was opened")
	}
	cfg.Data.Root = ""
	s, err := Open(t.Context(), cfg) // the lock was released
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
