package access

import "slices"

// LocalBuiltin are the built-in roles of every managed HSM, in the order in which
// the service lists them, with the data actions that it answers with. (The manual
// prints the right to purge deleted keys in the Auditor's column; the service does
// not grant it.)
var LocalBuiltin = []LocalRole{
	localRole("7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8", "Managed HSM Backup User",
		"backup/start/action", "backup/status/action", "keys/backup/action"),
	localRole("6efe6056-5259-49d2-8b3d-d3d73544b20b", "Managed HSM Restore User",
		"restore/start/action", "restore/status/action", "keys/restore/action"),
	localRole("33413926-3206-4cdd-b39a-83574fe37a17", "Managed HSM Crypto Service Encryption User",
		"keys/read/action", "keys/wrap/action", "keys/unwrap/action"),
	localRole("21dbd100-6940-42c2-9190-5d6cb909625c", "Managed HSM Crypto Service Release User",
		"keys/release/action"),
	localRole("2c18b078-7c48-4d3a-af88-5a3a1b3f82b3", "Managed HSM Crypto Auditor",
		"roleAssignments/read/action", "roleDefinitions/read/action", "keys/read/action", "keys/deletedKeys/read/action"),
	localRole("4bd23610-cdcf-4971-bdee-bdc562cc28e4", "Managed HSM Policy Administrator",
		"roleDefinitions/read/action", "roleDefinitions/write/action", "roleDefinitions/delete/action",
		"roleAssignments/read/action", "roleAssignments/write/action", "roleAssignments/delete/action"),
	localRole(LocalRoleCryptoUser, "Managed HSM Crypto User",
		"roleDefinitions/read/action", "roleAssignments/read/action",
		"keys/read/action", "keys/write/action", "keys/delete", "keys/create", "keys/rotate/action", "keys/import/action",
		"keys/release/action", "keys/backup/action", "keys/restore/action",
		"keys/encrypt/action", "keys/decrypt/action", "keys/wrap/action", "keys/unwrap/action", "keys/sign/action",
		"keys/verify/action", "keys/derive/action", "rng/action"),
	localRole(LocalRoleCryptoOfficer, "Managed HSM Crypto Officer",
		"roleAssignments/delete/action", "roleAssignments/read/action", "roleAssignments/write/action",
		"roleDefinitions/read/action", "roleDefinitions/write/action", "roleDefinitions/delete/action",
		"keys/deletedKeys/read/action", "keys/deletedKeys/delete", "keys/deletedKeys/recover/action", "keys/export/action"),
	localRole(LocalRoleAdministrator, "Managed HSM Administrator",
		"roleAssignments/delete/action", "roleAssignments/read/action", "roleAssignments/write/action",
		"roleDefinitions/read/action", "roleDefinitions/write/action", "roleDefinitions/delete/action",
		"securitydomain/download/action", "securitydomain/download/read", "securitydomain/upload/action",
		"securitydomain/upload/read", "securitydomain/transferkey/read",
		"backup/start/action", "restore/start/action", "backup/status/action", "restore/status/action",
		"settings/read/action", "settings/write/action"),
}

func localRole(id, name string, actions ...string) LocalRole {
	for i, a := range actions {
		actions[i] = LocalActionPrefix + a
	}
	return LocalRole{ID: id, Name: name, Permissions: []LocalPermission{{DataActions: actions}}}
}

// IsLocalAction reports whether name is a whole data action of managed HSMs: one
// that a built-in role grants. There are no others.
func IsLocalAction(name string) bool {
	return slices.ContainsFunc(LocalBuiltin, func(r LocalRole) bool {
		return containsAction(r.Permissions[0].DataActions, name)
	})
}
