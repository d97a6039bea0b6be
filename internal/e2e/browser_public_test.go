package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// registered registers a song, and a second version of it, and returns its number.
func registered(t *testing.T, s *harness.Server) int64 {
	t.Helper()
	song := through(t, &harness.Song{Server: s, Title: "Nobody shall read this title", Audio: harness.WAV(1)})
	through(t, &harness.Song{Server: s, Code: song.AccessCode})
	return song.Result.AtsID
}

// TestPublicPage opens the page of a work as people do. All links to it work, it leads to
// the proofs and back, and it names no person. An unknown address is a page, too.
func TestPublicPage(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	id := registered(t, s)
	page := s.URL + "/w/testnet/" + strconv.FormatInt(id, 10)
	p := browser.Open(t)
	pictures := browser.Pictures(t)
	p.Goto(page)
	first := browser.Eval[string](p, `document.querySelector('#v1 a[href*="/tx/"]').href`)
	for _, at := range []struct{ name, url string }{
		{"work", page}, {"first-version", first}, {"unknown", page + "99"}, {"two-places", s.URL + "/explorer/testnet?q=1"}, {"not-found", s.URL + "/explorer/testnet?q=" + strings.Repeat("ab", 32)}, {"no-page", s.URL + "/nope"}, {"block", s.URL + "/explorer/testnet/block/1"},
	} {
		p.Goto(at.url)
		p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
		for _, l := range looks {
			p.Size(l.width, tall)
			p.Dark(l.dark)
			dir := "ltr"
			if l.lang == "ar" { // translated by the browser
				dir = "rtl"
			}
			p.Run(fmt.Sprintf("document.documentElement.dir = %q", dir))
			for _, line := range append(p.Audit(), p.Overflow()...) {
				t.Errorf("%s, %s: %s", at.name, l.name, line)
			}
			p.Screenshot(pictures, at.name+"-"+l.name)
		}
	}
	p.Goto(page + "99")
	if h1 := browser.Eval[string](p, "document.querySelector('h1').textContent"); !strings.Contains(h1, "No work has this registration number") {
		t.Errorf("an unknown work: %s", h1)
	}
	p.ForgetProblems() // the browser reports the 404 on the console

	p.Goto(page)
	text := browser.Eval[string](p, "document.body.innerText")
	for _, secret := range []string{"Nobody shall read", "Ada Example", "ada@songs.example", "take.wav"} {
		if strings.Contains(text, secret) {
			t.Errorf("the page tells %q", secret)
		}
	}
	if n := browser.Eval[int](p, "document.querySelectorAll('article').length"); n != 2 || !strings.Contains(text, "Verified") {
		t.Errorf("%d versions in\n%s", n, text)
	}
	// By keyboard: what was checked opens, the transaction leads there and back.
	p.Run("document.querySelector('summary').focus()")
	p.Press("Enter", false)
	p.Wait("document.querySelector('details').open && document.querySelector('details .checks').checkVisibility()")
	p.Run("document.querySelector('#v2 a[href*=\"/tx/\"]').focus()")
	p.Press("Enter", false)
	p.Wait("location.pathname.includes('/tx/') && document.querySelector('.stamp')?.innerText.toUpperCase().includes('VERSION 2')")
	p.Run(fmt.Sprintf("document.querySelector('main a[href=\"/w/testnet/%d\"]').focus()", id))
	p.Press("Enter", false)
	p.Wait(fmt.Sprintf("location.pathname === '/w/testnet/%d' && document.querySelectorAll('article').length === 2", id))
	quiet := p.Problems()
	if len(quiet) > 0 {
		t.Errorf("console: %s", quiet)
	}
	// A work whose personal data was erased has the same page: it never showed any.
	page = browser.Eval[string](p, "document.documentElement.outerHTML")
	s.CLI(nil, "works", "redact", strconv.FormatInt(id, 10), "--network", "testnet", "--yes", "--blob-url", "file:"+filepath.Join(s.Data, "blobs"))
	p.Goto(fmt.Sprintf("%s/w/testnet/%d", s.URL, id))
	if after := browser.Eval[string](p, "document.documentElement.outerHTML"); after != page {
		t.Errorf("the page of the redacted work:\n%s\nbefore:\n%s", after, page)
	}
	for _, link := range []string{"/docs/public-page", "/docs/evidence", "/verify"} {
		res, err := http.Get(s.URL + link)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %d", link, res.StatusCode)
		}
	}
}

// TestDocumentedBadge puts the badge of the documentation on a page of another origin,
// under the documented policy and in both themes.
func TestDocumentedBadge(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	id := registered(t, s)
	snippets := listings(t, "public-page.md", "html")
	if len(snippets) != 1 {
		t.Fatalf("%d snippets", len(snippets))
	}
	markup := strings.NewReplacer("https://timbre.your-domain.example", s.URL, "/mainnet/1", fmt.Sprintf("/testnet/%d", id)).Replace(snippets[0])
	host := browser.NewHost(t)
	host.Policy("default-src 'none'; script-src 'self'; style-src 'self'; img-src " + s.URL)
	url := host.Page("badge.html", markup)
	p := browser.Open(t)
	pictures := browser.Pictures(t)
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		p.Goto(url)
		p.Size(320, 200)
		p.Wait("document.querySelector('img').complete && document.querySelector('img').naturalWidth === 228 && document.querySelector('img').naturalHeight === 48")
		if src := browser.Eval[string](p, "document.querySelector('img').currentSrc"); strings.Contains(src, "theme=dark") != dark {
			t.Errorf("dark %t: %s", dark, src)
		}
		p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
		for _, line := range append(p.Audit(), p.Overflow()...) {
			t.Errorf("dark %t: %s", dark, line)
		}
		p.Screenshot(pictures, fmt.Sprintf("badge-dark-%t", dark))
	}
	for _, line := range p.Problems() {
		t.Errorf("console: %s", line)
	}
	// Every text stays inside, in the widest font that this machine has.
	p.Goto(s.URL + fmt.Sprintf("/w/testnet/%d/badge.svg", id))
	if right := browser.Eval[float64](p, "Math.max(...[...document.querySelectorAll('text')].map((x) => { const b = x.getBBox(); return b.x + b.width; }))"); right > 216 {
		t.Errorf("the text ends at %.0f of 228", right)
	}
}
