package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

// Size sets the size of the window, in CSS pixels.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	_, err := call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	p.must(err, "size %d", width)
}

// Dark switches between the dark and the light colour scheme of the system.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	p.must(err, "colour scheme %s", scheme)
}

// Forced shows the page in the few colours that a system forces on it, as a high-contrast theme does.
func (p *Page) Forced(forced bool) {
	p.t.Helper()
	value := "none"
	if forced {
		value = "active"
	}
	_, err := call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	p.must(err, "forced colours %s", value)
}

// Print shows the page as it is printed.
func (p *Page) Print(printed bool) {
	p.t.Helper()
	media := ""
	if printed {
		media = "print"
	}
	_, err := call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media})
	p.must(err, "media %q", media)
}

// TimeZone puts the page into a time zone, such as Pacific/Kiritimati.
func (p *Page) TimeZone(name string) {
	p.t.Helper()
	_, err := call(p, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name})
	p.must(err, "time zone %s", name)
}

// Pictures returns the folder for this test's pictures, with the test's name, in the
// folder TIMBRE_SCREENSHOTS. It returns "" when that variable is empty.
func Pictures(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TIMBRE_SCREENSHOTS")
	if dir == "" {
		return ""
	}
	dir = filepath.Join(dir, t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Screenshot writes the page as dir/name.png, down to where its content ends or
// the window does; nothing when dir is "".
func (p *Page) Screenshot(dir, name string) {
	p.t.Helper()
	if dir == "" {
		return
	}
	size := Eval[struct{ Width, Height float64 }](p, `({Width: innerWidth, Height: Math.min(innerHeight, Math.ceil(document.body.getBoundingClientRect().bottom) + 16)})`)
	shot, err := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &page.Viewport{Width: size.Width, Height: size.Height, Scale: 1}})
	p.must(err, "screenshot %s", name)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Portrait writes an element with 20 px of what is around it as dir/name.png;
// nothing when dir is "".
func (p *Page) Portrait(dir, name, element string) {
	p.t.Helper()
	if dir == "" {
		return
	}
	box := Eval[struct{ X, Y, Width, Height float64 }](p, fmt.Sprintf(`(({x, y, width, height}) => ({X: x - 20, Y: y + scrollY - 20, Width: width + 40, Height: height + 40}))(%s.getBoundingClientRect())`, element))
	shot, err := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &page.Viewport{X: box.X, Y: box.Y, Width: box.Width, Height: box.Height, Scale: 1}})
	p.must(err, "portrait %s", name)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// LoadAxe brings the accessibility rules into the page. The source is read
// from node_modules in the repository; without it the test is skipped or, where
// everything is required, fails.
func (p *Page) LoadAxe(path string) {
	p.t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		Missing(p.t, fmt.Sprintf("axe-core is not installed (run npm ci): %v", err))
	}
	p.Run(string(source) + "\n;undefined")
}

// Audit runs the given accessibility rules on the current state of the page. Without rules
// it runs those for WCAG 2.2 A and AA and best practices. Each returned line is one violation. The runs
// of a page take turns, because the rules refuse a second run before the first one ended.
func (p *Page) Audit(rules ...string) []string {
	p.t.Helper()
	only := "runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}, rules: {'target-size': {enabled: true}}"
	if len(rules) > 0 {
		only = "runOnly: {type: 'rule', values: ['" + strings.Join(rules, "','") + "']}"
	}
	return Eval[[]string](p, `(globalThis.auditing = (globalThis.auditing ?? Promise.resolve()).catch(() => {}).then(() => axe.run(document, {resultTypes: ['violations'], `+only+`})).then(({violations}) =>
	  violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.flat().join(' ') + ' ' + n.html.slice(0, 160) + ' ' + n.failureSummary.replaceAll('\n', ' ')))))`)
}

// Overflow lists what is wider than the window. A page that scrolls sideways
// has at least one line.
func (p *Page) Overflow() []string {
	p.t.Helper()
	return Eval[[]string](p, `(() => {
	  const root = document.documentElement;
	  if (root.scrollWidth <= root.clientWidth) return [];
	  return ['scrollWidth ' + root.scrollWidth + ' > ' + root.clientWidth].concat(e2e.all('*').filter((e) => {
	    const r = e.getBoundingClientRect();
	    return r.width > 1 && (r.right > root.clientWidth + 0.5 || r.left < -0.5);
	  }).slice(0, 8).map((e) => e.outerHTML.slice(0, 120)));
	})()`)
}

// Scripts allows the page's scripts to run, or forbids it. Expressions of the test still run, but a
// condition cannot be awaited without scripts.
func (p *Page) Scripts(allowed bool) {
	p.t.Helper()
	_, err := call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !allowed})
	p.must(err, "allow scripts: %t", allowed)
}
