package chaos_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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
	"timbre.example/internal/e2e/chaos"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
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
	clock   string // the file that moves the clocks of all processes
	network string // the file that makes the network fail

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
	w.clock, w.network = filepath.Join(w.dir, "clock"), filepath.Join(w.dir, "network")
	w.faults = append(w.faults, chaos.Network(w.network))
	return w
}

// settings are those of each process; clock is the file of its clock.
func (w *world) settings(clock string) []string {
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
		req, err := http.NewRequestWithContext(w.Context(), "POST", w.front.Ats[0]+"/v1/webhooks", strings.NewReader(body))
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
	w.faults = append(w.faults, chaos.Fault{Name: "grant", Target: "credits", Weight: 1, Do: func(ctx context.Context, _ time.Duration, _ *rand.Rand) error {
		if err := s.Command(ctx, "credits", "grant", w.front.Tenants[1].ID, "300").Run(); err != nil {
			w.run.Count("grant failed") // its database does not answer
		}
		return nil
	}})
}

// rage registers n songs by c clients at once while the storm blows.
func (w *world) rage(seed uint64, n, c, most int, pause time.Duration) {
	ctx, cancel := context.WithTimeout(w.Context(), 4*time.Minute+time.Duration(n)*500*time.Millisecond)
	defer cancel()
	w.Logf("the world stands after %s", w.run.Since())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * c}}
	storm := chaos.NewStorm(w.run, seed, pause, w.faults)
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
	if err := chaos.Told(ctx, w.run, db, songs); err != nil {
		w.run.Say("reading what was told: %v", err)
	}
	key, err := chaos.Log(ctx, w.run, w.front.Ats[0]+"/log/testnet", songs)
	if err != nil {
		w.run.Say("reading the log: %v", err)
	}
	// Whatever waits for its next attempt is due two hours later.
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
	if err := os.WriteFile(w.clock, []byte(by), 0o600); err != nil {
		w.Fatal(err)
	}
}

// report prints the summary; after a failure also the schedule and the histories, and the logs
// into a folder that stays.
func (w *world) report(seed uint64, storm *chaos.Storm, songs []*chaos.Song) {
	w.Logf("seed %d (TIMBRE_CHAOS_SEED), %s\n%s", seed, w.run.Since(), w.run.Counts())
	wrong := w.run.Wrong()
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
	dir, err := os.MkdirTemp("", "timbre-chaos-")
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range w.processes {
		if err := os.WriteFile(filepath.Join(dir, p.Name+".log"), []byte(p.Log()), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	w.Logf("the logs of the processes: %s", dir)
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
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
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
	w.small(data, 512)
	addr := harness.FreeAddress(t)
	front := "http://" + w.link("clients", "tcp", addr)
	s := harness.Start(t, harness.Options{
		Roles: "organizations,ats,worker", Tags: "crashpoints", Data: data, Addr: addr, Quiet: true, Settings: w.settings(w.clock),
		Args: []string{"--public-url", front},
	})
	w.database = s.DatabaseURL
	w.front.Ats, w.front.Mints = []string{front}, []string{front}
	w.tenants(s)
	w.manage("server", s)
	w.faults = append(w.faults, chaos.Clock("clock", w.clock, 2*time.Minute), w.lock())
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
	n := int(number(t, "TIMBRE_CHAOS_SONGS", 500)) / 2
	w.rage(seed, n, 8, int(number(t, "TIMBRE_CHAOS_FAULTS", 1<<31)), time.Duration(cmp.Or(number(t, "TIMBRE_CHAOS_PAUSE_MS", 0), 600))*time.Millisecond)
}

// lock keeps all writers of the database waiting.
func (w *world) lock() chaos.Fault {
	return chaos.Fault{Name: "lock", Target: "database", Weight: 1, Least: 300 * time.Millisecond, Most: 3 * time.Second, Do: func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(w.database, "sqlite:"))
		if err != nil {
			return err
		}
		defer db.Close()
		conn, err := db.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return nil // the disk is full, or the database is busy
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		_, err = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}}
}
