package vault

import (
	"github.com/openkeyvault/openkeyvault/internal/access"
)

// attested asks for a release with a token that meets the policy of exportable keys.
func (w *world) attested() ReleaseKey {
	return ReleaseKey{Target: w.authority.Token(map[string]any{"tee": "good"})}
}

// toGood is the policy of exportable keys.
func (w *world) toGood() *ReleasePolicy {
	return &ReleasePolicy{Data: w.authority.Policy(`{"claim":"tee","equals":"good"}`)}
}

// makeExportable gives a key a release policy that no operation would: it need not
// be an HSM key.
func (w *world) makeExportable(vault, name string) error {
	op, _ := keyKind.onVersion(call(vault), "Update", access.KeyUpdate, name, "")
	op.settle = func(_, next *headRecord) (err error) {
		next.Release, err = w.toGood().record()
		return err
	}
	_, err := w.svc.amend(w.ctx(), op, keyKind, name, "", func(*versionRecord) error { return nil })
	return err
}
