package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// download gets a file as a browser or curl does.
func download(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return b
}

// certified registers the song, waits until its certificate is made, and gets it.
func certified(t *testing.T, s *harness.Song) []byte {
	t.Helper()
	for _, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct{ URL string }
	if !harness.Eventually(func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.Server.URL+"/v1/works/"+s.WorkID+"/download/certificate", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Token)
		req.Header.Set("Origin", "http://localhost:3000")
		req.Header.Set("X-Site-Key", s.Server.SiteKey)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(&answer) == nil
	}) {
		t.Fatal("no certificate was made")
	}
	return download(t, answer.URL)
}

// signing are settings with which certificates are signed.
func signing(t *testing.T) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var settings []string
	for name, block := range map[string]*pem.Block{"CERT": {Type: "CERTIFICATE", Bytes: cert}, "KEY": {Type: "PRIVATE KEY", Bytes: secret}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		settings = append(settings, "TIMBRE_CERTIFICATE_"+name+"_FILE="+path)
	}
	return settings
}

// checker is the page that verifies, and files for it.
type checker struct {
	t   *testing.T
	p   *browser.Page
	dir string
}

// file writes a file to choose.
func (c *checker) file(name string, data []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// choose puts a file into a field and waits until the page has looked at it.
func (c *checker) choose(field, path string) {
	c.t.Helper()
	c.p.SetFile(fmt.Sprintf("document.getElementById(%q)", field), path)
	c.p.Wait(fmt.Sprintf("document.querySelector('#%s-name bdi')?.textContent === %q && !document.querySelector('progress')", field, filepath.Base(path)))
}

// verdict is what the page says of all, and the checks that failed; "" is none.
func (c *checker) verdict() (verdict, failed string) {
	c.t.Helper()
	return browser.Eval[string](c.p, "document.querySelector('[data-verdict]')?.dataset.verdict ?? ''"),
		browser.Eval[string](c.p, "[...document.querySelectorAll('[data-status=failed]')].map((e) => e.dataset.check).join(' ')")
}

func (c *checker) expect(what, verdict, failed string) {
	c.t.Helper()
	if v, f := c.verdict(); v != verdict || f != failed {
		c.t.Errorf("%s: %q, failed %q; want %q, %q", what, v, f, verdict, failed)
	}
}

// TestVerifyPage registers a song, saves the page and stops the server. What is
// left then, a page and two files, is enough.
func TestVerifyPage(t *testing.T) {
	t.Parallel()
	s, other := harness.Start(t, harness.Options{Settings: signing(t)}), harness.Start(t, harness.Options{})
	song := &harness.Song{Server: s, Title: "Παραμύθι · قصة · The Ferryman’s Daughter", Audio: harness.WAV(7)}
	pdf := certified(t, song)
	evidence, err := certificate.Attachment(pdf)
	if err != nil || !bytes.Contains(pdf, []byte("/ETSI.CAdES.detached")) {
		t.Fatal("the certificate has no evidence or no signature: ", err)
	}
	foreign, err := certificate.Attachment(certified(t, &harness.Song{Server: other, Title: song.Title, Audio: song.Audio}))
	if err != nil {
		t.Fatal(err)
	}
	otherKey := strings.TrimSpace(string(download(t, other.URL+"/log/testnet/key")))
	other.Stop()

	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	saved := c.file("by-curl.html", download(t, s.URL+"/verify"))
	paper, proof, audio := c.file("certificate.pdf", pdf), c.file("evidence.json", evidence), c.file("song.wav", song.Audio)

	// As it is served, and saved by its own link.
	p.Goto(s.URL + "/verify")
	c.choose("proof", paper)
	c.choose("recording", audio)
	c.expect("as served", "verified", "")
	if !browser.Eval[bool](p, "document.querySelector('[data-verdict] .test').textContent.includes('test network')") {
		t.Error("it does not say that the network is for trying out")
	}
	downloads := p.Downloads()
	p.Click("document.getElementById('save')")
	name, page := downloads.Await()
	if name != "timbre-verify.html" {
		t.Errorf("it is saved as %q", name)
	}
	own := c.file(name, page)
	for _, r := range p.Requests("", "") {
		if r.URL != s.URL+"/verify" && !strings.HasPrefix(r.URL, "blob:") && !strings.HasPrefix(r.URL, "data:") {
			t.Errorf("the page asked for %s", r.URL)
		}
	}
	shown := c.file("by-browser.html", []byte("<!DOCTYPE html>"+browser.Eval[string](p, "document.documentElement.outerHTML")))
	before := len(p.Requests("", "http"))
	s.Stop()

	for _, copied := range []string{saved, own, shown} {
		p.Goto("file://" + copied)
		if v, _ := c.verdict(); v != "" || browser.Eval[bool](p, "document.body.textContent.includes('Ferryman')") {
			t.Errorf("%s holds what somebody checked", filepath.Base(copied))
		}
		c.choose("proof", paper)
		c.expect("without the recording", "registered", "")
		c.choose("recording", audio)
		c.expect(filepath.Base(copied), "verified", "")
	}

	t.Run("mutations", func(t *testing.T) { c.t, c.p = t, p.In(t); c.mutations(string(evidence), song) })
	t.Run("keys", func(t *testing.T) {
		c.t, c.p = t, p.In(t)
		c.choose("recording", audio)
		c.choose("proof", c.file("foreign.json", foreign))
		c.expect("another log", "untrusted", "log_key checkpoint inclusion")
		p.Type("document.getElementById('key')", "not a key")
		p.Press(browser.Enter, false)
		p.Wait("!document.getElementById('key-bad').hidden && e2e.focus() === 'key'")
		p.Run("document.getElementById('key').select()")
		p.Keys(otherKey)
		p.Press(browser.Enter, false)
		p.Wait("document.querySelectorAll('#keys li').length === 3")
		c.expect("another log that is trusted", "verified", "")
		p.Click("document.getElementById('save')")
		_, page := downloads.Await()
		kept := c.file("with-key.html", page)
		p.Goto("file://" + kept)
		c.choose("proof", filepath.Join(c.dir, "foreign.json"))
		c.expect("the key was kept", "registered", "")
		p.Click("document.querySelector('#keys li:last-child button')")
		c.expect("and taken away", "untrusted", "log_key checkpoint inclusion")
	})
	t.Run("a recording that nobody looked at", func(t *testing.T) {
		c.t, c.p = t, p.In(t)
		p.Goto("file://" + saved)
		home := bytes.Replace(evidence, []byte(`"format": "WAV"`), []byte(`"format": ""`), 1)
		if bytes.Equal(home, evidence) {
			t.Fatal("the evidence names no format")
		}
		c.choose("recording", audio)
		c.choose("proof", c.file("home.json", home))
		c.expect("without a format", "verified", "")
		if browser.Eval[bool](p, `/·\s*·/.test(document.getElementById('result').textContent)`) {
			t.Error("two dots stand around nothing")
		}
	})
	t.Run("without WebAssembly", func(t *testing.T) {
		c.t, c.p = t, p.In(t)
		b, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		strict := bytes.Replace(b, []byte(" 'wasm-unsafe-eval'"), nil, 1)
		p.Goto("file://" + c.file("strict.html", strict))
		c.choose("proof", paper)
		c.choose("recording", audio)
		c.expect("hashed in another way", "verified", "")
		if !browser.Eval[bool](p, "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => false, () => true)") {
			t.Error("WebAssembly is not forbidden")
		}
		p.ForgetProblems()
	})
	t.Run("without a worker", func(t *testing.T) {
		c.t, c.p = t, p.In(t)
		b, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		alone := bytes.Replace(b, []byte("worker-src blob:"), []byte("worker-src 'none'"), 1)
		p.Goto("file://" + c.file("alone.html", alone))
		c.choose("proof", paper)
		c.choose("recording", audio)
		c.expect("hashed by the page", "verified", "")
		large := c.file("zeros.wav", nil)
		if err := os.Truncate(large, 32<<20); err != nil {
			t.Fatal(err)
		}
		p.Run(watchProgress)
		c.choose("recording", large)
		// Computed with another implementation of SHA-256.
		const zeros = "83ee47245398adee79bd9c0a8bc57b821e92aba10f5f9ade8a5d1fae4d8c4302"
		if got := browser.Eval[string](p, "document.getElementById('recording-hash').textContent"); !strings.Contains(got, zeros) {
			t.Errorf("the hash is %s", got)
		}
		if parts := browser.Eval[int](p, "parts.size"); parts < 5 {
			t.Errorf("progress was drawn %d times", parts)
		}
		p.ForgetProblems()
	})
	t.Run("drop", func(t *testing.T) {
		c.t, c.p = t, p.In(t)
		both := func(field string) string { return fmt.Sprintf("document.querySelector('[data-zone=%s]')", field) }
		verified := "document.querySelector('[data-verdict=verified]')"
		for _, drop := range []func(){
			func() { p.Drop("document.querySelector('h1')", audio, paper) },
			func() { p.Drop(both("proof"), proof, audio) },
			func() { p.Drop(both("proof"), paper); p.Drop(both("recording"), audio) },
			func() { p.Drop(both("recording"), audio); p.Drop(both("recording"), proof, audio) },
		} {
			p.Goto("file://" + saved)
			drop()
			p.Wait(verified)
		}
		p.Drop(both("recording"), proof)
		p.Wait("document.querySelector('[data-verdict=fails]')")
		p.Drop(both("proof"), audio)
		p.Wait("document.getElementById('trouble')")
	})
	t.Run("keyboard", func(t *testing.T) { c.t, c.p = t, p.In(t); c.keyboard(saved, paper, audio) })
	t.Run("looks", func(t *testing.T) { c.t, c.p = t, p.In(t); c.looks(saved, paper, proof, audio) })
	t.Run("large", func(t *testing.T) { c.t, c.p = t, p.In(t); c.large(saved, paper) })

	p.In(t)
	if asked := p.Requests("", "http"); len(asked) != before {
		t.Errorf("a saved page asked for %v", asked[before:])
	}
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// mutations change one thing each.
func (c *checker) mutations(evidence string, song *harness.Song) {
	audio := bytes.Clone(song.Audio)
	c.choose("recording", c.file("song.wav", audio))
	for _, m := range []struct{ name, from, to, failed string }{
		{"title", `"title": "Παρ`, `"title": "παρ`, "commitment"},
		{"creator", `"full_name": "Ada`, `"full_name": "Eda`, "creators"},
		{"proof", `"is_left": false`, `"is_left": true`, "creators"},
		{"signature", `\n— `, `\n— x`, "checkpoint inclusion block"},
	} {
		changed := strings.Replace(evidence, m.from, m.to, 1)
		if changed == evidence {
			c.t.Fatalf("%s: nothing was changed", m.name)
		}
		c.choose("proof", c.file(m.name+".json", []byte(changed)))
		c.expect(m.name, "fails", m.failed)
	}
	c.choose("proof", c.file("evidence.json", []byte(evidence)))
	c.expect("unchanged", "verified", "")
	audio[500] ^= 1
	c.choose("recording", c.file("bit.wav", audio))
	c.expect("a bit of the recording", "fails", "media")
	for name, text := range map[string]string{"cut.json": evidence[:len(evidence)/2], "empty.pdf": "", "paper.pdf": "%PDF-1.7\n", "song.json": string(song.Audio)} {
		c.choose("proof", c.file(name, []byte(text)))
		if v, _ := c.verdict(); v != "" || browser.Eval[string](c.p, "document.getElementById('trouble')?.textContent ?? ''") == "" {
			c.t.Errorf("%s: %q", name, v)
		}
	}
}

// keyboard goes all the way without a mouse, and listens to what is announced.
func (c *checker) keyboard(page, paper, audio string) {
	p := c.p
	p.Goto("file://" + page)
	p.Run("globalThis.told = []; new MutationObserver(() => told.push(document.getElementById('status').textContent)).observe(document.getElementById('status'), { childList: true })")
	p.InterceptChooser()
	to := func(id string) {
		for range 20 {
			if p.Press(browser.Tab, false); browser.Eval[string](p, "e2e.focus()") == id {
				return
			}
		}
		c.t.Fatalf("%s cannot be reached", id)
	}
	to("language")
	for range 2 {
		p.Press(browser.Up, false)
	}
	p.Wait("document.documentElement.dir === 'rtl' && document.documentElement.lang === 'ar' && e2e.focus() === 'language'")
	to("proof")
	p.Press(browser.Enter, false)
	p.ChooseFile(paper)
	p.Wait("document.querySelector('[data-verdict=registered]') && e2e.focus() === 'proof'")
	to("recording")
	p.Press(browser.Space, false)
	p.ChooseFile(audio)
	p.Wait("document.querySelector('[data-verdict=verified]') && e2e.focus() === 'recording'")
	if told := browser.Eval[[]string](p, "told"); len(told) < 2 || !strings.Contains(told[len(told)-1], "تم التحقق") {
		c.t.Errorf("announced: %q", told)
	}
	if text := browser.Eval[string](p, "document.body.innerText"); strings.Contains(text, "Verified") || !strings.Contains(text, "Παραμύθι · قصة") {
		c.t.Errorf("in Arabic: %s", text)
	}
	to("save")
}

// looks sees each state of the page from all sides.
func (c *checker) looks(page, paper, proof, audio string) {
	p := c.p
	v := newViewer(c.t, p)
	language := func(lang string) {
		p.Run(fmt.Sprintf("(() => { const menu = document.getElementById('language'); menu.value = %q; menu.dispatchEvent(new Event('change')); })()", lang))
		p.Wait(fmt.Sprintf("document.documentElement.lang === %q", lang))
	}
	see := func(screen string) {
		v.number++
		for _, l := range looks {
			language(l.lang)
			p.Size(l.width, tall)
			p.Dark(l.dark)
			v.tell(screen, l.name, p.Audit())
			v.tell(screen, l.name, p.Overflow())
			p.Screenshot(v.pictures, fmt.Sprintf("%02d-%s-%s", v.number, screen, l.name))
		}
		for _, lang := range []string{"de", "es", "fr", "ja", "pt"} {
			language(lang)
			p.Size(320, tall)
			v.tell(screen, lang, p.Overflow())
		}
		language("en")
		p.Dark(false)
		p.Size(1280, tall)
	}
	p.Goto("file://" + page)
	v.load()
	see("empty")
	c.choose("proof", c.file("A certificate with a rather long name that somebody gave it (final, really final).pdf", []byte("%PDF-1.7\n")))
	see("trouble")
	c.choose("proof", paper)
	see("registered")
	c.choose("recording", audio)
	p.Click("document.querySelector('summary')")
	see("verified")
	c.choose("recording", proof)
	see("fails")
	for range 2 {
		p.Click("document.querySelector('#keys button')")
	}
	c.choose("recording", audio)
	see("untrusted")
	v.done()
}

// watchProgress notes each frame that is drawn: the time since the one before, and
// how far the bar was.
const watchProgress = `(() => {
	  globalThis.gaps = []; globalThis.parts = new Set();
	  let last = performance.now();
	  const frame = () => { const now = performance.now(); gaps.push(now - last); last = now; const bar = document.querySelector('progress'); if (bar) parts.add(bar.value); requestAnimationFrame(frame); };
	  requestAnimationFrame(frame);
	})()`

// large reads a file that is far larger than the memory it may take, while the
// page goes on drawing; and stops when it is told to.
func (c *checker) large(page, paper string) {
	p := c.p
	const size = 500 << 20
	path := c.file("large.wav", nil)
	if err := os.Truncate(path, size); err != nil {
		c.t.Fatal(err)
	}
	p.Goto("file://" + page)
	c.choose("proof", paper)
	p.Run(watchProgress)
	before, idle := p.Usage()
	begun := time.Now()
	p.SetFile("document.getElementById('recording')", path)
	p.Wait("document.querySelector('progress')?.value > 0.1")
	most := before
	for browser.Eval[bool](p, "!!document.querySelector('progress')") {
		now, _ := p.Usage()
		most = max(most, now)
	}
	p.Wait("document.getElementById('recording-hash')")
	took := time.Since(begun)
	_, computed := p.Usage()
	computed -= idle
	// Computed with another implementation of SHA-256.
	const zeros = "a08a92258f621b55d08ad1e84c90c2ea6286fc6b6c9a4dfa7156afb16c190170"
	if got := browser.Eval[string](p, "document.getElementById('recording-hash').textContent"); got != zeros {
		c.t.Errorf("the hash is %s", got)
	}
	c.expect("a large file", "fails", "media")
	longest, parts := browser.Eval[float64](p, "Math.max(...gaps)"), browser.Eval[int](p, "parts.size")
	c.t.Logf("%d MB in %s, %.0f MB/s; computed for %s, drawing and looking on among it; %d steps of progress; the longest time between two frames was %.0f ms; memory %d MB, before %d MB",
		size>>20, took.Round(time.Millisecond), float64(size)/1e6/took.Seconds(), computed.Round(time.Millisecond), parts, longest, most>>20, before>>20)
	if parts < 5 {
		c.t.Errorf("progress was shown %d times", parts)
	}
	// What a browser keeps of pieces that were read is its own affair: 100 to 150 MB
	// were seen. Half the file would be more than pieces.
	if most-before > size/2 {
		c.t.Errorf("memory went from %d to %d bytes", before, most)
	}

	p.SetFile("document.getElementById('recording')", path)
	p.Click("document.getElementById('cancel')")
	p.Wait("!document.querySelector('progress') && e2e.focus() === 'recording'")
	c.expect("cancelled", "registered", "")
}

// TestMarksInNames chooses a file whose name turns the writing round and begins
// what it never ends: what stands beside the name is still read from the left.
func TestMarksInNames(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	song := noise(t, "take\u202e\u2066.wav", 20_000)
	for _, c := range []struct{ page, field, beside string }{
		{x.server.URL + "/verify", "document.getElementById('recording')", "document.getElementById('recording-name').lastChild"},
		{x.plain(), browser.Hook("file"), browser.Hook("file-size") + ".firstChild.nextSibling"},
	} {
		p.Goto(c.page)
		p.Wait(c.field)
		p.SetFile(c.field, song)
		p.Wait(c.beside)
		places := browser.Eval[[]float64](p, `[0, 1].map((end) => {
		  const text = `+c.beside+`, r = document.createRange(), all = text.data.trimEnd().length, from = text.data.search(/\S/);
		  r.setStart(text, end ? all - 1 : from), r.setEnd(text, end ? all : from + 1);
		  return r.getBoundingClientRect().left;
		})`)
		if places[0] >= places[1] {
			t.Errorf("%s: what stands beside the name begins at %v and ends at %v", c.page, places[0], places[1])
		}
	}
}
