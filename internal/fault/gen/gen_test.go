package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const moduleRoot = "../../.."

func TestOutputsAreCurrent(t *testing.T) {
	if err := run(moduleRoot, true); err != nil {
		t.Error(err)
	}
}

// tree copies the inputs of the generator to a directory of the test and returns the parsed catalogue.
func tree(t *testing.T) (root string, rows []map[string]any) {
	t.Helper()
	root = t.TempDir()
	for _, name := range []string{catalogueFile, lockFile} {
		data, err := os.ReadFile(filepath.Join(moduleRoot, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, root, name, data)
		if name == catalogueFile {
			if err := json.Unmarshal(data, &rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root, rows
}

func write(t *testing.T, root, name string, data []byte) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFindsEachStaleFile(t *testing.T) {
	root, _ := tree(t)
	if err := run(root, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err != nil {
		t.Fatalf("fresh outputs: %v", err)
	}
	for _, name := range []string{goFile, tsFile, docFile, lockFile} {
		path := filepath.Join(root, name)
		fresh, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stale := append([]byte("\n"), fresh...)
		write(t, root, name, stale)
		if err := run(root, true); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s was changed, and check returns %v", name, err)
		}
		write(t, root, name, fresh)
	}
	if err := os.Remove(filepath.Join(root, docFile)); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err == nil || !strings.Contains(err.Error(), docFile) {
		t.Errorf("%s is missing, and check returns %v", docFile, err)
	}
}

func TestLock(t *testing.T) {
	tests := []struct {
		name   string
		change func(rows []map[string]any) []map[string]any
		want   string // part of the error, or empty
	}{
		{"nothing", func(r []map[string]any) []map[string]any { return r }, ""},
		{"append", func(r []map[string]any) []map[string]any {
			return append(r, map[string]any{"code": "common.teapot", "section": "common", "status": 418, "class": "failed", "screen": "errOther",
				"message": "No coffee.", "action": "Ask for tea.", "cause": "A pot.", "details": []any{}})
		}, ""},
		{"reorder", func(r []map[string]any) []map[string]any { r[0], r[1] = r[1], r[0]; return r }, ""},
		{"remove", func(r []map[string]any) []map[string]any { return r[1:] }, "never removed"},
		{"rename", func(r []map[string]any) []map[string]any { r[0]["code"] = "session.other"; return r }, "never removed"},
		{"status", func(r []map[string]any) []map[string]any { r[0]["status"] = 400; return r }, "was published as"},
		{"class", func(r []map[string]any) []map[string]any { r[0]["class"] = "failed"; return r }, "was published as"},
		{"message", func(r []map[string]any) []map[string]any { r[0]["message"] = "Go away."; return r }, "was published as"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, rows := tree(t)
			before, err := os.ReadFile(filepath.Join(root, lockFile))
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(tt.change(rows))
			if err != nil {
				t.Fatal(err)
			}
			write(t, root, catalogueFile, data)
			err = run(root, false)
			after, readErr := os.ReadFile(filepath.Join(root, lockFile))
			if readErr != nil {
				t.Fatal(readErr)
			}
			if !bytes.HasPrefix(after, before) {
				t.Error("the generator changed an old line of the lock")
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.want != "" && !bytes.Equal(after, before) {
				t.Error("a refused catalogue changed the lock")
			}
		})
	}
}

func TestCatalogueThatContradictsItself(t *testing.T) {
	tests := []struct {
		name string
		key  string
		val  any
		want string
	}{
		{"code", "code", "Session.X", "dotted lower case"},
		{"section", "section", "work", "section"},
		{"class", "class", "sometimes", "unknown class"},
		{"client with status", "class", "client", "class client needs status 0"},
		{"success", "status", 200, "not from 400 to 599"},
		{"retry", "retry_after", true, "Retry-After"},
		{"inline without stage", "class", "inline", "stage"},
		{"no message", "message", "", "required"},
		{"no text on the screen", "screen", "", "session.invalid_token: a code that a browser can meet must name its text on the screen"},
		{"unknown key", "severity", 3, "unknown field"},
		{"detail type", "details", []any{map[string]any{"name": "x", "type": "float", "meaning": "m", "example": 1}}, "unknown type"},
		{"detail example of another type", "details", []any{map[string]any{"name": "x", "type": "time", "meaning": "m", "example": "soon"}}, "not of type time"},
		{"rehearsal", "rehearse", "later", "stage of a rehearsal"},
		{"seed without rehearsal", "rehearse", "", "every code of the seed"},
		{"detail example", "details", []any{map[string]any{"name": "x", "type": "int", "meaning": "m"}}, "example"},
		{"placeholder", "message", "{size_mb}", "size_bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, rows := tree(t)
			rows[0][tt.key] = tt.val
			data, err := json.Marshal(rows[:1])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parse(data); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	_, rows := tree(t)
	data, err := json.Marshal([]any{rows[0], rows[0]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(data); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a code listed twice: %v", err)
	}
}

func TestExported(t *testing.T) {
	for in, want := range map[string]string{
		"session.invalid_token":        "SessionInvalidToken",
		"common.auth.jwks_unavailable": "CommonAuthJWKSUnavailable",
		"common.auth.invalid_api_key":  "CommonAuthInvalidAPIKey",
		"api_key.revoked":              "APIKeyRevoked",
		"work.not_found":               "WorkNotFound",
	} {
		if diff := cmp.Diff(want, exported(in)); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(moduleRoot, catalogueFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`[{"code":"a.b"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := parse(data)
		if err != nil {
			return
		}
		if _, err := extendLock(nil, rows); err != nil {
			t.Errorf("a catalogue that parses cannot be locked: %v", err)
		}
	})
}
