package legible

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key is what makes two titles the same to their reader: equal keys are equal titles.
// Capitals, white space, forms of one letter (NFKC), quotation marks, dashes and what is
// not seen count for nothing; and a letter of another script counts as the one that it
// passes for, where its word or its title says which script is meant. A text wholly of
// another script stays: СОН is not COH. Nor is 1 an l, or rn an m.
func Key(title string) string {
	key := once(title)
	// A small letter may pass for another where its capital does not: some take a
	// second turn, and none was found that takes a fourth.
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

// seen drops what is not seen, puts a space where a blank has the width of one, and
// makes one of the signs that look the same.
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

// pair is a letter of a script, by its index in scripts.
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

// scriptOf is the index of a letter's script in scripts, or -1.
func scriptOf(r rune) int {
	if r < 0x80 || !unicode.IsLetter(r) {
		return -1
	}
	return slices.IndexFunc(scripts, func(s script) bool { return unicode.Is(s.of, r) })
}

// letters are the letters of a text that can pass for others, or that others pass for.
type letters []rune

func (all letters) latin() bool {
	return slices.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
}

// own reports whether a script is there with a letter that passes for no Latin one.
func (all letters) own(script int) bool {
	return slices.ContainsFunc(all, func(r rune) bool { return scriptOf(r) == script && toLatin[r] == 0 })
}

// latinOwn reports whether there is a Latin letter that none of the script passes for.
func (all letters) latinOwn(script int) bool {
	return slices.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Latin, r) && fromLatin[pair{script, r}] == 0 })
}

// other is the script beside Latin that the letters are of, or -1. Of several it is the
// one with letters of its own.
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

// meant is a word of the title, in the letters of the script that it is meant in.
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
		toOther = true // perhaps a word of two scripts, neither of them Latin
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
