package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"timbre.example/internal/e2e/browser"
)

// firefox is a headless Firefox, spoken to over WebDriver BiDi.
type firefox struct {
	conn *websocket.Conn
	tab  string
	last int
}

func openFirefox(t testing.TB, saved string, preferences map[string]any) driver {
	t.Helper()
	path := installed(t, "firefox-esr", "firefox")
	profile := t.TempDir()
	all := map[string]any{
		"browser.download.folderList": 2, "browser.download.dir": saved, "browser.download.useDownloadDir": true,
		"browser.helperApps.neverAsk.saveToDisk": "application/pdf,text/html,text/plain", "pdfjs.disabled": true,
		"browser.download.alwaysOpenPanel": false, "browser.shell.checkDefaultBrowser": false,
		// A test talks to this machine and to nothing else.
		"app.update.enabled": false, "datareporting.policy.dataSubmissionEnabled": false, "toolkit.telemetry.enabled": false,
		"network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
		"browser.safebrowsing.downloads.remote.enabled": false, "browser.safebrowsing.malware.enabled": false, "browser.safebrowsing.phishing.enabled": false,
		"services.settings.server": "data:,#remote-settings-dummy/v1", "extensions.update.enabled": false, "browser.region.network.url": "",
		"intl.accept_languages": "en-US", "ui.prefersReducedMotion": 1,
	}
	for name, value := range preferences {
		all[name] = value
	}
	var js strings.Builder
	for name, value := range all {
		v, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&js, "user_pref(%q, %s);\n", name, v)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(js.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank")
	// A home of its own: Firefox would write to the tester's.
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_DISABLE_AUTO_SAFE_MODE=1")
	said, out := io.Pipe()
	cmd.Stdout, cmd.Stderr = out, out
	start(t, cmd, out)
	address := awaitLine(t, said, "WebDriver BiDi listening on ")
	ctx, cancel := context.WithTimeout(context.Background(), browser.Timeout)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, address+"/session", nil)
	if err != nil {
		t.Fatalf("connect to Firefox: %v", err)
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	f := &firefox{conn: conn}
	var tree struct{ Contexts []struct{ Context string } }
	for _, step := range []error{
		f.call("session.new", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"unhandledPromptBehavior": map[string]string{"default": "accept"}}}}, nil),
		f.call("browsingContext.getTree", map[string]any{}, &tree),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	f.tab = tree.Contexts[0].Context
	// As tall as package browser's page, so that little has to be scrolled.
	if err := f.call("browsingContext.setViewport", map[string]any{"context": f.tab, "viewport": map[string]int{"width": 1280, "height": 1600}}, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// call sends one command and waits for its answer. No event is subscribed to, so
// nothing else comes.
func (f *firefox) call(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), browser.Timeout+10*time.Second)
	defer cancel()
	f.last++
	if err := wsjson.Write(ctx, f.conn, map[string]any{"id": f.last, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var answer struct {
		ID             int
		Type           string
		Error, Message string
		Result         json.RawMessage
	}
	for answer.ID != f.last {
		if err := wsjson.Read(ctx, f.conn, &answer); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	if answer.Type != "success" {
		return fmt.Errorf("%s: %s: %s", method, answer.Error, answer.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

func (f *firefox) navigate(url string) error {
	return f.call("browsingContext.navigate", map[string]any{"context": f.tab, "url": url, "wait": "complete"}, nil)
}

func (f *firefox) reload() error {
	return f.call("browsingContext.reload", map[string]any{"context": f.tab, "wait": "complete"}, nil)
}

// remote is a value of the page, as BiDi tells it.
type remote struct {
	Type             string
	ExceptionDetails struct{ Text string }
	Result           struct {
		Value    json.RawMessage
		SharedID string `json:"sharedId"`
	}
}

func (f *firefox) script(body string) (r remote, err error) {
	err = f.call("script.callFunction", map[string]any{
		"functionDeclaration": "async () => {" + body + "\n}", "awaitPromise": true, "target": map[string]any{"context": f.tab}, "userActivation": false,
	}, &r)
	if err == nil && r.Type != "success" {
		err = fmt.Errorf("the script throws %s", r.ExceptionDetails.Text)
	}
	return r, err
}

func (f *firefox) evaluate(body string) (text string, err error) {
	r, err := f.script(body)
	if err != nil {
		return "", err
	}
	return text, json.Unmarshal(r.Result.Value, &text)
}

func (f *firefox) actions(sources []any) error {
	return f.call("input.performActions", map[string]any{"context": f.tab, "actions": sources}, nil)
}

func (f *firefox) setFile(element, path string) error {
	r, err := f.script("return " + element)
	if err != nil {
		return err
	}
	return f.call("input.setFiles", map[string]any{"context": f.tab, "element": map[string]string{"sharedId": r.Result.SharedID}, "files": []string{path}}, nil)
}

func (f *firefox) offline(offline bool) error {
	var conditions any
	if offline {
		conditions = map[string]string{"type": "offline"}
	}
	return f.call("emulation.setNetworkConditions", map[string]any{"networkConditions": conditions, "contexts": []string{f.tab}}, nil)
}

// installed is the path of the first program that is there.
func installed(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if found, _ := filepath.Glob(name); len(found) > 0 {
			return found[0]
		}
	}
	browser.Missing(t, fmt.Sprintf("none of %v is installed: run scripts/deps", names))
	return ""
}

// start runs a program until the test ends.
func start(t testing.TB, cmd *exec.Cmd, out *io.PipeWriter) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		out.Close()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
}

// awaitLine waits until the program prints a line with the words, and returns the rest of
// that line. It discards all later output.
func awaitLine(t testing.TB, said io.Reader, words string) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		r := bufio.NewReader(said)
		for {
			line, err := r.ReadString('\n')
			if _, rest, ok := strings.Cut(line, words); ok {
				found <- strings.TrimSpace(rest)
				io.Copy(io.Discard, r)
				return
			}
			if err != nil {
				close(found)
				return
			}
		}
	}()
	select {
	case rest, ok := <-found:
		if !ok {
			t.Fatalf("a program ended before it said %q", words)
		}
		return rest
	case <-time.After(browser.Timeout):
		t.Fatalf("a program did not say %q", words)
	}
	return ""
}
