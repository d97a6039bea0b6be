package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"timbre.example/internal/api"
	"timbre.example/internal/manage"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/web"
)

// running is a demo in this process.
type running struct {
	t     *testing.T
	demo  demoFile
	said  *buffer // standard error
	ended chan int
}

// startDemo runs `timbre demo` as in a terminal, and waits until it prints that it is
// ready.
func startDemo(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	r := &running{t: t, said: &buffer{}, ended: make(chan int, 1)}
	in, out := io.Pipe()
	go func() {
		r.ended <- run(append([]string{"demo", "--addr", "127.0.0.1:0", "--data", dir, "--block-time", "10ms"}, args...), out, r.said)
		out.Close()
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		t.Fatalf("demo ended: %v: %s", err, r.said)
	}
	b, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r.demo); err != nil {
		t.Fatal(err)
	}
	if line != "Timbre demo: "+r.demo.URL+"/demo/\n" {
		t.Errorf("%q", line)
	}
	go io.Copy(io.Discard, in)
	return r
}

// stop ends it as Ctrl-C in a terminal does.
func (r *running) stop() {
	r.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case code := <-r.ended:
		if code != exitDone {
			r.t.Errorf("demo ended with %d: %s", code, r.said)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatal("demo does not end")
	}
}

func post(t *testing.T, url string, head map[string]string, body any) map[string]any {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, "POST", url, head, b)
}

func send(t *testing.T, method, url string, head map[string]string, body []byte) (out map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range head {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode > 299 {
		t.Fatalf("%s %s: %d %v %v", method, url, res.StatusCode, out, err)
	}
	return out
}

// register does a complete registration on the test network, and returns the secrets that
// it received.
func register(t *testing.T, url, site, secretKey, origin, title string) (token, code, transaction string) {
	t.Helper()
	return registerOn(t, "testnet", url, site, secretKey, origin, title)
}

func registerOn(t *testing.T, network, url, site, secretKey, origin, title string) (token, code, transaction string) {
	t.Helper()
	token = post(t, url+"/v1/sessions", map[string]string{"Origin": origin}, map[string]string{"secret_key": secretKey, "action_type": "register", "allowed_network": network})["token"].(string)
	head := map[string]string{"Authorization": "Bearer " + token, "X-Site-Key": site}
	slot := post(t, url+"/v1/works/init", head, map[string]any{
		"title": title, "filename": "song.wav", "network": network,
		"creators": []any{map[string]any{"full_name": "Ada", "email": "ada@songs.example", "roles": map[string]bool{"author": true}}},
	})
	job := map[string]any{"job_id": slot["job_id"]}
	send(t, "PUT", slot["upload_url"].(string), nil, append([]byte("RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x08\x00\x00\x00"), fmt.Appendf(nil, "%-8.8s", title)...))
	post(t, url+"/v1/works/prepare", head, job)
	c := post(t, url+"/v1/works/confirm", head, job)
	code, _ = c["access_code"].(string)
	transaction = c["transaction_id"].(string)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/transactions/"+transaction+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if all, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(all), "event: completed") {
		t.Fatalf("%v: %s", err, all)
	}
	return token, code, transaction
}

// seeds are how many of the things that a demo makes are there.
type seeds struct{ works, webhooks, members int }

// count asks with the API key of the demo.
func (d demoFile) count(t *testing.T) seeds {
	t.Helper()
	ask := func(path string) map[string]any {
		return send(t, "GET", d.URL+path, map[string]string{"Authorization": "Bearer " + d.APIKey}, nil)
	}
	many := func(path, list string) int { return len(ask(path + "?first=100")[list].([]any)) }
	return seeds{int(ask("/v1/works")["total_count"].(float64)), many("/v1/webhooks", "webhooks"), many("/v1/members", "members")}
}

// signIn opens the console with the address and the password of demo.json, as a browser does.
func (d demoFile) signIn(t *testing.T) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page := func(r *http.Request, err error) (at, text string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", d.URL)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", r.URL, res.StatusCode, b, err)
		}
		return res.Request.URL.Path, string(b)
	}
	_, form := page(http.NewRequestWithContext(t.Context(), "GET", d.Console.URL+"sign-in", nil))
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(form)
	if csrf == nil {
		t.Fatalf("the form has no token: %s", form)
	}
	fields := url.Values{"csrf": {csrf[1]}, "email": {d.Console.Email}, "password": {d.Console.Password}}
	at, home := page(http.NewRequestWithContext(t.Context(), "POST", d.Console.URL+"sign-in", strings.NewReader(fields.Encode())))
	if strings.Contains(at, "sign-in") || !strings.Contains(home, "Demo Records") {
		t.Errorf("the sign-in leads to %s: %.300s", at, home)
	}
}

// The demo starts, serves, stops, and starts again with the same data.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	first := startDemo(t, dir)
	d := first.demo
	st, err := os.Stat(filepath.Join(dir, "demo.json"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	register(t, d.URL, d.SiteKey, d.SecretKey, d.URL, "Song 1")
	res, err := http.Get(d.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.Request.URL.Path != "/demo/" {
		t.Errorf("/: %d at %s", res.StatusCode, res.Request.URL)
	}
	// Without our handler, net/http would answer this request itself.
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(conn); err != nil || !bytes.Contains(b, []byte(`"code":"common.not_found"`)) || !bytes.Contains(b, []byte("X-Request-Id: req_")) {
		t.Errorf("OPTIONS *: %s, %v", b, err)
	}
	for path, want := range map[string]int{"/widget/v1/ats-widget.esm.js": 200, "/widget/v1/nope.js": 404, "/widget/": 404, "/log/testnet/checkpoint": 200, "/explorer/testnet/block/1": 200, "/healthz": 200, "/nope": 404} {
		res, err := http.Get(d.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	// The works, refusals and deliveries that every console page shows.
	seeded := func() bool {
		var now demoFile
		b, err := os.ReadFile(filepath.Join(dir, "demo.json"))
		return err == nil && json.Unmarshal(b, &now) == nil && now.Seeded
	}
	for end := time.Now().Add(time.Minute); !seeded(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the demo was not seeded: %s", first.said)
		}
	}
	before := first.demo.count(t)
	if before.works < 2 || before.webhooks < 4 || before.members < 2 {
		t.Errorf("the demo has %+v", before)
	}
	first.stop()
	if conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://")); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
	second := startDemo(t, dir)
	if d2 := second.demo; d2.SiteKey != d.SiteKey || d2.SecretKey != d.SecretKey || d2.OrganizationID != d.OrganizationID {
		t.Error("the second start made new keys")
	}
	_, _, _ = register(t, second.demo.URL, d.SiteKey, d.SecretKey, second.demo.URL, "Song 2")
	// The second start makes nothing twice; the key and the sign-in of demo.json still work.
	before.works++
	if after := second.demo.count(t); after != before {
		t.Errorf("after the second start the demo has %+v, want %+v", after, before)
	}
	second.demo.signIn(t)
	// The command line works on the database of a running server.
	var had, balance map[string]int64
	timbre(t, "credits", "balance", d.OrganizationID, "--json", "--database-url", second.demo.DatabaseURL).ok(&had)
	timbre(t, "credits", "grant", d.OrganizationID, "5", "--json", "--database-url", second.demo.DatabaseURL).ok(&balance)
	if balance["available"] != had["available"]+5 {
		t.Errorf("%v, then %v", had, balance)
	}
	second.stop()
	// After the database is removed, the demo starts with new keys.
	for _, f := range []string{"timbre.db", "timbre.db-wal", "timbre.db-shm"} {
		os.Remove(filepath.Join(dir, f))
	}
	third := startDemo(t, dir)
	if third.demo.SecretKey == d.SecretKey {
		t.Error("keys of a database that is gone")
	}
	third.stop()
}

func TestDemoOnPostgres(t *testing.T) {
	r := startDemo(t, t.TempDir(), "--database-url", storetest.EmptyPostgresURL(t))
	register(t, r.demo.URL, r.demo.SiteKey, r.demo.SecretKey, r.demo.URL, "Song 1")
	r.stop()
}

func smallServer(dir string) serverFlags {
	return serverFlags{
		databaseFlag: databaseFlag{DatabaseURL: "sqlite:" + filepath.Join(dir, "timbre.db")},
		Listen:       "127.0.0.1:0", BlobURL: "file:" + filepath.Join(dir, "blobs"), SecretFile: filepath.Join(dir, "secret"),
		NetworkBlockTime: 10 * time.Millisecond, MaxFileSize: 1 << 20,
		clockFlag: clockFlag{NetworkClockTolerance: time.Minute}, limitFlags: limitFlags{LimitsToken: time.Minute, LimitsUploadSlot: time.Minute, LimitsQuote: time.Minute, LimitsResult: time.Hour, LimitsJob: time.Hour, LimitsPrepares: 1, LimitsFollowers: 10, LimitsUploads: 10, LimitsUploadsOrganization: 10, LimitsUploadBytes: 1 << 30, LimitsUploadBytesOrganization: 1 << 30, LimitsUploadRate: 1}, LogFormat: "json", LogLevel: slog.LevelDebug, trial: true,
	}
}

// A visitor who knows only the host on a certificate reaches the page that verifies it.
func TestRoot(t *testing.T) {
	t.Parallel()
	for want, has := range map[string][]role{"/verify": allRoles, "": {worker}} {
		f := smallServer(t.TempDir())
		f.Roles, f.PublicURL = has, "http://127.0.0.1:9"
		s, err := newServer(t.Context(), f, f.logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Location"); got != want || (want == "") != (w.Code == 404) {
			t.Errorf("%v: %d %q", has, w.Code, got)
		}
	}
}

// Every route of a server is in docs/authentication.md, also those that are mounted next
// to the API. Package api tests that each route behaves as documented.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	f := smallServer(t.TempDir())
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	b, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "## Allowed callers\n")
	section, _, _ = strings.Cut(section, "| who calls |")
	_, byKey, _ := strings.Cut(string(b), "## Allowed API keys\n")
	byKey, _, _ = strings.Cut(byKey, "| who calls with a key |")
	_, managed, _ := strings.Cut(string(b), "## Callers of the management API\n")
	managed, _, _ = strings.Cut(managed, "| who calls |")
	section += byKey + strings.ReplaceAll(byKey, " /v1/works", " /v1/organizations/{org}/works") + managed + strings.ReplaceAll(managed, " /v1/", " /v1/organizations/{org}/")
	listed := regexp.MustCompile("`(?:([A-Z]+) )?(/[^`]*)`").FindAllStringSubmatch(section, -1)
	// A parameter in either matches any segment.
	same := func(a, b string) bool {
		return slices.EqualFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(a, b string) bool {
			return a == b || strings.HasPrefix(a, "{") || strings.HasPrefix(b, "{")
		})
	}
	routes := 0
	err = chi.Walk(s.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes++
		if !slices.ContainsFunc(listed, func(l []string) bool { return (l[1] == "" || l[1] == method) && same(l[2], route) }) {
			t.Errorf("%s %s is not in docs/authentication.md", method, route)
		}
		return nil
	})
	if err != nil || routes < 40 {
		t.Errorf("%d routes, %v", routes, err)
	}
}

// Every route is in the table of costs in docs/operating.md, with the real bound of its
// body and the real budget of its address.
func TestCostsAreDocumented(t *testing.T) {
	t.Parallel()
	f := smallServer(t.TempDir())
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	b, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "### Cost limits of each call\n")
	section, _, _ = strings.Cut(section, "\n### ")
	type cost struct{ body, budget string }
	costs := map[string]cost{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(/[^`]*)` \\| ([^|]*) \\| ([^|]*) \\|").FindAllStringSubmatch(section, -1) {
		for _, path := range alternatives(row[1]) {
			costs[path] = cost{row[2], row[3]}
		}
	}
	bounds := map[int64]string{api.MaxSmallBody: "8,192", api.MaxWorkBody: "216,064", manage.MaxBody: "16,384", manage.MaxLogoBody: "1,572,864"}
	found := map[string]bool{}
	err = chi.Walk(s.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		c, ok := costs[route]
		found[route] = true
		if !ok {
			t.Errorf("%s %s is not in docs/operating.md: say what it may cost", method, route)
		}
		if counts := strings.HasPrefix(c.budget, "address"); counts != web.Counts(route) {
			t.Errorf("%s counts against its address: %t, and docs/operating.md has %q", route, web.Counts(route), c.budget)
		}
		if want, posts := s.web.BodyBounds()[route]; posts && bounds[want] != c.body || !posts && strings.HasPrefix(route, "/v1/") && c.body != "-" {
			t.Errorf("%s takes %d bytes, and docs/operating.md has %q", route, want, c.body)
		}
		return nil
	})
	if err != nil || len(found) < 30 {
		t.Errorf("%d routes, %v", len(found), err)
	}
	for path := range costs {
		if !found[path] {
			t.Errorf("docs/operating.md has %s, and the server does not", path)
		}
	}
}

// alternatives returns the paths of one path that contains {a,b}.
func alternatives(path string) []string {
	open := strings.LastIndex(path, "{")
	if open < 0 {
		return []string{path}
	}
	before, rest := path[:open], path[open+1:]
	inside, after, _ := strings.Cut(rest, "}")
	var all []string
	for _, start := range alternatives(before) {
		if !strings.Contains(inside, ",") {
			all = append(all, start+"{"+inside+"}"+after)
			continue
		}
		for one := range strings.SplitSeq(inside, ",") {
			all = append(all, start+one+after)
		}
	}
	return all
}

// A whole registration with every request logged leaves no secret in the log. The stored
// data contains neither key nor code in readable form.
func TestNothingSecretIsKeptOrLogged(t *testing.T) {
	dir := inDatabase(t)
	id := strings.TrimSpace(timbre(t, "org", "create", "Songs").out)
	created := timbre(t, "keys", "create", id).out
	secret, site := regexp.MustCompile(`csk_[0-9a-f]{64}`).FindString(created), regexp.MustCompile(`cpk_[0-9a-f]{64}`).FindString(created)
	timbre(t, "origins", "add", id, "songs.example")
	f := smallServer(dir)
	f.DatabaseURL = os.Getenv("TIMBRE_DATABASE_URL")
	logged := &buffer{}
	s, err := newServer(t.Context(), f, f.logger(logged))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	token, code, transaction := register(t, s.url, site, secret, "https://songs.example", "Song 1")
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	log := logged.String()
	if !strings.Contains(log, `"client":"127.0.0.1"`) || !regexp.MustCompile(`"msg":"stopped","ran":\d+}\n$`).MatchString(log) {
		t.Errorf("no address, or no last line: %s", log)
	}
	if !strings.Contains(log, "/v1/works/confirm") {
		t.Fatal("the log is not where this test looks")
	}
	for name, s := range map[string]string{"secret key": secret[4:], "token": token, "signature": token[strings.LastIndex(token, ".")+1:], "access code": code[4:], "transaction": transaction, "e-mail": "ada@", "upload URL": "/blob/uploads"} {
		if strings.Contains(log, s) {
			t.Errorf("the log holds the %s", name)
		}
	}
	stored := files(t, dir)
	if !bytes.Contains(stored, []byte(site)) || !bytes.Contains(stored, []byte(transaction)) {
		t.Fatal("the database is not where this test looks")
	}
	for name, s := range map[string]string{"secret key": secret[4:], "token": token, "access code": code[4:]} {
		if raw, err := hex.DecodeString(s); bytes.Contains(stored, []byte(s)) || err == nil && bytes.Contains(stored, raw) {
			t.Errorf("the %s is stored", name)
		}
	}
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:8080": "127.0.0.1:8080", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80", "[::1]:80": "[::1]:80"} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(a); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
