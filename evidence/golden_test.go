package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/evidence"
)

// The evidence of each release keeps verifying: files are only ever added.
func TestGolden(t *testing.T) {
	t.Parallel()
	key, err := os.ReadFile("testdata/v1/key.txt")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/v1/*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		e, err := evidence.Decode(f)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		media, err := os.Open("testdata/v1/media.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = media.Close() }()
		r, err := evidence.Verify(e, evidence.Options{Media: media, Key: strings.TrimSpace(string(key))})
		if err != nil || !r.OK() {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
}
