package childenv

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// proxyVariables sets what leads HTTPS to the proxy, in both spellings: clients
// of some languages read one, of others the other.
//
// Plain HTTP is left alone unless the parent has a proxy for it. Then it must
// come our way too: an entry such as localhost that noProxy drops would
// otherwise go to the user's proxy, while ours still honours it.
func proxyVariables(set map[string]string, parent environment, proxy *url.URL, direct []string) {
	set["HTTPS_PROXY"], set["https_proxy"] = proxy.String(), proxy.String()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if parent.get(name) != "" {
			set[name] = proxy.String()
		}
	}
	list := strings.Join(direct, ",")
	set["NO_PROXY"], set["no_proxy"] = list, list
}

// noProxy returns the hosts to reach directly: loopback addresses, and the
// user's entries that cannot cover one of names for any client.
func noProxy(parent environment, names []string) []string {
	direct := []string{"127.0.0.1", "::1"}
	for _, variable := range []string{"NO_PROXY", "no_proxy"} {
		// Some clients separate at commas, some at blanks as well.
		for _, entry := range strings.FieldsFunc(parent.get(variable), isSeparator) {
			if !slices.Contains(direct, entry) && keepsDirect(entry, names) {
				direct = append(direct, entry)
			}
		}
	}
	return direct
}

func isSeparator(r rune) bool {
	return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r'
}

// keepsDirect reports whether an entry of NO_PROXY may stay. Clients disagree
// on what an entry covers: the most generous of them compare the end of
// "host:port" without regard to labels, so that is the rule. Dropping an entry
// costs a hop, because the proxy honours the user's own list; keeping a wrong
// one would send the program to the real Azure.
func keepsDirect(entry string, names []string) bool {
	if isAddress(entry) {
		return true
	}
	pattern := strings.TrimLeft(strings.ToLower(entry), "*.")
	if pattern == "" || !plainPattern(pattern) {
		return false
	}
	host, _, hasPort := strings.Cut(pattern, ":")
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		if strings.HasSuffix(name, host) || strings.HasSuffix(host, "."+name) {
			return true
		}
		return !hasPort && allDigits(host) // may be the end of a port
	})
}

// isAddress reports whether an entry is an address or a range of addresses:
// those cover no names.
func isAddress(entry string) bool {
	if _, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(entry); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(entry)
	return err == nil
}

// plainPattern reports whether s has only characters of a host and a port: what
// else a client may see in an entry is not known.
func plainPattern(s string) bool {
	colons := 0
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		case c == ':':
			colons++
		default:
			return false
		}
	}
	return colons <= 1
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// javaOptions appends the trust store and the proxy to the JVM's options, of
// which the last of a kind counts. The proxy's credential is not among them: the
// JVM prints this variable whenever it starts.
func javaOptions(parent string, cfg Config, direct []string) string {
	options := []string{
		"-Djavax.net.ssl.trustStore=" + cfg.TrustStore,
		"-Djavax.net.ssl.trustStoreType=PKCS12",
		"-Djavax.net.ssl.trustStorePassword=" + cfg.TrustStorePassword,
		"-Dhttps.proxyHost=" + cfg.Proxy.Hostname(),
		"-Dhttps.proxyPort=" + cfg.Proxy.Port(),
		"-Dhttp.nonProxyHosts=" + nonProxyHosts(direct),
	}
	joined := strings.TrimSpace(parent)
	for _, o := range options {
		if joined != "" {
			joined += " "
		}
		joined += javaQuote(o)
	}
	return joined
}

// nonProxyHosts renders the list in Java's way: patterns with a star at either
// end, separated by bars. Ranges have no form there. Unlike elsewhere, localhost
// covers nothing below itself.
func nonProxyHosts(direct []string) string {
	patterns := []string{"localhost", "127.*", "[::1]"}
	for _, entry := range direct {
		if strings.Contains(entry, "/") {
			continue
		}
		if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
			if addr.IsLoopback() {
				continue
			}
			if addr.Is6() {
				entry = "[" + addr.String() + "]"
			}
			patterns = append(patterns, entry)
			continue
		}
		if host, _, err := net.SplitHostPort(entry); err == nil {
			entry = host
		}
		host := strings.TrimLeft(entry, "*.")
		if host == "" {
			continue
		}
		if host == entry {
			patterns = append(patterns, host)
		}
		patterns = append(patterns, "*."+host)
	}
	return strings.Join(patterns, "|")
}

// javaQuote quotes an option for the JVM, which knows both quotes and no escape.
func javaQuote(s string) string {
	if !strings.ContainsAny(s, " \t\n'\"") {
		return s
	}
	if !strings.Contains(s, `"`) {
		return `"` + s + `"`
	}
	// A quoted piece may follow another directly.
	return `'` + strings.ReplaceAll(s, `'`, `'"'"'`) + `'`
}
