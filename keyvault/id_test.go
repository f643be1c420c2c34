package keyvault

import "testing"

func TestParseID(t *testing.T) {
	tests := map[string]ID{
		"https://contoso.vault.azure.net/secrets/s/0123456789abcdef0123456789abcdef": {"https://contoso.vault.azure.net", "secrets", "s", "0123456789abcdef0123456789abcdef"},
		"https://contoso.vault.azure.net/keys/My-Key":                                {"https://contoso.vault.azure.net", "keys", "My-Key", ""},
		"https://contoso.vault.azure.net/keys/My-Key/":                               {"https://contoso.vault.azure.net", "keys", "My-Key", ""},
		"https://contoso.vault.localhost:8443/deletedsecrets/s":                      {"https://contoso.vault.localhost:8443", "deletedsecrets", "s", ""},
	}
	for text, want := range tests {
		if got, err := ParseID(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "s", "https://", "https://contoso.vault.azure.net", "https://contoso.vault.azure.net/", "https://contoso.vault.azure.net/secrets",
		"https://contoso.vault.azure.net/secrets//", "https://contoso.vault.azure.net//secrets", "https://contoso.vault.azure.net/secrets/s/versions",
		"https://contoso.vault.azure.net/secrets/s/1/2", "https://contoso.vault.azure.net/secrets/..", "https://contoso.vault.azure.net/secrets/a%2Fb",
		"https://contoso.vault.azure.net/secrets/s?x", "https://contoso.vault.azure.net/secrets/s#x", "https://u@contoso.vault.azure.net/secrets/s",
		"http://contoso.vault.azure.net/secrets/s", "://", "https://contoso.vault.azure.net/secrets/s/\x00",
	} {
		if got, err := ParseID(text); err == nil {
			t.Errorf("%q was accepted as %+v", text, got)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"https://contoso.vault.azure.net/secrets/s/01ab", "https://h/k/n/", "https://h:1/k/n", "https://[::1]/k/n", "https://h/%2e%2e/n", "https://%41/k/n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		if checkName(id.Name) != nil || checkVersion(id.Version) != nil {
			t.Fatalf("%q gave %+v, which the client would refuse", text, id)
		}
		if again, err := ParseID(id.String()); err != nil || again != id {
			t.Fatalf("%q gave %+v, and that %+v, %v", text, id, again, err)
		}
	})
}
