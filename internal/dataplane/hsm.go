package dataplane

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/hsm"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// HSM is what a managed HSM has besides keys, as *hsm.Service provides it. Every
// operation authorises and audits itself.
type HSM interface {
	ListRoleDefinitions(ctx context.Context, c hsm.Call, scope string) ([]access.LocalRole, error)
	GetRoleDefinition(ctx context.Context, c hsm.Call, scope, id string) (*access.LocalRole, error)
	PutRoleDefinition(ctx context.Context, c hsm.Call, scope, id string, in hsm.RoleDefinition) (*access.LocalRole, error)
	DeleteRoleDefinition(ctx context.Context, c hsm.Call, scope, id string) (*access.LocalRole, error)
	ListRoleAssignments(ctx context.Context, c hsm.Call, scope string, filter hsm.AssignmentFilter) ([]access.LocalAssignment, error)
	GetRoleAssignment(ctx context.Context, c hsm.Call, scope, id string) (access.LocalAssignment, error)
	PutRoleAssignment(ctx context.Context, c hsm.Call, scope, id, roleID, principalID string) (access.LocalAssignment, error)
	DeleteRoleAssignment(ctx context.Context, c hsm.Call, scope, id string) (access.LocalAssignment, error)
	ListSettings(ctx context.Context, c hsm.Call) ([]hsm.Setting, error)
	GetSetting(ctx context.Context, c hsm.Call, name string) (hsm.Setting, error)
	UpdateSetting(ctx context.Context, c hsm.Call, name, value string) (hsm.Setting, error)
	RandomBytes(ctx context.Context, c hsm.Call, n int) ([]byte, error)
}

const maxRoleBody = 256 << 10

const (
	definitionsPath = "/{scope}" + providersPath + "roleDefinitions"
	assignmentsPath = "/{scope}" + providersPath + "roleAssignments"
	providersPath   = "/providers/Microsoft.Authorization/"
)

// hsmRoutes are the operations of a managed HSM: those of a vault on keys, its own,
// and those that it only knows by name.
func (p *plane) hsmRoutes(ofVault []httpx.Route) []httpx.Route {
	const get, put, post, patch, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete
	routes := slices.DeleteFunc(ofVault, func(r httpx.Route) bool {
		return !strings.HasPrefix(r.Pattern, "/keys") && !strings.HasPrefix(r.Pattern, "/deletedkeys")
	})
	routes = append(routes,
		httpx.Route{Method: post, Pattern: "/rng", Name: "GetRandomBytes", MaxBody: maxKeyBody, Handle: p.randomBytes},

		httpx.Route{Method: get, Pattern: definitionsPath, Name: "RoleDefinitionList", Handle: p.listRoleDefinitions},
		httpx.Route{Method: get, Pattern: definitionsPath + "/{role}", Name: "RoleDefinitionGet", Handle: p.getRoleDefinition},
		httpx.Route{Method: put, Pattern: definitionsPath + "/{role}", Name: "RoleDefinitionPut", MaxBody: maxRoleBody, Handle: p.putRoleDefinition},
		httpx.Route{Method: del, Pattern: definitionsPath + "/{role}", Name: "RoleDefinitionDelete", Handle: p.deleteRoleDefinition},
		httpx.Route{Method: get, Pattern: assignmentsPath, Name: "RoleAssignmentList", Handle: p.listRoleAssignments},
		httpx.Route{Method: get, Pattern: assignmentsPath + "/{role}", Name: "RoleAssignmentGet", Handle: p.getRoleAssignment},
		httpx.Route{Method: put, Pattern: assignmentsPath + "/{role}", Name: "RoleAssignmentPut", MaxBody: maxRoleBody, Handle: p.putRoleAssignment},
		httpx.Route{Method: del, Pattern: assignmentsPath + "/{role}", Name: "RoleAssignmentDelete", Handle: p.deleteRoleAssignment},

		httpx.Route{Method: get, Pattern: "/settings", Name: "SettingList", Handle: p.listSettings},
		httpx.Route{Method: get, Pattern: "/settings/{setting}", Name: "SettingGet", Handle: p.getSetting},
		httpx.Route{Method: patch, Pattern: "/settings/{setting}", Name: "SettingUpdate", MaxBody: maxKeyBody, Handle: p.updateSetting},
	)
	for _, op := range unbuiltOfHSM {
		routes = append(routes, httpx.Route{Method: op.method, Pattern: op.pattern, Name: op.name, Handle: refuseUnbuilt})
	}
	return routes
}

// unbuiltOfHSM are the operations of managed HSMs that exist here by name only.
var unbuiltOfHSM = []struct{ method, pattern, name string }{
	{"GET", "/securitydomain/download/pending", "SecurityDomainDownloadPending"},
	{"POST", "/securitydomain/download", "SecurityDomainDownload"},
	{"GET", "/securitydomain/upload", "SecurityDomainTransferKey"},
	{"POST", "/securitydomain/upload", "SecurityDomainUpload"},
	{"GET", "/securitydomain/upload/pending", "SecurityDomainUploadPending"},
	{"POST", "/backup", "FullBackupStart"},
	{"GET", "/backup/{job}/pending", "FullBackupStatus"},
	{"POST", "/prebackup", "FullBackupCheck"},
	{"PUT", "/restore", "FullRestoreStart"},
	{"GET", "/restore/{job}/pending", "FullRestoreStatus"},
	{"PUT", "/prerestore", "FullRestoreCheck"},
	{"PUT", "/keys/{name}/restore", "SelectiveKeyRestore"},
	{"GET", "/ekm", "EKMConnectionGet"},
	{"PUT", "/ekm", "EKMConnectionPut"},
	{"PATCH", "/ekm", "EKMConnectionUpdate"},
	{"DELETE", "/ekm", "EKMConnectionDelete"},
	{"GET", "/ekm/certificate", "EKMCertificateGet"},
	{"POST", "/ekm/check", "EKMConnectionCheck"},
}

// foldScope gives the paths of role definitions and assignments their scope as one
// segment: clients write it as it is, slashes and all ("///providers/..." is the
// scope "/"), or escaped. Every other path is returned as it is.
func foldScope(escapedPath string) string {
	i := indexFold(escapedPath, providersPath)
	if i < 0 {
		return escapedPath
	}
	scope, err := url.PathUnescape(escapedPath[:i])
	if err != nil {
		return escapedPath
	}
	// One slash is the path's. The scope's own may be missing.
	if scope = strings.TrimPrefix(scope, "/"); !strings.HasPrefix(scope, "/") {
		scope = "/" + scope
	}
	return "/" + url.PathEscape(scope) + escapedPath[i:]
}

// indexFold is strings.Index without case. Lower-casing the whole could move what
// is found: there are letters whose cases differ in length.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

func hsmCall(x *httpx.Exchange) hsm.Call {
	c := call(x)
	return hsm.Call{Caller: c.Caller, Origin: c.Origin, HSM: c.Vault}
}

func (p *plane) randomBytes(x *httpx.Exchange) error {
	var body api.RandomBytesParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	random, err := p.HSM.RandomBytes(x.Context(), hsmCall(x), int(body.Count))
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, api.RandomBytes{Value: random})
}

func (p *plane) listSettings(x *httpx.Exchange) error {
	found, err := p.HSM.ListSettings(x.Context(), hsmCall(x))
	if err != nil {
		return err
	}
	answer := api.Settings{Settings: make([]api.Setting, len(found))}
	for i, s := range found {
		answer.Settings[i] = renderSetting(s)
	}
	return x.Reply(http.StatusOK, answer)
}

func (p *plane) getSetting(x *httpx.Exchange) error {
	found, err := p.HSM.GetSetting(x.Context(), hsmCall(x), x.Params["setting"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderSetting(found))
}

func (p *plane) updateSetting(x *httpx.Exchange) error {
	var body api.SettingParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	changed, err := p.HSM.UpdateSetting(x.Context(), hsmCall(x), x.Params["setting"], body.Value)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderSetting(changed))
}

func renderSetting(s hsm.Setting) api.Setting {
	return api.Setting{Name: s.Name, Type: "boolean", Value: s.Value}
}
