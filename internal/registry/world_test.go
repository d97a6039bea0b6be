package registry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"timbre.example/internal/access"
	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/credits"
	"timbre.example/internal/events"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/issuing"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/works"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// world is a registry in real surroundings, except for the network and the clock.
type world struct {
	t        tester
	url      string
	dir      string // of the files
	db       *store.DB
	blobs    *flaky
	net      *networktest.Fake
	reg      *Registry
	sessions *session.Service
	org      string
	keys     account.KeyPair

	metrics *metrics.Metrics
	logged  lines // of the events

	stamp func(context.Context, [32]byte) ([]byte, error)                  // nil: no authority
	raise func(context.Context, []byte) ([]byte, certificate.Level, error) // nil: not signed

	mu     sync.Mutex
	offset time.Duration
}

// tester is the common part of a test and one run of a property.
type tester interface {
	rapid.TB
	Context() context.Context
	Cleanup(func())
}

const origin = "https://songs.example"

// plenty is more credits than any test spends.
const plenty = 1_000_000

// onBoth runs f once on each database.
func onBoth(t *testing.T, f func(t *testing.T, w *world)) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			w := newWorld(t, u, storetest.Open(t, u), t.TempDir(), plenty)
			f(t, w)
			w.settle()
		})
	}
}

// newWorld makes a world around the database at url, with its files in dir and one
// organization.
func newWorld(t tester, url string, db *store.DB, dir string, granted int64) *world {
	t.Helper()
	w := &world{t: t, url: url, dir: dir, db: db, net: networktest.New(network.Testnet), metrics: metrics.New("test", "testnet")}
	w.db.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.offset)
	}
	var disk *blob.Disk
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { disk.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	disk, err := blob.NewDisk(dir, server.URL+"/blob", make([]byte, 32), blob.Options{Now: w.db.Now, Admit: w.uploading, Land: w.uploaded, RenderError: func(rw http.ResponseWriter, _ *http.Request, err error) {
		http.Error(rw, err.Error(), http.StatusTeapot)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	w.blobs = &flaky{Store: disk}
	tokens, err := session.NewTokens(make([]byte, 32), "http://timbre.example", w.db.Now)
	if err != nil {
		t.Fatal(err)
	}
	w.sessions = &session.Service{DB: w.db, Tokens: tokens, MaxFileSize: 1 << 20, Lifetime: session.DefaultLifetime, MinimumCredits: func(session.Action, network.Name) int64 { return 0 }}
	w.reg = w.another(w.db)
	w.org, w.keys = w.organization(granted)
	return w
}

func (w *world) uploading(ctx context.Context, key string) (blob.Owner, error) {
	return w.reg.Intake.Uploading(ctx, key)
}

func (w *world) uploaded(ctx context.Context, key string, size int64) error {
	return w.reg.Intake.Uploaded(ctx, key, size)
}

// another is a registry on the same rows: a second instance, or the same one after a
// restart.
func (w *world) another(db *store.DB) *Registry { return New(w.config(db)) }

func (w *world) config(db *store.DB) Config {
	return Config{
		DB: db, Blobs: w.blobs, Networks: network.Set{network.Testnet: w.net},
		Prices: map[network.Name]credits.Prices{network.Testnet: credits.MainnetPrices()},
		WorkURL: func(n network.Name, atsID int64) string {
			return fmt.Sprintf("%s/w/%s/%d", "http://timbre.example", n, atsID)
		},
		ExplorerURL: func(n network.Name, hash string) string { return "http://timbre.example/" + string(n) + "/" + hash },
		Certify: func(_ context.Context, c issuing.Issue) ([]byte, error) {
			if report, err := evidence.Verify(c.Evidence, evidence.Options{}); err != nil || !report.OK() || len(c.Creators) == 0 {
				w.t.Errorf("a certificate of %+v: %+v, %v", c, report, err)
			}
			return fmt.Appendf(nil, "certificate of %s, version %d", c.Title, c.Version), nil
		},
		Stamp:        w.stamp,
		Raise:        w.raise,
		AccessSecret: []byte("secret"), Times: DefaultTimes(), Prepares: 4, Log: slog.New(slog.DiscardHandler),
		Events: events.New(slog.New(slog.NewTextHandler(&w.logged, nil)), w.metrics, nil),
	}
}

func (w *world) organization(granted int64) (string, account.KeyPair) {
	w.t.Helper()
	ctx := w.t.Context()
	org, err := account.CreateOrganization(ctx, w.db, audit.CommandLine(), "Songs")
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := account.CreateKeys(ctx, w.db, audit.CommandLine(), org.ID, "", false)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := account.AddOrigin(ctx, w.db, audit.CommandLine(), org.ID, origin); err != nil {
		w.t.Fatal(err)
	}
	if granted > 0 {
		w.grant(org.ID, granted)
	}
	return org.ID, keys
}

func (w *world) grant(org string, amount int64) {
	w.t.Helper()
	if err := w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		return credits.Grant(w.t.Context(), tx, audit.CommandLine(), org, amount, "test")
	}); err != nil {
		w.t.Fatal(err)
	}
}

// pass moves the clock forward.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

// stop stops the clock, for a test whose waits are shorter than a slow machine may take
// between two lines. Only pass moves the clock afterwards.
func (w *world) stop() {
	began, at := w.db.Now(), w.offset
	w.db.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return began.Add(w.offset - at)
	}
}

// settle takes everything to its end, and checks the invariants.
func (w *world) settle() {
	w.t.Helper()
	w.net.Heal()
	w.net.Release()
	w.blobs.fail(nil)
	w.advance()
	w.check(false)
}

func (w *world) check(inFlight bool) {
	w.t.Helper()
	wrong, err := registrytest.Problems(w.t.Context(), registrytest.World{DatabaseURL: w.url, Blobs: w.blobs, Anchored: w.net.Anchored(), InFlight: inFlight})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, text := range append(wrong, w.net.Violations()...) {
		w.t.Error("invariant: " + text)
	}
}

// advance does what the worker does when it is woken.
func (w *world) advance() {
	w.t.Helper()
	if err := w.reg.Anchoring.Advance(w.t.Context(), w.net); err != nil {
		w.t.Fatal(err)
	}
}

// caller mints a session for an end-user ("" for none) and presents it.
func (w *world) caller(ref string) session.Caller {
	w.t.Helper()
	return w.callerOf(w.keys, ref)
}

func (w *world) callerOf(keys account.KeyPair, ref string) session.Caller {
	w.t.Helper()
	return w.callerFor(session.Register, keys, ref)
}

func (w *world) callerFor(action session.Action, keys account.KeyPair, ref string) session.Caller {
	w.t.Helper()
	m := session.MintRequest{Action: action, Network: network.Testnet}
	if ref != "" {
		m.ExternalUserRef = &ref
	}
	backend, err := w.sessions.Minter(w.t.Context(), keys.SecretKey, origin)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.sessions.Mint(w.t.Context(), backend, m)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.sessions.Authorize(w.t.Context(), "Bearer "+token, keys.SiteKey, origin)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// holder mints a session for an update, and unlocks the work with the access code.
func (w *world) holder(code string) access.Editor {
	w.t.Helper()
	e, err := w.reg.Access.EditorByCode(w.t.Context(), w.callerFor(session.UpdateVersion, w.keys, ""), code, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// updating begins an update; seed -1 keeps the recording.
func (w *world) updating(code string, seed int, names ...string) *song {
	w.t.Helper()
	s := &song{w: w, editor: w.holder(code)}
	in := intake.UpdateRequest{NewFile: seed >= 0, Filename: "mix.wav"}
	for _, name := range names {
		in.Creators = append(in.Creators, intake.Creator{FullName: name, Email: "mail@songs.example", Roles: []commitment.Role{commitment.Arranger}})
	}
	var err error
	if s.slot, err = w.reg.Intake.InitUpdate(w.t.Context(), s.editor, in); err != nil {
		w.t.Fatal(err)
	}
	if in.NewFile {
		w.put(s.slot.UploadURL, wav(seed))
	}
	return s
}

// registered takes a song to its end and returns its access code.
func (w *world) registered(title string, seed int) (code string) {
	w.t.Helper()
	s := w.quoted(title, seed)
	c, err := s.confirm()
	if err != nil {
		w.t.Fatal(err)
	}
	w.advance()
	s.wantFinal()
	return c.AccessCode
}

func describing(title string) intake.InitRequest {
	return intake.InitRequest{Network: network.Testnet, Description: intake.Description{
		Title: title, Filename: "take.wav",
		Creators: []intake.Creator{{FullName: "Ada Example", Email: "ada@songs.example", Roles: []commitment.Role{commitment.Author, commitment.Composer}}},
	}}
}

// wav is a tenth of a second of sound that differs by seed.
func wav(seed int) []byte {
	const samples = 800
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], 36+2*samples)
	binary.LittleEndian.PutUint32(b[40:], 2*samples)
	for i := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(i*(seed+1)%251+seed))
	}
	return b
}

func (w *world) put(url string, body []byte) {
	w.t.Helper()
	if status, text := w.tryPut(url, body); status != http.StatusOK {
		w.t.Fatalf("PUT: %d %s", status, text)
	}
}

// tryPut uploads, and returns the answer.
func (w *world) tryPut(url string, body []byte) (status int, text string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// song is a registration in progress.
type song struct {
	w      *world
	caller session.Caller // of a registration
	editor access.Editor  // of an update
	slot   intake.Slot
}

// by returns the permission to continue the song's job.
func (s *song) by() access.Maker {
	if s.editor.WorkID() != "" {
		return s.editor
	}
	return continues(s.caller)
}

// continues returns a session's permission to continue the job of a new work. Without that
// permission it is a value that continues nothing.
func continues(c session.Caller) access.Maker {
	r, _ := access.Registering(c, false)
	return r
}

// initAs begins a registration.
func (w *world) initAs(c session.Caller, in intake.InitRequest) (intake.Slot, error) {
	r, err := access.Registering(c, true)
	if err != nil {
		return intake.Slot{}, err
	}
	return w.reg.Intake.Init(w.t.Context(), r, in)
}

// certificate requests a certificate as the session that began its job, or as its end-user.
func (w *world) certificate(ctx context.Context, c session.Caller, workID string, version int64) (works.Download, error) {
	r, err := w.reg.Access.CertificateReader(ctx, c, workID, version, "")
	if err != nil {
		return works.Download{}, err
	}
	return w.reg.Works.Certificate(ctx, r)
}

// recording requests a recording as its end-user.
func (w *world) recording(c session.Caller, workID string, version int64) (works.Download, error) {
	r, err := w.reg.Access.ReaderOfOwnID(w.t.Context(), c, workID)
	if err != nil {
		return works.Download{}, err
	}
	return w.reg.Works.Recording(w.t.Context(), r, version)
}

// ownWorks lists the works of the session's end-user.
func (w *world) ownWorks(c session.Caller, in works.OwnWorksRequest) (works.OwnWorksPage, error) {
	e, err := access.Listing(c)
	if err != nil {
		return works.OwnWorksPage{}, err
	}
	return w.reg.Works.OwnWorks(w.t.Context(), e, in)
}

// begin does init and upload.
func (w *world) begin(title string, seed int) *song {
	w.t.Helper()
	return w.beginAs(w.caller(""), title, seed)
}

func (w *world) beginAs(c session.Caller, title string, seed int) *song {
	w.t.Helper()
	slot, err := w.initAs(c, describing(title))
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(slot.UploadURL, wav(seed))
	return &song{w: w, caller: c, slot: slot}
}

func (s *song) prepare() (intake.Prepared, error) {
	return s.w.reg.Intake.Prepare(s.w.t.Context(), s.by(), s.slot.JobID)
}

func (s *song) confirm() (intake.Confirmed, error) {
	return s.w.reg.Intake.Confirm(s.w.t.Context(), s.by(), s.slot.JobID, "req_"+s.slot.JobID)
}

// quoted does init, upload and prepare.
func (w *world) quoted(title string, seed int) *song {
	w.t.Helper()
	s := w.begin(title, seed)
	if _, err := s.prepare(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// confirmed does every step of a client.
func (w *world) confirmed(title string, seed int) *song {
	w.t.Helper()
	s := w.quoted(title, seed)
	if _, err := s.confirm(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (s *song) view() works.View {
	s.w.t.Helper()
	v, err := s.w.reg.Works.Transaction(s.w.t.Context(), s.slot.JobID)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return v
}

// state returns the state of the transaction's row.
func (s *song) state() string {
	s.w.t.Helper()
	row, err := s.w.db.Read().GetTransaction(s.w.t.Context(), s.slot.JobID)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return string(row.State)
}

func (s *song) wantFinal() {
	s.w.t.Helper()
	if v := s.view(); v.Done == nil || v.Done.Failure != nil {
		s.w.t.Fatalf("transaction %s is %s and not final: %+v", s.slot.JobID, s.state(), v.Done)
	}
}

func (s *song) wantFailed(reason string) {
	s.w.t.Helper()
	v := s.view()
	if v.Done == nil || v.Done.Failure == nil {
		s.w.t.Fatalf("transaction %s is %s and has not failed", s.slot.JobID, s.state())
	}
	f := v.Done.Failure
	if f.Code != fault.CodeTransactionFailed || v.Done.RequestID != "req_"+s.slot.JobID || !contains(f.Details["reason"], reason) {
		s.w.t.Fatalf("failed as %+v, want reason %q and the confirm's request id", f, reason)
	}
}

func contains(v any, part string) bool {
	text, ok := v.(string)
	return ok && bytes.Contains([]byte(text), []byte(part))
}

func (w *world) balance() credits.Balance {
	w.t.Helper()
	b, err := credits.Of(w.t.Context(), w.db.Read(), w.org)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// price is the price of each of the tests' songs: 12 + 70, and 5 percent rounded up.
const price = 87

func wantCode(t rapid.TB, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %s", err, code)
	}
}

// flaky is an object store whose calls a test can make fail.
type flaky struct {
	blob.Store
	mu     sync.Mutex
	before func(op, key string) error
}

// fail sets a function that is called before each Copy, Open and Delete; if it returns an
// error, the call returns that error.
func (f *flaky) fail(before func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func (f *flaky) ask(op, key string) error {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op, key)
}

func (f *flaky) Copy(ctx context.Context, src, dst string, most int64) error {
	if err := f.ask("copy", src); err != nil {
		return err
	}
	return f.Store.Copy(ctx, src, dst, most)
}

func (f *flaky) Put(ctx context.Context, key string, data []byte) error {
	if err := f.ask("put", key); err != nil {
		return err
	}
	if err := f.Store.Put(ctx, key, data); err != nil {
		return err
	}
	return f.ask("put answered", key)
}

func (f *flaky) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if err := f.ask("open", key); err != nil {
		return nil, blob.Info{}, err
	}
	return f.Store.Open(ctx, key)
}

func (f *flaky) Delete(ctx context.Context, key string) error {
	if err := f.ask("delete", key); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key)
}

// exists reports whether the store has a complete object.
func (w *world) exists(key string) bool {
	w.t.Helper()
	r, _, err := w.blobs.Store.Open(w.t.Context(), key)
	if errors.Is(err, blob.ErrNotFound) {
		return false
	} else if err != nil {
		w.t.Fatal(err)
	}
	r.Close()
	return true
}
