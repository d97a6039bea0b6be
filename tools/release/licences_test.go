package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// permissive are the licences that a linked module may have. None of them asks for the
// source of the programs that contain the module.
var permissive = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// readTexts are texts that licensecheck does not know, by their SHA-256. A person has
// read each. A new version of such a text fails the test until a person reads it.
var readTexts = map[string]string{
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": "modernc.org/sqlite: SQLite is in the public domain",
	"4194f8e7119be72babd499db4f6f1f7547e36e8a7bffcb2b9c8df241b8f1576a": "modernc.org/sqlite: MIT, BSD, Apache-2.0 and public domain in what is linked; MPL-2.0 only in what is not compiled",
	"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c": "modernc.org/libc: MIT and BSD",
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": "modernc.org/memory: the address of a logo",
}

// extra are texts that a module may have beside its licence.
var extra = regexp.MustCompile(`(?i)^(notice|patents|authors)`)

// A binary contains only modules under permissive licences: no GPL, AGPL or LGPL. The
// test looks at the packages that are linked on any platform of a release.
func TestLicences(t *testing.T) {
	type linked struct{ Path, Version, Dir string }
	all := map[linked]bool{}
	for _, target := range targets {
		list := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/timbre")
		list.Dir = "../.."
		list.Env = append(list.Environ(), "CGO_ENABLED=0", "GOOS="+target.os, "GOARCH="+target.arch)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", target, err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if m := p.Module; m != nil && !m.Main {
				all[linked{m.Path, m.Version, m.Dir}] = true
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d modules", len(all))
	}
	for m := range all {
		texts, err := licencesIn(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, l := range texts {
			if extra.MatchString(l.file) {
				continue
			}
			found = true
			if sum := sha256.Sum256(l.text); readTexts[hex.EncodeToString(sum[:])] != "" {
				continue
			}
			if !slices.Contains(permissive, l.id) {
				t.Errorf("%s %s: %s has the licence %q, which is not among %v", m.Path, m.Version, l.file, l.id, permissive)
			}
		}
		if !found {
			t.Errorf("%s %s has no licence", m.Path, m.Version)
		}
	}
}
