package catalog_test

import (
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// TestHSMNamesAreTheirOwn: a vault and a managed HSM may have one name, and each
// catalog finds its own.
func TestHSMNamesAreTheirOwn(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			hsms := w.cat.HSMs()
			w.save(w.vault(id1, "Name"))
			for name, code := range map[string]string{"name": "ManagedHSMNotFound", "none": "ManagedHSMNotFound"} {
				err := hsms.View(t.Context(), name, nil, func(store.View, catalog.Scope, []store.Record) error { return nil })
				if f, ok := fault.As(err); !ok || f.Kind != fault.NotFound || f.Code != code {
					t.Errorf("%s: %v, want %s", name, err, code)
				}
			}
			h := w.vault(id2, "NAME")
			h.HSM = &catalog.HSM{SKUFamily: "B", SKUName: "Standard_B1"}
			w.update(func(tx store.Tx) {
				w.put(tx)(hsms.EncodeVault(h))
				w.put(tx)(hsms.EncodeName(h.Name, h.ID))
			})
			w.content(id2, "a")
			for range 2 {
				if sc, values, _ := find(w, hsms, "nAmE", "a"); sc.Vault.ID != id2 || sc.Vault.HSM == nil || values[0] != id2+"/a" {
					t.Errorf("the catalog of HSMs finds %+v", sc.Vault)
				}
				if sc, _, _ := find(w, w.cat, "nAmE"); sc.Vault.ID != id1 || sc.Vault.HSM != nil {
					t.Errorf("the catalog of vaults finds %+v", sc.Vault)
				}
			}
		})
	}
}

func TestHSMIsWhatItsDocumentSays(t *testing.T) {
	h, v := fullVault(), fullVault()
	v.HSM = nil
	if got := h.ResourceID(); got != "/subscriptions/s/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/MyVault" {
		t.Errorf("the HSM's resource id is %s", got)
	}
	if got := v.ResourceID(); got != "/subscriptions/s/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/MyVault" {
		t.Errorf("the vault's resource id is %s", got)
	}
	if h.Access().Local != &h.HSM.Local || v.Access().Local != nil {
		t.Error("not exactly the HSM is decided by local roles")
	}
}
