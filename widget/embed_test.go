package widget

import (
	"crypto/sha512"
	"encoding/base64"
	"io/fs"
	"testing"
)

func TestIntegrityOfEveryFile(t *testing.T) {
	seen := 0
	err := fs.WalkDir(Files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == "integrity.json" {
			return err
		}
		b, err := fs.ReadFile(Files, name)
		if err != nil {
			return err
		}
		sum := sha512.Sum384(b)
		if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); Integrity(name) != want {
			t.Errorf("%s: integrity %q, want %q", name, Integrity(name), want)
		}
		seen++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 9+6 || Integrity("locale/fr.json") == "" || Version == "" || Integrity("version") != "" || Integrity("nothing") != "" {
		t.Errorf("%d files, version %q", seen, Version)
	}
}
