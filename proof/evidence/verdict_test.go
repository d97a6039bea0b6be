package evidence_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"timbre.example/proof/evidence"
)

// situation is a verifier's input, and the verdict that every verifier must give. The
// tests of the page /verify read the same file.
type situation struct {
	Name    string
	Of      string          // the golden file, full.json when empty
	Replace [2]string       // a text that occurs once, and its replacement
	Page    evidence.Status // of the page of its PDF, "" when it did not come in a PDF
	Media   string          // right, other or none
	Key     string          // right, other or none
	Verdict evidence.Verdict
	Test    bool // a test network
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var all []situation
	d := json.NewDecoder(strings.NewReader(read("verdicts.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"right": strings.TrimSpace(read("v1/key.txt")), "other": otherKey}
	seen := map[evidence.Verdict]bool{}
	for _, s := range all {
		text := read(goldenFile(s.Of))
		if s.Replace[0] != "" {
			if strings.Count(text, s.Replace[0]) != 1 {
				t.Fatalf("%s: %q occurs %d times", s.Name, s.Replace[0], strings.Count(text, s.Replace[0]))
			}
			text = strings.Replace(text, s.Replace[0], s.Replace[1], 1)
		}
		e, err := evidence.Decode(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		opts := evidence.Options{Keys: given(keys[s.Key])}
		switch s.Media {
		case "right":
			opts.Media = strings.NewReader(read("v1/media.bin"))
		case "other":
			opts.Media = strings.NewReader("another")
		}
		report, err := evidence.Verify(e, opts)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if s.Page != "" {
			report = append(evidence.Report{evidence.Page(s.Page, evidence.PageWhy(string(s.Page)))}, report...)
		}
		v := evidence.Judge(e, report)
		if v != s.Verdict || e.OnTestNetwork() != s.Test {
			t.Errorf("%s: %s, test network %t; want %s, %t", s.Name, v, e.OnTestNetwork(), s.Verdict, s.Test)
		}
		if v.Proved() != report.Anchored() {
			t.Errorf("%s: the verdict %s is a proof: %t; the report: %t", s.Name, v, v.Proved(), report.Anchored())
		}
		if said := v.Sentence(e); v.Name() == "" || strings.Contains(said, "{") {
			t.Errorf("%s: %s: %s", s.Name, v.Name(), said)
		}
		seen[v] = true
	}
	if len(seen) != 7 {
		t.Errorf("only the verdicts %v occurred", seen)
	}
}

// otherKey is the verifier key of another log with the golden log's name. This log
// did not sign the golden files.
const otherKey = "timbre.example/log/testnet+2833910c+AcWsj5sMk6fVekC4EEfDTx9NLNUzhBOkdroztBgHdU0c"
