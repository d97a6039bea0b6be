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
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/pdf"
	"timbre.example/proof/pdf/pdftest"
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
	return certificateOf(t, s)
}

// certificateOf downloads the certificate of a registered song.
func certificateOf(t *testing.T, s *harness.Song) []byte {
	t.Helper()
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

// verdict returns the page's verdict and the failed checks; "" means none failed.
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

// TestVerifyPage registers a song, saves the page and stops the server. The saved page
// and two files are enough to verify.
func TestVerifyPage(t *testing.T) {
	t.Parallel()
	s, other := harness.Start(t, harness.Options{Settings: signing(t)}), harness.Start(t, harness.Options{})
	song := &harness.Song{Server: s, Title: "Παραμύθι · قصة · The Ferryman’s Daughter", Audio: harness.WAV(7)}
	certificate := certified(t, song)
	attached, err := pdf.Read(certificate)
	evidence := attached.Evidence
	if err != nil || !bytes.Contains(certificate, []byte("/ETSI.CAdES.detached")) {
		t.Fatal("the certificate has no evidence or no signature: ", err)
	}
	foreign, err := pdf.Read(certified(t, &harness.Song{Server: other, Title: song.Title, Audio: song.Audio}))
	if err != nil {
		t.Fatal(err)
	}
	otherKey := strings.TrimSpace(string(download(t, other.URL+"/log/testnet/key")))
	other.Stop()

	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	saved := c.file("by-curl.html", download(t, s.URL+"/verify"))
	paper, proof, audio := c.file("certificate.pdf", certificate), c.file("evidence.json", evidence), c.file("song.wav", song.Audio)

	// As it is served, and saved by its own link.
	p.Goto(s.URL + "/verify")
	c.choose("proof", paper)
	c.choose("recording", audio)
	c.expect("as served", "verified", "")
	if !browser.Eval[bool](p, "document.querySelector('[data-verdict] .test').textContent.includes('Test network')") {
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
		c.choose("proof", c.file("foreign.json", foreign.Evidence))
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

		// A key that came with the page is not one that the reader chose.
		p.Goto("file://" + saved)
		c.choose("proof", paper)
		says := func() string {
			return browser.Eval[string](p, "document.querySelector('[data-check=log_key]').innerText")
		}
		host := strings.TrimPrefix(s.URL, "http://")
		if got := says(); !strings.Contains(got, "came with this page (from "+host+")") {
			t.Errorf("of the page's own key it says %q", got)
		}
		key := browser.Eval[string](p, "[...document.querySelectorAll('meta[name=timbre-log-key]')].map((m) => m.content).find((k) => k.includes('testnet'))")
		p.Type("document.getElementById('key')", key)
		p.Press(browser.Enter, false)
		p.Wait("document.querySelector('[data-check=log_key]').innerText.includes('The log is one that you trust')")
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
	t.Run("drop", func(t *testing.T) { c.t, c.p = t, p.In(t); c.drop(saved, paper, proof, audio) })
	t.Run("what it is not for", func(t *testing.T) { c.t, c.p = t, p.In(t); c.strange(saved, paper) })
	t.Run("marks", func(t *testing.T) { c.t, c.p = t, p.In(t); c.marks(saved, string(evidence)) })
	t.Run("print", func(t *testing.T) { c.t, c.p = t, p.In(t); c.print(saved, paper, audio, evidence) })
	t.Run("keyboard", func(t *testing.T) { c.t, c.p = t, p.In(t); c.keyboard(saved, paper, audio) })
	t.Run("looks", func(t *testing.T) { c.t, c.p = t, p.In(t); c.looks(saved, paper, proof, audio) })
	t.Run("large", func(t *testing.T) { c.t, c.p = t, p.In(t); c.large(saved, paper) })
	t.Run("an old browser", func(t *testing.T) { c.t, c.p = t, p.In(t); c.old(saved) }) // the last: what it takes away stays away

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
	signed := regexp.MustCompile(`\\n\\n— \S+ \S{20}`).FindString(evidence) // up to the middle of the log's signature
	if signed == "" {
		c.t.Fatal("the evidence has no signature")
	}
	other := signed[:len(signed)-1] + map[bool]string{true: "A", false: "B"}[!strings.HasSuffix(signed, "A")]
	for _, m := range []struct{ name, from, to, failed string }{
		{"title", `"title": "Παρ`, `"title": "παρ`, "commitment"},
		{"creator", `"full_name": "Ada`, `"full_name": "Eda`, "creators"},
		{"proof", `"is_left": false`, `"is_left": true`, "creators"},
		{"signature", signed, other, "checkpoint inclusion block"},
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
	c.expect("a bit of the recording", "other_recording", "media")
	for name, text := range map[string]string{"cut.json": evidence[:len(evidence)/2], "paper.pdf": "%PDF-1.7\n"} {
		c.choose("proof", c.file(name, []byte(text)))
		if v, _ := c.verdict(); v != "" || browser.Eval[string](c.p, "document.getElementById('trouble')?.textContent ?? ''") == "" {
			c.t.Errorf("%s: %q", name, v)
		}
	}
}

// drop lets files fall on the page: in any order, together and one by one, and in
// each other's places.
func (c *checker) drop(page, paper, proof, audio string) {
	p := c.p
	on := func(id string) string { return fmt.Sprintf("document.querySelector('[data-zone=%s]')", id) }
	const verified = "document.querySelector('[data-verdict=verified]')"
	for name, drop := range map[string]func(){
		"both beside the area": func() { p.Drop("document.querySelector('h1')", audio, paper) },
		"both in the area":     func() { p.Drop("document.getElementById('drop')", proof, audio) },
		"each in its place":    func() { p.Drop(on("proof"), paper); p.Drop(on("recording"), audio) },
		"swapped":              func() { p.Drop(on("proof"), audio); p.Drop(on("recording"), paper) },
		"again":                func() { p.Drop(on("recording"), audio); p.Drop(on("recording"), proof, audio) },
		"chosen and swapped": func() {
			p.SetFile("document.getElementById('proof')", audio)
			p.SetFile("document.getElementById('recording')", paper)
			p.Wait("document.querySelector('[data-notice=notice_isProof]')")
		},
	} {
		p.Goto("file://" + page)
		drop()
		p.Wait(verified)
		if at := browser.Eval[string](p, "document.querySelector('#proof-name bdi').textContent + ' ' + document.querySelector('#recording-name bdi').textContent"); at != filepath.Base(paper)+" song.wav" && at != "evidence.json song.wav" {
			c.t.Errorf("%s: the files stand as %s", name, at)
		}
	}
	// Of several recordings the one that may be it is taken; the others are named.
	p.Goto("file://" + page)
	demo := c.file("demo.wav", harness.WAV(9)[:900])
	p.Drop("document.body", demo, audio)
	p.Wait("document.getElementById('recording-hash')")
	p.Drop("document.body", paper) // only now the page can tell which of them it is
	p.Wait(verified)
	p.Goto("file://" + page)
	p.Drop("document.body", demo, audio, paper)
	p.Wait(verified)
	if got := browser.Eval[string](p, "document.getElementById('notices').innerText"); !strings.Contains(got, "demo.wav was left out") {
		c.t.Errorf("of the file that was left out it says %q", got)
	}
}

// strange drops what the page cannot check. It says what each is, keeps what it
// had, and stays where it is.
func (c *checker) strange(page, paper string) {
	p := c.p
	p.Goto("file://" + page)
	c.choose("proof", paper)
	folder := filepath.Join(c.dir, "my songs")
	if err := os.MkdirAll(filepath.Join(folder, "inside"), 0o755); err != nil {
		c.t.Fatal(err)
	}
	for path, want := range map[string]string{
		c.file("README.md", []byte("# A readme\n")):                 "README.md is a text file.",
		c.file("package.json", []byte(`{"name": "x"}`)):             "package.json is a JSON file, but not evidence.",
		c.file("cover.jpg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF")): "cover.jpg is a picture.",
		c.file("songs.zip", []byte("PK\x03\x04\x14\x00")):           "songs.zip is an archive.",
		c.file("nothing.pdf", nil):                                  "nothing.pdf is empty",
		folder:                                                      "my songs is a folder.",
	} {
		p.Drop("document.querySelector('h1')", path)
		p.Wait(fmt.Sprintf("document.getElementById('notices')?.innerText.includes(%q)", want))
		if said := browser.Eval[string](p, "document.getElementById('notices').innerText + document.getElementById('status').textContent"); strings.Count(said, "This page needs the certificate (PDF)") != 2 {
			c.t.Errorf("%s: what is needed is not said and announced: %s", path, said)
		}
		c.expect(path, "registered", "")
	}
	// Without the page's handler, the browser would open dropped text, too.
	p.Run(`(() => {
	  globalThis.prevented = ['dragover', 'drop'].map((type) => {
	    const data = new DataTransfer();
	    data.setData('text/uri-list', 'https://songs.example/');
	    return !document.querySelector('h1').dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
	  });
	})()`)
	p.Wait("document.querySelector('[data-notice=notice_noFile]')")
	if !browser.Eval[bool](p, "prevented.every(Boolean)") {
		c.t.Error("a link that is dropped is opened")
	}
}

// marks: a registered text with direction marks is shown so that no one can misread it.
func (c *checker) marks(page, evidence string) {
	p := c.p
	p.Goto("file://" + page)
	c.choose("proof", c.file("marks.json", []byte(strings.NewReplacer(`"title": "`, `"title": "\u202eevol `, `"full_name": "Ada`, `"full_name": "A\u2066da`).Replace(evidence))))
	text := browser.Eval[string](p, "document.getElementById('result').textContent")
	for _, want := range []string{"⟨U+202E⟩evol", "A⟨U+2066⟩da"} {
		if !strings.Contains(text, want) {
			c.t.Errorf("%s is not shown", want)
		}
	}
	if strings.Contains(text, "\u202e") {
		c.t.Error("the mark works")
	}
}

// print has all that a reader of the paper needs, and nothing to press.
func (c *checker) print(page, paper, audio string, proof []byte) {
	p := c.p
	p.Goto("file://" + page)
	p.Dark(true) // paper is light all the same
	defer p.Dark(false)
	c.choose("proof", paper)
	c.choose("recording", audio)
	if _, err := exec.LookPath("pdftotext"); err != nil {
		browser.Missing(c.t, "no pdftotext: apt-get install poppler-utils")
	}
	cmd := exec.CommandContext(c.t.Context(), "pdftotext", "-raw", "-", "-")
	cmd.Stdin = bytes.NewReader(p.PDF(browser.Pictures(c.t), "verified"))
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	// Lines break where the paper ends, and isolates are characters of their own.
	flat := strings.NewReplacer(" ", "", "\n", "", "\f", "", "\u2068", "", "\u2069", "")
	text := flat.Replace(string(out))
	var e struct {
		Commitment string
		Media      struct{ SHA256 string }
		AtsID      int `json:"ats_id"`
		Log        struct{ Key string }
	}
	if err := json.Unmarshal(proof, &e); err != nil {
		c.t.Fatal(err)
	}
	version := browser.Eval[string](p, "document.querySelector('meta[name=timbre-verify]').content")
	fingerprint := browser.Eval[string](p, fmt.Sprintf("[...document.querySelectorAll('#keys li')].find((li) => li.textContent.includes(%q)).querySelector('.fingerprint').textContent", e.Log.Key))
	for _, want := range []string{
		"Verified", "Test network", "Passed The recording is the one that was registered.", "Passed The block hash matches.", "came with this page (from ",
		"certificate.pdf (", "song.wav (", "File hash (SHA-256) " + e.Media.SHA256, "Commitment " + e.Commitment, fmt.Sprintf("Registration number %d, version 1", e.AtsID),
		e.Log.Key, "Key fingerprint " + fingerprint, "Timbre /verify " + version, "UTC",
	} {
		if !strings.Contains(text, flat.Replace(want)) {
			c.t.Errorf("the paper has not %q:\n%s", want, out)
		}
	}
	if year := time.Now().UTC().Format("2006"); !regexp.MustCompile(`Checked\w+\d+,` + year + `at\d`).MatchString(text) {
		c.t.Errorf("the paper does not say when it was checked:\n%s", out)
	}
	for _, button := range []string{"Choose another file", "Print this result", "Save this page", "Remove"} {
		if strings.Contains(text, flat.Replace(button)) {
			c.t.Errorf("%q is printed", button)
		}
	}
}

// old removes the features that an old browser does not have.
func (c *checker) old(page string) {
	p := c.p
	p.Before("delete String.prototype.toWellFormed; delete Intl.ListFormat;")
	p.Goto("file://" + page)
	text := browser.Eval[string](p, "document.getElementById('main').innerText")
	for _, want := range []string{"This browser is too old for this page", "Chrome 111, Edge 111, Firefox 119, Safari 16.4", "String.prototype.toWellFormed, Intl.ListFormat."} {
		if !strings.Contains(text, want) {
			c.t.Errorf("an old browser does not say %q: %s", want, text)
		}
	}
	if browser.Eval[bool](p, "!!document.querySelector('input')") {
		c.t.Error("an old browser takes files that it cannot check")
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
	v, see := c.looking()
	p.Goto("file://" + page)
	v.load()
	see("empty")
	c.choose("proof", c.file("A certificate with a rather long name that somebody gave it (final, really final).pdf", []byte("%PDF-1.7\n")))
	see("trouble")
	issued, err := os.ReadFile(paper)
	if err != nil {
		c.t.Fatal(err)
	}
	objects := pdftest.Parse(issued)
	c.choose("proof", c.file("changed.pdf", pdftest.Update(issued, pdftest.Objects{1: strings.Replace(objects[1], "/Type/Catalog", "/Type/Catalog/OCProperties<</D<<>>/OCGs[]>>", 1)}, "")))
	c.expect("a page that was changed", "page_changed", "page")
	see("page-changed")
	c.choose("proof", c.file("unsure.pdf", bytes.Replace(issued, []byte("/UF(evidence.json)"), []byte("/UF(Evidence.json)"), 1)))
	p.Wait("document.getElementById('trouble')")
	see("unsure")
	c.choose("proof", paper)
	p.Wait("document.querySelector('[data-verdict=registered] [data-caution=page]')")
	see("registered")
	c.choose("recording", audio)
	p.Click("document.querySelector('summary')")
	see("verified")
	c.choose("recording", c.file("another song.wav", harness.WAV(8)))
	see("other-recording")
	p.Drop("document.getElementById('drop')", c.file("README.md", []byte("# Read me")), c.file("cover.png", []byte("\x89PNG\r\n\x1a\n")))
	p.Wait("document.querySelector('[data-notice=notice_image]')")
	see("notices")
	whole, err := os.ReadFile(proof)
	if err != nil {
		c.t.Fatal(err)
	}
	changed := bytes.Replace(whole, []byte(`"title": "`), []byte(`"title": "Another `), 1)
	c.choose("proof", c.file("changed.json", changed))
	see("fails")
	c.choose("proof", paper)
	for range 2 {
		p.Click("document.querySelector('#keys button')")
	}
	c.choose("recording", audio)
	see("untrusted")
	v.done()
}

// looking returns a viewer of the page, and what looks at a screen in each width, colour and
// language.
func (c *checker) looking() (v *viewer, see func(screen string)) {
	p := c.p
	v = newViewer(c.t, p)
	language := func(lang string) {
		p.Run(fmt.Sprintf("(() => { const menu = document.getElementById('language'); menu.value = %q; menu.dispatchEvent(new Event('change')); })()", lang))
		p.Wait(fmt.Sprintf("document.documentElement.lang === %q", lang))
	}
	return v, func(screen string) {
		v.number++
		for _, l := range looks {
			language(l.lang)
			p.Size(l.width, tall)
			p.Dark(l.dark)
			v.tell(screen, l.name, p.Audit())
			v.tell(screen, l.name, p.Overflow())
			p.Screenshot(v.pictures, fmt.Sprintf("%02d-%s-%s", v.number, screen, l.name))
		}
		for _, lang := range others() {
			language(lang)
			p.Size(320, tall)
			v.tell(screen, lang, p.Overflow())
		}
		language("en")
		p.Dark(false)
		p.Size(1280, tall)
	}
}

// watchProgress notes each frame that is drawn: the time since the one before, and
// how far the bar was.
const watchProgress = `(() => {
	  globalThis.gaps = []; globalThis.parts = new Set();
	  let last = performance.now();
	  const frame = () => { const now = performance.now(); gaps.push(now - last); last = now; const bar = document.querySelector('progress'); if (bar) parts.add(bar.value); requestAnimationFrame(frame); };
	  requestAnimationFrame(frame);
	})()`

// large reads a file that is far larger than the allowed memory, while the page stays
// responsive. Then it stops the reading.
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
	c.expect("a large file", "other_recording", "media")
	longest, parts := browser.Eval[float64](p, "Math.max(...gaps)"), browser.Eval[int](p, "parts.size")
	c.t.Logf("%d MB in %s, %.0f MB/s; computed for %s, drawing and looking on among it; %d steps of progress; the longest time between two frames was %.0f ms; memory %d MB, before %d MB",
		size>>20, took.Round(time.Millisecond), float64(size)/1e6/took.Seconds(), computed.Round(time.Millisecond), parts, longest, most>>20, before>>20)
	if parts < 5 {
		c.t.Errorf("progress was shown %d times", parts)
	}
	// Browsers keep some of the pieces in memory: 100 to 150 MB were observed. Half the
	// file would mean that the page keeps the pieces.
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
		{x.server.URL + "/verify", "document.getElementById('recording')", "[...document.getElementById('recording-name').childNodes].find((part, i) => i && part.data)"},
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
		if name := browser.Eval[string](p, "document.getElementById('recording-name')?.textContent ?? ''"); name != "" && !strings.HasPrefix(name, "take⟨U+202E⟩⟨U+2066⟩.wav (") {
			t.Errorf("%s: the name is shown as %q", c.page, name)
		}
		if places[0] >= places[1] {
			t.Errorf("%s: what stands beside the name begins at %v and ends at %v", c.page, places[0], places[1])
		}
	}
}

// The page says how far a proof goes, in the words of the command, and finds out when the
// log contradicts its witnesses.
func TestVerifyPageLevels(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		b, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	golden := func(name string) []byte { return read("proof/evidence/testdata/v2/" + name) }
	var words, further map[string]string
	for name, into := range map[string]*map[string]string{"words.json": &words, "words_command.json": &further} {
		if err := json.Unmarshal(read("proof/evidence/"+name), into); err != nil {
			t.Fatal(err)
		}
	}
	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	page := c.file("verify.html", read("verify/dist/verify.html"))
	v, see := c.looking()
	p.Goto("file://" + page)
	v.load()
	p.Type("document.getElementById('key')", strings.TrimSpace(string(golden("key.txt"))))
	p.Press(browser.Enter, false)
	shown := func(name string) bool {
		return browser.Eval[bool](p, fmt.Sprintf("document.getElementById('result').innerText.includes(%q)", words[name]))
	}
	c.choose("proof", c.file("attested.json", golden("attested.json")))
	c.expect("without a policy", "registered", "")
	if !shown("level_logged") || shown("excludes_witnessed") {
		t.Error("without a policy it says another level than: in the log")
	}
	see("logged")
	follow := func(policy string) {
		p.Run(fmt.Sprintf("(() => { const field = document.getElementById('policy'); field.closest('details')?.setAttribute('open', ''); field.value = %q; field.form.requestSubmit(); })()", policy))
	}
	follow(string(golden("policy.txt")))
	p.Wait("document.querySelector('[data-check=witnesses][data-status=ok]')")
	c.expect("with witnesses", "registered", "")
	if !shown("level_witnessed") || !shown("excludes_witnessed") {
		t.Error("it does not say that the block was witnessed")
	}
	see("witnessed")
	c.choose("proof", c.file("full.json", golden("full.json")))
	c.expect("too few witnesses", "unwitnessed", "witnesses")
	see("unwitnessed")
	v.done()
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// Without a checkpoint the page says how far the proof of a chain goes. With one it is proved.
func TestVerifyPageChain(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		b, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const data = "proof/evidence/testdata/v2/"
	whole, checkpoint := read(data+"chain.json"), string(read(data+"checkpoint.txt"))
	var words map[string]string
	if err := json.Unmarshal(read("proof/evidence/words.json"), &words); err != nil {
		t.Fatal(err)
	}
	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	p.Goto("file://" + c.file("verify.html", read("verify/dist/verify.html")))
	shows := func(key string) {
		t.Helper()
		text := strings.NewReplacer("{set}", "6", "{date}", "").Replace(words[key])
		for _, part := range strings.Split(text, "On ,") { // the date is in the reader's form
			if !browser.Eval[bool](p, fmt.Sprintf("document.getElementById('result').innerText.includes(%q)", part)) {
				t.Errorf("it does not say %q", part)
			}
		}
	}
	pin := func(text string) {
		p.Run(fmt.Sprintf("(() => { const field = document.getElementById('chain'); field.value = %q; field.form.requestSubmit(); })()", text))
	}
	c.choose("proof", c.file("chain.json", whole))
	c.expect("without a checkpoint", "untrusted", "")
	look := func(name string) {
		dir := browser.Pictures(t)
		for _, width := range []int64{320, 1280} {
			for _, dark := range []bool{false, true} {
				p.Size(width, 3000)
				p.Dark(dark)
				p.Screenshot(dir, fmt.Sprint(name, " ", width, map[bool]string{true: " dark"}[dark]))
			}
		}
	}
	look("untrusted")
	shows("say_untrusted_chain")
	shows("why_chain_checkpoint")
	pin("set 6")
	p.Wait("document.getElementById('chain-bad').hidden === false")
	c.expect("with a text that is none", "untrusted", "")
	pin(checkpoint)
	p.Wait("document.querySelector('[data-check=chain][data-status=ok]')")
	c.expect("with a checkpoint", "registered", "")
	look("registered")
	for _, key := range []string{"since_chain_final", "level_chained", "excludes_chained", "check_state", "check_finality"} {
		shows(key)
	}
	pin(strings.Replace(checkpoint, "genesis 4", "genesis 5", 1))
	p.Wait("document.querySelector('[data-check=chain][data-status=failed]')")
	c.expect("with that of another chain", "untrusted", "chain")
	pin("")
	c.choose("proof", c.file("forged.json", bytes.Replace(whole, []byte(`"number": 1000`), []byte(`"number": 1001`), 1)))
	c.expect("another block", "fails", "block state")
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// A block of a log that a chain has: without the chain's checkpoint the log's key proves the work, and
// with one the chain proves the date.
func TestVerifyPageAnchor(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		b, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const data = "proof/evidence/testdata/v2/"
	whole, checkpoint := read(data+"anchored.json"), string(read(data+"checkpoint.txt"))
	p := browser.Open(t)
	c := &checker{t, p, t.TempDir()}
	p.Goto("file://" + c.file("verify.html", read("verify/dist/verify.html")))
	set := func(id, text string) {
		p.Run(fmt.Sprintf("(() => { const field = document.getElementById(%q); field.value = %q; field.form.requestSubmit(); })()", id, text))
	}
	look := func(name string) {
		dir := browser.Pictures(t)
		for _, width := range []int64{320, 1280} {
			for _, dark := range []bool{false, true} {
				p.Size(width, 3000)
				p.Dark(dark)
				for _, line := range p.Overflow() {
					t.Errorf("%s at %d: %s", name, width, line)
				}
				p.Screenshot(dir, fmt.Sprint(name, " ", width, map[bool]string{true: " dark"}[dark]))
			}
		}
	}
	says := func(text string) bool {
		return browser.Eval[bool](p, fmt.Sprintf("document.getElementById('result').innerText.includes(%q)", text))
	}
	const onAChain, date = "A block of a public chain holds it", "by the authorities of the chain"
	c.choose("proof", c.file("anchored.json", whole))
	set("key", strings.TrimSpace(string(read(data+"key.txt"))))
	p.Wait("document.querySelector('[data-check=anchor][data-status=not_checked]')")
	c.expect("without a checkpoint", "registered", "")
	if says(onAChain) || says(date) {
		t.Error("the chain counts without a checkpoint")
	}
	look("log alone")
	set("chain", checkpoint)
	p.Wait("document.querySelector('[data-check=anchor][data-status=ok]')")
	c.expect("with a checkpoint", "registered", "")
	if !says(onAChain) || !says(date) {
		t.Errorf("the chain does not count:\n%s", browser.Eval[string](p, "document.getElementById('result').innerText"))
	}
	look("on a chain")
	c.choose("proof", c.file("forged.json", bytes.Replace(whole, []byte(`"of": "attestation 0"`), []byte(`"of": "block"`), 1)))
	c.expect("an anchor of another block", "registered", "anchor") // the log proves it as before
	if says(onAChain) || says(date) {
		t.Error("the chain counts with the anchor of another block")
	}
	for _, line := range p.Problems() {
		t.Error(line)
	}
}
