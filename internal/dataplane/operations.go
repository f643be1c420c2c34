package dataplane

import (
	"context"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

func (p *plane) encrypt(x *httpx.Exchange) error { return cipher(x, p.Vaults.Encrypt) }

func (p *plane) decrypt(x *httpx.Exchange) error { return cipher(x, p.Vaults.Decrypt) }

func (p *plane) wrapKey(x *httpx.Exchange) error { return cipher(x, p.Vaults.WrapKey) }

func (p *plane) unwrapKey(x *httpx.Exchange) error { return cipher(x, p.Vaults.UnwrapKey) }

func cipher(x *httpx.Exchange, do func(ctx context.Context, c vault.Call, name, version string, in vault.CipherRequest) (*vault.KeyResult, error)) error {
	var body api.KeyOperationParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	in := vault.CipherRequest{Algorithm: keyops.Algorithm(body.Algorithm), Input: keyops.Input{Value: body.Value}}
	if since(x, api.Version72Preview) {
		in.Input.IV, in.Input.AAD, in.Input.Tag = body.IV, body.AAD, body.Tag
	}
	if in.Rejected = checkAlgorithm(x, body.Algorithm); in.Rejected == nil {
		in.Rejected = checkMember("value", body.Value)
	}
	made, err := do(x.Context(), call(x), x.Params["name"], x.Params["version"], in)
	if err != nil {
		return withAddress(x, err)
	}
	return x.Reply(http.StatusOK, keyResult(x, made))
}

func (p *plane) sign(x *httpx.Exchange) error {
	var body api.KeySignParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	in := signRequest(x, "value", body)
	made, err := p.Vaults.Sign(x.Context(), call(x), x.Params["name"], x.Params["version"], in)
	if err != nil {
		return withAddress(x, err)
	}
	return x.Reply(http.StatusOK, keyResult(x, made))
}

func (p *plane) verify(x *httpx.Exchange) error {
	var body api.KeyVerifyParameters
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	in := vault.VerifyRequest{
		SignRequest: signRequest(x, "digest", api.KeySignParameters{
			Algorithm: body.Algorithm, Value: body.Digest, ExternalMu: body.ExternalMu, Context: body.Context,
		}),
		Signature: body.Value,
	}
	if in.Rejected == nil {
		in.Rejected = checkMember("value", body.Value)
	}
	valid, err := p.Vaults.Verify(x.Context(), call(x), x.Params["name"], x.Params["version"], in)
	if err != nil {
		return withAddress(x, err)
	}
	return x.Reply(http.StatusOK, &verifyAnswer{Value: valid})
}

// signRequest returns what signing and verifying have in common. member is the
// name of what is signed.
func signRequest(x *httpx.Exchange, member string, body api.KeySignParameters) vault.SignRequest {
	in := vault.SignRequest{Algorithm: keyops.Algorithm(body.Algorithm), Message: keyops.Message{Value: body.Value}}
	if since(x, api.Version20260501Preview) {
		in.Message.Context, in.Message.ExternalMu = body.Context, body.ExternalMu
	}
	if in.Rejected = checkAlgorithm(x, body.Algorithm); in.Rejected == nil && in.Message.ExternalMu == nil {
		in.Rejected = checkMember(member, body.Value)
	}
	return in
}

// checkMember wants a member to be there. It may be empty: where it may not, the
// domain knows why.
func checkMember(name string, value api.Base64URL) error {
	if value == nil {
		return badParameter("%s", requiredText(name))
	}
	return nil
}

// algorithmSince are the versions that brought algorithms. Those that are not
// here have always been.
var algorithmSince = func() map[api.Algorithm]string {
	m := map[api.Algorithm]string{api.AlgorithmES256K: "7.0-preview"}
	for version, algorithms := range map[string][]api.Algorithm{
		api.Version72Preview: {
			api.AlgorithmA128GCM, api.AlgorithmA192GCM, api.AlgorithmA256GCM, api.AlgorithmA128CBC, api.AlgorithmA192CBC, api.AlgorithmA256CBC,
			api.AlgorithmA128CBCPAD, api.AlgorithmA192CBCPAD, api.AlgorithmA256CBCPAD, api.AlgorithmA128KW, api.AlgorithmA192KW, api.AlgorithmA256KW,
		},
		api.Version76Preview2: {
			api.AlgorithmAESKeyWrap, api.AlgorithmAESKeyWrapPad, api.AlgorithmHS256, api.AlgorithmHS384, api.AlgorithmHS512,
		},
		api.Version20260501Preview: {api.AlgorithmMLDSA44, api.AlgorithmMLDSA65, api.AlgorithmMLDSA87},
	} {
		for _, a := range algorithms {
			m[a] = version
		}
	}
	return m
}()

// checkAlgorithm wants an algorithm of the version. Only a version that knows AKP
// keys lets it be left out, since those keys know their own. What is no algorithm
// at all the domain refuses, which knows what the key can do.
func checkAlgorithm(x *httpx.Exchange, a api.Algorithm) error {
	if first, later := algorithmSince[a]; later && !since(x, first) {
		return badParameter("The algorithm %s is not known in the version %s. It is from the version %s on.", a, x.APIVersion, first)
	}
	if a == api.AlgorithmECDSA256 && x.APIVersion != api.Version20161001 {
		return badParameter("The algorithm %s is only known in the version %s. Since then its name is %s.", a, api.Version20161001, api.AlgorithmES256K)
	}
	if a == "" && !since(x, api.Version20260501Preview) {
		return badParameter("%s", requiredText("alg")+"It names an algorithm that the key's type has, such as RS256 or RSA-OAEP-256 for RSA and ES256 for EC.")
	}
	return nil
}

func keyResult(x *httpx.Exchange, r *vault.KeyResult) *keyAnswer {
	return &keyAnswer{
		KID: objectID(x, keys, r.Name, r.Version), Value: r.Value, IV: r.IV, Tag: r.Tag, AAD: r.AAD,
	}
}
