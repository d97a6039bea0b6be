package account

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
//   - Without a scheme, the scheme is https, and for a loopback host (localhost,
//     127.0.0.0/8, [::1]) also http.
//   - The host is exact, or *.host: any host that ends in .host, with any number of
//     labels before it, but not host itself. The host of a wildcard must be a name that
//     one owner registered: not a public suffix (co.uk, github.io), below which anyone
//     can get a name, and not a name with public suffixes below it.
//   - Without a port, the port is the scheme's default; :* is every port.
//
// Hosts compare without regard to case, addresses by value. An international name is
// accepted in both forms, and stored as browsers send it (xn--…). The origin "null"
// matches nothing.
type Pattern struct {
	scheme string // "": the default rule above
	host   string
	sub    bool
	port   string // "": the scheme's default; "*": every port
}

// ParsePattern parses an allowlist entry. Its error says what to correct.
func ParsePattern(text string) (Pattern, error) {
	bad := func(why string) (Pattern, error) {
		return Pattern{}, fmt.Errorf("origin %q: %s", text, why)
	}
	var p Pattern
	rest := strings.ToLower(strings.TrimSpace(text))
	if rest == "null" {
		return bad("is the origin of every sandboxed page")
	}
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return bad("the scheme must be http or https")
		}
		p.scheme, rest = scheme, after
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#@") {
		return bad("an origin ends with its host or port, such as https://songs.example: remove the path and the user name")
	}
	host, port, err := splitHostPort(rest)
	if err != nil {
		return bad(err.Error())
	}
	if port != "" && port != "*" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return bad("the port must be a number from 1 to 65535, or *")
		}
	}
	if port == ownPort[p.scheme] {
		port = ""
	}
	p.port = port
	if name, wild := strings.CutPrefix(host, "*."); strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) || strings.Contains(name, "xn--") {
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return bad("is not a valid international name: browsers never send it")
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
			return bad("an IP address has no subdomains")
		}
		if public(host) {
			return bad("is on the public suffix list: anyone can get a name below it, and would be allowed. Give your own host")
		}
	}
	if !validHost(host) {
		return bad("the host must be a name, or an IP address in the form that browsers use")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4In6() {
		return bad("write it as an IPv4 address: " + ip.Unmap().String())
	}
	p.host = canonical(host)
	return p, nil
}

func splitHostPort(s string) (host, port string, err error) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", fmt.Errorf("the closing bracket of the address is missing")
		}
		host, s = s[1:end], s[end+1:]
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", "", fmt.Errorf("there must be an IPv6 address between the brackets")
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
		return "", "", fmt.Errorf("the port is missing after the colon")
	}
	return host, s[1:], nil
}

// ownPort returns the default port of a scheme, which origins leave out.
var ownPort = map[string]string{"http": "80", "https": "443"}

// canonical returns the canonical form of an address; it does not change a name.
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
	// Browsers read a name that ends in a number as an address, and send its usual form.
	// The name as written would match nothing.
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

// String returns the canonical form. ParsePattern of that form returns the same pattern.
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

// Example returns an origin that the pattern matches.
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

// Mismatch is why a pattern does not match an origin; "" if it does.
type Mismatch string

// The mismatches.
const (
	NotAnOrigin Mismatch = "not_an_origin" // no browser sends it
	OtherHost   Mismatch = "host"
	ItsParent   Mismatch = "parent"        // a wildcard does not match the host itself, only hosts below it
	OtherOwner  Mismatch = "public_suffix" // between the two hosts anyone can get a name
	OtherScheme Mismatch = "scheme"
	OtherPort   Mismatch = "port"
)

// Match reports whether a browser's Origin header is allowed by the pattern.
func (p Pattern) Match(origin string) bool { return p.Compare(origin) == "" }

// Compare returns why the pattern does not match a browser's Origin header; "" if it does.
func (p Pattern) Compare(origin string) Mismatch {
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return NotAnOrigin
	}
	scheme, host, port := strings.ToLower(u.Scheme), canonical(strings.ToLower(u.Hostname())), u.Port()
	if host == "" || (scheme != "http" && scheme != "https") {
		return NotAnOrigin
	}
	switch {
	case p.sub && host == p.host:
		return ItsParent
	case p.sub && !(strings.HasSuffix(host, "."+p.host) && validHost(host)), !p.sub && host != p.host:
		return OtherHost
	case p.sub && foreign(host, p.host):
		return OtherOwner
	case p.scheme != "" && p.scheme != scheme, p.scheme == "" && scheme == "http" && !loopback(host):
		return OtherScheme
	}
	if port == "" {
		port = ownPort[scheme]
	}
	if p.port != "*" && port != p.port && !(p.port == "" && port == ownPort[scheme]) {
		return OtherPort
	}
	return ""
}

// public reports whether anyone can get a name below host: host is on the public suffix
// list, or a rule of the list covers every name below it.
func public(host string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	below, _ := publicsuffix.PublicSuffix("www." + host)
	return strings.Contains(host, ".") && suffix == host || below == "www."+host
}

// foreign reports whether there is a public suffix between a host and the name above it.
// For example s3.amazonaws.com is below amazonaws.com, but the two can have different
// owners.
func foreign(host, above string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return strings.HasSuffix(suffix, "."+above)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && ip.IsLoopback())
}

// Allowed reports whether any entry of an allowlist matches. Entries that do not parse
// match nothing; AddOrigin refuses such entries.
func Allowed(patterns []string, origin string) bool {
	for _, text := range patterns {
		if p, err := ParsePattern(text); err == nil && p.Match(origin) {
			return true
		}
	}
	return false
}
