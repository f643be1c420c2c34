package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// addressRange is an address or a range in CIDR form.
type addressRange string

// addressRanges is the value of --ip-address.
type addressRanges []addressRange

func (a *addressRanges) Set(text string) error {
	if _, err := addressRange(text).prefix(); err != nil {
		return errors.New("it is an address such as 198.51.100.7 or a range such as 198.51.100.0/24")
	}
	*a = append(*a, addressRange(text))
	return nil
}

func (a *addressRanges) String() string { return joined(*a, " ") }
func (*addressRanges) Type() string     { return "address ..." }
func (*addressRanges) multiple()        {}

// prefix returns the range; that of an address is itself alone.
func (a addressRange) prefix() (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(string(a)); err == nil {
		return prefix.Masked(), nil
	}
	address, err := netip.ParseAddr(string(a))
	if err != nil {
		return netip.Prefix{}, err
	}
	if address.Zone() != "" {
		return netip.Prefix{}, errors.New("a zone means nothing on another machine")
	}
	return address.Prefix(address.BitLen())
}

// same reports whether b is another way to write a.
func (a addressRange) same(b addressRange) bool {
	p, err := a.prefix()
	if err != nil {
		return a == b
	}
	q, err := b.prefix()
	return err == nil && p == q
}

// ruleFlags are the rules to add or to remove.
type ruleFlags struct {
	name, group string
	addresses   addressRanges
	subnet      string
}

func (r *ruleFlags) add(v *vaults, cmd *cobra.Command) {
	nameFlag(cmd, &r.name)
	groupFlag(cmd, &r.group, "resource `GROUP` of the vault, searched unless given")
	v.completeVault(cmd)
	cmd.Flags().Var(&r.addresses, "ip-address", "addresses or ranges in CIDR form, as many as follow")
	cmd.Flags().StringVar(&r.subnet, "subnet", "", "resource `ID` of a subnet")
	cmd.MarkFlagsOneRequired("ip-address", "subnet")
	noFiles(cmd, "ip-address", "subnet")
}

func (v *vaults) newNetworkRule() *cobra.Command {
	cmd := newGroup("network-rule", "Say from where a vault may be reached",
		`network-rule adds, removes and lists the addresses and subnets from which a vault
may be reached. They count when okv vault update --default-action Deny has closed
it to all others.`,
		`  okv vault network-rule add --name orders --ip-address 198.51.100.0/24
  okv vault network-rule list --name orders`)
	cmd.AddCommand(v.newRuleAdd(), v.newRuleRemove(), v.newRuleList())
	return cmd
}

func (v *vaults) newRuleAdd() *cobra.Command {
	r := &ruleFlags{}
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Admit addresses or a subnet to a vault",
		Long:    `add admits addresses or a subnet to a vault. What is admitted already stays so.`,
		Example: `  okv vault network-rule add --name orders --ip-address 198.51.100.7 203.0.113.0/24`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.changeRules(cmd, r, func(rules *arm.NetworkACLs) error {
				for _, a := range r.addresses {
					if !slices.ContainsFunc(rules.IPRules, a.isRule) {
						rules.IPRules = append(rules.IPRules, arm.IPRule{Value: string(a)})
					}
				}
				if r.subnet != "" && !slices.ContainsFunc(rules.VirtualNetworkRules, r.isSubnet) {
					rules.VirtualNetworkRules = append(rules.VirtualNetworkRules, arm.VirtualNetworkRule{ID: r.subnet})
				}
				return nil
			})
		},
	}
	r.add(v, cmd)
	return cmd
}

func (v *vaults) newRuleRemove() *cobra.Command {
	r := &ruleFlags{}
	cmd := &cobra.Command{
		Use:     "remove",
		Short:   "Take rules that admit addresses or a subnet away",
		Example: `  okv vault network-rule remove --name orders --ip-address 198.51.100.7`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.changeRules(cmd, r, func(rules *arm.NetworkACLs) error {
				for _, a := range r.addresses {
					if !slices.ContainsFunc(rules.IPRules, a.isRule) {
						return r.missing(string(a))
					}
					rules.IPRules = slices.DeleteFunc(slices.Clone(rules.IPRules), a.isRule)
				}
				if r.subnet != "" {
					if !slices.ContainsFunc(rules.VirtualNetworkRules, r.isSubnet) {
						return r.missing(r.subnet)
					}
					rules.VirtualNetworkRules = slices.DeleteFunc(slices.Clone(rules.VirtualNetworkRules), r.isSubnet)
				}
				return nil
			})
		},
	}
	r.add(v, cmd)
	return cmd
}

func (r *ruleFlags) missing(rule string) error {
	return notFoundError(fmt.Sprintf("the vault %s has no rule for %s; okv vault network-rule list --name %[1]s shows those that it has", r.name, rule))
}

func (a addressRange) isRule(rule arm.IPRule) bool { return a.same(addressRange(rule.Value)) }

func (r *ruleFlags) isSubnet(rule arm.VirtualNetworkRule) bool {
	return strings.EqualFold(rule.ID, r.subnet)
}

// changeRules changes the network rules of a vault. The service takes them as a
// whole, so that of two changes at once one may be lost.
func (v *vaults) changeRules(cmd *cobra.Command, r *ruleFlags, change func(*arm.NetworkACLs) error) error {
	return v.change(cmd, r.group, r.name, func(vault *arm.Vault) (*arm.VaultPatchParameters, error) {
		rules := networkOf(vault.Properties.NetworkACLs)
		if err := change(&rules); err != nil {
			return nil, err
		}
		return &arm.VaultPatchParameters{Properties: &arm.VaultProperties{NetworkACLs: &rules}}, nil
	})
}

func (v *vaults) newRuleList() *cobra.Command {
	var name, group string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the network rules of a vault",
		Example: `  okv vault network-rule list --name orders`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := v.client(cmd)
			if err != nil {
				return err
			}
			vault, err := findWhole(cmd, client, group, name)
			if err != nil {
				return err
			}
			rules := networkOf(vault.Properties.NetworkACLs)
			if v.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), rules)
			}
			return writeFields(cmd.OutOrStdout(), networkFields(rules))
		},
	}
	nameFlag(cmd, &name)
	groupFlag(cmd, &group, "resource `GROUP` of the vault, searched unless given")
	v.completeVault(cmd)
	return cmd
}

func networkFields(rules arm.NetworkACLs) []field {
	var addresses, subnets []string
	for _, r := range rules.IPRules {
		addresses = append(addresses, r.Value)
	}
	for _, r := range rules.VirtualNetworkRules {
		subnets = append(subnets, r.ID)
	}
	return []field{
		{"Default action", rules.DefaultAction},
		{"Bypass", rules.Bypass},
		{"Addresses", strings.Join(addresses, ", ")},
		{"Subnets", strings.Join(subnets, ", ")},
	}
}
