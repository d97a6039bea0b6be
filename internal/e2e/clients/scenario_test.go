package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
)

const scenarioFile = "../../../client/testdata/scenario.json"

// scenario is one of client/testdata/scenario.json, which explains the members.
type scenario struct {
	Name   string
	By     []string
	Needs  []string
	Faults []*fault
	Steps  []struct {
		Do  string
		See map[string]any
	}
	Calls map[string]int
}

type fault struct {
	Call       string
	Times      int
	Status     int
	Code       string
	RetryAfter int `json:"retry_after"`
	Lose       bool
}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	var all struct{ Scenarios []scenario }
	b, err := os.ReadFile(scenarioFile)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all.Scenarios) == 0 {
		t.Fatal("no scenarios", err)
	}
	return all.Scenarios
}

// runner is a client that carries out scenarios.
type runner struct {
	name string
	// by are the ways in which it registers, and can what scenarios need of it.
	by, can []string
	// once: each scenario runs in one of these ways, the first that it allows.
	once bool
	// command is built once.
	command func(t *testing.T) []string
}

var everything = []string{"mint", "read", "parts", "update", "webhook"}

// elsewhere runs the TypeScript client in another runtime than Node.
func elsewhere(t *testing.T, name string, args ...string) []string {
	t.Helper()
	return slices.Concat([]string{runtime(t, name)}, args, []string{filepath.Join(packaged(t), "test", "scenario.mjs")})
}

// runtimes has the programs of folder runtimes, installed once.
var runtimes struct {
	sync.Once
	dir string
	err error
}

// runtime returns the path of a program of folder runtimes, in its pinned version.
func runtime(t *testing.T, name string) string {
	t.Helper()
	hasNode(t)
	runtimes.Do(func() {
		if runtimes.dir, runtimes.err = os.MkdirTemp("", "timbre-runtimes"); runtimes.err != nil {
			return
		}
		if runtimes.err = os.CopyFS(runtimes.dir, os.DirFS("runtimes")); runtimes.err != nil {
			return
		}
		npm := exec.Command("npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		npm.Dir = runtimes.dir
		if out, err := npm.CombinedOutput(); err != nil {
			runtimes.err = fmt.Errorf("npm ci: %w: %s", err, out)
		}
	})
	if runtimes.err != nil {
		browser.Missing(t, fmt.Sprint("npm cannot install Deno and Bun: ", runtimes.err))
	}
	for _, pattern := range []string{"@*/" + name + "-*/" + name, "@*/" + name + "-*/bin/" + name, "@*/linux-*/" + name} {
		if found, err := filepath.Glob(filepath.Join(runtimes.dir, "node_modules", pattern)); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	browser.Missing(t, "npm has no "+name+" for this machine")
	return ""
}

var runners = []runner{
	{"typescript", []string{"key", "session"}, everything, false, func(t *testing.T) []string {
		return []string{"node", filepath.Join(packaged(t), "test", "scenario.mjs")}
	}},
	// Debian has neither of the next two: npm has.
	{"deno", []string{"session", "key"}, everything, true, func(t *testing.T) []string { return elsewhere(t, "deno", "run", "--allow-all", "--no-lock") }},
	{"bun", []string{"key", "session"}, everything, true, func(t *testing.T) []string { return elsewhere(t, "bun", "run") }},
	{"go", []string{"key"}, everything, false, func(t *testing.T) []string {
		program := filepath.Join(t.TempDir(), "golang")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "timbre.example/internal/e2e/clients/golang").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return []string{program}
	}},
	{"curl", []string{"session", "key"}, []string{"mint", "read", "parts", "update"}, true, func(t *testing.T) []string {
		for _, tool := range []string{"bash", "curl", "jq"} {
			if _, err := exec.LookPath(tool); err != nil {
				browser.Missing(t, "no "+tool+" in PATH")
			}
		}
		return []string{"bash", "../../../client/testdata/curl.sh"}
	}},
	// The widget knows no key, and its users read nothing by program.
	{"widget", []string{"session"}, []string{"parts", "update"}, false, widgetRunner},
}

// The clients meet one server.
func TestClients(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Args: []string{"--limits-address", "off", "--limits-organization", "off", "--upload-parts-from", "8388608"}})
	t.Run("types", func(t *testing.T) { testTypes(t, s) })
	t.Run("documents", func(t *testing.T) { testDocuments(t, s) })
	t.Run("scenarios", func(t *testing.T) { testScenarios(t, s) })
}

// Each client carries out each scenario of client/testdata/scenario.json, and sees what it
// must. The command verifies the evidence that it read.
func testScenarios(t *testing.T, s *harness.Server) {
	t.Helper()
	var test struct{ Token string }
	s.CLI(&test, "apikeys", "create", s.OrganizationID, "--name", "rehearsals", "--test", "--scope", "works:register", "--scope", "works:update", "--json")
	// Each client gets a copy of its own.
	env := slices.Concat(os.Environ(), []string{"API_KEY=" + s.APIKey, "TEST_API_KEY=" + test.Token, "SECRET_KEY=" + s.SecretKey, "SITE_KEY=" + s.SiteKey,
		"TEST_SECRET_KEY=" + s.TestSecretKey, "TEST_SITE_KEY=" + s.TestSiteKey, "ORIGIN=http://localhost:3000", "SCENARIO=" + absolute(t, scenarioFile)})
	delivery := delivered(t, s)
	seed := 0
	for _, r := range runners {
		t.Run(r.name, func(t *testing.T) {
			command := r.command(t)
			for _, sc := range scenarios(t) {
				for _, by := range r.by {
					if len(sc.By) > 0 && !slices.Contains(sc.By, by) || slices.ContainsFunc(sc.Needs, func(need string) bool { return !slices.Contains(r.can, need) }) {
						continue
					}
					seed += 3
					seed := seed
					t.Run(sc.Name+" by "+by, func(t *testing.T) {
						t.Parallel()
						sc.run(t, s, command, slices.Concat(env, []string{"BY=" + by, "RUN=" + r.name + " " + sc.Name + " " + by}), recordings(t, seed, sc.Name, delivery))
					})
					if r.once {
						break
					}
				}
			}
		})
	}
}

// run runs a scenario with a client, behind its faults, and compares what the client saw.
func (sc scenario) run(t *testing.T, s *harness.Server, command, env []string, files string) {
	t.Helper()
	proxy := faultproxy.NewHTTP(t, s.URL)
	calls := &counter{count: map[string]int{}}
	lose := func(*http.Response) bool { return false }
	var faults []*fault
	for _, f := range sc.Faults {
		one := *f
		faults = append(faults, &one)
	}
	if len(faults) > 0 {
		proxy.OnRequest(func(w http.ResponseWriter, r *http.Request) bool {
			calls.add(r)
			f := calls.fault(faults, r, false)
			if f == nil {
				return false
			}
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(f.Status)
			fmt.Fprintf(w, `{"error":{"code":%q,"message":"Refused by the test.","request_id":"req_01J9Z3NDEKTSV4RRFFQ69G5FAV"}}`, f.Code)
			return true
		})
		lose = func(r *http.Response) bool { return r.StatusCode < 300 && calls.fault(faults, r.Request, true) != nil }
	} else {
		proxy.OnRequest(func(_ http.ResponseWriter, r *http.Request) bool {
			calls.add(r)
			return false
		})
	}
	// The bytes of the files pass the proxy too.
	proxy.OnAnswer(func(r *http.Response) error {
		if lose(r) {
			return errors.New("the answer is lost")
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || strings.HasSuffix(r.Request.URL.Path, "/evidence") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		body = bytes.ReplaceAll(body, []byte(s.URL), []byte(proxy.URL))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	})

	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], slices.Concat(command[1:], []string{sc.Name})...)
	cmd.Env = slices.Concat(env, []string{"SERVER=" + proxy.URL, "FILES=" + files})
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	run, _ := strings.CutPrefix(env[len(env)-1], "RUN=")
	for i, step := range sc.Steps {
		var saw any
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &saw) != nil {
			t.Fatalf("step %d, %s: the client printed %q", i+1, step.Do, lines.Text())
		}
		if wrong := differs(step.See, saw, run); wrong != "" {
			t.Errorf("step %d, %s: %s in %s", i+1, step.Do, wrong, lines.Text())
		}
	}
	for call, most := range sc.Calls {
		if n := calls.count[call]; n > most || n == 0 {
			t.Errorf("the server saw %d calls of %s, and %d are the most", n, call, most)
		}
	}
	proofs, err := filepath.Glob(filepath.Join(files, "*.evidence.json"))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(sc.Needs, func(need string) bool { return need == "read" }) && len(proofs) == 0 {
		t.Error("the client saved no evidence")
	}
	for _, proof := range proofs {
		key := filepath.Join(t.TempDir(), "key")
		keep(t, key, fetched(t, s.URL+"/log/testnet/key"))
		out, err := exec.CommandContext(t.Context(), harness.Binary(t, ""), "verify", proof, "--media", strings.TrimSuffix(proof, ".evidence.json"), "--log-key", key).CombinedOutput()
		if err != nil {
			t.Errorf("the evidence: %v\n%s", err, out)
		}
	}
}

// counter counts calls and faults.
type counter struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *counter) add(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[r.Method+" "+r.URL.Path]++
	if r.Method == http.MethodPut {
		c.count["PUT"]++
	}
}

// fault takes the next fault for a request.
func (c *counter) fault(faults []*fault, r *http.Request, lose bool) *fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range faults {
		if f.Lose == lose && f.Times > 0 && f.Call == r.Method+" "+r.URL.Path {
			f.Times--
			return f
		}
	}
	return nil
}

// differs says where saw is not what see wants; "" if it is.
func differs(see, saw any, run string) string {
	switch see := see.(type) {
	case map[string]any:
		if kind, ok := see["type"].(string); ok && len(see) == 1 {
			switch got := saw.(type) {
			case nil:
				ok = kind == "missing"
			case float64:
				ok = kind == "number"
			case string:
				ok = kind == "text" && got != ""
			default:
				ok = false
			}
			if !ok {
				return fmt.Sprintf("%v is not: %s", saw, kind)
			}
			return ""
		}
		got, ok := saw.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is not an object", saw)
		}
		for _, name := range slices.Sorted(maps.Keys(see)) {
			if wrong := differs(see[name], got[name], run); wrong != "" {
				return name + ": " + wrong
			}
		}
		return ""
	case []any:
		got, ok := saw.([]any)
		if !ok || len(got) != len(see) {
			return fmt.Sprintf("%v is not %v", saw, see)
		}
		for i := range see {
			if wrong := differs(see[i], got[i], run); wrong != "" {
				return wrong
			}
		}
		return ""
	case string:
		if want := strings.ReplaceAll(see, "$RUN", run); saw != want {
			return fmt.Sprintf("%v is not %q", saw, want)
		}
		return ""
	}
	if see != saw {
		return fmt.Sprintf("%v is not %v", saw, see)
	}
	return ""
}

// recordings makes the files of a scenario: two short songs, one of 40 MiB, a text, and a webhook.
func recordings(t *testing.T, seed int, name string, delivery []byte) string {
	t.Helper()
	dir := t.TempDir()
	keep(t, filepath.Join(dir, "one.wav"), harness.WAV(seed))
	keep(t, filepath.Join(dir, "two.wav"), harness.WAV(seed+1))
	keep(t, filepath.Join(dir, "text.wav"), []byte("This is no recording."))
	keep(t, filepath.Join(dir, "delivery.json"), delivery)
	if !strings.Contains(name, "upload") {
		return dir
	}
	const size = 40 << 20
	large := harness.WAV(seed + 2)
	copy(large[4:], []byte{0xf8, 0xff, 0x7f, 0x02}) // size-8, and below it size-44
	copy(large[40:], []byte{0xd4, 0xff, 0x7f, 0x02})
	keep(t, filepath.Join(dir, "large.wav"), large)
	if err := os.Truncate(filepath.Join(dir, "large.wav"), size); err != nil {
		t.Fatal(err)
	}
	return dir
}

// delivered returns a webhook as a receiver gets it, with its secret, as JSON.
func delivered(t *testing.T, s *harness.Server) []byte {
	t.Helper()
	got := make(chan map[string]any, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		if err == nil {
			got <- map[string]any{"body": string(body), "headers": headers}
		}
	}))
	defer receiver.Close()
	var endpoint struct{ ID, Secret string }
	post := func(path, body string, into any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/webhooks"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.APIKey)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 || json.Unmarshal(text, into) != nil {
			t.Fatalf("%s: %d %s %v", path, res.StatusCode, text, err)
		}
	}
	post("", `{"url":"`+receiver.URL+`/hook","events":["credits_low"]}`, &endpoint)
	post("/"+endpoint.ID+"/test", "", &struct{}{})
	var one map[string]any
	select {
	case one = <-got:
	case <-t.Context().Done():
		t.Fatal("no webhook arrived")
	}
	one["secret"] = endpoint.Secret
	text, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func keep(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func fetched(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, res.Status, err)
	}
	return body
}
