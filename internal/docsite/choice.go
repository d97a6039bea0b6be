package docsite

import "slices"

// A choice is a set of pages of which a reader needs one: a framework, or a language. The
// pages link to each other at their top, and the script keeps what a reader chose. Other
// pages can have a section for each option; the script then shows the chosen one.
type choice struct {
	ID      string // under which the script keeps the choice
	Title   string
	Index   option // the page with what all options share
	Options []option
}

// An option is one page of a choice.
type option struct {
	Name string // as in headings of other pages
	URL  string
	page string // the document, without .md
}

var choices = []*choice{
	{ID: "framework", Title: "Framework", Index: option{"All frameworks", "/docs/frameworks", "frameworks"}, Options: options(
		"HTML", "html", "React", "react", "Next.js", "next", "Vue", "vue", "Svelte", "svelte", "Astro", "astro")},
	{ID: "language", Title: "Language of your backend", Index: option{"All languages", "/docs/backends", "backends"}, Options: options(
		"Node.js", "node", "Python", "python", "Go", "go-backend", "PHP", "php", "Ruby", "ruby")},
}

func options(namesAndPages ...string) (all []option) {
	for pair := range slices.Chunk(namesAndPages, 2) {
		all = append(all, option{pair[0], urlOf(pair[1]), pair[1]})
	}
	return all
}

// choiceOf returns the choice that a page is an option or the index of.
func choiceOf(name string) *choice {
	for _, c := range choices {
		if c.Index.page == name || slices.ContainsFunc(c.Options, func(o option) bool { return o.page == name }) {
			return c
		}
	}
	return nil
}
