// Package legible finds characters that people cannot see. Titles and names are
// registered byte by byte, but people compare what they see. An invisible character,
// or one that moves others, makes the two differ.
//
// The package works only on characters. The widget and the page /verify have the same
// rules (web/i18n/legible.ts), and testdata/cases.json tests all of them. The reasons
// are in docs/adr/0060-texts-that-are-seen.md.
package legible

import (
	"fmt"
	"strings"
	"unicode"
)

// Kind says what is wrong with a character at its place. It is the rule in
// common.validation_failed.
type Kind string

// The kinds.
const (
	Fine      Kind = ""
	Direction Kind = "direction_mark"    // changes the direction of the text around it
	Control   Kind = "control_character" // C0, C1, and the separators of lines and paragraphs
	Hidden    Kind = "hidden_character"  // invisible, and without effect at its place
	Private   Kind = "private_character" // private use: no standard defines it
	Mark      Kind = "combining_marks"   // a mark without a letter, or one more than a letter has
)

// MaxMarks is the maximum number of nonspacing marks of one letter. Tibetan stacks have
// up to 8.
const MaxMarks = 8

// blanks are invisible characters that are neither white space nor ignorable: a braille
// cell without dots, a note without a head, two hieroglyphs, and the anchors of
// annotations and objects.
const blanks = "\u2800\U0001d159\U00013441\U00013442\ufff9\ufffa\ufffb\ufffc"

// ignorable is Default_Ignorable_Code_Point: characters that a program does not show
// when it does not support them. The ranges are the same in Unicode 14 to 17.
var ignorable = table(0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f, 0x200b, 0x200f, 0x202a, 0x202e, 0x2060, 0x206f,
	0x3164, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xfeff, 0xffa0, 0xffa0, 0xfff0, 0xfff8, 0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0fff)

// table returns a table of ranges, given as first, last, first, last.
func table(ends ...rune) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for i := 0; i < len(ends); i += 2 {
		t.R32 = append(t.R32, unicode.Range32{Lo: uint32(ends[i]), Hi: uint32(ends[i+1]), Stride: 1})
	}
	return t
}

// hides reports whether a character is invisible, at least in some programs.
func hides(r rune) bool { return unicode.Is(ignorable, r) || strings.ContainsRune(blanks, r) }

// Blank reports whether a text is invisible: it has only white space, marks without a
// letter, and invisible characters. The empty text is blank.
func Blank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsSpace(r) && !unicode.IsMark(r) && !hides(r) })
}

// First returns the kind and the rune of the first character that is not fine, and its
// place counted from 1. Without such a character, kind is Fine.
func First(text string) (kind Kind, r rune, at int) {
	if plain(text) {
		return Fine, 0, 0
	}
	t := read(text)
	for i, r := range t.all {
		if kind := t.next(i); kind != Fine {
			return kind, r, i + 1
		}
	}
	return Fine, 0, 0
}

// Shown returns a text that is safe to show to people: each character that is not fine
// is replaced by its number, such as ⟨U+202E⟩.
func Shown(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	t := read(text)
	for i, r := range t.all {
		if t.next(i) == Fine {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		}
	}
	return b.String()
}

// Clean returns a text without direction marks and invisible characters. Use it for a
// name that is not part of a commitment.
func Clean(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	t := read(text)
	for i, r := range t.all {
		if kind := t.next(i); kind != Direction && kind != Hidden {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plain reports whether a text needs no further checks. Most texts have only letters.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r > '~' && (!unicode.IsLetter(r) || hides(r)) && !unicode.IsSpace(r) || unicode.Is(unicode.Cc, r) || r == '\u2028' || r == '\u2029'
	})
}

// reading is the state while a text is read from its first character to its last.
type reading struct {
	all   []rune
	base  rune // the character that marks belong to, or 0
	marks int  // nonspacing marks on base
	begun bool // something other than white space was read
}

func read(text string) *reading { return &reading{all: []rune(text)} }

// at returns the character at i, or 0.
func (t *reading) at(i int) rune {
	if i < 0 || i >= len(t.all) {
		return 0
	}
	return t.all[i]
}

// next returns the kind of the character at i. Call it for every i, in order.
func (t *reading) next(i int) (kind Kind) {
	r := t.all[i]
	mark := unicode.IsMark(r)
	if unicode.In(r, unicode.Mn, unicode.Me) {
		t.marks++
	}
	switch {
	case unicode.Is(unicode.Bidi_Control, r):
		kind = Direction
	case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
		kind = Control
	case hides(r) && !t.acts(i):
		kind = Hidden
	case unicode.Is(unicode.Co, r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef:
		kind = Private
	case mark && (t.marks > MaxMarks || bare(t.base) && !(t.begun && unicode.IsSpace(t.base) && standsOnSpace(r))):
		kind = Mark
	}
	if kind != Fine && kind != Mark {
		t.base, t.marks = 0, 0 // a mark after it has no letter
	} else if !mark {
		t.base, t.marks = r, 0
		t.begun = t.begun || !bare(r)
	}
	return kind
}

// bare reports whether a mark after r has no letter.
func bare(r rune) bool {
	return r == 0 || unicode.IsSpace(r) || hides(r) && !joiner(r)
}

// standsOnSpace reports whether a mark may follow a space: the pause marks of the
// Koran, which are between words, and lines above, below and through words.
func standsOnSpace(r rune) bool {
	return r >= '\u06d6' && r <= '\u06dc' || r == '\u0305' || r >= '\u0332' && r <= '\u0338'
}

func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// acts reports whether an invisible character changes how others look: joiners in
// joining scripts and in emoji, variation selectors, breaks between words of scripts
// without spaces, and the tags of a flag.
func (t *reading) acts(i int) bool {
	r, before, after := t.all[i], t.at(i-1), t.at(i+1)
	switch {
	case r == '\u200c' && t.base != 0 && strings.ContainsRune(viramas, before): // also at the end of a word, as Malayalam and Telugu have it
		return true
	case r == '\u200c': // ZERO WIDTH NON-JOINER
		return t.base != 0 && !joiner(t.base) && !unicode.IsSpace(t.base) && after != 0 && !unicode.IsSpace(after) && (joins(t.base) || joins(after))
	case r == '\u200d': // ZERO WIDTH JOINER
		return joins(t.base) || t.base != 0 && !joiner(t.base) && joins(after) || pictograph(t.base) && pictograph(after)
	case r == '\u200b': // ZERO WIDTH SPACE
		return unicode.In(t.base, withoutSpaces...) && unicode.In(after, withoutSpaces...)
	case r == '\ufe0e' || r == '\ufe0f': // the looks of an emoji
		return pictograph(before) || after == '\u20e3' && before != 0 && strings.ContainsRune("0123456789#*", before)
	case r >= '\ufe00' && r <= '\ufe02', r >= 0xe0100 && r <= 0xe01ef: // variations of an ideograph
		return unicode.Is(unicode.Han, before) || r == '\ufe00' && unicode.Is(unicode.Myanmar, before)
	case r >= '\u180b' && r <= '\u180d' || r == '\u180f': // variations of a Mongolian letter
		return unicode.Is(unicode.Mongolian, before) && unicode.IsLetter(before)
	case r == '\u180e': // MONGOLIAN VOWEL SEPARATOR
		return unicode.Is(unicode.Mongolian, t.base) && unicode.Is(unicode.Mongolian, after)
	case r == '\u034f': // COMBINING GRAPHEME JOINER, between Hebrew points
		return point(before) && point(after)
	case r == '\u2800': // a braille cell without dots, between others
		return dots(before) && dots(after)
	case tag(r):
		return t.flag(i)
	}
	return false
}

// viramas remove the vowel of the letter before them.
const viramas = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"

// flag reports whether the tag at i is part of the flag of a region: up to 6 small
// letters and digits after a black flag, and the end tag.
func (t *reading) flag(i int) bool {
	from, to := i, i
	if t.at(i) == lastTag {
		from--
	}
	for regional(t.at(from)) && i-from < 8 {
		from--
	}
	for regional(t.at(to)) && to-i < 8 {
		to++
	}
	return t.at(from) == blackFlag && t.at(to) == lastTag && to-from > 1 && to-from <= 7 && !tag(t.at(to+1))
}

// joins reports whether a letter or digit belongs to a script whose letters may join.
func joins(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nd) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Georgian, unicode.Hebrew, unicode.Cherokee,
		unicode.Ethiopic, unicode.Thai, unicode.Lao, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Canadian_Aboriginal, unicode.Coptic, unicode.Deseret, unicode.Gothic, unicode.Lisu, unicode.Ogham, unicode.Osage, unicode.Vai, unicode.Yi, unicode.Common) && !hides(r)
}

// withoutSpaces are scripts without spaces between words.
var withoutSpaces = []*unicode.RangeTable{unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

const blackFlag, lastTag = '\U0001f3f4', '\U000e007f'

func tag(r rune) bool { return r >= 0xe0020 && r <= 0xe007f }

// regional reports whether r is a tag of a region's name: a to z or 0 to 9.
func regional(r rune) bool { return r >= 0xe0061 && r <= 0xe007a || r >= 0xe0030 && r <= 0xe0039 }

func dots(r rune) bool { return r > '\u2800' && r <= '\u28ff' }

// point reports whether r is a mark of pointed Hebrew.
func point(r rune) bool { return r >= '\u0591' && r <= '\u05c7' && unicode.IsMark(r) }

// pictograph reports whether r is Extended_Pictographic, Regional_Indicator or Emoji_Modifier.
func pictograph(r rune) bool { return unicode.Is(pictographs, r) }
