package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// On some systems Go does not look at SSL_CERT_FILE by itself.
func TestLoadRoots(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "bundle.pem")
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, bundle, 0o600); err != nil {
		t.Fatal(err)
	}

	roots, err := loadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	trusting := newNetwork(roots)
	resp, err := (&http.Client{Transport: trusting}).Get(server.URL)
	if err != nil {
		t.Fatalf("the bundle is not trusted: %v", err)
	}
	resp.Body.Close()
	if err := trusting.lastFailure(); err != nil {
		t.Errorf("the last failure is %v", err)
	}

	if roots, err := loadRoots(""); roots != nil || err != nil {
		t.Errorf("without a file the roots are %v, %v", roots, err)
	}
	distrusting := newNetwork(nil)
	if resp, err := (&http.Client{Transport: distrusting}).Get(server.URL); err == nil {
		resp.Body.Close()
		t.Error("the server is trusted without the bundle")
	}
	if !errors.As(distrusting.lastFailure(), new(*tls.CertificateVerificationError)) {
		t.Errorf("the last failure is %v", distrusting.lastFailure())
	}
	if _, err := loadRoots(file + "-gone"); err == nil || !strings.HasPrefix(err.Error(), "SSL_CERT_FILE: ") {
		t.Errorf("a missing file is %v", err)
	}
}

func TestShouldRetry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		err    error
		want   bool
	}{
		{200, nil, false},
		{404, nil, false},
		{409, nil, false},
		{429, nil, true},
		{503, nil, true},
		{0, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{0, &net.DNSError{IsTemporary: true}, true},
		{0, &net.DNSError{IsNotFound: true}, false},
		{0, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
		{0, &tls.CertificateVerificationError{Err: errors.New("no")}, false},
		{0, &proxyError{status: 403}, false},
	} {
		if got := shouldRetry(&http.Response{StatusCode: tc.status}, tc.err); got != tc.want {
			t.Errorf("%d, %v: %v, want %v", tc.status, tc.err, got, tc.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	token := func(text string) string { return "e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln" }
	for name, tc := range map[string]struct{ token, object, client string }{
		"version 1":     {token(`{"oid":"me","tid":"there","appid":"app"}`), "me", "app"},
		"version 2":     {token(`{"oid":"me","azp":"app"}`), "me", "app"},
		"of no client":  {token(`{"oid":"me"}`), "me", ""},
		"without oid":   {token(`{"sub":"me"}`), "", ""},
		"not JSON":      {token(`{`), "", ""},
		"not base64url": {"e30.!.c2ln", "", ""},
		"opaque":        {"opaque", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &connection{cloud: publicCloud, cred: fakeCredential(tc.token)}
			got, err := c.identity(t.Context())
			if err != nil {
				if tc.object != "" || strings.Contains(err.Error(), tc.token) {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if got.OID != tc.object || got.clientID() != tc.client || tc.object == "" {
				t.Errorf("got %+v, want %q and %q", got, tc.object, tc.client)
			}
		})
	}
}

type fakeCredential string

func (c fakeCredential) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(options.Scopes) != 1 || options.Scopes[0] != publicCloud.scope {
		return azcore.AccessToken{}, errors.New("another scope")
	}
	return azcore.AccessToken{Token: string(c)}, nil
}
