package witness_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/witness"
	"timbre.example/proof/evidence"
)

const origin = "songs.example/log/testnet"

// foreign is a log that the witness knows only by its key.
type foreign struct {
	signer note.Signer
	key    string
	hashes hashes
	size   int64
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) (all []tlog.Hash, err error) {
	for _, i := range at {
		all = append(all, h[i])
	}
	return all, nil
}

func newLog(t *testing.T) *foreign {
	t.Helper()
	secret, key, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return &foreign{signer: signer, key: key}
}

// fork returns a second history of the log, of n entries so far.
func (l *foreign) fork(n int64) *foreign {
	f := &foreign{signer: l.signer, key: l.key}
	f.grow(n, "another")
	return f
}

func (l *foreign) grow(n int64, word string) {
	for range n {
		h, err := tlog.StoredHashes(l.size, fmt.Appendf(nil, "%s %d", word, l.size), l.hashes)
		if err != nil {
			panic(err)
		}
		l.hashes = append(l.hashes, h...)
		l.size++
	}
}

func (l *foreign) checkpoint(size int64, more string) string {
	root, err := tlog.TreeHash(size, l.hashes)
	if err != nil {
		panic(err)
	}
	if size == 0 {
		root = sha256.Sum256(nil)
	}
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n%s", origin, size, root, more)}, l.signer)
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// request is the body of add-checkpoint from one size to another.
func (l *foreign) request(old, size int64) string {
	text := fmt.Sprintf("old %d\n", old)
	if old > 0 && old <= size {
		proof, err := tlog.ProveTree(size, old, l.hashes)
		if err != nil {
			panic(err)
		}
		for _, h := range proof {
			text += h.String() + "\n"
		}
	}
	return text + "\n" + l.checkpoint(size, "")
}

func open(t *testing.T, s checkpoint.Store, logs ...string) *witness.Witness {
	t.Helper()
	w, err := witness.New(witness.Config{
		Name: "witness.example/w", Seed: bytes.Repeat([]byte{7}, ed25519.SeedSize), Logs: logs, Store: s,
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// post sends a request as a log does.
func post(t *testing.T, url, body string) (status int, kind, text string) {
	t.Helper()
	res, err := http.Post(url+"/add-checkpoint", "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), string(b)
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	l, other := newLog(t), newLog(t)
	l.grow(40, "entry")
	forked := l.fork(40)
	dir := checkpoint.Dir(t.TempDir())
	server := httptest.NewServer(open(t, dir, l.key))
	defer server.Close()
	signed := l.request(0, 5)
	shuffled := strings.Split(l.request(5, 20), "\n")
	shuffled[1], shuffled[2] = shuffled[2], shuffled[1]
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"nothing", "", 400},
		{"no empty line", "old 0\n", 400},
		{"no size", "old x\n\n" + l.checkpoint(5, ""), 400},
		{"a size with a zero", "old 00\n\n" + l.checkpoint(5, ""), 400},
		{"a proof of no hash", "old 5\nx\n\n" + l.checkpoint(5, ""), 400},
		{"a long proof", "old 5\n" + strings.Repeat(tlog.Hash{}.String()+"\n", 64) + "\n" + l.checkpoint(5, ""), 400},
		{"an unknown log", strings.ReplaceAll(signed, origin, "other.example/log"), 404},
		{"another key", "old 0\n\n" + other.checkpoint(0, ""), 403},
		{"a changed root", strings.Replace(signed, "\n5\n", "\n6\n", 1), 403},
		{"too large", strings.Repeat("x", witness.MaxRequest+1), 413},
		{"a proof from zero", strings.Replace(signed, "\n\n", "\n"+tlog.Hash{}.String()+"\n\n", 1), 422},
		{"the first", signed, 200},
		{"the first again, from zero", signed, 409},
		{"the same size", l.request(5, 5), 200},
		{"a larger old size", l.request(9, 5), 400},
		{"another proof", strings.Join(shuffled, "\n"), 422},
		{"a fork of the same size", forked.request(5, 5), 422},
		{"a fork that has grown", forked.request(5, 20), 422},
		{"growth", l.request(5, 20), 200},
		{"a skipped size", l.request(5, 30), 409},
		{"extensions", strings.Replace(l.request(20, 30), l.checkpoint(30, ""), l.checkpoint(30, "more 1\n"), 1), 200},
	} {
		status, kind, text := post(t, server.URL, c.body)
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, status, text, c.status)
		}
		if status == 409 && (kind != "text/x.tlog.size" || !strings.HasSuffix(text, "\n") || text != "5\n" && text != "20\n") {
			t.Errorf("%s: %s %q", c.name, kind, text)
		}
	}
	// The kept checkpoint is served, with both signatures.
	sum := sha256.Sum256([]byte(origin))
	res, err := http.Get(server.URL + "/" + hex.EncodeToString(sum[:]) + "/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	kept, _ := io.ReadAll(res.Body)
	if own, lines, err := evidence.Split(string(kept)); res.StatusCode != 200 || err != nil || len(lines) != 1 || own != l.checkpoint(30, "more 1\n") {
		t.Errorf("%d %q %v", res.StatusCode, kept, err)
	}
	for path, want := range map[string]int{"/" + strings.Repeat("0", 64) + "/checkpoint": 404, "/": 404, "/add-checkpoint": 405, "/../x/checkpoint": 404} {
		if res, err := http.Get(server.URL + path); err != nil || res.StatusCode != want {
			t.Errorf("%s: %v %v", path, res.StatusCode, err)
		}
	}
}

// The cosignature is one that a policy counts, and the key is in the form of policies.
func TestCosignature(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.grow(3, "entry")
	w := open(t, checkpoint.Dir(t.TempDir()), l.key)
	line, err := w.Add(t.Context(), []byte(l.request(0, 3)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := evidence.ParsePolicy([]byte("log " + l.key + "\nwitness w " + w.VerifierKey() + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	signed := l.checkpoint(3, "")
	text, _, _ := strings.Cut(signed, "\n\n")
	seen, err := p.Witnessed(text+"\n", []string{strings.TrimSuffix(line, "\n")})
	if err != nil || !seen.Met || seen.Since.Unix() != 1_800_000_000 {
		t.Errorf("%+v %v", seen, err)
	}
}

// Of many requests at once, on several processes with one store, all that are cosigned are of
// one history.
func TestOneHistory(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.grow(30, "entry")
	forked := l.fork(30)
	dir := checkpoint.Dir(t.TempDir())
	var wg sync.WaitGroup
	var mu sync.Mutex
	cosigned := map[int64]map[string]bool{}
	for process := range 6 {
		w := open(t, dir, l.key)
		from := l
		if process%2 == 1 {
			from = forked
		}
		wg.Go(func() {
			old := int64(0)
			for old < 30 {
				size := old + 1
				_, err := w.Add(context.Background(), []byte(from.request(old, size)))
				refusal := (*witness.Refusal)(nil)
				switch {
				case err == nil:
					mu.Lock()
					if cosigned[size] == nil {
						cosigned[size] = map[string]bool{}
					}
					cosigned[size][from.checkpoint(size, "")] = true
					mu.Unlock()
					old = size
				case errors.As(err, &refusal) && refusal.Status == http.StatusConflict:
					old = refusal.Size
				case refusal != nil && refusal.Status == http.StatusUnprocessableEntity:
					return // the other history won
				default:
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(cosigned) == 0 {
		t.Fatal("nothing was cosigned")
	}
	for size, all := range cosigned {
		if len(all) != 1 {
			t.Errorf("%d histories of size %d were cosigned", len(all), size)
		}
	}
}

// failing is a store that fails before or after it has swapped.
type failing struct {
	checkpoint.Store
	before, after bool
}

func (f *failing) Swap(ctx context.Context, name, old, new string) error {
	if f.before {
		return errors.New("the disk is full")
	}
	err := f.Store.Swap(ctx, name, old, new)
	if err == nil && f.after {
		return errors.New("the answer was lost")
	}
	return err
}

// A store that fails gives no cosignature, and the log can try again.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.grow(9, "entry")
	s := &failing{Store: checkpoint.Dir(t.TempDir())}
	server := httptest.NewServer(open(t, s, l.key))
	defer server.Close()
	s.before = true
	if status, _, _ := post(t, server.URL, l.request(0, 3)); status != 503 {
		t.Errorf("before: %d", status)
	}
	s.before = false
	if status, _, _ := post(t, server.URL, l.request(0, 3)); status != 200 {
		t.Errorf("again: %d", status)
	}
	s.after = true
	if status, _, _ := post(t, server.URL, l.request(3, 6)); status != 503 {
		t.Errorf("after: %d", status)
	}
	s.after = false
	status, _, text := post(t, server.URL, l.request(3, 6))
	if status != 409 || text != "6\n" {
		t.Fatalf("again: %d %q", status, text)
	}
	if status, _, _ := post(t, server.URL, l.request(6, 6)); status != 200 {
		t.Errorf("from its size: %d", status)
	}
}

func FuzzAdd(f *testing.F) {
	secret, key, err := note.GenerateKey(nil, origin)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	l := &foreign{signer: signer, key: key}
	l.grow(9, "entry")
	f.Add([]byte(l.request(0, 3)))
	f.Add([]byte(l.request(3, 9)))
	w, err := witness.New(witness.Config{Name: "w", Seed: make([]byte, 32), Logs: []string{key}, Store: checkpoint.Dir(f.TempDir()), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		line, err := w.Add(t.Context(), body)
		if refusal := (*witness.Refusal)(nil); err != nil && !errors.As(err, &refusal) || err == nil && line == "" {
			t.Errorf("%q %v", line, err)
		}
	})
}
