// Command lock keeps internal/store/migrations/migrations.lock: the SHA-256 of each migration, in order, and a line
// for each release. A migration that others have run must not change, because their databases would differ from ours
// in silence.
//
//	go run ./internal/store/lock                  add the migrations that have no line yet
//	go run ./internal/store/lock -check           fail when a migration differs from its line, or has none
//	go run ./internal/store/lock -new add_colour  create the file of the next migration
//	go run ./internal/store/lock -release 1.2.0   add the line of a release, and keep its queries for the tests of the next
//
// It never changes or removes a line.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	root := flag.String("root", ".", "directory of the module")
	check := flag.Bool("check", false, "write nothing; fail when a migration differs from its line, or has none")
	name := flag.String("new", "", "words for the file name of a new migration, such as add_colour")
	release := flag.String("release", "", "the version of a release, such as 1.2.0")
	flag.Parse()
	dir := filepath.Join(*root, "internal", "store")
	err := func() error {
		switch {
		case *name != "":
			path, err := create(dir, *name)
			if err == nil {
				fmt.Println(path)
			}
			return err
		case *release != "":
			return cut(dir, *release)
		default:
			return keep(dir, *check)
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "store/lock:", err)
		os.Exit(1)
	}
}

const (
	lockFile = "migrations/migrations.lock"
	// perRelease is the distance between the numbers of two releases: the hundreds of a migration's number count the
	// releases before it. Package store reads it from the number of a database.
	perRelease = 100
)

// A migration is one step of the schema: a file of SQL, or of Go.
type migration struct {
	number int
	file   string // below internal/store, with slashes
	hash   string // hexadecimal
}

func (m migration) line() string { return fmt.Sprintf("%05d %s %s", m.number, m.file, m.hash) }

// A lock is the content of the lock file.
type lock struct {
	text     string
	lines    map[string]string // by file
	releases []string
	// before has, for each file, the number of releases before it.
	before map[string]int
}

func read(dir string) (lock, error) {
	text, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return lock{}, err
	}
	l := lock{text: string(text), lines: map[string]string{}, before: map[string]int{}}
	for line := range strings.Lines(l.text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if version, ok := strings.CutPrefix(line, "release "); ok {
			l.releases = append(l.releases, version)
			continue
		}
		parts := strings.Fields(line)
		if len(parts) != 3 || l.lines[parts[1]] != "" {
			return lock{}, fmt.Errorf("%s: a bad or repeated line %q", lockFile, line)
		}
		l.lines[parts[1]], l.before[parts[1]] = line, len(l.releases)
	}
	return l, nil
}

// keep compares the migrations with the lock, and adds the lines of new ones unless it only checks.
func keep(dir string, check bool) error {
	l, err := read(dir)
	if err != nil {
		return err
	}
	all, err := migrations(dir)
	if err != nil {
		return err
	}
	var wrong []error
	added := l.text
	for i, m := range all {
		switch locked := l.lines[m.file]; {
		case locked == "" && check:
			wrong = append(wrong, fmt.Errorf("%s has no line in %s: run `go run ./internal/store/lock`", m.file, lockFile))
		case locked == "":
			if i+1 < len(all) && l.lines[all[i+1].file] != "" {
				wrong = append(wrong, fmt.Errorf("%s is new, but %s has its line already: give the new file the next number", m.file, all[i+1].file))
			}
			added += m.line() + "\n"
		case locked != m.line():
			wrong = append(wrong, fmt.Errorf("%s has changed. Databases exist that ran the old text, so undo the change and add a migration. "+
				"If the file never left your branch, delete its line in %s and run `go run ./internal/store/lock`", m.file, lockFile))
		}
		releases, ok := l.before[m.file]
		if !ok {
			releases = len(l.releases)
		}
		if m.number/perRelease != releases {
			wrong = append(wrong, fmt.Errorf("%s: the hundreds of its number must be %d, the number of releases before it", m.file, releases))
		}
	}
	for file := range l.lines {
		if !slices.ContainsFunc(all, func(m migration) bool { return m.file == file }) {
			wrong = append(wrong, fmt.Errorf("%s is gone, but databases exist that ran it: restore it", file))
		}
	}
	if len(wrong) > 0 || check || added == l.text {
		return errors.Join(wrong...)
	}
	return os.WriteFile(filepath.Join(dir, lockFile), []byte(added), 0o644)
}

var numbered = regexp.MustCompile(`^(\d{5})_\w+\.sql$`)

// migrations returns all migrations below dir, by number.
func migrations(dir string) ([]migration, error) {
	files, err := os.ReadDir(filepath.Join(dir, "migrations"))
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, f := range files {
		if f.Name() == filepath.Base(lockFile) {
			continue
		}
		match := numbered.FindStringSubmatch(f.Name())
		if match == nil {
			return nil, fmt.Errorf("migrations/%s: the name of a migration is five digits, words and .sql", f.Name())
		}
		text, err := os.ReadFile(filepath.Join(dir, "migrations", f.Name()))
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, err
		}
		all = append(all, migration{number, "migrations/" + f.Name(), fmt.Sprintf("%x", sha256.Sum256(text))})
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		numbers, err := inGo(path, text)
		if err != nil {
			return nil, err
		}
		for _, n := range numbers {
			all = append(all, migration{n, filepath.Base(path), code(text)})
		}
	}
	slices.SortFunc(all, func(a, b migration) int { return a.number - b.number })
	return all, nil
}

// inGo returns the numbers of the migrations that a Go file defines, with goose.NewGoMigration(15, …).
func inGo(path string, text []byte) (numbers []int, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "NewGoMigration" {
			return true
		}
		number, ok := call.Args[0].(*ast.BasicLit)
		if !ok {
			err = fmt.Errorf("%s: write the number of a migration as digits", path)
			return false
		}
		n15, e := strconv.Atoi(number.Value)
		numbers, err = append(numbers, n15), e
		return err == nil
	})
	if len(numbers) > 1 {
		return nil, fmt.Errorf("%s: one migration for each file", path)
	}
	return numbers, err
}

// code returns the hash of a Go file without its comments, imports and line breaks: they may change. It covers this file
// alone, not the functions that a migration calls in other packages.
func code(text []byte) string {
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile("", -1, len(text)), text, nil, 0)
	h := sha256.New()
	for importing, depth := false, 0; ; {
		_, tok, literal := s.Scan()
		switch {
		case tok == token.EOF:
			return fmt.Sprintf("%x", h.Sum(nil))
		case tok == token.IMPORT:
			importing = true
		case importing && tok == token.LPAREN:
			depth++
		case importing && tok == token.RPAREN:
			depth--
		case importing && tok == token.SEMICOLON && depth == 0:
			importing = false
		case !importing && tok != token.SEMICOLON: // semicolons depend on line breaks
			fmt.Fprintf(h, "%s %q\n", tok, literal)
		}
	}
}

const template = `-- What changes, and why. The release before this one runs on this schema too (docs/upgrading.md):
-- a new column of an old table may be NULL or has a default, and nothing that the release uses goes away.

-- +goose Up


-- +goose Down

`

var words = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// create writes an empty migration with the next number, and returns its path.
func create(dir, name string) (string, error) {
	if !words.MatchString(name) {
		return "", fmt.Errorf("-new %s: write lower-case words, such as add_colour", name)
	}
	l, err := read(dir)
	if err != nil {
		return "", err
	}
	all, err := migrations(dir)
	if err != nil {
		return "", err
	}
	next := max(len(l.releases)*perRelease, 0) + 1
	if len(all) > 0 {
		next = max(next, all[len(all)-1].number+1)
	}
	path := filepath.Join(dir, "migrations", fmt.Sprintf("%05d_%s.sql", next, name))
	return path, os.WriteFile(path, []byte(template), 0o644)
}
