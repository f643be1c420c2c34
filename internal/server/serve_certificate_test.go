package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/logtest"
)

// files is a pair of certificate files with the log of who reads them.
type files struct {
	t         *testing.T
	ca        *signer
	cert, key string
	log       *logtest.Buffer
	now       time.Time
	c         *CertificateFiles
}

func newFiles(t *testing.T, p pair) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{t: t, ca: newSigner(t), cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), log: &logtest.Buffer{}, now: time.Now()}
	if p.cert == nil {
		p = f.ca.good(1)
	}
	f.put(p)
	var err error
	f.c, err = OpenCertificate(f.cert, f.key, []string{"any." + siteDomain, siteLogin}, slog.New(slog.NewTextHandler(f.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.c.now = func() time.Time { return f.now }
	return f
}

func (f *files) put(p pair) {
	f.t.Helper()
	put(f.t, f.cert, p.cert)
	put(f.t, f.key, p.key)
}

// serial is that of the certificate in use.
func (f *files) serial() int64 {
	f.t.Helper()
	cert, err := f.c.Get(&tls.ClientHelloInfo{})
	if err != nil {
		f.t.Fatal(err)
	}
	return cert.Leaf.SerialNumber.Int64()
}

func (f *files) logged(text string) int { return strings.Count(f.log.String(), text) }

func TestCertificateReload(t *testing.T) {
	t.Parallel()
	f := newFiles(t, pair{})
	second := f.ca.good(2)
	for _, tc := range []struct {
		name   string
		change func()
		serial int64
		errors int // in the log, from the beginning on
	}{
		{"no change", func() {}, 1, 0},
		{"half of a pair", func() { put(t, f.cert, second.cert) }, 1, 1},
		{"half of a pair still", func() {}, 1, 1},
		{"the other half", func() { put(t, f.key, second.key) }, 2, 1},
		{"no PEM", func() { put(t, f.cert, []byte("x")) }, 2, 2},
		{"no file", func() { f.check(os.Remove(f.cert)) }, 2, 3},
		{"too large", func() { put(t, f.cert, make([]byte, maxCertificate+1)) }, 2, 4},
		{"as before", func() { put(t, f.cert, second.cert) }, 2, 4},
		{"no PEM again", func() { put(t, f.cert, []byte("x")) }, 2, 5},
		{"a third", func() { f.put(f.ca.good(3)) }, 3, 5},
		{"the fourth, in the same files", func() { p := f.ca.good(4); f.overwrite(f.cert, p.cert); f.overwrite(f.key, p.key) }, 4, 5},
		{"expired", func() { f.put(f.ca.sign(6, siteNames, f.now.Add(-2*time.Hour), f.now.Add(-time.Hour))) }, 4, 6},
		{"too early", func() { f.put(f.ca.sign(5, siteNames, f.now.Add(time.Hour), f.now.Add(9*time.Hour))) }, 4, 7},
		{"its time has come", func() { f.now = f.now.Add(2 * time.Hour) }, 5, 7},
	} {
		tc.change()
		f.c.Reload()
		if got := f.serial(); got != tc.serial {
			t.Errorf("%s: certificate %d, want %d", tc.name, got, tc.serial)
		}
		if got := f.logged("the new TLS certificate cannot be used"); got != tc.errors {
			t.Errorf("%s: %d errors in the log, want %d:\n%s", tc.name, got, tc.errors, f.log)
		}
	}
	if strings.Contains(f.log.String(), "PRIVATE") {
		t.Errorf("the log shows the key:\n%s", f.log)
	}
}

func TestCertificateWatch(t *testing.T) {
	t.Parallel()
	f := newFiles(t, pair{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.c.Watch(ctx, time.Millisecond)
	}()
	f.put(f.ca.good(2))
	waitFor(t, "the new certificate", func() bool { return f.serial() == 2 })
	cancel()
	<-ended
}

// An expired certificate is better than none, and whatever comes is no worse.
func TestCertificateExpired(t *testing.T) {
	t.Parallel()
	ca := newSigner(t)
	past := time.Now().Add(-time.Hour)
	f := newFiles(t, ca.sign(1, siteNames, past.Add(-time.Hour), past))
	if f.serial() != 1 || f.logged("the TLS certificate has expired") != 1 {
		t.Errorf("certificate %d:\n%s", f.serial(), f.log)
	}
	f.put(ca.sign(2, siteNames, past.Add(-time.Hour), past.Add(time.Minute)))
	f.c.Reload()
	if f.serial() != 2 {
		t.Error("the other expired one is not taken")
	}
	f.put(ca.good(3))
	f.c.Reload()
	if f.serial() != 3 || f.logged("level=ERROR msg=\"the TLS certificate has expired\"") != 2 {
		t.Errorf("certificate %d:\n%s", f.serial(), f.log)
	}
}

func TestCertificateWarnings(t *testing.T) {
	t.Parallel()
	ca := newSigner(t)
	start := time.Now()
	f := newFiles(t, ca.sign(1, siteNames, start.Add(-time.Hour), start.Add(90*24*time.Hour)))
	for _, tc := range []struct {
		after          time.Duration
		soon, expected int
	}{
		{0, 0, 0},
		{75 * 24 * time.Hour, 0, 0}, // two weeks and a day are left
		{76*24*time.Hour + time.Hour, 1, 0},
		{77 * 24 * time.Hour, 1, 0}, // said today
		{78 * 24 * time.Hour, 2, 0},
		{91 * 24 * time.Hour, 2, 1},
	} {
		f.now = start.Add(tc.after)
		f.c.Reload()
		if soon, expired := f.logged("expires soon"), f.logged("has expired"); soon != tc.soon || expired != tc.expected {
			t.Errorf("after %s: warned %d and %d times, want %d and %d", tc.after, soon, expired, tc.soon, tc.expected)
		}
	}
	// Of a short life a quarter.
	f = newFiles(t, ca.sign(2, siteNames, start.Add(-time.Hour), start.Add(7*time.Hour)))
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{5*time.Hour - time.Minute, 0}, {5*time.Hour + time.Minute, 1}} {
		f.now = start.Add(tc.after)
		f.c.Reload()
		if got := f.logged("expires soon"); got != tc.want {
			t.Errorf("after %s: warned %d times, want %d", tc.after, got, tc.want)
		}
	}

	f = newFiles(t, ca.sign(3, []string{"*." + siteDomain}, start, start.Add(time.Hour)))
	if f.logged("is not good for a name") != 1 || f.logged("name="+siteLogin) != 1 {
		t.Errorf("a certificate that lacks a name:\n%s", f.log)
	}
	if runtime.GOOS == "windows" {
		return
	}
	p := ca.good(4)
	put(t, f.cert, p.cert)
	put(t, f.key, p.key)
	f.check(os.Chmod(f.key, 0o644))
	f.c.Reload()
	if f.logged("can be used by everybody") != 1 {
		t.Errorf("a key for everybody:\n%s", f.log)
	}
}

func TestCertificateRefusals(t *testing.T) {
	t.Parallel()
	f := newFiles(t, pair{})
	other := f.ca.good(2)
	for name, tc := range map[string]struct {
		cert, key string
		want      string
	}{
		"no certificate": {f.cert + "x", f.key, "the TLS certificate: open " + f.cert + "x"},
		"nothing":        {f.cert + "x", f.key + "x", "where tls.certificate and tls.key of the configuration say"},
		"no key":         {f.cert, f.key + "x", "the TLS certificate's private key: open " + f.key + "x"},
		"another's key":  {f.cert, f.write("other.key", other.key), "does not match"},
		"swapped":        {f.key, f.cert, "the TLS certificate " + f.key},
	} {
		if _, err := OpenCertificate(tc.cert, tc.key, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func (f *files) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) write(name string, content []byte) string {
	f.t.Helper()
	path := filepath.Join(filepath.Dir(f.cert), name)
	put(f.t, path, content)
	return path
}

// overwrite keeps the file and changes what it holds.
func (f *files) overwrite(path string, content []byte) {
	f.t.Helper()
	f.check(os.WriteFile(path, content, 0o600))
}

// A server gets another certificate: the connection that there is goes on, a new
// one has the new certificate. So it is when the old one has expired, which new
// clients refuse.
func TestServeNewCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	past := time.Now().Add(-time.Minute)
	for name, first := range map[string]pair{"good": s.ca.good(11), "expired": s.ca.sign(11, siteNames, past.Add(-time.Hour), past)} {
		s.serveWith(first)
		r := s.start()
		old := r.newClient()
		// It makes no second connection because the first is not back in its pool yet.
		old.Transport.(*http.Transport).MaxConnsPerHost = 1
		if name == "expired" {
			var invalid x509.CertificateInvalidError
			if _, err := r.serialSeen(r.newClient()); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
				t.Errorf("an expired certificate: %v", err)
			}
			// One that came while it was good, or does not look.
			old.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return past.Add(-time.Minute) }
		}
		if serial, err := r.serialSeen(old); err != nil || serial != 11 {
			t.Fatalf("%s: certificate %d, %v", name, serial, err)
		}
		s.serveWith(s.ca.good(12))
		r.reload <- struct{}{}
		r.reload <- struct{}{} // taken once the first is done
		if serial, err := r.serialSeen(old); err != nil || serial != 11 {
			t.Errorf("%s: the old connection: certificate %d, %v", name, serial, err)
		}
		if serial, err := r.serialSeen(r.newClient()); err != nil || serial != 12 {
			t.Errorf("%s: a new connection: certificate %d, %v", name, serial, err)
		}
		old.CloseIdleConnections()
		r.stop()
	}
}

// serialSeen makes a request and returns the serial number of the certificate of
// its connection.
func (r *run) serialSeen(client *http.Client) (int64, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, secretURL("x"), nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil { // or the connection is not used again
		return 0, err
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}
