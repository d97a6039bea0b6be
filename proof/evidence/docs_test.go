package evidence_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timbre.example/proof/evidence"
)

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func blocks(text, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// docs/evidence.md promises that its commands, and after them those of docs/log.md,
// prove evidence without our programs. The test runs the commands unchanged.
func TestByHand(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "jq", "xxd", "sha256sum", "base64", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: the documented commands need %s", tool)
		}
	}
	_, hand, ok := strings.Cut(document(t, "evidence.md"), "## Check it by hand")
	_, log, _ := strings.Cut(document(t, "log.md"), "## Check one entry by hand")
	log, _, _ = strings.Cut(log, "\n## ")
	steps, further := blocks(hand, "sh"), blocks(log, "sh")
	if !ok || len(steps) != 4 || len(further) != 4 {
		t.Fatalf("%d and %d blocks of shell", len(steps), len(further))
	}
	script := "set -eu\n" + strings.Join(append(steps, further[1:]...), "")
	prove := func(t *testing.T, e evidence.Evidence) string {
		t.Helper()
		dir := t.TempDir()
		for name, text := range map[string][]byte{"evidence.json": must(json.Marshal(e)), "song.wav": song.media, "key.txt": []byte(song.key() + "\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // the test checks the output, not the exit code
		return string(out)
	}
	words := []string{"the recording is right", "the commitment is right", "creator 0 is right", "the entry is right", "the block is right",
		"the transaction is right", "Signature Verified Successfully", "the entry is in the log"}
	// Each check prints its result, whatever the results before it.
	bad := song.logged()
	bad.Media.SHA256[3] ^= 1
	bad.Creators[0].IPI = nil
	bad.Version++
	bad.Log.Proof[2][0] ^= 1
	for what, c := range map[string]struct {
		e     evidence.Evidence
		wrong []string
	}{
		"one creator": {must(song.logged().Redact(1)), nil},
		"a forgery":   {bad, []string{"the recording is right", "the commitment is right", "creator 0 is right", "the entry is right", "the entry is in the log"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			out := prove(t, c.e)
			for _, w := range words {
				if said := strings.Contains(out, w); said == slices.Contains(c.wrong, w) {
					t.Errorf("%q in the output: %t\n%s", w, said, out)
				}
			}
			if len(c.e.Creators) == 3 && !strings.Contains(out, "creator 2 is right") {
				t.Errorf("at least one creator is not checked:\n%s", out)
			}
		})
	}
}

// The document's table lists the members of the form, in the order of the form.
func TestTheFormIsDocumented(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(document(t, "evidence.md"), "\n## The form\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range strings.Split(row[1], ", ") {
			name = strings.NewReplacer("`", "", "[]", "", "…", "").Replace(name)
			documented = append(documented, name[strings.LastIndex(name, ".")+1:])
		}
	}
	whole := golden()["full.json"]
	logged := must(evidence.Decode(bytes.NewReader(golden()["attested.json"])))
	var actual []string
	seen := map[string]bool{"sibling": true, "is_left": true, "says": true} // the line of proof explains the two; the last one is of an unknown kind
	for _, text := range [][]byte{whole, golden()["chain.json"], must(evidence.Encode(logged)), golden()["anchored.json"]} {
		for _, m := range regexp.MustCompile(`(?m)^\s*"([a-z0-9_]+)":\s`).FindAllSubmatch(text, -1) {
			name := string(m[1])
			if parents := []string{"media", "network", "block", "log", "substrate", "finality", "rfc3161"}; !seen[name] && !slices.Contains(parents, name) {
				actual = append(actual, name)
			}
			seen[name] = true
		}
	}
	distinct := documented[:0:0]
	told := map[string]bool{}
	for _, name := range documented {
		if !told[name] {
			distinct = append(distinct, name)
		}
		told[name] = true
	}
	if got, want := strings.Join(distinct, " "), strings.Join(actual, " "); got != want {
		t.Errorf("the documented members are\n%s\nbut the form has\n%s", got, want)
	}
}

// The program in the document is the example that the tests compile and run.
func TestTheDocumentedProgramIsTheExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	program := blocks(document(t, "evidence.md"), "go")
	if len(program) != 1 {
		t.Fatalf("%d programs", len(program))
	}
	lines := func(text []byte) []byte { return regexp.MustCompile(`(?m)^\t+`).ReplaceAll(text, nil) }
	files := strings.NewReplacer("evidence.json", "testdata/v1/full.json", "song.wav", "testdata/v1/media.bin")
	if want := lines([]byte(files.Replace(program[0]))); !bytes.Contains(lines(source), want) {
		t.Errorf("the example is not\n%s", want)
	}
}
