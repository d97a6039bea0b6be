package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Each function that forgets its operation is found, and no other.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	source := `package p

import ("errors"; "fmt"; "timbre.example/internal/fault"; "timbre.example/internal/operation")

var ErrNone = errors.New("none")

type S struct{}
type s struct{}

func Plain() error { return helper() }                                  // BAD
func (S) Passes() (int, error) { n, err := other(); return n, err }     // BAD
func (*S) Bare() (err error) { err = helper(); return }                 // BAD
func Late() (err error) { if true { return helper() }; defer operation.Wrap(&err, "x"); return nil } // BAD
func Joins() error { return errors.Join(helper(), helper()) }           // BAD
func Generic[T any]() (T, error) { return other2[T]() }                 // BAD

func Wraps() (err error) { defer operation.Wrap(&err, "do %s", "x"); return helper() }
func Says() error { return fmt.Errorf("do: %w", helper()) }
func Sentinel() error { return ErrNone }
func Refuses() error { return fault.WorkNotFound().With("a", 1) }
func (x S) Delegates() error { return x.Exported() }
func (x S) Exported() error { return nil }
func Same() error { return Says() }
func Literal() func() error { return func() error { return helper() } }
func (S) Close() error { return helper() }
func (s) Inner() error { return helper() }
func inner() error { return helper() }
func Silent() { _ = helper() }
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte("package p\nfunc InTest() error { return helper() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	found, err := check(dir, &out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for n, line := range strings.Split(source, "\n") {
		if strings.Contains(line, "// BAD") {
			want[filepath.Join(dir, "p.go")+":"+strconv.Itoa(n+1)] = true
		}
	}
	for line := range strings.Lines(out.String()) {
		at := strings.Join(strings.SplitN(line, ":", 3)[:2], ":")
		if !want[at] {
			t.Errorf("found too: %s", line)
		}
		delete(want, at)
	}
	if found != 6 || len(want) != 0 {
		t.Errorf("%d found, missing %v", found, want)
	}
}

// The exempt functions exist: an exemption of a function that was renamed would hide another.
func TestExemptionsExist(t *testing.T) {
	for name := range exempt {
		dir, fn, _ := strings.Cut(name, " ")
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(b), " "+fn+"(")
		}
		if !found {
			t.Errorf("%s does not exist", name)
		}
	}
}
