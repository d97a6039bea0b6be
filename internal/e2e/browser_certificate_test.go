package e2e_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

const notYet = `{"error":{"code":"work.certificate_unavailable","message":"The certificate is not yet available.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`

// isCertificate holds that what was saved is the PDF of the song.
func isCertificate(t *testing.T, saved *browser.Downloads, title string) {
	t.Helper()
	name, content := saved.Await()
	if !strings.HasSuffix(name, ".pdf") || !strings.Contains(name, title) || !bytes.HasPrefix(content, []byte("%PDF-")) {
		t.Fatalf("%q was saved, %d bytes that begin %.20q", name, len(content), content)
	}
	cmd := exec.Command("pdftotext", "-", "-")
	cmd.Stdin = bytes.NewReader(content)
	text, err := cmd.Output()
	if err != nil {
		browser.Missing(t, "no pdftotext: apt-get install poppler-utils")
	}
	if !strings.Contains(string(text), title) {
		t.Errorf("the certificate does not name %s:\n%s", title, text)
	}
}

// TestCertificate downloads the certificate from the last screen of a registration,
// under the strictest policy. While the server makes the certificate, the access code
// can be saved. An error shows its code, and the keyboard can retry.
func TestCertificate(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	x.host.Policy(x.host.StrictPolicy())
	p := browser.Open(t)
	p.AllowClipboard(x.host.URL)
	saved := p.Downloads()
	p.Goto(x.plain())
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "waits.wav", 20_000), "Certain Waits")
	p.Wait(browser.Hook("confirm"))
	hold := p.Hold("GET", "/download/certificate")
	confirm(p, 0)
	where := browser.Eval[string](p, "location.href")
	if got := browser.Eval[string](p, "e2e.hook('explorer').href"); !strings.HasPrefix(got, x.server.URL+"/w/testnet/") {
		t.Errorf("the public record is at %s", got)
	}
	if browser.Eval[bool](p, "!!e2e.hook('told-certificate')") {
		t.Error("something is told of a certificate that nobody asked for")
	}

	p.Click(browser.Hook("certificate"))
	first := hold.Await()
	p.Wait("e2e.text('told-certificate') === 'Preparing the download…'")
	first.Answer(404, notYet)
	p.Wait("e2e.text('told-certificate').includes('being made') && e2e.text('live').includes('being made') && e2e.focus() === 'certificate'")
	p.Click(browser.Hook("certificate")) // asks nothing twice
	p.Click(browser.Hook("copy-access-code"))
	p.Wait("e2e.text('copy-access-code') === 'Copied'")
	if code := stateOf(p, 0).AccessCode; browser.Eval[string](p, "navigator.clipboard.readText()") != code || code == "" {
		t.Error("the access code was not copied while the certificate is waited for")
	}
	p.Click(browser.Hook("save-access-code"))
	if name, content := saved.Await(); !strings.HasSuffix(name, ".txt") || !bytes.Contains(content, []byte(x.server.URL+"/w/testnet/")) {
		t.Errorf("%s was saved:\n%s", name, content)
	}
	hold.Await().Answer(404, notYet)
	// Errors.
	hold.Await().Answer(500, `{"error":{"code":"common.internal","message":"An unexpected error occurred.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait("e2e.text('told-certificate').includes('went wrong') && e2e.text('code') === 'common.internal' && e2e.text('request-id') === 'req_01M84P5Y0S9D5JKPTP7BAC8R4F'")
	if s := stateOf(p, 0); s.Screen != "COMPLETE" || s.AccessCode == "" {
		t.Errorf("after an error: %+v", s)
	}
	told := named(p.Events(), "error")
	if len(told) != 1 || member[string](t, told[0], "code") != "common.internal" || member[string](t, told[0], "stage") != "certificate" {
		t.Errorf("events %v", told)
	}
	if got := browser.Eval[string](p, "e2e.text('certificate')"); got != "Try again" {
		t.Errorf("the button says %q", got)
	}
	// Again, by keyboard, and for real.
	hold.Release()
	p.ForgetProblems() // the browser reports the simulated answers on the console
	p.Run("e2e.hook('certificate').focus()")
	p.Press(browser.Enter, false)
	isCertificate(t, saved, "Certain Waits")
	p.Wait("e2e.text('told-certificate').includes('begun') && !" + browser.Hook("code"))
	if at := browser.Eval[string](p, "location.href"); at != where || stateOf(p, 0).Screen != "COMPLETE" {
		t.Errorf("the page is at %s", at)
	}
	for _, line := range p.Problems() {
		if !strings.Contains(line, "404") { // not made yet
			t.Errorf("console: %s", line)
		}
	}
	checkShapes(t, p.Events())
}

// TestCertificateOfReloadedPage reloads the page while a song is being registered. The
// token of the registration is gone, and another token is enough.
func TestCertificateOfReloadedPage(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	saved := p.Downloads()
	p.Goto(x.plain())
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "reloaded.wav", 20_000), "Certain Reload")
	p.Wait(browser.Hook("confirm"))
	// The socket stays silent until the page is another.
	p.Run("globalThis.WebSocket = class { close() {} }")
	p.Click(browser.Hook("confirm"))
	p.Wait("e2e.events.some((e) => e.name === 'confirmed')")
	p.Goto(x.plain())
	p.Wait(onScreen(0, "COMPLETE"))
	p.Click(browser.Hook("certificate"))
	isCertificate(t, saved, "Certain Reload")
}

// TestOwnCertificate ends the registration of an end-user of the page, who has no
// access code: it says where the song is kept, and gives the certificate. So does
// an update.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, nil)
	p := browser.Open(t)
	saved := p.Downloads()
	p.Goto(x.works("register", "ada"))
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "own.wav", 20_000), "Certain Owner")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if got := browser.Eval[string](p, "e2e.text('own') + ' ' + !!e2e.hook('access-code')"); got != "The song is kept in your account on this site. false" {
		t.Errorf("the end says %q", got)
	}
	p.Click(browser.Hook("certificate"))
	isCertificate(t, saved, "Certain Owner")

	p.Goto(x.works("update", "ada"))
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	p.Click(browser.Hook("next"))
	p.Type(browser.Hook("creator-0-fullName"), " Junior")
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Click(browser.Hook("certificate"))
	isCertificate(t, saved, "Certain Owner")
}

// TestCertificateByCode opens a song in another page with only its access code, and
// saves its certificate. Errors are shown beside the button. Then it updates the song as
// usual, and the new version has its own certificate.
func TestCertificateByCode(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	code := songMade(t, x, browser.Open(t), "Certain Return")
	x.host.Policy(x.host.StrictPolicy())
	p := browser.Open(t)
	saved := p.Downloads()
	asked := func() int { return len(p.Requests("GET", "/download/certificate")) }
	p.Goto(x.updater())
	p.Wait(browser.Hook("access_code"))
	open(p, code)
	p.Wait(browser.Hook("work"))
	hold := p.Hold("GET", "/download/certificate")
	p.Click(browser.Hook("certificate"))
	hold.Await().Answer(404, notYet)
	waits := hold.Await()
	p.Wait("e2e.text('told-certificate').includes('being made') && e2e.text('live').includes('being made') && e2e.focus() === 'certificate'")
	// The form goes on meanwhile, and comes back to what is waited for.
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("creator-1"))
	p.Click(browser.Hook("back"))
	p.Wait("e2e.text('told-certificate').includes('being made')")
	waits.Answer(410, `{"error":{"code":"access_code.expired","message":"This access code is no longer valid.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait("e2e.text('told-certificate') === 'This access code is no longer valid.' && e2e.text('code') === 'access_code.expired' && e2e.text('certificate') === 'Try again'")
	if s := stateOf(p, 0); s.Screen != "FORM" || !browser.Eval[bool](p, "!!e2e.hook('work') && !e2e.all('[aria-invalid=true]').length") {
		t.Errorf("after an error: %+v", s)
	}
	told := named(p.Events(), "error")
	if len(told) != 1 || member[string](t, told[0], "code") != "access_code.expired" || member[string](t, told[0], "stage") != "certificate" {
		t.Errorf("events %v", told)
	}
	hold.Release()
	p.ForgetProblems() // the browser reports the simulated answers on the console
	k := keyboard{t, p}
	p.Run("e2e.hook('heading').focus()")
	k.to("certificate")
	p.Press(browser.Enter, false)
	isCertificate(t, saved, "Certain Return")
	p.Wait("e2e.text('told-certificate').includes('begun') && !" + browser.Hook("code"))
	before := asked()

	k.to("next")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("creator-1"))
	p.Click(browser.Hook("remove-creator-1"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if got := browser.Eval[string](p, "e2e.text('version') + ' ' + !!e2e.hook('told-certificate')"); got != "2 false" {
		t.Errorf("the end says %s, which is told of another version's certificate", got)
	}
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("form-code"))
	open(p, code)
	p.Wait(browser.Hook("work") + " && e2e.text('work-version') === '2'")
	p.Click(browser.Hook("certificate"))
	isCertificate(t, saved, "Certain Return")
	if urls := p.Requests("GET", "/versions/2/download/certificate"); len(urls) == 0 || asked() == before {
		t.Errorf("asked for %d certificates, %d of version 2", asked(), len(urls))
	}
	for _, line := range p.Problems() {
		if !strings.Contains(line, "404") { // not made yet
			t.Errorf("console: %s", line)
		}
	}
	checkShapes(t, p.Events())
}

// TestCertificateLooks takes pictures of the end of a registration and of a song that an
// access code opens, with every message about the certificate.
func TestCertificateLooks(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	v := newViewer(t, p)
	p.Goto(x.plain())
	v.load()
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "looks.wav", 20_000), "The Ferryman’s Daughter")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	v.see("complete")
	hold := p.Hold("GET", "/download/certificate")
	p.Click(browser.Hook("certificate"))
	hold.Await().Answer(404, notYet)
	waits := hold.Await()
	p.Wait("e2e.text('told-certificate').includes('being made')")
	v.see("waiting")
	v.colour("waiting")
	waits.Answer(500, fmt.Sprintf(`{"error":{"code":"common.internal","message":"An unexpected error occurred.","request_id":%q}}`, "req_01M84P5Y0S9D5JKPTP7BAC8R4F"))
	p.Wait(browser.Hook("code"))
	v.see("refused")
	v.colour("refused")
	hold.Release()
	saved := p.Downloads()
	p.Click(browser.Hook("certificate"))
	saved.Await()
	p.Wait("e2e.text('told-certificate').includes('begun')")
	v.see("begun")

	code := stateOf(p, 0).AccessCode
	p.Goto(x.updater())
	v.load()
	p.Wait(browser.Hook("access_code"))
	open(p, code)
	p.Wait(browser.Hook("work"))
	hold = p.Hold("GET", "/download/certificate")
	p.Click(browser.Hook("certificate"))
	hold.Await().Answer(404, notYet)
	waits = hold.Await()
	p.Wait("e2e.text('told-certificate').includes('being made')")
	v.see("code-waiting")
	waits.Answer(410, `{"error":{"code":"access_code.expired","message":"This access code is no longer valid.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait(browser.Hook("code"))
	v.see("code-refused")
	v.colour("code-refused")
	hold.Release()
	p.Click(browser.Hook("certificate"))
	saved.Await()
	p.Wait("e2e.text('told-certificate').includes('begun')")
	v.see("code-begun")
	v.done()
}
