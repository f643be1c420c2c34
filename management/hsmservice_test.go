package management_test

import (
	"testing"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// TestServiceManagedHSMLife runs the life of a managed HSM against our own
// service.
func TestServiceManagedHSMLife(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, err := w.manager.CreateOrUpdateManagedHSM(ctx, "web", "strong", management.NewManagedHSM("eastus", tenantID, objectID))
	w.check("creating a managed HSM", err)
	if made.Properties.HSMURI != "https://strong.managedhsm.azure.net/" || made.Properties.SecurityDomainProperties.ActivationStatus != arm.HSMActivated {
		t.Errorf("made %+v", made.Properties)
	}
	taken, err := w.manager.CheckManagedHSMName(ctx, "strong")
	w.check("asking for the name", err)
	if taken.NameAvailable {
		t.Error("the name is free")
	}
	changed, err := w.manager.UpdateManagedHSM(ctx, "web", "strong", arm.ManagedHSM{Tags: map[string]string{"a": "b"}})
	w.check("updating the managed HSM", err)
	if changed.Tags["a"] != "b" {
		t.Errorf("changed %+v", changed)
	}
	names := 0
	for h, err := range w.manager.ListManagedHSMs(ctx) {
		if w.check("listing", err); h.Name != "strong" {
			t.Errorf("listed %+v", h)
		}
		names++
	}
	if names != 1 {
		t.Errorf("%d managed HSMs", names)
	}
	w.check("deleting the managed HSM", w.manager.DeleteManagedHSM(ctx, "web", "strong"))
	if _, err := w.manager.GetManagedHSM(ctx, "web", "strong"); !management.IsNotFound(err) {
		t.Errorf("getting what is deleted: %v", err)
	}
	gone, err := w.manager.GetDeletedManagedHSM(ctx, "eastus", "strong")
	w.check("getting the deleted managed HSM", err)
	if gone.Properties.MHSMID != made.ID {
		t.Errorf("deleted %+v", gone.Properties)
	}
	_, err = w.manager.RecoverDeletedManagedHSM(ctx, "web", "strong", "eastus", tenantID)
	w.check("recovering the managed HSM", err)
	w.check("deleting it again", w.manager.DeleteManagedHSM(ctx, "web", "strong"))
	w.check("purging it", w.manager.PurgeDeletedManagedHSM(ctx, "eastus", "strong"))
	for h, err := range w.manager.ListDeletedManagedHSMs(ctx) {
		t.Errorf("after the purge: %v, %v", h.Name, err)
	}
}
