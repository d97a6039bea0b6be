package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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

	// Evidence waits for the token, like the certificate.
	file := filepath.Join(dir, "evidence.json")
	for limit := time.Now().Add(30 * time.Second); ; {
		wrote := timbre(t, "works", "evidence", "1", "--network", "testnet", "-o", file)
		if wrote.code == exitDone {
			break
		}
		if !strings.Contains(wrote.err, "certificate") || time.Now().After(limit) {
			t.Fatal(wrote.err)
		}
		<-time.After(10 * time.Millisecond)
	}
	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e, err := evidence.Decode(r)
	if err != nil || len(e.Tokens()) == 0 {
		t.Fatalf("no token: %v", err)
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
	if err != nil || !strings.Contains(string(out), "Verification: OK\n") || !strings.Contains(string(out), "/CN=Clock") {
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
	f.TSAURL = "ftp://user:secret@tsa.example"
	if err := f.validate(); err == nil || !strings.Contains(err.Error(), "--tsa-url") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
