package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// places are the boxes that pages put an element into: what stands around the
// widget (@), what the page's style sheet says, and what a script does then.
var places = []struct {
	name, html, css, script string
	wide                    bool // the box needs more than a phone's width
}{
	{name: "block", html: `@`},
	{name: "modal dialog", html: `<dialog id="d">@</dialog>`, script: `d.showModal()`},
	{name: "dialog with a short heading", html: `<dialog id="d"><h2>Register</h2>@</dialog>`, script: `d.showModal()`},
	{name: "dialog that is not modal", html: `<dialog id="d">@</dialog>`, script: `d.show()`},
	{name: "dialog as a flex box", html: `<dialog id="d">@</dialog>`, css: `dialog[open] { display: flex }`, script: `d.showModal()`},
	{name: "popover", html: `<div id="d" popover>@</div>`, script: `d.showPopover()`},
	{name: "float", html: `<div class="b">@</div>`, css: `.b { float: left }`},
	{name: "floated itself", html: `@`, css: `ats-widget { float: inline-end }`},
	{name: "table", html: `<table><tr><td>@</td></tr></table>`},
	{name: "table beside text", html: `<table><tr><td>@</td><td>TEXT</td></tr></table>`, wide: true},
	{name: "table of fixed layout", html: `<table class="b"><tr><td>@</td></tr></table>`, css: `.b { table-layout: fixed; inline-size: 100% }`},
	{name: "display table-cell", html: `<div class="b">@</div>`, css: `.b { display: table-cell }`},
	{name: "grid", html: `<div class="b">@</div>`, css: `.b { display: grid }`},
	{name: "grid, centred", html: `<div class="b">@</div>`, css: `.b { display: grid; place-items: center }`},
	{name: "grid of auto columns", html: `<div class="b">@<p>TEXT</p></div>`, css: `.b { display: grid; grid-template-columns: auto auto }`, wide: true},
	{name: "grid with minmax(0, 1fr)", html: `<div class="b">@</div>`, css: `.b { display: grid; grid-template-columns: minmax(0, 1fr) }`},
	{name: "grid with 1fr", html: `<div class="b">@<p>TEXT</p></div>`, css: `.b { display: grid; grid-template-columns: 1fr 1fr }`, wide: true},
	{name: "grid with max-content", html: `<div class="b">@</div>`, css: `.b { display: grid; grid-template-columns: max-content }`},
	{name: "flex row", html: `<div class="b">@</div>`, css: `.b { display: flex }`},
	{name: "flex row, centred", html: `<div class="b">@</div>`, css: `.b { display: flex; justify-content: center; align-items: center }`},
	{name: "flex row beside text", html: `<div class="b">@<p>TEXT</p></div>`, css: `.b { display: flex; gap: 1rem }`, wide: true},
	{name: "flex row beside what does not shrink", html: `<div class="b">@<p class="n">TEXT</p></div>`, css: `.b { display: flex; inline-size: 620px } .n { flex: none; inline-size: 320px }`, wide: true},
	{name: "flex row beside a line that does not break", html: `<div class="b"><b>A line that stays one line, whatever</b>@</div>`, css: `.b { display: flex; white-space: nowrap }`, wide: true},
	{name: "flex column, centred", html: `<div class="b">@</div>`, css: `.b { display: flex; flex-direction: column; align-items: center }`},
	{name: "inline-block", html: `<div class="b">@</div>`, css: `.b { display: inline-block }`},
	{name: "inline-block itself", html: `A word @`, css: `ats-widget { display: inline-block }`},
	{name: "inline itself", html: `@`, css: `ats-widget { display: inline }`},
	{name: "absolute with left", html: `<div class="b">@</div>`, css: `.b { position: absolute; left: 8px }`},
	{name: "absolute itself", html: `@`, css: `ats-widget { position: absolute; inset-inline-start: 8px }`},
	{name: "absolute, centred by transform", html: `<div class="b">@</div>`, css: `.b { position: absolute; left: 50%; transform: translateX(-50%) }`},
	{name: "fixed", html: `<div class="b">@</div>`, css: `.b { position: fixed; inset: auto 8px 8px auto; max-block-size: 90vh; overflow: auto }`},
	{name: "width fit-content", html: `<div class="b">@</div>`, css: `.b { inline-size: fit-content }`},
	{name: "width max-content", html: `<div class="b">@</div>`, css: `.b { inline-size: max-content }`},
	{name: "width min-content", html: `<div class="b">@</div>`, css: `.b { inline-size: min-content }`},
	{name: "display contents", html: `<div class="b">@</div>`, css: `.b { display: contents }`},
	{name: "display block by the page", html: `<dialog id="d">@</dialog>`, css: `ats-widget { display: block; width: 100% }`, script: `d.showModal()`},
	{name: "contain strict", html: `<div class="b">@</div>`, css: `.b { contain: strict; inline-size: 300px; block-size: 1400px }`},
	{name: "content-visibility", html: `<div class="b">@</div>`, css: `.b { content-visibility: auto }`},
	{name: "multi-column", html: `<div class="b">@</div>`, css: `.b { columns: 300px }`},
	{name: "a root of 62.5 %", html: `@`, css: `html { font-size: 62.5% } body { font-size: 1.6rem }`},
	{name: "a root of 62.5 % in a dialog", html: `<dialog id="d">@</dialog>`, css: `html { font-size: 62.5% }`, script: `d.showModal()`},
	{name: "a root of 200 %", html: `@`, css: `html { font-size: 200% }`},
	{name: "small print", html: `<small class="b">@</small>`, css: `.b { font-size: 9px; line-height: 1; letter-spacing: 0.3em; white-space: nowrap; text-transform: uppercase; text-indent: 4em }`},
	{name: "zoom 2 by CSS", html: `<div class="b">@</div>`, css: `.b { zoom: 2 }`, wide: true},
	{name: "a page of zoom 2", html: `@`, css: `html { zoom: 2 }`, wide: true},
	{name: "scaled", html: `<div class="b">@</div>`, css: `.b { transform: scale(0.75); transform-origin: 0 0 }`},
	{name: "vertical text", html: `<div class="b">@</div>`, css: `.b { writing-mode: vertical-rl }`},
	{name: "a vertical page", html: `<div>@</div>`, css: `html { writing-mode: vertical-rl }`},
}

const sentence = "A paragraph of the page that stands beside the element and would like to be wide, because it has many words, all of which can break. "

// stage puts the first widget of a page into a place; measure looks at it.
const placing = `
globalThis.stage = (html, css, script) => {
  document.body.innerHTML = '<style>' + css + '</style>' + html;
  if (script) new Function('d', script)(document.getElementById('d'));
};
globalThis.measure = (win = window) => {
  const doc = win.document;
  const host = win.e2e.widget();
  const card = win.e2e.hook('card');
  const found = [];
  const box = host.getBoundingClientRect();
  // 280 px, and less on a narrow screen, which must not scroll, or where two columns share what there is.
  if (host.offsetWidth < 264) found.push('the element is ' + host.offsetWidth + ' px wide');
  if (card.offsetWidth < 264) found.push('the card is ' + card.offsetWidth + ' px wide');
  if (card.offsetWidth > 36 * parseFloat(getComputedStyle(card).fontSize) + 1) found.push('the card is ' + card.offsetWidth + ' px wide');
  const root = doc.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push('the page scrolls sideways: ' + root.scrollWidth + ' > ' + root.clientWidth);
  if (box.left < -0.5 || box.right > win.innerWidth + 0.5) found.push('the element reaches from ' + box.left + ' to ' + box.right);
  const frame = card.getBoundingClientRect();
  for (const e of card.querySelectorAll('*')) {
    const r = e.getBoundingClientRect();
    if (!r.width || e.closest('.hide') || !e.checkVisibility()) continue; // only for screen readers
    const s = win.getComputedStyle(e);
    const name = e.localName + '.' + e.className + ' ' + (e.dataset.ats ?? '');
    if (r.right > frame.right + 0.5 || r.left < frame.left - 0.5) found.push(name + ' stands out of the card');
    if (e.matches('button, a, summary, textarea, input:not([type=checkbox], [type=radio]), label.drop, .checks label, .works label') && e.offsetHeight < 44) found.push(name + ' is ' + e.offsetHeight + ' px high');
    if ([...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && parseFloat(s.fontSize) < 14) found.push(name + ' is written in ' + s.fontSize);
    if ([...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && (s.textTransform !== 'none' || s.letterSpacing !== 'normal') && !e.closest('h2')) found.push(name + ' is written as the page writes');
  }
  // No text touches another, nor what is beside it.
  const texts = [];
  const walk = doc.createTreeWalker(card, NodeFilter.SHOW_TEXT);
  for (let n; (n = walk.nextNode()); ) {
    const e = n.parentElement;
    if (!n.data.trim() || e.closest('.hide') || !e.checkVisibility({ opacityProperty: true })) continue;
    const range = doc.createRange();
    range.selectNodeContents(n);
    for (const r of range.getClientRects()) if (r.width > 1) texts.push([n.data.trim().slice(0, 30), r, n]);
  }
  texts.forEach(([a, r, n], i) => {
    for (const [b, q, m] of texts.slice(i + 1)) {
      if (n === m) continue;
      const x = Math.min(r.right, q.right) - Math.max(r.left, q.left);
      const y = Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top);
      // On one line, two labels need a space between them.
      if (y > 6 && x > -2 && n.parentElement.closest('li, button, label, dt, dd, summary') !== m.parentElement.closest('li, button, label, dt, dd, summary')) found.push('"' + a + '" touches "' + b + '"');
      else if (y > 6 && x > 1) found.push('"' + a + '" covers "' + b + '"');
    }
  });
  return found;
};
`

// TestPlaces puts the widget into every place and measures: nowhere does it
// vanish, shrink below what can be read and touched, or push the page sideways.
func TestPlaces(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	pictures := browser.Pictures(t)
	x.host.Page("placing.js", placing)
	p.Goto(x.host.Page("places.html", `<script type="module" src="/ats-widget.esm.js"></script><script src="/placing.js"></script>`))
	p.Wait("globalThis.measure && customElements.get('ats-widget')")
	// The checks find planted faults: overlapping texts, a small text, a small button.
	stage(p, x.element(""), "", "")
	p.Wait(browser.Hook("form-song"))
	p.Run(`e2e.hook('heading').style.cssText = 'margin-block-end: -2em; font-size: 13px'; e2e.hook('next').style.cssText = 'min-block-size: 0; padding: 0'`)
	if found := strings.Join(browser.Eval[[]string](p, "measure()"), "\n"); !strings.Contains(found, "touches") && !strings.Contains(found, "covers") || !strings.Contains(found, "13px") || !strings.Contains(found, "px high") {
		t.Fatalf("what is wrong is not measured: %s", found)
	}
	for i, place := range places {
		for _, width := range []int64{320, 640, 1280} {
			if width == 320 && place.wide {
				continue
			}
			p.Size(width, 1400)
			html := strings.NewReplacer("@", x.element(""), "TEXT", sentence+sentence+sentence).Replace(place.html)
			stage(p, html, place.css, place.script)
			p.Wait(browser.Hook("form-song"))
			for _, line := range browser.Eval[[]string](p, "measure()") {
				t.Errorf("%s, %d px: %s", place.name, width, line)
			}
			p.Screenshot(pictures, fmt.Sprintf("%02d-%s-%d", i, place.name, width))
		}
	}
	quiet(t, p)
}

func stage(p *browser.Page, html, css, script string) {
	args, _ := json.Marshal([]string{html, css, script})
	p.Run("stage(..." + string(args) + ")")
}

// TestPlacesInFrames puts the page of the widget into frames of several
// permissions, each of which can be looked into.
func TestPlacesInFrames(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("placing.js", placing)
	x.host.Page("framed.html", x.element("")+scripts+`<script src="/placing.js"></script>`)
	for _, sandbox := range []string{"", `sandbox="allow-scripts allow-same-origin"`, `sandbox="allow-scripts allow-same-origin allow-downloads allow-popups"`} {
		for _, width := range []int64{320, 600} {
			p.Goto(x.host.Page("frame.html", fmt.Sprintf(`<iframe src="/framed.html" %s width="%d" height="1400" frameborder="0" style="margin-inline-start: -8px"></iframe>`, sandbox, width)))
			p.Wait("frames[0]?.e2e?.hook('form-song') && frames[0].measure")
			for _, line := range browser.Eval[[]string](p, "frames[0].measure(frames[0])") {
				t.Errorf("a frame with %q, %d px: %s", sandbox, width, line)
			}
		}
	}
}
