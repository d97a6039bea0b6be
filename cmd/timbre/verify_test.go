package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is not evidence is refused, and the command says so.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"version 2": `{"evidence":2}`, "nothing in it": `{"evidence":1}`, "not JSON": `%PDF-1.7`,
	} {
		path := filepath.Join(t.TempDir(), "evidence.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := run([]string{"verify", path}, &out, &errs); code != exitRefused || !strings.Contains(errs.String(), "malformed evidence") {
			t.Errorf("%s: exit %d, %s%s", name, code, out.String(), errs.String())
		}
	}
}
