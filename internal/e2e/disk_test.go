package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"timbre.example/internal/blob"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/space"
)

// smallDisk is a server on a disk of diskSize bytes.
type smallDisk struct {
	*harness.Server
	t     *testing.T
	dir   string
	clock string
	// mounted: the disk is real, and can be filled to its last byte.
	mounted bool
	counted map[string]int // how uploads and inits were answered
	mu      sync.Mutex
}

const diskSize = 96 << 20

// mount mounts a small file system on dir. The error says why it cannot.
func mount(t *testing.T, dir string) error {
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", diskSize))
	if err == nil {
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	return err
}

func onSmallDisk(t *testing.T, databaseURL string) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir(), clock: filepath.Join(t.TempDir(), "ahead"), counted: map[string]int{}}
	o := harness.Options{Roles: "organizations,ats,worker", Tags: "crashpoints", Data: d.dir, DatabaseURL: databaseURL, Settings: []string{"TIMBRE_CLOCK_AHEAD=" + d.clock, "TIMBRE_NETWORK_CLOCK_TOLERANCE=24h"}}
	if err := mount(t, d.dir); err == nil {
		d.mounted = true
	} else {
		// The reserve makes a small disk of a large one.
		u, e := space.Of(d.dir)
		if e != nil {
			t.Skipf("skipped: no file system can be mounted (%v), and this one does not tell its space (%v)", err, e)
		}
		t.Logf("no file system can be mounted (%v): all but %d bytes of the disk are reserved instead", err, diskSize)
		o.Args = append(o.Args, "--reserve-space", fmt.Sprint(max(1, u.Free-diskSize)))
	}
	d.Server = harness.Start(t, o)
	return d
}

// tenant makes an organization, and makes the calls that follow its own.
func (d *smallDisk) tenant() (become func()) {
	d.NewOrganization()
	site, secret := d.SiteKey, d.SecretKey
	return func() { d.SiteKey, d.SecretKey = site, secret }
}

// count counts the answer to a call by its code. It fails the test for an error that is
// not in the catalogue.
func (d *smallDisk) count(what string, err error) string {
	d.t.Helper()
	answer := "taken"
	var r *harness.Refusal
	if errors.As(err, &r) {
		answer = fmt.Sprint(r.Code, " ", r.Details["reason"])
		if r.RetryAfter < 1 || r.RetryAfter > 60 {
			d.t.Errorf("%s: %s with Retry-After %d", what, answer, r.RetryAfter)
		}
	} else if err != nil {
		answer = "no answer"
		d.t.Errorf("%s: %v", what, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counted[what+": "+answer]++
	return answer
}

// attack starts jobs and uploads pieces that are never registered, until uploads are
// refused. It runs three uploads at once to each URL.
func (d *smallDisk) attack(sessions, size int) {
	d.t.Helper()
	var wg sync.WaitGroup
	for i := range sessions {
		song := &harness.Song{Server: d.Server, Title: fmt.Sprint("Junk ", i), Audio: make([]byte, size)}
		if err := song.Mint(d.t.Context()); err != nil {
			d.t.Fatalf("mint: %v", err)
		}
		if d.count("init", song.Init(d.t.Context())) != "taken" {
			continue
		}
		for range 3 {
			wg.Go(func() { d.count("put", song.Put(d.t.Context())) })
		}
	}
	wg.Wait()
}

func (d *smallDisk) free() int64 {
	d.t.Helper()
	u, err := space.Of(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return u.Free
}

// ready is what /readyz says, with the reason for a no.
func (d *smallDisk) ready(query string) (status int, reason any) {
	d.t.Helper()
	res, err := http.Get(d.URL + "/readyz" + query)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Error struct{ Details map[string]any }
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, body.Error.Details["reason"]
}

// ahead moves the server's clock on.
func (d *smallDisk) ahead(by string) {
	d.t.Helper()
	if err := os.WriteFile(d.clock, []byte(by), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *smallDisk) steps(s *harness.Song, steps ...func(context.Context) error) {
	d.t.Helper()
	for i, step := range steps {
		if err := step(d.t.Context()); err != nil {
			d.t.Fatalf("%s, step %d: %v", s.Title, i+1, err)
		}
	}
}

// registers takes a song from its beginning to its end.
func (d *smallDisk) registers(title string, seed int) {
	d.t.Helper()
	s := &harness.Song{Server: d.Server, Title: title, Audio: harness.WAV(seed)}
	d.steps(s, s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow)
	if s.Result == nil || !s.Result.Success {
		d.t.Fatalf("%s: %+v", title, s.Result)
	}
}

func (d *smallDisk) wantUploads(want int) {
	d.t.Helper()
	var left []string
	if !harness.Eventually(func() bool {
		left, _ = filepath.Glob(filepath.Join(d.dir, "blobs", "objects", "uploads", "*"))
		return len(left) <= want
	}) {
		d.t.Errorf("%d uploads are left, want %d", len(left), want)
	}
}

func (d *smallDisk) check() {
	d.t.Helper()
	disk, err := blob.NewDisk(filepath.Join(d.dir, "blobs"), d.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		d.t.Fatal(err)
	}
	defer disk.Close()
	registrytest.Check(d.t, registrytest.World{DatabaseURL: d.DatabaseURL, Blobs: disk})
}

// Visitors of several tenants upload files that are never registered, until the server
// refuses uploads. The database still works, uploaded files can be registered, and the
// space becomes free when the jobs have expired.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		d := onSmallDisk(t, databaseURL(t))
		victim := d.tenant()
		before := &harness.Song{Server: d.Server, Title: "Uploaded before", Audio: harness.WAV(1)}
		d.steps(before, before.Mint, before.Init, before.Put)

		// One tenant's visitors alone leave room for others.
		d.tenant()
		d.attack(40, 4<<20)
		victim()
		d.registers("Beside an attack", 2)
		for _, size := range []int{4 << 20, 4 << 20, 1 << 20, 512 << 10, 512 << 10, 256 << 10, 256 << 10, 256 << 10} {
			if status, _ := d.ready(""); status != http.StatusOK {
				break
			}
			d.tenant()
			d.attack(8, size)
		}
		t.Logf("answers: %v; %d MB of %d are free", d.counted, d.free()>>20, diskSize>>20)
		for _, want := range []string{"put: taken", "put: common.rate_limited uploads_in_flight", "put: common.rate_limited organization_bytes"} {
			if d.counted[want] == 0 {
				t.Errorf("no %q among %v", want, slices.Sorted(maps.Keys(d.counted)))
			}
		}
		if status, reason := d.ready(""); status != http.StatusServiceUnavailable || reason != "storage_full" {
			t.Errorf("/readyz: %d, %v", status, reason)
		}
		for _, query := range []string{"?exclude=storage"} {
			if status, reason := d.ready(query); status != http.StatusOK {
				t.Errorf("/readyz%s: %d, %v", query, status, reason)
			}
		}
		if d.mounted && d.free() < diskSize/10-(2<<20) {
			t.Errorf("%d bytes are free, the reserve is %d", d.free(), diskSize/10)
		}

		// Everything that needs no file goes on.
		victim()
		d.steps(before, before.Prepare, before.Confirm, before.Follow)
		refused := &harness.Song{Server: d.Server, Title: "Too late", Audio: harness.WAV(3)}
		d.steps(refused, refused.Mint)
		if got := d.count("late init", refused.Init(t.Context())); got != "common.service_unavailable storage_full" {
			t.Errorf("init: %s", got)
		}
		d.tenant() // by the command line
		victim()

		// The jobs expire, and everything is as it was.
		d.ahead("3h")
		if !harness.Eventually(func() bool { status, _ := d.ready(""); return status == http.StatusOK }) {
			t.Fatalf("no space came back: %d MB are free", d.free()>>20)
		}
		d.wantUploads(2)
		d.registers("Afterwards", 4)

		if d.mounted {
			d.lastByte(victim)
		}
		d.check()
	})
}

// lastByte fills the disk to its last byte, so that no row can be written. The files
// of jobs that have expired go all the same, and then everything works again.
func (d *smallDisk) lastByte(victim func()) {
	d.t.Helper()
	d.tenant()
	d.attack(6, 4<<20)
	filler, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer filler.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = filler.Write(bytes.Repeat([]byte{1}, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatal(err)
		}
	}
	if free := d.free(); free > 0 {
		d.t.Errorf("%d bytes are free on a full disk", free)
	}
	victim()
	// A row may find room in pages that are free, and is then written.
	for i := range 30 {
		song := &harness.Song{Server: d.Server, Title: fmt.Sprint("On a full disk ", i)}
		if err := song.Mint(d.t.Context()); err != nil && d.count("full mint", err) != "common.service_unavailable <nil>" {
			d.t.Errorf("mint on a full disk: %v", err)
		}
	}
	d.ahead("7h")
	d.wantUploads(4)
	if !harness.Eventually(func() bool { status, _ := d.ready(""); return status == http.StatusOK }) {
		d.t.Fatalf("no space came back: %d MB are free", d.free()>>20)
	}
	d.registers("With the filler still there", 6)
}

// An upload with a declared length is refused before the server reads its first byte. One
// URL has at most two slow uploads at a time.
func TestUploadsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	song := &harness.Song{Server: s, Title: "Slow", Audio: harness.WAV(1)}
	for _, step := range []func(context.Context) error{song.Mint, song.Init} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(song.UploadURL)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", u.RequestURI(), u.Host)
		return c
	}
	said := func(c net.Conn) string {
		t.Helper()
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	var running []net.Conn
	for range 2 {
		c := begin()
		if got := said(c); !strings.HasPrefix(got, "HTTP/1.1 100 ") {
			t.Fatalf("an upload was answered %q", got)
		}
		running = append(running, c)
	}
	if got := said(begin()); !strings.HasPrefix(got, "HTTP/1.1 429 ") || !strings.Contains(got, "uploads_in_flight") || !strings.Contains(got, "Retry-After: ") {
		t.Errorf("the third was answered %q", got)
	}
	running[0].Close()
	if !harness.Eventually(func() bool { return song.Put(t.Context()) == nil }) {
		t.Error("no upload is taken when one of two has ended")
	}
}
