package chaos_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/chaos"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

func TestMain(m *testing.M) { harness.Main(m.Run) }

// number reads a number of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// world is what a storm breaks, and how its end is read.
type world struct {
	*testing.T
	run     *chaos.Run
	dir     string
	clocks  []string // the files that move the clocks of the processes
	network string   // the file that makes the network fail

	database  string // without a proxy
	processes []*chaos.Process
	faults    []chaos.Fault
	front     chaos.Front
	receiver  *chaos.Receiver
	// blobs opens the store of uploads.
	blobs func() blob.Store
	// left lists what is stored besides objects, such as parts of uploads.
	left func() []string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{T: t, run: chaos.NewRun(), dir: t.TempDir(), receiver: chaos.NewReceiver(seed)}
	w.network = filepath.Join(w.dir, "network")
	w.faults = append(w.faults, chaos.Network(w.network))
	return w
}

// settings are those of one process. Its clock gets a fault.
func (w *world) settings(name string) []string {
	clock := filepath.Join(w.dir, "clock of "+name)
	w.clocks = append(w.clocks, clock)
	w.faults = append(w.faults, chaos.Clock("clock of "+name, clock, 2*time.Minute))
	const generous = "=100000/1s,burst=100000" // the limits have tests of their own
	return []string{
		"TIMBRE_LIMITS_MINT" + generous, "TIMBRE_LIMITS_SESSION" + generous, "TIMBRE_LIMITS_KEY" + generous, "TIMBRE_LIMITS_ADDRESS" + generous, "TIMBRE_LIMITS_ORGANIZATION" + generous,
		"TIMBRE_WEBHOOKS_ALLOW=127.0.0.0/8", "TIMBRE_PRICES_TESTNET=network=1,base=2,version=1",
		"TIMBRE_CLOCK_AHEAD=" + clock, "TIMBRE_NETWORK_CLOCK_TOLERANCE=72h",
		"TIMBRE_NETWORK_FAULTS=" + w.network, "TIMBRE_NETWORK_REFUSES=4",
	}
}

// manage adds a process with its faults.
func (w *world) manage(name string, s *harness.Server) {
	p := chaos.Manage(w.run, name, s)
	w.Cleanup(p.Close)
	w.processes = append(w.processes, p)
	w.faults = append(w.faults, p.Faults()...)
}

// link adds a proxy with its faults, and returns its address.
func (w *world) link(name, network, target string) string {
	p := faultproxy.New(w.T, network, target)
	w.faults = append(w.faults, chaos.Link(name, p)...)
	return p.Addr
}

// tenants makes two organizations, one of them with few credits, and their keys.
func (w *world) tenants(s *harness.Server) {
	receiver := httptest.NewServer(w.receiver)
	w.Cleanup(receiver.Close)
	for _, name := range []string{"rich", "poor"} {
		s.NewOrganization()
		var key struct{ Token string }
		s.CLI(&key, "apikeys", "create", s.OrganizationID, "--name", "Backend", "--scope", "works:register,works:update,works:read,webhooks:manage", "--json")
		w.front.Tenants = append(w.front.Tenants, chaos.Tenant{ID: s.OrganizationID, Name: name, SiteKey: s.SiteKey, SecretKey: s.SecretKey, APIKey: key.Token})
		body := fmt.Sprintf(`{"url":%q}`, receiver.URL+"/"+s.OrganizationID)
		req, err := http.NewRequestWithContext(w.Context(), "POST", w.front.Mints[0]+"/v1/webhooks", strings.NewReader(body))
		if err != nil {
			w.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key.Token}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode/100 != 2 {
			w.Fatal(res, err)
		}
		res.Body.Close()
	}
	// NewOrganization gave 1,000 to each.
	s.CLI(nil, "credits", "grant", w.front.Tenants[0].ID, "1000000")
	w.faults = append(w.faults, chaos.Fault{Name: "grant", Target: "credits", Do: func(ctx context.Context, _ time.Duration, _ *rand.Rand) error {
		if err := s.Command(ctx, "credits", "grant", w.front.Tenants[1].ID, "300").Run(); err != nil {
			w.run.Count("grant failed") // its database does not answer
		}
		return nil
	}})
}

// The defaults of TIMBRE_CHAOS_SONGS and TIMBRE_CHAOS_PAUSE_MS: the songs, and the mean pause between two faults.
const songs, pause = 500, 600

// rage registers n songs by c clients at once while the storm blows.
func (w *world) rage(seed uint64, n, c int) {
	most := int(number(w.T, "TIMBRE_CHAOS_FAULTS", 1<<31))
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Minute+time.Duration(n)*time.Second)
	defer cancel()
	w.Logf("the world stands after %s", w.run.Since())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * c}}
	weights := 0
	for _, f := range w.faults {
		weights += f.Weight
	}
	for i := range w.faults {
		if w.faults[i].Name == "grant" { // the clients need credits, however many faults there are
			w.faults[i].Weight = max(1, weights/15)
		}
	}
	storm := chaos.NewStorm(w.run, seed, time.Duration(number(w.T, "TIMBRE_CHAOS_PAUSE_MS", pause))*time.Millisecond, w.faults)
	songs := make([]*chaos.Song, n)
	for i := range songs {
		songs[i] = chaos.NewSong(w.run, &w.front, client, seed, i)
	}
	w.Cleanup(func() { w.report(seed, storm, songs) })

	blowing, calm := context.WithCancel(ctx)
	blown := make(chan struct{})
	go func() {
		defer close(blown)
		storm.Blow(blowing, most)
		w.receiver.Mend()
		if err := w.processes[0].Command(ctx, "credits", "grant", w.front.Tenants[1].ID, "1000000").Run(); err != nil {
			w.run.Say("the last grant: %v", err)
		}
	}()
	var next, ended atomic.Int64
	var wg sync.WaitGroup
	for range c {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) || ctx.Err() != nil {
					return
				}
				songs[i].Register(ctx)
				if ended.Add(1) >= int64(n)*19/20 {
					calm()
				}
			}
		})
	}
	wg.Wait()
	calm()
	<-blown
	w.Logf("%d songs after %s", ended.Load(), w.run.Since())
	if ctx.Err() != nil {
		w.run.Say("the clients have not ended in time")
		return
	}
	w.judge(songs)
}

// until waits until ok says yes.
func (w *world) until(what string, ok func() error) bool {
	var err error
	if !harness.Eventually(func() bool { err = ok(); return err == nil }) {
		w.run.Say("%s: %v", what, err)
		return false
	}
	return true
}

// none says whether a query counts nothing.
func (w *world) none(query string) func() error {
	return func() error {
		db, err := registrytest.Open(w.database)
		if err != nil {
			return err
		}
		defer db.Close()
		var n int
		if err := db.QueryRowContext(w.Context(), query).Scan(&n); err != nil || n == 0 {
			return err
		}
		return fmt.Errorf("%d rows", n)
	}
}

// judge waits until nothing is in flight, and compares everything with everything.
func (w *world) judge(songs []*chaos.Song) {
	ctx := w.Context()
	for _, p := range w.processes {
		w.until(p.Name+" runs", func() error {
			res, err := http.Get(p.URL + "/healthz")
			if err == nil {
				res.Body.Close()
			}
			return err
		})
	}
	w.until("transactions in flight", w.none("SELECT COUNT(*) FROM transactions WHERE state NOT IN ('final', 'failed')"))
	db, err := registrytest.Open(w.database)
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	if err := chaos.Answers(ctx, w.run, db, songs); err != nil {
		w.run.Say("comparing the answers: %v", err)
	}
	key, err := chaos.Log(ctx, w.run, w.front.Ats[0]+"/log/testnet", songs)
	if err != nil {
		w.run.Say("reading the log: %v", err)
	}
	// Each delivery that waits for its next attempt is due two hours later.
	w.ahead("2h")
	w.until("versions without a certificate", w.none("SELECT COUNT(*) FROM versions WHERE certificate_key = ''"))
	w.until("deliveries that wait", w.none("SELECT COUNT(*) FROM deliveries"))
	chaos.Certificates(ctx, w.run, harness.Binary(w.T, "crashpoints"), key, w.dir, songs)
	if err := w.receiver.Delivered(ctx, w.run, db, func(organization string) string { return "/" + organization }); err != nil {
		w.run.Say("reading what was delivered: %v", err)
	}
	// Every job that was never confirmed has expired two days later, and its files go.
	w.ahead("50h")
	blobs := w.blobs()
	w.until("invariants", func() error {
		problems, err := registrytest.Problems(ctx, registrytest.World{DatabaseURL: w.database, Blobs: blobs})
		if err == nil && len(problems) > 0 {
			err = fmt.Errorf("%d: %s", len(problems), strings.Join(problems[:min(20, len(problems))], "\n"))
		}
		return err
	})
	w.until("uploads of jobs that have ended", func() error {
		return w.none("SELECT COUNT(*) FROM jobs WHERE state IN ('open', 'prepared')")()
	})
	w.until("what is stored besides objects", func() error {
		if left := w.left(); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	for _, p := range w.processes {
		if at := strings.Index(p.Log(), "panic"); at >= 0 {
			w.run.Say("%s has panicked: %.3000s", p.Name, p.Log()[at:])
		}
	}
}

// ahead moves the clocks of all processes on.
func (w *world) ahead(by string) {
	for _, clock := range w.clocks {
		if err := os.WriteFile(clock, []byte(by), 0o600); err != nil {
			w.Fatal(err)
		}
	}
}

// report prints the summary; after a failure also the schedule and the histories, and the logs
// into a folder that stays.
func (w *world) report(seed uint64, storm *chaos.Storm, songs []*chaos.Song) {
	w.Logf("seed %d (TIMBRE_CHAOS_SEED), %s\n%s", seed, w.run.Since(), w.run.Counts())
	wrong := w.run.Wrong()
	defer w.keep(len(wrong) > 0)
	if len(wrong) == 0 {
		return
	}
	for _, text := range wrong[:min(len(wrong), 50)] {
		w.Error(text)
	}
	w.Errorf("%d promises were broken with the seed %d. The faults:\n%s", len(wrong), seed, storm.Schedule())
	shown := 0
	for _, s := range songs {
		if shown < 10 && slices.ContainsFunc(wrong, func(text string) bool { return strings.Contains(text, fmt.Sprintf(" song %d:", s.Number)) }) {
			shown++
			w.Log(s.History())
		}
	}
}

// keep writes the logs of the processes into a folder that stays: after a failure, or into that of
// TIMBRE_CHAOS_LOGS.
func (w *world) keep(failed bool) {
	dir := os.Getenv("TIMBRE_CHAOS_LOGS")
	if dir == "" && !failed {
		return
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "timbre-chaos-"); err != nil {
			w.Fatal(err)
		}
	}
	for _, p := range w.processes {
		if err := os.WriteFile(filepath.Join(dir, p.Name+".log"), []byte(p.Log()), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	w.Logf("the logs of the processes: %s", dir)
}

// room is the size of a disk in MB: a song with its certificate takes about 100 KB.
func room(t *testing.T) int {
	return 512 + int(number(t, "TIMBRE_CHAOS_SONGS", songs))/8
}

// small mounts a small file system on dir, and returns the fault that fills it. Without the
// permission to mount, nothing is filled.
func (w *world) small(dir string, megabytes int) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		w.Logf("no disk is filled, because no file system can be mounted: %v", err)
		return
	}
	w.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			w.Error(err)
		}
	})
	w.faults = append(w.faults, chaos.Fault{Name: "fill", Target: "disk", Weight: 2, Least: 500 * time.Millisecond, Most: 4 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
		filler, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			return err
		}
		for size := 1 << 20; size > 0; size /= 16 {
			for err = nil; err == nil; {
				_, err = filler.Write(bytes.Repeat([]byte{1}, size))
			}
		}
		chaos.Wait(ctx, d)
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return errors.Join(filler.Close(), os.Remove(filler.Name()))
	}})
}

// seeded returns the seed of the environment, or a random one.
func seeded(t *testing.T) uint64 {
	seed := number(t, "TIMBRE_CHAOS_SEED", rand.Uint64N(1<<32))
	t.Logf("seed %d", seed)
	return seed
}

// One process on SQLite and a disk.
func TestStormOnOneMachine(t *testing.T) {
	t.Parallel()
	seed := seeded(t)
	w := newWorld(t, seed)
	data := filepath.Join(w.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	w.small(data, room(t))
	addr := harness.FreeAddress(t)
	front := "http://" + w.link("clients", "tcp", addr)
	s := harness.Start(t, harness.Options{
		Roles: "organizations,ats,worker", Tags: "crashpoints", Data: data, Addr: addr, Quiet: true, Settings: w.settings("server"),
		Args: []string{"--public-url", front},
	})
	w.database = s.DatabaseURL
	w.front.Ats, w.front.Mints = []string{front}, []string{front}
	w.tenants(s)
	w.manage("server", s)
	w.faults = append(w.faults, w.lock("sqlite", "file:"+strings.TrimPrefix(w.database, "sqlite:"), "BEGIN IMMEDIATE"))
	w.blobs = func() blob.Store {
		disk, err := blob.NewDisk(filepath.Join(data, "blobs"), s.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { disk.Close() })
		return disk
	}
	w.left = func() []string {
		names, err := filepath.Glob(filepath.Join(data, "blobs", "tmp", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	w.rage(seed, int(number(t, "TIMBRE_CHAOS_SONGS", songs))/4, 16)
}

// lock holds a lock of the database for a while.
func (w *world) lock(driver, source, statements string) chaos.Fault {
	return chaos.Fault{Name: "lock", Target: "database", Weight: 2, Least: 300 * time.Millisecond, Most: 3 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
		db, err := sql.Open(driver, source)
		if err != nil {
			return err
		}
		defer db.Close()
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil // it does not answer
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, statements); err != nil {
			return nil // it is busy, or its disk is full
		}
		chaos.Wait(ctx, d)
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // a lost connection has rolled back
		return nil
	}}
}

// Two processes of each kind of load on Postgres and a bucket, with a proxy in each connection.
func TestStormOnManyMachines(t *testing.T) {
	t.Parallel()
	seed := seeded(t)
	w := newWorld(t, seed)
	cluster := storetest.NewCluster(t)
	w.database = cluster.URL(t)
	name := strings.TrimPrefix(strings.Split(w.database, "?")[0], "postgres://postgres@/")
	objects := filepath.Join(w.dir, "objects")
	if err := os.Mkdir(objects, 0o700); err != nil {
		t.Fatal(err)
	}
	w.small(objects, room(t))
	store := s3test.StartIn(t, objects)
	bucket := store.Bucket()
	storeAddr := strings.TrimPrefix(store.URL, "http://")
	uploads := "http://" + w.link("clients to bucket", "tcp", storeAddr)
	data := filepath.Join(w.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	at := map[string]string{"organizations": harness.FreeAddress(t), "ats 1": harness.FreeAddress(t), "ats 2": harness.FreeAddress(t)}
	front := map[string]string{}
	for name, addr := range at {
		front[name] = "http://" + w.link("clients to "+name, "tcp", addr)
	}
	names, started := []string{"organizations", "worker 1", "worker 2", "ats 1", "ats 2"}, map[string]*harness.Server{}
	for _, one := range names {
		role, _, _ := strings.Cut(one, " ")
		o := harness.Options{
			Roles: role, Tags: "crashpoints", Data: data, Addr: at[one], Quiet: true, Settings: append(w.settings(one), store.Env()...),
			DatabaseURL: "postgres://postgres@" + w.link(one+" to database", "unix", cluster.Socket()) + "/" + name + "?sslmode=disable", AdminURL: w.database,
			Args: []string{"--issuer-url", front["organizations"]},
		}
		if role != "organizations" {
			o.Args = append(o.Args, "--public-url", front["ats 1"],
				"--blob-url", "s3://"+bucket+"?"+url.Values{"endpoint": {"http://" + w.link(one+" to bucket", "tcp", storeAddr)}, "public-endpoint": {uploads}}.Encode())
		}
		started[one] = harness.Start(t, o)
	}
	w.front = chaos.Front{Ats: []string{front["ats 1"], front["ats 2"]}, Mints: []string{front["organizations"]}, Bucket: true}
	w.tenants(started["organizations"])
	for _, one := range names {
		w.manage(one, started[one])
	}
	db, err := registrytest.Open(w.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.faults = append(w.faults,
		w.lock("pgx", w.database, "BEGIN; LOCK TABLE jobs, transactions IN ACCESS EXCLUSIVE MODE"),
		chaos.Fault{Name: "crash", Target: "database", Weight: 2, Do: func(context.Context, time.Duration, *rand.Rand) error {
			cluster.Crash(t)
			return nil
		}},
		chaos.Fault{Name: "freeze", Target: "database", Weight: 2, Least: 300 * time.Millisecond, Most: 7 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
			cluster.Freeze(t)
			chaos.Wait(ctx, d)
			cluster.Thaw(t)
			return nil
		}},
		chaos.Fault{Name: "disconnect", Target: "database", Weight: 2, Do: func(ctx context.Context, _ time.Duration, _ *rand.Rand) error {
			if _, err := db.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"); err != nil {
				w.run.Count("disconnect failed")
			}
			return nil
		}},
		chaos.Fault{Name: "kill", Target: "bucket", Weight: 2, Most: 2 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
			store.Stop()
			chaos.Wait(ctx, d)
			store.Restart()
			return nil
		}},
		chaos.Fault{Name: "freeze", Target: "bucket", Weight: 1, Least: 300 * time.Millisecond, Most: 6 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
			store.Freeze()
			chaos.Wait(ctx, d)
			store.Thaw()
			return nil
		}},
	)
	w.blobs = func() blob.Store {
		s, err := blob.NewS3(blob.S3Options{Bucket: bucket, Endpoint: store.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	w.left = func() (names []string) {
		for part := range store.Client().ListIncompleteUploads(t.Context(), bucket, "", true) {
			if part.Err != nil {
				t.Fatal(part.Err)
			}
			names = append(names, part.Key)
		}
		return names
	}
	w.rage(seed, int(number(t, "TIMBRE_CHAOS_SONGS", songs)), 32)
}
