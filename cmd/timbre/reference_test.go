package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// docs/operating.md has every flag of serve, with its variable and the text of --help.
func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	var c cli
	var want strings.Builder
	flags := 0
	for _, n := range kong.Must(&c, mappers()...).Model.Children {
		if n.Name != "serve" {
			continue
		}
		for _, f := range n.Flags {
			if f.Hidden || len(f.Envs) == 0 {
				continue
			}
			flags++
			fmt.Fprintf(&want, "| `--%s` | `%s` | %s |\n", f.Name, strings.Join(f.Envs, "`, `"), strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(f.Help))
		}
	}
	if flags < 40 {
		t.Fatalf("serve has %d flags with a variable", flags)
	}
	_, table, _ := strings.Cut(operating(t), "## Every flag of serve\n")
	_, table, _ = strings.Cut(table, "|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	got := strings.TrimSuffix(table, "\n") + "\n"
	for row := range strings.Lines(want.String()) {
		if !strings.Contains(got, row) {
			t.Errorf("docs/operating.md, \"Every flag of serve\", lacks\n%s", row)
		}
	}
	for row := range strings.Lines(got) {
		if !strings.Contains(want.String(), row) {
			t.Errorf("docs/operating.md, \"Every flag of serve\", has a row that is not of a flag\n%s", row)
		}
	}
	if !t.Failed() && got != want.String() {
		t.Errorf("docs/operating.md, \"Every flag of serve\", has another order than --help\n%s", want.String())
	}
}

// docs/operating.md names every timbre_ metric of a server with all roles.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	f := smallServer(t.TempDir())
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ask := func(h http.Handler, path string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "127.0.0.1"
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	ask(s.web, "/healthz") // metrics by route exist after the first request
	text := ask(s.web.MetricsHandler(nil), "/metrics")
	document := operating(t)
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (timbre_\w+) `).FindAllStringSubmatch(text, -1) {
		found++
		if !strings.Contains(document, "`"+m[1]+"`") {
			t.Errorf("docs/operating.md does not name %s", m[1])
		}
	}
	if found < 10 {
		t.Errorf("%d metrics: %s", found, text)
	}
}

func operating(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
