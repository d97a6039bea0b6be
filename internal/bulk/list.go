package bulk

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"timbre.example/client"
	"timbre.example/internal/media"
	"timbre.example/internal/sheet"
)

// List is what is registered, and the folder to which its names belong.
type List struct {
	Items  []Item
	Folder string
	// Skipped are files of a folder that are not recordings, by their extension.
	Skipped int
}

// Read reads a folder with all folders in it, a list (.csv or .json), or one recording.
func Read(path string) (*List, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case info.IsDir():
		return readFolder(absolute)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is neither a file nor a folder")
	case ext == ".csv", ext == ".json":
		if info.Size() > MaxListSize {
			return nil, fmt.Errorf("a list has at most %d bytes", MaxListSize)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		l := &List{Folder: filepath.Dir(absolute)}
		if ext == ".csv" {
			err = l.readCSV(text)
		} else {
			err = l.readJSON(text)
		}
		if err != nil {
			return nil, err
		}
		return l, l.open()
	default:
		l := &List{Folder: filepath.Dir(absolute), Items: []Item{{Name: filepath.Base(path)}}}
		return l, l.open()
	}
}

var extensions = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range media.Supported() {
		for _, ext := range media.Format(name).Extensions() {
			all[ext] = true
		}
	}
	return all
}()

func readFolder(dir string) (*List, error) {
	l := &List{Folder: dir}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !extensions[strings.ToLower(filepath.Ext(path))]:
			l.Skipped++
			return nil
		case len(l.Items) == MaxItems:
			return fmt.Errorf("a folder has at most %d recordings", MaxItems)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		l.Items = append(l.Items, Item{Name: filepath.ToSlash(name)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, l.open()
}

// open finds the files of all songs. The error is a *Missing with each one that cannot be read.
func (l *List) open() error {
	m, seen := &Missing{}, make(map[string]bool, len(l.Items))
	for i := range l.Items {
		it := &l.Items[i]
		if it.Name == "" {
			m.Problems = append(m.Problems, Problem{"entry " + strconv.Itoa(i+1), "no file"})
			continue
		}
		if it.Path = filepath.FromSlash(it.Name); !filepath.IsAbs(it.Path) {
			it.Path = filepath.Join(l.Folder, it.Path)
		}
		if name, err := filepath.Rel(l.Folder, it.Path); err == nil {
			it.Name = filepath.ToSlash(name)
		}
		if seen[it.Name] {
			m.Problems = append(m.Problems, Problem{it.Name, "the file is listed twice"})
			continue
		}
		seen[it.Name] = true
		info, err := os.Stat(it.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			m.Problems = append(m.Problems, Problem{it.Name, "the file does not exist"})
		case err != nil:
			m.Problems = append(m.Problems, Problem{it.Name, "the file cannot be read"})
		case !info.Mode().IsRegular():
			m.Problems = append(m.Problems, Problem{it.Name, "it is not a file"})
		default:
			it.Size, it.Modified = info.Size(), info.ModTime()
		}
	}
	if len(m.Problems) > 0 {
		return m
	}
	return nil
}

// entry is a song in a list of JSON.
type entry struct {
	File     string           `json:"file"`
	Title    string           `json:"title,omitempty"`
	Ref      string           `json:"external_user_ref,omitempty"`
	Creators []client.Creator `json:"creators,omitempty"`
}

func (l *List) readJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("a list of JSON is an array of objects: timbre register --template json prints one")
	}
	for n := 1; d.More(); n++ {
		if n > MaxItems {
			return fmt.Errorf("a list has at most %d songs", MaxItems)
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("song %d of the list: %w", n, err)
		}
		l.Items = append(l.Items, Item{Name: e.File, Title: e.Title, Ref: e.Ref, Creators: e.Creators})
	}
	if _, err := d.Token(); err != nil {
		return errors.New("the list ends inside of a song")
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the list")
	}
	return nil
}

// The columns of a list of CSV. Those of creators have their number in place of N.
var (
	columns        = []string{"file", "title", "external_user_ref"}
	creatorColumns = []string{"name", "email", "roles", "ipi", "isni"}
)

// column is the name of a column of a creator.
func column(n int, what string) string { return fmt.Sprintf("creator_%d_%s", n, what) }

func (l *List) readCSV(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = comma(text)
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("the first line of the list: %w", err)
	}
	known := slices.Clone(columns)
	for n := 1; n <= maxCreators; n++ {
		for _, what := range creatorColumns {
			known = append(known, column(n, what))
		}
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		switch _, twice := at[name]; {
		case name == "":
			continue
		case !slices.Contains(known, name):
			return fmt.Errorf("the list has an unknown column %q: the first line has names such as %s and creator_1_name; timbre register --template csv prints them", name, strings.Join(columns, ", "))
		case twice:
			return fmt.Errorf("the list has the column %s twice", name)
		}
		at[name] = i
	}
	if _, ok := at["file"]; !ok {
		return errors.New("the list has no column file")
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the list: %w", err)
		}
		if len(l.Items) == MaxItems {
			return fmt.Errorf("a list has at most %d songs", MaxItems)
		}
		cell := func(name string) string {
			if i, ok := at[name]; ok {
				return uncell(strings.TrimSpace(row[i]))
			}
			return ""
		}
		it := Item{Name: cell("file"), Title: cell("title"), Ref: cell("external_user_ref")}
		for n := 1; n <= maxCreators; n++ {
			c := client.Creator{FullName: cell(column(n, "name")), Email: cell(column(n, "email")), IPI: cell(column(n, "ipi")), ISNI: cell(column(n, "isni")), Roles: ParseRoles(cell(column(n, "roles")))}
			if c.FullName != "" || c.Email != "" || c.IPI != "" || c.ISNI != "" {
				it.Creators = append(it.Creators, c)
			}
		}
		l.Items = append(l.Items, it)
	}
}

// comma finds the separator in the first line: spreadsheet programs of many countries write semicolons.
func comma(text []byte) rune {
	line, _ := bufio.NewReader(bytes.NewReader(text)).ReadString('\n')
	if strings.Count(line, ";") > strings.Count(line, ",") {
		return ';'
	}
	if strings.Count(line, "\t") > strings.Count(line, ",") {
		return '\t'
	}
	return ','
}

// uncell removes the apostrophe that makes a cell safe for spreadsheet programs.
func uncell(text string) string {
	if rest, ok := strings.CutPrefix(text, "'"); ok && sheet.Cell(rest) == text {
		return rest
	}
	return text
}

// ParseRoles reads roles that are separated by spaces, commas or plus signs. Unknown words stay, and are problems later.
func ParseRoles(text string) (roles []client.Role) {
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" ,;+/\t", r) }) {
		if r := client.Role(word); !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles
}

// Template writes a list with two songs, to fill in. format is csv or json.
func Template(w io.Writer, format string) error {
	example := []entry{
		{File: "albums/one/night-train.wav", Title: "Night Train", Ref: "user-17", Creators: []client.Creator{
			{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author}, IPI: "123456789"},
			{FullName: "Grace Example", Email: "grace@songs.example", Roles: []client.Role{client.Composer, client.Arranger}, ISNI: "0000000121032683"},
		}},
		{File: "albums/one/porch-light.flac", Title: "Porch Light", Creators: []client.Creator{
			{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author, client.Composer}},
		}},
	}
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(example)
	}
	head := slices.Clone(columns)
	for n := 1; n <= 2; n++ {
		for _, what := range creatorColumns {
			head = append(head, column(n, what))
		}
	}
	s := sheet.NewWriter(w)
	if err := s.Row(head...); err != nil {
		return err
	}
	for _, e := range example {
		row := make([]string, len(head))
		row[0], row[1], row[2] = e.File, e.Title, e.Ref
		for i, c := range e.Creators {
			copy(row[len(columns)+i*len(creatorColumns):], []string{c.FullName, c.Email, roleWords(c.Roles), c.IPI, c.ISNI})
		}
		if err := s.Row(row...); err != nil {
			return err
		}
	}
	return s.Flush()
}

func roleWords(roles []client.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}
