package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/proof/pdf"
	"timbre.example/proof/pdf/pdftest"
)

// The page says of each PDF, in a browser, what the command says; and it goes on
// drawing while it reads.
func TestVerifyPageReadsPDFs(t *testing.T) {
	t.Parallel()
	golden := func(name string) string {
		b, err := os.ReadFile(filepath.Join("../../proof/evidence/testdata/v1", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, err := filepath.Abs("../../verify/dist/verify.html")
	if err != nil {
		t.Fatal(err)
	}
	first, second := golden("full.json"), golden("redacted.json")
	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	p.Goto("file://" + page)
	p.Type("document.getElementById('key')", strings.TrimSpace(golden("key.txt")))
	p.Press("Enter", false)
	p.Wait("document.querySelector('#keys li')")
	words := texts(t)
	longest := 0.0
	for i, one := range pdftest.Cases(first, second) {
		want, trouble := "registered", ""
		switch {
		case one.Why != "":
			want = ""
			refusal := (*pdf.Refusal)(nil)
			if _, err := pdf.Read(one.PDF); !errors.As(err, &refusal) {
				t.Fatalf("%s: %v", one.Name, err)
			}
			trouble = words["trouble_"+string(refusal.Trouble)]
		case one.Changed:
			want = "page_changed"
		}
		if one.Evidence != first && one.Evidence != second { // evidence with something in it
			if want != "" {
				want, trouble = "", words["trouble_damaged"]
			}
		}
		p.Run(watchProgress)
		c.choose("proof", c.file(fmt.Sprintf("%03d.pdf", i), one.PDF))
		verdict, _ := c.verdict()
		said := browser.Eval[string](p, "document.querySelector('#trouble p')?.textContent ?? ''")
		if verdict != want || said != trouble {
			t.Errorf("%s: %q, %q; want %q, %q", one.Name, verdict, said, want, trouble)
		}
		if green := browser.Eval[bool](p, "!!document.querySelector('.verdict.registered, .verdict.verified')"); green && one.Changed {
			t.Errorf("%s: it is green", one.Name)
		}
		caution := browser.Eval[string](p, "document.querySelector('[data-verdict] [data-caution=page]')?.textContent ?? ''")
		if wanted := map[bool]string{true: words["say_page_not_checked"]}[want == "registered"]; caution != wanted {
			t.Errorf("%s: the verdict warns %q, want %q", one.Name, caution, wanted)
		}
		gap := browser.Eval[float64](p, "Math.max(0, ...gaps)")
		if longest = max(longest, gap); gap > 250 {
			t.Logf("%s: %.0f ms between two frames", one.Name, gap)
		}
	}
	t.Logf("the longest time between two frames was %.0f ms", longest)
	if problems := p.Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}

// texts are the page's words in English.
func texts(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../proof/evidence/words.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
