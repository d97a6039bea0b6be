package legible

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key returns the comparison key of a title: titles that look the same have equal keys.
// Capitals, white space, forms of one letter (NFKC), quotation marks, dashes and
// invisible characters make no difference. A lookalike letter of another script counts
// as the letter that it looks like, where its word or title shows which script is meant.
// A text that is wholly in another script keeps its letters: СОН is not COH. 1 is not l,
// and rn is not m.
func Key(title string) string {
	key := once(title)
	// A small letter may look like another one although its capital does not, so some
	// texts need more than one round. No text is known that needs a fourth round.
	for range 4 {
		again := once(key)
		if again == key {
			break
		}
		key = again
	}
	return key
}

func once(title string) string {
	words := strings.FieldsFunc(norm.NFKD.String(seen(title)), unicode.IsSpace)
	all := letters(strings.Join(words, ""))
	for i, word := range words {
		words[i] = all.meant(word)
	}
	fold := cases.Fold()
	key := norm.NFKC.String(fold.String(strings.Join(words, " ")))
	return norm.NFKC.String(fold.String(key))
}

// seen removes invisible characters, replaces blank characters by a space, and replaces
// signs that look the same by one of them.
func seen(title string) string {
	t := read(title)
	var b strings.Builder
	for i, r := range t.all {
		picture := pictograph(t.base)
		switch kind := t.next(i); {
		case kind == Fine && (tag(r) || r == '\u200d' && picture):
			b.WriteRune(r) // another emoji
		case unicode.Is(unicode.Hangul, r) && hides(r), strings.ContainsRune(blanks, r):
			b.WriteRune(' ')
		case hides(r) || unicode.IsControl(r) && !unicode.IsSpace(r):
		default:
			if like, ok := signs[r]; ok {
				r = like
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// pair is a letter of a script. The script is an index in scripts.
type pair struct {
	script int
	letter rune
}

var toLatin, fromLatin = func() (map[rune]rune, map[pair]rune) {
	to, from := map[rune]rune{}, map[pair]rune{}
	for i, s := range scripts {
		latin := []rune(s.latin)
		for j, r := range []rune(s.other) {
			to[r] = latin[j]
			if p := (pair{i, latin[j]}); from[p] == 0 {
				from[p] = r
			}
		}
	}
	return to, from
}()

// scriptOf returns the index of a letter's script in scripts, or -1.
func scriptOf(r rune) int {
	if r < 0x80 || !unicode.IsLetter(r) {
		return -1
	}
	return slices.IndexFunc(scripts, func(s script) bool { return unicode.Is(s.of, r) })
}

// letters are the letters of a text that look like other letters, or that others look like.
type letters []rune

func (all letters) latin() bool {
	return slices.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
}

// own reports whether the text has a letter of the script that does not look like a Latin one.
func (all letters) own(script int) bool {
	return slices.ContainsFunc(all, func(r rune) bool { return scriptOf(r) == script && toLatin[r] == 0 })
}

// latinOwn reports whether the text has a Latin letter that no letter of the script looks like.
func (all letters) latinOwn(script int) bool {
	return slices.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Latin, r) && fromLatin[pair{script, r}] == 0 })
}

// other returns the script of the letters that are not Latin, or -1. If there are several
// scripts, it returns the one with letters that do not look like Latin ones.
func (all letters) other() int {
	found := -1
	for _, r := range all {
		if s := scriptOf(r); s >= 0 && (found < 0 || toLatin[r] == 0) {
			if found = s; toLatin[r] == 0 {
				return s
			}
		}
	}
	return found
}

// meant returns a word of the title in letters of the intended script.
func (all letters) meant(word string) string {
	w := letters(word)
	to, of := w.other(), all.other()
	toOther := false
	switch {
	case to < 0: // Latin, or none of these scripts
		to = of
		toOther = to >= 0 && all.own(to) && !all.latinOwn(to)
	case to != of && !w.own(to) && all.own(of): // a third script between words of another
		to, toOther = of, !w.latinOwn(of)
	case w.own(to):
		toOther = !w.latinOwn(to)
	case !w.latin() && !all.latin():
		toOther = true // perhaps a word of two scripts that are not Latin
	case !w.latin():
		toOther = all.own(to)
	}
	if to < 0 {
		return word
	}
	return strings.Map(func(r rune) rune {
		like := r
		if l, ok := toLatin[r]; ok && (!toOther || scriptOf(r) != to) {
			like = l
		}
		if toOther {
			if l, ok := fromLatin[pair{to, like}]; ok {
				return l
			}
			return r
		}
		return like
	}, word)
}
