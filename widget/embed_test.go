package widget

import (
	"crypto/sha512"
	"encoding/base64"
	"io/fs"
	"strings"
	"testing"
)

func TestIntegrityOfEveryFile(t *testing.T) {
	seen, types := 0, 0
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
		if strings.HasSuffix(name, ".d.ts") { // the element's own, and one for each framework
			types++
		}
		if name == "ats-widget.d.ts" || !strings.HasSuffix(name, ".d.ts") {
			seen++
		}
		return nil
	})
	if err != nil || types != 4 {
		t.Fatalf("%d files of types, %v", types, err)
	}
	if seen != 6+6 || Integrity("locale/fr.json") == "" || Version == "" || Integrity("version") != "" || Integrity("nothing") != "" {
		t.Errorf("%d files, version %q", seen, Version)
	}
}
