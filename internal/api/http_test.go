package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store/storetest"
)

// The log line of a request has the client's address and the duration. For a refusal it also
// has the fields and the rules that they broke.
func TestLogLine(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.call("GET", "/v1/stats?network=moon", map[string]string{"X-Forwarded-For": "192.0.2.7"}, nil)
	var line string
	for one := range strings.Lines(w.logged.String()) {
		if strings.Contains(one, "route=/v1/stats") {
			line = one
		}
	}
	for _, want := range []string{" code=common.validation_failed", ` fields="network one_of"`, " client="} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %s", want, line)
		}
	}
	if took := regexp.MustCompile(` took=[0-9.]+(µs|ms|s) `); !took.MatchString(line) {
		t.Errorf("no time with a unit: %s", line)
	}
}

func TestEveryRefusalIsAnEnvelope(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.web.Handle("/panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret detail") }))
	known := w.registered("Known")
	for _, c := range []struct {
		method, path string
		want         fault.Code
	}{
		{"GET", "/", fault.CodeCommonNotFound}, {"GET", "/v1", fault.CodeCommonNotFound}, {"GET", "/v1/nope", fault.CodeCommonNotFound},
		{"POST", "/nope", fault.CodeCommonNotFound}, {"GET", "/v1/works/init", fault.CodeCommonAuthMissingToken}, {"PUT", "/v1/works/init", fault.CodeCommonNotFound},
		{"DELETE", "/v1/sessions", fault.CodeCommonNotFound}, {"OPTIONS", "/v1/works/init", fault.CodeCommonNotFound}, {"OPTIONS", "/nope", fault.CodeCommonNotFound},
		{"TRACE", "/healthz", fault.CodeCommonNotFound}, {"BREW", "/v1/stats", fault.CodeCommonNotFound}, {"POST", "/v1/works/init/", fault.CodeCommonNotFound},
		{"GET", "/v1//stats", fault.CodeCommonNotFound}, {"GET", "/v1/works/../stats", fault.CodeCommonNotFound}, {"GET", "/%00", fault.CodeCommonNotFound},
		{"HEAD", "/v1/stats", fault.CodeCommonNotFound}, {"HEAD", "/nope", fault.CodeCommonNotFound}, {"HEAD", "/v1/transactions/" + known + "/events", fault.CodeCommonNotFound},
		{"GET", "/v1/stats?network=moon", fault.CodeCommonValidationFailed}, {"GET", "/v1/stats?network=%00", fault.CodeCommonValidationFailed},
		{"GET", "/panics", fault.CodeCommonInternal}, {"HEAD", "/panics", fault.CodeCommonInternal},
		{"GET", "/v1/ws/transactions/" + known, fault.CodeCommonValidationFailed},
		{"GET", "/blob/nope", fault.CodeCommonForbidden}, {"POST", "/blob/nope", fault.CodeCommonNotFound},
	} {
		a := w.call(c.method, c.path, nil, nil)
		entry, _ := fault.Lookup(c.want)
		if a.status != entry.Status || c.method != "HEAD" && a.code != c.want {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, a.status, a.body, c.want)
		}
		if strings.Contains(string(a.body), "secret detail") {
			t.Errorf("%s %s shows: %s", c.method, c.path, a.body)
		}
	}
	for _, id := range []string{"x", known + "0", "0190a0e6-0000-7000-8000-00000000dead", "%00", "%ff%fe", "..%2f..%2fetc", "{" + known + "}", strings.ReplaceAll(known, "-", ""), "urn:uuid:" + known, strings.Repeat("a", 5000)} {
		for _, path := range []string{"/v1/transactions/%s", "/v1/ws/transactions/%s"} {
			if a := w.call("GET", fmt.Sprintf(path, id), nil, nil); a.code != fault.CodeTransactionNotFound {
				t.Errorf(path+": %s", id, a.body)
			}
		}
	}
	// Invalid handshakes, each wrong in one part.
	for name, head := range map[string]map[string]string{
		"no version":  {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
		"old version": {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "8"},
		"no key":      {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
		"bad key":     {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"},
	} {
		if a := w.call("GET", "/v1/ws/transactions/"+known, head, nil); a.rules() != "upgrade websocket" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	log := w.logged.String()
	if !strings.Contains(log, "secret detail") || !strings.Contains(log, "stack=") {
		t.Error("the panic is not logged")
	}
	if strings.Contains(log, known) {
		t.Error("the log holds a transaction's id, which is a capability")
	}
	for _, method := range []string{"GET", "HEAD"} {
		if a := w.call(method, "/healthz", nil, nil); a.status != 200 {
			t.Errorf("%s /healthz: %d", method, a.status)
		}
	}
	for _, accept := range []string{"image/png", "json", "application/cbor", "*/*", "application/json;q=0"} {
		if a := w.call("GET", "/v1/stats", map[string]string{"Accept": accept}, nil); a.status != 200 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept %s: %d %s", accept, a.status, a.header.Get("Content-Type"))
		}
	}
}

// proxy is between this process and Postgres, and can be cut.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func newProxy(t *testing.T, url string) (*proxy, string) {
	t.Helper()
	before, socketDir, _ := strings.Cut(url, "host=")
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", filepath.Join(socketDir, ".s.PGSQL.5432"))
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	t.Cleanup(p.cut)
	return p, before + "host=" + dir
}

func (p *proxy) cut() {
	p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}

// The database becomes unavailable under a running server.
func TestDatabaseUnavailable(t *testing.T) {
	p, url := newProxy(t, storetest.PostgresURL(t))
	db := storetest.Open(t, url)
	w := newWorld(t, db, options{})
	b := w.mint(nil)
	id := w.registered("Away")
	p.cut()
	for range 2 { // with broken connections, and with connections that cannot be made
		for name, c := range map[string]struct {
			got  answer
			want fault.Code
		}{
			"health":      {w.call("GET", "/healthz", nil, nil), fault.CodeCommonServiceUnavailable},
			"stats":       {w.call("GET", "/v1/stats", nil, nil), fault.CodeCommonServiceUnavailable},
			"transaction": {w.call("GET", "/v1/transactions/"+id, nil, nil), fault.CodeTransactionStoreUnavailable},
			"init":        {b.post("/v1/works/init", work("x", nil)), fault.CodeCommonAuthBackendUnavailable},
			"mint":        {w.tryMint(nil), fault.CodeCommonServiceUnavailable},
		} {
			if c.got.code != c.want {
				t.Errorf("%s: %d %s, want %s", name, c.got.status, c.got.body, c.want)
			}
		}
		w.reportedInStream(id, fault.CodeTransactionStoreUnavailable)
	}
}

// drip sends a request head and one byte of its body, and reads the answer.
func (w *world) drip(head string) (answer, net.Conn) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	w.t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n"))
	w.must(err)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "POST", URL: must(http.NewRequest("POST", w.url+"/drip", nil)).URL})
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	return w.answer(res), conn
}

// A body that never ends is answered and its connection closed, on every route and for every
// client.
func TestNeverEndingBody(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{bodyTimeout: 200 * time.Millisecond})
	b := w.mint(nil)
	auth := "Authorization: Bearer " + b.token + "\nX-Site-Key: " + b.keys.SiteKey + "\n"
	for name, c := range map[string]struct {
		head string
		want fault.Code
		rule string
	}{
		"mint":          {"POST /v1/sessions HTTP/1.1\nHost: x\nContent-Length: 100\n\n{", fault.CodeCommonValidationFailed, "body timeout"},
		"init":          {"POST /v1/works/init HTTP/1.1\nHost: x\n" + auth + "Transfer-Encoding: chunked\n\n1\n{\n", fault.CodeCommonValidationFailed, "body timeout"},
		"no caller":     {"POST /v1/works/init HTTP/1.1\nHost: x\nContent-Length: 100\n\n{", fault.CodeCommonAuthMissingToken, ""},
		"unknown route": {"POST /nope HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\n{\n", fault.CodeCommonNotFound, ""},
		"on a GET":      {"GET /v1/stats?network=x HTTP/1.1\nHost: x\nContent-Length: 100\n\n{", fault.CodeCommonValidationFailed, "network one_of"},
		"bad chunks":    {"POST /v1/works/init HTTP/1.1\nHost: x\n" + auth + "Transfer-Encoding: chunked\n\nzz\n", fault.CodeCommonValidationFailed, "body incomplete"},
	} {
		a, conn := w.drip(c.head)
		if a.code != c.want || a.rules() != c.rule {
			t.Errorf("%s: %s", name, a.body)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && !isReset(err) {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
	}
	if b.spent() {
		t.Error("the session is spent")
	}
	// A complete body leaves the connection unchanged, also when the next request comes
	// later than the body timeout.
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	defer conn.Close()
	r := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprintf(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		res, err := http.ReadResponse(r, must(http.NewRequest("POST", w.url+"/again", nil)))
		w.must(err)
		if a := w.answer(res); a.code != fault.CodeCommonAuthInvalidAPIKey {
			t.Errorf("%s", a.body)
		}
		<-time.After(300 * time.Millisecond) // longer than the body timeout: this wait is what is tested
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// Every page can read the answers of the routes for browsers, refusals and preflights
// included. The list of origins decides whether a call is accepted.
func TestCORS(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	readable := func(what, origin string, a answer) {
		t.Helper()
		h := a.header
		if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Expose-Headers") != "Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id" ||
			!slices.Contains(h.Values("Vary"), "Origin") || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s from %s: %d %v", what, origin, a.status, h)
		}
	}
	preflight := func(path, origin string) answer {
		return w.call("OPTIONS", path, map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-site-key"}, nil)
	}
	b := w.mint(nil)
	head := b.head()
	for _, origin := range []string{site, "https://elsewhere.example", "null", "http://songs.example", "https://songs.example:444"} {
		for _, path := range []string{"/v1/works/init", "/v1/works/prepare", "/v1/works/1", "/v1/access/x/work", "/v1/stats", "/v1/transactions/x", "/v1/nope"} {
			a := preflight(path, origin)
			readable("preflight of "+path, origin, a)
			if a.status != 200 || len(a.body) == 0 {
				t.Errorf("preflight of %s: %d", path, a.status)
			}
			for _, name := range []string{"Authorization", "Content-Type", "X-Site-Key"} {
				if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
					t.Errorf("%s does not allow %s", path, name)
				}
			}
		}
		head["Origin"] = origin
		want := fault.CodeSessionOriginNotAllowed
		if origin == site {
			want = fault.CodeCommonValidationFailed
		}
		a := w.call("POST", "/v1/works/init", head, strings.NewReader("{}"))
		readable("init", origin, a)
		if a.code != want {
			t.Errorf("init from %s: %s, want %s", origin, a.body, want)
		}
		readable("no token", origin, w.call("POST", "/v1/works/init", map[string]string{"Origin": origin}, nil))
		readable("no route", origin, w.call("GET", "/v1/nope", map[string]string{"Origin": origin}, nil))
		readable("success", origin, w.call("GET", "/v1/stats", map[string]string{"Origin": origin}, nil))
	}
	if a := w.call("GET", "/v1/stats", nil, nil); a.header.Get("Access-Control-Allow-Origin") != "" || !slices.Contains(a.header.Values("Vary"), "Origin") {
		t.Errorf("no origin: %v", a.header)
	}
	// No page can mint: neither the preflight nor the answer is readable.
	if a := preflight("/v1/sessions", site); a.code != fault.CodeCommonNotFound || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of a mint: %d %v", a.status, a.header)
	}
	if a := w.tryMint(nil); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("mint: %v", a.header)
	}
	// Changes of the list take effect at once, in both directions.
	const late = "https://late.example"
	head["Origin"] = late
	try := func() fault.Code { return w.call("POST", "/v1/works/init", head, strings.NewReader("{}")).code }
	if code := try(); code != fault.CodeSessionOriginNotAllowed {
		t.Errorf("too early: %s", code)
	}
	_, err := account.AddOrigin(t.Context(), w.db, audit.CommandLine(), w.org, late)
	w.must(err)
	if code := try(); code != fault.CodeCommonValidationFailed {
		t.Errorf("added: %s", code)
	}
	w.must(account.RemoveOrigin(t.Context(), w.db, audit.CommandLine(), w.org, late))
	if code := try(); code != fault.CodeSessionOriginNotAllowed {
		t.Errorf("removed: %s", code)
	}
}

// Cookies are never read or set: a browser may send any, and only its token identifies the
// caller.
func TestNoCookieCounts(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.work()
	id := w.registered("Open")
	w.done(id)
	good := w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada"})
	for _, path := range []string{"/v1/works", "/v1/works/1", "/v1/access/" + strings.Repeat("x", 68) + "/work", "/v1/stats", "/v1/transactions/" + id, "/v1/nope"} {
		for _, head := range []map[string]string{good.head(), {"Origin": site}} {
			plain := w.call("GET", path, head, nil)
			head["Cookie"] = "token=" + good.token + "; Authorization=Bearer " + good.token + "; session=" + good.token + "; __Host-timbre=1"
			a := w.call("GET", path, head, nil)
			if a.status != plain.status || a.code != plain.code {
				t.Errorf("%s: %d %s with cookies, %d %s without", path, a.status, a.code, plain.status, plain.code)
			}
			if a.header.Get("Set-Cookie") != "" || slices.Contains(a.header.Values("Vary"), "Cookie") {
				t.Errorf("%s: %v", path, a.header)
			}
		}
	}
	files, err := filepath.Glob("*.go")
	w.must(err)
	for _, f := range files {
		if b, err := os.ReadFile(f); err != nil || !strings.HasSuffix(f, "_test.go") && regexp.MustCompile(`\.Cookies?\(|"Cookie"|CookiesNamed|SetCookie`).Match(b) {
			t.Errorf("%s reads cookies (%v)", f, err)
		}
	}
}

func TestKeysArePublished(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	a := w.call("GET", "/.well-known/jwks.json", nil, nil)
	var set struct{ Keys []map[string]string }
	a.into(&set)
	if a.status != 200 || len(set.Keys) != 4 || set.Keys[0]["kty"] != "OKP" || strings.Contains(string(a.body), `"d"`) {
		t.Errorf("%s", a.body)
	}
}

func TestOpenAPI(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	missing, err := w.web.Undescribed()
	if w.must(err); len(missing) > 0 {
		t.Errorf("descriptions are missing:\n%s", strings.Join(missing, "\n"))
	}
	a := w.call("GET", "/openapi.json", nil, nil)
	if v1 := w.call("GET", "/v1/openapi.json", nil, nil); string(v1.body) != string(a.body) {
		t.Error("the two addresses of the description differ")
	}
	var doc struct {
		OpenAPI string
		Info    map[string]any
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]any
			Parameters  []struct{ Name, In string }
		}
		Components map[string]map[string]any
	}
	a.into(&doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Info["title"] != "Timbre" || doc.Info["version"] != "test" {
		t.Errorf("%s %v", doc.OpenAPI, doc.Info)
	}
	// Every route is documented, except those of the document itself and those mounted
	// beside the API.
	ids := map[string]bool{}
	routes := 0
	w.must(chi.Walk(w.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(route, "/blob") || strings.HasPrefix(route, "/rehearsal/") {
			return nil
		}
		routes++
		o, ok := doc.Paths[route][strings.ToLower(method)]
		if !ok {
			t.Errorf("%s %s is not in the document", method, route)
			return nil
		}
		if o.OperationID == "" || ids[o.OperationID] || len(o.Responses) == 0 {
			t.Errorf("%s %s: operation %q, %d responses", method, route, o.OperationID, len(o.Responses))
		}
		ids[o.OperationID] = true
		for part := range strings.SplitSeq(route, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok && !slices.ContainsFunc(o.Parameters, func(p struct{ Name, In string }) bool { return p.In == "path" && p.Name+"}" == name }) {
				t.Errorf("%s %s: %s is not described", method, route, part)
			}
		}
		return nil
	}))
	listed := 0
	for _, p := range doc.Paths {
		listed += len(p)
	}
	if routes < 12 || listed != routes {
		t.Errorf("%d routes, %d listed", routes, listed)
	}
	// Every reference can be resolved, and the error body is the envelope.
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				kind, name, ok := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
				if !ok || doc.Components[kind][name] == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var all any
	a.into(&all)
	walk(all)
}

// The log line of a refusal says why, and contains nothing that the client sent.
func TestRefusalsAreLoggedWithTheirReason(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.work()
	b := w.mint(nil)
	b.init("Begun", nil)
	value := "atc_" + strings.Repeat("5ec2e7", 11)[:64]
	for what, c := range map[string]struct {
		do   func() answer
		want string
	}{
		"spent":  {func() answer { return b.post("/v1/works/init", work("Another", nil)) }, "code=session.invalid_token reason=spent"},
		"action": {func() answer { return b.read("/v1/access/" + value + "/work") }, "code=session.invalid_token reason=action"},
		"no ref": {func() answer { return b.read("/v1/works") }, "code=common.forbidden reason=no_external_user_ref"},
		"no token": {func() answer {
			return w.call("GET", "/v1/works", map[string]string{"Authorization": "Bearer " + value}, nil)
		}, "code=common.auth.invalid_token reason=malformed"},
		"route":  {func() answer { return w.call("GET", "/v1/"+value, nil, nil) }, "code=common.not_found reason=route"},
		"method": {func() answer { return w.call("DELETE", "/v1/stats", nil, nil) }, "code=common.not_found reason=method"},
		"origin": {func() answer {
			head := w.mint(nil).head()
			head["Origin"] = "https://" + strings.ToLower(value[4:40]) + ".example"
			return w.call("POST", "/v1/works/init", head, strings.NewReader("{}"))
		}, "code=session.origin_not_allowed reason=not_listed"},
		"fields": {func() answer {
			return w.mint(nil).post("/v1/works/init", work(value+"\u202e", map[string]any{"creators": []any{map[string]any{"email": value}}}))
		}, `code=common.validation_failed fields="title direction_mark, creators[0].full_name required, creators[0].email email, creators[0].roles required"`},
		"members": {func() answer { return w.tryMint(map[string]any{value: value, "external_user_id": value}) }, `code=common.validation_failed fields="`},
		"secret":  {func() answer { return w.tryMint(map[string]any{"secret_key": value}) }, "code=common.auth.invalid_api_key reason=secret_key_malformed"},
	} {
		before := len(w.logged.String())
		a := c.do()
		log := w.logged.String()[before:]
		if a.code == "" || !strings.Contains(log, c.want) || strings.Contains(strings.ToLower(log), value[4:40]) {
			t.Errorf("%s: %s logs %s", what, a.body, log)
		}
		if what == "members" && !(strings.Contains(log, "external_user_ref unknown_member") && strings.Count(log, "unknown_member") == 2) {
			t.Errorf("members: %s", log)
		}
	}
}
