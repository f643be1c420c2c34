package keyvault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// The vault that the examples use. Programs need none of this: they say
// "https://contoso.vault.azure.net" and leave the options nil.
var toy = httptest.NewTLSServer(new(toyVault))

var (
	vaultURL = "https://contoso.example.com"
	options  = &keyvault.ClientOptions{ClientOptions: policy.ClientOptions{Transport: toy.Client()}}
	// With azidentity: cred, err := azidentity.NewDefaultAzureCredential(nil)
	cred azcore.TokenCredential = exampleCredential{}
)

// Secrets are stored under names; each value that a name is given becomes a
// version.
func Example_secret() {
	ctx := context.Background()
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	value := "correct horse battery staple"
	if _, err := client.SetSecret(ctx, "database-password", api.SecretSetParameters{Value: &value}); err != nil {
		log.Fatal(err)
	}
	secret, err := client.GetSecret(ctx, "database-password", "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*secret.Value)
	fmt.Println(secret) // does not show the value
	// Output:
	// correct horse battery staple
	// {"value":"[redacted]","id":"https://contoso.example.com/secrets/database-password/1"}
}

// Keys are made in the vault, which shows their public part.
func Example_key() {
	ctx := context.Background()
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	key, err := client.CreateKey(ctx, "signing", api.KeyCreateParameters{Kty: api.KeyTypeRSA})
	if err != nil {
		log.Fatal(err)
	}
	jwk, err := json.Marshal(key.Key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", jwk)
	// Output:
	// {"kid":"https://contoso.example.com/keys/signing/1","kty":"RSA","n":"AQAB","e":"AQAB"}
}

// A list is asked for page by page while the loop goes on.
func ExampleClient_ListSecrets() {
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	for item, err := range client.ListSecrets(context.Background(), nil) {
		if err != nil {
			log.Fatal(err)
		}
		id, err := keyvault.ParseID(item.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id.Name)
	}
	// Output:
	// api-token
	// database-password
}

func ExampleIsNotFound() {
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.GetSecret(context.Background(), "no-such-secret", "")
	if keyvault.IsNotFound(err) {
		fmt.Println(err)
	}
	// Output:
	// keyvault: GetSecret: 404 Not Found (SecretNotFound): There is no such secret.
}

// A function obtains the token, as programs for the client libraries of 2018
// have it.
func ExampleCallbackCredential() {
	authenticate := func(ctx context.Context, authority, resource, scope string) (tokenType, token string, err error) {
		fmt.Println("a token of", authority, "for", resource)
		return "Bearer", "token", nil
	}
	client, err := keyvault.NewClient(vaultURL, keyvault.CallbackCredential(authenticate), options)
	if err != nil {
		log.Fatal(err)
	}
	bundle, err := client.GetKey(context.Background(), "signing", "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bundle.Key.Kty)
	// Output:
	// a token of https://login.example.net/7f4f0d3c for https://example.com
	// RSA
}

type exampleCredential struct{}

func (exampleCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// toyVault answers what the examples ask.
type toyVault struct{}

func (toyVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host
	if r.Header.Get("Authorization") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example.net/7f4f0d3c", resource="https://example.com"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch path := strings.Trim(r.URL.Path, "/"); {
	case path == "secrets":
		fmt.Fprintf(w, `{"value":[{"id":"%[1]s/secrets/api-token"},{"id":"%[1]s/secrets/database-password"}],"nextLink":null}`, base)
	case path == "secrets/database-password":
		fmt.Fprintf(w, `{"value":"correct horse battery staple","id":"%s/%s/1"}`, base, path)
	case strings.HasPrefix(path, "keys/ca"):
		serveToyKey(w, r, base+"/keys/ca/1")
	case strings.HasPrefix(path, "keys/signing"):
		fmt.Fprintf(w, `{"key":{"kid":"%s/keys/signing/1","kty":"RSA","n":"AQAB","e":"AQAB"}}`, base)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"SecretNotFound","message":"There is no such secret."}}`)
	}
}
