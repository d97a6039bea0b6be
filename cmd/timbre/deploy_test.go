package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
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
	// The exposure of the service, from 0 to 100. Only the network, /proc/meminfo and users
	// without names are left.
	if out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=20", unit).CombinedOutput(); err != nil {
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

// docs/deploy.md shows the Dockerfile, and timbre knows its variables. (tools/release builds
// it and runs the result.)
func TestContainer(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if sample(t, "dockerfile") != string(text) {
		t.Error("docs/deploy.md does not show the Dockerfile")
	}
	known(t, string(text))
	compose, err := os.ReadFile("../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known(t, regexp.MustCompile(`TIMBRE_(HOST|STORE_HOST|IMAGE)|\^TIMBRE_`).ReplaceAllString(string(compose), ""))
}

// A server gets longer to stop than it gives its requests.
func TestStopTimeouts(t *testing.T) {
	flag, _ := reflect.TypeFor[serverFlags]().FieldByName("DrainTime")
	drain, err := time.ParseDuration(flag.Tag.Get("default"))
	if err != nil {
		t.Fatal(err)
	}
	stops := drain + requestTime
	for file, pattern := range map[string]string{
		"timbre.service":          `TimeoutStopSec=(\d+)`,
		"compose/compose.yaml":    `stop_grace_period: (\d+)s`,
		"helm/timbre/values.yaml": `terminationGracePeriodSeconds: (\d+)`,
	} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		all := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(all) == 0 {
			t.Errorf("%s has no timeout", file)
		}
		for _, m := range all {
			if seconds, err := strconv.Atoi(m[1]); err != nil || time.Duration(seconds)*time.Second < stops+5*time.Second {
				t.Errorf("%s: %s; the server may take %s", file, m[0], stops)
			}
		}
	}
}

// timbre health is the check of a container.
func TestHealth(t *testing.T) {
	dir := t.TempDir()
	r := startDemo(t, filepath.Join(dir, "demo"))
	address := strings.TrimPrefix(r.demo.URL, "http://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{address, ":" + port, "0.0.0.0:" + port} {
		for _, path := range []string{"", "--ready"} {
			args := append([]string{"health", "--listen", at}, strings.Fields(path)...)
			if s := timbre(t, args...); s.code != exitDone || !strings.Contains(s.out, `"status":"ok"`) {
				t.Errorf("%v: exit %d, %s %s", args, s.code, s.out, s.err)
			}
		}
	}
	t.Setenv("TIMBRE_LISTEN", address)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	if s := timbre(t, "health"); s.code != exitDone {
		t.Errorf("with the variable: exit %d, %s", s.code, s.err)
	}
	r.stop()
	timbre(t, "health").refused(exitRefused, "the server does not answer on "+address)
	timbre(t, "health", "--listen", "8080").refused(exitUsage, "--listen=8080: must be HOST:PORT")
}
