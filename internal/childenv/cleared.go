package childenv

import (
	"maps"
	"slices"
	"strings"
)

// What is cleared is what sends a client to another cloud or gives it another
// credential than the one that Build sets. Other variables of these prefixes
// stay: they configure the program (AZURE_STORAGE_ACCOUNT, AZURE_OPENAI_ENDPOINT,
// AZURE_KEYVAULT_NAME), the tools' looks (AZURE_CORE_OUTPUT, AZURE_LOG_LEVEL,
// AZURE_SDK_TRACING_IMPLEMENTATION), where az keeps its files (AZURE_CONFIG_DIR),
// or another service's access (ARM_ACCESS_KEY).

// clearedNames are cleared whether the parent has them or not, because an
// environment file may be sourced elsewhere.
var clearedNames = []string{
	// Which cloud: the token service's host, a region's, the metadata document's.
	"AZURE_AUTHORITY_HOST",
	"AZURE_REGIONAL_AUTHORITY_NAME",
	"AZURE_CLOUD",
	"AZURE_CLOUD_NAME",
	"AZURE_CLOUD_ENVIRONMENT",
	"AZURE_ENVIRONMENT",
	"AZURE_ENVIRONMENT_FILEPATH",
	"AZURE_METADATA_HOST",
	"AZURE_AD_RESOURCE",
	"AZURE_ADFS_AUTHORITY_URL",
	"AZURE_CERT_VALIDATION_MODE",
	"ARM_ENDPOINT",
	"ARM_ENVIRONMENT",
	"ARM_CLOUD_METADATA_URL",
	"ARM_METADATA_HOST",
	"ARM_METADATA_HOSTNAME",
	"ARM_METADATA_URL",
	"OKV_CLOUD",

	// Which credential, in the order in which clients try them.
	"AZURE_TOKEN_CREDENTIALS",
	"AZURE_ADDITIONALLY_ALLOWED_TENANTS",
	"AZURE_CLIENT_CERTIFICATE_PATH",
	"AZURE_CLIENT_CERTIFICATE_PASSWORD",
	"AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
	"AZURE_USERNAME",
	"AZURE_PASSWORD",
	"AZURE_FEDERATED_TOKEN_FILE",
	"AZURE_AUTH_LOCATION",
	"AZURE_CREDENTIALS",
	"AZURE_AD_USER",
	"AZURE_PROFILE",
	"AZURE_SECRET",
	"AZURE_TENANT",
	"AZURE_SUBSCRIPTION",
	"ARM_CLIENT_ID",
	"ARM_CLIENT_SECRET",
	"ARM_CLIENT_CERTIFICATE",
	"ARM_CLIENT_CERTIFICATE_PATH",
	"ARM_CLIENT_CERTIFICATE_PASSWORD",
	"ARM_TENANT_ID",
	"ARM_SUBSCRIPTION_ID",
	"ARM_AUXILIARY_TENANT_IDS",
	"ARM_OIDC_TOKEN",
	"ARM_OIDC_TOKEN_FILE_PATH",
	"ARM_USE_AKS_WORKLOAD_IDENTITY",
	"ARM_USE_CLI",
	"ARM_USE_MSI",
	"ARM_USE_OIDC",

	// Which managed identity. Some clients prefer these to IDENTITY_ENDPOINT
	// and IDENTITY_HEADER: a thumbprint there means Service Fabric, an IMDS
	// endpoint means Arc.
	"AZURE_POD_IDENTITY_AUTHORITY_HOST",
	"ARM_MSI_ENDPOINT",
	"MSI_ENDPOINT",
	"MSI_SECRET",
	"IDENTITY_SERVER_THUMBPRINT",
	"IDENTITY_API_VERSION",
	"IMDS_ENDPOINT",
}

// clearedPrefixes are cleared of everything that the parent has and that Build
// does not set.
var clearedPrefixes = []string{
	"AZURE_CLIENT_",
	"AZURE_FEDERATED_",
	"AZURE_IDENTITY_",
	"AZURE_KUBERNETES_", // sends the exchange of workload identity elsewhere
	"AZURE_MSI_",
	"ARM_ACTIVE_DIRECTORY_",
	"ARM_ADO_PIPELINE_",
	"ARM_CLIENT_",
	"ARM_METADATA_",
	"ARM_MSI_",
	"ARM_OIDC_",
	"ARM_USE_",
	"MSI_",
}

// cleared returns the names to clear that are not in set. IDENTITY_ENDPOINT and
// its header lead to a real identity when they are not ours, so they are cleared
// then.
func cleared(parent environment, set map[string]string) []string {
	names := make(map[string]bool)
	want := func(name string) {
		if _, kept := set[strings.ToUpper(name)]; !kept {
			names[name] = true
		}
	}
	for _, name := range clearedNames {
		want(name)
	}
	want("IDENTITY_ENDPOINT")
	want("IDENTITY_HEADER")
	for _, entry := range parent.entries {
		if name, _, ok := split(entry); ok && hasClearedPrefix(foldName(name, parent.fold)) {
			want(foldName(name, parent.fold))
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func hasClearedPrefix(name string) bool {
	return slices.ContainsFunc(clearedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
