package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// largeSize is the size of the file of the tests here in bytes; TIMBRE_TEST_LARGE makes it
// another one. Its parts have 8 MiB.
func largeSize(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("TIMBRE_TEST_LARGE")
	if text == "" {
		return 40 << 20
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 40<<20 {
		t.Fatalf("TIMBRE_TEST_LARGE=%s: a number of bytes of at least 40 MiB", text)
	}
	return n
}

// largeWAV writes a recording of about so many bytes, and returns its SHA-256.
func largeWAV(t *testing.T, size int64) (path, hash string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "large.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := io.MultiWriter(buffered, sum)
	head := largeHead(size)
	src := rand.NewChaCha8(sha256.Sum256([]byte(t.Name())))
	if _, err = w.Write(head); err == nil {
		_, err = io.CopyN(w, src, size-int64(len(head)))
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, hex.EncodeToString(sum.Sum(nil))
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

// reached waits until so many parts have left, in the events of the page.
func reached(p *browser.Page, parts int) {
	p.Wait(fmt.Sprintf("e2e.events.some((e) => e.name === 'upload-progress' && e.detail.loaded >= %d)", parts*8<<20))
}

// registersLarge waits for the price, agrees, and compares what the server keeps.
func registersLarge(t *testing.T, p *browser.Page, hash string, opened func(job string) io.ReadCloser) {
	t.Helper()
	p.WaitFor(browser.Hook("confirm"), 4*browser.Timeout)
	if failed := named(p.Events(), "failed"); len(failed) > 0 {
		t.Errorf("the file failed on its way: %v", failed)
	}
	job := stateOf(p, 0).JobID
	confirm(p, 0)
	checkShapes(t, p.Events())
	for _, e := range named(p.Events(), "upload-progress") {
		if member[int64](t, e, "loaded") > member[int64](t, e, "total") {
			t.Errorf("more was sent than there is: %s", e.Detail)
		}
	}
	r := opened(job)
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil || hex.EncodeToString(sum.Sum(nil)) != hash {
		t.Errorf("the server keeps another file (%v)", err)
	}
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
		f, err := os.Open(found[0])
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// TestLargeFile sends a file in parts through an expired URL, a reload of the page, a time
// without a network, and a killed server. Stored parts are not sent again.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	file, hash := largeWAV(t, largeSize(t))
	p := browser.Open(t)
	page := x.plain()
	p.Goto(page)
	hold := p.Hold("PUT", "part=")
	fill(p, 0, file, "Large")
	survive(t, p, page, file, hold)

	// The server is killed and comes back.
	x.server.Kill()
	hold.Release()
	p.Wait(browser.Hook("notice"))
	x.server.Restart()
	registersLarge(t, p, hash, onDisk(t, x))
	registrytest.Check(t, registrytest.World{DatabaseURL: x.server.DatabaseURL})
}

// survive goes through an expired URL, a reload, and a time without a network, while the
// parts are held. It ends with at least three parts stored and one on its way.
func survive(t *testing.T, p *browser.Page, page, file string, hold *browser.Hold) {
	t.Helper()
	// A URL that is not accepted any more is replaced.
	first := hold.Await()
	second, third := hold.Await(), hold.Await()
	hold.Await()
	before := len(p.Requests("POST", "/v1/works/parts"))
	first.Answer(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")
	again := hold.Await()
	if first.URL() == again.URL() || len(p.Requests("POST", "/v1/works/parts")) == before {
		t.Errorf("after a 403 the same URL is used: %s", again.URL())
	}
	second.Go()
	third.Go()
	reached(p, 2)
	job := stateOf(p, 0).JobID

	// A reload: the same file continues, and the tab keeps no secret.
	p.Goto(page)
	hold.Forget()
	if kept := browser.Eval[string](p, "JSON.stringify({...sessionStorage})"); strings.Contains(kept, "eyJ") || strings.Contains(kept, "atc_") || !strings.Contains(kept, job) {
		t.Errorf("the tab keeps %s", kept)
	}
	p.SetFile(browser.Hook("file"), file)
	p.Wait(browser.Hook("go-on"))
	p.Click(browser.Hook("go-on"))
	next := hold.Await()
	other := hold.Await()
	if at := named(p.Events(), "upload-progress"); len(at) == 0 || member[int64](t, at[0], "loaded") < 2*8<<20 {
		t.Errorf("after the reload the upload begins at %v", at)
	}
	if now := stateOf(p, 0).JobID; now != job {
		t.Errorf("job %s became %s", job, now)
	}
	next.Go()
	reached(p, 3)

	// Without a network it pauses, and goes on when the network is back.
	p.Offline(true)
	other.Gone()
	p.Wait(browser.Hook("notice"))
	if failed := named(p.Events(), "failed"); len(failed) > 0 {
		t.Errorf("offline: %v", failed)
	}
	p.Offline(false)
	hold.Await()
	p.ForgetProblems() // the console tells of the refused and the lost requests
}

// TestLargeFileInBucket sends the parts to a bucket, through the same, and a store that stops
// and starts again.
func TestLargeFileInBucket(t *testing.T) {
	t.Parallel()
	x, store, bucket := onBucket(t)
	file, hash := largeWAV(t, largeSize(t))
	p := browser.Open(t)
	page := x.plain()
	p.Goto(page)
	hold := p.Hold("PUT", "partNumber=")
	fill(p, 0, file, "Large in a bucket")
	survive(t, p, page, file, hold)

	store.Stop()
	hold.Release()
	p.Wait(browser.Hook("notice"))
	store.Restart()
	registersLarge(t, p, hash, func(job string) io.ReadCloser {
		s := settled(t, x, store, bucket)
		r, _, err := s.Open(t.Context(), "uploads/"+job)
		if err != nil {
			t.Fatal(err)
		}
		for u, err := range s.UnfinishedParts(t.Context(), "uploads") {
			t.Errorf("left is %+v, %v", u, err)
		}
		return r
	})
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
