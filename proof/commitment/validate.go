package commitment

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxCreators is the maximum number of creators of a work, and the number of leaves of the tree.
const MaxCreators = 1 << depth

// Rule names a rule that a value must satisfy.
type Rule string

// The rules.
const (
	RuleRequired Rule = "required" // not empty
	RuleCount    Rule = "count"    // 1 to MaxCreators
	RuleUTF8     Rule = "utf8"     // valid UTF-8
	RuleRole     Rule = "role"     // a role of the protocol
	RuleIPI      Rule = "ipi"      // 1 to 11 digits
	RuleISNI     Rule = "isni"     // 16 characters, each 0 to 9 or X
)

// ValidationError is the error for the first rule that a work breaks.
type ValidationError struct {
	Field string // path of the value: "title", "creators", "creators[2].email", "media"; "email" for a lone creator
	Rule  Rule
}

// Error returns one sentence for programmers.
func (e *ValidationError) Error() string { return "commitment: " + e.Field + " " + ruleWords[e.Rule] }

var ruleWords = map[Rule]string{
	RuleRequired: "is empty",
	RuleCount:    fmt.Sprintf("must have 1 to %d entries", MaxCreators),
	RuleUTF8:     "is not valid UTF-8",
	RuleRole:     "is not a role of the protocol",
	RuleIPI:      "is not 1 to 11 digits",
	RuleISNI:     "is not 16 characters of 0 to 9 and X",
}

func errNoMedia() error { return &ValidationError{Field: "media", Rule: RuleRequired} }

// Work is the input of a commitment, except the file.
type Work struct {
	Title    string    `json:"title"`
	Creators []Creator `json:"creators"`
}

// Validate returns the first broken rule as a [*ValidationError], or nil. It checks in the order of the protocol: the
// title, the number of creators, then for each creator the name, the e-mail address, the roles, the IPI and the ISNI.
func (w Work) Validate() error {
	if err := text("title", w.Title); err != nil {
		return err
	}
	if len(w.Creators) < 1 || len(w.Creators) > MaxCreators {
		return &ValidationError{Field: "creators", Rule: RuleCount}
	}
	for i, c := range w.Creators {
		if err := c.validate(fmt.Sprintf("creators[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

// Validate returns the first rule that c breaks as a [*ValidationError], or nil. The e-mail address must not be empty.
// The caller decides whether it has the form of an address.
func (c Creator) Validate() error { return c.validate("") }

func (c Creator) validate(path string) error {
	if err := text(path+"full_name", c.FullName); err != nil {
		return err
	}
	if err := text(path+"email", c.Email); err != nil {
		return err
	}
	if len(c.Roles) == 0 {
		return &ValidationError{Field: path + "roles", Rule: RuleRequired}
	}
	for i, r := range c.Roles {
		if !r.Valid() {
			return &ValidationError{Field: fmt.Sprintf("%sroles[%d]", path, i), Rule: RuleRole}
		}
	}
	if c.IPI != nil && !(len(*c.IPI) >= 1 && len(*c.IPI) <= 11 && only(*c.IPI, "0123456789")) {
		return &ValidationError{Field: path + "ipi", Rule: RuleIPI}
	}
	if c.ISNI != nil && !(len(*c.ISNI) == 16 && only(*c.ISNI, "0123456789X")) {
		return &ValidationError{Field: path + "isni", Rule: RuleISNI}
	}
	return nil
}

func text(path, s string) error {
	switch {
	case s == "":
		return &ValidationError{Field: path, Rule: RuleRequired}
	case !utf8.ValidString(s):
		return &ValidationError{Field: path, Rule: RuleUTF8}
	}
	return nil
}

// only reports whether every character of s is one of the characters of set.
func only(s, set string) bool { return strings.Trim(s, set) == "" }
