package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/witness"
	"timbre.example/proof/evidence"
)

const (
	rulesFile     = "../../deploy/prometheus/timbre.rules.yml"
	dashboardFile = "../../deploy/grafana/timbre.json"
)

var metricName = regexp.MustCompile(`\btimbre_[a-z0-9_]+`)

// witnessKeyOf returns the rest of the verifier key of a witness with this name.
func witnessKeyOf(t *testing.T, name string) string {
	t.Helper()
	w, err := witness.New(witness.Config{Name: name, Seed: make([]byte, ed25519.SeedSize)})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(w.VerifierKey(), name+"+")
}

// served returns the names of the metrics of a server with all roles.
func served(t *testing.T) map[string]bool {
	t.Helper()
	f := smallServer(t.TempDir())
	witness := "witness w w.example/w+" + witnessKeyOf(t, "w.example/w") + " https://w.example/\nquorum w\n"
	policy, err := evidence.ParsePolicy([]byte(witness)) // the metrics of witnesses exist with a witness
	if err != nil {
		t.Fatal(err)
	}
	f.LogWitnesses = []policyFile{{network: network.Testnet, policy: policy}}
	f.LogCalendars = []string{"https://calendar.example"} // those of blocks exist with a date of blocks
	f.Network = []network.Address{{Name: network.Testnet, URL: "log:"}, {Name: network.Mainnet, URL: "substrate:ws://127.0.0.1:1"}}
	f.SubstrateSeedFile, f.SubstrateAccounts = filepath.Join(t.TempDir(), "seed"), 1
	if err := os.WriteFile(f.SubstrateSeedFile, []byte(strings.Repeat("07", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	// Those of accounts exist after a worker has reached the chain.
	db := storetest.Open(t, f.DatabaseURL)
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.InsertSubstrateChain(t.Context(), query.InsertSubstrateChainParams{Network: "mainnet", Genesis: make([]byte, 32), Hash: make([]byte, 32)}); err != nil {
			return err
		}
		return tx.InsertSubstrateAccount(t.Context(), query.InsertSubstrateAccountParams{Network: "mainnet", Account: make([]byte, 32), Address: "account"})
	}); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range []string{"/healthz", "/metrics"} { // metrics by route exist after the first request
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "127.0.0.1"
		if path == "/metrics" {
			s.web.MetricsHandler(nil).ServeHTTP(w, r)
		} else {
			s.web.ServeHTTP(w, r)
		}
		for _, m := range regexp.MustCompile(`(?m)^# TYPE (timbre_\w+) `).FindAllStringSubmatch(w.Body.String(), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// The rules and the dashboard name only metrics that exist, and the dashboard names all of
// them. The table of docs/operating.md has the same metrics.
func TestAlertsAndDashboard(t *testing.T) {
	t.Parallel()
	all := served(t)
	used := func(file string) map[string]bool {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, name := range metricName.FindAllString(string(b), -1) {
			for _, part := range []string{"_bucket", "_count", "_sum"} {
				if whole := strings.TrimSuffix(name, part); all[whole] {
					name = whole
				}
			}
			if names[name] = true; !all[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
		return names
	}
	used(rulesFile)
	shown := used(dashboardFile)
	_, table, _ := strings.Cut(operating(t), "\n## Metrics\n")
	table, _, _ = strings.Cut(table, "\n\nBy default")
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("`(timbre_[a-z0-9_]+)`").FindAllStringSubmatch(table, -1) {
		if described[m[1]] = true; !all[m[1]] {
			t.Errorf("docs/operating.md describes %s, which does not exist", m[1])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
		if !described[name] {
			t.Errorf("the table of docs/operating.md lacks %s", name)
		}
	}
	var board struct{ Panels []struct{ Title string } }
	b, err := os.ReadFile(dashboardFile)
	if err != nil || json.Unmarshal(b, &board) != nil || len(board.Panels) < 30 {
		t.Errorf("the dashboard has %d panels, %v", len(board.Panels), err)
	}
}

// Each alert has a row in docs/operating.md, and each row has its alert. promtool, if it is
// installed, reads the rules.
func TestAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules, rows []string
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(b), -1) {
		rules = append(rules, m[1])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(Timbre\\w+)` \\|.+\\|.+\\|$").FindAllStringSubmatch(operating(t), -1) {
		rows = append(rows, m[1])
	}
	if len(rules) < 15 || !slices.Equal(rules, rows) {
		t.Errorf("rules %q\nrows  %q", rules, rows)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus): the expressions of the rules were not parsed")
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", rulesFile).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Each event has its row in docs/operating.md.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/events/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(operating(t), "| `msg` | event | fields |\n")
	events := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if text, ok := v.Values[0].(*ast.BasicLit); ok {
				events++
				if !strings.Contains(table, "| `"+strings.Trim(text.Value, `"`)+"` |") {
					t.Errorf("docs/operating.md lacks the event %s", text.Value)
				}
			}
		}
		return true
	})
	if events < 10 {
		t.Errorf("%d events", events)
	}
}

// sources returns the parsed Go files below dir, without tests.
func sourcesBelow(t *testing.T, dir string) (all []*ast.File) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata") {
			return cmpOr(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		all = append(all, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// selected counts how often each name is read as x.Name.
func selected(files []*ast.File) map[string]int {
	n := map[string]int{}
	for _, f := range files {
		ast.Inspect(f, func(node ast.Node) bool {
			if s, ok := node.(*ast.SelectorExpr); ok {
				n[s.Sel.Name]++
			}
			return true
		})
	}
	return n
}

// Every flag is used: some code reads its field.
func TestFlagsAreUsed(t *testing.T) {
	t.Parallel()
	read := selected(sourcesBelow(t, "."))
	fields := 0
	var visit func(reflect.Type)
	visit = func(of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			_, embedded := f.Tag.Lookup("embed")
			_, command := f.Tag.Lookup("cmd")
			if f.Type.Kind() == reflect.Struct && (f.Anonymous || embedded || command) {
				visit(f.Type)
				continue
			}
			if f.Tag.Get("help") == "" || !f.IsExported() || f.Name == "Help" || of.Name() == "helpCmd" { // kong and words read these
				continue
			}
			if fields++; read[f.Name] == 0 {
				t.Errorf("no code reads the flag or argument %s.%s", of.Name(), f.Name)
			}
		}
	}
	visit(reflect.TypeFor[cli]())
	if fields < 60 {
		t.Errorf("%d flags", fields)
	}
}

// Every metric is set: each event of package metrics is called by package events or web, and
// a server gives each source.
func TestMetricsAreSet(t *testing.T) {
	t.Parallel()
	called := selected(append(sourcesBelow(t, "../../internal/events"), sourcesBelow(t, "../../internal/web")...))
	methods := 0
	for i, of := 0, reflect.TypeFor[*metrics.Metrics](); i < of.NumMethod(); i++ {
		name := of.Method(i).Name
		if name == "Read" { // cmd/timbre calls it
			continue
		}
		if methods++; called[name] == 0 {
			t.Errorf("nothing calls Metrics.%s", name)
		}
	}
	recorded := selected(slices.Concat(sourcesBelow(t, "."), sourcesBelow(t, "../../internal/anchoring"), sourcesBelow(t, "../../internal/intake"),
		sourcesBelow(t, "../../internal/issuing"), sourcesBelow(t, "../../internal/erasing"), sourcesBelow(t, "../../internal/webhook"), sourcesBelow(t, "../../internal/network/log")))
	for _, f := range sourcesBelow(t, "../../internal/events") {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.IsExported() && recorded[fn.Name.Name] == 0 {
				t.Errorf("nothing calls Recorder.%s", fn.Name.Name)
			}
		}
	}
	b, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, of := 0, reflect.TypeFor[metrics.Sources](); i < of.NumField(); i++ {
		name := of.Field(i).Name
		if !bytes.Contains(b, []byte("out."+name+" =")) && !bytes.Contains(b, []byte("\t\t"+name+":")) {
			t.Errorf("a server does not give the source %s", name)
		}
	}
	if methods < 10 {
		t.Errorf("%d methods", methods)
	}
}

// A server is not ready while its database lacks a migration, or while no worker makes
// blocks. Both reasons are in docs/operating.md.
func TestUnready(t *testing.T) {
	t.Parallel()
	f := smallServer(t.TempDir())
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	want := func(query string, status int, reason string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, httptest.NewRequest("GET", "/readyz"+query, nil))
		if w.Code != status || !strings.Contains(w.Body.String(), reason) {
			t.Errorf("/readyz%s: %d %s, want %d with %q", query, w.Code, w.Body, status, reason)
		}
		if reason != "" && !strings.Contains(operating(t), "`"+reason+"`") {
			t.Errorf("docs/operating.md lacks %s", reason)
		}
	}
	want("", 200, "")
	now := s.db.Now
	s.db.Now = func() time.Time { return now().Add(time.Hour) } // no worker ran in this hour
	want("", 503, "log_silent")
	want("?exclude=log", 200, "")
	s.db.Now = now
	path, _ := f.databaseFlag.sqlite()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)"); err != nil {
		t.Fatal(err)
	}
	want("?exclude=log", 503, "migrations_pending")
}

// A registration on a server with all roles is one trace: the confirm, and the steps of its
// transaction by the worker. Its lines of the log have the events in their order.
func TestARegistrationIsObserved(t *testing.T) {
	var (
		mu    sync.Mutex
		spans []*wire.Span
	)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m wire.TracesData
		if err != nil || proto.Unmarshal(body, &m) != nil {
			t.Errorf("%v, %d bytes", err, len(body))
		}
		mu.Lock()
		defer mu.Unlock()
		for _, one := range m.ResourceSpans {
			for _, scope := range one.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}))
	defer collector.Close()
	dir := inDatabase(t)
	id := strings.TrimSpace(timbre(t, "org", "create", "Songs").out)
	created := timbre(t, "keys", "create", id).out
	secret, site := regexp.MustCompile(`csk_[0-9a-f]{64}`).FindString(created), regexp.MustCompile(`cpk_[0-9a-f]{64}`).FindString(created)
	timbre(t, "origins", "add", id, "songs.example")
	f := smallServer(dir)
	f.DatabaseURL, f.TracesEndpoint, f.TracesRatio, f.LogLevel = os.Getenv("TIMBRE_DATABASE_URL"), collector.URL+"/v1/traces", 1, slog.LevelInfo
	logged := &buffer{}
	s, err := newServer(t.Context(), f, f.logger(logged))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	_, code, transaction := register(t, s.url, site, secret, "https://songs.example", "Song 1")
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	traces := map[string][]string{}
	for _, span := range spans {
		traces[string(span.TraceId)] = append(traces[string(span.TraceId)], span.Name)
	}
	whole := 0
	for _, names := range traces {
		if !slices.Contains(names, "POST /v1/works/confirm") {
			continue
		}
		whole++
		for _, step := range []string{"stage", "broadcast", "block", "final"} {
			if !slices.Contains(names, step) {
				t.Errorf("the trace of the confirm has %q, without %s", names, step)
			}
		}
	}
	if whole != 1 {
		t.Errorf("%d traces of a confirm, of %d", whole, len(traces))
	}
	var events []string
	for _, m := range regexp.MustCompile(`"level":"INFO","msg":"(confirmed|block|final|stopped)"`).FindAllStringSubmatch(logged.String(), -1) {
		events = append(events, m[1])
	}
	if !slices.Equal(events, []string{"confirmed", "block", "final", "stopped"}) {
		t.Errorf("events %q in %s", events, logged)
	}
	for _, hidden := range []string{code, transaction, "Song 1"} {
		if strings.Contains(logged.String(), hidden) {
			t.Errorf("the log has %q", hidden)
		}
	}
}
