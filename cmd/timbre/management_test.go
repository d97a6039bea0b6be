package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"timbre.example/internal/apikey"
)

// The script of docs/management-api.md sets up an organization with the real binary. Its
// beginning runs again, and makes nothing new.
func TestManagementScript(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "timbre")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	hooks := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hooks <- r.Header.Get("X-Allfeat-Signature") + " " + string(body)
	}))
	defer receiver.Close()

	demo := exec.Command(binary, "demo", "--addr", "127.0.0.1:0", "--block-time", "10ms")
	demo.Dir, demo.Env, demo.Stderr = dir, clean(), t.Output()
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := demo.Wait(); err != nil {
			t.Errorf("demo ended with %v", err)
		}
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Timbre demo: ") {
		t.Fatalf("%q, %v", line, err)
	}
	var at struct {
		URL         string `json:"url"`
		DatabaseURL string `json:"database_url"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "timbre-demo", "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &at); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) string {
		t.Helper()
		c := exec.Command(binary, args...)
		c.Dir, c.Env = dir, append(clean(), "TIMBRE_DATABASE_URL="+at.DatabaseURL)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("timbre %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	org := command("org", "create", "Your Records")
	var key apikey.Created
	if err := json.Unmarshal([]byte(command("apikeys", "create", org, "--name", "Setup", "--scope", "keys:manage", "--scope", "organization:manage", "--scope", "webhooks:manage", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	command("credits", "grant", org, "1000")

	script := pasted(t, "management-api.md", 1)
	answers := func(script string, names ...string) map[string]string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "bash")
		c.Stdin = strings.NewReader(script)
		c.Dir, c.Env = dir, append(clean(), "URL="+at.URL, "ADMIN_KEY="+key.Token, "RECEIVER="+receiver.URL+"/hooks")
		if out, err := c.CombinedOutput(); err != nil {
			failed, _ := filepath.Glob(filepath.Join(dir, "*.json"))
			text := ""
			for _, name := range failed {
				b, _ := os.ReadFile(name)
				text += filepath.Base(name) + ": " + string(b) + "\n"
			}
			t.Fatalf("%v: %s\n%s", err, out, text)
		}
		all := map[string]string{}
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(b)
		}
		return all
	}
	first := answers(script, "origin", "integration", "settings", "key", "webhook", "evidence", "credits", "audit")
	for name, want := range map[string]string{
		"origin": `"origin":"https://www.your-domain.example"`, "integration": `"secret_key":"csk_`, "settings": `"issuer_name":"Your Records"`, "key": `"token":"afo_sk_live_`, "webhook": `"secret":"whsec_`,
		"evidence": `"First Light"`, "credits": `"warning_level":100`, "audit": `"api_key.created"`,
	} {
		if !strings.Contains(strings.ReplaceAll(first[name], `": "`, `":"`), want) {
			t.Errorf("%s has no %s: %s", name, want, first[name])
		}
	}
	beginning, _, _ := strings.Cut(script, "# One song.")
	for name, again := range answers(beginning, "origin", "integration", "key", "webhook") {
		if again != first[name] {
			t.Errorf("%s: %s, and again %s", name, first[name], again)
		}
	}
	select {
	case hook := <-hooks:
		if !strings.HasPrefix(hook, "t=") || !strings.Contains(hook, `"work_registered"`) {
			t.Errorf("%s", hook)
		}
	case <-time.After(30 * time.Second):
		t.Error("no webhook arrived")
	}
}
