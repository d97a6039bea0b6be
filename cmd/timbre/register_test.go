package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// docs/register.md has every flag of register, with the text of --help. TIMBRE_UPDATE=1 writes the table.
func TestFlagsOfRegister(t *testing.T) {
	t.Parallel()
	const file, begins, ends = "../../docs/register.md", "## Every flag\n\n", "\n[The reasons]"
	var c cli
	var want strings.Builder
	want.WriteString("| flag | |\n|---|---|\n")
	for _, n := range kong.Must(&c, mappers()...).Model.Children {
		if n.Name != "register" {
			continue
		}
		for _, f := range n.Flags {
			if f.Name == "help" {
				continue
			}
			name := "--" + f.Name
			if f.PlaceHolder != "" && !f.IsBool() {
				name += " " + f.PlaceHolder
			}
			help := strings.ReplaceAll(f.Help, "<", "&lt;")
			if len(f.Envs) > 0 {
				help += " Or the variable `" + f.Envs[0] + "`."
			}
			fmt.Fprintf(&want, "| `%s` | %s |\n", name, help)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begins)
	table, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of flags", file)
	}
	if os.Getenv("TIMBRE_UPDATE") != "" {
		table = want.String()
		if err := os.WriteFile(file, []byte(before+begins+table+ends+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if table != want.String() {
		t.Errorf("%s should have this table (TIMBRE_UPDATE=1 writes it):\n%s", file, want.String())
	}
	for code := range map[int]bool{exitDone: true, exitRefused: true, exitUsage: true, exitNone: true, exitInterrupted: true} {
		if !strings.Contains(before, fmt.Sprintf("\n| %d | ", code)) || !strings.Contains(registerCmd{}.Help(), fmt.Sprintf("\n  %d ", code)) {
			t.Errorf("the exit code %d is not explained", code)
		}
	}
}

// No call is made before the list is complete, and the key is never shown.
func TestRegisterSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.wav"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	call := []string{"register", dir, "--url", "http://127.0.0.1:1", "--network", "testnet"}
	timbre(t, call...).refused(exitUsage, "an API key is required")
	t.Setenv("TIMBRE_API_KEY", "afo_sk_live_opensesame")
	s := timbre(t, call...)
	s.refused(exitUsage, "no title (1): a.wav")
	s.refused(exitUsage, "no creator (1): a.wav")
	call = append(call, "--title-from-name", "--creator", "Ada Example <ada@songs.example>")
	timbre(t, call...).refused(exitUsage, "creator 1 has no role")
	s = timbre(t, append(call, "--roles", "author", "--wait", "0s")...)
	if s.code != exitNone || !strings.Contains(s.err, "stopped: ") || strings.Contains(s.err+s.out, "opensesame") {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
	for _, format := range []string{"csv", "json"} {
		if s := timbre(t, "register", "--template", format); s.code != exitDone || !strings.Contains(s.out, "Night Train") {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
	}
}
