package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// The versions of the cloud's metadata, each with a shape of its own.
const (
	metadata2015 = "2015-01-01"
	metadata2019 = "2019-05-01"
	metadata2022 = "2022-09-01"
)

type cloudAuthentication struct {
	LoginEndpoint    string   `json:"loginEndpoint"`
	Audiences        []string `json:"audiences"`
	Tenant           string   `json:"tenant,omitempty"`
	IdentityProvider string   `json:"identityProvider,omitempty"`
}

// oldCloud is the shape of 2015.
type oldCloud struct {
	GalleryEndpoint string              `json:"galleryEndpoint"`
	GraphEndpoint   string              `json:"graphEndpoint"`
	PortalEndpoint  string              `json:"portalEndpoint"`
	Authentication  cloudAuthentication `json:"authentication"`
}

// cloud is the shape since 2019: an array of them then, one in 2022.
type cloud struct {
	Name                     string              `json:"name"`
	Portal                   string              `json:"portal"`
	Authentication           cloudAuthentication `json:"authentication"`
	ResourceManager          string              `json:"resourceManager"`
	Graph                    string              `json:"graph"`
	GraphAudience            string              `json:"graphAudience"`
	MicrosoftGraphResourceID string              `json:"microsoftGraphResourceId"`
	Gallery                  string              `json:"gallery"`
	Suffixes                 cloudSuffixes       `json:"suffixes"`
}

type cloudSuffixes struct {
	KeyVaultDNS string `json:"keyVaultDns"`
	MHSMDNS     string `json:"mhsmDns"`
}

// graphEndpoint is that of the directory's API before Microsoft Graph, which is not
// served here. Clients need its name as the audience of a token, from which they
// read who they are.
const graphEndpoint = "https://graph.windows.net/"

// directoryResource is where the directory's API is, and the audience of its
// tokens.
func directoryResource(s httpx.Site) string {
	if cloudName(s) == azureCloud {
		return s.DirectoryURL() + "/" // as Azure writes it, and clients look it up
	}
	return s.DirectoryURL()
}

// getMetadata describes the cloud that the request came to, to anyone. The
// first audience is what clients ask tokens for.
func (p *plane) getMetadata(x *httpx.Exchange) error {
	manager := x.Site.ManagementURL()
	authentication := cloudAuthentication{
		LoginEndpoint: x.Site.LoginURL(), Audiences: []string{manager, "https://management.core.windows.net/"},
	}
	if x.APIVersion == metadata2015 {
		// The clients of that time ask Microsoft's own host whether it knows the
		// endpoint, unless it is one of ADFS: then the host may be anybody's.
		if cloudName(x.Site) != azureCloud {
			authentication.LoginEndpoint += "/adfs"
		}
		return x.Reply(http.StatusOK, oldCloud{
			GalleryEndpoint: manager, GraphEndpoint: graphEndpoint, PortalEndpoint: manager, Authentication: authentication,
		})
	}
	authentication.Tenant, authentication.IdentityProvider = "common", "AAD"
	c := cloud{
		Name: cloudName(x.Site), Portal: manager, Authentication: authentication, ResourceManager: manager,
		Graph: graphEndpoint, GraphAudience: graphEndpoint, MicrosoftGraphResourceID: directoryResource(x.Site), Gallery: manager,
		Suffixes: cloudSuffixes{KeyVaultDNS: x.Site.VaultSuffix(), MHSMDNS: x.Site.HSMSuffix()},
	}
	if x.APIVersion == metadata2019 {
		return x.Reply(http.StatusOK, []cloud{c})
	}
	return x.Reply(http.StatusOK, c)
}

const azureCloud = "AzureCloud"

// cloudName keeps Azure's name where its addresses are used, because clients
// look their own settings up by it.
func cloudName(s httpx.Site) string {
	if s.VaultSuffix() == httpx.AzureRow().VaultSuffix {
		return azureCloud
	}
	return "OpenKeyVault"
}
