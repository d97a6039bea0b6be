package browser

import (
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/page"
)

// Before runs a script in each document that is opened from now on, before any
// of its own. Pages that are open already keep what they have.
func (p *Page) Before(script string) {
	p.t.Helper()
	_, err := call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.must(err, "add a script to each document")
}

// PDF is the page as a PDF, as the browser's dialog would print it on A4. It is
// kept as dir/name.pdf unless dir is "".
func (p *Page) PDF(dir, name string) []byte {
	p.t.Helper()
	printed, err := call(p, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: 8.27, PaperHeight: 11.69})
	p.must(err, "print %s", name)
	if dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".pdf"), printed.Data, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	return printed.Data
}
