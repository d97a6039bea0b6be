package main

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ready refuses to build a release (such as 1.2.3) from a tree that `make cut` did not prepare. A
// version with a suffix, such as 1.2.3-rc.1, is for tests and needs no preparation.
func (r *release) ready() error {
	if strings.Contains(r.version, "-") {
		return nil
	}
	read := func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
		return string(text), err
	}
	changes, err := read("CHANGELOG.md")
	if err != nil {
		return err
	}
	migrations, err := read("internal/store/migrations/migrations.lock")
	if err != nil {
		return err
	}
	versions, err := read("widget/versions.lock")
	if err != nil {
		return err
	}
	integrity, err := read("widget/dist/integrity.json")
	if err != nil {
		return err
	}
	var wrong []error
	if !regexp.MustCompile(`(?m)^## ` + regexp.QuoteMeta(r.version) + ` · \d{4}-\d{2}-\d{2}$`).MatchString(changes) {
		wrong = append(wrong, fmt.Errorf("CHANGELOG.md has no heading of release %s with its date", r.version))
	}
	if !strings.HasSuffix(strings.TrimSpace(migrations), "\nrelease "+r.version) {
		wrong = append(wrong, fmt.Errorf("the last line of migrations.lock is not release %s", r.version))
	}
	var widget struct{ Version string }
	if err := json.Unmarshal([]byte(integrity), &widget); err != nil {
		return fmt.Errorf("widget/dist/integrity.json: %w", err)
	}
	sum := sha512.Sum384([]byte(integrity))
	if line := widget.Version + " sha384-" + base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(versions, "\n"+line+"\n") {
		wrong = append(wrong, fmt.Errorf("widget/versions.lock has no line for the files of widget %s", widget.Version))
	}
	if _, err := os.Stat(filepath.Join(r.root, "widget", "released", widget.Version+".zip")); err != nil {
		wrong = append(wrong, fmt.Errorf("widget/released has no archive of widget %s", widget.Version))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("run `make cut VERSION=%s` first: %w", r.version, errors.Join(wrong...))
	}
	return nil
}
