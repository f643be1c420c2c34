package vault

import (
	"bytes"
	"mime"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release"
)

// defaultPolicyType is the content type of a policy document that has none.
const defaultPolicyType = "application/json; charset=utf-8"

// releaseRecord is the release policy of a key. It is never changed.
type releaseRecord struct {
	ContentType string `json:"contentType"`
	Policy      []byte `json:"policy"` // as release.Policy has it
	Immutable   bool   `json:"immutable,omitempty"`
}

// policy returns what callers know of it. Nothing of it is shared.
func (r *releaseRecord) policy() *ReleasePolicy {
	if r == nil {
		return nil
	}
	return &ReleasePolicy{ContentType: r.ContentType, Data: slices.Clone(r.Policy), Immutable: r.Immutable}
}

// valid reports whether the record, which may be nil, is one that can be used.
func (r *releaseRecord) valid() bool {
	if r == nil {
		return true
	}
	_, err := release.ParsePolicy(r.Policy)
	return err == nil && r.ContentType != ""
}

// record reads the policy of a request.
func (p *ReleasePolicy) record() (*releaseRecord, error) {
	contentType := p.ContentType
	if contentType == "" {
		contentType = defaultPolicyType
	}
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/json" || len(contentType) > MaxContentTypeLength {
		return nil, badParameter("The content type of a release policy has to be application/json.")
	}
	parsed, err := release.ParsePolicy(p.Data)
	if err != nil {
		return nil, err
	}
	return &releaseRecord{contentType, parsed.Text(), p.Immutable}, nil
}

// replacedBy returns the policy that takes the place of r, which may be nil. An
// immutable one may be given again, which changes nothing.
func (r *releaseRecord) replacedBy(p *ReleasePolicy) (*releaseRecord, error) {
	next, err := p.record()
	if r != nil && r.Immutable {
		if err != nil || next.ContentType != r.ContentType || !bytes.Equal(next.Policy, r.Policy) || !next.Immutable {
			return nil, badParameter("AKV.SKR.1020: Immutable Key Release Policy cannot be modified.")
		}
	}
	return next, err
}

// admitRelease checks what the request alone says of the release of a key.
func (in newKeyRequest) admitRelease(vault *catalog.Vault) error {
	exportable := in.attributes.Exportable != nil && *in.attributes.Exportable
	switch {
	case exportable && !vault.Premium:
		return badParameter("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")
	case exportable && in.policy == nil:
		return badParameter("AKV.SKR.1004: Exportable keys must have release policy.")
	case !exportable && in.policy != nil:
		return policyNeedsExportable()
	}
	return nil
}

// settleRelease decides about the release policy of a key that gets a new version,
// or its first one.
func (in newKeyRequest) settleRelease(before, next *headRecord) (err error) {
	var old *releaseRecord
	if before != nil {
		old = before.Release
		if e := in.attributes.Exportable; e != nil && *e != (old != nil) {
			return badParameter("AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.")
		}
	}
	if next.Release = old; in.policy != nil {
		if next.Release, err = old.replacedBy(in.policy); err != nil {
			return err
		}
	}
	switch {
	case next.Release == nil:
		return nil
	case !in.hsm:
		return badParameter("AKV.SKR.1006: Exportable keys must be HSM keys.")
	case in.kind == keyops.TypeAKP:
		return badParameter("Keys of the type AKP cannot be exportable.")
	}
	return nil
}

// settleRelease decides about the release policy of a key of which a version is
// updated; version "" is the current one.
func (in UpdateKey) settleRelease(version string, before, next *headRecord) (err error) {
	if e := in.Attributes.Exportable; e != nil && *e != (before.Release != nil) {
		return badParameter("AKV.SKR.1014: Cannot modify the exportable state of a key.")
	}
	switch {
	case in.ReleasePolicy == nil:
		return nil
	case version != "":
		return badParameter("AKV.SKR.1016: Key Release Policy can only be set on versionless key.")
	case before.Release == nil:
		return policyNeedsExportable()
	}
	next.Release, err = before.Release.replacedBy(in.ReleasePolicy)
	return err
}

func policyNeedsExportable() error {
	return badParameter("AKV.SKR.1005: Non-exportable keys must not have release policy.")
}

func badParameter(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadParameter", format, args...)
}
