package resource

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Location is a region in which a vault may be said to be.
type Location struct {
	Name        string // "eastus"
	DisplayName string // "East US"
	Geography   string // "US"
}

// locations are Azure's public regions, so that whatever region a client names
// in Azure it may name here. Where a vault really is, its operator knows.
var locations = []Location{
	{"eastus", "East US", "US"}, {"eastus2", "East US 2", "US"}, {"southcentralus", "South Central US", "US"},
	{"westus2", "West US 2", "US"}, {"westus3", "West US 3", "US"}, {"australiaeast", "Australia East", "Asia Pacific"},
	{"southeastasia", "Southeast Asia", "Asia Pacific"}, {"northeurope", "North Europe", "Europe"},
	{"swedencentral", "Sweden Central", "Europe"}, {"uksouth", "UK South", "Europe"}, {"westeurope", "West Europe", "Europe"},
	{"centralus", "Central US", "US"}, {"southafricanorth", "South Africa North", "Africa"},
	{"centralindia", "Central India", "Asia Pacific"}, {"eastasia", "East Asia", "Asia Pacific"},
	{"indonesiacentral", "Indonesia Central", "Asia Pacific"}, {"japaneast", "Japan East", "Asia Pacific"},
	{"japanwest", "Japan West", "Asia Pacific"}, {"koreacentral", "Korea Central", "Asia Pacific"},
	{"malaysiawest", "Malaysia West", "Asia Pacific"}, {"newzealandnorth", "New Zealand North", "Asia Pacific"},
	{"canadacentral", "Canada Central", "Canada"}, {"austriaeast", "Austria East", "Europe"},
	{"belgiumcentral", "Belgium Central", "Europe"}, {"francecentral", "France Central", "Europe"},
	{"germanywestcentral", "Germany West Central", "Europe"}, {"italynorth", "Italy North", "Europe"},
	{"norwayeast", "Norway East", "Europe"}, {"polandcentral", "Poland Central", "Europe"},
	{"spaincentral", "Spain Central", "Europe"}, {"switzerlandnorth", "Switzerland North", "Europe"},
	{"mexicocentral", "Mexico Central", "Mexico"}, {"uaenorth", "UAE North", "Middle East"},
	{"brazilsouth", "Brazil South", "South America"}, {"chilecentral", "Chile Central", "South America"},
	{"israelcentral", "Israel Central", "Middle East"}, {"qatarcentral", "Qatar Central", "Middle East"},
	{"northcentralus", "North Central US", "US"}, {"westus", "West US", "US"}, {"westcentralus", "West Central US", "US"},
	{"southafricawest", "South Africa West", "Africa"}, {"australiacentral", "Australia Central", "Asia Pacific"},
	{"australiacentral2", "Australia Central 2", "Asia Pacific"}, {"australiasoutheast", "Australia Southeast", "Asia Pacific"},
	{"koreasouth", "Korea South", "Asia Pacific"}, {"southindia", "South India", "Asia Pacific"},
	{"westindia", "West India", "Asia Pacific"}, {"canadaeast", "Canada East", "Canada"},
	{"francesouth", "France South", "Europe"}, {"germanynorth", "Germany North", "Europe"},
	{"norwaywest", "Norway West", "Europe"}, {"switzerlandwest", "Switzerland West", "Europe"},
	{"ukwest", "UK West", "Europe"}, {"uaecentral", "UAE Central", "Middle East"},
	{"brazilsoutheast", "Brazil Southeast", "South America"},
}

var locationNames, displayNames = func() (names, display []string) {
	for _, l := range locations {
		names = append(names, l.Name)
		display = append(display, l.DisplayName)
	}
	return names, display
}()

// NormalLocation returns the name of a region that is given by its name or its
// display name: "East US" is "eastus".
func NormalLocation(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

func knownLocation(name string) bool {
	for _, known := range locationNames {
		if known == name {
			return true
		}
	}
	return false
}

// checkLocation wants a known region for a resource of the type, or for a group
// when the type is empty.
func checkLocation(location, resourceType string) error {
	if location == "" {
		return fault.New(fault.Invalid, "LocationRequired", "The location property is required for this definition.")
	}
	if knownLocation(NormalLocation(location)) {
		return nil
	}
	if resourceType == "" {
		return fault.New(fault.Invalid, "LocationNotAvailableForResourceGroup",
			"The provided location '%s' is not available for resource group. List of available regions is '%s'.",
			location, strings.Join(locationNames, ","))
	}
	return fault.New(fault.Invalid, "LocationNotAvailableForResourceType",
		"The provided location '%s' is not available for resource type '%s'. List of available regions for the resource type is '%s'.",
		location, resourceType, strings.Join(locationNames, ","))
}

// LocationNames returns the names of all regions. The caller must not change
// the slice.
func LocationNames() []string { return locationNames }
