package bulk

import (
	"bufio"
	"bytes"
	"cmp"
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
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"

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
	// Unlisted are recordings beside those of a list that the list does not have, by their names.
	Unlisted []string
}

// Read reads a folder with all folders in it, a list (.csv or .json), or one recording. With a *Missing it also returns the
// list.
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
		err = l.open()
		l.findUnlisted()
		return l, err
	default:
		l := &List{Folder: filepath.Dir(absolute), Items: []Item{{Name: filepath.Base(absolute)}}}
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
		case path != dir && strings.HasPrefix(d.Name(), "."): // also ._ files of Macs, and .DS_Store
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
	m, seen := &Missing{}, make(map[string]int, len(l.Items))
	for i := range l.Items {
		it := &l.Items[i]
		lacks := func(what string, args ...any) {
			it.Unread = true
			m.Problems = append(m.Problems, Problem{Name: it.named(), What: fmt.Sprintf(what, args...), Row: it.Row})
		}
		if it.Name == "" {
			lacks("no file")
			continue
		}
		if it.Path = filepath.FromSlash(it.Name); !filepath.IsAbs(it.Path) {
			it.Path = filepath.Join(l.Folder, it.Path)
		}
		info, err := it.stat()
		if trimmed := strings.TrimSpace(it.Name); errors.Is(err, fs.ErrNotExist) && trimmed != it.Name && !filepath.IsAbs(trimmed) {
			it.Path = filepath.Join(l.Folder, filepath.FromSlash(trimmed))
			info, err = it.stat()
		}
		if name, err := filepath.Rel(l.Folder, it.Path); err == nil {
			it.Name = filepath.ToSlash(name)
		}
		it.Name = valid(it.Name)
		if first, twice := seen[it.Name]; twice {
			if it.Row > 0 {
				lacks("the file is listed twice: first in row %d", first)
			} else {
				lacks("two files have this name")
			}
			continue
		}
		seen[it.Name] = it.Row
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lacks("the file does not exist")
		case err != nil:
			lacks("the file cannot be read")
		case !info.Mode().IsRegular():
			lacks("it is not a file")
		default:
			it.Size, it.Modified = info.Size(), info.ModTime()
		}
	}
	if len(m.Problems) > 0 {
		return m
	}
	return nil
}

// stat finds the file. A name with accents has two spellings in Unicode: spreadsheets write one, and old Macs the other one.
func (it *Item) stat() (fs.FileInfo, error) {
	info, err := os.Stat(it.Path)
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		if !errors.Is(err, fs.ErrNotExist) {
			return info, err
		}
		if other := form.String(it.Path); other != it.Path {
			if found, ok := os.Stat(other); ok == nil {
				it.Path = other
				return found, nil
			}
		}
	}
	return info, err
}

// valid writes bytes that are not UTF-8 as \xNN. A journal and a report have only UTF-8.
func valid(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for name != "" {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02X`, name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// findUnlisted finds the recordings that someone forgot: in the folders of the listed ones, and not below them.
func (l *List) findUnlisted() {
	listed, dirs := make(map[string]bool, len(l.Items)), map[string]bool{}
	for _, it := range l.Items {
		listed[it.Path] = true
		dirs[filepath.Dir(it.Path)] = it.Path != ""
	}
	for dir, known := range dirs {
		if !known {
			continue
		}
		entries, _ := os.ReadDir(dir) // a folder that cannot be read is a problem of its songs
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if recording(e.Name()) && !e.IsDir() && !listed[path] {
				if name, err := filepath.Rel(l.Folder, path); err == nil {
					l.Unlisted = append(l.Unlisted, valid(filepath.ToSlash(name)))
				}
			}
		}
	}
	slices.Sort(l.Unlisted)
}

// recording reports whether a name is that of a recording, and not hidden.
func recording(name string) bool {
	return !strings.HasPrefix(name, ".") && extensions[strings.ToLower(filepath.Ext(name))]
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
			return fmt.Errorf("song %d of the list: %s", n, jsonProblem(err))
		}
		l.Items = append(l.Items, Item{Row: n, Name: e.File, Title: e.Title, Ref: e.Ref, Creators: e.Creators})
	}
	if _, err := d.Token(); err != nil {
		return errors.New("the list ends inside of a song")
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the list")
	}
	return nil
}

// jsonProblem is an error of a list in words.
func jsonProblem(err error) string {
	if t := (*json.UnmarshalTypeError)(nil); errors.As(err, &t) {
		return fmt.Sprintf("%s has a %s, where another kind of value belongs", cmp.Or(t.Field, "it"), t.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// unicodeOf returns a list as UTF-8. Spreadsheet programs also write UTF-16, with a mark at its beginning.
func unicodeOf(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		var err error
		if text, err = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(text); err != nil {
			return nil, fmt.Errorf("the list is not UTF-16: %w", err)
		}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	n := 1
	for line := range bytes.Lines(text) {
		if !utf8.Valid(line) { // a guess would change names
			return nil, fmt.Errorf("line %d of the list is not UTF-8: save the list as CSV in UTF-8", n)
		}
		n++
	}
	return text, nil
}

// The columns of a list of CSV. Those of creators have their number in place of N.
var (
	columns        = []string{"file", "title", "external_user_ref"}
	creatorColumns = []string{"name", "email", "roles", "ipi", "isni"}
)

// column is the name of a column of a creator.
func column(n int, what string) string { return fmt.Sprintf("creator_%d_%s", n, what) }

func (l *List) readCSV(text []byte) error {
	text, err := unicodeOf(text)
	if err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma(text), -1
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("the first line of the list: %w", err)
	}
	at, err := columnsOf(head)
	if err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvProblem(err)
		}
		if !slices.ContainsFunc(row, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			continue // spreadsheet programs write rows that were used once
		}
		line, _ := r.FieldPos(0)
		switch {
		case len(row) != len(head):
			return fmt.Errorf("row %d of the list has %d cells, and the first one has %d: a text with a separator needs quotes around it", line, len(row), len(head))
		case len(l.Items) == MaxItems:
			return fmt.Errorf("a list has at most %d songs", MaxItems)
		}
		it := itemOf(line, func(name string) string {
			if i, ok := at[name]; ok {
				return uncell(strings.TrimSpace(row[i]))
			}
			return ""
		})
		if it.Name != "" {
			it.Name = uncell(row[at["file"]]) // a name can begin with a space
		}
		l.Items = append(l.Items, it)
	}
}

// csvProblem is an error of encoding/csv, with its row and column.
func csvProblem(err error) error {
	if p := (*csv.ParseError)(nil); errors.As(err, &p) {
		return fmt.Errorf("row %d of the list, character %d: %w", p.Line, p.Column, p.Err)
	}
	return fmt.Errorf("the list: %w", err)
}

// UnknownColumns is the error of a list of CSV with columns that no list has.
type UnknownColumns struct {
	// Names are the unknown ones, as the list writes them. Known are those that a list can have.
	Names, Known []string
}

func (u *UnknownColumns) Error() string {
	quoted := make([]string, len(u.Names))
	for i, name := range u.Names {
		quoted[i] = strconv.Quote(name)
	}
	return fmt.Sprintf("the list has unknown columns: %s. Columns are %s, creator_1_name and so on: timbre register --template csv prints them", strings.Join(quoted, ", "), strings.Join(columns, ", "))
}

// columnsOf returns the places of the columns.
func columnsOf(head []string) (at map[string]int, err error) {
	known := slices.Clone(columns)
	for n := 1; n <= maxCreators; n++ {
		for _, what := range creatorColumns {
			known = append(known, column(n, what))
		}
	}
	at = map[string]int{}
	unknown := &UnknownColumns{Known: known}
	for i, written := range head {
		written = strings.TrimSpace(written)
		name := strings.ToLower(written)
		switch _, twice := at[name]; {
		case name == "":
			continue
		case !slices.Contains(known, name):
			unknown.Names = append(unknown.Names, written)
			continue
		case twice:
			return nil, fmt.Errorf("the list has the column %s twice", name)
		}
		at[name] = i
	}
	if len(unknown.Names) > 0 {
		return nil, unknown
	}
	if _, ok := at["file"]; !ok {
		return nil, errors.New("the list has no column file")
	}
	return at, nil
}

// itemOf is the song of a row.
func itemOf(line int, cell func(column string) string) Item {
	it := Item{Row: line, Name: cell("file"), Title: cell("title"), Ref: cell("external_user_ref")}
	for n := 1; n <= maxCreators; n++ {
		c := client.Creator{FullName: cell(column(n, "name")), Email: cell(column(n, "email")), IPI: cell(column(n, "ipi")), ISNI: cell(column(n, "isni")), Roles: ParseRoles(cell(column(n, "roles")))}
		if c.FullName != "" || c.Email != "" || c.IPI != "" || c.ISNI != "" || len(c.Roles) > 0 {
			it.Creators, it.Numbers = append(it.Creators, c), append(it.Numbers, n)
		}
	}
	if n := len(it.Numbers); n == 0 || it.Numbers[n-1] == n {
		it.Numbers = nil
	}
	return it
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

// Template writes a list to fill in: of the songs that are given, or of two examples. format is csv or json. A list of songs in
// CSV begins with the mark by which spreadsheet programs know UTF-8.
func Template(w io.Writer, format string, items []Item) error {
	list := make([]entry, len(items))
	for i, it := range items {
		list[i] = entry{it.Name, it.Title, it.Ref, it.Creators}
	}
	if len(items) == 0 {
		list = examples
	}
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(list)
	}
	if len(items) > 0 {
		if _, err := io.WriteString(w, "\ufeff"); err != nil {
			return err
		}
	}
	most := 2
	for _, e := range list {
		most = max(most, len(e.Creators))
	}
	head := slices.Clone(columns)
	for n := 1; n <= most; n++ {
		for _, what := range creatorColumns {
			head = append(head, column(n, what))
		}
	}
	s := sheet.NewWriter(w)
	if err := s.Row(head...); err != nil {
		return err
	}
	for _, e := range list {
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

// examples are the songs of an empty template.
var examples = []entry{
	{File: "albums/one/night-train.wav", Title: "Night Train", Ref: "user-17", Creators: []client.Creator{
		{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author}, IPI: "123456789"},
		{FullName: "Grace Example", Email: "grace@songs.example", Roles: []client.Role{client.Composer, client.Arranger}, ISNI: "0000000121032683"},
	}},
	{File: "albums/one/porch-light.flac", Title: "Porch Light", Creators: []client.Creator{
		{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author, client.Composer}},
	}},
}

func roleWords(roles []client.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}
