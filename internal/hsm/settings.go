package hsm

import (
	"context"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// SettingAllowARM is the one setting there is: whether the management plane may
// use the keys of the HSM. It is kept as it is set; the management plane of this
// service has no operations on keys.
const SettingAllowARM = "AllowKeyManagementOperationsThroughARM"

// Setting is a setting with its value, "true" or "false".
type Setting struct{ Name, Value string }

func settingOf(v *catalog.Vault) Setting {
	return Setting{SettingAllowARM, strconv.FormatBool(v.HSM.AllowARM)}
}

func onSettings(call Call, name, action, setting string) *operation {
	op := &operation{call: call, name: name, action: "settings/" + action + "/action", scope: access.LocalScopeAll, object: "settings/" + setting}
	if setting != "" && !strings.EqualFold(setting, SettingAllowARM) {
		op.invalid = fault.New(fault.NotFound, "SettingNotFound", "Requested setting not found")
	}
	return op
}

// ListSettings returns all settings.
func (s *Service) ListSettings(ctx context.Context, call Call) (all []Setting, err error) {
	err = s.read(ctx, onSettings(call, "SettingList", "read", ""), func(v *catalog.Vault) error {
		all = []Setting{settingOf(v)}
		return nil
	})
	return all, err
}

// GetSetting returns a setting.
func (s *Service) GetSetting(ctx context.Context, call Call, name string) (setting Setting, err error) {
	err = s.read(ctx, onSettings(call, "SettingGet", "read", name), func(v *catalog.Vault) error {
		setting = settingOf(v)
		return nil
	})
	return setting, err
}

// UpdateSetting sets a setting to "true" or "false".
func (s *Service) UpdateSetting(ctx context.Context, call Call, name, value string) (setting Setting, err error) {
	op := onSettings(call, "SettingUpdate", "write", name)
	if op.invalid == nil && value != "true" && value != "false" {
		op.invalid = badParameter("The value of the setting must be true or false.")
	}
	err = s.write(ctx, op, func(v *catalog.Vault) error {
		v.HSM.AllowARM = value == "true"
		setting = settingOf(v)
		return nil
	})
	return setting, err
}
