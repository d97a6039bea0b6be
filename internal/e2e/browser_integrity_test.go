package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestIntegrityOfLaterFiles pins a version and all its scripts, as docs/widget.md says, under a strict policy. With the
// right hashes a song is registered. With a wrong one the file is not run, neither at the first try nor at a later one.
func TestIntegrityOfLaterFiles(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	var list struct {
		Versions []struct {
			Version   string
			Integrity map[string]string
		}
	}
	if err := json.Unmarshal([]byte(get(t, x.server.URL+"/widget/versions.json")), &list); err != nil {
		t.Fatal(err)
	}
	newest := list.Versions[0]
	at := x.server.URL + "/widget/" + newest.Version + "/"
	page := func(name, wrong string) string {
		hashes := map[string]string{}
		for file, hash := range newest.Integrity {
			switch {
			case !strings.HasSuffix(file, ".js"):
			case file == wrong:
				hashes[at+file] = "sha384-" + strings.Repeat("A", 64)
			default:
				hashes[at+file] = hash
			}
		}
		text, err := json.Marshal(map[string]any{"integrity": hashes})
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(text)
		x.host.Policy(fmt.Sprintf("default-src 'none'; script-src 'self' %s 'sha256-%s'; style-src 'self'; connect-src 'self' %s ws%s; require-trusted-types-for 'script'",
			x.server.URL, base64.StdEncoding.EncodeToString(hash[:]), x.server.URL, strings.TrimPrefix(x.server.URL, "http")))
		return x.host.Page(name, fmt.Sprintf(`<script type="importmap">%s</script>%s<script type="module" src="/host.js"></script><script src="%sats-widget.iife.js" integrity=%q crossorigin="anonymous" defer></script>`,
			text, x.element(""), at, newest.Integrity["ats-widget.iife.js"]))
	}
	p := browser.Open(t)
	p.Goto(page("pinned.html", ""))
	p.Wait(browser.Hook("form-song"))
	fill(p, 0, noise(t, "Pinned.wav", 20_000), "Pinned")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	quiet(t, p)

	p.Goto(page("differs.html", "ats-widget-rest.js"))
	p.Wait(browser.Hook("form-song"))
	fillSong(p, 0, noise(t, "Differs.wav", 20_000), "Pinned twice")
	for range 3 {
		p.Click(browser.Hook("next"))
		p.Wait("document.querySelector('ats-widget').shadowRoot.textContent.includes('The connection was lost.')")
	}
	if said := strings.Join(p.Problems(), "\n"); !strings.Contains(said, "integrity") {
		t.Errorf("the browser refused nothing: %s", said)
	}
}
