package account

import (
	"fmt"
	"unicode/utf8"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
)

// maxText is the longest name, label or imprint, in characters: two lines of a certificate.
const maxText = 200

// checkName refuses a name that is not one line of 1 to 200 visible characters.
func checkName(field, name string) []fault.Field {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxText || !utf8.ValidString(name) {
		return []fault.Field{{Field: field, Rule: "length", Message: "Must have 1 to 200 characters."}}
	}
	if legible.Blank(name) {
		return []fault.Field{{Field: field, Rule: "blank", Message: "Must have visible characters."}}
	}
	if kind, r, at := legible.First(name); kind != legible.Fine {
		return []fault.Field{{Field: field, Rule: string(kind), Message: fmt.Sprintf("Must be one line of visible characters. Remove character %d (%U).", at, r)}}
	}
	return nil
}

// checkOptional is checkName for a text that may be empty.
func checkOptional(field, text string) []fault.Field {
	if text == "" {
		return nil
	}
	bad := checkName(field, text)
	for i := range bad {
		if bad[i].Rule == "length" {
			bad[i].Message = fmt.Sprintf("Must be one line of at most %d characters.", maxText)
		}
	}
	return bad
}
