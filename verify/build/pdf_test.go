package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/proof/pdf"
	"timbre.example/proof/pdf/pdftest"
)

// said is the result of a reader for a PDF.
type said struct {
	Why      string
	Where    string
	Evidence []byte
	Changed  bool
	Steps    int
}

// theCommand is the reader of package pdf.
func theCommand(t testing.TB, file []byte) (s said) {
	t.Helper()
	a, err := pdf.Read(file)
	if refusal := (*pdf.Refusal)(nil); errors.As(err, &refusal) {
		return said{Why: refusal.Why, Where: refusal.Where}
	} else if err != nil {
		t.Fatal(err)
	}
	return said{Evidence: a.Evidence, Changed: a.Changed}
}

// page is the reader of the page, in one process of Node.
type page struct {
	in   io.Writer
	out  *bufio.Reader
	lock sync.Mutex
}

func thePage(t testing.TB) *page {
	t.Helper()
	dir, err := verifyDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range []error{stat(filepath.Join(dir, "..", "node_modules", "@noble", "curves")), look("node")} {
		if missing != nil && os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(missing)
		} else if missing != nil {
			t.Skip(missing)
		}
	}
	built, err := forNode(dir, filepath.Join(t.TempDir(), "built"), filepath.Join(dir, "test", "pdfs.ts"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", built...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &page{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

func (p *page) says(t testing.TB, pdf []byte) (s said) {
	t.Helper()
	p.lock.Lock()
	defer p.lock.Unlock()
	if _, err := fmt.Fprintln(p.in, base64.StdEncoding.EncodeToString(pdf)); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return s
}

// keep writes a file to the folder TIMBRE_TEST_KEEP, so that a developer can inspect it.
func keep(t testing.TB, name string, pdf []byte) string {
	dir := os.Getenv("TIMBRE_TEST_KEEP")
	if dir == "" {
		dir = t.TempDir()
	}
	kept := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pdf")
	_ = os.WriteFile(kept, pdf, 0o600)
	return kept
}

// agree reports whether both readers give the same result.
func agree(t testing.TB, p *page, name string, pdf []byte) (said, bool) {
	t.Helper()
	command, page := theCommand(t, pdf), p.says(t, pdf)
	if command.Why == page.Why && command.Where == page.Where && bytes.Equal(command.Evidence, page.Evidence) && command.Changed == page.Changed {
		return command, true
	}
	t.Errorf("%s: the command says %q %q (%d bytes, changed %t), the page %q %q (%d bytes, changed %t): %s", name,
		command.Why, command.Where, len(command.Evidence), command.Changed, page.Why, page.Where, len(page.Evidence), page.Changed, keep(t, name, pdf))
	return command, false
}

const firstEvidence, secondEvidence = `{"evidence": 1, "title": "first"}`, `{"evidence": 1, "title": "second"}`

// TestThePageReadsPDFs checks the page's result for each case, and that its work is bounded.
func TestThePageReadsPDFs(t *testing.T) {
	t.Parallel()
	p := thePage(t)
	for _, c := range pdftest.Cases(firstEvidence, secondEvidence) {
		agree(t, p, c.Name, c.PDF)
		got := p.says(t, c.PDF)
		if got.Why != c.Why || string(got.Evidence) != c.Evidence || got.Changed != c.Changed {
			t.Errorf("%s: %q, %q, changed %t; want %q, %q, %t", c.Name, got.Why, got.Evidence, got.Changed, c.Why, c.Evidence, c.Changed)
		}
		if got.Steps > 3*len(c.PDF)+8<<20 {
			t.Errorf("%s: %d steps for %d bytes", c.Name, got.Steps, len(c.PDF))
		}
	}
}

// real returns certificates as the server makes them, and as other programs rewrite them, by the
// way they were made.
func real(t testing.TB) map[string][]byte {
	t.Helper()
	evidence, err := os.ReadFile("../../proof/evidence/testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file, err := certificate.Render(certificate.Input{
		Title: "Porch Light · 门廊的灯", Creators: []certificate.Creator{{Name: "Ada Example", Roles: []string{"author"}}, {Name: "نور المثال", Roles: []string{"composer"}}},
		Registration: 17, Version: 2, Network: "testnet", Test: true, At: at, Issued: at, Issuer: "Example Records", Registry: "Songs of Example",
		FileHash: strings.Repeat("ab", 32), Commitment: strings.Repeat("cd", 32), Transaction: strings.Repeat("ef", 32), Block: 618,
		PublicURL: "https://timbre.example/w/testnet/17", VerifyURL: "https://timbre.example/verify", Evidence: evidence,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"as it was issued": file}
	dir := t.TempDir()
	before := filepath.Join(dir, "before.pdf")
	if err := os.WriteFile(before, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for how, command := range map[string][]string{
		"qpdf":                    {"qpdf", before, "OUT"},
		"qpdf, linearized":        {"qpdf", "--linearize", before, "OUT"},
		"qpdf, linearized packed": {"qpdf", "--linearize", "--object-streams=generate", before, "OUT"},
		"qpdf, object streams":    {"qpdf", "--object-streams=generate", before, "OUT"},
		"qpdf, qdf":               {"qpdf", "--qdf", "--object-streams=disable", before, "OUT"},
		"qpdf, encrypted":         {"qpdf", "--encrypt", "", "owner", "256", "--", before, "OUT"},
		"mutool":                  {"mutool", "clean", before, "OUT"},
		"mutool, all":             {"mutool", "clean", "-ggggdz", before, "OUT"},
		"ghostscript":             {"gs", "-q", "-dBATCH", "-dNOPAUSE", "-dPDFA=3", "-sDEVICE=pdfwrite", "-sOutputFile=OUT", before},
		"pdftk":                   {"pdftk", before, "output", "OUT"},
	} {
		if err := look(command[0]); err != nil {
			t.Logf("%s is not tried: %v", how, err)
			continue
		}
		after := filepath.Join(dir, "after.pdf")
		_ = os.Remove(after)
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "OUT", after)
		}
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil && stat(after) != nil {
			t.Fatalf("%s: %v: %s", how, err, out)
		}
		if all[how], err = os.ReadFile(after); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// mutants is the number of changed files that are compared. TIMBRE_TEST_MUTANTS sets another
// number, and compares all of them with the other programs. TIMBRE_TEST_SEED changes them in
// another way.
const mutants = 3000

// TestReadersAgree compares the command with the page on PDFs that were changed at random, and on
// PDFs that other programs wrote. qpdf and poppler must extract the same file.
func TestReadersAgree(t *testing.T) {
	t.Parallel()
	p := thePage(t)
	seed := uint64(9)
	if text := os.Getenv("TIMBRE_TEST_SEED"); text != "" {
		_, _ = fmt.Sscan(text, &seed)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	third := others(t)
	small := pdftest.Certificate(firstEvidence).With(7, pdftest.Stream("", secondEvidence)).With(8, "<</Type/Filespec/F(evidence.json)/UF(evidence.json)/EF<</F 7 0 R>>>>").With(9, "[8 0 R]")
	counts := map[string]int{}
	most, ask, asked := mutants, 200, 0 // qpdf and poppler start a process for each file
	if text := os.Getenv("TIMBRE_TEST_MUTANTS"); text != "" {
		_, _ = fmt.Sscan(text, &most)
		ask = most
	}
	for i := range most {
		name := fmt.Sprintf("seed %d, mutant %d", seed, i)
		pdf := small.Mutate(r)
		s, same := agree(t, p, name, pdf)
		if !same && i > 20 && t.Failed() {
			t.FailNow()
		}
		counts[s.Why]++
		if s.Changed {
			counts["changed"]++
		}
		if s.Why == "" && asked < ask {
			asked++
			third(name, pdf, s.Evidence)
		}
	}
	t.Logf("seed %d: of %d mutants %v; %d shown to other readers", seed, most, counts, asked)
	if counts[""] < most/10 || counts["changed"] < most/100 {
		t.Error("too few of the mutants can be read")
	}
	for how, file := range real(t) {
		s, _ := agree(t, p, how, file)
		t.Logf("%s: %q, changed %t", how, s.Why, s.Changed)
		want := ""
		if how == "qpdf, encrypted" {
			want = "encrypted"
		}
		if s.Why != want || s.Changed {
			t.Errorf("%s: %q, changed %t", how, s.Why, s.Changed)
		}
		if s.Why == "" {
			third(how, file, s.Evidence)
		}
		for i := range 40 {
			agree(t, p, fmt.Sprintf("seed %d, %s, mutant %d", seed, how, i), pdftest.MutateBytes(r, file))
		}
	}
}

// others returns a function that compares a result with the file that qpdf and poppler extract.
func others(t *testing.T) func(name string, pdf, evidence []byte) {
	for _, tool := range []string{"qpdf", "pdfdetach"} {
		if err := look(tool); err != nil && os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		} else if err != nil {
			t.Logf("%s is not asked: %v", tool, err)
			return func(string, []byte, []byte) {}
		}
	}
	dir := t.TempDir()
	path, saved := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out")
	return func(name string, pdf, evidence []byte) {
		t.Helper()
		if err := os.WriteFile(path, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
		kept := func() string { return keep(t, name, pdf) }
		list, _ := exec.Command("pdfdetach", "-list", path).Output()
		for i, line := range strings.Split(string(list), "\n") {
			number, called, ok := strings.Cut(line, ": ")
			if !ok || called != certificate.EvidenceName {
				continue
			}
			_ = os.Remove(saved)
			out, err := exec.Command("pdfdetach", "-save", number, "-o", saved, path).CombinedOutput()
			if got, _ := os.ReadFile(saved); !bytes.Equal(got, evidence) {
				t.Errorf("%s: poppler extracts %.60q (%v, line %d, %s): %s", name, got, err, i, out, kept())
			}
			goto qpdf
		}
		t.Errorf("%s: poppler lists %q: %s", name, list, kept())
	qpdf:
		list, _ = exec.Command("qpdf", "--list-attachments", "--verbose", path).Output()
		key := ""
		for _, line := range strings.Split(string(list), "\n") {
			if k, _, ok := strings.Cut(line, " -> "); ok {
				key = k
			}
			if strings.TrimSpace(line) == "preferred name: "+certificate.EvidenceName {
				break
			}
		}
		out, err := exec.Command("qpdf", "--show-attachment="+key, path).Output()
		if !bytes.Equal(out, evidence) {
			t.Errorf("%s: qpdf extracts %.60q (%v) of %q: %s", name, out, err, list, kept())
		}
	}
}

// FuzzReadersAgree checks that the page and the command give the same result for all input.
func FuzzReadersAgree(f *testing.F) {
	p := thePage(f)
	for _, c := range pdftest.Small(firstEvidence, secondEvidence) {
		f.Add(c.PDF, uint64(0))
	}
	small := pdftest.Certificate(firstEvidence).With(7, pdftest.Stream("", secondEvidence)).With(8, "<</Type/Filespec/F(evidence.json)/UF(evidence.json)/EF<</F 7 0 R>>>>")
	f.Fuzz(func(t *testing.T, pdf []byte, seed uint64) {
		if seed != 0 { // a change of the structure
			pdf = small.Mutate(rand.New(rand.NewPCG(seed, 0)))
		}
		given := bytes.Clone(pdf)
		agree(t, p, "fuzzed", pdf)
		if !bytes.Equal(pdf, given) {
			t.Error("the file was changed")
		}
	})
}
