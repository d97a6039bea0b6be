package browser

import (
	"os"
	"path/filepath"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// Downloads are the files that the browser saved instead of showing them.
type Downloads struct {
	p    *Page
	dir  string
	name map[string]string
	done chan string
}

// Downloads lets the browser save files.
func (p *Page) Downloads() *Downloads {
	p.t.Helper()
	d := &Downloads{p: p, dir: p.t.TempDir(), name: map[string]string{}, done: make(chan string, 16)}
	p.must(chromedp.ListenBrowser(p.ctx, d.listen), "listen to downloads")
	told := true
	_, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: d.dir, EventsEnabled: &told,
	})
	p.must(err, "allow downloads")
	return d
}

// Await waits for the next file to be whole, and returns the name that it would
// have and what is in it.
func (d *Downloads) Await() (name string, content []byte) {
	d.p.t.Helper()
	select {
	case id := <-d.done:
		content, err := os.ReadFile(filepath.Join(d.dir, id))
		d.p.must(err, "read a download")
		d.p.mu.Lock()
		defer d.p.mu.Unlock()
		return d.name[id], content
	case <-time.After(Timeout):
		d.p.t.Fatalf("nothing was downloaded%s", d.p.scene())
		return "", nil
	}
}

func (d *Downloads) listen(event any) {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	switch e := event.(type) {
	case *cdpbrowser.EventDownloadWillBegin:
		d.name[e.GUID] = e.SuggestedFilename
	case *cdpbrowser.EventDownloadProgress:
		if e.State == cdpbrowser.DownloadProgressStateCompleted {
			d.done <- e.GUID
		}
	}
}
