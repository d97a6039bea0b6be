package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/engine"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// fullLength is the size from which on the browser is offline for 40 seconds.
const fullLength = 300 << 20

// largeSize is the size of the file of the tests here in bytes; TIMBRE_TEST_LARGE makes it
// another one, as `make large` does. Its parts have 8 MiB.
func largeSize(t *testing.T) int64 {
	t.Helper()
	const usual = 96 << 20
	text := os.Getenv("TIMBRE_TEST_LARGE")
	if text == "" {
		t.Logf("the file has %d MiB, and the browser is offline for a moment, so that all tests end soon: `make large` sends 300 MiB and is offline for 40 seconds", usual>>20)
		return usual
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < usual {
		t.Fatalf("TIMBRE_TEST_LARGE=%s: a number of bytes of at least %d", text, usual)
	}
	return n
}

// largeWAV writes a recording of so many bytes.
func largeWAV(t *testing.T, size int64) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "large.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	head := largeHead(size)
	src := rand.NewChaCha8(sha256.Sum256([]byte(t.Name())))
	if _, err = w.Write(head); err == nil {
		_, err = io.CopyN(w, src, size-int64(len(head)))
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// largeHead is the header of a WAV file of so many bytes.
func largeHead(size int64) []byte {
	head := []byte("RIFF")
	data := uint32(size - 44)
	head = binary.LittleEndian.AppendUint32(head, 36+data)
	head = append(head, "WAVEfmt "...)
	head = binary.LittleEndian.AppendUint32(head, 16)
	for _, v := range []uint16{1, 1} {
		head = binary.LittleEndian.AppendUint16(head, v)
	}
	head = binary.LittleEndian.AppendUint32(head, 44100)
	head = binary.LittleEndian.AppendUint32(head, 88200)
	for _, v := range []uint16{2, 16} {
		head = binary.LittleEndian.AppendUint16(head, v)
	}
	head = append(head, "data"...)
	return binary.LittleEndian.AppendUint32(head, data)
}

// onDisk opens the upload of a job in the server's folder.
func onDisk(t *testing.T, x *site) func(string) io.ReadCloser {
	return func(job string) io.ReadCloser {
		t.Helper()
		var found []string
		filepath.WalkDir(x.server.Data, func(path string, _ os.DirEntry, err error) error {
			if strings.HasSuffix(path, "uploads/"+job+".blob") {
				found = append(found, path)
			}
			return err
		})
		if len(found) != 1 {
			t.Fatalf("stored is %q", found)
		}
		registrytest.Check(t, registrytest.World{DatabaseURL: x.server.DatabaseURL})
		f, err := os.Open(found[0])
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// TestLargeFile sends a file in parts through everything that goes wrong on its way, to both
// stores and from two browsers: a URL that expires, a reload of the page, a time without a
// network, a store that stops and starts again, and a killed server. Parts that the page knows
// as stored are not sent again.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"disk/Chromium", "bucket/Chromium", "bucket/Firefox"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, engine, _ := strings.Cut(name, "/")
			// A job without a call ends after twelve slots. A part whose answer never comes is given up by the page
			// after up to two minutes: the job must be there then.
			j := journey{t: t, size: largeSize(t), slot: 12 * time.Second}
			slot := []string{"TIMBRE_LIMITS_UPLOAD_SLOT=" + j.slot.String()}
			if store == "disk" {
				addr := harness.FreeAddress(t)
				j.front = faultproxy.NewHTTP(t, "http://"+addr)
				x := newSite(t, harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Addr: addr, Args: []string{"--public-url", j.front.URL}, Settings: slot}))
				j.site, j.element = x, strings.Replace(x.element(""), x.server.URL, j.front.URL, 1)
				// The server is the store: it stops as an operator stops it.
				j.stop, j.restart = x.server.Stop, func() { x.server.Restart() }
				j.opened = onDisk(t, x)
			} else {
				s := s3test.Start(t)
				bucket := s.Bucket()
				j.front = faultproxy.NewHTTP(t, s.URL)
				x := newSite(t, harness.Start(t, harness.Options{
					Args:     []string{"--blob-url", s.BlobURL(bucket) + "&public-endpoint=" + url.QueryEscape(j.front.URL)},
					Settings: append(slot, s.Env()...),
				}))
				s.Allow(bucket, x.host.URL, x.server.URL)
				j.site, j.element = x, x.element("")
				j.stop, j.restart = s.Stop, s.Restart
				j.opened = inBucket(t, x, s, bucket)
			}
			j.tab = openTab(t, engine)
			j.run()
		})
	}
}

// tab is a page of any browser.
type tab struct {
	hands
	eval    func(expression string) string
	open    func(address string)
	offline func(bool)
}

func openTab(t *testing.T, name string) tab {
	t.Helper()
	if name == "Chromium" {
		p := browser.Open(t)
		return tab{p, func(e string) string { return browser.Eval[string](p, e) }, p.Goto, p.Offline}
	}
	p := engine.Open(t, name, engine.Options{})
	return tab{p, func(e string) string { return engine.Eval[string](p, e) }, p.Goto, p.Offline}
}

// journey is one file on its way.
type journey struct {
	t *testing.T
	tab
	site    *site
	element string
	size    int64
	// slot is how long a URL is valid.
	slot time.Duration
	// front is the way of the parts from the browser to the store.
	front *faultproxy.HTTP
	// stop and restart are of the store.
	stop, restart func()
	opened        func(job string) io.ReadCloser

	sent map[string]int // how often the page saw that a part is stored
	peak int64          // of the server's memory, in bytes
}

func (j *journey) run() {
	t := j.t
	file := largeWAV(t, j.size)
	page := j.site.host.Page("large.html", listen+j.element+scripts)
	j.sent = map[string]int{}
	j.front.Rate(min(24<<20, j.size/12)) // otherwise all is there before anything can happen
	begun := time.Now()
	j.open(page)
	fill(j, 0, file, "Through everything")
	step := func(what string, parts int64, happens func()) {
		t.Helper()
		j.Wait(fmt.Sprintf("%s.length >= %d", storedHere, parts-int64(len(j.sent))))
		before := time.Now()
		happens()
		t.Logf("%v: %s, %.1f s", time.Since(begun).Round(time.Second), what, time.Since(before).Seconds())
	}
	parts := j.size / (8 << 20)
	step("an expired URL", 1, j.expires)
	job := j.eval("e2e.state().jobId")
	step("a reload", parts/6, func() { j.reloads(page, file, job) })
	step("offline", parts/3, j.isOffline)
	step("a store that stops", parts/2, func() {
		j.stop()
		j.patiently(browser.Hook("notice"))
		j.restart()
		j.patiently("!" + browser.Hook("notice"))
	})
	step("a killed server", parts*2/3, func() {
		j.measure()
		j.site.server.Kill()
		j.patiently(browser.Hook("notice") + " || " + browser.Hook("confirm"))
		j.site.server.Restart()
	})
	j.front.Rate(0)
	j.patiently(browser.Hook("confirm"))
	j.remember()
	j.measure()
	t.Logf("%v: %d MiB are there; the server had at most %d MiB of memory", time.Since(begun).Round(time.Second), j.size>>20, j.peak>>20)
	confirm(j, 0)
	if again := j.eval("e2e.state().jobId"); again != job {
		t.Errorf("job %s became %s", job, again)
	}
	if len(named(j.well(), "upload-start")) > 1 {
		// versitygw keeps a part whose connection closed in the middle, with zeros at its end and
		// its whole size. The page knows the hash of its file, so prepare refuses that.
		t.Log("the store had kept a broken part, and received the file again")
	} else {
		for part, times := range j.sent {
			if times > 1 {
				t.Errorf("part %s was stored, and sent again", part)
			}
		}
	}
	r := j.opened(job)
	defer r.Close()
	sameFile(t, r, file)
}

// patiently waits for longer than the page waits for a part or an answer that does not come.
func (j *journey) patiently(expression string) {
	j.t.Helper()
	deadline := time.Now().Add(4 * browser.Timeout)
	for j.eval("String(!!("+expression+"))") != "true" && time.Now().Before(deadline) && j.t.Context().Err() == nil {
		j.eval("e2e.until(() => " + expression + ", 5000).then(String)")
	}
	j.Wait(expression)
}

// sameFile compares what the server keeps with the file, part by part.
func sameFile(t *testing.T, kept io.Reader, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const part = 8 << 20
	has, want := make([]byte, part), make([]byte, part)
	for number := 1; ; number++ {
		n, err := io.ReadFull(kept, has)
		m, _ := io.ReadFull(f, want)
		if n == 0 && m == 0 {
			return
		}
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		if bytes.Equal(has[:n], want[:m]) {
			continue
		}
		first, other := 0, 0
		for i := range min(n, m) {
			if has[i] != want[i] {
				if other == 0 {
					first = i
				}
				other++
			}
		}
		t.Errorf("part %d: the server keeps %d bytes and not %d; %d others, from byte %d on", number, n, m, other, first)
	}
}

// storedHere are the numbers of the parts that were stored since the page was opened, as the
// page saw it.
const storedHere = `performance.getEntriesByType('resource').filter((e) => e.responseStatus === 200 && /[?&]part(Number)?=/.test(e.name))
	.map((e) => /[?&]part(?:Number)?=(\d+)/.exec(e.name)[1])`

// remember counts the parts of this page, before another one is opened.
func (j *journey) remember() {
	for part := range strings.FieldsSeq(j.eval(storedHere + ".join(' ')")) {
		j.sent[part]++
	}
}

func (j *journey) measure() {
	if runtime.GOOS != "linux" {
		return
	}
	if _, peak := j.site.server.Memory(); peak > j.peak {
		j.peak = peak
	}
}

// expires holds a part back until the store accepts its URL no more. The page asks for another
// one, also where it cannot read the refusal: some stores send it without the headers for other
// origins.
func (j *journey) expires() {
	var once sync.Once
	refused := make(chan struct{})
	j.front.OnRequest(func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query(); r.Method == http.MethodPut && (q.Has("part") || q.Has("partNumber")) {
			once.Do(func() {
				select {
				case <-time.After(j.slot + time.Second):
				case <-r.Context().Done():
				}
			})
		}
		return false
	})
	var told sync.Once
	j.front.OnAnswer(func(r *http.Response) error {
		if r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusGone {
			told.Do(func() { close(refused) })
		}
		return nil
	})
	defer j.front.OnRequest(nil)
	defer j.front.OnAnswer(nil)
	select {
	case <-refused:
	case <-time.After(browser.Timeout):
		j.t.Fatal("the store refused no URL")
	}
	j.well()
}

// reloads opens the page again: the same file continues, and the tab keeps no secret. Another
// file does not continue.
func (j *journey) reloads(page, file, job string) {
	t := j.t
	j.remember()
	j.open(page)
	if kept := j.eval("JSON.stringify({...sessionStorage})"); strings.Contains(kept, "eyJ") || strings.Contains(kept, "atc_") || !strings.Contains(kept, job) {
		t.Errorf("the tab keeps %s", kept)
	}
	j.SetFile(browser.Hook("file"), noise(t, "Another.wav", 100_000))
	j.Wait(browser.Hook("file-name") + ".textContent === 'Another.wav'")
	j.Wait("e2e.text('another').includes('large.wav')")
	if j.eval("String(!!"+browser.Hook("go-on")+")") != "false" {
		t.Error("another file is offered to continue")
	}
	j.SetFile(browser.Hook("file"), file)
	j.Wait(browser.Hook("go-on"))
	j.Click(browser.Hook("go-on"))
	j.Wait("e2e.events.some((e) => e.name === 'upload-progress')")
	events := j.well()
	if at := named(events, "upload-progress"); member[int64](t, at[0], "loaded") < int64(len(j.sent))*8<<20 {
		t.Errorf("with %d parts stored, the upload begins at %s", len(j.sent), at[0].Detail)
	}
	if again := j.eval("e2e.state().jobId"); again != job {
		t.Errorf("job %s became %s", job, again)
	}
}

// isOffline takes the network away: the upload pauses without an end, and goes on when the
// network is back.
func (j *journey) isOffline() {
	j.offline(true)
	j.Wait("e2e.text('notice').startsWith('You are offline')")
	away := time.Second
	if j.size >= fullLength {
		away = 40 * time.Second
	}
	select {
	case <-time.After(away):
	case <-j.t.Context().Done():
	}
	j.Wait("e2e.text('notice').startsWith('You are offline')")
	if pace := j.eval("e2e.text('pace')"); pace != "" {
		j.t.Errorf("offline, and still %q", pace)
	}
	j.offline(false)
	j.Wait("!" + browser.Hook("notice"))
	j.well()
}

// well says that nothing has failed so far, and no more was sent than there is. It returns the
// events of the page.
func (j *journey) well() (events []browser.Event) {
	t := j.t
	t.Helper()
	if err := json.Unmarshal([]byte(j.eval("JSON.stringify(e2e.events)")), &events); err != nil {
		t.Fatal(err)
	}
	checkShapes(t, events)
	if failed := named(events, "failed"); len(failed) > 0 {
		t.Errorf("the file failed on its way: %v", failed)
	}
	for _, e := range named(events, "upload-progress") {
		if member[int64](t, e, "loaded") > member[int64](t, e, "total") {
			t.Errorf("more was sent than there is: %s", e.Detail)
		}
	}
	return events
}

// inBucket opens the upload of a job in a bucket, where nothing unfinished is left.
func inBucket(t *testing.T, x *site, store *s3test.Server, bucket string) func(string) io.ReadCloser {
	return func(job string) io.ReadCloser {
		t.Helper()
		s := settled(t, x, store, bucket)
		r, _, err := s.Open(t.Context(), "uploads/"+job)
		if err != nil {
			t.Fatal(err)
		}
		for u, err := range s.UnfinishedParts(t.Context(), "uploads") {
			t.Errorf("left is %+v, %v", u, err)
		}
		return r
	}
}

// TestMemoryOfParts uploads a large file in parts and prepares it: the server's memory does
// not grow with the file. TIMBRE_TEST_LARGE=5368709120 sends 5 GiB.
func TestMemoryOfParts(t *testing.T) {
	t.Parallel()
	size := max(largeSize(t), 256<<20)
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read as Linux shows it")
	}
	s := harness.Start(t, harness.Options{Args: []string{"--max-file-size", strconv.FormatInt(size, 10)}})
	// A WAV whose header is its first bytes; the rest repeats.
	head := largeHead(size)
	block := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(block)
	piece := func(from, n int64) io.Reader {
		r := io.LimitReader(&endless{block: block, at: from}, n)
		if from == 0 {
			return io.MultiReader(bytes.NewReader(head), io.LimitReader(&endless{block: block, at: int64(len(head))}, n-int64(len(head))))
		}
		return r
	}
	song := &harness.Song{Server: s, Title: "Memory", Audio: head}
	for _, step := range []func(context.Context) error{song.Mint, song.Init} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := s.Memory()
	s.ForgetPeak()
	if err := song.PutParts(t.Context(), size, piece); err != nil {
		t.Fatal(err)
	}
	if err := song.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, peak := s.Memory(); peak-before > 48<<20 {
		t.Errorf("%d MiB more at the peak, for a file of %d MiB", (peak-before)>>20, size>>20)
	} else {
		t.Logf("%d MiB more at the peak, for a file of %d MiB", (peak-before)>>20, size>>20)
	}
}

// endless repeats a block, from an offset on.
type endless struct {
	block []byte
	at    int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.block[e.at%int64(len(e.block)):])
	e.at += int64(n)
	return n, nil
}
