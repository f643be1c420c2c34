package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateFiles serves a TLS certificate from a pair of PEM files, and the
// next one once the files have changed: connections that there are go on, new
// ones get the new certificate. A pair that cannot be used leaves the one before
// in place. It is safe for concurrent use.
type CertificateFiles struct {
	certFile, keyFile string
	names             []string // that the certificate must be good for
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // guards all below, and makes one reload at a time
	digest []byte     // of the files of current
	failed string     // why the last reload failed, so that it is said once
	warned time.Time  // when the end was last warned about
}

// How often the files are looked at, and how often the end of a certificate is
// warned about.
const (
	certificateInterval = 5 * time.Second
	warningInterval     = 24 * time.Hour
)

// maxCertificate bounds each of the two files.
const maxCertificate = 1 << 20

// OpenCertificate reads the pair. One that has expired is used all the same, and
// said in the log: there may be clients that do not look.
func OpenCertificate(certFile, keyFile string, names []string, logger *slog.Logger) (*CertificateFiles, error) {
	c := &CertificateFiles{certFile: certFile, keyFile: keyFile, names: names, log: logger, now: time.Now}
	pair, digest, err := c.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; put a certificate and its key where tls.certificate and tls.key of the configuration say", err)
	} else if err != nil {
		return nil, err
	}
	c.take(pair, digest)
	return c, nil
}

// Get has the type of tls.Config.GetCertificate.
func (c *CertificateFiles) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// Watch looks at the files at intervals, takes them when they have changed, and
// warns of the end, until ctx ends.
func (c *CertificateFiles) Watch(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.Reload()
		}
	}
}

// Reload takes the pair if it has changed and can be used. It compares what the
// files hold: times and names say little where files are links that somebody
// turns elsewhere.
func (c *CertificateFiles) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, digest, err := c.read()
	switch {
	case err != nil:
	case bytes.Equal(digest, c.digest):
		c.failed = ""
		c.warn()
		return
	default:
		err = c.judge(pair.Leaf)
	}
	if err != nil {
		if c.failed != err.Error() {
			c.failed = err.Error()
			c.log.Error("the new TLS certificate cannot be used; the one before stays", "error", err)
		}
		c.warn()
		return
	}
	c.take(pair, digest)
}

// judge refuses a certificate that is worse than the present one: that has ended,
// or has not begun, while that one is good.
func (c *CertificateFiles) judge(leaf *x509.Certificate) error {
	now, present := c.now(), c.current.Load().Leaf
	if now.After(present.NotAfter) {
		return nil
	}
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s: it has expired on %s", c.certFile, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s: it is not valid before %s", c.certFile, leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}

func (c *CertificateFiles) take(pair *tls.Certificate, digest []byte) {
	c.current.Store(pair)
	c.digest, c.failed, c.warned = digest, "", time.Time{}
	leaf := pair.Leaf
	c.log.Info("the TLS certificate is loaded", "file", c.certFile, "serial", leaf.SerialNumber.Text(16), "expires", leaf.NotAfter)
	for _, name := range c.names {
		if err := leaf.VerifyHostname(name); err != nil {
			c.log.Warn("the TLS certificate is not good for a name of this server", "name", name)
		}
	}
	if info, err := os.Stat(c.keyFile); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		c.log.Warn("the private key of the TLS certificate can be used by everybody on this machine: run chmod o= on it", "file", c.keyFile)
	}
	c.warn()
}

// warn says, once a day, that the certificate will soon end: when less than a
// quarter of its life is left, and no more than two weeks.
func (c *CertificateFiles) warn() {
	leaf, now := c.current.Load().Leaf, c.now()
	margin := min(leaf.NotAfter.Sub(leaf.NotBefore)/4, 14*24*time.Hour)
	left := leaf.NotAfter.Sub(now)
	if left > margin || now.Sub(c.warned) < warningInterval {
		return
	}
	c.warned = now
	if left < 0 {
		c.log.Error("the TLS certificate has expired", "file", c.certFile, "expired", leaf.NotAfter)
	} else {
		c.log.Warn("the TLS certificate expires soon", "file", c.certFile, "expires", leaf.NotAfter)
	}
}

// read returns the pair and the digest of the files. Its errors show nothing of
// the private key.
func (c *CertificateFiles) read() (*tls.Certificate, []byte, error) {
	cert, err := readPEM(c.certFile)
	if err != nil {
		return nil, nil, fmt.Errorf("the TLS certificate: %w", err)
	}
	key, err := readPEM(c.keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("the TLS certificate's private key: %w", err)
	}
	defer clear(key)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, fmt.Errorf("the TLS certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	certSum, keySum := sha256.Sum256(cert), sha256.Sum256(key)
	return &pair, append(certSum[:], keySum[:]...), nil
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate+1))
	if err == nil && len(text) > maxCertificate {
		err = errors.New(path + " is too large")
	}
	return text, err
}
