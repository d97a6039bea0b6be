package registry

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/legible"
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

// filename keeps the last part of a path. A file is not renamed for a character in its
// name that is not seen, and the name is not anchored: the character is left out.
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

// present checks that a text that has been trimmed is there, is no longer than it may
// be, and has something that can be seen.
func present(refuse func(field, rule, message string), field, value string, most int) bool {
	switch {
	case value == "":
		refuse(field, "required", "This is required.")
	case utf8.RuneCountInString(value) > most:
		refuse(field, "max_length", fmt.Sprintf("At most %d characters.", most))
	case legible.Blank(value):
		refuse(field, "blank", "Nothing of this text can be seen. Write it with letters, digits or signs.")
	default:
		return true
	}
	return false
}

// text checks a required text that has been trimmed and that people read: what they
// see has to be what is anchored.
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

// flaw says which character is wrong, where, and what to do.
func flaw(kind legible.Kind, r rune, at int) string {
	switch kind {
	case legible.Direction:
		return fmt.Sprintf("Character %d is %U, which changes the direction of the text around it. Remove it.", at, r)
	case legible.Control:
		return fmt.Sprintf("Character %d is the control character %U. Remove it.", at, r)
	case legible.Private:
		return fmt.Sprintf("Character %d is %U, to which no standard gives a meaning. Remove it, or write it in words.", at, r)
	case legible.Mark:
		return fmt.Sprintf("Character %d is the mark %U. A mark needs a letter before it, and a letter has at most %d. Remove it.", at, r, legible.MaxMarks)
	}
	return fmt.Sprintf("Character %d is %U, which cannot be seen here. Remove it.", at, r)
}

// email reports whether a text is somebody's address. No grammar says that: one @ with
// something on each side that can be seen, and no white space, is all that can be known
// without sending mail.
func email(text string) bool {
	name, host, _ := strings.Cut(text, "@")
	return !legible.Blank(name) && !legible.Blank(host) && !strings.Contains(host, "@") && !strings.ContainsFunc(text, unicode.IsSpace)
}
