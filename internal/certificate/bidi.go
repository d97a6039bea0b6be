package certificate

import (
	"slices"

	"github.com/go-text/typesetting/di"
	"golang.org/x/text/unicode/bidi"
)

// The Unicode Bidirectional Algorithm (UAX #9), without embeddings and overrides: the page
// shows such characters by their numbers. Isolates are only those of [words.isolated]. The
// library that shapes text has the algorithm too, but gives a number between two directions
// the level of its neighbour, and then sorts it to the wrong side.

// A sequence is the characters of one level that follow each other, without those of an
// isolate between them (BD13).
type sequence struct {
	at       []int // indices of the characters
	level    int
	sos, eos bidi.Class // the directions before and after
}

// levels returns the embedding level of each character of a paragraph: even from left to
// right, odd from right to left.
func levels(text []rune, base di.Direction) []int {
	level := 0
	if base == di.DirectionRTL {
		level = 1
	}
	all := make([]int, len(text))
	classes := make([]bidi.Class, len(text))
	plain := true
	for i, r := range text {
		c, _ := bidi.LookupRune(r)
		classes[i] = c.Class()
		switch classes[i] {
		case bidi.R, bidi.AL, bidi.AN, bidi.FSI, bidi.LRI, bidi.RLI, bidi.PDI:
			plain = false
		}
	}
	if plain && level == 0 {
		return all
	}
	for _, s := range isolate(text, classes, all, level) {
		s.weak(classes)
		s.brackets(text, classes)
		s.neutral(classes)
		for _, i := range s.at { // I1, I2
			switch c := classes[i]; {
			case s.level%2 == 0 && c == bidi.R:
				all[i]++
			case s.level%2 == 0 && (c == bidi.AN || c == bidi.EN):
				all[i] += 2
			case s.level%2 == 1 && (c == bidi.L || c == bidi.AN || c == bidi.EN):
				all[i]++
			}
		}
	}
	return all
}

// isolate sets the explicit levels, and returns the sequences (X5 to X10).
func isolate(text []rune, classes []bidi.Class, all []int, base int) []*sequence {
	var done []*sequence
	stack := []*sequence{{level: base}}
	for i := range text {
		s := stack[len(stack)-1]
		all[i] = s.level
		switch classes[i] {
		case bidi.FSI, bidi.LRI, bidi.RLI:
			s.at = append(s.at, i)
			inner := s.level + 2 - s.level%2 // from left to right
			if right := classes[i] == bidi.RLI || classes[i] == bidi.FSI && rightFirst(text[i+1:]); right {
				inner = s.level + 1 + s.level%2
			}
			classes[i] = bidi.ON
			stack = append(stack, &sequence{level: inner})
		case bidi.PDI:
			classes[i] = bidi.ON
			if len(stack) > 1 {
				done = append(done, s)
				stack = stack[:len(stack)-1]
				s = stack[len(stack)-1]
				all[i] = s.level
			}
			s.at = append(s.at, i)
		default:
			s.at = append(s.at, i)
		}
	}
	done = append(done, stack...)
	for _, s := range done { // what is around an isolate has a lower level (X10)
		s.sos, s.eos = towards(s.level), towards(s.level)
	}
	return done
}

// rightFirst reports whether the first letter of an isolate is from right to left (P2).
func rightFirst(text []rune) bool {
	depth := 0
	for _, r := range text {
		c, _ := bidi.LookupRune(r)
		switch c.Class() {
		case bidi.FSI, bidi.LRI, bidi.RLI:
			depth++
		case bidi.PDI:
			if depth--; depth < 0 {
				return false
			}
		case bidi.L:
			if depth == 0 {
				return false
			}
		case bidi.R, bidi.AL:
			if depth == 0 {
				return true
			}
		}
	}
	return false
}

func towards(level int) bidi.Class {
	if level%2 == 1 {
		return bidi.R
	}
	return bidi.L
}

// weak resolves marks and numbers (W1 to W7).
func (s *sequence) weak(classes []bidi.Class) {
	class := func(k int) *bidi.Class { return &classes[s.at[k]] }
	before := s.sos
	for k := range s.at { // W1
		if c := class(k); *c == bidi.NSM {
			*c = before
		}
		before = *class(k)
	}
	strong := s.sos
	for k := range s.at { // W2, W3
		switch c := class(k); *c {
		case bidi.L, bidi.R:
			strong = *c
		case bidi.AL:
			strong, *c = bidi.AL, bidi.R
		case bidi.EN:
			if strong == bidi.AL {
				*c = bidi.AN
			}
		}
	}
	for k := 1; k < len(s.at)-1; k++ { // W4
		a, c, b := *class(k - 1), class(k), *class(k + 1)
		if a == b && (*c == bidi.CS && (a == bidi.EN || a == bidi.AN) || *c == bidi.ES && a == bidi.EN) {
			*c = a
		}
	}
	for k := 0; k < len(s.at); k++ { // W5
		to := k
		for to < len(s.at) && (*class(to) == bidi.ET || *class(to) == bidi.BN) {
			to++
		}
		if to > k && (k > 0 && *class(k - 1) == bidi.EN || to < len(s.at) && *class(to) == bidi.EN) {
			for ; k < to; k++ {
				*class(k) = bidi.EN
			}
		}
		k = max(k, to-1)
	}
	strong = s.sos
	for k := range s.at { // W6, W7
		switch c := class(k); *c {
		case bidi.ES, bidi.ET, bidi.CS:
			*c = bidi.ON
		case bidi.L, bidi.R:
			strong = *c
		case bidi.EN:
			if strong == bidi.L {
				*c = bidi.L
			}
		}
	}
}

// paired are brackets with their partners (Bidi_Paired_Bracket).
const paired = "()[]{}༺༻༼༽᚛᚜⁅⁆⁽⁾₍₎⌈⌉⌊⌋❨❩❪❫❬❭❮❯❰❱❲❳❴❵⟅⟆⟦⟧⟨⟩⟪⟫⟬⟭⟮⟯⦃⦄⦅⦆⦇⦈⦉⦊⦋⦌⦍⦐⦏⦎⦑⦒⦓⦔⦕⦖⦗⦘⧘⧙⧚⧛⧼⧽⸢⸣⸤⸥⸦⸧⸨⸩⹕⹖⹗⹘⹙⹚⹛⹜〈〉《》「」『』【】〔〕〖〗〘〙〚〛﹙﹚﹛﹜﹝﹞（）［］｛｝｟｠｢｣"

var partner = func() map[rune]rune {
	all := map[rune]rune{}
	r := []rune(paired)
	for i := 0; i < len(r); i += 2 {
		all[r[i]] = r[i+1]
	}
	all['\u2329'] = '\u232a'
	return all
}()

// canonical returns one of two brackets that count as one.
func canonical(r rune) rune {
	switch r {
	case '\u2329':
		return '\u3008'
	case '\u232a':
		return '\u3009'
	}
	return r
}

// brackets gives a pair of brackets one direction (N0).
func (s *sequence) brackets(text []rune, classes []bidi.Class) {
	type opened struct {
		k     int
		close rune
	}
	var stack []opened
	var pairs [][2]int
	for k, i := range s.at {
		if classes[i] != bidi.ON {
			continue
		}
		r := text[i]
		if to, ok := partner[r]; ok {
			if len(stack) == 63 { // BD16
				pairs = nil
				break
			}
			stack = append(stack, opened{k, canonical(to)})
			continue
		}
		for d := len(stack) - 1; d >= 0; d-- {
			if stack[d].close == canonical(r) {
				pairs = append(pairs, [2]int{stack[d].k, k})
				stack = stack[:d]
				break
			}
		}
	}
	slices.SortFunc(pairs, func(a, b [2]int) int { return a[0] - b[0] })
	strong := func(k int) bidi.Class {
		switch c := classes[s.at[k]]; c {
		case bidi.EN, bidi.AN, bidi.R:
			return bidi.R
		case bidi.L:
			return bidi.L
		}
		return bidi.ON
	}
	own := towards(s.level)
	for _, p := range pairs {
		to := bidi.ON
		for k := p[0] + 1; k < p[1]; k++ {
			if c := strong(k); c == own {
				to = own
				break
			} else if c != bidi.ON {
				to = c
			}
		}
		if to == bidi.ON {
			continue
		}
		if to != own { // as what is before
			before := s.sos
			for k := p[0] - 1; k >= 0; k-- {
				if c := strong(k); c != bidi.ON {
					before = c
					break
				}
			}
			if before != to {
				to = own
			}
		}
		for _, k := range p {
			classes[s.at[k]] = to
			for m := k + 1; m < len(s.at); m++ { // marks on the bracket
				if c, _ := bidi.LookupRune(text[s.at[m]]); c.Class() != bidi.NSM {
					break
				}
				classes[s.at[m]] = to
			}
		}
	}
}

// neutral resolves what has no direction by what is around it (N1, N2).
func (s *sequence) neutral(classes []bidi.Class) {
	number := func(c bidi.Class) bidi.Class {
		if c == bidi.EN || c == bidi.AN {
			return bidi.R
		}
		return c
	}
	is := func(k int) bool {
		switch classes[s.at[k]] {
		case bidi.L, bidi.R, bidi.EN, bidi.AN:
			return false
		}
		return true
	}
	for k := 0; k < len(s.at); k++ {
		to := k
		for to < len(s.at) && is(to) {
			to++
		}
		if to == k {
			continue
		}
		before, after := s.sos, s.eos
		if k > 0 {
			before = number(classes[s.at[k-1]])
		}
		if to < len(s.at) {
			after = number(classes[s.at[to]])
		}
		c := towards(s.level)
		if before == after {
			c = before
		}
		for ; k < to; k++ {
			classes[s.at[k]] = c
		}
		k--
	}
}

// visual sorts parts of a line, given in reading order with their levels, from left to
// right (L2).
func visual[T any](parts []T, level func(T) int) {
	most := 0
	for _, p := range parts {
		most = max(most, level(p))
	}
	for l := most; l > 0; l-- {
		for i := 0; i < len(parts); i++ {
			to := i
			for to < len(parts) && level(parts[to]) >= l {
				to++
			}
			if to > i {
				slices.Reverse(parts[i:to])
				i = to
			}
		}
	}
}
