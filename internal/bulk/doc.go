// Package bulk registers a list of songs with the Go client: it reads the list, keeps a journal, and writes a report.
//
// A song is registered once, whenever the process ends and is started again: the journal has the key of each init before it
// is sent. The package never decides what a server accepts, and never prints: its caller shows the progress. The API key is
// never in the journal or in a report; access codes are in the journal, and in no report.
package bulk

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"timbre.example/client"
)

// The bounds of a list.
const (
	MaxItems    = 200_000
	MaxListSize = 128 << 20 // bytes
	maxCreators = 32
)

// Item is one song of a list.
type Item struct {
	// Name is the path below the folder of the list, with slashes. The journal knows the song by it. Bytes that are not UTF-8
	// are written as \xNN.
	Name string
	// Row is the line of a CSV list, or the number of the song in a JSON list, from 1; 0: a folder has none.
	Row int
	// Path opens the file.
	Path     string
	Size     int64
	Modified time.Time

	// Unread says that Read named a problem of the file.
	Unread bool

	Title    string
	Creators []client.Creator
	Ref      string // the end-user; "": none
	// Numbers are those of the creators' columns in a list of CSV that leaves some out; nil: they are 1, 2 and so on.
	Numbers []int
}

// number is that of a creator, from 1, as the list has it. i counts from 0.
func (it *Item) number(i int) int {
	if i < len(it.Numbers) {
		return it.Numbers[i]
	}
	return i + 1
}

// Defaults complete songs of which the list says less.
type Defaults struct {
	// Creators are those of a song without any.
	Creators []client.Creator
	// Email and Roles are those of creators without any. Tags have names, and neither of both.
	Email string
	Roles []client.Role
	// TitleFromName takes the name of the file for a song without a title in the list and in its tags.
	TitleFromName bool
	Ref           string
}

// Problem says what a song lacks.
type Problem struct {
	Name, What string
	Row        int    // as in Item
	Flag       string // the flag of timbre register that gives it to all songs; "": none
}

// Missing is the error of a list with problems. Nothing was sent.
type Missing struct{ Problems []Problem }

// named is the name of a song in a problem.
func (it *Item) named() string {
	if it.Name == "" {
		return fmt.Sprintf("row %d", it.Row)
	}
	return it.Name
}

// Together is what Read and Complete found, as one error; nil: nothing.
func Together(read, completed error) error {
	a, b := (*Missing)(nil), (*Missing)(nil)
	if errors.As(read, &a) && errors.As(completed, &b) {
		return &Missing{slices.Concat(a.Problems, b.Problems)}
	}
	return cmp.Or(read, completed)
}

// Flags are the flags that would give what is missing.
func (m *Missing) Flags() (all []string) {
	for _, p := range m.Problems {
		if p.Flag != "" && !slices.Contains(all, p.Flag) {
			all = append(all, p.Flag)
		}
	}
	return all
}

const namesShown = 3

// Error lists the problems, the most frequent first, with some names for each.
func (m *Missing) Error() string {
	names := map[string][]string{}
	var order []string
	for _, p := range m.Problems {
		if names[p.What] == nil {
			order = append(order, p.What)
		}
		name := p.Name
		if strings.ContainsFunc(name, unicode.IsControl) { // a line break would make two
			name = strconv.Quote(name)
		}
		if p.Row > 0 && p.Name != (&Item{Row: p.Row}).named() {
			name += fmt.Sprintf(" (row %d)", p.Row)
		}
		names[p.What] = append(names[p.What], name)
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(len(names[b]), len(names[a])) })
	var b strings.Builder
	fmt.Fprintf(&b, "some songs are not complete, and nothing was sent")
	for _, what := range order {
		some := names[what]
		fmt.Fprintf(&b, "\n  %s (%d): %s", what, len(some), strings.Join(some[:min(namesShown, len(some))], ", "))
		if len(some) > namesShown {
			fmt.Fprintf(&b, ", …")
		}
	}
	return b.String()
}

// Complete fills in what is missing, from tags and defaults, for the songs that need a description. skip reports songs that
// need none. The error is a *Missing with all problems, or says that a file cannot be read.
func Complete(items []Item, d Defaults, skip func(*Item) bool) error {
	m := &Missing{}
	shared := slices.Clone(d.Creators) // of all songs without any
	complete(shared, d)
	for i := range items {
		it := &items[i]
		if skip(it) {
			continue
		}
		if it.Unread { // it can have tags, so only what the list says is known
			complete(it.Creators, d)
			m.Problems = append(m.Problems, problems(it)...)
			continue
		}
		f, err := os.Open(it.Path)
		if err != nil {
			m.Problems = append(m.Problems, Problem{Name: it.named(), What: "the file cannot be read", Row: it.Row})
			continue
		}
		f.Close()
		if it.Title == "" || len(it.Creators) == 0 && len(d.Creators) == 0 {
			t := readTags(it.Path)
			it.Title = cmp.Or(it.Title, t.title)
			if len(it.Creators) == 0 && len(d.Creators) == 0 {
				for _, name := range t.creators {
					it.Creators = append(it.Creators, client.Creator{FullName: name})
				}
			}
		}
		if it.Title == "" && d.TitleFromName {
			base := filepath.Base(it.Name)
			it.Title = strings.TrimSpace(strings.TrimSuffix(base, filepath.Ext(base)))
		}
		it.Ref = cmp.Or(it.Ref, d.Ref)
		if len(it.Creators) == 0 {
			it.Creators = shared
		} else {
			complete(it.Creators, d)
		}
		m.Problems = append(m.Problems, problems(it)...)
	}
	if len(m.Problems) > 0 {
		return m
	}
	return nil
}

// complete fills in what creators lack.
func complete(creators []client.Creator, d Defaults) {
	for i := range creators {
		c := &creators[i]
		c.Email = cmp.Or(c.Email, d.Email)
		if len(c.Roles) == 0 {
			c.Roles = d.Roles
		}
	}
}

// problems are what the server would certainly refuse. It knows many more rules, which are not repeated here.
func problems(it *Item) (all []Problem) {
	say := func(flag, what string, args ...any) {
		all = append(all, Problem{it.named(), fmt.Sprintf(what, args...), it.Row, flag})
	}
	if it.Size == 0 && !it.Unread {
		say("", "the file is empty")
	}
	if strings.TrimSpace(it.Title) == "" && !it.Unread {
		say("--title-from-name", "no title")
	}
	switch {
	case len(it.Creators) == 0 && !it.Unread:
		say("--creator", "no creator")
	case len(it.Creators) > maxCreators:
		say("", "more than %d creators", maxCreators)
	}
	for i, c := range it.Creators {
		n := it.number(i)
		if strings.TrimSpace(c.FullName) == "" {
			say("", "creator %d has no name", n)
		}
		switch email := strings.TrimSpace(c.Email); {
		case email == "":
			say("--email", "creator %d has no e-mail address", n)
		case !isEmail(email):
			say("", "creator %d has %q, which is not an e-mail address", n, email)
		}
		if len(c.Roles) == 0 {
			say("--roles", "creator %d has no role", n)
		}
		for _, r := range c.Roles {
			if !slices.Contains(Roles, r) {
				say("", "creator %d has the unknown role %q: use author, composer, arranger or adapter", n, r)
			}
		}
	}
	return all
}

// isEmail reports whether a text can be an e-mail address. The server decides.
func isEmail(text string) bool {
	name, host, _ := strings.Cut(text, "@")
	return name != "" && host != "" && !strings.Contains(host, "@") && !strings.ContainsFunc(text, unicode.IsSpace)
}

// Roles are all roles of creators.
var Roles = []client.Role{client.Author, client.Composer, client.Arranger, client.Adapter}
