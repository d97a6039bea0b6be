package people

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
)

var local = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")

// Email returns an e-mail address in the one form in which it is stored, compared and shown:
// lower-case ASCII, with the domain as punycode. So no two addresses look the same, and a
// confusable or invisible letter is visible or refused. It has at most 254 characters.
// A refusal is common.validation_failed for the field email.
func Email(typed string) (_ string, err error) {
	defer operation.Wrap(&err, "read an e-mail address")
	refuse := func(rule, why string) (string, error) {
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "email", Rule: rule, Message: why}})
	}
	typed = strings.TrimSpace(typed)
	at := strings.LastIndexByte(typed, '@')
	switch {
	case typed == "":
		return refuse("email", "Must have an e-mail address.")
	case len(typed) > 254:
		return refuse("email", "Must have at most 254 characters.")
	case !utf8.ValidString(typed) || at < 1:
		return refuse("email", "Must be an e-mail address, such as name@example.com.")
	}
	name := strings.ToLower(typed[:at])
	if len(name) > 64 || !local.MatchString(name) {
		return refuse("email", "The part before @ must have 1 to 64 letters (a to z), digits and the signs that mail allows.")
	}
	var domain string
	domain, err = idna.Registration.ToASCII(strings.ToLower(typed[at+1:]))
	if err != nil || !strings.Contains(domain, ".") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..") {
		return refuse("email", "The part after @ must be a domain, such as example.com.")
	}
	if len(name)+1+len(domain) > 254 {
		return refuse("email", "Must have at most 254 characters.")
	}
	return name + "@" + domain, nil
}

// maxName is the longest name of a person, in characters.
const maxName = 100

// cleanName checks a text that people read: one line of visible characters.
func cleanName(field, name string, least, most int) (string, error) {
	refuse := func(rule, why string) (string, error) {
		return "", fault.CommonValidationFailed([]fault.Field{{Field: field, Rule: rule, Message: why}})
	}
	if !utf8.ValidString(name) {
		return refuse("name", "Must be valid UTF-8.")
	}
	name = norm.NFC.String(strings.TrimSpace(name))
	switch n := utf8.RuneCountInString(name); {
	case n < least || n > most:
		return refuse("name", fmt.Sprintf("Must have %d to %d characters.", least, most))
	case n == 0:
		return "", nil
	case legible.Blank(name):
		return refuse("name", "Must have visible characters.")
	}
	if kind, r, at := legible.First(name); kind != legible.Fine {
		return refuse("name", fmt.Sprintf("Must be one line of visible characters. Remove character %d (%U).", at, r))
	}
	return name, nil
}

// Languages are the languages of the console.
func Languages() []string { return []string{"en", "fr", "de", "es", "pt", "ja", "ar"} }
