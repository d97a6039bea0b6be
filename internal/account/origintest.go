package account

import (
	"context"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
)

// Tested is what the allowlist of an organization says about an origin.
type Tested struct {
	// Origin is what a browser sends from the tested page: international names in the form
	// xn--…, without path and default port.
	Origin string `json:"origin"`
	// Shown is Origin with international names in their letters. It differs from Origin only
	// for such names.
	Shown   string `json:"shown"`
	Allowed bool   `json:"allowed"`
	// Pattern is the first pattern that allows the origin; "" if none does.
	Pattern string `json:"pattern,omitempty"`
	// Refused are all patterns, each with the reason why it does not allow the origin. It is
	// empty if one does.
	Refused []Refused `json:"refused"`
	// LooksLike are names of this host that look like other names, as they would be read.
	LooksLike []Lookalike `json:"looks_like"`
}

// Refused is a pattern that does not allow the tested origin.
type Refused struct {
	Pattern string   `json:"pattern"`
	Reason  Mismatch `json:"reason"`
	Message string   `json:"message"` // the reason, as a sentence
}

// Lookalike is a part of a host's name whose letters look like those of another name.
type Lookalike struct {
	Label string `json:"label"`          // the part, in its letters
	Like  string `json:"like,omitempty"` // the name in Latin letters that it looks like, or ""
}

// maxTyped is the longest text that TestOrigin reads, in bytes.
const maxTyped = 2000

// TestOrigin says whether a page may use an organization's widget. typed is the origin, or the
// address of the page, as a person writes it: without a scheme, it is https, or http for a
// loopback host. The error is common.validation_failed, and says why no browser sends such an
// origin.
func TestOrigin(ctx context.Context, db *store.DB, organizationID, typed string) (_ Tested, err error) {
	defer operation.Wrap(&err, "test an origin of organization %s", organizationID)
	list, err := ListOrigins(ctx, db, organizationID)
	if err != nil {
		return Tested{}, err
	}
	patterns := make([]string, len(list))
	for i, one := range list {
		patterns[i] = one.Origin
	}
	return testOrigin(patterns, typed)
}

func testOrigin(patterns []string, typed string) (Tested, error) {
	t, why := read(typed)
	if why != "" {
		return Tested{}, fault.CommonValidationFailed([]fault.Field{{Field: "origin", Rule: "origin", Message: why}})
	}
	t.Refused = []Refused{}
	for _, text := range patterns {
		p, err := ParsePattern(text)
		if err != nil {
			t.Refused = append(t.Refused, Refused{text, NotAnOrigin, "The pattern is invalid: remove it."})
			continue
		}
		reason := p.Compare(t.Origin)
		if reason == "" {
			t.Allowed, t.Pattern, t.Refused = true, text, []Refused{}
			return t, nil
		}
		t.Refused = append(t.Refused, Refused{text, reason, p.says(reason)})
	}
	return t, nil
}

// read returns the origin that a browser sends from a page at the typed address, or why no
// browser sends one.
func read(typed string) (t Tested, why string) {
	typed = strings.TrimSpace(typed)
	switch {
	case typed == "":
		return t, "Enter the address of a page, such as https://songs.example."
	case len(typed) > maxTyped || !utf8.ValidString(typed):
		return t, "Must be an address of at most 2000 bytes."
	case strings.EqualFold(typed, "null"):
		return t, "The origin null is that of every sandboxed page and of local files. It cannot be allowed."
	}
	if kind, r, _ := legible.First(typed); kind != legible.Fine {
		return t, "Remove the invisible character " + legible.Shown(string(r)) + "."
	}
	scheme, rest, ok := strings.Cut(typed, "://")
	if scheme = strings.ToLower(scheme); !ok {
		scheme, rest = "", typed
	}
	if ok && scheme != "http" && scheme != "https" {
		return t, "The scheme must be http or https: a browser sends the origin null, or none, from other pages."
	}
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	host, port, err := splitHostPort(rest[strings.LastIndexByte(rest[:end], '@')+1 : end])
	if err != nil {
		return t, capital(err.Error()) + "."
	}
	if strings.Contains(host, "*") || port == "*" {
		return t, "Enter the address of one page: * is for patterns."
	}
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(host))
	if _, e := netip.ParseAddr(host); e == nil {
		ascii, err = canonical(strings.ToLower(host)), nil
	} else if err != nil && !strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) && !strings.Contains(strings.ToLower(host), "xn--") {
		ascii, err = strings.ToLower(host), nil // such as a name with an underscore, which browsers send
	}
	if err != nil || !validHost(ascii) {
		return t, "The host is invalid: browsers never send it."
	}
	if scheme == "" {
		if scheme = "https"; loopback(ascii) {
			scheme = "http"
		}
	}
	p, err := ParsePattern(scheme + "://" + bracketed(ascii) + colon(port))
	if err != nil {
		return t, "No browser sends such an origin: check the host and the port."
	}
	t.Origin = p.String()
	shown, e := idna.Display.ToUnicode(ascii)
	if e != nil {
		shown = ascii
	}
	t.Shown = scheme + "://" + bracketed(shown) + strings.TrimPrefix(t.Origin, scheme+"://"+bracketed(p.host))
	t.LooksLike = lookalikes(shown)
	return t, ""
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func colon(port string) string {
	if port == "" {
		return ""
	}
	return ":" + port
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// says is a mismatch as a sentence.
func (p Pattern) says(reason Mismatch) string {
	switch reason { //nolint:exhaustive // other reasons have no text of their own
	case OtherHost:
		return "The pattern is for another host."
	case ItsParent:
		return "The pattern is only for hosts below " + p.host + ". Add " + p.host + " too."
	case OtherOwner:
		return "Anyone can get a name between the two hosts, so the owner may be another one."
	case OtherScheme:
		if p.scheme == "" {
			return "Without a scheme, the pattern is for https only. Add http:// to it to allow http."
		}
		return "The pattern is for " + p.scheme + " only."
	case OtherPort:
		if p.port == "" {
			return "The pattern is for the default port only. Add the port, or :* for every port."
		}
		return "The pattern is for port " + p.port + " only."
	}
	return "No browser sends such an origin."
}

// lookalikes returns the parts of a host's name that have letters of several scripts, or that
// look like a name in Latin letters.
func lookalikes(shown string) []Lookalike {
	out := []Lookalike{}
	for label := range strings.SplitSeq(shown, ".") {
		if !strings.ContainsFunc(label, func(r rune) bool { return r > unicode.MaxASCII }) {
			continue
		}
		// A word in Latin letters before the label makes Key read it as Latin, if it can. Hosts
		// have small letters only, and the small palochka looks like l.
		like := strings.TrimPrefix(legible.Key("site "+strings.ReplaceAll(label, "ӏ", "l")), "site ")
		if strings.ContainsFunc(like, func(r rune) bool { return r > unicode.MaxASCII }) {
			like = ""
		}
		if like != "" || mixed(label) {
			out = append(out, Lookalike{Label: label, Like: like})
		}
	}
	return out
}

// together are the scripts that one word of a language may have.
var together = [][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
	{unicode.Latin, unicode.Han, unicode.Hangul},
}

// mixed reports whether a word has letters of scripts that no language writes together.
func mixed(label string) bool {
	letters := []rune{}
	for _, r := range label {
		if unicode.IsLetter(r) && !unicode.In(r, unicode.Common, unicode.Inherited) {
			letters = append(letters, r)
		}
	}
	if len(letters) == 0 {
		return false
	}
	for _, table := range unicode.Scripts {
		if allIn(letters, table) {
			return false
		}
	}
	for _, set := range together {
		if allIn(letters, set...) {
			return false
		}
	}
	return true
}

func allIn(letters []rune, tables ...*unicode.RangeTable) bool {
	for _, r := range letters {
		if !unicode.In(r, tables...) {
			return false
		}
	}
	return true
}
