// Command gen writes all files that are generated from the error catalogue: the Go constants and constructors, the
// widget's TypeScript, the published types, the documentation page and the lock. It refuses a catalogue that contradicts
// itself or that lacks a published code. It never imports the package that it writes, so it also works when that package
// does not compile.
//
//	go generate ./internal/fault                 write the files
//	go run ./internal/fault/gen -check -root .   say which files are stale and exit with 1
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	catalogueFile = "internal/fault/catalogue.json"
	lockFile      = "internal/fault/catalogue.lock"
	goFile        = "internal/fault/codes_gen.go"
	clientFile    = "client/errorcodes_gen.go"
	tsFile        = "widget/src/gen/errors.ts"
	typesFile     = "widget/types/ats-widget.d.ts"
	docFile       = "docs/errors.md"
)

func main() {
	root := flag.String("root", "../..", "directory of the module; the default fits go generate")
	check := flag.Bool("check", false, "write nothing; fail when a file is stale")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	outputs, err := generate(root)
	if err != nil {
		return err
	}
	var stale []string
	for _, out := range outputs {
		path := filepath.Join(root, filepath.FromSlash(out.path))
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, out.content) {
			continue
		}
		if check {
			stale = append(stale, out.path)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, out.content, 0o644); err != nil {
			return err
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("stale: %s; run go generate ./internal/fault", strings.Join(stale, ", "))
	}
	return nil
}

type output struct {
	path    string // below the root, with slashes
	content []byte
}

// generate renders every output from the catalogue and the lock below root.
func generate(root string) ([]output, error) {
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(catalogueFile)))
	if err != nil {
		return nil, err
	}
	rows, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", catalogueFile, err)
	}
	locked, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(lockFile)))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	lock, err := extendLock(locked, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", lockFile, err)
	}
	goSource, err := renderGo(rows)
	if err != nil {
		return nil, err
	}
	client, err := renderClient(rows)
	if err != nil {
		return nil, err
	}
	doc, err := renderDoc(rows)
	if err != nil {
		return nil, err
	}
	types, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(typesFile)))
	if err != nil {
		return nil, err
	}
	if types, err = renderPublishedTypes(types, rows); err != nil {
		return nil, fmt.Errorf("%s: %w", typesFile, err)
	}
	return []output{
		{lockFile, lock},
		{goFile, goSource},
		{clientFile, client},
		{tsFile, renderTS(rows)},
		{typesFile, types},
		{docFile, doc},
	}, nil
}

// row is one object of the catalogue.
type row struct {
	Code       string   `json:"code"`
	Section    string   `json:"section"`
	Status     int      `json:"status"`
	Class      string   `json:"class"`
	Message    string   `json:"message"`
	Action     string   `json:"action"`
	Cause      string   `json:"cause"`
	Details    []detail `json:"details"`
	RetryAfter bool     `json:"retry_after"`
	Seed       bool     `json:"seed"`
	Rehearse   string   `json:"rehearse"`
	Stage      string   `json:"stage"`
	Screen     string   `json:"screen"` // the key of its text in the widget (web/i18n/locales/en.json)
}

type detail struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Optional bool            `json:"optional"`
	Meaning  string          `json:"meaning"`
	Example  json.RawMessage `json:"example"`
}

var (
	codeForm   = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
	detailForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	stages     = map[string]bool{"call": true, "code": true, "init": true, "upload": true, "prepare": true, "confirm": true, "track": true, "certificate": true, "": true}
	classes    = map[string]bool{"refresh": true, "disabled": true, "failed": true, "inline": true, "client": true, "none": true}
	goTypes    = map[string]string{"int": "int64", "string": "string", "strings": "[]string", "time": "time.Time", "fields": "[]Field", "uuid": "string"}
	tsTypes    = map[string]string{"int": "number", "string": "string", "strings": "string[]", "time": "string", "fields": "FieldError[]", "uuid": "string"}
)

// parse reads the catalogue strictly and checks the rules that its readers rely on.
func parse(data []byte) ([]row, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var rows []row
	if err := dec.Decode(&rows); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	seen := make(map[string]bool, len(rows))
	for _, r := range rows {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Code, err)
		}
		// Compared by Go name, because common.a_b and common.a.b have the same one.
		name := exported(r.Code)
		if seen[name] {
			return nil, fmt.Errorf("%s: listed twice", r.Code)
		}
		seen[name] = true
	}
	return rows, nil
}

func (r row) check() error {
	switch {
	case !codeForm.MatchString(r.Code):
		return fmt.Errorf("a code must be dotted lower case")
	case r.Section != r.Code[:strings.LastIndexByte(r.Code, '.')]:
		return fmt.Errorf("section %q must be the code without its last part", r.Section)
	case !classes[r.Class]:
		return fmt.Errorf("unknown class %q", r.Class)
	case (r.Class == "client") != (r.Status == 0):
		return fmt.Errorf("status 0 needs class client, and class client needs status 0")
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("status %d is not from 400 to 599", r.Status)
	case (r.Status == 429 || r.Status == 503) && r.RetryAfter == r.resets():
		return fmt.Errorf("429 and 503 must carry Retry-After or, in the details, resets_at")
	case r.RetryAfter && r.Status != 409 && r.Status != 429 && r.Status != 503:
		return fmt.Errorf("only 409, 429 and 503 may carry Retry-After")
	case (r.Class == "inline") != (r.Stage != ""):
		return fmt.Errorf("an inline code must name its stage, and no other code may")
	case r.browser() && r.Screen == "":
		return fmt.Errorf("a code that a browser can meet must name its text on the screen: screen, a key of web/i18n/locales/en.json")
	case !r.browser() && r.Screen != "":
		return fmt.Errorf("no browser shows a code of class none: screen must be missing")
	case !stages[r.Rehearse]:
		return fmt.Errorf("unknown stage of a rehearsal %q", r.Rehearse)
	case r.Class == "none" && r.Rehearse != "":
		return fmt.Errorf("a code of class none cannot be rehearsed")
	case r.Seed && r.Rehearse == "":
		return fmt.Errorf("every code of the seed must be rehearsed")
	case strings.ContainsAny(r.Message, "\r\n|"):
		return fmt.Errorf("a message must be one line without |, for a table of the documentation")
	case r.Message == "" || r.Action == "" || r.Cause == "":
		return fmt.Errorf("message, action and cause are required")
	}
	names := make(map[string]bool, len(r.Details))
	for _, d := range r.Details {
		switch {
		case !detailForm.MatchString(d.Name) || names[d.Name]:
			return fmt.Errorf("detail %q: bad or repeated name", d.Name)
		case goTypes[d.Type] == "":
			return fmt.Errorf("detail %q: unknown type %q", d.Name, d.Type)
		case d.Meaning == "" || len(d.Example) == 0:
			return fmt.Errorf("detail %q: meaning and example are required", d.Name)
		case !d.exampleFits():
			return fmt.Errorf("detail %q: the example is not of type %s", d.Name, d.Type)
		}
		names[d.Name] = true
	}
	for _, name := range []string{"size", "max"} {
		if strings.Contains(r.Message, "{"+name+"_mb}") && !names[name+"_bytes"] {
			return fmt.Errorf("{%s_mb} needs the detail %s_bytes", name, name)
		}
	}
	return nil
}

// exampleFits reports whether the example is a value of the detail's type, as package fault will read it.
func (d detail) exampleFits() bool {
	var target any
	switch d.Type {
	case "int":
		target = new(int64)
	case "string", "uuid":
		target = new(string)
	case "strings":
		target = new([]string)
	case "time":
		target = new(time.Time)
	case "fields":
		target = new([]struct{ Field, Rule, Message string })
	}
	return json.Unmarshal(d.Example, target) == nil
}

var initialisms = map[string]string{"api": "API", "ats": "ATS", "id": "ID", "jwks": "JWKS", "url": "URL"}

// exported returns the Go name of a code or detail: common.auth.invalid_api_key becomes
// CommonAuthInvalidAPIKey.
func exported(name string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '_' }) {
		if up, ok := initialisms[part]; ok {
			b.WriteString(up)
			continue
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// resets reports whether the details have resets_at. That time may be days away, so such a code has no Retry-After:
// a client would wait silently for days.
func (r row) resets() bool {
	return slices.ContainsFunc(r.Details, func(d detail) bool { return d.Name == "resets_at" })
}
