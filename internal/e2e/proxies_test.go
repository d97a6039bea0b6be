package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"timbre.example/internal/compressed"
	"timbre.example/internal/e2e/harness"
)

// deployFile is a file of deploy/, which docs/deploy.md shows unchanged.
func deployFile(t *testing.T, name, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(document, []byte("```"+language+"\n"+string(text)+"```\n")) {
		t.Errorf("docs/deploy.md does not show deploy/%s", name)
	}
	return string(text)
}

// swapped replaces each old text, which must be there.
func swapped(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// long is a recording of n bytes.
func long(n int) []byte {
	b := append(harness.WAV(3)[:44:44], bytes.Repeat([]byte("tune"), (n-44)/4)...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	binary.LittleEndian.PutUint32(b[40:], uint32(len(b)-44))
	return b
}

// Registrations go through nginx and Caddy with the shipped files, by TLS. The proxy forwards
// an upload while it arrives, a WebSocket, a stream of events, compressed files, and the
// address of the client.
func TestProxies(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T, dir, upstream, at string) *exec.Cmd{
		"nginx": func(t *testing.T, dir, upstream, at string) *exec.Cmd {
			path := program(t, "nginx")
			text := swapped(t, deployFile(t, "nginx.conf", "nginx"),
				"listen 80;", "listen "+harness.FreeAddress(t)+";", "    listen [::]:80;\n", "", "    listen [::]:443 ssl http2;\n", "", "listen 443 ssl", "listen "+at+" ssl",
				"/etc/letsencrypt/live/timbre.your-domain.example/", dir+"/", "http://127.0.0.1:8080", upstream)
			around := "pid " + dir + "/pid; error_log stderr; daemon off; worker_processes 1;\nevents {}\nhttp {\n"
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				around += kind + "_temp_path " + dir + "/" + kind + ";\n"
			}
			if os.Geteuid() == 0 {
				around = "user root;\n" + around
			}
			conf := filepath.Join(dir, "nginx.conf")
			if err := os.WriteFile(conf, []byte(around+text+"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), path, "-t", "-c", conf).CombinedOutput(); err != nil || strings.Contains(string(out), "[warn]") {
				t.Fatalf("nginx -t: %v: %s", err, out)
			}
			return exec.Command(path, "-c", conf)
		},
		"caddy": func(t *testing.T, dir, upstream, at string) *exec.Cmd {
			path := program(t, "caddy")
			_, port, err := net.SplitHostPort(at)
			if err != nil {
				t.Fatal(err)
			}
			text := swapped(t, deployFile(t, "Caddyfile", "caddyfile"), registryHost+" {\n", "https://"+registryHost+":"+port+" {\n\tbind 127.0.0.1\n\ttls "+dir+"/fullchain.pem "+dir+"/privkey.pem\n",
				"127.0.0.1:8080", strings.TrimPrefix(upstream, "http://"))
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
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Timeout)
			defer cancel()
			metrics := harness.FreeAddress(t)
			s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Args: []string{"--public-url", "https://" + registryHost, "--metrics-listen", metrics}})
			s.NewOrganization()
			dir, at := t.TempDir(), harness.FreeAddress(t)
			authority(t, dir, registryHost)
			proxy := start(t, dir, s.URL, at)
			proxy.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir)
			var said lockedLog
			proxy.Stdout, proxy.Stderr = &said, &said
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				proxy.Process.Signal(syscall.SIGTERM)
				proxy.Wait()
				if t.Failed() {
					t.Logf("%s:\n%s", name, said.String())
				}
			})
			if !harness.Eventually(func() bool {
				conn, err := net.Dial("tcp", at)
				if err == nil {
					conn.Close()
				}
				return err == nil
			}) {
				t.Fatal("the proxy does not start")
			}
			client := proxied(t, at, dir)
			through := &harness.Server{URL: "https://" + registryHost, SiteKey: s.SiteKey, SecretKey: s.SecretKey}

			// Beyond the usual limits of proxies, and stopped in the middle.
			song := &harness.Song{Server: through, Client: client, Title: "Through " + name, Audio: long(3 << 20)}
			for _, step := range []func(context.Context) error{song.Mint, song.Init} {
				if err := step(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.HasPrefix(song.UploadURL, through.URL+"/blob/") {
				t.Fatalf("the upload goes to %s", song.UploadURL)
			}
			upload(ctx, t, client, song, "http://"+metrics+"/metrics")
			for _, step := range []func(context.Context) error{song.Prepare, song.Confirm} {
				if err := step(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if last, err := watch(ctx, client, through.URL, song.TransactionID); err != nil || !strings.Contains(last, `"step":"completed"`) {
				t.Errorf("WebSocket: %v, the last frame is %s", err, last)
			}
			if err := song.Follow(ctx); err != nil || song.Result == nil || !song.Result.Success {
				t.Errorf("events: %v %+v", err, song.Result)
			}

			// HTTP/2, in which browsers open everything but the WebSocket.
			two := client.Transport.(*http.Transport).Clone()
			two.ForceAttemptHTTP2, two.DisableCompression = true, true
			t.Cleanup(two.CloseIdleConnections)
			get := func(path, coding string) (*http.Response, string) {
				t.Helper()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, through.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if coding != "" {
					req.Header.Set("Accept-Encoding", coding)
				}
				res, err := two.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return res, string(body)
			}
			_, plain := get("/widget/v1/ats-widget.esm.js", "")
			for _, coding := range compressed.Codings {
				res, packed := get("/widget/v1/ats-widget.esm.js", coding)
				if res.ProtoMajor != 2 || res.Header.Get("Content-Encoding") != coding || len(packed) == 0 || len(packed) >= len(plain)/2 {
					t.Errorf("%s: %s, Content-Encoding %q, %d of %d bytes", coding, res.Proto, res.Header.Get("Content-Encoding"), len(packed), len(plain))
				}
			}
			// A refusal is Timbre's own, may hold a secret, and is not compressed by the proxy.
			res, refusal := get("/v1/transactions/00000000-0000-7000-8000-000000000000", "br, gzip")
			if res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Encoding") != "" || !strings.Contains(refusal, "transaction.not_found") {
				t.Errorf("%s %v %s", res.Status, res.Header, refusal)
			}
			s.Printed("client=127.0.0.2")
		})
	}
}

// upload sends a song's first half, waits until the server itself counts the upload, and
// sends the rest: a proxy that buffers would not have called the server yet.
func upload(ctx context.Context, t *testing.T, client *http.Client, song *harness.Song, metrics string) {
	t.Helper()
	read, write := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, song.UploadURL, read)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(song.Audio))
	req.Header.Set("Content-Type", "audio/wav")
	answered := make(chan string, 1)
	go func() {
		res, err := client.Do(req)
		if err != nil {
			read.CloseWithError(err)
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		answered <- res.Status + string(body)
	}()
	half := len(song.Audio) / 2
	if _, err := write.Write(song.Audio[:half]); err != nil {
		t.Fatalf("upload: %v", err)
	}
	running := regexp.MustCompile(`(?m)^timbre_uploads_running 1$`)
	limit := time.Now().Add(harness.Timeout)
	for !running.MatchString(get(t, metrics)) {
		if time.Now().After(limit) {
			t.Fatal("the proxy keeps an upload until it is complete")
		}
	}
	if _, err := write.Write(song.Audio[half:]); err != nil {
		t.Fatalf("upload: %v", err)
	}
	write.Close()
	if status := <-answered; !strings.HasPrefix(status, "2") {
		t.Fatalf("upload: %s", status)
	}
}
