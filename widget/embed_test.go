package widget

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"timbre.example/internal/compressed"
	"timbre.example/web/i18n"
)

// unpacked returns the content of a compressed copy.
func unpacked(t *testing.T, coding string, b []byte) []byte {
	t.Helper()
	var r io.Reader = brotli.NewReader(bytes.NewReader(b))
	if coding == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIntegrityOfEveryFile(t *testing.T) {
	seen, types := 0, 0
	languages, err := i18n.Read("..")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(Files, ".", func(name string, e fs.DirEntry, err error) error {
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
		for _, coding := range compressed.Codings {
			if got := unpacked(t, coding, Packed(name, coding)); !bytes.Equal(got, b) {
				t.Errorf("%s: %s holds something else: run `go run ./widget/build`", name, coding)
			}
		}
		if strings.HasSuffix(name, ".d.ts") { // the element's types, and one file for each framework
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
	if seen != 9+len(languages)-1 || Integrity("locale/fr.json") == "" || Version == "" || Integrity("version") != "" || Integrity("nothing") != "" {
		t.Errorf("%d files, version %q", seen, Version)
	}
}
