package webhook

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"timbre.example/internal/outbound"
)

// policy decides where deliveries may go: to every public address, and to the networks that
// the operator allows. Only there may a URL begin with http, or have any port.
type policy struct{ outbound.Policy }

// InvalidURL is why a URL cannot be an endpoint.
type InvalidURL struct {
	// Reason is malformed, scheme, credentials, fragment, too_long or address: the reason
	// in api_key.webhook_url_invalid.
	Reason string
	// Message says what to correct.
	Message string
}

// Error implements error.
func (e *InvalidURL) Error() string { return "webhook URL: " + e.Message }

// check returns the stored form of an endpoint's URL: an international host is in its ASCII
// form. It asks no name server.
func (p policy) check(text string) (string, error) {
	bad := func(reason, message string) (string, error) { return "", &InvalidURL{reason, message} }
	switch {
	case len(text) > MaxURL:
		return bad("too_long", "must have at most "+strconv.Itoa(MaxURL)+" bytes")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) || strings.Contains(text, `\`):
		return bad("malformed", "must not have white space, backslashes or invisible characters")
	case strings.Contains(text, "#"):
		return bad("fragment", "must not have a fragment: remove # and what follows")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "":
		return bad("malformed", "is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("scheme", "must begin with https://")
	case u.User != nil:
		return bad("credentials", "must not have a user name or a password")
	}
	host, err := p.host(u)
	if err != nil {
		return "", err
	}
	if err := p.port(u, host); err != nil {
		return "", err
	}
	if u.Scheme == "http" && !p.maybeInside(host) {
		return bad("scheme", "must begin with https://: http is for networks that the operator allowed")
	}
	name := host
	if strings.Contains(host, ":") {
		name = "[" + host + "]"
	}
	if u.Port() != "" {
		name += ":" + u.Port()
	}
	if u.Host = name; u.Path == "" {
		u.Path = "/"
	}
	if text = u.String(); len(text) > MaxURL {
		return bad("too_long", "must have at most "+strconv.Itoa(MaxURL)+" bytes in its ASCII form")
	}
	return text, nil
}

// host returns the host in its ASCII form. An address to which nothing may be sent is refused
// here, and a name at each attempt.
func (p policy) host(u *url.URL) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" || p.Safe(ip) != nil {
			return "", &InvalidURL{"address", "is an address to which nothing is delivered: give a public address"}
		}
		return ip.String(), nil
	}
	if strings.HasPrefix(u.Host, "[") {
		return "", &InvalidURL{"malformed", "has no IPv6 address between its brackets"}
	}
	host, err := idna.Lookup.ToASCII(host)
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	switch {
	case err != nil || host == "" || len(host) > 253 || slices.ContainsFunc(labels, func(l string) bool {
		return l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
	}):
		return "", &InvalidURL{"malformed", "has an invalid host"}
	case strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"): // an address in a form that programs read differently
		return "", &InvalidURL{"address", "has a host that is neither a name nor an address in its usual form"}
	case !p.AllowsAny() && (len(labels) == 1 || slices.Contains([]string{"localhost", "local", "internal", "lan", "home", "arpa", "onion"}, last)):
		return "", &InvalidURL{"address", "has a host that is not on the public internet"}
	}
	return host, nil
}

// port refuses ports below 1024 that are not those of http and https: nothing there is a
// webhook receiver, and much there is a service that reads lines.
func (p policy) port(u *url.URL, host string) error {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return &InvalidURL{"malformed", "has a colon without a port"}
		}
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return &InvalidURL{"malformed", "has a port that is not a number from 1 to 65535"}
	}
	if !outbound.Usual(uint16(n)) && !p.maybeInside(host) {
		return &InvalidURL{"address", "has a port that is not 80, 443 or from 1024 on"}
	}
	return nil
}

// maybeInside reports whether a host can be in a network that the operator allows. Of a name
// only its addresses can tell.
func (p policy) maybeInside(host string) bool {
	ip, err := netip.ParseAddr(host)
	return p.AllowsAny() && (err != nil || p.Inside(ip))
}
