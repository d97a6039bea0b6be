package docsite

import (
	"cmp"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// section is the text between two headings. A search returns sections.
type section struct {
	Page, Heading, URL string

	text  string
	lower struct{ page, heading, text string } // lower case, for comparison with a query
}

// index prepares a section for the search.
func (s *section) index() {
	s.text = strings.Join(strings.Fields(s.text), " ")
	s.lower.page, s.lower.heading, s.lower.text = strings.ToLower(s.Page), strings.ToLower(s.Heading), strings.ToLower(s.text)
	if len(s.lower.text) != len(s.text) { // a letter's lower case has another length, but excerpts need equal offsets
		s.lower.text = s.text
	}
}

func (s *section) has(word string) bool {
	return strings.Contains(s.lower.text, word) || strings.Contains(s.lower.heading, word) || strings.Contains(s.lower.page, word)
}

// result is a section that was found, with its URL.
type result struct {
	section
	Excerpt []fragment
}

// fragment is a part of an excerpt.
type fragment struct {
	Text string
	Hit  bool
}

// The limits of a query: a longer one is cut. They also limit its cost: each term is
// searched in each section, and an unknown term is compared once with each word.
const (
	maxQuery = 100
	maxTerms = 8
	maxNear  = 3 // corrections of a mistyped word
	shown    = 30
)

// term is a word of a query, with its forms and synonyms.
type term struct {
	words []counted
}

// counted is a word to search, and its weight: 100 is the word itself.
type counted struct {
	word   string
	weight int
}

// The weights of words other than the typed one.
const (
	typed   = 100
	stemmed = 70
	alike   = 40 // in meaning
	near    = 20 // in letters
)

// alikes are words that people search for, with the words that these documents use.
var alikes = map[string][]string{
	"a11y":          {"accessibility"},
	"account":       {"external-user-id"},
	"angular":       {"frameworks"},
	"audio":         {"recording"},
	"babel":         {"react 19"},
	"bitcoin":       {"blockchain"},
	"capacitor":     {"iframe"},
	"color":         {"colour"},
	"colors":        {"colour"},
	"compose":       {"docker"},
	"container":     {"docker"},
	"cookies":       {"cookie", "gdpr"},
	"cost":          {"credits", "prices"},
	"csp":           {"content-security-policy"},
	"css":           {"theming"},
	"darkmode":      {"light and dark"},
	"delete":        {"erase"},
	"deploy":        {"operating"},
	"dsgvo":         {"gdpr"},
	"embed":         {"where the widget can stand"},
	"fee":           {"credits", "prices"},
	"fees":          {"credits", "prices"},
	"fingerprint":   {"file hash", "key fingerprint"},
	"font":          {"--ats-font-family"},
	"forgotten":     {"access code"},
	"frame":         {"iframe"},
	"helm":          {"docker", "operating"},
	"https":         {"proxy"},
	"i18n":          {"languages"},
	"install":       {"quick start", "operating"},
	"jquery":        {"quick start"},
	"json":          {"openapi"},
	"jsx":           {"react"},
	"k8s":           {"docker", "operating"},
	"kubernetes":    {"docker", "operating"},
	"law":           {"legal", "copyright"},
	"lawyer":        {"legal", "copyright"},
	"locale":        {"languages"},
	"login":         {"external-user-id"},
	"logo":          {"badge"},
	"lost":          {"access code"},
	"migrate":       {"upgrade"},
	"modal":         {"dialog"},
	"money":         {"credits"},
	"nextjs":        {"react"},
	"nuxt":          {"vue"},
	"organisation":  {"organization"},
	"payment":       {"credits"},
	"pin":           {"fixed versions"},
	"pinned":        {"fixed versions"},
	"pinning":       {"fixed versions"},
	"popup":         {"dialog", "allow-popups"},
	"price":         {"credits", "prices"},
	"remove":        {"erase"},
	"responsive":    {"320"},
	"reverse-proxy": {"proxy"},
	"rtl":           {"right-to-left"},
	"sandbox":       {"iframe", "testnet"},
	"spa":           {"single-page"},
	"splits":        {"shares"},
	"sri":           {"integrity"},
	"ssl":           {"proxy"},
	"ssr":           {"without a dom"},
	"style":         {"theming"},
	"subresource":   {"integrity"},
	"throttle":      {"limits"},
	"timestamp":     {"time stamp", "time-stamp"},
	"timestamping":  {"time stamp", "time-stamp"},
	"timezone":      {"time zone"},
	"timezones":     {"time zone"},
	"tls":           {"proxy"},
	"translation":   {"languages"},
	"update":        {"upgrade"},
	"wallet":        {"blockchain"},
	"wordpress":     {"php", "where the widget can stand"},
}

// silent are filler words, which a search ignores.
var silent = words("a an and are can do does for how i in is it my of on or the to use we what when where with")

func words(text string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(text) {
		all[w] = true
	}
	return all
}

// word matches a word as people type it. An error code is one word, and so is each part of it.
var word = regexp.MustCompile(`[\p{L}\p{N}]+(?:[._-][\p{L}\p{N}]+)*`)

// vocabulary returns every word of at least four letters, for corrections of mistyped words.
func vocabulary(sections []section) []spelt {
	seen := map[string]bool{}
	add := func(w string) {
		if utf8.RuneCountInString(w) >= 4 && len(w) <= maxQuery {
			seen[w] = true
		}
	}
	for _, s := range sections {
		for _, text := range []string{s.lower.page, s.lower.heading, s.lower.text} {
			for _, w := range word.FindAllString(text, -1) {
				add(w)
				for _, part := range strings.FieldsFunc(w, func(r rune) bool { return r == '.' }) {
					add(part)
				}
			}
		}
	}
	for w := range alikes {
		add(w)
	}
	all := make([]spelt, 0, len(seen))
	for w := range seen {
		all = append(all, spell(w))
	}
	slices.SortFunc(all, func(a, b spelt) int { return strings.Compare(a.word, b.word) })
	return all
}

// spelt is a word as letters. has is the set of its letters: most words that are not
// similar already differ too much in it.
type spelt struct {
	word    string
	letters []rune
	has     uint64
}

func spell(w string) spelt {
	s := spelt{word: w, letters: []rune(w)}
	for _, r := range s.letters {
		s.has |= 1 << (r % 64)
	}
	return s
}

// terms reads a query. It replaces unknown words by the nearest known ones, and returns
// these as meant.
func (s *site) terms(query string) (all []term, meant []string) {
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	typed := strings.Fields(strings.ToLower(query))
	for i, w := range typed {
		typed[i] = strings.Trim(w, `"'“”‘’?!,;:()<>`+"`")
	}
	typed = slices.DeleteFunc(typed, func(w string) bool { return w == "" })
	telling := slices.DeleteFunc(slices.Clone(typed), func(w string) bool { return silent[w] })
	if len(telling) == 0 {
		telling = typed
	}
	for _, w := range telling[:min(len(telling), maxTerms)] {
		t := expand(w)
		if !s.known(t) {
			close := nearest(w, s.words)
			if len(close) == 0 {
				return nil, nil // no section has every word
			}
			for _, n := range close {
				meant = append(meant, n)
				for _, c := range expand(n).words {
					t.words = append(t.words, counted{c.word, c.weight * near / 100})
				}
			}
		}
		all = append(all, t)
	}
	return all, meant
}

// expand adds to a word its stem, and words of the same meaning.
func expand(w string) term {
	t := term{[]counted{{w, typed}}}
	if stem := stem(w); stem != w {
		t.words = append(t.words, counted{stem, stemmed})
	}
	for _, key := range []string{w, stem(w)} {
		for _, a := range alikes[key] {
			t.words = append(t.words, counted{a, alike})
		}
		if key == stem(w) {
			break
		}
	}
	return t
}

// stem removes the ending of an English plural. Removing more endings would make results worse.
func stem(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] // entries, entry
	case len(w) > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		return w[:len(w)-2]
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss"):
		return w[:len(w)-1]
	}
	return w
}

// known reports whether any section has the term.
func (s *site) known(t term) bool {
	for i := range s.sections {
		for _, c := range t.words {
			if s.sections[i].has(c.word) {
				return true
			}
		}
	}
	return false
}

// nearest returns the words with the fewest typing errors: at most one in a word of four
// letters or more, at most two from eight letters.
func nearest(w string, among []spelt) []string {
	from := spell(w)
	best := min(len(from.letters)/4, 2)
	if best == 0 {
		return nil
	}
	var found []string
	for _, one := range among {
		if bits.OnesCount64(from.has^one.has) > 2*best {
			continue
		}
		switch d := distance(from.letters, one.letters, best); {
		case d < best:
			best, found = d, append(found[:0], one.word)
		case d == best:
			found = append(found, one.word)
		}
	}
	// Prefer words with the same beginning.
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(common(w, b), common(w, a)) })
	return found[:min(len(found), maxNear)]
}

// common returns the length of the common beginning of two words, in bytes.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// distance returns the number of letters to insert, delete, replace or swap with their
// neighbour. It returns most+1 for more than most.
func distance(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most+1)
}

// search returns the sections that have every word of the query, the best first.
// A word in a heading counts more than one in the text, and a typed word more than a
// similar one. meant are the words that replaced unknown words.
func (s *site) search(query string) (results []result, meant []string) {
	terms, meant := s.terms(query)
	if len(terms) == 0 {
		return nil, nil
	}
	type scored struct {
		section
		score int
	}
	var found []scored
	for _, one := range s.sections {
		if n := one.score(terms); n > 0 {
			found = append(found, scored{one, n})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	found = found[:min(len(found), shown)]
	results = make([]result, len(found))
	for i, f := range found {
		results[i] = result{f.section, f.excerpt(terms)}
	}
	if len(results) == 0 {
		meant = nil
	}
	return results, meant
}

// score returns the weight of a section, 0 when a term is missing.
func (s section) score(terms []term) int {
	total := 0
	for _, t := range terms {
		best := 0
		for _, c := range t.words {
			best = max(best, s.count(c.word)*c.weight)
		}
		if best == 0 {
			return 0
		}
		total += best
	}
	return total
}

// count returns the weight of a word in this section.
func (s section) count(word string) int {
	n := min(strings.Count(s.lower.text, word), 4)
	if strings.Contains(s.lower.page, word) {
		n += 5
	}
	heading := s.lower.heading
	switch {
	case heading == word:
		n += 100
	case strings.HasPrefix(heading, word):
		n += 30
	case strings.Contains(heading, word):
		n += 20
	}
	return n
}

// excerpt returns some text around the first term in it, with every term marked.
func (s section) excerpt(terms []term) []fragment {
	text, lower := s.text, s.lower.text
	var words []string
	for _, t := range terms {
		for _, c := range t.words {
			words = append(words, c.word)
		}
	}
	first := len(text)
	for _, w := range words {
		if i := strings.Index(lower, w); i >= 0 {
			first = min(first, i)
		}
	}
	if first == len(text) {
		first = 0
	}
	start, end := max(0, first-60), min(len(text), first+140)
	for start > 0 && text[start-1] != ' ' {
		start--
	}
	for end < len(text) && text[end] != ' ' {
		end++
	}
	var out []fragment
	add := func(s string, hit bool) {
		if s != "" {
			out = append(out, fragment{s, hit})
		}
	}
	if start > 0 {
		add("… ", false)
	}
	plainFrom := start
	for i := start; i < end; {
		size := 0
		for _, w := range words {
			if strings.HasPrefix(lower[i:end], w) {
				size = max(size, len(w))
			}
		}
		if size == 0 {
			_, n := utf8.DecodeRuneInString(text[i:])
			i += n
			continue
		}
		add(text[plainFrom:i], false)
		add(text[i:i+size], true)
		i += size
		plainFrom = i
	}
	add(text[plainFrom:end], false)
	if end < len(text) {
		add(" …", false)
	}
	return out
}
