package resource

import (
	"context"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Provider is a namespace of resource types. Every one is registered with every
// subscription: there is nothing to set up.
type Provider struct {
	Namespace string
	Types     []ProviderType
}

// ProviderType is a type of resource and the versions of its API.
type ProviderType struct {
	Name      string // "vaults"
	Locations []string
	Versions  []string // newest first
	Tracked   bool     // instances have a location and tags
}

// resourcesVersions are the versions of Resource Manager's own types: those
// which its clients of all years are known to send.
var resourcesVersions = []string{
	"2025-04-01", "2025-03-01", "2024-11-01", "2024-07-01", "2024-03-01", "2023-07-01", "2022-12-01", "2022-09-01", "2022-06-01",
	"2022-05-01", "2022-01-01", "2021-04-01", "2021-01-01", "2020-10-01", "2020-09-01", "2020-08-01", "2020-07-01", "2020-06-01",
	"2020-05-01", "2020-01-01", "2019-11-01", "2019-10-01", "2019-09-01", "2019-08-01", "2019-07-01", "2019-06-01", "2019-05-10",
	"2019-05-01", "2019-03-01", "2018-11-01", "2018-09-01", "2018-08-01", "2018-07-01", "2018-06-01", "2018-05-01", "2018-02-01",
	"2018-01-01", "2017-08-01", "2017-06-01", "2017-05-10", "2017-05-01", "2017-03-01", "2016-09-01", "2016-07-01", "2016-06-01",
	"2016-02-01", "2015-11-01", "2015-01-01", "2014-04-01-preview", "2014-04-01",
}

// ResourcesVersions returns the versions of Resource Manager's own types, newest
// first. The caller must not change the slice.
func ResourcesVersions() []string { return resourcesVersions }

var providers = func() []Provider {
	newest := func(versions []string) []string {
		slices.Reverse(versions)
		return versions
	}
	vaults := newest(arm.KeyVaultVersions())
	keyVault := func(name string, tracked bool) ProviderType {
		return ProviderType{Name: name, Locations: displayNames, Versions: vaults, Tracked: tracked}
	}
	own := func(name string) ProviderType { return ProviderType{Name: name, Versions: resourcesVersions} }
	return []Provider{
		{Namespace: arm.KeyVaultNamespace, Types: []ProviderType{
			keyVault("vaults", true), keyVault("vaults/accessPolicies", false), keyVault("operations", false),
			keyVault("checkNameAvailability", false), keyVault("deletedVaults", false), keyVault("locations", false),
			keyVault("locations/deletedVaults", false), keyVault("locations/operationResults", false),
			keyVault("managedHSMs", true), keyVault("deletedManagedHSMs", false),
			keyVault("locations/deletedManagedHSMs", false), keyVault("checkMhsmNameAvailability", false),
		}},
		{Namespace: arm.ResourcesNamespace, Types: []ProviderType{
			own("tenants"), own("subscriptions"), own("subscriptions/locations"), own("subscriptions/providers"),
			own("subscriptions/resourceGroups"), own("resourceGroups"), own("subscriptions/resources"), own("subscriptions/operationresults"),
		}},
		{Namespace: arm.AuthorizationNamespace, Types: []ProviderType{
			{Name: "roleAssignments", Versions: newest(arm.RoleAssignmentVersions())},
			{Name: "roleDefinitions", Versions: newest(arm.RoleDefinitionVersions())},
		}},
	}
}()

const actProvidersRead = "Microsoft.Resources/subscriptions/providers/read"

// ListProviders returns the providers that have resource types here.
func (s *Service) ListProviders(ctx context.Context, call Call, subscription string) ([]Provider, error) {
	if err := s.Authorize(ctx, call, "ProviderList", subscription, "", actProvidersRead); err != nil {
		return nil, err
	}
	return slices.Clone(providers), nil
}

// GetProvider returns a provider. One that has no types here is registered all
// the same: clients that register whatever they might need go on.
func (s *Service) GetProvider(ctx context.Context, call Call, subscription, namespace string) (Provider, error) {
	return s.provider(ctx, call, "ProviderGet", subscription, namespace, actProvidersRead)
}

// RegisterProvider registers a provider with a subscription, which it already
// is.
func (s *Service) RegisterProvider(ctx context.Context, call Call, subscription, namespace string) (Provider, error) {
	return s.provider(ctx, call, "ProviderRegister", subscription, namespace, namespace+"/register/action")
}

func (s *Service) provider(ctx context.Context, call Call, name, subscription, namespace, action string) (Provider, error) {
	if err := s.Authorize(ctx, call, name, subscription, "", action); err != nil {
		return Provider{}, err
	}
	for _, p := range providers {
		if strings.EqualFold(p.Namespace, namespace) {
			return p, nil
		}
	}
	if !validNamespace(namespace) {
		return Provider{}, fault.New(fault.NotFound, "InvalidResourceNamespace", "The resource namespace '%s' is invalid.", namespace)
	}
	return Provider{Namespace: namespace}, nil
}

// validNamespace reports whether s is two or more words of letters and digits
// with dots between.
func validNamespace(s string) bool {
	words := strings.Split(s, ".")
	if len(words) < 2 || len(s) > 100 {
		return false
	}
	for _, w := range words {
		if w == "" || !isAlphanumeric(w) {
			return false
		}
	}
	return true
}

func isAlphanumeric(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}
