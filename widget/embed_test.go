package widget

import (
	"crypto/sha512"
	"encoding/base64"
	"io/fs"
	"testing"
)

func TestIntegrityOfEveryFile(t *testing.T) {
	entries, err := fs.ReadDir(Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if e.Name() == "integrity.json" {
			continue
		}
		b, err := fs.ReadFile(Files, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha512.Sum384(b)
		if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); Integrity(e.Name()) != want {
			t.Errorf("%s: integrity %q, want %q", e.Name(), Integrity(e.Name()), want)
		}
		seen++
	}
	if seen != 4 || Version == "" || Integrity("version") != "" || Integrity("nothing") != "" {
		t.Errorf("%d files, version %q", seen, Version)
	}
}
