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

func TestVerify(t *testing.T) {
	t.Parallel()
	const dir = "../../evidence/testdata/v1/"
	key, err := os.ReadFile(dir + "key.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{dir + "full.json"}, exitDone, "compare it with one you trust"},
		{[]string{dir + "redacted.json", "--media", dir + "media.bin", "--log-key", strings.TrimSpace(string(key))}, exitDone, "not every creator is disclosed"},
		{[]string{dir + "full.json", "--media", dir + "key.txt"}, exitRefused, "its SHA-256 or size is another"},
		{[]string{dir + "full.json", "--log-key", "log.example+0+AQ", "--json"}, exitRefused, "the evidence names another key"},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"verify"}, c.args...), &out, &errs); code != c.exit || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, out.String(), errs.String())
		}
	}
}
