package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

// kase is a change of a golden file, and the result that every verifier must give.
// The tests of the page /verify read the same file.
type kase struct {
	Name string
	// Of is the golden file below testdata, v1/full.json when empty. v1/ is its folder if it
	// names none.
	Of string
	// Each pair is a text that occurs once, and its replacement.
	Replace [][2]string
	// Key is the trusted key: that of the golden files when empty.
	Key string
	// Media is the recording: that of the golden files when nil.
	Media *string
	// Malformed: Decode refuses the document. Otherwise Failed names the checks
	// that fail; all others pass.
	Malformed bool
	Failed    []string
	// NotChecked has entry if that check cannot be made.
	NotChecked []string `json:"not_checked"`
}

// goldenFile returns the golden file that a case names.
func goldenFile(of string) string {
	if of == "" {
		of = "full.json"
	}
	if !strings.Contains(of, "/") {
		of = "v1/" + of
	}
	return of
}

func TestCases(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var cases []kase
	d := json.NewDecoder(bytes.NewReader(read("cases.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	key, media := strings.TrimSpace(string(read("v1/key.txt"))), read("v1/media.bin")
	for _, c := range cases {
		text := string(read(goldenFile(c.Of)))
		for _, r := range c.Replace {
			if strings.Count(text, r[0]) != 1 {
				t.Fatalf("%s: %q occurs %d times", c.Name, r[0], strings.Count(text, r[0]))
			}
			text = strings.Replace(text, r[0], r[1], 1)
		}
		if c.Key == "" {
			c.Key = key
		}
		recording := media
		if c.Media != nil {
			recording = []byte(*c.Media)
		}
		e, err := evidence.Decode(strings.NewReader(text))
		if (err != nil) != c.Malformed {
			t.Errorf("%s: %v", c.Name, err)
		}
		if err != nil {
			continue
		}
		report, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(recording), Keys: []string{c.Key}})
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		var failed []string
		for _, one := range report {
			if one.Status == evidence.Failed {
				failed = append(failed, string(one.Name))
			}
			if one.Name == evidence.CheckEntry && (one.Status == evidence.NotChecked) != slices.Contains(c.NotChecked, "entry") {
				t.Errorf("%s: %+v", c.Name, one)
			}
		}
		if strings.Join(failed, " ") != strings.Join(c.Failed, " ") {
			t.Errorf("%s: %q failed, want %q", c.Name, failed, c.Failed)
		}
	}
}

// An untrusted log may sign any size. No size may keep a verifier busy.
func TestSizesThatAreNone(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	e, err := evidence.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	secret, key, err := note.GenerateKey(nil, e.Log.Origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []string{"9223372036854775807", "4611686018427387905", "9223372036854775808", "-1", "+17", "017", ""} {
		signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%s\n%s\n", e.Log.Origin, size, tlog.Hash{})}, signer)
		if err != nil {
			t.Fatal(err)
		}
		e.Log.Key, e.Log.Checkpoint, e.Block.Hash = key, string(signed), sha256.Sum256(signed)
		report, err := evidence.Verify(e, evidence.Options{Keys: []string{key}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report {
			if c.Name == "checkpoint" && c.Status != evidence.Failed {
				t.Errorf("a log of %q entries: %+v", size, c)
			}
		}
	}
}
