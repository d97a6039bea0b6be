package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/packages"
)

// TestClientInAPage registers songs from a page of another origin with the TypeScript client, and no widget: one in a single
// request, and one in parts. It uses the files of the package as they are.
func TestClientInAPage(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{Args: []string{"--upload-parts-from", "100000"}}))
	for _, p := range packages.All() {
		if p.Name == "@timbre/client" {
			unpack(t, p, func(name string, text []byte) { x.host.Page("client/"+name, string(text)) })
		}
	}
	page := x.host.Page("page.html", fmt.Sprintf(`<p id="state">waits</p><script type="module">
import { Timbre } from './client/dist/index.js';
globalThis.song = async (title, size) => {
  const { token } = await (await fetch('/my-backend/session', { method: 'POST' })).json();
  const timbre = new Timbre({ server: %q, token, siteKey: %q });
  const samples = crypto.getRandomValues(new Uint8Array(50_000));
  const head = new DataView(new ArrayBuffer(44));
  [...'RIFF....WAVEfmt ....................data....'].forEach((c, i) => head.setUint8(i, c === '.' ? 0 : c.charCodeAt(0)));
  head.setUint32(4, size + 36, true), head.setUint32(16, 16, true), head.setUint16(20, 1, true), head.setUint16(22, 1, true);
  head.setUint32(24, 44100, true), head.setUint32(28, 88200, true), head.setUint16(32, 2, true), head.setUint16(34, 16, true), head.setUint32(40, size, true);
  const file = new File([head, samples, new Uint8Array(size - samples.length)], title + '.wav');
  const creators = [{ full_name: 'Ana Writer', email: 'ana@writers.example', roles: { author: true } }];
  const done = await timbre.register({ title, creators, network: 'testnet', file });
  return done.ats_id;
};
document.getElementById('state').textContent = 'loaded';
</script>`, x.server.URL, x.siteKey))
	p := browser.Open(t)
	p.Goto(page)
	p.Wait("document.getElementById('state').textContent === 'loaded'")
	for _, song := range []struct {
		title string
		size  int
		puts  int
	}{{"In one request", 60_000, 1}, {"In parts", 9 << 20, 2}} {
		before := len(p.Requests("PUT", "/blob/"))
		p.Run(fmt.Sprintf("song(%q, %d).then((id) => { document.getElementById('state').textContent = `%s ${id}`; }, (e) => { document.getElementById('state').textContent = `failed ${e}`; })", song.title, song.size, song.title))
		p.Wait(fmt.Sprintf("/^(failed|%s) /.test(document.getElementById('state').textContent)", song.title))
		if said := browser.Eval[string](p, "document.getElementById('state').textContent"); strings.HasPrefix(said, "failed") {
			t.Errorf("%s: %s", song.title, said)
		}
		if n := len(p.Requests("PUT", "/blob/")) - before; n != song.puts {
			t.Errorf("%s: %d uploads, want %d", song.title, n, song.puts)
		}
	}
	quiet(t, p)
}

// unpack gives each file of a package, without the folder that npm's tarballs have.
func unpack(t *testing.T, p packages.Package, file func(name string, text []byte)) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(p.Tarball))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		file(strings.TrimPrefix(h.Name, "package/"), text)
	}
}
