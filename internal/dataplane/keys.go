package dataplane

import (
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

const (
	keys        = "keys"
	deletedKeys = "deletedkeys"

	hsmSuffix = "-HSM"

	versionLength = 32 // hex digits
)

// platformSoftware is the attributes.hsmPlatform of every key of this build: the
// -HSM types are accepted, and nobody is told that there is hardware behind
// them.
const platformSoftware = "0"

func (p *plane) createKey(x *httpx.Exchange) error {
	var body api.KeyCreateParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	attributes, err := readKeyAttributes(x, body.Attributes)
	if err != nil {
		return err
	}
	kty, hsm := strings.CutSuffix(string(body.Kty), hsmSuffix)
	in := vault.CreateKey{
		Spec: keyops.Spec{Type: keyops.Type(kty), Bits: number(body.KeySize), Curve: readCurve(x, body.Crv)},
		HSM:  hsm || x.Site.HSM != "", Ops: readOps(body.KeyOps), Tags: body.Tags, Attributes: attributes,
		ReleasePolicy: readReleasePolicy(x, body.ReleasePolicy), Rejected: checkType(x, kty),
	}
	if since(x, api.Version72Preview) {
		in.Spec.PublicExponent = number(body.PublicExponent)
	}
	if since(x, api.Version20260501Preview) {
		in.Spec.Algorithm = keyops.Algorithm(body.Alg)
	}
	k, err := p.Vaults.CreateKey(x.Context(), call(x), x.Params["name"], in)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func (p *plane) importKey(x *httpx.Exchange) error {
	var body api.KeyImportParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	attributes, err := readKeyAttributes(x, body.Attributes)
	if err != nil {
		return err
	}
	if body.Key == nil {
		body.Key = &api.JSONWebKey{} // which the domain refuses, once it knows that the caller may import
	}
	kty, hsm := strings.CutSuffix(string(body.Key.Kty), hsmSuffix)
	in := vault.ImportKey{
		Key: privateKey(x, kty, body.Key), HSM: hsm || x.Site.HSM != "" || body.HSM != nil && *body.HSM,
		Ops: readOps(body.Key.KeyOps), Tags: body.Tags, Attributes: attributes,
		ReleasePolicy: readReleasePolicy(x, body.ReleasePolicy), Rejected: checkType(x, kty),
	}
	if body.Key.KeyHSM != nil && in.Rejected == nil {
		in.Transfer, in.Rejected = readTransfer(x, body.Key.KeyHSM)
	}
	k, err := p.Vaults.ImportKey(x.Context(), call(x), x.Params["name"], in)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func privateKey(x *httpx.Exchange, kty string, k *api.JSONWebKey) keyops.PrivateJWK {
	private := keyops.PrivateJWK{
		Type: keyops.Type(kty), Curve: readCurve(x, k.Crv),
		N: k.N, E: k.E, D: k.D, P: k.P, Q: k.Q, DP: k.DP, DQ: k.DQ, QI: k.QI, X: k.X, Y: k.Y, K: k.K,
	}
	if since(x, api.Version20260501Preview) {
		private.Algorithm, private.Pub, private.Priv = keyops.Algorithm(k.Alg), k.Pub, k.Priv
	}
	return private
}

// checkType wants a type of the version. What is no type at all the domain
// refuses.
func checkType(x *httpx.Exchange, kty string) error {
	if kty == string(keyops.TypeAKP) && !since(x, api.Version20260501Preview) {
		return badParameter("The key type %s is not known in the version %s. It is from the version %s on.", kty, x.APIVersion, api.Version20260501Preview)
	}
	return nil
}

// readTransfer reads a wrapped key, which must be wrapped for a key of the vault
// that it is sent to.
func readTransfer(x *httpx.Exchange, blob []byte) (*vault.Transfer, error) {
	t, err := keyops.ParseTransfer(blob)
	if err != nil {
		return nil, err
	}
	within := x.Site.ContainerURL() + "/" + keys + "/"
	if len(t.KID) > len(within) && strings.EqualFold(t.KID[:len(within)], within) {
		name, version, _ := strings.Cut(t.KID[len(within):], "/")
		if name != "" && len(name) <= vault.MaxNameLength && len(version) <= versionLength {
			return &vault.Transfer{Blob: t, Name: name, Version: version}, nil
		}
	}
	return nil, badParameter("The member header.kid of the key transfer blob is not the id of a key of this vault, %s{name}/{version}.", within)
}

func (p *plane) getKey(x *httpx.Exchange) error {
	k, err := p.Vaults.GetKey(x.Context(), call(x), x.Params["name"], x.Params["version"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func (p *plane) updateKey(x *httpx.Exchange) error {
	var body api.KeyUpdateParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	attributes, err := readKeyAttributes(x, body.Attributes)
	if err != nil {
		return err
	}
	k, err := p.Vaults.UpdateKey(x.Context(), call(x), x.Params["name"], x.Params["version"], vault.UpdateKey{
		Ops: readOps(body.KeyOps), Tags: body.Tags, Attributes: attributes, ReleasePolicy: readReleasePolicy(x, body.ReleasePolicy),
	})
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func (p *plane) deleteKey(x *httpx.Exchange) error {
	k, err := p.Vaults.DeleteKey(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, deletedKeyBundle(x, k))
}

func (p *plane) listKeys(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Vaults.ListKeys(x.Context(), call(x), asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/keys", found, func(x *httpx.Exchange, k *vault.Key) api.KeyItem {
		return keyItem(x, k, "")
	})
}

func (p *plane) listKeyVersions(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	name := x.Params["name"]
	found, err := p.Vaults.ListKeyVersions(x.Context(), call(x), name, asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/keys/"+name+"/versions", found, func(x *httpx.Exchange, k *vault.Key) api.KeyItem {
		return keyItem(x, k, k.Version)
	})
}

func (p *plane) listDeletedKeys(x *httpx.Exchange) error {
	asked, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Vaults.ListDeletedKeys(x.Context(), call(x), asked)
	if err != nil {
		return err
	}
	return replyPage(x, "/deletedkeys", found, func(x *httpx.Exchange, k *vault.Key) api.DeletedKeyItem {
		return api.DeletedKeyItem{Deletion: deletion(x, deletedKeys, &k.Object), KeyItem: keyItem(x, k, "")}
	})
}

func (p *plane) getDeletedKey(x *httpx.Exchange) error {
	k, err := p.Vaults.GetDeletedKey(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, deletedKeyBundle(x, k))
}

func (p *plane) recoverKey(x *httpx.Exchange) error {
	k, err := p.Vaults.RecoverKey(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func (p *plane) purgeKey(x *httpx.Exchange) error {
	if err := p.Vaults.PurgeKey(x.Context(), call(x), x.Params["name"]); err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}

// readKeyAttributes is readAttributes with what keys have besides.
func readKeyAttributes(x *httpx.Exchange, a *api.Attributes) (vault.Attributes, error) {
	attributes := readAttributes(a)
	if a == nil || a.Exportable == nil {
		return attributes, nil
	}
	if since(x, api.Version73Preview) {
		attributes.Exportable = a.Exportable
	} else if *a.Exportable {
		return attributes, badParameter("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")
	}
	return attributes, nil
}

func number(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

// readCurve takes the name that P-256K had at the oldest version.
func readCurve(x *httpx.Exchange, c api.Curve) keyops.Curve {
	if c == api.CurveSECP256K1 && x.APIVersion == api.Version20161001 {
		return keyops.CurveP256K
	}
	return keyops.Curve(c)
}

func writeCurve(x *httpx.Exchange, c keyops.Curve) api.Curve {
	if c == keyops.CurveP256K && x.APIVersion == api.Version20161001 {
		return api.CurveSECP256K1
	}
	return api.Curve(c)
}

// readOps keeps nil apart from empty: nil asks for the defaults.
func readOps(ops []api.KeyOperation) []string {
	if ops == nil {
		return nil
	}
	words := make([]string, len(ops))
	for i, op := range ops {
		words[i] = string(op)
	}
	return words
}

func writeOps(words []string) []api.KeyOperation {
	ops := make([]api.KeyOperation, len(words))
	for i, w := range words {
		ops[i] = api.KeyOperation(w)
	}
	return ops
}

// keyAttributes is attributes with what keys have besides.
func keyAttributes(x *httpx.Exchange, k *vault.Key) *api.Attributes {
	a := attributes(x, &k.Object)
	if since(x, api.Version73Preview) {
		exportable := k.ReleasePolicy != nil
		a.Exportable = &exportable
	}
	if since(x, api.Version75Preview1) {
		a.HSMPlatform = platformSoftware
	}
	return a
}

func keyBundle(x *httpx.Exchange, k *vault.Key) api.KeyBundle {
	kty := string(k.Public.Type)
	if k.HSM {
		kty += hsmSuffix
	}
	key := &api.JSONWebKey{
		KID: objectID(x, keys, k.Name, k.Version), Kty: api.KeyType(kty), KeyOps: writeOps(k.Ops),
		N: k.Public.N, E: k.Public.E,
		Crv: writeCurve(x, k.Public.Curve), X: k.Public.X, Y: k.Public.Y,
	}
	if since(x, api.Version20260501Preview) {
		key.Alg, key.Pub = api.Algorithm(k.Public.Algorithm), k.Public.Pub
	}
	return api.KeyBundle{
		Key:           key,
		Attributes:    keyAttributes(x, k),
		Tags:          tags(&k.Object),
		Managed:       k.Managed,
		ReleasePolicy: releasePolicy(x, k),
	}
}

func deletedKeyBundle(x *httpx.Exchange, k *vault.Key) api.DeletedKeyBundle {
	return api.DeletedKeyBundle{Deletion: deletion(x, deletedKeys, &k.Object), KeyBundle: keyBundle(x, k)}
}

// keyItem renders a key as a list shows it, under its version's id unless
// version is empty.
func keyItem(x *httpx.Exchange, k *vault.Key, version string) api.KeyItem {
	return api.KeyItem{
		KID:        objectID(x, keys, k.Name, version),
		Attributes: keyAttributes(x, k),
		Tags:       tags(&k.Object),
		Managed:    k.Managed,
	}
}
