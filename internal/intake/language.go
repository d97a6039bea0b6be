package intake

import (
	"golang.org/x/text/language"
)

// Languages are the languages of certificates. The first is the default.
var Languages = []string{"en", "fr", "es", "de", "pt", "ja", "ar"}

var languages = func() language.Matcher {
	tags := make([]language.Tag, len(Languages))
	for i, l := range Languages {
		tags[i] = language.MustParse(l)
	}
	return language.NewMatcher(tags)
}()

// maxAccept is the longest Accept-Language header that is read, in bytes.
// Browsers send less than 100.
const maxAccept = 1000

// Language returns the one of [Languages] that an Accept-Language header (RFC 9110, section
// 12.5.4) prefers. A header that is missing, malformed or names none of them gives English.
func Language(accept string) string {
	if len(accept) > maxAccept {
		return Languages[0]
	}
	wanted, weights, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return Languages[0]
	}
	for i := range wanted { // weight 0 means "not acceptable"; the list is in descending order
		if weights[i] == 0 {
			wanted = wanted[:i]
			break
		}
	}
	_, i, sure := languages.Match(wanted...)
	if sure == language.No {
		return Languages[0]
	}
	return Languages[i]
}
