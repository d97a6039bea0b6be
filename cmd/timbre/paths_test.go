package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

// tableOfPaths returns the roles of the process that serves each path, from docs/operating.md.
func tableOfPaths(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| roles of the process | paths |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	out := map[string]string{}
	for row := range strings.Lines(table) {
		named := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1)
		for _, path := range named[1:] {
			out[path[1]] = named[0][1]
		}
	}
	if len(out) == 0 {
		t.Fatal("docs/operating.md has no table of paths")
	}
	return out
}

// rolesOf returns the roles of the process that the table names for a path.
func rolesOf(table map[string]string, path string) string {
	for at := path; ; at = at[:strings.LastIndex(at, "/")] {
		if at == "" {
			return table["/"]
		}
		if roles, ok := table[at]; ok {
			return roles
		}
	}
}

// call is a method and a path of a route.
type call struct{ method, path string }

// parameter is one of a route's path.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

// routed returns the router of a process for each set of roles, and the calls of all routes, with
// an example for each parameter.
func routed(t *testing.T, sets ...string) (routers map[string]chi.Routes, calls []call) {
	t.Helper()
	routers = map[string]chi.Routes{}
	dir := t.TempDir()
	for _, set := range sets {
		f := smallServer(dir) // the first process makes the secret and the log
		f.PublicURL, f.IssuerURL, f.JWKSRefresh, f.JWKSMaxAge = "http://127.0.0.1:9", "http://127.0.0.1:9", time.Minute, time.Hour
		f.Roles = nil
		for name := range strings.SplitSeq(set, ",") {
			f.Roles = append(f.Roles, role(name))
		}
		s, err := newServer(t.Context(), f, f.logger(io.Discard))
		if err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		t.Cleanup(s.close)
		routers[set] = s.web.Routes()
		err = chi.Walk(s.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			path := strings.ReplaceAll(parameter.ReplaceAllString(route, "x"), "*", "x")
			// A folder has all methods; proxies refuse TRACE and CONNECT.
			if method == http.MethodTrace || method == http.MethodConnect {
				return nil
			}
			if c := (call{method, path}); !slices.Contains(calls, c) {
				calls = append(calls, c)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return routers, calls
}

// serves reports whether a router has a route for a call.
func serves(r chi.Routes, c call) bool { return r.Match(chi.NewRouteContext(), c.method, c.path) }

// The table of paths in docs/operating.md sends every route of every role to a process that
// serves it. (tools/deploy compares the chart's ingress with the table.)
func TestPathsOfRoles(t *testing.T) {
	t.Parallel()
	table := tableOfPaths(t)
	routers, calls := routed(t, "worker", "organizations", "ats", "organizations,ats")
	if len(calls) < 100 {
		t.Fatalf("%d calls", len(calls))
	}
	for _, c := range calls {
		if to := rolesOf(table, c.path); routers[to] == nil || !serves(routers[to], c) {
			t.Errorf("%s %s goes to a process with the roles %q, which does not serve it", c.method, c.path, to)
		}
	}
	// Each row is needed.
	for path, roles := range table {
		if path != "/" && !slices.ContainsFunc(calls, func(c call) bool {
			return (c.path == path || strings.HasPrefix(c.path, path+"/")) && rolesOf(table, c.path) == roles
		}) {
			t.Errorf("no route is at %s", path)
		}
	}
	// A process that lacks a role does not serve its paths: otherwise this test could not fail.
	if serves(routers["ats"], call{"POST", "/v1/sessions"}) || serves(routers["organizations"], call{"POST", "/v1/works/init"}) || serves(routers["organizations"], call{"GET", "/v1/members"}) {
		t.Error("a process serves the paths of another role")
	}
}

// Each balancer of deploy/ runs, and sends every route of the server to a process that
// serves it.
func TestBalancersReachEveryRoute(t *testing.T) {
	t.Parallel()
	routers, calls := routed(t, "organizations,ats,worker", "organizations", "ats", "organizations,ats")
	for name, balancer := range map[string]struct {
		upstreams map[string]string // the roles of each process, by its address in the file
		start     func(t *testing.T, dir, at string, addresses *strings.Replacer) *exec.Cmd
	}{
		"compose/nginx.conf.template": {
			map[string]string{"organizations:8080": "organizations", "ats:8080": "ats", "console:8080": "organizations,ats"},
			func(t *testing.T, dir, at string, addresses *strings.Replacer) *exec.Cmd {
				text := changed(t, shipped(t, "compose/nginx.conf.template"), "${TIMBRE_HOST}", "timbre.example", "${TIMBRE_STORE_HOST}", "store.example",
					"resolver 127.0.0.11 valid=5s ipv6=off;\n", "", " resolve ", " ", "store:7070", "127.0.0.1:9",
					"ssl_certificate     /etc/nginx/tls/fullchain.pem;\n", "", "ssl_certificate_key /etc/nginx/tls/privkey.pem;\n", "",
					"    listen 80;\n", "    listen "+freeAddress(t)+";\n", "listen 443 ssl http2;", "listen "+at+";")
				return nginx(t, dir, addresses.Replace(text))
			},
		},
		"nginx.conf": {
			map[string]string{"127.0.0.1:8080": "organizations,ats,worker"},
			func(t *testing.T, dir, at string, addresses *strings.Replacer) *exec.Cmd {
				text := changed(t, shipped(t, "nginx.conf"), "    listen [::]:80;\n", "", "    listen [::]:443 ssl http2;\n", "", "    listen 80;\n", "    listen "+freeAddress(t)+";\n",
					"listen 443 ssl http2;", "listen "+at+";", "timbre.your-domain.example;", "timbre.example;",
					"    ssl_certificate     /etc/letsencrypt/live/timbre.your-domain.example/fullchain.pem;\n", "", "    ssl_certificate_key /etc/letsencrypt/live/timbre.your-domain.example/privkey.pem;\n", "")
				return nginx(t, dir, addresses.Replace(text))
			},
		},
		"Caddyfile": {
			map[string]string{"127.0.0.1:8080": "organizations,ats,worker"},
			func(t *testing.T, dir, at string, addresses *strings.Replacer) *exec.Cmd {
				path := tool(t, "caddy", "caddy")
				text := changed(t, shipped(t, "Caddyfile"), "timbre.your-domain.example {", "http://timbre.example:"+at[strings.LastIndex(at, ":")+1:]+" {\n\tbind 127.0.0.1")
				conf := filepath.Join(dir, "Caddyfile")
				if err := os.WriteFile(conf, []byte("{\n\tadmin off\n}\n"+addresses.Replace(text)), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(path, "run", "--adapter", "caddyfile", "--config", conf)
				cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
				return cmd
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var addresses []string
			for address, roles := range balancer.upstreams {
				process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Roles", roles) }))
				t.Cleanup(process.Close)
				addresses = append(addresses, address, strings.TrimPrefix(process.URL, "http://"))
			}
			at := freeAddress(t)
			cmd := balancer.start(t, t.TempDir(), at, strings.NewReplacer(addresses...))
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer func() {
				cmd.Process.Signal(syscall.SIGTERM)
				<-ended
				if t.Failed() {
					t.Log(said.String())
				}
			}()
			for listens := false; !listens; {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at)
				if listens = err == nil; listens {
					conn.Close()
				}
				select {
				case err := <-ended:
					ended <- err
					t.Fatalf("the balancer ended: %v", err)
				default:
				}
			}
			client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			defer client.CloseIdleConnections()
			for _, c := range calls {
				req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+at+c.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "timbre.example"
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(fmt.Errorf("%v: %w", c, err))
				}
				res.Body.Close()
				if to := res.Header.Get("Roles"); routers[to] == nil || !serves(routers[to], c) {
					t.Errorf("%s %s goes to a process with the roles %q, which does not serve it (%s)", c.method, c.path, to, res.Status)
				}
			}
		})
	}
}

// shipped is a file of deploy/.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nginx returns the command that serves a configuration from dir.
func nginx(t *testing.T, dir, text string) *exec.Cmd {
	t.Helper()
	path := tool(t, "nginx", "nginx")
	conf := "pid " + dir + "/pid; error_log stderr; daemon off; worker_processes 1;\nevents {}\nhttp {\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	if os.Geteuid() == 0 {
		conf = "user root;\n" + conf
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf+text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, "-c", file)
}

// freeAddress is an address that is free.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
