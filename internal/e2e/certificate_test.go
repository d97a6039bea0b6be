package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/pdf"
)

// keptCertificate returns the certificate that the server keeps of the version that a
// song made.
func keptCertificate(t *testing.T, s *harness.Song) []byte {
	t.Helper()
	var file []byte
	if !harness.Eventually(func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.Server.URL+"/v1/works/"+s.Result.WorkID+"/download/certificate", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Token)
		req.Header.Set("X-Site-Key", s.Server.SiteKey)
		var out struct{ URL string }
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || out.URL == "" {
			return false
		}
		got, err := http.Get(out.URL)
		if err != nil {
			return false
		}
		defer got.Body.Close()
		file, err = io.ReadAll(got.Body)
		return err == nil && got.StatusCode == http.StatusOK
	}) {
		t.Fatal("there is no certificate")
	}
	return file
}

// A certificate is in the language of the registration and names its issuer. When it is
// made again, it is the same. An update has its own language. The evidence does not depend
// on the language.
func TestCertificateLanguage(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Args: []string{"--registry-name", "Songs of Example"}})
	s.CLI(nil, "org", "set", "--json", s.OrganizationID, "--imprint", "Example Street 1, Hamburg, Germany")
	song := through(t, &harness.Song{Server: s, Title: "Pont Neuf", Audio: harness.WAV(7), Language: "fr-CH, fr;q=0.9, en;q=0.8"})
	update := through(t, &harness.Song{Server: s, Code: song.AccessCode, Language: "zh, ar;q=0.5, de;q=0"})
	for i, c := range []struct {
		song     *harness.Song
		language string
		says     []string
	}{
		{song, "fr", []string{"Certificat de dépôt", "Example Street 1, Hamburg, Germany", "Songs of Example", "take.wav", s.URL + "/verify", "RÉSEAU DE TEST"}},
		{update, "ar", []string{"شهادة تسجيل", "Songs of Example", "take.wav", s.URL + "/verify"}},
	} {
		kept := keptCertificate(t, c.song)
		if !bytes.Contains(kept, []byte("/Lang("+c.language+")")) {
			t.Errorf("version %d is in another language than %s", i+1, c.language)
		}
		name := filepath.Join(t.TempDir(), "kept.pdf")
		if err := os.WriteFile(name, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.CommandContext(t.Context(), "pdftotext", name, "-").Output()
		if err != nil {
			t.Fatalf("%v (apt-get install poppler-utils)", err)
		}
		for _, want := range c.says {
			if !strings.Contains(string(text), want) {
				t.Errorf("version %d does not say %q:\n%s", i+1, want, text)
			}
		}
		out := filepath.Join(t.TempDir(), "again.pdf")
		again := s.Command(t.Context(), "works", "certificate", fmt.Sprint(c.song.Result.AtsID), "--network", "testnet", "--work-version", fmt.Sprint(i+1),
			"--public-url", s.URL, "--registry-name", "Songs of Example", "--secret-file", filepath.Join(s.Data, "secret"), "-o", out)
		if wrote, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, wrote)
		}
		if made, err := os.ReadFile(out); err != nil || !bytes.Equal(made, kept) {
			t.Errorf("version %d made anew has other bytes (%v)", i+1, err)
		}
		attached, err := pdf.Read(kept)
		if err != nil || attached.Changed || bytes.Contains(attached.Evidence, []byte(`"language"`)) || !bytes.Contains(attached.Evidence, []byte(`"Pont Neuf"`)) {
			t.Errorf("version %d has the evidence %s (%v)", i+1, attached.Evidence, err)
		}
	}
}

// People get a page, or are led to one, at every address that they may type; and
// programs the code as JSON.
func TestAddressesThatPeopleReach(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	ask := func(path, accept string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	const person = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for path, want := range map[string]string{"/verify/": "/verify", "/explorer": "/explorer/mainnet", "/explorer/": "/explorer/mainnet", "/w/testnet": "/explorer/testnet"} {
		if res, _ := ask(path, person); res.StatusCode/100 != 3 || res.Header.Get("Location") != want {
			t.Errorf("%s: %d %s, want %s", path, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	for _, path := range []string{"/nope", "/nope/nope.html", "/verify/nope", "/explorer/nope", "/explorer/testnet/tx/0x" + strings.Repeat("ab", 32), "/explorer/testnet/block/77", "/w/mainnet/1", "/widget/nope.js", "/log/testnet/nope", "/log/nope/checkpoint"} {
		res, body := ask(path, person)
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(body, "<h1>") || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s for people: %d %v %.200s", path, res.StatusCode, res.Header, body)
		}
		for _, accept := range []string{"application/json", "*/*", ""} {
			if res, body := ask(path, accept); res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, "not_found") {
				t.Errorf("%s for programs that accept %q: %d %v %.200s", path, accept, res.StatusCode, res.Header, body)
			}
		}
	}
	if res, body := ask("/v1/nope", person); res.StatusCode != http.StatusNotFound || !strings.Contains(body, `"common.not_found"`) {
		t.Errorf("a path of the API: %d %s", res.StatusCode, body)
	}
	if res, _ := ask("/favicon.ico", "image/*"); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("the icon: %d %v", res.StatusCode, res.Header)
	}
}
