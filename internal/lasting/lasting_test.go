package lasting_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/lasting/lastingtest"
	"timbre.example/internal/outbound"
	"timbre.example/proof/pdf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const attached = `{"evidence": 1, "title": "Porch Light"}`

// issued returns a certificate that the authority's signer signed, with a place for a token.
func issued(t testing.TB, a *lastingtest.Authority, room int) []byte {
	t.Helper()
	signer, err := certificate.NewSigner(a.File("sign.pem"), a.File("sign.key"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file, err := certificate.Render(certificate.Input{
		Title: "Porch Light · 门廊的灯", Creators: []certificate.Creator{{Name: "Ada Example", Roles: []string{"author"}}, {Name: "نور المثال", Roles: []string{"composer"}}},
		Registration: 17, Version: 2, Network: "testnet", Test: true, At: at, Issued: at, Issuer: "Example Records", Registry: "Songs of Example",
		FileHash: strings.Repeat("ab", 32), Commitment: strings.Repeat("cd", 32), Transaction: strings.Repeat("ef", 32), Block: 618,
		PublicURL: "https://timbre.example/w/testnet/17", VerifyURL: "https://timbre.example/verify", Evidence: []byte(attached), Room: room,
	}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

const room = 2048 // for tokens of the test's authority

// raiser returns one whose policy allows loopback, or nothing beside public addresses.
func raiser(t testing.TB, a *lastingtest.Authority, allowed ...netip.Prefix) *lasting.Raiser {
	return lasting.New(config(t, a, allowed...))
}

func config(t testing.TB, a *lastingtest.Authority, allowed ...netip.Prefix) lasting.Config {
	client := outbound.NewPolicy(allowed).PlainClient(2, 2)
	t.Cleanup(client.CloseIdleConnections)
	return lasting.Config{Stamp: a.Stamp, Client: client, Now: time.Now}
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: %s is not installed: see scripts/deps", tool)
		}
	}
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// says returns the output of a program. The tests check the output, not the exit status.
func says(t *testing.T, command ...string) string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	return string(out)
}

// signature is one of a PDF, as its bytes say.
type signature struct{ content, message []byte }

var place = regexp.MustCompile(`/ByteRange\[(\d{10}) (\d{10}) (\d{10}) (\d{10})\]/Contents<([0-9a-f]+)>`)

// signatures reads those of a file without any code of the packages under test.
func signatures(t *testing.T, file []byte) (all []signature) {
	t.Helper()
	for _, m := range place.FindAllSubmatch(file, -1) {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(string(m[i+1]))
		}
		der, err := hex.DecodeString(string(m[5]))
		if err != nil || n[0] != 0 || n[2]-n[1] != len(m[5])+2 || n[2]+n[3] > len(file) {
			t.Fatalf("%v of %d bytes: %v", n, len(file), err)
		}
		all = append(all, signature{slices.Concat(file[:n[1]], file[n[2]:n[2]+n[3]]), der})
	}
	return all
}

// A certificate at the highest level is a whole PDF, and its evidence and its page are those
// that were issued. OpenSSL verifies each of its parts with a clock that is ten years ahead,
// though the certificates have ended by then.
func TestTenYearsAhead(t *testing.T) {
	t.Parallel()
	need(t, "pdfsig", "qpdf", "certutil", "faketime", "openssl")
	a := lastingtest.New(t, lastingtest.Options{})
	r := raiser(t, a, loopback)
	first := issued(t, a, room)
	file, level, err := r.Raise(t.Context(), first)
	if err != nil || level != certificate.LevelLTA {
		t.Fatalf("%s, %v", level, err)
	}
	if bare := len(issued(t, a, 0)); len(file) > 60<<10 || len(file)-bare > 16<<10 {
		t.Errorf("%d bytes, %d without the levels", len(file), bare)
	}
	if again, level, err := r.Raise(t.Context(), file); err != nil || level != certificate.LevelLTA || !bytes.Equal(again, file) {
		t.Errorf("raised again: %s, %v", level, err)
	}
	if got, err := pdf.Read(file); err != nil || string(got.Evidence) != attached || got.Changed {
		t.Errorf("%+v, %v", got, err)
	}
	dir := t.TempDir()
	path := write(t, dir, "certificate.pdf", file)
	if out := says(t, "qpdf", "--check", path); !strings.Contains(out, "No syntax or stream encoding errors found") {
		t.Error(out)
	}
	nss, root := t.TempDir(), filepath.Join(a.Dir, "root.pem")
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "root", "-t", "CT,CT,CT", "-i", root}} {
		if out, err := exec.CommandContext(t.Context(), "certutil", append(args, "-d", nss)...).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	// pdfsig knows no time-stamps: it judges the signer's certificate by its own clock.
	for clock, want := range map[string]string{"+1 minute": "Certificate is Trusted", "+10 years": "Certificate has Expired"} {
		out := says(t, "faketime", clock, "pdfsig", "-no-ocsp", "-nssdir", nss, path)
		if !strings.Contains(out, "Signature is Valid") || !strings.Contains(out, want) || !strings.Contains(out, "Total document signed") {
			t.Errorf("%s: %s", clock, out)
		}
	}

	all := signatures(t, file)
	if len(all) != 2 {
		t.Fatalf("%d signatures", len(all))
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	tenYears := func(args ...string) string {
		t.Helper()
		return says(t, append([]string{"faketime", "+10 years", "openssl"}, args...)...)
	}
	write(t, dir, "signature", all[0].message)
	write(t, dir, "signed", all[0].content)
	in := func(name string) string { return filepath.Join(dir, name) }
	verify := []string{"cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", in("signature"), "-content", in("signed"), "-CAfile", root, "-purpose", "any", "-out", in("out")}
	if out := tenYears(verify...); !strings.Contains(out, "certificate has expired") {
		t.Errorf("the signature alone lasts: %s", out)
	}
	if out := tenYears(append(verify, "-attime", now)...); !strings.Contains(out, "CAdES Verification successful") {
		t.Errorf("the signature at its time: %s", out)
	}
	// The time-stamps of the signature and of the document, at their time.
	write(t, dir, "stamp", all[1].message)
	write(t, dir, "stamped", all[1].content)
	s, err := certificate.OpenSigned(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := s.Imprint()
	write(t, dir, "token", s.Token())
	for name, of := range map[string][]string{"token": {"-digest", hex.EncodeToString(sum[:])}, "stamp": {"-data", in("stamped")}} {
		args := append([]string{"ts", "-verify", "-token_in", "-in", in(name), "-CAfile", root, "-attime", now}, of...)
		if out := tenYears(args...); !strings.Contains(out, "Verification: OK") {
			t.Errorf("the time-stamp %s: %s", name, out)
		}
	}
	// The documented commands.
	manual := string(read(t, "../../docs/certificate.md"))
	_, section, _ := strings.Cut(manual, "### A signature that lasts")
	_, block, _ := strings.Cut(section, "```console\n")
	block, _, _ = strings.Cut(block, "```")
	script := "cd '" + dir + "'\n"
	for _, line := range strings.Split(block, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script += command + "\n"
		}
	}
	write(t, dir, "authority-root.pem", read(t, root))
	if out := says(t, "faketime", "+10 years", "sh", "-c", script); !strings.Contains(out, "Verification: OK") {
		t.Errorf("%s: %s", script, out)
	}
	// The answers that nothing was revoked are signed, and are in the file.
	for _, cert := range []string{"sign.pem", "tsa.pem"} {
		found := false
		for i, one := range streams(t, dir, path) {
			answer := write(t, dir, "answer"+strconv.Itoa(i), one)
			out := tenYears("ocsp", "-respin", answer, "-issuer", root, "-cert", filepath.Join(a.Dir, cert), "-CAfile", root, "-attime", now)
			// OpenSSL compares the time of the answer with its own clock, but verifies the signature at the given time.
			found = found || strings.Contains(out, "Response verify OK") && good.MatchString(out)
		}
		if !found {
			t.Errorf("no answer of OCSP for %s", cert)
		}
	}

	// One bit in any part of the file is found out by somebody.
	for name, at := range map[string]int{
		"the page": 2000, "the evidence": bytes.Index(file, []byte("Porch Light\"}")), "the validation data": bytes.Index(file, []byte("/DSS ")), "the field": bytes.LastIndex(file, []byte("/Rect[0 0 0 0]")) + 6,
	} {
		bad := bytes.Clone(file)
		bad[at] ^= 1
		stamp := signatures(t, bad)[1]
		data := write(t, dir, "bad", stamp.content)
		if out := says(t, "openssl", "ts", "-verify", "-token_in", "-in", in("stamp"), "-CAfile", root, "-data", data); strings.Contains(out, "Verification: OK") {
			t.Errorf("%s: %s", name, out)
		}
		out := says(t, "pdfsig", "-nocert", write(t, dir, "bad.pdf", bad))
		if early := at < len(first); strings.Contains(out, "Signature is Valid") == early {
			t.Errorf("%s: pdfsig says %s", name, out)
		}
	}
}

var good = regexp.MustCompile(`(?m)^(\S+: )?good$`)

// streams returns the unpacked streams of a file, as qpdf reads them.
func streams(t *testing.T, dir, path string) (all [][]byte) {
	t.Helper()
	m := regexp.MustCompile(`/OCSPs\[([0-9 R]+)\]`).FindSubmatch(read(t, path))
	if m == nil {
		t.Fatal("no answers of OCSP")
	}
	for _, n := range regexp.MustCompile(`(\d+) 0 R`).FindAllSubmatch(m[1], -1) {
		out, err := exec.CommandContext(t.Context(), "qpdf", "--show-object="+string(n[1]), "--filtered-stream-data", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each failure leaves a valid certificate at the level before it, and a later attempt continues
// there, if it can help.
func TestFailures(t *testing.T) {
	t.Parallel()
	need(t, "qpdf")
	down := errors.New("the authority is down")
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
	}
	for name, c := range map[string]struct {
		options lastingtest.Options
		room    int
		break_  func(*lastingtest.Authority)
		repair  func(*lastingtest.Authority)
		level   certificate.Level
		why     string
		highest bool
		nowhere bool // the policy does not allow the addresses
	}{
		"no first time-stamp":  {break_: func(a *lastingtest.Authority) { a.FailStamps(0, down) }, repair: func(a *lastingtest.Authority) { a.FailStamps(0, nil) }, level: certificate.LevelB, why: "is down"},
		"no second time-stamp": {break_: func(a *lastingtest.Authority) { a.FailStamps(1, down) }, repair: func(a *lastingtest.Authority) { a.FailStamps(0, nil) }, level: certificate.LevelLT, why: "is down"},
		"no room":              {room: -1, level: certificate.LevelB, why: "does not fit", highest: true},
		"OCSP is down": {options: lastingtest.Options{Names: []string{lastingtest.OCSP, lastingtest.Issuer}},
			break_: func(a *lastingtest.Authority) { a.Answer(lastingtest.OCSP, refuse(503)) }, repair: func(a *lastingtest.Authority) { a.Answer(lastingtest.OCSP, nil) }, level: certificate.LevelT, why: "status 503"},
		"a list alone":    {options: lastingtest.Options{Names: []string{lastingtest.CRL, lastingtest.Issuer}}, level: certificate.LevelLTA},
		"a list for OCSP": {break_: func(a *lastingtest.Authority) { a.Answer(lastingtest.OCSP, refuse(500)) }, level: certificate.LevelLTA},
		"both broken": {break_: func(a *lastingtest.Authority) {
			a.Answer(lastingtest.OCSP, text("<html>"))
			a.Answer(lastingtest.CRL, text(""))
		}, level: certificate.LevelT, why: "not DER"},
		"an endless list": {options: lastingtest.Options{Names: []string{lastingtest.CRL, lastingtest.Issuer}}, break_: func(a *lastingtest.Authority) {
			a.Answer(lastingtest.CRL, func(w http.ResponseWriter, _ *http.Request) { io.CopyN(w, zeros{}, 4<<20) })
		}, level: certificate.LevelT, why: "more than"},
		"a redirect": {options: lastingtest.Options{Names: []string{lastingtest.CRL, lastingtest.Issuer}}, break_: func(a *lastingtest.Authority) {
			a.Answer(lastingtest.CRL, http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP)
		}, level: certificate.LevelT, why: "status 302"},
		"no address at all":  {options: lastingtest.Options{Names: []string{lastingtest.Issuer}}, level: certificate.LevelT, why: "no address for its revocation", highest: true},
		"no issuer":          {options: lastingtest.Options{Names: []string{lastingtest.CRL}}, level: certificate.LevelT, why: "is unknown", highest: true},
		"the issuer is down": {break_: func(a *lastingtest.Authority) { a.Answer(lastingtest.Issuer, refuse(404)) }, repair: func(a *lastingtest.Authority) { a.Answer(lastingtest.Issuer, nil) }, level: certificate.LevelT, why: "status 404"},
		"revoked":            {break_: func(a *lastingtest.Authority) { a.Revoke("sign.pem") }, level: certificate.LevelT, why: "is revoked", highest: true},
		"revoked, by a list": {options: lastingtest.Options{Names: []string{lastingtest.CRL, lastingtest.Issuer}}, break_: func(a *lastingtest.Authority) { a.Revoke("tsa.pem") }, level: certificate.LevelT, why: "is revoked", highest: true},
		"a private address":  {nowhere: true, level: certificate.LevelT, why: "to which nothing is delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := lastingtest.New(t, c.options)
			allowed := []netip.Prefix{loopback}
			if c.nowhere {
				allowed = nil
			}
			if c.break_ != nil {
				c.break_(a)
			}
			file, level, err := raiser(t, a, allowed...).Raise(t.Context(), issued(t, a, room+c.room*room))
			if level != c.level || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) || errors.Is(err, lasting.ErrHighest) != c.highest {
				t.Fatalf("%s, highest %t: %v, want %s, %q", level, errors.Is(err, lasting.ErrHighest), err, c.level, c.why)
			}
			if got, err := pdf.Read(file); err != nil || got.Changed || string(got.Evidence) != attached {
				t.Errorf("%+v, %v", got, err)
			}
			if out := says(t, "qpdf", "--check", write(t, t.TempDir(), "low.pdf", file)); !strings.Contains(out, "No syntax or stream encoding errors found") {
				t.Error(out)
			}
			if c.repair == nil {
				return
			}
			c.repair(a)
			if _, level, err := raiser(t, a, loopback).Raise(t.Context(), file); err != nil || level != certificate.LevelLTA {
				t.Errorf("later: %s, %v", level, err)
			}
		})
	}
}

// A caller with little time does not ask an authority that failed a minute ago. Answers are
// used again for some minutes.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	a := lastingtest.New(t, lastingtest.Options{})
	now := time.Now()
	c := config(t, a, loopback)
	c.Now = func() time.Time { return now }
	asked := 0
	c.Stamp = func(ctx context.Context, sum [32]byte) ([]byte, error) {
		if asked++; asked == 1 {
			return nil, errors.New("down")
		}
		return a.Stamp(ctx, sum)
	}
	r := lasting.New(c)
	file := issued(t, a, room)
	soon, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	for range 3 {
		if _, level, err := r.Raise(soon, file); level != certificate.LevelB || err == nil || asked != 1 {
			t.Fatalf("%s, %v, asked %d times", level, err, asked)
		}
	}
	now = now.Add(2 * time.Minute)
	for range 3 {
		if _, level, err := r.Raise(t.Context(), file); level != certificate.LevelLTA || err != nil {
			t.Fatalf("%s, %v", level, err)
		}
	}
	if n := a.Asked(lastingtest.OCSP); n != 2 || asked != 7 {
		t.Errorf("OCSP was asked %d times, the time-stamp authority %d times", n, asked)
	}
	a.Answer(lastingtest.CRL, http.NotFound)
	now = now.Add(time.Hour)
	if _, _, err := r.Raise(t.Context(), file); err != nil || a.Asked(lastingtest.OCSP) != 4 {
		t.Errorf("after an hour: asked %d times, %v", a.Asked(lastingtest.OCSP), err)
	}
	// An address that fails is asked by a caller with time.
	now = now.Add(time.Hour)
	a.Answer(lastingtest.OCSP, http.NotFound)
	asks := func(ctx context.Context) int {
		t.Helper()
		if _, level, err := r.Raise(ctx, file); err == nil || level != certificate.LevelT {
			t.Errorf("%s, %v", level, err)
		}
		return a.Asked(lastingtest.OCSP)
	}
	first := asks(soon)
	if again := asks(soon); again != first {
		t.Errorf("asked %d times, then %d", first, again)
	}
	if again := asks(t.Context()); again == first {
		t.Error("a caller with time does not ask")
	}
}

// A file without a signature stays as it is, and a file of another program is refused.
func TestOthers(t *testing.T) {
	t.Parallel()
	need(t, "qpdf")
	a := lastingtest.New(t, lastingtest.Options{})
	r := raiser(t, a, loopback)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plain, err := certificate.Render(certificate.Input{Title: "Porch Light", PublicURL: "https://timbre.example", At: at}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, level, err := r.Raise(t.Context(), plain); err != nil || level != certificate.Unsigned || !bytes.Equal(got, plain) {
		t.Errorf("unsigned: %s, %v", level, err)
	}
	signed := issued(t, a, room)
	dir := t.TempDir()
	if out := says(t, "qpdf", write(t, dir, "signed.pdf", signed), filepath.Join(dir, "other.pdf")); out != "" {
		t.Log(out)
	}
	for name, file := range map[string][]byte{"nothing": nil, "rewritten": read(t, filepath.Join(dir, "other.pdf")), "cut": signed[:len(signed)-9], "more": append(bytes.Clone(signed), '\n')} {
		if got, _, err := r.Raise(t.Context(), file); !errors.Is(err, lasting.ErrHighest) || !bytes.Equal(got, file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzOpenSigned: no file makes the reader panic, or read beyond it.
func FuzzOpenSigned(f *testing.F) {
	f.Add([]byte("xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1/Root 1 0 R/Info 2 0 R/ID[<00000000000000000000000000000000><00000000000000000000000000000000>]>>\nstartxref\n0\n%%EOF\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if s, err := certificate.OpenSigned(file); err == nil && s.Level() == certificate.Unsigned {
			t.Error("a signed file without a level")
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
