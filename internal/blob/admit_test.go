package blob_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/space"
)

// owners returns the owner of a key: the text before the first slash.
func owners(staged map[string]int64) func(context.Context, string) (blob.Owner, error) {
	return func(_ context.Context, key string) (blob.Owner, error) {
		group, _, _ := strings.Cut(key, "/")
		var all int64
		for _, n := range staged {
			all += n
		}
		return blob.Owner{Group: group, GroupStaged: staged[group], Staged: all}, nil
	}
}

// begin sends the head of a PUT and one byte of its body, and waits until the PUT is
// accepted.
func (s *served) begin(t *testing.T, key string, size int64) net.Conn {
	t.Helper()
	before, _ := s.Running()
	c := dial(t, s, s.presign(t, key, 1<<20), size, false)
	if err := sendZeros(c, 1, false); err != nil {
		t.Fatal(err)
	}
	s.wantRunning(t, before+1)
	return c
}

func (s *served) wantRunning(t *testing.T, want int) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		if n, _ := s.Running(); n == want {
			return
		} else if time.Now().After(limit) {
			t.Fatalf("%d uploads run, want %d", n, want)
		}
	}
}

func (r reply) wantBusy(t *testing.T, reason string) {
	t.Helper()
	r.want(t, fault.CodeCommonRateLimited)
	if !strings.Contains(r.body, `"reason":"`+reason+`"`) {
		t.Errorf("%s, want the reason %s", r.body, reason)
	}
}

func (r reply) wantFull(t *testing.T) {
	t.Helper()
	r.want(t, fault.CodeCommonServiceUnavailable)
	if !strings.Contains(r.body, `"reason":"storage_full"`) {
		t.Errorf("%s, want the reason storage_full", r.body)
	}
}

func TestPutsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{Limits: blob.Limits{Puts: 6, GroupPuts: 3}, Admit: owners(nil)})
	one, two := s.begin(t, "a/1", 100), s.begin(t, "a/1", 100)
	put(t, s.presign(t, "a/1", 10), strings.NewReader("x")).wantBusy(t, "uploads_in_flight")
	s.begin(t, "a/2", 100)
	put(t, s.presign(t, "a/3", 10), strings.NewReader("x")).wantBusy(t, "organization_uploads")
	s.begin(t, "b/1", 100)
	put(t, s.presign(t, "b/2", 10), strings.NewReader("x")).wantBusy(t, "organization_uploads") // one of two places is for other groups
	s.begin(t, "c/1", 100)
	s.begin(t, "d/1", 100)
	put(t, s.presign(t, "e/1", 10), strings.NewReader("x")).wantBusy(t, "server_uploads")
	if n, bytes := s.Running(); n != 6 || bytes != 600 {
		t.Errorf("%d run, %d bytes", n, bytes)
	}
	// A PUT that breaks off makes room, and so does one that succeeds.
	one.Close()
	s.wantRunning(t, 5)
	if err := sendZeros(two, 99, false); err != nil {
		t.Fatal(err)
	}
	if r := readRaw(t, two); r.status != 200 {
		t.Errorf("%v", r)
	}
	if r := put(t, s.presign(t, "f/1", 10), strings.NewReader("x")); r.status != 200 {
		t.Errorf("%v", r)
	}
}

func TestBytesAtOnce(t *testing.T) {
	t.Parallel()
	staged := map[string]int64{"a": 600, "b": 100}
	s := serve(t, blob.Options{Limits: blob.Limits{GroupBytes: 1000, Bytes: 1500}, Admit: owners(staged)})
	send := func(key string, n int) reply {
		return put(t, s.presign(t, key, 1<<20), strings.NewReader(strings.Repeat("x", n)))
	}
	s.begin(t, "a/1", 300)
	send("a/2", 101).wantBusy(t, "organization_bytes")
	if r := send("a/2", 100); r.status != 200 {
		t.Errorf("%v", r)
	}
	s.begin(t, "b/1", 400)
	send("b/2", 101).wantBusy(t, "server_bytes")
	// A body of unknown length counts as the limit.
	do(t, http.MethodPut, s.presign(t, "b/2", 200), struct{ *strings.Reader }{strings.NewReader("x")}).wantBusy(t, "server_bytes")
	// Nothing of a body over the limit is stored, so it needs no room.
	if r := put(t, s.presign(t, "b/2", 10), strings.NewReader(strings.Repeat("x", 5000))); r.status != 200 {
		t.Errorf("%v", r)
	}
	if body, info, err := s.Open(t.Context(), "b/2"); err != nil || info.Size != 5000 {
		t.Errorf("%d bytes, %v", info.Size, err)
	} else {
		body.Close()
	}
}

// Admit and Land can refuse an upload; then nothing stays.
func TestAdmitAndLandRefuse(t *testing.T) {
	t.Parallel()
	var admit, land error
	var landed int64
	s := serve(t, blob.Options{
		Admit: func(context.Context, string) (blob.Owner, error) { return blob.Owner{}, admit },
		Land:  func(_ context.Context, _ string, n int64) error { landed = n; return land },
	})
	send := func() reply { return put(t, s.presign(t, "a", 10), strings.NewReader("four")) }
	admit = fault.TransactionExpired("upload_url")
	send().want(t, fault.CodeTransactionExpired)
	admit = errors.New("the database is away")
	send().want(t, fault.CodeCommonServiceUnavailable)
	admit, land = nil, fault.TransactionExpired("upload_url")
	send().want(t, fault.CodeTransactionExpired)
	s.wantMissing(t, "a")
	s.wantNoTemp(t)
	land = nil
	if r := send(); r.status != 200 || landed != 4 {
		t.Errorf("%v, %d bytes landed", r, landed)
	}
	s.wantRunning(t, 0)
}

// Uploads leave the reserve free, whether it is reached before them or while they run.
func TestReserveOfSpace(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(5000)
	g := space.New(1000, func(string) (space.Usage, error) { return space.Usage{Total: 10_000, Free: free.Load()}, nil }, space.Place{Name: "uploads", Dir: "u"})
	s := serve(t, blob.Options{Space: g, Admit: owners(nil)})
	put(t, s.presign(t, "a/1", 1<<20), strings.NewReader(strings.Repeat("x", 4001))).wantFull(t)
	put(t, s.presign(t, "a/1", 1<<20), strings.NewReader(strings.Repeat("x", 2001))).wantFull(t) // the other half is for other groups
	// A running upload has its room already: no other upload gets it.
	running := s.begin(t, "a/1", 1500)
	put(t, s.presign(t, "b/1", 1<<20), strings.NewReader(strings.Repeat("x", 2502))).wantFull(t)
	// Of two groups, none gets more than half of the room.
	put(t, s.presign(t, "a/2", 1<<20), strings.NewReader(strings.Repeat("x", 600))).wantBusy(t, "organization_bytes")
	if r := put(t, s.presign(t, "b/1", 1<<20), strings.NewReader(strings.Repeat("x", 400))); r.status != 200 {
		t.Errorf("%v", r)
	}
	// Another program has filled the disk: a running upload is stopped.
	free.Store(1000)
	if err := sendZeros(running, 1499, false); err != nil {
		t.Fatal(err)
	}
	readRaw(t, running).wantFull(t)
	s.wantMissing(t, "a/1")
	free.Store(5000)
	if r := put(t, s.presign(t, "a/1", 1<<20), strings.NewReader(strings.Repeat("x", 1500))); r.status != 200 {
		t.Errorf("with room: %v", r)
	}
	if n, bytes := g.Claimed(); n != 0 || bytes != 0 {
		t.Errorf("%d claims of %d bytes are left", n, bytes)
	}
}

// Announced bytes that never come take no room from other uploads. Arriving bytes follow
// the same rules as announced ones.
func TestAnnouncedIsNotTaken(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	var free atomic.Int64
	free.Store(41 * mb)
	g := space.New(mb, func(string) (space.Usage, error) { return space.Usage{Total: 100 * mb, Free: free.Load()}, nil }, space.Place{Name: "uploads", Dir: "u"})
	s := serve(t, blob.Options{Space: g, Admit: owners(nil), Limits: blob.Limits{Bytes: 60 * mb}})
	open := func(key string, size int64) net.Conn {
		before, _ := s.Running()
		c := dial(t, s, s.presign(t, key, 100*mb), size, false)
		if err := sendZeros(c, 1, false); err != nil {
			t.Fatal(err)
		}
		s.wantRunning(t, before+1)
		return c
	}
	var running []net.Conn
	for i := range 10 { // 190 MB for 40 MB of room
		running = append(running, open(fmt.Sprintf("%c/1", 'a'+i), 19*mb-int64(i)*mb/2))
	}
	if n, bytes := g.Claimed(); n != 10 || bytes > 10*mb {
		t.Errorf("%d claims of %d bytes", n, bytes)
	}
	if r := put(t, s.presign(t, "z/1", 100*mb), strings.NewReader(strings.Repeat("x", 10*mb))); r.status != 200 {
		t.Errorf("another's: %v", r)
	}
	// There is less room now than was announced: the upload is stopped at half of the
	// room.
	free.Store(21 * mb)
	go sendZeros(running[0], 19*mb-1, false) // fails after the answer has come
	readRaw(t, running[0]).wantBusy(t, "organization_bytes")
	s.wantMissing(t, "a/1")
	for _, c := range running[1:] {
		c.Close()
	}
	s.wantRunning(t, 0)
	if n, bytes := g.Claimed(); n != 0 || bytes != 0 {
		t.Errorf("%d claims of %d bytes are left", n, bytes)
	}
}

// A very slow upload keeps its place for one window. An upload that is fast enough in
// each window is read to its end.
func TestSlowUploadEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{IdleTimeout: time.Minute, Limits: blob.Limits{MinRate: 1000, RateWindow: 200 * time.Millisecond}})
	c := dial(t, s, s.presign(t, "slow", 1<<20), 1000, false)
	began := time.Now()
	go func() {
		for fmt.Fprint(c, "x"); ; { // a byte now and then, so it is never idle
			<-time.After(20 * time.Millisecond)
			if _, err := fmt.Fprint(c, "x"); err != nil {
				return
			}
		}
	}()
	r := readRaw(t, c)
	r.want(t, fault.CodeRegistrationUploadMissing)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("after %s", took)
	}
	s.wantMissing(t, "slow")
	quick := dial(t, s, s.presign(t, "quick", 1<<20), 4000, false)
	for range 8 { // 500 bytes in each half of a window
		if err := sendZeros(quick, 500, false); err != nil {
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if r := readRaw(t, quick); r.status != 200 {
		t.Errorf("a quick one: %v", r)
	}
}
