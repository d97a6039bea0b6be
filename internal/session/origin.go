package session

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Pattern is one entry of an origin allowlist: [scheme://]host[:port].
//
//   - The scheme is https when it is left out, and http besides for a loopback
//     host (localhost, 127.0.0.0/8, [::1]).
//   - The host is exact, or *.host: any host that ends in .host, however many
//     labels before it, but not host itself. The host of a wildcard is one that
//     somebody registered: no public suffix (co.uk, github.io), below which
//     anybody gets a name, and nothing that has public suffixes below it.
//   - The port is the scheme's own when it is left out; :* is every port.
//
// Hosts compare without regard to case, addresses by their value. An
// international name is taken in either form, and kept as browsers send it (xn--…).
// The origin "null" matches nothing.
type Pattern struct {
	scheme string // "" is the rule above
	host   string
	sub    bool
	port   string // "" is the scheme's own, "*" every
}

// ParsePattern reads an allowlist entry.
func ParsePattern(text string) (Pattern, error) {
	bad := func(why string) (Pattern, error) {
		return Pattern{}, fmt.Errorf("origin %q: %s", text, why)
	}
	var p Pattern
	rest := strings.ToLower(strings.TrimSpace(text))
	if rest == "null" {
		return bad("every sandboxed page has it")
	}
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return bad("the scheme is http or https")
		}
		p.scheme, rest = scheme, after
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#@") {
		return bad("an origin ends with its host or port, as in https://songs.example: leave out the path, and a user")
	}
	host, port, err := splitHostPort(rest)
	if err != nil {
		return bad(err.Error())
	}
	if port != "" && port != "*" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return bad("the port is a number from 1 to 65535, or *")
		}
	}
	if port == ownPort[p.scheme] {
		port = ""
	}
	p.port = port
	if name, wild := strings.CutPrefix(host, "*."); strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) || strings.Contains(name, "xn--") {
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return bad("no browser has this name: it is not written as international names are")
		}
		if host = name; wild {
			host = "*." + name
		}
	}
	if after, ok := strings.CutPrefix(host, "*."); ok {
		p.sub, host = true, after
		if !strings.Contains(host, ".") && host != "localhost" {
			return bad("a wildcard needs a host of at least two labels")
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return bad("an address has no subdomains")
		}
		if public(host) {
			return bad("anybody can have a name below it, and would be allowed: it is on the public suffix list. Name your own host")
		}
	}
	if !validHost(host) {
		return bad("the host is a name, or an address as browsers write it")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4In6() {
		return bad("write the IPv4 address in it as such: " + ip.Unmap().String())
	}
	p.host = canonical(host)
	return p, nil
}

func splitHostPort(s string) (host, port string, err error) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", fmt.Errorf("the address lacks its closing bracket")
		}
		host, s = s[1:end], s[end+1:]
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", "", fmt.Errorf("no IPv6 address between the brackets")
		}
	} else {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			return s, "", nil
		}
		host, s = s[:i], s[i:]
	}
	if s == "" {
		return host, "", nil
	}
	if s[0] != ':' || len(s) == 1 {
		return "", "", fmt.Errorf("a colon is followed by a port")
	}
	return host, s[1:], nil
}

// ownPort is the port that a scheme's origins leave out.
var ownPort = map[string]string{"http": "80", "https": "443"}

// canonical writes an address in its one form; a name is left as it is.
func canonical(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return host
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	// Browsers take a name that ends in a number for an address in an odd form,
	// and send the usual form: as it stands it would match nothing.
	last := host[strings.LastIndexByte(host, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	if strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// String is the canonical form, which ParsePattern reads back to the same
// pattern.
func (p Pattern) String() string {
	var b strings.Builder
	if p.scheme != "" {
		b.WriteString(p.scheme + "://")
	}
	if p.sub {
		b.WriteString("*.")
	}
	if strings.Contains(p.host, ":") {
		b.WriteString("[" + p.host + "]")
	} else {
		b.WriteString(p.host)
	}
	if p.port != "" {
		b.WriteString(":" + p.port)
	}
	return b.String()
}

// Example is an origin that the pattern matches.
func (p Pattern) Example() string {
	if p.scheme == "" {
		p.scheme = "https"
		if loopback(p.host) {
			p.scheme = "http"
		}
	}
	if p.sub {
		p.sub, p.host = false, "www."+p.host
	}
	if p.port == "*" {
		p.port = ""
	}
	return p.String()
}

// Match reports whether a browser's Origin header is allowed by the pattern.
func (p Pattern) Match(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return false
	}
	scheme, host, port := strings.ToLower(u.Scheme), canonical(strings.ToLower(u.Hostname())), u.Port()
	if host == "" || (scheme != "http" && scheme != "https") {
		return false
	}
	switch {
	case p.scheme != "" && p.scheme != scheme:
		return false
	case p.scheme == "" && scheme == "http" && !loopback(host):
		return false
	case p.sub && !(strings.HasSuffix(host, "."+p.host) && validHost(host) && !foreign(host, p.host)):
		return false
	case !p.sub && host != p.host:
		return false
	}
	if port == "" {
		port = ownPort[scheme]
	}
	switch p.port {
	case "*":
		return true
	case "":
		return port == ownPort[scheme]
	}
	return port == p.port
}

// public reports whether names below host are given to anybody: it is on the public
// suffix list, or a rule of the list is for every name below it.
func public(host string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	below, _ := publicsuffix.PublicSuffix("www." + host)
	return strings.Contains(host, ".") && suffix == host || below == "www."+host
}

// foreign reports whether a public suffix stands between a host and the name above
// it: s3.amazonaws.com below amazonaws.com, where whoever has the one has not the
// other.
func foreign(host, above string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return strings.HasSuffix(suffix, "."+above)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && ip.IsLoopback())
}

// Allowed reports whether any entry of an allowlist matches. Entries that do
// not parse match nothing: they were refused when they were added.
func Allowed(patterns []string, origin string) bool {
	for _, text := range patterns {
		if p, err := ParsePattern(text); err == nil && p.Match(origin) {
			return true
		}
	}
	return false
}
