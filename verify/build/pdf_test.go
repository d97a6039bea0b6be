package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/lasting/lastingtest"
	"timbre.example/internal/outbound"
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

// signed is a certificate with a signature, and with evidence of format 2 that has a time stamp.
func signed(t testing.TB, in certificate.Input) []byte {
	t.Helper()
	var err error
	if in.Evidence, err = os.ReadFile("../../proof/evidence/testdata/v2/attested.json"); err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	public, err := x509.CreateCertificate(cryptorand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	signer, err := certificate.NewSigner(block("CERTIFICATE", public), block("PRIVATE KEY", key), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	file, err := certificate.Render(in, signer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// raised is a signed certificate at the highest level that its authority allows, which publishes
// what names names.
func raised(t testing.TB, in certificate.Input, names []string) []byte {
	t.Helper()
	a := lastingtest.New(t, lastingtest.Options{Names: names})
	signer, err := certificate.NewSigner(a.File("sign.pem"), a.File("sign.key"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	in.Room = lasting.DefaultRoom
	file, err := certificate.Render(in, signer)
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.NewPolicy([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).PlainClient(1, 1)
	defer client.CloseIdleConnections()
	file, level, err := lasting.New(lasting.Config{Stamp: a.Stamp, Client: client, Now: time.Now}).Raise(context.Background(), file)
	if want := map[bool]certificate.Level{true: certificate.LevelLTA, false: certificate.LevelT}[names == nil]; level != want {
		t.Fatalf("%s, %v, want %s", level, err, want)
	}
	return file
}

// pikepdf is a program that adds an empty page, and writes object streams.
const pikepdf = `import sys, pikepdf
with pikepdf.open(sys.argv[1]) as pdf:
    pdf.add_blank_page()
    pdf.save(sys.argv[2], object_stream_mode=pikepdf.ObjectStreamMode.generate)`

// real returns certificates as the server makes them, and as other programs rewrite them, by the
// way they were made.
func real(t testing.TB) map[string][]byte {
	t.Helper()
	evidence, err := os.ReadFile("../../proof/evidence/testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	input := certificate.Input{
		Title: "Porch Light · 门廊的灯", Creators: []certificate.Creator{{Name: "Ada Example", Roles: []string{"author"}}, {Name: "نور المثال", Roles: []string{"composer"}}},
		Registration: 17, Version: 2, Network: "testnet", Test: true, At: at, Issued: at, Issuer: "Example Records", Registry: "Songs of Example",
		FileHash: strings.Repeat("ab", 32), Commitment: strings.Repeat("cd", 32), Transaction: strings.Repeat("ef", 32), Block: 618,
		PublicURL: "https://timbre.example/w/testnet/17", VerifyURL: "https://timbre.example/verify", Evidence: evidence,
	}
	file, err := certificate.Render(input, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"as it was issued": file, "signed": signed(t, input)}
	for how, names := range map[string][]string{"signed, with validation data": nil, "signed, with a time-stamp alone": {}} {
		all[how] = raised(t, input, names)
	}
	dir := t.TempDir()
	before := filepath.Join(dir, "before.pdf")
	if err := os.WriteFile(before, file, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := func(arguments ...string) []string {
		return append(append([]string{"qpdf", "--allow-weak-crypto", "--encrypt", "", "owner"}, arguments...), "--", before, "OUT")
	}
	for how, command := range map[string][]string{
		"qpdf":                         {"qpdf", before, "OUT"},
		"qpdf, linearized":             {"qpdf", "--linearize", before, "OUT"},
		"qpdf, linearized packed":      {"qpdf", "--linearize", "--object-streams=generate", before, "OUT"},
		"qpdf, object streams":         {"qpdf", "--object-streams=generate", before, "OUT"},
		"qpdf, qdf":                    {"qpdf", "--qdf", "--object-streams=disable", before, "OUT"},
		"qpdf, uncompressed":           {"qpdf", "--stream-data=uncompress", before, "OUT"},
		"qpdf, RC4 40":                 secret("40"),
		"qpdf, RC4 128":                secret("128", "--use-aes=n"),
		"qpdf, RC4 128 as a filter":    secret("128", "--use-aes=n", "--force-V4"),
		"qpdf, AES 128":                secret("128", "--use-aes=y"),
		"qpdf, AES 128, clear":         secret("128", "--use-aes=y", "--cleartext-metadata"),
		"qpdf, AES 256, revision 5":    secret("256", "--force-R5"),
		"qpdf, AES 256":                secret("256"),
		"qpdf, AES 256, clear":         secret("256", "--cleartext-metadata"),
		"qpdf, AES 256, packed":        {"qpdf", "--object-streams=generate", "--linearize", "--encrypt", "", "owner", "256", "--", before, "OUT"},
		"qpdf, a password":             {"qpdf", "--encrypt", "user", "owner", "256", "--", before, "OUT"},
		"qpdf, an old password":        {"qpdf", "--allow-weak-crypto", "--encrypt", "user", "owner", "128", "--use-aes=y", "--", before, "OUT"},
		"qpdf, the oldest password":    {"qpdf", "--allow-weak-crypto", "--encrypt", "user", "owner", "40", "--", before, "OUT"},
		"qpdf, without the attachment": {"qpdf", "--remove-attachment=" + pdf.EvidenceName, before, "OUT"},
		"mutool":                       {"mutool", "clean", before, "OUT"},
		"mutool, all":                  {"mutool", "clean", "-ggggdz", before, "OUT"},
		"mutool, in digits":            {"mutool", "clean", "-da", before, "OUT"},
		"mutool, RC4 128":              {"mutool", "clean", "-E", "rc4-128", "-O", "owner", before, "OUT"},
		"mutool, AES 128":              {"mutool", "clean", "-E", "aes-128", "-O", "owner", before, "OUT"},
		"mutool, AES 256":              {"mutool", "clean", "-E", "aes-256", "-O", "owner", before, "OUT"},
		"ghostscript":                  {"gs", "-q", "-dBATCH", "-dNOPAUSE", "-dPDFA=3", "-sDEVICE=pdfwrite", "-sOutputFile=OUT", before},
		"ghostscript, RC4 128":         {"gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sOwnerPassword=owner", "-dEncryptionR=3", "-dKeyLength=128", "-sOutputFile=OUT", before},
		"pdftk":                        {"pdftk", before, "output", "OUT"},
		"pdftk, RC4 128":               {"pdftk", before, "output", "OUT", "owner_pw", "owner"},
		"pdftk, AES 128":               {"pdftk", before, "output", "OUT", "owner_pw", "owner", "encrypt_aes128"},
		"pdfunite, the same twice":     {"pdfunite", before, before, "OUT"},
		"pikepdf":                      {"/usr/bin/python3", "-c", pikepdf, before, "OUT"},
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
// number, and TIMBRE_TEST_ASKED how many of them qpdf and poppler are shown. TIMBRE_TEST_SEED changes them in another
// way.
const mutants, asked = 4000, 200

func fromEnvironment(key string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(key)); err == nil {
		return n
	}
	return otherwise
}

// small is a certificate with another evidence that nothing leads to. A change can lead to it.
var small = pdftest.Certificate(firstEvidence).With(7, pdftest.Stream("", secondEvidence)).With(8, "<</Type/Filespec/F(evidence.json)/UF(evidence.json)/EF<</F 7 0 R>>>>").With(9, "[8 0 R]")

// TestReadersAgree compares the command with the page on PDFs that were changed at random, and on
// PDFs that other programs wrote. qpdf and poppler must extract the same file.
func TestReadersAgree(t *testing.T) {
	t.Parallel()
	p := thePage(t)
	seed := fromEnvironment("TIMBRE_TEST_SEED", 9)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	third := others(t)
	rewritten := real(t)
	names := slices.Sorted(maps.Keys(rewritten))
	for _, how := range names {
		file := rewritten[how]
		s, _ := agree(t, p, how, file)
		t.Logf("%s: %q, changed %t", how, s.Why, s.Changed)
		want := ""
		switch {
		case strings.Contains(how, "password"):
			want = "password"
		case strings.Contains(how, "without"), how == "ghostscript, RC4 128": // which does not encrypt the name
			want = "none"
		case strings.HasPrefix(how, "pdfunite"): // which writes a Size that is too small
			want = "table"
		}
		if s.Why != want || s.Changed {
			t.Errorf("%s: %q %q, changed %t: %s", how, s.Why, s.Where, s.Changed, keep(t, how, file))
		}
		if s.Why == "" {
			third(how, file, s.Evidence)
		}
	}
	large := pdftest.Parse(rewritten["as it was issued"])
	counts := map[string]int{}
	most, ask := fromEnvironment("TIMBRE_TEST_MUTANTS", mutants), fromEnvironment("TIMBRE_TEST_ASKED", asked) // qpdf and poppler start a process for each file
	refused, listed, askRefused := map[string]int{}, map[string]int{}, ask/2
	for i := range most {
		name := fmt.Sprintf("seed %d, mutant %d", seed, i)
		var pdf []byte
		switch kind := r.IntN(10); {
		case kind < 6:
			pdf = small.Mutate(r)
		case kind < 7:
			pdf = large.Mutate(r)
		default:
			how := names[r.IntN(len(names))]
			name += ", " + how
			pdf = pdftest.MutateBytes(r, rewritten[how])
		}
		s, same := agree(t, p, name, pdf)
		if !same && i > 20 && t.Failed() {
			t.FailNow()
		}
		counts[s.Why]++
		if s.Changed {
			counts["changed"]++
		}
		if s.Why == "" && ask > 0 {
			ask--
			third(name, pdf, s.Evidence)
		} else if s.Why != "" && askRefused > 0 {
			askRefused--
			refused[s.Why]++
			if popplerLists(t, pdf) {
				listed[s.Why]++
			}
		}
	}
	t.Logf("seed %d: of %d mutants %v; of the refused %v poppler lists the evidence of %v", seed, most, counts, refused, listed)
	if most >= mutants && (counts[""] < most/10 || counts["changed"] < most/100) {
		t.Error("too few of the mutants can be read")
	}
}

// popplerLists reports whether poppler lists the evidence of a file that is refused here: it repairs files.
func popplerLists(t testing.TB, pdf []byte) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	list, _ := exec.Command("pdfdetach", "-list", path).Output()
	return strings.Contains(string(list), ": "+certificate.EvidenceName+"\n")
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
		var list []byte
		if bytes.Contains(pdf, []byte("dentity")) {
			goto qpdf // poppler decrypts strings as streams, whatever the crypt filters are
		}
		list, _ = exec.Command("pdfdetach", "-list", path).Output()
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
