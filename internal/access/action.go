package access

// Action is one operation of the data plane that needs permission. The zero
// value is no action and is always denied.
type Action struct {
	// Category and Permission name the word an access policy must hold:
	// "secrets" and "get".
	Category, Permission string
	// DataAction is the role's data action, without the common prefix
	// "Microsoft.KeyVault/vaults/": "secrets/getSecret/action".
	DataAction string
}

// The data-plane actions of secrets and keys.
var (
	SecretSet     = Action{"secrets", "set", "secrets/setSecret/action"}
	SecretGet     = Action{"secrets", "get", "secrets/getSecret/action"}
	SecretUpdate  = Action{"secrets", "set", "secrets/update/action"}
	SecretDelete  = Action{"secrets", "delete", "secrets/delete"}
	SecretList    = Action{"secrets", "list", "secrets/readMetadata/action"}
	SecretBackup  = Action{"secrets", "backup", "secrets/backup/action"}
	SecretRestore = Action{"secrets", "restore", "secrets/restore/action"}
	SecretPurge   = Action{"secrets", "purge", "secrets/purge/action"}
	SecretRecover = Action{"secrets", "recover", "secrets/recover/action"}
	// DeletedSecretGet shows no value, so the role's metadata action is enough.
	DeletedSecretGet = Action{"secrets", "get", "secrets/readMetadata/action"}

	KeyCreate  = Action{"keys", "create", "keys/create/action"}
	KeyImport  = Action{"keys", "import", "keys/import/action"}
	KeyGet     = Action{"keys", "get", "keys/read"}
	KeyUpdate  = Action{"keys", "update", "keys/update/action"}
	KeyDelete  = Action{"keys", "delete", "keys/delete"}
	KeyList    = Action{"keys", "list", "keys/read"}
	KeyBackup  = Action{"keys", "backup", "keys/backup/action"}
	KeyRestore = Action{"keys", "restore", "keys/restore/action"}
	KeyPurge   = Action{"keys", "purge", "keys/purge/action"}
	KeyRecover = Action{"keys", "recover", "keys/recover/action"}

	KeyEncrypt = Action{"keys", "encrypt", "keys/encrypt/action"}
	KeyDecrypt = Action{"keys", "decrypt", "keys/decrypt/action"}
	KeyWrap    = Action{"keys", "wrapKey", "keys/wrap/action"}
	KeyUnwrap  = Action{"keys", "unwrapKey", "keys/unwrap/action"}
	KeySign    = Action{"keys", "sign", "keys/sign/action"}
	KeyVerify  = Action{"keys", "verify", "keys/verify/action"}
	KeyRelease = Action{"keys", "release", "keys/release/action"}

	KeyRotate            = Action{"keys", "rotate", "keys/rotate/action"}
	KeyGetRotationPolicy = Action{"keys", "getrotationpolicy", "keyrotationpolicies/read"}
	KeySetRotationPolicy = Action{"keys", "setrotationpolicy", "keyrotationpolicies/write"}
)
