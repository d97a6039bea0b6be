package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/stamping"
	"timbre.example/internal/stamping/calendartest"
	"timbre.example/internal/timestamp/tsatest"
	"timbre.example/proof/evidence"
)

// With TSA_URL, the evidence of a registration has a token that OpenSSL accepts for the
// commitment. `timbre verify` says what the token proves.
func TestTimestamps(t *testing.T) {
	a := tsatest.New(t)
	t.Setenv("TSA_URL", a.URL)
	dir := inDatabase(t)
	f := smallServer(dir)
	t.Setenv("TIMBRE_SECRET_FILE", f.SecretFile)
	t.Setenv("TIMBRE_BLOB_URL", f.BlobURL)
	f.TSAURL = os.Getenv("TSA_URL")
	calendar := calendartest.New(t)
	f.LogTokens, f.LogTokenTimeout, f.LogCalendars, f.LogCalendarAllow = true, time.Minute, []string{calendar.URL}, proxies{netip.MustParsePrefix("127.0.0.0/8")}
	id := strings.TrimSpace(timbre(t, "org", "create", "Songs").out)
	created := timbre(t, "keys", "create", id).out
	secret, site := regexp.MustCompile(`csk_[0-9a-f]{64}`).FindString(created), regexp.MustCompile(`cpk_[0-9a-f]{64}`).FindString(created)
	timbre(t, "origins", "add", id, "songs.example")
	s, err := newServer(t.Context(), f, f.logger(&buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	register(t, s.url, site, secret, "https://songs.example", "Song 1")
	found, _ := looked(t)
	if got := found["time-stamp authority"]; !got.OK {
		t.Errorf("the doctor finds %+v", got)
	}

	if got := found["tokens of the blocks of testnet"]; !got.OK || !strings.Contains(got.Found, "is the newest") {
		t.Errorf("the doctor finds %+v", found)
	}

	// Evidence waits for the token of the commitment, like the certificate. The dates of the
	// block come beside it.
	file := filepath.Join(dir, "evidence.json")
	for limit := time.Now().Add(30 * time.Second); ; {
		wrote := timbre(t, "works", "evidence", "1", "--network", "testnet", "-o", file)
		if wrote.code == exitDone && len(decoded(t, file).Attestations) == 3 {
			break
		}
		if wrote.code != exitDone && !strings.Contains(wrote.err, "certificate") || time.Now().After(limit) {
			t.Fatal(wrote.err)
		}
		<-time.After(10 * time.Millisecond)
	}
	e := decoded(t, file)
	if a := e.Attestations; len(e.Tokens()) != 1 || a[1].Of != evidence.OfBlock || a[2].Kind != evidence.KindOpenTimestamps || a[2].Of != evidence.OfBlock {
		t.Fatalf("%d tokens, and %s of %s, %s of %s", len(e.Tokens()), a[1].Kind, a[1].Of, a[2].Kind, a[2].Of)
	}
	// Exactly as docs/evidence.md says.
	root, err := os.ReadFile(a.CAFile)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "authority-root.pem"), root, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "## Check the time-stamp with OpenSSL\n")
	section, _, _ = strings.Cut(section, "\n## ")
	script := "set -eo pipefail\n"
	for _, line := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(section, -1) {
		script += line[1] + "\n"
	}
	sh := exec.Command("bash", "-c", script)
	sh.Dir = dir
	out, err := sh.CombinedOutput()
	if err != nil || strings.Count(string(out), "Verification: OK\n") != 2 || !strings.Contains(string(out), "/CN=Clock") {
		t.Errorf("%v\n%s\nsays %s", err, script, out)
	}
	for _, c := range []struct {
		ca   string
		code int
		want string
	}{
		{"", exitNotProved, "the identity of the authority. It calls itself CN=Clock,O=Songs Example"},
		{a.CAFile, exitNotProved, "passed       The time-stamp authority is one that you trust."},
		{tsatest.New(t).CAFile, exitNotProved, "failed       The time-stamp authority is one that you trust."},
	} {
		args := []string{"verify", file}
		if c.ca != "" {
			args = append(args, "--tsa-ca", c.ca)
		}
		said := timbre(t, args...)
		if said.code != c.code || !strings.Contains(said.out, c.want) || !strings.Contains(said.out, "passed       A time-stamp authority saw the commitment at 2") {
			t.Errorf("%v: exit %d: %s%s", args, said.code, said.out, said.err)
		}
	}
	if said := timbre(t, "verify", file, "--tsa-ca", file); said.code == exitDone || !strings.Contains(said.err, "no certificate in PEM form") {
		t.Errorf("a file without a root: %+v", said)
	}
	renewsServed(t, f, a, s.url, file)
	f.TSAURL = "ftp://user:secret@tsa.example"
	if err := f.validate(); err == nil || !strings.Contains(err.Error(), "--tsa-url") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// decoded reads evidence.
func decoded(t *testing.T, file string) evidence.Evidence {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// renewsServed: the certificates of the authority end soon, and it gets others. Evidence from
// before takes the dates of the block and the renewals from the log, and then proves its date
// after that end.
func renewsServed(t *testing.T, f serverFlags, a *tsatest.Authority, url, file string) {
	t.Helper()
	a.Certify(time.Now().Add(10_000 * time.Hour))
	db, err := f.open(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	authority, err := f.authority()
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close()
	c := f.stamping()
	c.DB, c.Stamp, c.Reached, c.Log = db, authority.Stamp, func(string) {}, slog.New(slog.DiscardHandler)
	if err := stamping.New(c).RenewDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := decoded(t, file)
	bare := e
	bare.Attestations = e.Attestations[:1] // a certificate that did not wait
	text, err := evidence.Encode(bare)
	old := filepath.Join(t.TempDir(), "old.json")
	if err == nil {
		err = os.WriteFile(old, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := timbre(t, "evidence", "upgrade", old, "--checkpoint-from", url+"/log/testnet", "--tsa-ca", a.CAFile); s.code != exitDone {
		t.Fatalf("exit %d: %s%s", s.code, s.out, s.err)
	}
	full := decoded(t, old)
	kinds := ""
	for _, a := range full.Attestations {
		kinds += string(a.Kind) + " of " + string(a.Of) + "\n"
	}
	for _, want := range []string{"rfc3161 of commitment", "rfc3161 of block", "opentimestamps of block", "rfc3161 of attestation 0", "rfc3161 of attestation 1"} {
		if strings.Count(kinds, want+"\n") != 1 {
			t.Errorf("%s has not one %q", kinds, want)
		}
	}
	// The evidence that the registry writes now verifies, too.
	timbre(t, "works", "evidence", "1", "--network", "testnet", "-o", file)
	now := decoded(t, file)
	if len(now.Attestations) != 5 || now.Attestations[1].Of != evidence.OfAttestation(0) || now.Attestations[3].Of != evidence.OfAttestation(2) {
		t.Errorf("%d attestations", len(now.Attestations))
	}
	for name, c := range map[string]struct {
		e     evidence.Evidence
		dates int
		ended bool
	}{"without renewals": {bare, 2, true}, "upgraded": {full, 5, false}, "given now": {now, 5, false}} {
		r, err := evidence.Verify(c.e, evidence.Options{Keys: []string{c.e.Log.Key}, Authorities: a.Roots(), Now: time.Now().Add(30 * time.Hour)})
		if got := r.Dates(c.e); err != nil || !r.OK() || len(got) != c.dates {
			t.Errorf("%s: %d dates, %v", name, len(got), err)
		}
		authority, _ := r.Check(evidence.CheckTokenAuthority)
		if ended := strings.Contains(authority.Why, "only a renewal"); ended != c.ended {
			t.Errorf("%s: it says %v that the chain has ended", name, ended)
		}
	}
	// The same once more changes nothing.
	before := len(full.Attestations)
	if s := timbre(t, "evidence", "upgrade", old, "--checkpoint-from", url+"/log/testnet", "--tsa-ca", a.CAFile); s.code != exitDone || len(decoded(t, old).Attestations) != before {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
	// Of an authority that the reader does not trust, nothing is taken.
	if err := os.WriteFile(old, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := timbre(t, "evidence", "upgrade", old, "--checkpoint-from", url+"/log/testnet", "--tsa-ca", tsatest.New(t).CAFile)
	if s.code != exitDone || !strings.Contains(s.err, "left out: a date that the log serves") || len(decoded(t, old).Attestations) != 2 {
		t.Errorf("exit %d: %d attestations: %s", s.code, len(decoded(t, old).Attestations), s.err)
	}
}
