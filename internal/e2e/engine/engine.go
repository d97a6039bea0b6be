// Package engine drives Firefox and WebKit at pages with <ats-widget> on them,
// for the short flow that is run in each engine. Package browser does the same
// for Chromium, and much more.
//
// Both have WebDriver: Firefox its second protocol (BiDi) over a socket,
// WebKitGTK the first one over HTTP. WebKitGTK has Safari's engine, but another
// network, file and clipboard code: it is not Safari.
package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/e2e/browser"
)

// Names are the engines, as Open takes them.
var Names = []string{"Firefox", "WebKit"}

// driver is what the two protocols have to do. Script is JavaScript.
type driver interface {
	// navigate opens an address and waits until it has loaded.
	navigate(url string) error
	// reload loads the same page again.
	reload() error
	// evaluate runs the body of a function, awaits what it returns, a text.
	evaluate(body string) (string, error)
	// actions moves mouse and keys, as the Actions of WebDriver say it.
	actions(sources []any) error
	// setFile puts a file into the field that the expression gives.
	setFile(element, path string) error
}

// Options say what is special about the browser. The zero value is a fresh one.
type Options struct {
	// Preferences are Firefox's own, by name.
	Preferences map[string]any
}

// Page is the one tab of a browser of its own.
type Page struct {
	t testing.TB
	driver
	// Saved is the folder that downloads go to.
	Saved string
}

// Open starts the engine with the name. It ends with the test. An engine that
// is not installed skips the test, or fails it where everything is required.
func Open(t testing.TB, name string, o Options) *Page {
	t.Helper()
	browser.Turn(t)
	p := &Page{t: t, Saved: t.TempDir()}
	switch name {
	case "Firefox":
		p.driver = openFirefox(t, p.Saved, o.Preferences)
	case "WebKit":
		p.driver = openWebKit(t, p.Saved)
	default:
		t.Fatalf("no engine %s", name)
	}
	return p
}

func (p *Page) must(err error, what string, args ...any) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v%s", fmt.Sprintf(what, args...), err, p.scene())
	}
}

// Goto opens an address and waits for its scripts to have run.
func (p *Page) Goto(url string) {
	p.t.Helper()
	p.must(p.navigate(url), "open %s", url)
	p.prepare()
}

func (p *Page) prepare() {
	p.t.Helper()
	_, err := p.evaluate(browser.Script + "\nreturn ''")
	p.must(err, "prepare the page")
}

// Reload reloads the page, as a person does.
func (p *Page) Reload() {
	p.t.Helper()
	p.must(p.reload(), "reload")
	p.prepare()
}

// Eval evaluates an expression in the page, awaiting a promise. Page.js of
// package browser says what the object e2e offers.
func Eval[T any](p *Page, expression string) (v T) {
	p.t.Helper()
	text, err := p.evaluate("return JSON.stringify(await (" + expression + ")) ?? 'null'")
	p.must(err, "evaluate %s", expression)
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		p.t.Fatalf("%s is %s: %v", expression, text, err)
	}
	return v
}

// Run evaluates an expression for its effect.
func (p *Page) Run(expression string) {
	p.t.Helper()
	Eval[any](p, "("+expression+", null)")
}

// Wait waits until the expression is true.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	if !Eval[bool](p, fmt.Sprintf("e2e.until(() => (%s), %d)", condition, browser.Timeout.Milliseconds())) {
		p.t.Fatalf("waited %v without success for %s%s", browser.Timeout, condition, p.scene())
	}
}

// scene is what a person would see, for a message of failure.
func (p *Page) scene() string {
	seen, err := p.evaluate(browser.Scene + "\nreturn look()")
	if err != nil {
		seen = "(the page cannot be read: " + err.Error() + ")"
	}
	return "\n--- the page:\n" + seen + "\n---"
}

// Click presses the left button of the mouse in the middle of the element that
// the expression gives.
func (p *Page) Click(element string) {
	p.t.Helper()
	at := Eval[struct {
		X, Y    float64
		Problem string
	}](p, fmt.Sprintf("e2e.place(() => %s, %d)", element, browser.Timeout.Milliseconds()))
	if at.Problem != "" {
		p.t.Fatalf("%s cannot be clicked: it %s%s", element, at.Problem, p.scene())
	}
	p.must(p.actions([]any{source{
		Type: "pointer", ID: "mouse", Parameters: map[string]any{"pointerType": "mouse"},
		Actions: []map[string]any{
			{"type": "pointerMove", "x": int(at.X), "y": int(at.Y), "duration": 0, "origin": "viewport"},
			{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0},
		},
	}}), "click %s", element)
}

// source is one device of WebDriver's Actions.
type source struct {
	Type       string           `json:"type"`
	ID         string           `json:"id"`
	Parameters map[string]any   `json:"parameters,omitempty"`
	Actions    []map[string]any `json:"actions"`
}

// The keys other than letters, as WebDriver names them.
const (
	Tab   = "\ue004"
	Enter = "\ue007"
)

// Type clicks into a field and types, key by key.
func (p *Page) Type(element, text string) {
	p.t.Helper()
	p.Click(element)
	p.Chord("a") // in the place of what stands there
	p.Keys(text)
}

// Keys types text, key by key, into what has the focus.
func (p *Page) Keys(text string) {
	p.t.Helper()
	var keys []map[string]any
	for _, r := range text {
		keys = append(keys, map[string]any{"type": "keyDown", "value": string(r)}, map[string]any{"type": "keyUp", "value": string(r)})
	}
	p.must(p.actions([]any{source{Type: "key", ID: "keyboard", Actions: keys}}), "type %q", text)
}

// Chord presses a key while Control is held.
func (p *Page) Chord(key string) {
	p.t.Helper()
	const control = "\ue009"
	p.must(p.actions([]any{source{Type: "key", ID: "keyboard", Actions: []map[string]any{
		{"type": "keyDown", "value": control}, {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}, {"type": "keyUp", "value": control},
	}}}), "Control and %s", key)
}

// Offline takes the page's network away, or gives it back. The page receives the event. Only
// Firefox can do so.
func (p *Page) Offline(offline bool) {
	p.t.Helper()
	f, ok := p.driver.(*firefox)
	if !ok {
		p.t.Fatal("this engine's driver cannot take the network away")
	}
	p.must(f.offline(offline), "take the network away")
}

// SetFile puts a file into a file field, as the dialog would.
func (p *Page) SetFile(element, path string) {
	p.t.Helper()
	p.Wait("!!" + element)
	abs, err := filepath.Abs(path)
	p.must(err, "find %s", path)
	p.must(p.setFile(element, abs), "set file %s", path)
}

// Download waits until a file is saved whose name ends so, and returns what is
// in it.
func (p *Page) Download(suffix string) (name string, content []byte) {
	p.t.Helper()
	limit := time.After(browser.Timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		names, err := os.ReadDir(p.Saved)
		p.must(err, "read what was saved")
		whole := true
		for _, n := range names {
			// The browsers write into such files until a download is whole.
			whole = whole && !strings.HasSuffix(n.Name(), ".part") && !strings.HasSuffix(n.Name(), ".wkdownload")
		}
		for _, n := range names {
			path := filepath.Join(p.Saved, n.Name())
			if i, err := n.Info(); whole && err == nil && i.Size() > 0 && strings.HasSuffix(n.Name(), suffix) {
				content, err := os.ReadFile(path)
				p.must(err, "read a download")
				p.must(os.Remove(path), "forget a download")
				return n.Name(), content
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			p.t.Fatalf("nothing was saved as *%s: %v%s", suffix, names, p.scene())
		}
	}
}
