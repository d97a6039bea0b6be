package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"timbre.example/internal/compressed"
)

// sample returns the only block of docs/deploy.md in a language.
func sample(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/deploy.md has %d blocks of %s", len(blocks), language)
	}
	return blocks[0][1]
}

// tool returns the path of a program that scripts/deps installs.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		if path, err = exec.LookPath("/usr/sbin/" + name); err == nil {
			return path
		}
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatalf("no %s: apt-get install %s", name, from)
		}
		t.Skipf("skipped without %s: apt-get install %s", name, from)
	}
	return path
}

// changed returns text with each old word replaced; each must be there.
func changed(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// systemd accepts the unit without warnings, and timbre knows every variable in it.
func TestUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	unit := filepath.Join(t.TempDir(), "timbre.service")
	// The unit's program and user do not exist on this machine.
	text := changed(t, sample(t, "ini"), "/usr/local/bin/timbre serve", "/bin/true serve", "User=timbre", "User=root")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), unit) {
		t.Errorf("%v: %s", err, out)
	}
	known(t, text)
	for name, want := range map[string]string{"timbre.service": sample(t, "ini"), "environment": sample(t, "sh")} {
		shipped, err := os.ReadFile("../../deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if string(shipped) != want {
			t.Errorf("deploy/%s is not the one of docs/deploy.md:\n%s", name, shipped)
		}
		known(t, string(shipped))
	}
}

// Every variable in a file is a variable of timbre, and its command is a command of
// timbre.
func known(t *testing.T, text string) {
	t.Helper()
	var c cli
	all := variables(kong.Must(&c, mappers()...).Model.Node)
	named := regexp.MustCompile(`TIMBRE_[A-Z0-9_]+`).FindAllString(text, -1)
	if len(named) == 0 {
		t.Error("names no variable")
	}
	for _, name := range named {
		if !slices.Contains(all, name) {
			t.Errorf("%s is no variable", name)
		}
	}
}

func TestContainer(t *testing.T) {
	text := sample(t, "dockerfile")
	known(t, text)
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	release := regexp.MustCompile(`(?m)^go ([0-9]+\.[0-9]+)`).FindStringSubmatch(string(mod))[1]
	if !strings.Contains(text, "FROM golang:"+release+" ") || !strings.Contains(string(makefile), "-o bin/timbre ") || !strings.Contains(text, "/src/bin/timbre ") {
		t.Errorf("go.mod wants Go %s, and `make build` writes bin/timbre:\n%s", release, text)
	}
	var entry, command []string
	for line := range strings.Lines(text) {
		for word, into := range map[string]*[]string{"ENTRYPOINT ": &entry, "CMD ": &command} {
			if list, ok := strings.CutPrefix(line, word); ok {
				if err := json.Unmarshal([]byte(list), into); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// It starts with the file unchanged, and asks for the public URL.
	for _, m := range regexp.MustCompile(`(TIMBRE_\w+)=(\S+)`).FindAllStringSubmatch(text, -1) {
		t.Setenv(m[1], strings.ReplaceAll(m[2], "/data", t.TempDir()))
	}
	t.Setenv("TIMBRE_LISTEN", "127.0.0.1:0")
	if len(entry) != 1 || entry[0] != "/timbre" {
		t.Errorf("%q", entry)
	}
	timbre(t, command...).refused(exitUsage, "--public-url: is required at the first start")
}

// A registration works through each proxy with the configuration of the page: an upload,
// the stream of events, and compressed files.
func TestProxyFiles(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, dir, upstream, addr string) *exec.Cmd{
		"nginx": func(t *testing.T, dir, upstream, addr string) *exec.Cmd {
			path := tool(t, "nginx", "nginx-light")
			_, port, _ := net.SplitHostPort(addr)
			selfSigned(t, dir)
			// Only ports, certificate and server are replaced; everything else stays.
			text := changed(t, sample(t, "nginx"), "listen 80;", "listen 127.0.0.1:"+freePort(t)+";", "    listen [::]:80;\n", "", "    listen [::]:443 ssl http2;\n", "", "listen 443 ssl", "listen 127.0.0.1:"+port+" ssl",
				"/etc/letsencrypt/live/timbre.your-domain.example/", dir+"/", "http://127.0.0.1:8080", upstream)
			conf := filepath.Join(dir, "nginx.conf")
			around := "pid " + dir + "/pid; error_log stderr; daemon off; worker_processes 1;\nevents {}\nhttp {\n"
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				around += kind + "_temp_path " + dir + "/" + kind + ";\n"
			}
			if os.Geteuid() == 0 {
				around = "user root;\n" + around
			}
			if err := os.WriteFile(conf, []byte(around+text+"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), path, "-t", "-c", conf).CombinedOutput(); err != nil || strings.Contains(string(out), "[warn]") {
				t.Fatalf("nginx -t: %v: %s", err, out)
			}
			return exec.Command(path, "-c", conf)
		},
		"caddy": func(t *testing.T, dir, upstream, addr string) *exec.Cmd {
			path := tool(t, "caddy", "caddy")
			selfSigned(t, dir)
			text := changed(t, sample(t, "caddyfile"), "timbre.your-domain.example {\n", "https://"+addr+" {\n\ttls "+dir+"/fullchain.pem "+dir+"/privkey.pem\n", "127.0.0.1:8080", strings.TrimPrefix(upstream, "http://"))
			conf := filepath.Join(dir, "Caddyfile")
			if err := os.WriteFile(conf, []byte("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), path, "validate", "--adapter", "caddyfile", "--config", conf).CombinedOutput(); err != nil {
				t.Fatalf("caddy validate: %v: %s", err, out)
			}
			return exec.Command(path, "run", "--adapter", "caddyfile", "--config", conf)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := startDemo(t, filepath.Join(dir, "demo"))
			defer r.stop()
			addr := "127.0.0.1:" + freePort(t)
			cmd := run(t, dir, r.demo.URL, addr)
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir)
			cmd.Stderr, cmd.Stdout = t.Output(), t.Output()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cmd.Process.Signal(os.Interrupt)
				cmd.Wait()
			}()
			curl := func(args ...string) (string, error) {
				out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "-k", "--noproxy", "*", "--max-time", "10", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"}, args...)...).CombinedOutput()
				return string(out), err
			}
			if out, err := curl("-o", os.DevNull, "-D", "-", "-H", "Accept-Encoding: "+strings.Join(compressed.Codings, ", "), "https://"+addr+"/widget/v1/ats-widget.iife.js"); err != nil || !strings.Contains(strings.ToLower(out), "content-encoding: br") {
				t.Fatalf("%v: %s", err, out)
			}
			if out, err := curl("-H", "Accept: text/event-stream", "https://"+addr+"/v1/transactions/00000000-0000-7000-8000-000000000000/events"); err != nil || !strings.Contains(out, "event: error") || !strings.Contains(out, "transaction.not_found") {
				t.Errorf("events: %v: %s", err, out)
			}
			// The WebSocket handshake reaches the API, which does not know the
			// transaction.
			out, _ := curl("--http1.1", "-i", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "--max-time", "3", "--retry", "0", "https://"+addr+"/v1/ws/transactions/00000000-0000-7000-8000-000000000000")
			if !strings.Contains(out, "transaction.not_found") && !strings.Contains(out, " 101 ") {
				t.Errorf("WebSocket: %s", out)
			}
			// The proxy's usual limit of one megabyte does not stop a larger upload; only
			// the API refuses it.
			big := filepath.Join(dir, "big")
			if err := os.WriteFile(big, make([]byte, 3<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := curl("-T", big, "--retry", "0", "https://"+addr+"/blob/uploads/none"); err != nil || !strings.Contains(out, "common.forbidden") {
				t.Errorf("upload: %v: %s", err, out)
			}
			if !strings.Contains(r.said.String(), "client=127.0.0.1") {
				t.Error("no address is logged")
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// selfSigned writes fullchain.pem and privkey.pem.
func selfSigned(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=timbre.your-domain.example",
		"-addext", "subjectAltName=IP:127.0.0.1,DNS:timbre.your-domain.example", "-keyout", filepath.Join(dir, "privkey.pem"), "-out", filepath.Join(dir, "fullchain.pem")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
