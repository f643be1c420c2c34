package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/childenv"
	"github.com/openkeyvault/openkeyvault/internal/devproxy"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/tokenplane"
)

// Files of the instance's directory. The password of the trust store is the
// JVM's usual one: the certificates in it are public.
const (
	bundleFile         = "ca-bundle.pem"
	trustStoreFile     = "truststore.p12"
	trustStorePassword = "changeit"
)

// serveProxy starts the proxy that answers for Azure's names.
func (in *instance) serveProxy(context.Context) error {
	ln, err := in.listenInside()
	if err != nil {
		return fmt.Errorf("the proxy: %w", err)
	}
	proxy := devproxy.New(devproxy.Config{
		Ours:     devproxy.Names(in.hosts, in.port()),
		Upstream: devproxy.Environ(in.opts.Environ),
		Offline:  in.opts.Offline,
		Logger:   in.opts.Logger,
	})
	in.proxy = proxy.URL(ln.Addr())
	in.atClose(func() { proxy.Close() })
	in.background("proxy", func() error { return proxy.Serve(ln) })
	in.background("proxied connections", func() error { return in.srv.Serve(proxy.Connections()) })
	return nil
}

func (in *instance) listenInside() (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(cmp.Or(in.opts.inner, "127.0.0.1"), "0"))
}

// serveManagedIdentity starts the endpoint from which clients that find no other
// credential get tokens for the owner's application.
func (in *instance) serveManagedIdentity(context.Context) error {
	ln, err := in.listenInside()
	if err != nil {
		return fmt.Errorf("the managed identity: %w", err)
	}
	var random [32]byte
	rand.Read(random[:])
	in.identityHeader = hex.EncodeToString(random[:])
	in.identityEndpoint = "http://" + ln.Addr().String() + tokenplane.ManagedIdentityPath
	if in.opts.IMDS {
		in.metadataHost = "http://" + ln.Addr().String()
	}
	server := &http.Server{
		Handler: tokenplane.NewManagedIdentity(tokenplane.ManagedIdentityConfig{
			Identity: in.srv.Identity(), Header: secret.New([]byte(in.identityHeader)),
			ClientID: ClientID, ObjectID: ObjectID, InstanceMetadata: in.opts.IMDS, Logger: in.opts.Logger,
		}),
		MaxHeaderBytes:    16 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	in.atClose(func() { server.Close() })
	in.background("managed identity", func() error {
		if err := server.Serve(ln); err != http.ErrServerClosed {
			return err
		}
		return nil
	})
	return nil
}

// makeEnvironment writes the files that the child's environment names and
// computes it.
func (in *instance) makeEnvironment(context.Context) error {
	for _, skipped := range in.roots.Skipped {
		in.opts.Logger.Warn("certificates that the environment names are left out", "error", skipped)
	}
	if err := in.roots.WriteBundle(in.file(bundleFile)); err != nil {
		return err
	}
	if err := in.roots.WriteTrustStore(in.file(trustStoreFile), trustStorePassword); err != nil {
		return err
	}
	in.environment = childenv.Build(childenv.Config{
		Parent: in.opts.Environ, Names: in.hosts.Suffixes(), Proxy: in.proxy,
		CABundle: in.file(bundleFile), TrustStore: in.file(trustStoreFile), TrustStorePassword: trustStorePassword,
		TenantID: TenantID, ClientID: ClientID, ClientSecret: string(in.secret.Reveal()), ObjectID: ObjectID, SubscriptionID: SubscriptionID,
		IdentityEndpoint: in.identityEndpoint, IdentityHeader: in.identityHeader, MetadataHost: in.metadataHost,
		VaultURL: "https://" + VaultName + "." + in.hosts[0].VaultSuffix,
	})
	return nil
}

// writeEnvFile writes the environment for a shell. The file holds a secret, so
// that nobody else may ever have been able to open it: a new one takes the place
// of what was there.
func (in *instance) writeEnvFile(context.Context) error {
	path := in.opts.EnvFile
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".okv-env-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("--env-file: %w", err)
	}
	_, err = f.Write(in.environment.EnvFile())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("--env-file: %w", err)
	}
	in.atClose(func() { os.Remove(path) })
	return nil
}

func (in *instance) file(name string) string { return filepath.Join(in.dir, name) }

// getenv looks a variable up in the form of os.Environ.
func getenv(environ []string) func(string) string {
	return func(name string) (value string) {
		for _, entry := range environ {
			if v, ok := strings.CutPrefix(entry, name+"="); ok {
				value = v
			}
		}
		return value
	}
}
