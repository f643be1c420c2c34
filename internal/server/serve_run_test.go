package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The whole life of a server: it starts, answers for its names, is found again
// after a restart, and ends when it is told to.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.start()
	r.createVault()
	r.setSecret("a", "value").is(200)
	if status, text := r.probe("/livez"); status != 200 || text != "ok\n" {
		t.Errorf("livez: %d, %q", status, text)
	}
	r.awaitReady()
	resp, err := r.client.Get("https://" + siteLogin + "/" + siteDomain + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if resp.Body.Close(); err != nil || !strings.Contains(string(body), `"issuer":"https://`+siteLogin+"/"+s.made.TenantID+`/"`) {
		t.Errorf("configuration %s, %v", body, err)
	}
	// Nothing is made on request, and Azure's names are not ours.
	resp, err = r.client.Get("https://other." + siteDomain + "/secrets")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a vault that does not exist: status %d", resp.StatusCode)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, secretURL("a"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "first.vault.azure.net"
	if a, err := r.send(r.client, req); err != nil || a.status != http.StatusMisdirectedRequest {
		t.Errorf("Azure's name: %d, %v", a.status, err)
	}
	r.stop()
	for _, line := range []string{"serving", "shutting down", "everything is finished"} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, r.log)
		}
	}
	if _, err := net.Dial("tcp", r.address); err == nil {
		t.Error("it listens after its end")
	}
	r = s.start()
	r.wantSecret("a", "value")
	r.stop()
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.start()
	if _, err := s.tryStart(); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "opening the data directory "+s.cfg.DataDir) {
		t.Errorf("a second one: %v", err)
	}
	r.awaitReady() // the first one does not suffer from it
	taken := newSite(t)
	taken.cfg.Listen = r.address
	if _, err := taken.tryStart(); err == nil || !strings.Contains(err.Error(), "listen: ") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("an address in use: %v", err)
	}
	taken.cfg.Listen, taken.cfg.Health = "127.0.0.1:0", r.health
	if _, err := taken.tryStart(); err == nil || !strings.Contains(err.Error(), "health.listen: ") {
		t.Errorf("a health address in use: %v", err)
	}
	taken.cfg.Health = ""
	taken.cfg.Key += "x"
	if _, err := taken.tryStart(); err == nil || !strings.Contains(err.Error(), "the TLS certificate's private key") {
		t.Errorf("no private key: %v", err)
	}
	// Nothing was left open.
	taken.cfg.Key = strings.TrimSuffix(taken.cfg.Key, "x")
	taken.start().stop()
}

// Told to end, the server says so before it does: for the configured delay it
// works and is not ready, then it finishes what runs and takes nothing more.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.Delay, s.cfg.Grace = time.Hour, patience
	delayed, asked := make(chan time.Time), make(chan time.Duration, 1)
	s.after = func(d time.Duration) <-chan time.Time {
		asked <- d
		return delayed
	}
	r := s.start()
	r.createVault()
	u := r.beginUpload("late")
	r.cancel()
	if d := <-asked; d != time.Hour {
		t.Errorf("it waits %s", d)
	}
	if status, text := r.probe("/readyz"); status != 503 || text != "the server is shutting down\n" {
		t.Errorf("readyz: %d, %q", status, text)
	}
	if status, _ := r.probe("/livez"); status != 200 {
		t.Errorf("livez: %d", status)
	}
	r.setSecret("during", "value").is(200)
	r.client.CloseIdleConnections()
	r.setSecret("anew", "value").is(200) // on a new connection

	close(delayed)
	waitFor(t, "the end of listening", func() bool {
		conn, err := net.Dial("tcp", r.address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if status, _ := r.probe("/readyz"); status != 503 {
		t.Errorf("readyz: %d", status)
	}
	u.finish(t)
	r.stop()
	r = s.start()
	for _, name := range []string{"during", "anew", "late"} {
		r.wantSecret(name, "value")
	}
}

// A request that does not end is cut off after the grace, and the end is as clean
// as can be.
func TestRunCutsOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.Grace = time.Millisecond
	r := s.start()
	r.createVault()
	r.setSecret("kept", "value").is(200)
	u := r.beginUpload("never")
	r.stop()
	if !strings.Contains(r.log.String(), "requests did not finish in time and were cut off") {
		t.Errorf("the log does not say so:\n%s", r.log)
	}
	u.body.CloseWithError(errors.New("given up"))
	select {
	case a := <-u.answer:
		t.Errorf("status %d", a.status)
	case <-u.failed:
	}
	r = s.start()
	r.wantSecret("kept", "value")
}

// beginUpload sends a secret whose body has begun to be read and not ended.
func (r *run) beginUpload(name string) *upload {
	r.t.Helper()
	body, w := io.Pipe()
	begun := make(chan struct{})
	ctx := httptrace.WithClientTrace(r.t.Context(), &httptrace.ClientTrace{Got100Continue: sync.OnceFunc(func() { close(begun) })})
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, secretURL(name), body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	req.Header.Set("Authorization", "Bearer "+r.tokenFor("https://"+siteDomain))
	u := &upload{w, make(chan answer, 1), make(chan error, 1)}
	client := r.newClient()
	client.Transport.(*http.Transport).ExpectContinueTimeout = patience
	go func() {
		if a, err := r.send(client, req); err != nil {
			u.failed <- err
		} else {
			u.answer <- a
		}
	}()
	select {
	case <-begun:
	case err := <-u.failed:
		r.t.Fatal(err)
	case <-time.After(patience):
		r.t.Fatal("the body is not asked for")
	}
	return u
}

// finish ends the body and wants success.
func (u *upload) finish(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(u.body, `{"value":"value"}`); err != nil {
		t.Fatal(err)
	}
	u.body.Close()
	select {
	case a := <-u.answer:
		a.is(200)
	case err := <-u.failed:
		t.Fatalf("the running request was cut off: %v", err)
	}
}

// waitFor calls reached until it reports true.
func waitFor(t *testing.T, what string, reached func() bool) {
	t.Helper()
	(&house{t: t}).eventually(what, reached)
}

func TestNotify(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no systemd
	}
	// A path of a socket is short.
	dir, err := os.MkdirTemp("", "okv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	names := []string{filepath.Join(dir, "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, "@okv-test-"+filepath.Base(dir))
	}
	for _, name := range names {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		r := newSite(t).start()
		wantMessage(t, conn, "READY=1")
		r.stop()
		wantMessage(t, conn, "STOPPING=1")
		conn.Close()
		if err := notify("READY=1"); err == nil || !strings.Contains(err.Error(), "telling systemd") {
			t.Errorf("nobody listens: %v", err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
}

func wantMessage(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var b [256]byte
	n, err := conn.Read(b[:])
	if err != nil || string(b[:n]) != want {
		t.Errorf("systemd is told %q, %v, want %q", b[:n], err, want)
	}
}
