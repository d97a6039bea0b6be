package registry

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/network"
)

// The limits of what describes a work, in characters.
const (
	MaxTitle    = 200
	MaxName     = 255
	MaxEmail    = 255
	MaxFilename = 255
)

// Creator is a creator as callers send one: untrimmed, roles as the wire has
// them.
type Creator struct {
	FullName string
	Email    string
	Roles    []commitment.Role
	IPI      string // "" is none
	ISNI     string // "" is none
}

// Description is what init is told of a work.
type Description struct {
	Title    string
	Creators []Creator
	Filename string
}

var (
	ipiForm  = regexp.MustCompile(`^[0-9]{1,11}$`)
	isniForm = regexp.MustCompile(`^[0-9]{15}[0-9X]$`)
	// Somebody's address, not a grammar's: one @ with something on each side
	// and no white space is all that can be known without sending mail.
	emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+$`)
	spaces    = regexp.MustCompile(`\s+`)
)

// described is a Description that has been trimmed and found good.
type described struct {
	title    string
	creators []commitment.Creator
	filename string
}

// refusals collects every field that is wrong, not just the first.
type refusals []fault.Field

func (b *refusals) refuse(field, rule, message string) {
	*b = append(*b, fault.Field{Field: field, Rule: rule, Message: message})
}

// err is common.validation_failed when anything was refused.
func (b refusals) err() error {
	if len(b) > 0 {
		return fault.CommonValidationFailed(b)
	}
	return nil
}

// describe trims and checks everything that a registration is told of a work.
func describe(d Description, n network.Name) (described, error) {
	var bad refusals
	out := described{title: strings.TrimSpace(d.Title)}
	text(bad.refuse, "title", out.title, MaxTitle)
	out.creators = creators(bad.refuse, d.Creators)
	out.filename = filename(bad.refuse, d.Filename)
	if !n.Valid() {
		bad.refuse("network", "one_of", "Must be testnet or mainnet.")
	}
	return out, bad.err()
}

// filename keeps the last part of a path. A file is not renamed for a direction
// mark in its name, which is not anchored: the mark is left out.
func filename(refuse func(field, rule, message string), name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if directionMark(r) {
			return -1
		}
		return r
	}, name))
	if name != "" {
		name = strings.TrimSpace(path.Base(strings.ReplaceAll(name, `\`, "/")))
	}
	text(refuse, "filename", name, MaxFilename)
	return name
}

func creators(refuse func(field, rule, message string), in []Creator) []commitment.Creator {
	if len(in) == 0 {
		refuse("creators", "required", "Name at least one creator.")
	}
	if len(in) > commitment.MaxCreators {
		refuse("creators", "max_items", fmt.Sprintf("At most %d creators.", commitment.MaxCreators))
		return nil
	}
	out := make([]commitment.Creator, 0, len(in))
	for i, c := range in {
		at := func(name string) string { return fmt.Sprintf("creators[%d].%s", i, name) }
		k := commitment.Creator{FullName: strings.TrimSpace(c.FullName), Email: strings.TrimSpace(c.Email), Roles: c.Roles}
		text(refuse, at("full_name"), k.FullName, MaxName)
		if text(refuse, at("email"), k.Email, MaxEmail) && !emailForm.MatchString(k.Email) {
			refuse(at("email"), "email", "This is no e-mail address.")
		}
		if len(c.Roles) == 0 {
			refuse(at("roles"), "required", "Choose at least one role.")
		}
		if ipi := strings.TrimSpace(c.IPI); ipi != "" {
			if !ipiForm.MatchString(ipi) {
				refuse(at("ipi"), "ipi", "An IPI number has 1 to 11 digits.")
			}
			k.IPI = &ipi
		}
		if isni := strings.TrimSpace(c.ISNI); isni != "" {
			if !isniForm.MatchString(isni) {
				refuse(at("isni"), "isni", "An ISNI has 15 digits and then a digit or X.")
			}
			k.ISNI = &isni
		}
		out = append(out, k)
	}
	return out
}

// text checks a required text that has been trimmed.
func text(refuse func(field, rule, message string), field, value string, most int) bool {
	switch {
	case value == "" || strings.TrimFunc(value, invisible) == "":
		refuse(field, "required", "This is required.")
	case utf8.RuneCountInString(value) > most:
		refuse(field, "max_length", fmt.Sprintf("At most %d characters.", most))
	default:
		rule, message := unprintable(value)
		if rule == "" {
			return true
		}
		refuse(field, rule, message)
	}
	return false
}

// directionMark reports whether a character changes the direction in which others
// are shown (Bidi_Control of Unicode): with one, a text reads otherwise than its
// characters stand, and what is anchored is not what was read. The joiners of emoji
// and scripts, U+200C and U+200D, are none.
func directionMark(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// controlCharacter is one that is not shown: C0, C1, and the two separators of
// lines and paragraphs.
func controlCharacter(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// unprintable finds the first character that may not stand in a text, and says
// which it is and where. The rule is "" where there is none.
func unprintable(value string) (rule, message string) {
	n := 0
	for _, r := range value {
		n++
		switch {
		case directionMark(r):
			return "direction_mark", fmt.Sprintf("Character %d is %U, which changes the direction of the text around it. Remove it.", n, r)
		case controlCharacter(r):
			return "control_character", fmt.Sprintf("Character %d is the control character %U. Remove it.", n, r)
		}
	}
	return "", ""
}

// invisible characters alone make no title.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r)
}

// TitleKey is what makes two titles the same: composed (NFC), case folded,
// trimmed, inner spaces folded to one.
func TitleKey(title string) string {
	folded := cases.Fold().String(norm.NFC.String(title))
	return norm.NFC.String(strings.TrimSpace(spaces.ReplaceAllString(folded, " ")))
}
