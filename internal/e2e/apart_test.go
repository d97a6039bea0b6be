package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/blob"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

// apart is a server whose roles are processes of their own, with proxies between
// them and their database.
type apart struct {
	t      *testing.T
	direct string // the database, without a proxy

	organizations, ats, worker *harness.Server
	// front is what organizations and ats go through, back the worker alone.
	front, back *faultproxy.Proxy
	// finished is a transaction that has ended, and that nothing follows.
	finished string
}

// Short enough for a test to see the end of it, and far longer than anything takes
// on a machine that has much to do.
const (
	keysMaxAge = 4 * time.Second
	silence    = 5 * time.Second
)

// newApart starts it on the database, with an organization that allows the
// origins.
func newApart(t *testing.T, database string, origins ...string) *apart {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	proxied := func() (*faultproxy.Proxy, string) {
		p := faultproxy.New(t, "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
		return p, "postgres://postgres@" + p.Addr + u.Path + "?sslmode=disable"
	}
	x := &apart{t: t, direct: database}
	const generous = "=100000/1s,burst=100000" // the limits have tests of their own
	o := harness.Options{
		AdminURL: database, Data: t.TempDir(), Roles: "organizations",
		Settings: []string{"TIMBRE_LIMITS_MINT" + generous, "TIMBRE_LIMITS_SESSION" + generous, "TIMBRE_LIMITS_ADDRESS" + generous, "TIMBRE_LIMITS_ORGANIZATION" + generous},
	}
	// Each process has the keys of its role and no others.
	mine := keysByRole(t, o.Data)
	x.front, o.DatabaseURL = proxied()
	o.Args = mine("organizations")
	x.organizations = harness.Start(t, o)
	x.organizations.NewOrganization(origins...)
	// The worker comes first: it alone can begin the log, which is named after ats.
	at := harness.FreeAddress(t)
	front := o.DatabaseURL
	x.back, o.DatabaseURL = proxied()
	o.Roles, o.Args = "worker", append(mine("worker"), "--public-url", "http://"+at, "--network-silence", silence.String())
	x.worker = harness.Start(t, o)
	o.DatabaseURL, o.Addr = front, at
	o.Roles, o.Args = "ats", append(mine("ats"), "--issuer-url", x.organizations.URL, "--jwks-refresh", "200ms", "--jwks-max-age", keysMaxAge.String(), "--network-silence", silence.String())
	x.ats = harness.Start(t, o)
	x.ats.SiteKey, x.ats.SecretKey = x.organizations.SiteKey, x.organizations.SecretKey
	return x
}

// keysByRole splits a secret in the folder as an operator does, and returns the
// flag that names the file of a role. No server has the secret itself.
func keysByRole(t *testing.T, dir string) func(role string) []string {
	t.Helper()
	whole := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(whole, []byte(strings.Repeat("5a", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(role string) []string {
		t.Helper()
		file := filepath.Join(dir, role+".keys")
		cmd := exec.CommandContext(t.Context(), harness.Binary(t, ""), "secret", "derive", "--roles", role, "--secret-file", whole, "--out", file)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return []string{"--secret-file", file}
	}
}

func (x *apart) song(title string, seed int) *harness.Song {
	return &harness.Song{Server: x.ats, Minter: x.organizations, Title: title, Audio: harness.WAV(seed)}
}

// do takes the steps, and fails the test at the first that fails.
func (x *apart) do(steps ...func(context.Context) error) {
	x.t.Helper()
	for i, step := range steps {
		if err := step(x.t.Context()); err != nil {
			x.t.Fatalf("step %d: %v", i, err)
		}
	}
}

// refused says that err is this refusal, a 503 that says when to come back.
func refused(err error, code string) bool {
	var r *harness.Refusal
	if !errors.As(err, &r) || r.Code != code || r.RequestID == "" {
		return false
	}
	// An error inside an accepted stream has no status.
	return r.Status == 0 || r.Status == http.StatusServiceUnavailable && r.RetryAfter > 0
}

// until asks again until the step is refused with the code; "" is until it is not.
// Meanwhile nothing else may come of it but success, or one of the codes also.
func (x *apart) until(code string, step func(context.Context) error, also ...string) {
	x.t.Helper()
	var last error
	if !harness.Eventually(func() bool {
		last = step(x.t.Context())
		if last == nil || refused(last, code) {
			return refused(last, code) || code == ""
		}
		for _, other := range also {
			if refused(last, other) {
				return false
			}
		}
		x.t.Fatalf("on the way to %q: %v", code, last)
		return false
	}) {
		x.t.Fatalf("never came to %q: %v", code, last)
	}
}

// check checks the invariants and the number of works.
func (x *apart) check(works int) {
	x.t.Helper()
	disk, err := blob.NewDisk(filepath.Join(x.ats.Data, "blobs"), x.ats.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		x.t.Fatal(err)
	}
	defer disk.Close()
	registrytest.Check(x.t, registrytest.World{DatabaseURL: x.direct, Blobs: disk})
	db, err := registrytest.Open(x.direct)
	if err != nil {
		x.t.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{"works", "transactions"} {
		var n int
		if err := db.QueryRowContext(x.t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != works {
			x.t.Errorf("%d rows in %s, want %d: %v", n, table, works, err)
		}
	}
}

// route is one call of each kind, and what it is refused with while the database
// is away; "": it succeeds.
type route struct {
	name string
	at   *harness.Server
	call func(context.Context) error
	code string
}

// routes are those of all processes. The song has been confirmed and the other
// prepared.
func (x *apart) routes(confirmed, prepared *harness.Song) []route {
	const (
		session = "common.auth.backend_unavailable"
		store   = "transaction.store_unavailable"
		rest    = "common.service_unavailable"
	)
	get := func(s *harness.Server, path string) func(context.Context) error {
		return func(ctx context.Context) error { return fetch(ctx, s.URL+path) }
	}
	mint := func(ctx context.Context) error { return x.song("Not yet", 0).Mint(ctx) }
	begin := x.song("Not yet", 0)
	begin.Token = prepared.Token
	id := confirmed.TransactionID
	return []route{
		{"mint", x.organizations, mint, rest},
		{"health", x.organizations, get(x.organizations, "/healthz"), rest},
		{"health", x.ats, get(x.ats, "/healthz"), rest},
		{"health", x.worker, get(x.worker, "/healthz"), rest},
		{"stats", x.ats, get(x.ats, "/v1/stats"), rest},
		{"checkpoint", x.ats, get(x.ats, "/log/testnet/checkpoint"), rest},
		{"explorer", x.ats, get(x.ats, "/explorer/testnet"), rest},
		{"init", x.ats, begin.Init, session},
		{"prepare", x.ats, prepared.Prepare, session},
		{"confirm", x.ats, prepared.Confirm, session},
		{"status", x.ats, get(x.ats, "/v1/transactions/"+id), store},
		{"events", x.ats, func(ctx context.Context) error { return events(ctx, x.ats.URL, x.finished) }, store},
		{"socket", x.ats, func(ctx context.Context) error { return socket(ctx, x.ats.URL, x.finished) }, store},
		// A transaction that is followed already is known.
		{"more events", x.ats, func(ctx context.Context) error { return events(ctx, x.ats.URL, id) }, ""},
		{"another socket", x.ats, func(ctx context.Context) error { return socket(ctx, x.ats.URL, id) }, ""},
	}
}

// fetch gets a page as a browser of the origin does. It does not read the body of a
// success.
func fetch(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Origin", "http://localhost:3000")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode < 300 {
		return nil
	}
	var e struct{ Error harness.Refusal }
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
		return fmt.Errorf("%s: %s: %w", url, res.Status, err)
	}
	e.Error.Status = res.StatusCode
	e.Error.RetryAfter, _ = strconv.Atoi(res.Header.Get("Retry-After"))
	return &e.Error
}

// said is what the first frame of a stream says that is more than a greeting: its error, or nil.
func said(frame []byte) (err error, more bool) {
	var f struct {
		Type  string
		Error *harness.Refusal
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err, false
	}
	if f.Error != nil {
		return f.Error, false
	}
	return nil, f.Type == "connected"
}

// socket follows a transaction over a WebSocket, up to the first news.
func socket(ctx context.Context, url, id string) error {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/v1/ws/transactions/"+id, nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if err, more := said(frame); !more {
			return err
		}
	}
}

// events follows a transaction by server-sent events, up to the first news.
func events(ctx context.Context, url, id string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/transactions/"+id+"/events", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for all := (&lines{r: res.Body}); ; {
		line, err := all.next()
		if err != nil {
			return err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err, more := said([]byte(data)); !more {
				return err
			}
		}
	}
}

// follower listens to a transaction, over a WebSocket or server-sent events.
type follower struct {
	name string
	seen chan string // the steps, "error", and "" at the end of the stream
}

// followers follows a transaction at a server in both ways.
func followers(t *testing.T, url, id string) []follower {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*harness.Timeout)
	t.Cleanup(stop)
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/v1/ws/transactions/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	socket, events := follower{"socket", make(chan string, 64)}, follower{"events", make(chan string, 64)}
	go func() {
		defer close(socket.seen)
		for {
			_, b, err := conn.Read(ctx)
			if err != nil {
				return
			}
			var f struct{ Type, Step string }
			json.Unmarshal(b, &f)
			if f.Type != "connected" {
				socket.seen <- f.Type + " " + f.Step
			}
		}
	}()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/transactions/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	go func() {
		defer close(events.seen)
		defer res.Body.Close()
		all := &lines{r: res.Body}
		for {
			line, err := all.next()
			if err != nil {
				return
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var f struct{ Type, Step string }
				json.Unmarshal([]byte(data), &f)
				events.seen <- f.Type + " " + f.Step
			}
		}
	}()
	return []follower{socket, events}
}

// lines reads line by line, as they come.
type lines struct {
	r    io.Reader
	rest string
}

func (l *lines) next() (string, error) {
	for {
		if line, rest, ok := strings.Cut(l.rest, "\n"); ok {
			l.rest = rest
			return line, nil
		}
		buffer := make([]byte, 4096)
		n, err := l.r.Read(buffer)
		if l.rest += string(buffer[:n]); n == 0 && err != nil {
			return "", err
		}
	}
}

// first waits for the first step, and rest for all that follow; the stream must
// not end before the last one, and not fail.
func (f follower) first(t *testing.T) {
	t.Helper()
	select {
	case got := <-f.seen:
		if got != "update validating" {
			t.Fatalf("%s: %q", f.name, got)
		}
	case <-time.After(harness.Timeout):
		t.Fatalf("%s: nothing", f.name)
	}
}

func (f follower) quiet(t *testing.T) {
	t.Helper()
	select {
	case got, open := <-f.seen:
		t.Errorf("%s: %q, open: %t, while nothing happened", f.name, got, open)
	default:
	}
}

func (f follower) rest(t *testing.T) {
	t.Helper()
	limit := time.After(harness.Timeout)
	last := ""
	for {
		select {
		case got, open := <-f.seen:
			if !open {
				if last != "update completed" {
					t.Errorf("%s: ended after %q", f.name, last)
				}
				return
			}
			if last = got; !strings.HasPrefix(got, "update ") {
				t.Errorf("%s: %q", f.name, got)
			}
		case <-limit:
			t.Fatalf("%s: not ended after %q", f.name, last)
		}
	}
}

// TestApart runs each role as its own process, with its own Postgres behind a proxy. It
// stops one after the other: the issuer, the worker, and the database in every possible
// way. Each time every route returns the documented error. When the stopped part is back,
// everything continues without help.
func TestApart(t *testing.T) {
	t.Parallel()
	cluster := storetest.NewCluster(t)
	x := newApart(t, cluster.URL(t))
	works := 0
	t.Run("together", func(t *testing.T) {
		x.t = t
		for _, c := range []struct {
			at      *harness.Server
			path    string
			missing []*harness.Server
		}{
			{x.organizations, "/.well-known/jwks.json", []*harness.Server{x.ats, x.worker}},
			{x.ats, "/v1/stats", []*harness.Server{x.organizations, x.worker}},
			{x.ats, "/log/testnet/checkpoint", []*harness.Server{x.organizations, x.worker}},
			{x.ats, "/explorer/testnet", []*harness.Server{x.organizations, x.worker}},
			{x.ats, "/verify", []*harness.Server{x.organizations, x.worker}},
			{x.ats, "/widget/v1/ats-widget.esm.js", []*harness.Server{x.organizations, x.worker}},
		} {
			if err := fetch(t.Context(), c.at.URL+c.path); err != nil {
				t.Errorf("%s: %v", c.path, err)
			}
			for _, s := range c.missing {
				var r *harness.Refusal
				if err := fetch(t.Context(), s.URL+c.path); !errors.As(err, &r) || r.Code != "common.not_found" || r.RequestID == "" {
					t.Errorf("%s of another role: %v", c.path, err)
				}
			}
		}
		for s, want := range map[*harness.Server]string{x.ats: "work.not_found", x.organizations: "common.not_found", x.worker: "common.not_found"} {
			var r *harness.Refusal
			if err := fetch(t.Context(), s.URL+"/w/testnet/999999"); !errors.As(err, &r) || r.Code != want {
				t.Errorf("the page of a work: %v, want %s", err, want)
			}
		}
		for _, s := range []*harness.Server{x.organizations, x.ats, x.worker} {
			if err := fetch(t.Context(), s.URL+"/healthz"); err != nil {
				t.Error(err)
			}
		}
		for _, wrong := range []*harness.Song{{Server: x.ats, Title: "x"}, {Server: x.worker, Title: "x"}} {
			var r *harness.Refusal
			if err := wrong.Mint(t.Context()); !errors.As(err, &r) || r.Code != "common.not_found" {
				t.Errorf("minted elsewhere: %v", err)
			}
		}
		var r *harness.Refusal
		misled := x.song("Misled", 0)
		misled.Server = x.organizations
		if err := misled.Init(t.Context()); !errors.As(err, &r) || r.Code != "common.not_found" {
			t.Errorf("begun at the organizations: %v", err)
		}
		s := x.song("Apart", 1)
		x.do(s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow)
		if works++; s.Result == nil || !s.Result.Success {
			t.Fatalf("%+v", s.Result)
		}
		x.finished = s.TransactionID
	})

	t.Run("issuer", func(t *testing.T) {
		x.t = t
		s := x.song("Without its issuer", 2)
		x.do(s.Mint, s.Init, s.Put)
		x.organizations.Kill()
		x.do(s.Prepare) // with the keys that are known
		x.until("common.auth.jwks_unavailable", s.Prepare)
		if err := s.Confirm(t.Context()); !refused(err, "common.auth.jwks_unavailable") {
			t.Errorf("confirm: %v", err)
		}
		// Routes without a token still work.
		if err := fetch(t.Context(), x.ats.URL+"/v1/stats"); err != nil {
			t.Error(err)
		}
		x.organizations.Restart()
		x.until("", s.Prepare, "common.auth.jwks_unavailable")
		x.do(s.Confirm, s.Follow)
		works++
	})

	t.Run("worker", func(t *testing.T) {
		x.t = t
		accepted, asked := x.song("Accepted", 3), x.song("Asked", 4)
		x.do(accepted.Mint, accepted.Init, accepted.Put, accepted.Prepare, asked.Mint, asked.Init, asked.Put)
		x.worker.Kill()
		x.until("common.service_unavailable", asked.Prepare)
		x.do(accepted.Confirm) // nothing is lost by accepting it
		all := followers(t, x.ats.URL, accepted.TransactionID)
		for _, f := range all {
			f.first(t)
		}
		x.do(accepted.Status)
		if accepted.Result != nil {
			t.Fatalf("it did not wait: %+v", accepted.Result)
		}
		x.worker.Restart()
		for _, f := range all {
			f.rest(t)
		}
		x.until("", asked.Prepare, "common.service_unavailable")
		x.do(accepted.Follow, asked.Confirm, asked.Follow)
		works += 2
	})

	// Ways in which a database goes and comes back.
	refuse := func(p *faultproxy.Proxy) { p.Refuse(); p.Cut() }
	for i, way := range []struct {
		name     string
		leave    func(*faultproxy.Proxy) // from one of the two
		stop     func()                  // altogether
		start    func()
		patience time.Duration // until a route says so
	}{
		{"database refused", refuse, func() { refuse(x.front) }, x.front.Pass, 10 * time.Second},
		{"database swallowed", (*faultproxy.Proxy).Swallow, x.front.Swallow, x.front.Pass, 20 * time.Second},
		{"database stopped", refuse, func() { cluster.Stop(t) }, func() { cluster.Start(t) }, 10 * time.Second},
	} {
		t.Run(way.name, func(t *testing.T) {
			x.t = t
			followed, prepared := x.song(way.name+", followed", 10*i+10), x.song(way.name+", prepared", 10*i+11)
			x.do(followed.Mint, followed.Init, followed.Put, followed.Prepare, prepared.Mint, prepared.Init, prepared.Put, prepared.Prepare)
			way.leave(x.back) // the worker first, so that something is still to come
			x.do(followed.Confirm)
			all := followers(t, x.ats.URL, followed.TransactionID)
			for _, f := range all {
				f.first(t)
			}
			way.stop()
			var wg sync.WaitGroup
			for _, r := range x.routes(followed, prepared) {
				wg.Go(func() {
					begun := time.Now()
					err := r.call(t.Context())
					if r.name == "stats" && err == nil { // counts that were read before the fault are served for a second
						harness.Eventually(func() bool { err = r.call(t.Context()); return err != nil })
					}
					if took := time.Since(begun); (r.code == "") != (err == nil) || err != nil && !refused(err, r.code) || took > way.patience {
						t.Errorf("%s at %s: %v after %s, want %s", r.name, r.at.URL, err, took, r.code)
					}
				})
			}
			wg.Wait()

			way.start()
			x.until("", followed.Status, "transaction.store_unavailable")
			for _, f := range all {
				f.quiet(t)
			}
			if followed.Result != nil {
				t.Fatalf("it ended without a worker: %+v", followed.Result)
			}
			x.back.Pass()
			for _, f := range all {
				f.rest(t)
			}
			for _, r := range x.routes(followed, prepared) {
				if r.name != "confirm" && r.name != "init" {
					x.until("", r.call, r.code, "common.service_unavailable") // which is also a worker's silence
				}
			}
			x.do(followed.Follow, prepared.Confirm, prepared.Follow)
			works += 2
		})
	}
	x.t = t
	x.check(works)
	for _, s := range []*harness.Server{x.organizations, x.ats, x.worker} {
		s.Stop()
	}
}

// Roles may be apart on one machine's SQLite too.
func TestApartOnSQLite(t *testing.T) {
	t.Parallel()
	o := harness.Options{Data: t.TempDir(), Roles: "organizations"}
	organizations := harness.Start(t, o)
	organizations.NewOrganization()
	o.Roles, o.Args = "ats", []string{"--issuer-url", organizations.URL}
	works := harness.Start(t, o)
	works.SiteKey, works.SecretKey = organizations.SiteKey, organizations.SecretKey
	o.Roles, o.Args = "worker", []string{"--public-url", works.URL}
	worker := harness.Start(t, o)
	song := &harness.Song{Server: works, Minter: organizations, Title: "Apart", Audio: harness.WAV(1)}
	for i, do := range []func(context.Context) error{song.Mint, song.Init, song.Put, song.Prepare, song.Confirm, song.Follow} {
		if err := do(t.Context()); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	checkWork(t, song, 1)
	for _, s := range []*harness.Server{organizations, works, worker} {
		s.Stop()
	}
}
