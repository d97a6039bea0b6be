package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/e2e/browser"
)

// webkit is WebKitGTK's MiniBrowser on a screen of its own, spoken to over
// WebDriver.
type webkit struct{ session string }

func openWebKit(t testing.TB, saved string) driver {
	t.Helper()
	service := installed(t, "WebKitWebDriver")
	mini := installed(t, "/usr/lib/*/webkit2gtk-4.1/MiniBrowser", "/usr/libexec/webkit2gtk-4.1/MiniBrowser", "/usr/lib/webkit2gtk-4.1/MiniBrowser")
	screen := exec.Command(installed(t, "Xvfb"), "-displayfd", "1", "-screen", "0", "1300x1800x24", "-nolisten", "tcp")
	said, out := io.Pipe()
	screen.Stdout = out
	start(t, screen, out)
	display := ":" + awaitLine(t, said, "")

	// MiniBrowser saves to the folder that the desktop names.
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".config", "user-dirs.dirs"), fmt.Appendf(nil, "XDG_DOWNLOAD_DIR=%q\n", saved), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command(service, "--host=127.0.0.1", "--port="+port)
	cmd.Env = append(os.Environ(), "DISPLAY="+display, "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "XDG_CACHE_HOME="+home, "XDG_DATA_HOME="+home,
		"GDK_BACKEND=x11", "LANG=C.UTF-8", "LANGUAGE=en_US", "NO_AT_BRIDGE=1", "GTK_USE_PORTAL=0", "GSETTINGS_BACKEND=memory",
		// The machine has no graphics card and no desktop bus.
		"WEBKIT_DISABLE_COMPOSITING_MODE=1", "WEBKIT_DISABLE_DMABUF_RENDERER=1", "LIBGL_ALWAYS_SOFTWARE=1", "DBUS_SESSION_BUS_ADDRESS=disabled:")
	said, out = io.Pipe()
	cmd.Stdout, cmd.Stderr = out, out
	start(t, cmd, out)
	go io.Copy(io.Discard, said)

	base := "http://127.0.0.1:" + port
	w := &webkit{base}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(browser.Timeout)
	for w.call("GET", "/status", nil, nil) != nil {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("WebKitWebDriver does not start")
		}
	}
	var made struct{ SessionID string }
	err := w.call("POST", "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"webkitgtk:browserOptions": map[string]any{"binary": mini, "args": []string{"--automation"}},
		"unhandledPromptBehavior":  "accept",
		"timeouts":                 map[string]int{"script": int((browser.Timeout + 10*time.Second).Milliseconds())},
	}}}, &made)
	if err != nil {
		t.Fatalf("start MiniBrowser: %v", err)
	}
	w.session = base + "/session/" + made.SessionID
	t.Cleanup(func() { w.call("DELETE", "", nil, nil) })
	if err := w.call("POST", "/window/rect", map[string]any{"x": 0, "y": 0, "width": 1280, "height": 1780}, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (w *webkit) call(method, path string, body, value any) error {
	ctx, cancel := context.WithTimeout(context.Background(), browser.Timeout+20*time.Second)
	defer cancel()
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.session+path, content)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, answer.Value)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, value)
}

func (w *webkit) navigate(url string) error {
	return w.call("POST", "/url", map[string]any{"url": url}, nil)
}

func (w *webkit) reload() error { return w.call("POST", "/refresh", map[string]any{}, nil) }

func (w *webkit) evaluate(body string) (string, error) {
	var out struct{ Text, Error string }
	err := w.call("POST", "/execute/async", map[string]any{
		"script": "const done = arguments[0]; (async () => {" + body + "\n})().then((Text) => done({Text}), (e) => done({Error: String(e)}))", "args": []any{},
	}, &out)
	if err == nil && out.Error != "" {
		err = fmt.Errorf("the script throws %s", out.Error)
	}
	return out.Text, err
}

func (w *webkit) actions(sources []any) error {
	return w.call("POST", "/actions", map[string]any{"actions": sources}, nil)
}

func (w *webkit) setFile(element, path string) error {
	var found map[string]string
	if err := w.call("POST", "/execute/sync", map[string]any{"script": "return " + element, "args": []any{}}, &found); err != nil {
		return err
	}
	for key, id := range found {
		if strings.HasPrefix(key, "element-") {
			return w.call("POST", "/element/"+id+"/value", map[string]any{"text": path}, nil)
		}
	}
	return fmt.Errorf("%s is not an element", element)
}
