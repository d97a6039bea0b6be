package evidence_test

import (
	"bytes"
	"crypto/x509"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// A release whose documents differ from earlier ones adds a directory of golden
// files. Name the directory here and write it once with
//
//	go test ./evidence -run TestGolden -update
//
// Never write the directories of earlier releases again: their files must verify
// for ever.
const newest = "testdata/v2"

var update = flag.Bool("update", false, "write the golden files of the newest release")

// song is the work of the golden files.
var song = work{
	title: "Porch Light · Φως στη βεράντα · 门廊的灯",
	creators: []commitment.Creator{
		{FullName: "Ada Example", Email: "ada@songs.example", Roles: []commitment.Role{commitment.Author, commitment.Composer}, IPI: ptr("12345678901"), ISNI: ptr("000000012146438X")},
		{FullName: "نور المثال", Email: "noor@songs.example", Roles: []commitment.Role{commitment.Composer}},
		{FullName: "<Ben> & \"Söhne\"", Email: "ben@songs.example", Roles: []commitment.Role{commitment.Arranger, commitment.Adapter}},
	},
	media: []byte("RIFF: not a real recording, and the same bytes for ever.\n"),
	ats:   17, version: 2, size: 1000, index: 618, seed: [32]byte{1},
}

func golden() map[string][]byte {
	whole := song.logged()
	// Only the token is not made again. An authority with the root authority.pem
	// made it once.
	stamped := must(whole.Extend(token(must(os.ReadFile(newest + "/token.der")))))
	return map[string][]byte{
		"stamped.json":   must(evidence.Encode(stamped)),
		"full.json":      must(evidence.Encode(whole)),
		"attested.json":  must(evidence.Encode(song.attested())),
		"policy.txt":     []byte(song.policy()),
		"redacted.json":  must(evidence.Encode(must(whole.Redact(1)))),
		"substrate.json": must(evidence.Encode(song.chained())),
		"chain.json":     must(evidence.Encode(song.finalized(usual))),
		"anchored.json":  must(evidence.Encode(song.anchored(usual))),
		"checkpoint.txt": []byte(usual.checkpoint(song.chained(), firstSet)),
		"key.txt":        []byte(song.key() + "\n"),
		"media.bin":      song.media,
	}
}

// The document of a forked copy of the log: the log's key, and another work in the same
// place. Programs that compare documents find it out.
func TestForkIsWritten(t *testing.T) {
	t.Parallel()
	text := must(evidence.Encode(forked(func(w *work) { w.title = "Another Song" }).logged()))
	if *update {
		if err := os.WriteFile("testdata/fork.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile("testdata/fork.json"); err != nil || !bytes.Equal(now, text) {
		t.Errorf("testdata/fork.json is no longer what this release writes (%v)", err)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, text := range golden() {
		path := filepath.Join(newest, name)
		if *update {
			if err := os.MkdirAll(newest, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
			t.Errorf("%s is no longer what this release writes (%v)", path, err)
		}
	}
	files, err := filepath.Glob("testdata/v*/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		read := func(name string) []byte {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		e, err := evidence.Decode(bytes.NewReader(read(filepath.Base(path))))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(read("authority.pem")) {
			t.Fatal("authority.pem")
		}
		r, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(read("media.bin")), Keys: []string{strings.TrimSpace(string(read("key.txt")))}, Authorities: roots})
		if (check(r, "token_authority").Status == evidence.OK) != (len(e.Tokens()) > 0) {
			t.Errorf("%s: %+v", path, r)
		}
		if err != nil || !r.OK() || r.Anchored() != (e.Network.Kind == evidence.KindLog) {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
}
