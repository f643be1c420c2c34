package dataplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// Limits of bodies. They leave room for the largest that the domain accepts
// with every character escaped, so that its own limits are what a caller meets.
const (
	maxSecretBody = 512 << 10
	maxKeyBody    = 256 << 10
	maxPolicyBody = 16 << 10
	// The largest backup, in base64, and the member around it.
	maxRestoreBody = vault.MaxBackup/3*4 + 4<<10
)

// routes are the operations of a vault: first those that it has, then those of
// Azure that it only knows by name.
func (p *plane) routes() []httpx.Route {
	const get, put, post, patch, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete
	routes := []httpx.Route{
		{Method: put, Pattern: "/secrets/{name}", Name: "SecretSet", MaxBody: maxSecretBody, Handle: p.setSecret},
		{Method: get, Pattern: "/secrets/{name}/{version?}", Name: "SecretGet", Handle: p.getSecret},
		{Method: patch, Pattern: "/secrets/{name}/{version?}", Name: "SecretUpdate", MaxBody: maxSecretBody, Handle: p.updateSecret},
		{Method: del, Pattern: "/secrets/{name}", Name: "SecretDelete", Handle: p.deleteSecret},
		{Method: get, Pattern: "/secrets", Name: "SecretList", Handle: p.listSecrets},
		{Method: get, Pattern: "/secrets/{name}/versions", Name: "SecretListVersions", Handle: p.listSecretVersions},
		{Method: get, Pattern: "/deletedsecrets", Name: "SecretListDeleted", Handle: p.listDeletedSecrets},
		{Method: get, Pattern: "/deletedsecrets/{name}", Name: "SecretGetDeleted", Handle: p.getDeletedSecret},
		{Method: del, Pattern: "/deletedsecrets/{name}", Name: "SecretPurge", Handle: p.purgeSecret},
		{Method: post, Pattern: "/deletedsecrets/{name}/recover", Name: "SecretRecover", Handle: p.recoverSecret},
		{Method: post, Pattern: "/secrets/{name}/backup", Name: "SecretBackup", Handle: p.backupSecret},
		{Method: post, Pattern: "/secrets/restore", Name: "SecretRestore", MaxBody: maxRestoreBody, Handle: p.restoreSecret},

		{Method: post, Pattern: "/keys/{name}/create", Name: "KeyCreate", MaxBody: maxKeyBody, Handle: p.createKey},
		{Method: put, Pattern: "/keys/{name}", Name: "KeyImport", MaxBody: maxKeyBody, Handle: p.importKey},
		{Method: get, Pattern: "/keys/{name}/{version?}", Name: "KeyGet", Handle: p.getKey},
		{Method: patch, Pattern: "/keys/{name}/{version?}", Name: "KeyUpdate", MaxBody: maxKeyBody, Handle: p.updateKey},
		{Method: del, Pattern: "/keys/{name}", Name: "KeyDelete", Handle: p.deleteKey},
		{Method: get, Pattern: "/keys", Name: "KeyList", Handle: p.listKeys},
		{Method: get, Pattern: "/keys/{name}/versions", Name: "KeyListVersions", Handle: p.listKeyVersions},
		{Method: get, Pattern: "/deletedkeys", Name: "KeyListDeleted", Handle: p.listDeletedKeys},
		{Method: get, Pattern: "/deletedkeys/{name}", Name: "KeyGetDeleted", Handle: p.getDeletedKey},
		{Method: del, Pattern: "/deletedkeys/{name}", Name: "KeyPurge", Handle: p.purgeKey},
		{Method: post, Pattern: "/deletedkeys/{name}/recover", Name: "KeyRecover", Handle: p.recoverKey},
		{Method: post, Pattern: "/keys/{name}/backup", Name: "KeyBackup", Handle: p.backupKey},
		{Method: post, Pattern: "/keys/restore", Name: "KeyRestore", MaxBody: maxRestoreBody, Handle: p.restoreKey},

		{Method: post, Pattern: "/keys/{name}/{version?}/encrypt", Name: "KeyEncrypt", MaxBody: maxKeyBody, Handle: p.encrypt},
		{Method: post, Pattern: "/keys/{name}/{version?}/decrypt", Name: "KeyDecrypt", MaxBody: maxKeyBody, Handle: p.decrypt},
		{Method: post, Pattern: "/keys/{name}/{version?}/wrapkey", Name: "KeyWrap", MaxBody: maxKeyBody, Handle: p.wrapKey},
		{Method: post, Pattern: "/keys/{name}/{version?}/unwrapkey", Name: "KeyUnwrap", MaxBody: maxKeyBody, Handle: p.unwrapKey},
		{Method: post, Pattern: "/keys/{name}/{version?}/sign", Name: "KeySign", MaxBody: maxKeyBody, Handle: p.sign},
		{Method: post, Pattern: "/keys/{name}/{version?}/verify", Name: "KeyVerify", MaxBody: maxKeyBody, Handle: p.verify},
		{Method: post, Pattern: "/keys/{name}/{version?}/release", Name: "KeyRelease", MaxBody: maxKeyBody, Handle: from(api.Version73Preview, p.releaseKey)},

		{Method: post, Pattern: "/keys/{name}/rotate", Name: "KeyRotate", Handle: from(api.Version73Preview, p.rotateKey)},
		{Method: get, Pattern: "/keys/{name}/rotationpolicy", Name: "KeyRotationPolicyGet", Handle: from(api.Version73Preview, p.getRotationPolicy)},
		{Method: put, Pattern: "/keys/{name}/rotationpolicy", Name: "KeyRotationPolicySet", MaxBody: maxPolicyBody, Handle: from(api.Version73Preview, p.setRotationPolicy)},
	}
	for _, op := range unbuilt {
		routes = append(routes, httpx.Route{Method: op.method, Pattern: op.pattern, Name: op.name, Handle: refuseUnbuilt})
	}
	return routes
}
