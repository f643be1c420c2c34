package compat

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// TestByName reaches a vault under its own name and port, without the proxy and
// with every check of the official clients on. Resolving the name is left to the
// tests, the authority's certificate to the clients' usual variables.
func TestByName(t *testing.T) {
	p := start(t, t.TempDir())
	env := []string{"OKV_PORT=" + p.port}
	for name, value := range p.env {
		if !strings.Contains(strings.ToUpper(name), "PROXY") {
			env = append(env, name+"="+value)
		}
	}
	t.Run("go", func(t *testing.T) {
		client, value := p.secrets(t), "go"
		if _, err := client.SetSecret(t.Context(), "by-name-go", azsecrets.SetSecretParameters{Value: &value}, nil); err != nil {
			t.Fatal(err)
		}
		got, err := client.GetSecret(t.Context(), "by-name-go", "", nil)
		if err != nil || *got.Value != value || !strings.HasPrefix(string(*got.ID), "https://dev.vault.localhost:"+p.port+"/secrets/by-name-go/") {
			t.Errorf("%+v: %v", got, err)
		}
	})
	t.Run("python", func(t *testing.T) {
		if out := runWith(t, env, python(t, "today"), "python/by_name.py"); !strings.Contains(out, "DONE") {
			t.Error(out)
		}
	})
	t.Run("node", func(t *testing.T) {
		node(t)
		if out := runWith(t, env, "node", "js/by_name.mjs"); !strings.Contains(out, "DONE") {
			t.Error(out)
		}
	})
}
