package tokenplane

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"testing"
)

// instance makes a right request of App Service one of a virtual machine.
func instance(r *http.Request) {
	r.URL.Path = InstanceMetadataPath
	r.Header.Del("X-IDENTITY-HEADER")
	r.Header.Set("Metadata", "true")
}

const instanceQuery = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"

func path(p string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = p } }

func TestInstanceMetadata(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(cfg *ManagedIdentityConfig) { cfg.InstanceMetadata = true })
	for name, tc := range map[string]struct {
		query  string
		change func(*http.Request)
	}{
		"plain": {instanceQuery, set("A", "b")}, "a slash more": {instanceQuery, path(InstanceMetadataPath + "/")}, "True": {instanceQuery, set("Metadata", "True")},
		"by client": {instanceQuery + "&client_id=" + clientID, set("A", "b")}, "by object": {instanceQuery + "&object_id=" + objectID, set("A", "b")},
		"by localhost": {instanceQuery, host("localhost:1")},
	} {
		status, members := e.ask(tc.query, instance, tc.change)
		access, _ := members["access_token"].(string)
		if status != 200 || access == "" {
			t.Errorf("%s: status %d, %v", name, status, members)
			continue
		}
		delete(members, "access_token")
		want := map[string]any{
			"refresh_token": "", "expires_in": "3599", "expires_on": strconv.FormatInt(now0.Unix()+3600, 10),
			"not_before": strconv.FormatInt(now0.Unix()-300, 10), "resource": vault, "token_type": "Bearer", "client_id": clientID,
		}
		if !maps.Equal(members, want) {
			t.Errorf("%s: %v\nwant %v", name, members, want)
		}
	}
	// The form of App Service is there as well, with its secret.
	if status, _ := e.ask(appService); status != 200 {
		t.Errorf("App Service: status %d", status)
	}
	e.refused("App Service without its header", 401, "The header X-Identity-Header is missing or wrong.", appService, remove("X-IDENTITY-HEADER"))
}

func TestInstanceMetadataRefuses(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(cfg *ManagedIdentityConfig) { cfg.InstanceMetadata = true })
	const browsers = "The endpoint does not answer browsers and proxies."
	for name, tc := range map[string]struct {
		status      int
		code        string
		description string
		query       string
		change      func(*http.Request)
	}{
		"no header":       {400, "invalid_request", "Required metadata header not specified", instanceQuery, remove("Metadata")},
		"another header":  {400, "invalid_request", "Required metadata header not specified", instanceQuery, set("Metadata", "false")},
		"no version":      {400, "invalid_request", "The api-version must be 2018-02-01.", "resource=x", set("A", "b")},
		"no resource":     {400, "invalid_request", "Required query variable 'resource' is missing", "api-version=2018-02-01", set("A", "b")},
		"another client":  {400, "invalid_request", "Identity not found", instanceQuery + "&client_id=" + objectID, set("A", "b")},
		"another object":  {400, "invalid_request", "Identity not found", instanceQuery + "&object_id=" + clientID, set("A", "b")},
		"a resource id":   {400, "invalid_request", "Identity not found", instanceQuery + "&msi_res_id=/x", set("A", "b")},
		"or its new name": {400, "invalid_request", "Identity not found", instanceQuery + "&mi_res_id=/x", set("A", "b")},
		"a browser":       {403, "invalid_request", browsers, instanceQuery, set("Origin", "https://evil.example")},
		"a page's fetch":  {403, "invalid_request", browsers, instanceQuery, set("Sec-Fetch-Site", "cross-site")},
		"a proxy":         {403, "invalid_request", browsers, instanceQuery, set("X-Forwarded-For", "192.0.2.1")},
		"another host":    {403, "invalid_request", "The endpoint answers under a loopback address only.", instanceQuery, host("evil.example")},
		"another method":  {405, "invalid_request", "The endpoint only accepts GET requests.", instanceQuery, func(r *http.Request) { r.Method = http.MethodPost; r.Body = io.NopCloser(http.NoBody) }},
		"an unknown resource": {400, "invalid_resource", "AADSTS500011: The resource principal named https://evil.example was not found in the tenant named " + tenantID +
			". This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
			"api-version=2018-02-01&resource=https://evil.example", set("A", "b")},
	} {
		status, members := e.ask(tc.query, instance, tc.change)
		if status != tc.status || !maps.Equal(members, map[string]any{"error": tc.code, "error_description": tc.description}) {
			t.Errorf("%s: status %d, %v\nwant %d, %s: %s", name, status, members, tc.status, tc.code, tc.description)
		}
	}
}

// Nobody gets a token without a secret unless it was asked for.
func TestInstanceMetadataIsOff(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(*ManagedIdentityConfig) {})
	e.refused("off", 404, "The endpoint is GET "+ManagedIdentityPath+".", instanceQuery, instance)
}
