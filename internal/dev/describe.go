package dev

import (
	"fmt"
	"io"
	"strings"
)

// describe says what runs and how to reach it, without any secret.
func (in *instance) describe(w io.Writer) {
	var b strings.Builder
	row := func(label, value string) { fmt.Fprintf(&b, "%-14s %s\n", label, value) }
	for _, name := range append([]string{VaultName}, in.opts.Vaults...) {
		row("vault", fmt.Sprintf("https://%s.vault.localhost:%d", strings.ToLower(name), in.port()))
	}
	row("management", fmt.Sprintf("https://localhost:%d", in.port()))
	row("tokens", fmt.Sprintf("https://localhost:%d/%s", in.port(), TenantID))
	row("tenant", TenantID)
	row("subscription", SubscriptionID)
	row("client id", ClientID)
	row("CA bundle", in.file(bundleFile))
	switch {
	case in.opts.EnvFile != "":
		row("environment", ". "+in.opts.EnvFile)
	case in.opts.Strict:
		row("client secret", "write it to a file with --env-file FILE")
	default:
		row("environment", "write it with --env-file FILE, or run a program with okv dev -- COMMAND")
	}
	if in.opts.DataDir == "" {
		row("data", "in memory, gone at the end")
	} else {
		row("data", in.opts.DataDir)
	}
	b.WriteString("Stop with Ctrl-C.\n")
	_, _ = io.WriteString(w, b.String()) // a closed standard output is no failure of the vault
}
