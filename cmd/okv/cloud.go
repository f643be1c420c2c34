package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	azcloud "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// cloudVariable names the management plane of another cloud than Azure's public
// one, such as that of an okv serve.
const cloudVariable = "OKV_CLOUD"

// cloudHelp says where the commands look for a service.
const cloudHelp = `The service is Azure, or the one that okv dev leads to; ` + cloudVariable + ` names another by
its management host, such as management.example.com, which knows the rest.`

// cloudConfig is where the services of a cloud are.
type cloudConfig struct {
	private       bool
	configuration azcloud.Configuration
	vaultSuffix   string // follows the name of a vault; begins with a dot
	hsmSuffix     string // of managed HSMs, empty if the cloud does not say
	scope         string // of tokens for the management plane
	directory     string // the endpoint of the directory, empty for Microsoft's
}

var publicCloud = &cloudConfig{
	configuration: azcloud.AzurePublic,
	vaultSuffix:   ".vault.azure.net",
	hsmSuffix:     ".managedhsm.azure.net",
	scope:         "https://management.core.windows.net//.default", // as azcore asks for it
}

// findCloud returns the cloud of the environment. It asks once.
var findCloud = sync.OnceValues(func() (*cloudConfig, error) {
	address := os.Getenv(cloudVariable)
	if address == "" {
		return publicCloud, nil
	}
	c, err := discoverCloud(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cloudVariable, err)
	}
	return c, nil
})

// suffixOfVaults is that of the cloud, or Azure's if that is not known.
func suffixOfVaults() string {
	if c, err := findCloud(); err == nil {
		return c.vaultSuffix
	}
	return publicCloud.vaultSuffix
}

const (
	// metadataPath is what az and Terraform ask a cloud that they do not know.
	metadataPath    = "/metadata/endpoints?api-version=2022-09-01"
	metadataTimeout = 10 * time.Second
	maxMetadata     = 64 << 10
)

// discoverCloud asks a management plane about its cloud.
func discoverCloud(address string) (*cloudConfig, error) {
	base, err := cloudURL(address)
	if err != nil {
		return nil, err
	}
	roots, err := loadRoots(os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), metadataTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+metadataPath, nil)
	if err != nil {
		return nil, err
	}
	network := newNetwork(roots)
	defer network.transport.CloseIdleConnections()
	resp, err := network.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s does not describe a cloud (status %d): give the address of a management plane", base, resp.StatusCode)
	}
	c, err := readCloud(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	return c, nil
}

// cloudURL takes a host, with or without https:// and a port.
func cloudURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("give the host of a management plane, such as management.example.com")
	}
	return "https://" + u.Host, nil
}

// readCloud reads the description that a management plane gives. What is not
// https is refused: credentials go there.
func readCloud(body []byte) (*cloudConfig, error) {
	var d struct {
		ResourceManager string `json:"resourceManager"`
		Directory       string `json:"microsoftGraphResourceId"`
		Authentication  struct {
			LoginEndpoint string   `json:"loginEndpoint"`
			Audiences     []string `json:"audiences"`
		} `json:"authentication"`
		Suffixes struct {
			KeyVaultDNS string `json:"keyVaultDns"`
			MHSMDNS     string `json:"mhsmDns"`
		} `json:"suffixes"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("the description of the cloud is not JSON: %w", err)
	}
	suffix, hsmSuffix := suffixOf(d.Suffixes.KeyVaultDNS), suffixOf(d.Suffixes.MHSMDNS)
	if len(d.Authentication.Audiences) == 0 || suffix == "" {
		return nil, fmt.Errorf("the description of the cloud lacks its audience or its vaults")
	}
	for _, address := range []string{d.ResourceManager, d.Authentication.LoginEndpoint, d.Directory} {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("the description of the cloud names %q where there should be an https URL", address)
		}
	}
	audience := d.Authentication.Audiences[0]
	return &cloudConfig{
		private: true,
		configuration: azcloud.Configuration{
			ActiveDirectoryAuthorityHost: d.Authentication.LoginEndpoint,
			Services: map[azcloud.ServiceName]azcloud.ServiceConfiguration{
				azcloud.ResourceManager: {Endpoint: d.ResourceManager, Audience: audience},
			},
		},
		vaultSuffix: suffix,
		hsmSuffix:   hsmSuffix,
		scope:       audience + "/.default",
		directory:   strings.TrimSuffix(d.Directory, "/"),
	}, nil
}

// suffixOf returns a domain with a dot before it, or nothing if it is none.
func suffixOf(domain string) string {
	domain = strings.TrimPrefix(domain, ".")
	if domain == "" || strings.ContainsAny(domain, "/@?# ") {
		return ""
	}
	return "." + domain
}
