// Package blobtest is the contract of blob.Store as a test suite, run against every
// implementation over real HTTP. It does not depend on how a store keeps its bytes.
// Upload.MaxBytes is not part of it: not every store can limit the size by URL, so each
// implementation tests its own limit.
package blobtest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/blob"
)

// Exercise runs the contract against stores from newStore. Each store must be empty, and
// this process must reach the URLs it signs. A skipped part has a reason that is printed.
func Exercise(t *testing.T, newStore func(t *testing.T) blob.Store, known map[string]string) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s blob.Store)
	}{
		{"PutThenOpen", putThenOpen},
		{"OwnPut", ownPut},
		{"EmptyObject", emptyObject},
		{"LastPutWins", lastPutWins},
		{"OpenKeepsItsBytes", openKeepsItsBytes},
		{"StatTellsVersions", statTellsVersions},
		{"Missing", missing},
		{"CopyIsIndependent", copyIsIndependent},
		{"CopyOverwrites", copyOverwrites},
		{"CopyTooLarge", copyTooLarge},
		{"List", list},
		{"Delete", deleteObject},
		{"KeysThatShareAPrefix", keysThatShareAPrefix},
		{"KeysThatAreRefused", keysThatAreRefused},
		{"Download", download},
		{"URLsAllowOnlyWhatTheyName", urlsAllowOnlyWhatTheyName},
		{"ExpiredURL", expiredURL},
		{"ConcurrentPuts", concurrentPuts},
		{"CopyDuringPuts", copyDuringPuts},
		{"BrokenUploadIsInvisible", brokenUploadIsInvisible},
		{"PartsInAnyOrder", partsInAnyOrder},
		{"PartsSentAgain", partsSentAgain},
		{"PartsOfAnotherSize", partsOfAnotherSize},
		{"PartURLs", partURLs},
		{"PartsAborted", partsAborted},
		{"PartsOfTwoUploads", partsOfTwoUploads},
		{"PartsOpened", partsOpened},
		{"CORS", cors},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if why := known[c.name]; why != "" {
				t.Skip(why)
			}
			c.run(t, newStore(t))
		})
	}
}

func putThenOpen(t *testing.T, s blob.Store) {
	want := pattern(1, 3*mib+17)
	put(t, s, "uploads/one", want)
	wantObject(t, s, "uploads/one", want)
}

// A version stays the same while the bytes do, and changes with a PUT of the same size.
func statTellsVersions(t *testing.T, s blob.Store) {
	version := func() string {
		t.Helper()
		info, err := s.Stat(t.Context(), "uploads/one")
		if err != nil || info.Size != 1000 || info.Version == "" {
			t.Fatalf("%+v, %v", info, err)
		}
		return info.Version
	}
	if _, err := s.Stat(t.Context(), "uploads/one"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("of no object: %v", err)
	}
	put(t, s, "uploads/one", pattern(1, 1000))
	first := version()
	if err := s.Copy(t.Context(), "uploads/one", "assets/one", 1<<20); err != nil {
		t.Fatal(err)
	}
	if again := version(); again != first {
		t.Errorf("%s became %s, and nothing was put", first, again)
	}
	seen := map[string]bool{first: true}
	for i := range 5 {
		put(t, s, "uploads/one", pattern(byte(2+i), 1000))
		if v := version(); seen[v] {
			t.Errorf("other bytes have the version %s too", v)
		} else {
			seen[v] = true
		}
	}
}

// An object of Put is like an uploaded one: the last one wins, and an open reader keeps
// the bytes of the one before.
func ownPut(t *testing.T, s blob.Store) {
	first, second := pattern(1, mib+3), pattern(2, 10)
	if err := s.Put(t.Context(), "certificates/one/1", first); err != nil {
		t.Fatal(err)
	}
	r, _, err := s.Open(t.Context(), "certificates/one/1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Put(t.Context(), "certificates/one/1", second); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, first) {
		t.Errorf("an open reader got %d other bytes (%v)", len(got), err)
	}
	wantObject(t, s, "certificates/one/1", second)
	if err := s.Put(t.Context(), "certificates/../one", first); err == nil {
		t.Error("a key that leaves its folder is taken")
	}
}

func emptyObject(t *testing.T, s blob.Store) {
	put(t, s, "uploads/empty", nil)
	wantObject(t, s, "uploads/empty", nil)
}

func lastPutWins(t *testing.T, s blob.Store) {
	u := presignPut(t, s, "uploads/again", time.Now().Add(time.Hour))
	for i, n := range []int{2 * mib, 10, mib} {
		body := pattern(byte(i), n)
		mustPut(t, u, body)
		wantObject(t, s, "uploads/again", body)
	}
}

func openKeepsItsBytes(t *testing.T, s blob.Store) {
	old := pattern(1, mib)
	put(t, s, "a", old)
	r, info, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	put(t, s, "a", pattern(2, 100))
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, old) || info.Size != int64(len(old)) {
		t.Errorf("read %d bytes of %d (%v), not those of the time of Open", len(got), info.Size, err)
	}
}

// Nothing is copied of an object that is larger than the caller's limit.
func copyTooLarge(t *testing.T, s blob.Store) {
	put(t, s, "large", pattern(1, 1001))
	var large blob.TooLarge
	if err := s.Copy(t.Context(), "large", "copy", 1000); !errors.As(err, &large) || large.Size != 1001 {
		t.Errorf("%v, want one that says 1001 bytes", err)
	}
	wantMissing(t, s, "copy")
	if err := s.Copy(t.Context(), "large", "copy", 1001); err != nil {
		t.Error(err)
	}
}

// List yields only objects below a key.
func list(t *testing.T, s blob.Store) {
	want := map[string]int64{"up/one": 3, "up/two/three": 5, "up/" + strings.Repeat("a", 100): 0}
	for key, n := range want {
		put(t, s, key, pattern(1, int(n)))
	}
	put(t, s, "upper/one", nil)
	put(t, s, "up", nil)
	began := time.Now().Add(-time.Hour)
	got := map[string]int64{}
	for o, err := range s.List(t.Context(), "up") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Modified.Before(began) {
			t.Errorf("%s came %s", o.Key, o.Modified)
		}
		got[o.Key] = o.Size
	}
	if !maps.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	for o, err := range s.List(t.Context(), "none") {
		t.Errorf("listed %v, %v", o, err)
	}
	for range s.List(t.Context(), "up") { // a caller can stop early
		break
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Errorf("Sweep: %v", err)
	}
}

func missing(t *testing.T, s blob.Store) {
	wantMissing(t, s, "no/such-object")
	if err := s.Copy(t.Context(), "no/such-object", "copy", 1<<20); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Copy of a missing object: %v, want ErrNotFound", err)
	}
	wantMissing(t, s, "copy")
	if err := s.Delete(t.Context(), "no/such-object"); err != nil {
		t.Errorf("Delete of a missing object: %v", err)
	}
	u := presignGet(t, s, "no/such-object", "x.wav", time.Now().Add(time.Hour))
	if resp, _ := do(t, http.MethodGet, u, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET of a missing object: %s", resp.Status)
	}
}

func copyIsIndependent(t *testing.T, s blob.Store) {
	old := pattern(1, mib)
	put(t, s, "uploads/job", old)
	mustCopy(t, s, "uploads/job", "assets/deep/er/asset")
	put(t, s, "uploads/job", pattern(2, mib))
	wantObject(t, s, "assets/deep/er/asset", old)
	if err := s.Delete(t.Context(), "uploads/job"); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, "assets/deep/er/asset", old)
}

func copyOverwrites(t *testing.T, s blob.Store) {
	put(t, s, "src", []byte("new"))
	put(t, s, "dst", []byte("old"))
	// Again, and onto itself: the state is the same after each.
	for _, dst := range []string{"dst", "dst", "src"} {
		mustCopy(t, s, "src", dst)
		wantObject(t, s, dst, []byte("new"))
	}
}

func deleteObject(t *testing.T, s blob.Store) {
	put(t, s, "x/gone", []byte("1"))
	put(t, s, "x/stays", []byte("2"))
	for range 2 {
		if err := s.Delete(t.Context(), "x/gone"); err != nil {
			t.Fatal(err)
		}
		wantMissing(t, s, "x/gone")
	}
	wantObject(t, s, "x/stays", []byte("2"))
	put(t, s, "x/gone", []byte("3"))
	wantObject(t, s, "x/gone", []byte("3"))
}

func keysThatShareAPrefix(t *testing.T, s blob.Store) {
	keys := []string{"a", "a/b", "a/b/c", "a/bc", strings.Repeat("k", 200)}
	for _, k := range keys {
		put(t, s, k, []byte(k))
	}
	for _, k := range keys {
		wantObject(t, s, k, []byte(k))
	}
}

func keysThatAreRefused(t *testing.T, s blob.Store) {
	put(t, s, "ok", []byte("x"))
	in := time.Now().Add(time.Hour)
	for _, k := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "A", "a.b", "a b", "a%2fb",
		`a\b`, "a\x00", "é", "a\n", strings.Repeat("k", 201),
	} {
		if _, err := s.PresignPut(t.Context(), blob.Upload{Key: k, MaxBytes: 1, Expires: in}); err == nil {
			t.Errorf("PresignPut took key %q", k)
		}
		if _, err := s.PresignGet(t.Context(), k, blob.File{Name: "f"}, in); err == nil {
			t.Errorf("PresignGet took key %q", k)
		}
		if r, _, err := s.Open(t.Context(), k); err == nil {
			r.Close()
			t.Errorf("Open took key %q", k)
		}
		if err := s.Copy(t.Context(), "ok", k, 1<<20); err == nil {
			t.Errorf("Copy took dst %q", k)
		}
		if err := s.Copy(t.Context(), k, "ok", 1<<20); err == nil {
			t.Errorf("Copy took src %q", k)
		}
		if err := s.Delete(t.Context(), k); err == nil {
			t.Errorf("Delete took key %q", k)
		}
	}
	wantObject(t, s, "ok", []byte("x"))
}

func download(t *testing.T, s blob.Store) {
	body := pattern(7, mib)
	put(t, s, "d", body)
	u := presignGet(t, s, "d", "Été \"1\".wav", time.Now().Add(time.Hour))

	resp, got := do(t, http.MethodGet, u, nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(got, body) {
		t.Errorf("GET: %s, %d bytes", resp.Status, len(got))
	}
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || !strings.HasPrefix(params["filename"], "Été") {
		t.Errorf("Content-Disposition %q (%v)", resp.Header.Get("Content-Disposition"), err)
	}

	resp, got = do(t, http.MethodGet, u, nil, "Range", "bytes=100-199")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, body[100:200]) {
		t.Errorf("GET with a range: %s, %d bytes", resp.Status, len(got))
	}
}

func urlsAllowOnlyWhatTheyName(t *testing.T, s blob.Store) {
	in := time.Now().Add(time.Hour)
	put(t, s, "mine", []byte("mine"))
	put(t, s, "yours", []byte("yours"))
	wr, rd := presignPut(t, s, "mine", in), presignGet(t, s, "mine", "f", in)
	for _, c := range []struct{ what, method, url string }{
		{"GET with a PUT URL", http.MethodGet, wr},
		{"PUT with a GET URL", http.MethodPut, rd},
		{"PUT of another key", http.MethodPut, strings.Replace(wr, "/mine", "/yours", 1)},
		{"GET of another key", http.MethodGet, strings.Replace(rd, "/mine", "/yours", 1)},
		{"DELETE", http.MethodDelete, wr},
		{"PUT without a query", http.MethodPut, wr[:strings.IndexByte(wr, '?')]},
		{"GET without a query", http.MethodGet, rd[:strings.IndexByte(rd, '?')]},
	} {
		if resp, _ := do(t, c.method, c.url, []byte("other")); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s: %s, want a refusal", c.what, resp.Status)
		}
	}
	wantObject(t, s, "mine", []byte("mine"))
	wantObject(t, s, "yours", []byte("yours"))
}

func expiredURL(t *testing.T, s blob.Store) {
	put(t, s, "e", []byte("x"))
	past := time.Now().Add(-time.Minute)
	// A store can also refuse to sign an expired URL.
	if u, err := s.PresignPut(t.Context(), blob.Upload{Key: "e", MaxBytes: 10, Expires: past}); err == nil {
		if resp, _ := do(t, http.MethodPut, u, []byte("y")); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("PUT: %s", resp.Status)
		}
	}
	if u, err := s.PresignGet(t.Context(), "e", blob.File{Name: "f"}, past); err == nil {
		if resp, _ := do(t, http.MethodGet, u, nil); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("GET: %s", resp.Status)
		}
	}
	wantObject(t, s, "e", []byte("x"))
}

func concurrentPuts(t *testing.T, s blob.Store) {
	u := presignPut(t, s, "race", time.Now().Add(time.Hour))
	var wg sync.WaitGroup
	for one := range 2 { // a store can refuse more PUTs of one URL at once
		wg.Go(func() {
			for i := 4 * one; i < 4*one+4; i++ {
				// The lengths differ too, so that every mixture shows.
				mustPut(t, u, bytes.Repeat([]byte{byte('a' + i)}, mib+i))
			}
		})
	}
	wg.Wait()
	got := read(t, s, "race")
	i := len(got) - mib
	if i < 0 || i >= 8 || bytes.Count(got, []byte{byte('a' + i)}) != len(got) {
		t.Errorf("a mixture: %d bytes that begin with %q", len(got), got[:min(len(got), 1)])
	}
}

// An object that is being replaced can always be read.
func copyDuringPuts(t *testing.T, s blob.Store) {
	u := presignPut(t, s, "busy", time.Now().Add(time.Hour))
	mustPut(t, u, []byte("first"))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					mustPut(t, u, []byte("again"))
				}
			}
		})
	}
	for range 100 {
		mustCopy(t, s, "busy", "copy")
		if got := string(read(t, s, "copy")); got != "first" && got != "again" {
			t.Fatalf("copied %q", got)
		}
	}
	close(done)
	wg.Wait()
}

func brokenUploadIsInvisible(t *testing.T, s blob.Store) {
	u := presignPut(t, s, "broken", time.Now().Add(time.Hour))
	breakOff := func() {
		body := io.MultiReader(bytes.NewReader(pattern(1, mib)), failing{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, u, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 2 * mib
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("an upload that broke off was answered %s", resp.Status)
			}
		}
	}
	breakOff()
	wantMissing(t, s, "broken")
	mustPut(t, u, []byte("whole"))
	breakOff()
	wantObject(t, s, "broken", []byte("whole"))
}

func cors(t *testing.T, s blob.Store) {
	in := time.Now().Add(time.Hour)
	wr := presignPut(t, s, "c", in)
	resp, _ := do(t, http.MethodOptions, wr, nil, "Origin", "https://host.example",
		"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type")
	if resp.StatusCode/100 != 2 || !allowsOrigin(resp) ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "PUT") ||
		!strings.Contains(strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers")), "content-type") {
		t.Errorf("preflight: %s %v", resp.Status, resp.Header)
	}
	for _, c := range []struct{ what, method, url string }{
		{"PUT", http.MethodPut, wr},
		{"GET", http.MethodGet, presignGet(t, s, "c", "f", in)},
		{"a refusal", http.MethodPut, tamper(t, wr)},
	} {
		if resp, _ := do(t, c.method, c.url, []byte("x"), "Origin", "https://host.example"); !allowsOrigin(resp) {
			t.Errorf("%s: %s without CORS headers: %v", c.what, resp.Status, resp.Header)
		}
	}
}

func allowsOrigin(resp *http.Response) bool {
	o := resp.Header.Get("Access-Control-Allow-Origin")
	return o == "*" || o == "https://host.example"
}

// tamper changes the last character of the parameter with the signature.
func tamper(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name := range q {
		if v := q.Get(name); strings.Contains(strings.ToLower(name), "sig") && len(v) > 32 {
			last := "0"
			if strings.HasSuffix(v, "0") {
				last = "1"
			}
			q.Set(name, v[:len(v)-1]+last)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the line went dead") }
