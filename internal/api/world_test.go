package api_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"timbre.example/internal/account"
	"timbre.example/internal/api"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/issuing"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/openapi/openapitest"
	"timbre.example/internal/registry"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/session"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

// After all tests no goroutine is still running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const site = "https://songs.example"

// world is a server in this process: a real database, a real disk, real logs.
type world struct {
	t        *testing.T
	db       *store.DB
	web      *web.Router
	api      *api.API
	sessions *session.Service
	apikeys  *apikey.Service
	registry *registry.Registry
	url      string
	org      string
	keys     account.KeyPair
	client   *http.Client
	logged   *buffer
	ahead    atomic.Int64 // how far the server's clock is ahead
	stopped  atomic.Int64 // when the clock was stopped, or 0
	stop     func()       // ends progress streams, as a shutdown does
	logs     []*netlog.Log
	work     func() // starts the workers
	requests *requestlog.Log
	blobs    blob.Store
}

// options change a world before it is made.
type options struct {
	networks    func(network.Network) network.Network
	blobs       func(blob.Store) blob.Store
	maxSize     int64
	prepares    int
	limits      limit.Rates
	space       *space.Guard
	followers   int
	proxies     []netip.Prefix
	bodies      web.Bodies
	bodyTimeout time.Duration
	partBytes   int64
	prices      map[network.Name]credits.Prices
}

func newWorld(t *testing.T, db *store.DB, o options) *world {
	t.Helper()
	w := &world{t: t, db: db, logged: &buffer{}}
	db.Now = func() time.Time {
		now := time.Now()
		if at := w.stopped.Load(); at != 0 {
			now = time.UnixMicro(at)
		}
		return now.Add(time.Duration(w.ahead.Load()))
	}
	if o.maxSize == 0 {
		o.maxSize = 64 << 20
	}
	if o.prepares == 0 {
		o.prepares = 4
	}
	if o.followers == 0 {
		o.followers = 1000
	}
	log := slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	w.url = "http://" + server.Listener.Addr().String()
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	disk, err := blob.NewDisk(t.TempDir(), w.url+"/blob", key(1), blob.Options{
		RenderError: web.RenderError, Now: db.Now, DiscardBytes: 1 << 20, Space: o.space,
		Admit: func(ctx context.Context, key string) (blob.Owner, error) {
			return w.registry.Intake.Uploading(ctx, key)
		},
		Land: func(ctx context.Context, key string, size int64) error {
			return w.registry.Intake.Uploaded(ctx, key, size)
		},
		LandPart: func(ctx context.Context, key string, number int, bytes int64) error {
			return w.registry.Intake.UploadedPart(ctx, key, number, bytes)
		},
	})
	w.must(err)
	var blobs blob.Store = disk
	if o.blobs != nil {
		blobs = o.blobs(disk)
	}
	w.blobs = blobs
	networks := map[network.Name]network.Network{}
	for i, name := range []network.Name{network.Testnet, network.Mainnet} {
		l, err := netlog.Open(t.Context(), db, netlog.Config{Network: name, Origin: "songs.example/log/" + string(name), Key: key(byte(2 + i)), BlockTime: time.Millisecond, Silence: 24 * time.Hour, Logger: log, Monotonic: func() time.Duration { return time.Duration(db.Now().UnixNano()) }}) // the tests move the clock
		w.must(err)
		w.logs = append(w.logs, l)
		networks[name] = l
		if o.networks != nil {
			networks[name] = o.networks(l)
		}
	}
	prices := map[network.Name]credits.Prices{network.Testnet: credits.TestnetPrices(), network.Mainnet: credits.MainnetPrices()}
	if o.prices != nil {
		prices = o.prices
	}
	w.registry = registry.New(registry.Config{
		DB: db, Blobs: blobs, Networks: networks, Prices: prices, AccessSecret: key(4), Times: registry.DefaultTimes(), Prepares: o.prepares, PartBytes: o.partBytes, Space: o.space, Log: log,
		WorkURL:     func(n network.Name, atsID int64) string { return fmt.Sprintf("%s/w/%s/%d", w.url, n, atsID) },
		ExplorerURL: func(n network.Name, hash string) string { return w.url + "/explorer/" + string(n) + "/tx/" + hash },
		Certify: func(_ context.Context, c issuing.Issue) ([]byte, error) {
			return fmt.Appendf(nil, "%%PDF of %s, version %d", c.Title, c.Version), nil
		},
	})
	tokens, err := session.NewTokens(key(5), w.url, db.Now)
	w.must(err)
	w.sessions = &session.Service{DB: db, Tokens: tokens, MaxFileSize: o.maxSize, Lifetime: session.DefaultLifetime, MinimumCredits: func(_ session.Action, n network.Name) int64 { return prices[n].Most().Register(1).Total }}
	w.apikeys = &apikey.Service{DB: db, MaxFileSize: o.maxSize, Log: log}
	stop := make(chan struct{})
	w.stop = sync.OnceFunc(func() { close(stop) })
	limits := limit.New(db, o.limits, log)
	w.requests = requestlog.New(db, time.Hour, log)
	w.web = web.New(web.Config{
		Requests:  w.requests,
		PublicURL: w.url, Version: "test", Log: log, Limits: limits, Bodies: o.bodies, BodyTimeout: o.bodyTimeout, Streams: o.followers, TrustedProxies: o.proxies,
		Metrics: metrics.New("test", "testnet", "mainnet"), Ping: db.Ping, Once: &idempotency.Requests{DB: db}, Checks: api.Checks(o.space, w.registry),
	}, stop)
	w.api = api.New(api.Config{Web: w.web, Sessions: w.sessions, Keys: w.apikeys, Registry: w.registry, Limits: limits, SupportedFormats: []string{"WAV"}})
	w.web.Mount("/blob", disk)
	server.Config.Handler = w.web
	server.Start()
	w.client = &http.Client{Transport: checker(t, w.web).Transport(t, &http.Transport{})}

	working, stopWork := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	w.work = sync.OnceFunc(func() {
		for _, f := range []func(context.Context){w.registry.Run, w.logs[0].Run, w.logs[1].Run} {
			wg.Go(func() { f(working) })
		}
	})
	t.Cleanup(func() {
		w.stop()
		w.client.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		stopWork()
		wg.Wait()
		w.registry.Intake.Close()
		disk.Close()
	})

	org, err := account.CreateOrganization(t.Context(), db, audit.CommandLine(), "Songs")
	w.must(err)
	w.org = org.ID
	w.keys, err = account.CreateKeys(t.Context(), db, audit.CommandLine(), w.org, "", false)
	w.must(err)
	_, err = account.AddOrigin(t.Context(), db, audit.CommandLine(), w.org, site)
	w.must(err)
	w.must(db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Grant(t.Context(), tx, audit.CommandLine(), w.org, 1000, "") }))
	return w
}

// checker compares every exchange with the description.
var checker = openapitest.Shared()

// stopClock stops the clock; only changes of ahead move it.
func (w *world) stopClock() { w.stopped.Store(time.Now().UnixMicro()) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// answer is a response that was read completely and that obeys the rules of all responses.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
	code   fault.Code // "" for a success
	fields []fault.Field
	err    fault.Body
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
}

func (a answer) get(name string) string {
	a.t.Helper()
	var m map[string]any
	a.into(&m)
	s, _ := m[name].(string)
	return s
}

// rules returns "field rule" of every refused field.
func (a answer) rules() string {
	var out []string
	for _, f := range a.fields {
		out = append(out, f.Field+" "+f.Rule)
	}
	return strings.Join(out, ", ")
}

func (w *world) answer(res *http.Response) answer {
	w.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", res.Request.Method, res.Request.URL.Path, err)
	}
	a := answer{t: w.t, status: res.StatusCode, header: res.Header, body: body}
	where := res.Request.Method + " " + res.Request.URL.Path
	id := res.Header.Get("X-Request-Id")
	if !strings.HasPrefix(id, "req_") || len(id) != 30 {
		w.t.Errorf("%s: request id %q", where, id)
	}
	if res.StatusCode < 300 {
		if res.Request.Method != "HEAD" && !json.Valid(body) {
			w.t.Errorf("%s: %d with a body that is no JSON: %q", where, res.StatusCode, body)
		}
		return a
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		w.t.Errorf("%s: %d with content type %q", where, res.StatusCode, ct)
	}
	help, linked := strings.CutPrefix(res.Header.Get("Link"), "<"+w.url+"/docs/errors#")
	help, helps := strings.CutSuffix(help, `>; rel="help"`)
	if entry, known := fault.Lookup(fault.Code(help)); !linked || !helps || !known || entry.Status != res.StatusCode {
		w.t.Errorf("%s: %d links to %q", where, res.StatusCode, res.Header.Get("Link"))
	}
	if res.Request.Method == "HEAD" {
		return a
	}
	var e fault.Envelope
	if err := json.Unmarshal(body, &e); err != nil {
		w.t.Fatalf("%s: %d is no envelope: %q", where, res.StatusCode, body)
	}
	entry, ok := fault.Lookup(e.Error.Code)
	if !ok || entry.Status != res.StatusCode {
		w.t.Errorf("%s: %d with code %q", where, res.StatusCode, e.Error.Code)
	}
	if string(e.Error.Code) != help {
		w.t.Errorf("%s: %s links to the help of %s", where, e.Error.Code, help)
	}
	if e.Error.RequestID != id || e.Error.Message == "" {
		w.t.Errorf("%s: request id %q in the body of %s: %s", where, e.Error.RequestID, id, body)
	}
	if (res.StatusCode == 429 || res.StatusCode == 503) && res.Header.Get("Retry-After") == "" && e.Error.Code != fault.CodeCommonQuotaExceeded {
		w.t.Errorf("%s: %d without Retry-After", where, res.StatusCode)
	}
	a.code, a.err = e.Error.Code, e.Error
	var d struct {
		Error struct {
			Details struct{ Fields []fault.Field }
		}
	}
	_ = json.Unmarshal(body, &d)
	a.fields = d.Error.Details.Fields
	if a.code == fault.CodeCommonValidationFailed {
		if len(a.fields) == 0 {
			w.t.Errorf("%s: validation failed without fields: %s", where, body)
		}
		for _, f := range a.fields {
			if f.Field == "" || f.Rule == "" || f.Message == "" {
				w.t.Errorf("%s: field %+v", where, f)
			}
		}
	}
	return a
}

func (w *world) call(method, path string, head map[string]string, body io.Reader) answer {
	w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.url + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, path, body)
	w.must(err)
	for k, v := range head {
		r.Header.Set(k, v)
	}
	res, err := w.client.Do(r)
	w.must(err)
	return w.answer(res)
}

func (w *world) mintBody(change map[string]any) map[string]any {
	b := map[string]any{"secret_key": w.keys.SecretKey, "action_type": "register", "allowed_network": "testnet"}
	maps.Copy(b, change)
	return b
}

func (w *world) tryMint(change map[string]any) answer {
	return w.call("POST", "/v1/sessions", map[string]string{"Content-Type": "application/json", "Origin": site}, asJSON(w.mintBody(change)))
}

func asJSON(v any) io.Reader {
	if s, ok := v.(string); ok {
		return strings.NewReader(s)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return bytes.NewReader(b)
}

// tab is one browser tab with a token.
type tab struct {
	*world
	token string
}

func (w *world) mint(change map[string]any) tab {
	w.t.Helper()
	a := w.tryMint(change)
	if a.code != "" {
		w.t.Fatalf("mint: %s", a.body)
	}
	return tab{w, a.get("token")}
}

func (b tab) head() map[string]string {
	return map[string]string{"Authorization": "Bearer " + b.token, "X-Site-Key": b.keys.SiteKey, "Content-Type": "application/json", "Origin": site}
}

// post calls a browser route; a string is sent unchanged, anything else as JSON.
func (b tab) post(path string, body any) answer {
	b.t.Helper()
	return b.call("POST", path, b.head(), asJSON(body))
}

func creator() map[string]any {
	return map[string]any{"full_name": " Ada Example ", "email": "ada@songs.example", "roles": map[string]bool{"author": true, "composer": true}}
}

func work(title string, change map[string]any) map[string]any {
	w := map[string]any{"title": title, "creators": []any{creator()}, "filename": "song.wav", "network": "testnet"}
	maps.Copy(w, change)
	return w
}

func (b tab) init(title string, change map[string]any) (job, upload string) {
	b.t.Helper()
	a := b.post("/v1/works/init", work(title, change))
	if a.code != "" {
		b.t.Fatalf("init: %s", a.body)
	}
	return a.get("job_id"), a.get("upload_url")
}

func (w *world) put(url string, body []byte) answer {
	w.t.Helper()
	return w.call("PUT", url, map[string]string{"Content-Type": "audio/wav"}, bytes.NewReader(body))
}

func (b tab) prepared(title string, change map[string]any) (job string) {
	b.t.Helper()
	job, url := b.init(title, change)
	if a := b.put(url, wav(title, 4000)); a.code != "" {
		b.t.Fatalf("upload: %s", a.body)
	}
	if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != "" {
		b.t.Fatalf("prepare: %s", a.body)
	}
	return job
}

// registered does every step of a client; the network may not have finished.
func (w *world) registered(title string) (transaction string) {
	w.t.Helper()
	b := w.mint(nil)
	a := b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared(title, nil)})
	if a.code != "" {
		w.t.Fatalf("confirm: %s", a.body)
	}
	return a.get("transaction_id")
}

// done waits for the end of a transaction.
func (w *world) done(id string) works.View {
	w.t.Helper()
	changed := make(chan struct{}, 1)
	stop := w.registry.Works.Progress.Follow(id, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		v, err := w.registry.Works.Transaction(w.t.Context(), id)
		w.must(err)
		if v.Done != nil {
			return v
		}
		select {
		case <-changed:
		case <-limit.C:
			w.t.Fatalf("no end of %s: %+v", id, v.Steps)
		}
	}
}

// spent reports whether the tab's session began a job.
func (b tab) spent() bool {
	b.t.Helper()
	c, err := b.sessions.Tokens.Verify(b.token)
	b.must(err)
	row, err := b.db.Read().GetSession(b.t.Context(), c.ID)
	b.must(err)
	return row.JobID.Valid
}

func (w *world) state(job string) string {
	w.t.Helper()
	row, err := w.db.Read().GetJob(w.t.Context(), job)
	w.must(err)
	return string(row.State)
}

func (w *world) balance() credits.Balance {
	w.t.Helper()
	b, err := credits.Of(w.t.Context(), w.db.Read(), w.org)
	w.must(err)
	return b
}

// wav is 8-bit mono audio that differs by seed.
func wav(seed string, samples int) []byte {
	data := make([]byte, samples)
	for i := range data {
		data[i] = seed[i%len(seed)]
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+samples))
	b.WriteString("WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(8000), uint32(8000), uint16(1), uint16(8)} {
		binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(samples))
	b.Write(data)
	return b.Bytes()
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// failing is a network that accepts every transaction and then fails it.
type failing struct{ network.Network }

func (f failing) Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Receipt, error) {
	out := map[[32]byte]network.Receipt{}
	for _, h := range hashes {
		out[h] = network.Receipt{Failure: "the chain said no"}
	}
	return out, nil
}

var errAway = errors.New("the store is away")
