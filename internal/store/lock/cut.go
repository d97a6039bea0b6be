package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// previousFile has the queries of the newest release, which the tests run against the schema of the next one.
const previousFile = "testdata/previous.sql"

var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// cut adds the line of a release to the lock and keeps the queries of the release. A second call changes nothing.
func cut(dir, version string) error {
	if !versionForm.MatchString(version) {
		return fmt.Errorf("-release %s: write a version such as 1.2.0", version)
	}
	if err := keep(dir, true); err != nil {
		return err
	}
	l, err := read(dir)
	if err != nil {
		return err
	}
	if slices.Contains(l.releases, version) {
		if l.releases[len(l.releases)-1] != version {
			return fmt.Errorf("release %s is not the newest one", version)
		}
		return nil
	}
	all, err := migrations(dir)
	if err != nil {
		return err
	}
	queries, err := queriesOf(filepath.Join(dir, "query"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("-- The queries of the newest release, for the tests of the next release. `go run ./internal/store/lock -release` writes this file.\n"+
		"-- release %s\n-- schema %d\n\n%s", version, all[len(all)-1].number, queries)
	if err := os.WriteFile(filepath.Join(dir, previousFile), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, lockFile), []byte(l.text+"release "+version+"\n"), 0o644)
}

// queriesOf returns the texts of all generated queries, as the databases receive them.
func queriesOf(dir string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.sql.go"))
	if err != nil {
		return "", err
	}
	var texts []string
	for _, path := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return "", err
		}
		for _, d := range file.Decls {
			constants, ok := d.(*ast.GenDecl)
			if !ok || constants.Tok != token.CONST {
				continue
			}
			for _, s := range constants.Specs {
				for _, v := range s.(*ast.ValueSpec).Values {
					text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
					if err != nil {
						return "", fmt.Errorf("%s: %w", path, err)
					}
					if strings.HasPrefix(text, "-- name: ") {
						texts = append(texts, text)
					}
				}
			}
		}
	}
	if len(texts) == 0 {
		return "", fmt.Errorf("no queries in %s", dir)
	}
	return strings.Join(texts, "\n"), nil
}
