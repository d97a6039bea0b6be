package search

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits on the words of one text, and on those of a question.
const (
	maxWords = 200 // of one version
	maxWord  = 32  // characters of a word that count
	maxTerms = 6   // of a question
)

// words returns the words of a text in the order of the text: without capitals, accents and punctuation. A
// script that has no spaces between words has a word at each character.
func words(text string) (all []string) {
	runes := []rune(fold(text))
	for i := 0; i < len(runes) && len(all) < maxWords; {
		switch {
		case unspaced(runes[i]):
			end := i
			for end < len(runes) && end < i+maxWord && unspaced(runes[end]) {
				end++
			}
			all = append(all, string(runes[i:end]))
			i++
		case letter(runes[i]):
			end := i
			for end < len(runes) && letter(runes[end]) && !unspaced(runes[end]) {
				end++
			}
			all = append(all, string(runes[i:min(end, i+maxWord)]))
			i = end
		default:
			i++
		}
	}
	return all
}

// terms returns the words of a question: a run of a script without spaces is one word.
func terms(text string) (all []string) {
	runes := []rune(fold(text))
	for i := 0; i < len(runes) && len(all) < maxTerms; {
		if !letter(runes[i]) {
			i++
			continue
		}
		end := i
		for end < len(runes) && letter(runes[end]) && unspaced(runes[end]) == unspaced(runes[i]) {
			end++
		}
		if word := string(runes[i:min(end, i+maxWord)]); !slices.Contains(all, word) {
			all = append(all, word)
		}
		i = end
	}
	return all
}

// fold makes texts equal that people take for the same word.
func fold(text string) string {
	caser := cases.Fold()
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(caser.String(text)))
	return norm.NFC.String(folded.Replace(caser.String(plain)))
}

// folded are letters that Unicode does not take apart.
var folded = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ς", "σ", "'", "", "’", "")

func letter(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Mc, r)
}

// unspaced reports whether a letter is of a script whose words are not separated, or whose endings are part of the word.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || r == 'ー'
}

// beginnings returns the parts of a word that have a key.
func beginnings(word string) []string {
	r := []rune(word)
	if unspaced(r[0]) {
		return slices.Compact([]string{string(r[:1]), string(r[:min(2, len(r))])})
	}
	switch {
	case len(r) < 3:
		return []string{word}
	case len(r) < 6:
		return []string{string(r[:3])}
	}
	return []string{string(r[:3]), string(r[:6])}
}

// longest returns the beginning of a term that has a key in every word with the term.
func longest(term string) string {
	all := beginnings(term)
	return all[len(all)-1]
}

// matches reports whether a word of a work fits a term. A short term is a whole word.
func matches(word, term string) bool {
	r := []rune(term)
	if len(r) < 3 && !unspaced(r[0]) {
		return word == term
	}
	return strings.HasPrefix(word, term)
}
