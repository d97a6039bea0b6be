package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/intake"
	"timbre.example/internal/issuing"
	"timbre.example/proof/evidence"
	"timbre.example/proof/pdf"
)

var songs = issuing.Pages{PublicURL: "https://songs.example", Registry: "Songs of Example"}

func TestCertificateLeadsToThePageOfItsWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../proof/evidence/testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	file, err := songs.Certify(t.Context(), issuing.Issue{Evidence: e, Language: "en", Issuer: "Example Records", Issued: e.Block.Time.Add(time.Second)})
	page := fmt.Sprintf("/URI (https://songs.example/w/%s/%d)", e.Network.Name, e.AtsID)
	if err != nil || !bytes.HasPrefix(file, []byte("%PDF-1.7")) || !bytes.Contains(file, []byte(page)) {
		t.Fatalf("%v, %.20q", err, file)
	}
	if again, err := songs.Certify(t.Context(), issuing.Issue{Evidence: e, Language: "en", Issuer: "Example Records", Issued: e.Block.Time.Add(time.Second)}); err != nil || !bytes.Equal(again, file) {
		t.Errorf("made again it has other bytes (%v)", err)
	}
	attached, err := pdf.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := evidence.Encode(e); err != nil || !bytes.Equal(attached.Evidence, want) {
		t.Errorf("attached is %s (%v)", attached.Evidence, err)
	}
}

// For a recording that was never uploaded, the page does not say that the recording
// existed.
func TestCertificateOfWhatWasNotSeen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../proof/evidence/testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	page := func() string {
		t.Helper()
		pdf, err := songs.Certify(t.Context(), issuing.Issue{Evidence: e, Language: "en", Issuer: "Example Records", Issued: e.Block.Time.Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "pdftotext", "-", "-")
		c.Stdin = bytes.NewReader(pdf)
		out, err := c.Output()
		if errors.Is(err, exec.ErrNotFound) && os.Getenv("TIMBRE_TEST_ALL") == "" {
			t.Skip("no pdftotext: apt-get install poppler-utils")
		} else if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
	const unseen = "The registry has not seen the recording"
	if got := page(); strings.Contains(got, unseen) || !strings.Contains(got, "This exact recording") {
		t.Errorf("with the recording: %s", got)
	}
	e.Media.Format, e.Media.Duration = "", 0
	if got := page(); !strings.Contains(got, unseen) || strings.Contains(got, "This exact recording") {
		t.Errorf("without: %s", got)
	}
}

func TestSignerIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	if s, err := (signingFlags{}).signer(""); s != nil || err != nil {
		t.Errorf("without flags: %v, %v", s, err)
	}
	file := filepath.Join(t.TempDir(), "not.pem")
	open := filepath.Join(t.TempDir(), "open.pem")
	for name, mode := range map[string]os.FileMode{file: 0o640, open: 0o644} {
		if err := os.WriteFile(name, []byte("not a certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for want, f := range map[string]signingFlags{
		"give both the signing certificate": {CertFile: file},
		"cannot sign certificates":          {CertFile: file, KeyFile: file},
		"chmod 600":                         {CertFile: file, KeyFile: open},
		"no such file":                      {CertFile: file, KeyFile: file + "-none"},
	} {
		if _, err := f.signer(""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A registration can only ask for a language in which certificates exist.
func TestLanguagesAreTheSame(t *testing.T) {
	t.Parallel()
	if a, b := intake.Languages, certificate.Languages(); !slices.Equal(a, b) {
		t.Errorf("a registration is in one of %v, a certificate in one of %v", a, b)
	}
}

func TestRegistryName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "songs.example:8443", "  ": "songs.example:8443", " Songs of Example ": "Songs of Example", "歌の登録簿": "歌の登録簿"} {
		f := registryFlag{RegistryName: name}
		if err := f.AfterApply(); err != nil || f.registryName("https://songs.example:8443/base") != want {
			t.Errorf("%q: %q, %v", name, f.registryName("https://songs.example:8443/base"), err)
		}
	}
	for _, name := range []string{"two\nlines", "turned \u202e", strings.Repeat("x", 201)} {
		err := registryFlag{RegistryName: name}.AfterApply()
		if err == nil || !strings.Contains(err.Error(), "--registry-name") || !strings.Contains(err.Error(), "one line of at most 200 characters") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
