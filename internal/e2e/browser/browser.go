// Package browser drives a real Chromium at pages with <ats-widget> on them:
// a mouse, a keyboard, eyes and ears for the tests.
//
// It knows the widget by its data-ats names and its events only. It never
// calls into the widget to make something happen that a person does with mouse
// or keyboard, and it never sleeps: it waits until the page shows something.
package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Script is what the tests add to every page before its own scripts.
//
//go:embed page.js
var Script string

// Scene is a function of JavaScript, look(), that tells what a person would see.
const Scene = `function look() {
  const cards = (globalThis.e2e?.all('ats-widget') ?? []).map((w) => JSON.stringify(w.getState?.()) + '\n' + w.shadowRoot?.querySelector('[data-ats=card]')?.innerText.replace(/\n+/g, ' | '));
  return location + '\n' + (cards.join('\n') || document.body?.innerText?.slice(0, 1500)) + '\nfocus: ' + globalThis.e2e?.focus() +
    '\nevents: ' + JSON.stringify(globalThis.e2e?.events?.slice(-12).map((e) => [e.from, e.name, e.detail]));
}`

// Timeout is how long a test waits for a condition on a page.
const Timeout = time.Minute

// running bounds how many browsers there are at once: more are slower on two cores.
var running = make(chan struct{}, 2)

// Required says whether a missing tool is a failure, as in `make test`, and
// not a reason to skip.
func Required() bool { return os.Getenv("TIMBRE_TEST_ALL") != "" }

// Missing skips the test, or fails it where everything is required.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if Required() {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Turn waits until the test may have a browser, of whichever kind.
func Turn(t testing.TB) {
	t.Helper()
	select {
	case running <- struct{}{}:
	case <-t.Context().Done():
		t.Fatal("no browser became free")
	}
	t.Cleanup(func() { <-running })
}

// Page is a tab of a browser of its own.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	console  []string
	choosers chan *page.EventFileChooserOpened
	requests []Request
	hold     *Hold
}

// Open starts a browser, which ends with the test. Of all tests in the process
// two have one at a time; the others wait here.
func Open(t testing.TB) *Page {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		Missing(t, "no Chromium in PATH: apt-get install chromium")
	}
	Turn(t)

	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en-US"), chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.CombinedOutput(io.Discard))...)
	p := &Page{t: t, choosers: make(chan *page.EventFileChooserOpened, 4)}
	ctx, stop := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && ctx.Err() == nil {
			t.Logf("closing the browser: %v", err)
		}
		stop()
		stopAlloc()
	})
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatalf("start %s: %v", path, err)
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: Script})
	p.must(err, "prepare the page")
	_, err = chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	p.must(err, "listen to issues")
	p.startNetwork()
	// So tall that what is tested needs no scrolling: under load a headless
	// Chromium now and then draws no frame after a scripted scroll.
	p.Size(1280, 2600)
	return p
}

func (p *Page) must(err error, what string, args ...any) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v%s", fmt.Sprintf(what, args...), err, p.scene())
	}
}

// do runs one step with a limit of its own.
func do[T any](p *Page, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, Timeout+10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, a)
}

// call is one command with the same limit. A headless Chromium under load has
// been seen to answer one never.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(p.ctx, Timeout+10*time.Second)
	defer cancel()
	return chromedp.Call(ctx, command, params)
}

// listen runs on the connection's own goroutine, in the order of what happens.
func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			p.console = append(p.console, "console.error: "+strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.console = append(p.console, "uncaught: "+text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.console = append(p.console, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
			c := d.ContentSecurityPolicyIssueDetails
			p.console = append(p.console, fmt.Sprintf("policy: %s %s", c.ViolatedDirective, c.BlockedURL))
		}
	case *page.EventJavascriptDialogOpening:
		// A widget that is busy asks before its page is left. The answer cannot be
		// given from here, where messages are read.
		go call(p, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	case *page.EventFileChooserOpened:
		select {
		case p.choosers <- e:
		default:
		}
	default:
		p.listenNetwork(event)
	}
}

// BeforeScripts runs a script on every page that is opened from now on, before its own.
func (p *Page) BeforeScripts(script string) {
	p.t.Helper()
	_, err := call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.must(err, "prepare the page")
}

// Goto opens an address and waits for its scripts to have run.
func (p *Page) Goto(url string) {
	p.t.Helper()
	_, err := do(p, chromedp.Navigate(url))
	p.must(err, "open %s", url)
}

// Eval evaluates an expression in the page, awaiting a promise. Page.js says
// what the object e2e offers.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	v, err := do(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	p.must(err, "evaluate %s", expression)
	return v
}

// Run evaluates an expression for its effect.
func (p *Page) Run(expression string) {
	p.t.Helper()
	_, err := do(p, chromedp.Evaluate[chromedp.Void](expression, chromedp.EvalAwaitPromise))
	p.must(err, "evaluate %s", expression)
}

// Wait waits until the expression is true.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	p.WaitFor(condition, Timeout)
}

// WaitFor is Wait with a limit of its own.
func (p *Page) WaitFor(condition string, limit time.Duration) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit+10*time.Second)
	defer cancel()
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf("e2e.until(() => (%s), %d)", condition, limit.Milliseconds()), chromedp.EvalAwaitPromise))
	p.must(err, "wait for %s", condition)
	if !ok {
		p.t.Fatalf("waited %v without success for %s%s", limit, condition, p.scene())
	}
}

// scene is what a person would see, for a message of failure.
func (p *Page) scene() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[string]("(() => {"+Scene+"\nreturn look() })()"))
	if err != nil {
		seen = "(the page cannot be read: " + err.Error() + ")"
	}
	return "\n--- the page:\n" + seen + "\n--- console: " + strings.Join(p.Problems(), "\n") + "\n---"
}

// Problems are the console errors, uncaught exceptions, browser log errors and
// policy violations so far.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

// WaitForProblem waits until one of the problems has this in it: the browser tells
// some of them after what the page shows.
func (p *Page) WaitForProblem(part string) {
	p.t.Helper()
	for late := time.Now().Add(Timeout); ; p.Run("new Promise((resolve) => setTimeout(resolve, 20))") {
		if strings.Contains(strings.Join(p.Problems(), "\n"), part) {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("no announcement has %q%s", part, p.scene())
		}
	}
}

// ForgetProblems drops those that a test has looked at.
func (p *Page) ForgetProblems() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = nil
}

// Event is one that reached the document.
type Event struct {
	Name     string          `json:"name"` // without allfeat:
	Detail   json.RawMessage `json:"detail"`
	Bubbles  bool            `json:"bubbles"`
	Composed bool            `json:"composed"`
	From     string          `json:"from"` // the id of the widget
}

// Events are those of all widgets on the page so far, in order.
func (p *Page) Events() []Event {
	p.t.Helper()
	var out []Event
	// As text, so that numbers stay as they were.
	if err := json.Unmarshal([]byte(Eval[string](p, `JSON.stringify(e2e.events)`)), &out); err != nil {
		p.t.Fatal(err)
	}
	return out
}

// Hook is an expression for the element of the first widget with data-ats=name.
func Hook(name string) string { return HookIn(0, name) }

// HookIn is Hook for the widget number i on the page.
func HookIn(i int, name string) string { return fmt.Sprintf("e2e.hook(%q, %d)", name, i) }

// Click presses the left button of a real mouse in the middle of the element
// that the expression gives. An element that something else covers, or that
// never comes, fails the test.
func (p *Page) Click(element string) {
	p.t.Helper()
	at := Eval[struct {
		X, Y    float64
		Problem string
	}](p, fmt.Sprintf("e2e.place(() => %s, %d)", element, Timeout.Milliseconds()))
	if at.Problem != "" {
		p.t.Fatalf("%s cannot be clicked: it %s%s", element, at.Problem, p.scene())
	}
	for _, kind := range []input.DispatchMouseEventType{chromedp.MouseMoved, chromedp.MousePressed, chromedp.MouseReleased} {
		params := input.DispatchMouseEventParams{Type: kind, X: at.X, Y: at.Y}
		if kind != chromedp.MouseMoved {
			params.Button, params.ClickCount = input.MouseButtonLeft, 1
		}
		_, err := call(p, input.DispatchMouseEvent, params)
		p.must(err, "mouse on %s", element)
	}
}

// Type clicks into a field and puts text in at once, as a paste or an input
// method does; Keys types it letter by letter.
func (p *Page) Type(element, text string) {
	p.t.Helper()
	p.Click(element)
	_, err := call(p, input.InsertText, input.InsertTextParams{Text: text})
	p.must(err, "type %q", text)
}

// Keys types text, key by key, into what has the focus.
func (p *Page) Keys(text string) {
	p.t.Helper()
	_, err := do(p, chromedp.KeyEvent(text))
	p.must(err, "type %q", text)
}

// The keys that a keyboard user has besides letters.
const (
	Tab    = "Tab"
	Enter  = "Enter"
	Space  = " "
	Escape = "Escape"
	Down   = "ArrowDown"
	Delete = "Delete"
	Up     = "ArrowUp"
	Slash  = "/"
)

var codes = map[string]input.DispatchKeyEventParams{
	Tab:    {Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9},
	Enter:  {Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"},
	Escape: {Key: "Escape", Code: "Escape", WindowsVirtualKeyCode: 27},
	Down:   {Key: "ArrowDown", Code: "ArrowDown", WindowsVirtualKeyCode: 40},
	Delete: {Key: "Delete", Code: "Delete", WindowsVirtualKeyCode: 46},
	Up:     {Key: "ArrowUp", Code: "ArrowUp", WindowsVirtualKeyCode: 38},
	Slash:  {Key: "/", Code: "Slash", WindowsVirtualKeyCode: 191, Text: "/"},
	Space:  {Key: " ", Code: "Space", WindowsVirtualKeyCode: 32, Text: " "},
}

// Press presses and releases one key, with Shift where wanted.
func (p *Page) Press(key string, shift bool) {
	p.t.Helper()
	params := codes[key]
	if shift {
		params.Modifiers = int64(chromedp.ModifierShift)
	}
	params.Type = input.DispatchKeyEventTypeRawKeyDown
	if params.Text != "" {
		params.Type = input.DispatchKeyEventTypeKeyDown
	}
	_, err := call(p, input.DispatchKeyEvent, params)
	p.must(err, "press %s", key)
	params.Type, params.Text = input.DispatchKeyEventTypeKeyUp, ""
	_, err = call(p, input.DispatchKeyEvent, params)
	p.must(err, "release %s", key)
}

// Leave does what loads another page, and waits until that has loaded.
func (p *Page) Leave(act func()) {
	p.t.Helper()
	_, err := do(p, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Func(func(context.Context, *chromedp.Target) error {
		act()
		return nil
	})))
	p.must(err, "load another page")
}

// InterceptChooser answers file dialogs instead of showing them: ChooseFile.
func (p *Page) InterceptChooser() {
	p.t.Helper()
	_, err := call(p, page.SetInterceptFileChooserDialog, page.SetInterceptFileChooserDialogParams{Enabled: true})
	p.must(err, "intercept file dialogs")
}

// ChooseFile waits for a file dialog to open and picks the file in it.
func (p *Page) ChooseFile(path string) {
	p.t.Helper()
	select {
	case e := <-p.choosers:
		_, err := call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{absolute(p.t, path)}, BackendNodeID: e.BackendNodeID})
		p.must(err, "choose %s", path)
	case <-time.After(Timeout):
		p.t.Fatalf("no file dialog opened%s", p.scene())
	}
}

// SetFile puts a file into a file field, as the dialog or a drop would.
func (p *Page) SetFile(element, path string) {
	p.t.Helper()
	p.Wait(element)
	_, err := do(p, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		field, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: element})
		if err != nil {
			return err
		}
		_, err = chromedp.Call(ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{absolute(p.t, path)}, ObjectID: field.Result.ObjectID})
		return err
	}))
	p.must(err, "set file %s", path)
}

// Drop drags files from elsewhere over the element, and lets them fall there.
func (p *Page) Drop(element string, paths ...string) {
	p.t.Helper()
	at := Eval[struct{ X, Y float64 }](p, fmt.Sprintf("e2e.place(() => %s, %d)", element, Timeout.Milliseconds()))
	data := &input.DragData{Items: []*input.DragDataItem{}, DragOperationsMask: 1}
	for _, path := range paths {
		data.Files = append(data.Files, absolute(p.t, path))
	}
	for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		_, err := call(p, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: at.X, Y: at.Y, Data: data})
		p.must(err, "drag to %s", element)
	}
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// Usage is how many bytes the browser's processes for pages hold now, and how
// long they have computed so far.
func (p *Page) Usage() (bytes int64, computed time.Duration) {
	p.t.Helper()
	all, err := chromedp.CallBrowser(p.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	p.must(err, "list the processes")
	for _, one := range all.ProcessInfo {
		if one.Type != "renderer" {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", one.ID))
		p.must(err, "read the process %d", one.ID)
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		var kilobytes int64
		if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
			p.t.Fatal(err)
		}
		bytes += kilobytes << 10
		computed += time.Duration(one.CPUTime * float64(time.Second))
	}
	return bytes, computed
}

// AllowClipboard lets the page write to and read from the clipboard.
func (p *Page) AllowClipboard(origin string) {
	p.t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: name, AllowWithoutSanitization: true}, Setting: cdpbrowser.PermissionSettingGranted, Origin: origin,
		})
		p.must(err, "allow the clipboard")
	}
}

// Follow clicks a link that opens another tab, and returns that tab.
func (p *Page) Follow(link string) *Page {
	p.t.Helper()
	opened := chromedp.WaitNewTarget(p.ctx, func(i *target.Info) bool { return i.URL != "" && i.URL != "about:blank" })
	p.Click(link)
	var id target.ID
	select {
	case id = <-opened:
	case <-time.After(Timeout):
		p.t.Fatalf("%s opened no tab%s", link, p.scene())
	}
	tab := &Page{t: p.t, choosers: make(chan *page.EventFileChooserOpened, 4)}
	ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id), chromedp.WithListener(tab.listen))
	tab.ctx = ctx
	p.t.Cleanup(stop)
	tab.must(chromedp.Do(ctx), "attach to the tab")
	tab.Run(`new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))`)
	tab.Run(Script)
	return tab
}

// Close closes the tab.
func (p *Page) Close() {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil && p.ctx.Err() == nil {
		p.t.Errorf("close the tab: %v", err)
	}
}

// In is the page for a subtest: what goes wrong from now on is that test's.
func (p *Page) In(t testing.TB) *Page {
	p.t = t
	return p
}

// Another opens another tab of the same browser, as a person does who keeps this one.
func (p *Page) Another() *Page {
	p.t.Helper()
	tab := &Page{t: p.t, choosers: make(chan *page.EventFileChooserOpened, 4)}
	ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithListener(tab.listen))
	tab.ctx = ctx
	p.t.Cleanup(stop)
	tab.must(chromedp.Do(ctx), "open a tab")
	tab.BeforeScripts(Script)
	_, err := call(tab, audits.Enable, cdp.Empty{})
	tab.must(err, "listen to issues")
	tab.startNetwork()
	tab.Size(1280, 2600)
	return tab
}

// Front shows this tab, and hides the others.
func (p *Page) Front() {
	p.t.Helper()
	_, err := call(p, page.BringToFront, cdp.Empty{})
	p.must(err, "show the tab")
}
