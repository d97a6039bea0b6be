package intake

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/proof/commitment"
)

// The limits of the texts that describe a work, in characters.
const (
	MaxTitle    = 200
	MaxName     = 255
	MaxEmail    = 255
	MaxFilename = 255
)

// Creator is a creator as clients send one: untrimmed, with the roles' wire names.
type Creator struct {
	FullName string
	Email    string
	Roles    []commitment.Role
	IPI      string // may be ""
	ISNI     string // may be ""
}

// Description is the client's description of a work.
type Description struct {
	Title    string
	Creators []Creator
	Filename string
}

var (
	ipiForm  = regexp.MustCompile(`^[0-9]{1,11}$`)
	isniForm = regexp.MustCompile(`^[0-9]{15}[0-9X]$`)
)

// described is a Description that was trimmed and passed every check.
type described struct {
	title    string
	creators []commitment.Creator
	filename string
}

// describe trims and checks the whole description of a work.
func describe(d Description, n network.Name) (described, error) {
	var bad fault.Refused
	out := described{title: strings.TrimSpace(d.Title)}
	text(bad.Refuse, "title", out.title, MaxTitle)
	out.creators = creators(bad.Refuse, d.Creators)
	out.filename = filename(bad.Refuse, d.Filename)
	if !n.Valid() {
		bad.Refuse("network", "one_of", network.Every().MustBe())
	}
	return out, bad.Err()
}

// filename keeps the last part of a path. An invisible character is removed, not refused:
// the name is not anchored, and the user need not rename the file.
func filename(refuse func(field, rule, message string), name string) string {
	name = strings.TrimSpace(legible.Clean(name))
	if name != "" {
		name = strings.TrimSpace(path.Base(strings.ReplaceAll(name, `\`, "/")))
	}
	if present(refuse, "filename", name, MaxFilename) {
		if kind, r, at := legible.First(name); kind == legible.Control {
			refuse("filename", string(kind), flaw(kind, r, at))
		}
	}
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
		if text(refuse, at("email"), k.Email, MaxEmail) && !email(k.Email) {
			refuse(at("email"), "email", "Must be an e-mail address.")
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

// present checks that a trimmed text is not empty, is not too long, is valid UTF-8, and has
// a visible character.
func present(refuse func(field, rule, message string), field, value string, most int) bool {
	switch {
	case value == "":
		refuse(field, "required", "This is required.")
	case utf8.RuneCountInString(value) > most:
		refuse(field, "max_length", fmt.Sprintf("At most %d characters.", most))
	case !utf8.ValidString(value): // no JSON brings it here, but the commitment covers bytes
		refuse(field, string(legible.Control), "Must be valid UTF-8.")
	case legible.Blank(value):
		refuse(field, "blank", "This text is invisible. Use letters, digits or signs.")
	default:
		return true
	}
	return false
}

// text checks a required, trimmed text that people read: what they see must be what is
// anchored.
func text(refuse func(field, rule, message string), field, value string, most int) bool {
	if !present(refuse, field, value, most) {
		return false
	}
	kind, r, at := legible.First(value)
	if kind != legible.Fine {
		refuse(field, string(kind), flaw(kind, r, at))
	}
	return kind == legible.Fine
}

// flaw says which character is wrong, where it is, and what to do.
func flaw(kind legible.Kind, r rune, at int) string {
	switch kind {
	case legible.Direction:
		return fmt.Sprintf("Character %d is %U, which changes the direction of the text around it. Remove it.", at, r)
	case legible.Control:
		return fmt.Sprintf("Character %d is the control character %U. Remove it.", at, r)
	case legible.Private:
		return fmt.Sprintf("Character %d is %U, which has no standard meaning. Remove it, or write it in words.", at, r)
	case legible.Mark:
		return fmt.Sprintf("Character %d is the mark %U. A mark needs a letter before it, and a letter has at most %d. Remove it.", at, r, legible.MaxMarks)
	case legible.Hidden, legible.Fine:
	}
	return fmt.Sprintf("Character %d is %U, which cannot be seen here. Remove it.", at, r)
}

// email reports whether a text can be an e-mail address. Only sending mail would prove one.
// So it checks one @, something visible on each side, and no white space.
func email(text string) bool {
	name, host, _ := strings.Cut(text, "@")
	return !legible.Blank(name) && !legible.Blank(host) && !strings.Contains(host, "@") && !strings.ContainsFunc(text, unicode.IsSpace)
}
