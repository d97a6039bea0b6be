package docsite

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// section is what lies between two headings: what a search finds.
type section struct {
	Page, Heading, URL string

	text  string
	lower struct{ page, heading, text string } // what a query is compared with
}

// index makes a section ready to be searched.
func (s *section) index() {
	s.text = strings.Join(strings.Fields(s.text), " ")
	s.lower.page, s.lower.heading, s.lower.text = strings.ToLower(s.Page), strings.ToLower(s.Heading), strings.ToLower(s.text)
	if len(s.lower.text) != len(s.text) { // a letter whose lower case has another length: an excerpt is cut by its places
		s.lower.text = s.text
	}
}

// result is a section that was found, with the place where.
type result struct {
	section
	Excerpt []fragment
}

// fragment is a part of an excerpt.
type fragment struct {
	Text string
	Hit  bool
}

// The bounds of a query: what is longer is cut.
const (
	maxQuery = 100
	maxTerms = 8
	shown    = 30
)

// search finds the sections that have every word of the query, the best first.
// A word in a heading counts more than one in the text.
func (s *site) search(query string) []result {
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	terms := strings.Fields(strings.ToLower(query))
	terms = terms[:min(len(terms), maxTerms)]
	if len(terms) == 0 {
		return nil
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
	results := make([]result, len(found))
	for i, f := range found {
		results[i] = result{f.section, f.excerpt(terms)}
	}
	return results
}

// score is 0 when a term is missing.
func (s section) score(terms []string) int {
	page, heading, text := s.lower.page, s.lower.heading, s.lower.text
	total := 0
	for _, term := range terms {
		n := min(strings.Count(text, term), 4)
		if strings.Contains(page, term) {
			n += 5
		}
		switch {
		case heading == term:
			n += 100
		case strings.HasPrefix(heading, term):
			n += 30
		case strings.Contains(heading, term):
			n += 20
		}
		if n == 0 {
			return 0
		}
		total += n
	}
	return total
}

// excerpt is some of the text around the first term that is in it, with every
// term marked.
func (s section) excerpt(terms []string) []fragment {
	text, lower := s.text, s.lower.text
	first := len(text)
	for _, term := range terms {
		if i := strings.Index(lower, term); i >= 0 {
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
		for _, term := range terms {
			if strings.HasPrefix(lower[i:end], term) {
				size = max(size, len(term))
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
