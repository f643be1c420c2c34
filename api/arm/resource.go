package arm

import (
	"encoding/json"
	"time"
)

// Resource types outside Key Vault.
const (
	ResourcesNamespace     = "Microsoft.Resources"
	AuthorizationNamespace = "Microsoft.Authorization"
	TypeResourceGroups     = "Microsoft.Resources/resourceGroups"
	TypeRoleAssignments    = "Microsoft.Authorization/roleAssignments"
	TypeRoleDefinitions    = "Microsoft.Authorization/roleDefinitions"
)

// Values of provisioningState and of OperationStatus.Status. A state that is
// not one of the first three is not final.
const (
	StateSucceeded      = "Succeeded"
	StateFailed         = "Failed"
	StateCanceled       = "Canceled"
	StateAccepted       = "Accepted"
	StateRunning        = "Running"
	StateNotStarted     = "NotStarted"
	StateRegisteringDNS = "RegisteringDns"
	StateDeleting       = "Deleting"
)

// List is one page of a list.
type List[T any] struct {
	Value []T `json:"value"`
	// NextLink is the absolute URL of the next page, or empty on the last.
	NextLink string `json:"nextLink,omitempty"`
}

// MarshalJSON writes an empty page as [], never as null.
func (l List[T]) MarshalJSON() ([]byte, error) {
	type plain List[T]
	if l.Value == nil {
		l.Value = []T{}
	}
	return json.Marshal(plain(l))
}

// The lists of the management plane, under the names of the Azure specification.
type (
	VaultListResult          = List[Vault]
	DeletedVaultListResult   = List[DeletedVault]
	ResourceListResult       = List[GenericResource]
	ResourceGroupListResult  = List[ResourceGroup]
	SubscriptionListResult   = List[Subscription]
	TenantListResult         = List[Tenant]
	LocationListResult       = List[Location]
	ProviderListResult       = List[Provider]
	OperationListResult      = List[Operation]
	RoleAssignmentListResult = List[RoleAssignment]
	RoleDefinitionListResult = List[RoleDefinition]
)

// GenericResource is a resource of any type as a list of resources shows it,
// without properties.
type GenericResource struct {
	ID       string            `json:"id,omitempty"`
	Name     string            `json:"name,omitempty"`
	Type     string            `json:"type,omitempty"`
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitzero"`
	// CreatedTime, ChangedTime and ProvisioningState are present if $expand asks
	// for them.
	CreatedTime       *time.Time `json:"createdTime,omitempty"`
	ChangedTime       *time.Time `json:"changedTime,omitempty"`
	ProvisioningState string     `json:"provisioningState,omitempty"`
}

// ResourceGroup is a group of resources; Name, Type and ID are read-only.
type ResourceGroup struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// Type is left out by versions before 2019-10-01.
	Type       string                   `json:"type,omitempty"`
	Location   string                   `json:"location,omitempty"`
	ManagedBy  string                   `json:"managedBy,omitempty"`
	Tags       map[string]string        `json:"tags,omitzero"`
	Properties *ResourceGroupProperties `json:"properties,omitempty"`
}

// ResourceGroupProperties is the state of a resource group.
type ResourceGroupProperties struct {
	ProvisioningState string `json:"provisioningState,omitempty"`
}

// Subscription is a subscription that the caller can see.
type Subscription struct {
	ID                   string                `json:"id,omitempty"`
	AuthorizationSource  string                `json:"authorizationSource,omitempty"`
	ManagedByTenants     []ManagedByTenant     `json:"managedByTenants,omitzero"`
	SubscriptionID       string                `json:"subscriptionId,omitempty"`
	TenantID             string                `json:"tenantId,omitempty"`
	DisplayName          string                `json:"displayName,omitempty"`
	State                string                `json:"state,omitempty"`
	SubscriptionPolicies *SubscriptionPolicies `json:"subscriptionPolicies,omitempty"`
	Tags                 map[string]string     `json:"tags,omitzero"`
}

// ManagedByTenant names a tenant that manages a subscription.
type ManagedByTenant struct {
	TenantID string `json:"tenantId,omitempty"`
}

// SubscriptionPolicies is the commercial side of a subscription.
type SubscriptionPolicies struct {
	LocationPlacementID string `json:"locationPlacementId,omitempty"`
	QuotaID             string `json:"quotaId,omitempty"`
	SpendingLimit       string `json:"spendingLimit,omitempty"`
}

// Tenant is a directory that the caller can see.
type Tenant struct {
	ID             string   `json:"id,omitempty"`
	TenantID       string   `json:"tenantId,omitempty"`
	CountryCode    string   `json:"countryCode,omitempty"`
	DisplayName    string   `json:"displayName,omitempty"`
	Domains        []string `json:"domains,omitzero"`
	TenantCategory string   `json:"tenantCategory,omitempty"`
	DefaultDomain  string   `json:"defaultDomain,omitempty"`
	TenantType     string   `json:"tenantType,omitempty"`
}

// Location is a region of a subscription.
type Location struct {
	ID                  string            `json:"id,omitempty"`
	Name                string            `json:"name,omitempty"`
	Type                string            `json:"type,omitempty"`
	DisplayName         string            `json:"displayName,omitempty"`
	RegionalDisplayName string            `json:"regionalDisplayName,omitempty"`
	Metadata            *LocationMetadata `json:"metadata,omitempty"`
}

// LocationMetadata describes a region.
type LocationMetadata struct {
	RegionType     string `json:"regionType,omitempty"`
	RegionCategory string `json:"regionCategory,omitempty"`
	GeographyGroup string `json:"geographyGroup,omitempty"`
}

// Provider is a resource provider and its registration with a subscription.
type Provider struct {
	ID        string `json:"id,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// RegistrationState is Registered, Registering or NotRegistered.
	RegistrationState  string         `json:"registrationState,omitempty"`
	RegistrationPolicy string         `json:"registrationPolicy,omitempty"`
	ResourceTypes      []ResourceType `json:"resourceTypes,omitzero"`
}

// ResourceType is a type of resource that a provider offers.
type ResourceType struct {
	ResourceType string `json:"resourceType,omitempty"`
	// Locations are display names, such as "East US".
	Locations         []string `json:"locations,omitzero"`
	APIVersions       []string `json:"apiVersions,omitzero"`
	DefaultAPIVersion string   `json:"defaultApiVersion,omitempty"`
	Capabilities      string   `json:"capabilities,omitempty"`
}

// Operation is an action that a provider knows.
type Operation struct {
	Name         string            `json:"name,omitempty"`
	Display      *OperationDisplay `json:"display,omitempty"`
	Origin       string            `json:"origin,omitempty"`
	IsDataAction bool              `json:"isDataAction"`
}

// OperationDisplay is an action in words.
type OperationDisplay struct {
	Provider    string `json:"provider,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Operation   string `json:"operation,omitempty"`
	Description string `json:"description,omitempty"`
}

// OperationStatus is the state of a long-running operation.
type OperationStatus struct {
	// CreatedDateTime is in the form "2020-07-21 08:21:45Z".
	CreatedDateTime string `json:"createdDateTime,omitempty"`
	// Status is one of the State constants.
	Status string       `json:"status,omitempty"`
	Error  *ErrorDetail `json:"error,omitempty"`
}
