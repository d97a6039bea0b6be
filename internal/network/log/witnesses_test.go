package log_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"timbre.example/internal/monitor"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/outbound"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/witness"
	"timbre.example/internal/witness/witnesstest"
	"timbre.example/proof/evidence"
)

// guard is our witness, whose answers a test may replace.
type guard struct {
	*witness.Witness
	url    string
	answer http.HandlerFunc // nil: the witness's own
	mu     sync.Mutex
	asked  int
}

// watch runs a witness of the log.
func watch(t testing.TB, name string, keys ...string) *guard {
	t.Helper()
	w, err := witness.New(witness.Config{
		Name: name, Seed: bytes.Repeat([]byte(name[:1]), ed25519.SeedSize), Logs: keys, Store: checkpoint.Dir(t.TempDir()), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{Witness: w}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.asked++
		g.mu.Unlock()
		if g.answer != nil {
			g.answer(w, r)
			return
		}
		g.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// policyOf makes a policy of lines.
func policyOf(t testing.TB, lines ...string) evidence.Policy {
	t.Helper()
	p, err := evidence.ParsePolicy([]byte(strings.Join(lines, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func line(name, key, url string) string { return fmt.Sprintf("witness %s %s %s", name, key, url) }

// ask makes the witnesses of a policy those of a log.
func ask(t testing.TB, l *log.Log, timeout time.Duration, p evidence.Policy) {
	t.Helper()
	if err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: p, Timeout: timeout, Client: http.DefaultClient}); err != nil {
		t.Fatal(err)
	}
}

// cosign is one round of questions.
func cosign(t testing.TB, l *log.Log) {
	t.Helper()
	if err := l.Cosign(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// cosignLater is one round after a pause.
func cosignLater(t testing.TB, l *log.Log, db *store.DB, pause time.Duration) {
	t.Helper()
	now := db.Now
	db.Now = func() time.Time { return now().Add(pause) }
	defer func() { db.Now = now }()
	cosign(t, l)
}

// published returns the size and the cosignatures of what the log serves.
func published(t testing.TB, l *log.Log) (size int64, lines []string, text string) {
	t.Helper()
	_, body, _ := serve(t, l).get("/checkpoint")
	own, lines, err := evidence.Split(string(body))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := evidence.OpenCheckpoint(own, l.Origin(), l.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	return tree.N, lines, string(body)
}

// witnessed returns what a policy says of the proof of the i-th entry.
func witnessed(t testing.TB, l *log.Log, i int, p evidence.Policy) (network.Proof, evidence.Cosigned) {
	t.Helper()
	staged := stage(t, l, call(i))
	proof, err := l.Prove(t.Context(), staged[0].Hash)
	if err != nil {
		t.Fatal(err)
	}
	own := func(signed string) string { text, _, _ := strings.Cut(signed, "\n\n"); return text + "\n" }
	seen, err := p.Witnessed(own(proof.Log.Checkpoint), proof.Log.Cosignatures)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Later != nil && !seen.Met {
		if seen, err = p.Witnessed(own(proof.Later.Checkpoint), proof.Later.Cosignatures); err != nil {
			t.Fatal(err)
		}
	}
	return proof, seen
}

func states(t testing.TB, l *log.Log) []network.Witness {
	t.Helper()
	all, err := l.Witnesses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A foreign witness cosigns each block. The cosignature is in the served checkpoint and in the
// proof of an entry; an earlier entry has the later checkpoint.
func TestForeignWitness(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 3) // before there was a witness
		w := witnesstest.Start(t, "lite.example/w", l.VerifierKey())
		p := policyOf(t, "log "+l.VerifierKey(), line("lite", w.Key, w.URL), "quorum lite")
		ask(t, l, time.Hour, p)
		fill(t, l, 3, 2)
		if size, lines, _ := published(t, l); size != 3 || len(lines) != 0 {
			t.Errorf("before the witness was asked: %d %q", size, lines)
		}
		cosign(t, l)
		size, lines, text := published(t, l)
		if size != 5 || len(lines) != 1 {
			t.Fatalf("%q", text)
		}
		for i, later := range []bool{true, true, true, false, false} {
			proof, seen := witnessed(t, l, i, p)
			if proof.Quorum != network.Enough || !seen.Met || (proof.Later != nil) != later {
				t.Errorf("entry %d: %+v %+v", i, proof, seen)
			}
		}
		// It grows, and the witness forgets nothing when it is started again.
		fill(t, l, 5, 300)
		w.Stop()
		cosign(t, l)
		if size, _, _ := published(t, l); size != 5 {
			t.Errorf("without the witness: %d", size)
		}
		w.Restart()
		cosignLater(t, l, db, time.Minute)
		if size, lines, _ := published(t, l); size != 305 || len(lines) != 1 {
			t.Errorf("again: %d %q", size, lines)
		}
		cosign(t, l) // nothing is new
		status := states(t, l)
		if len(status) != 1 || status[0].Size != 305 || status[0].Failures != 0 || status[0].Alarm != "" || slices.Contains(lines, "") {
			t.Errorf("%+v", status)
		}
	})
}

// Two labels guard each other: the log of each has the witness of the other, and both log and
// witness follow one protocol. A quorum needs both witnesses of a log.
func TestQuorum(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		a, b := watch(t, "a.example/w", l.VerifierKey()), watch(t, "b.example/w", l.VerifierKey())
		p := policyOf(t, line("a", a.VerifierKey(), a.url), line("b", b.VerifierKey(), b.url), "group both all a b", "quorum both")
		told := 0
		ask(t, l, time.Minute, p)
		l.OnQuorum(func() { told++ })
		fill(t, l, 0, 2)
		cosign(t, l)
		if size, lines, _ := published(t, l); size != 2 || len(lines) != 2 || told != 1 || !slices.IsSorted(lines) {
			t.Fatalf("%d %q, told %d times", size, lines, told)
		}
		// One witness is away: the published checkpoint stays until its timeout.
		b.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		fill(t, l, 2, 3)
		cosign(t, l)
		if size, lines, _ := published(t, l); size != 2 || len(lines) != 2 {
			t.Errorf("within the timeout: %d %q", size, lines)
		}
		if proof, seen := witnessed(t, l, 3, p); proof.Quorum != network.TooFew || seen.Met || len(proof.Log.Cosignatures) != 1 || proof.Later != nil {
			t.Errorf("within the timeout: %+v", proof)
		}
		later := db.Now
		db.Now = func() time.Time { return later().Add(2 * time.Minute) }
		if size, lines, _ := published(t, l); size != 5 || len(lines) != 1 {
			t.Errorf("after the timeout: %d %q", size, lines)
		}
		// Certificates stop waiting when the quorum was impossible for the whole timeout.
		if at, err := l.Witnessing(t.Context()); err != nil || at.Timeout != 0 || at.Block != 1 {
			t.Errorf("down for longer than the timeout: %+v, %v", at, err)
		}
		db.Now = later
		if at, err := l.Witnessing(t.Context()); err != nil || at.Timeout != time.Minute {
			t.Errorf("down for a moment: %+v, %v", at, err)
		}
		// Back again, the witness signs the newest block, and the block between is proved by it.
		b.answer = nil
		fill(t, l, 5, 4)
		cosignLater(t, l, db, time.Minute)
		if size, lines, _ := published(t, l); size != 9 || len(lines) != 2 || told != 2 {
			t.Errorf("back again: %d %q, told %d times", size, lines, told)
		}
		if at, err := l.Witnessing(t.Context()); err != nil || at.Timeout != time.Minute || at.Block != 3 {
			t.Errorf("back again: %+v, %v", at, err)
		}
		if proof, seen := witnessed(t, l, 3, p); proof.Quorum != network.Enough || !seen.Met || proof.Later == nil || len(proof.Log.Cosignatures) != 1 {
			t.Errorf("back again: %+v", proof)
		}
		// Many proofs at once say the same as one.
		var hashes [][32]byte
		for i := range 9 {
			hashes = append(hashes, stage(t, l, call(i))[0].Hash)
		}
		all, err := l.ProveAll(t.Context(), hashes)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range hashes {
			if one, _ := witnessed(t, l, i, p); cmp.Diff(one, all[h], cmp.AllowUnexported(evidence.Attestation{})) != "" {
				t.Errorf("entry %d: %s", i, cmp.Diff(one, all[h], cmp.AllowUnexported(evidence.Attestation{})))
			}
		}
		// Without witnesses the newest checkpoint is served, and what they signed stays.
		fill(t, l, 9, 1)
		if err := l.AskWitnesses(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if size, _, _ := published(t, l); size != 10 || len(states(t, l)) != 0 {
			t.Errorf("without witnesses: %d %+v", size, states(t, l))
		}
		if proof, _ := witnessed(t, l, 3, p); proof.Quorum != network.Enough || proof.Later == nil {
			t.Errorf("without witnesses: %+v", proof)
		}
	})
}

// No published checkpoint is smaller than one before, in any order of events.
func TestPublishedNeverShrinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		db := storetest.Open(t, "sqlite:"+filepath.Join(dir, fmt.Sprint(time.Now().UnixNano())))
		at := time.Now()
		db.Now = func() time.Time { return at }
		l := open(t, db)
		w := watch(t, "a.example/w", l.VerifierKey())
		p := policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a")
		last, entries := int64(0), 0
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch step := rapid.SampledFrom([]string{"grow", "cosign", "away", "back", "timeout", "none", "wait"}).Draw(r, "step"); step {
			case "grow":
				fill(t, l, entries, 2)
				entries += 2
			case "cosign":
				cosign(t, l)
			case "away":
				w.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
			case "back":
				w.answer = nil
			case "timeout":
				ask(t, l, time.Duration(rapid.IntRange(0, 8).Draw(r, "timeout"))*time.Second, p)
			case "none":
				if err := l.AskWitnesses(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			case "wait":
				at = at.Add(time.Duration(rapid.IntRange(1, 4).Draw(r, "wait")) * time.Second) // all together are no jump of the clock
			}
			size, _, _ := published(t, l)
			if size < last || size > int64(entries) {
				r.Fatalf("%d after %d", size, last)
			}
			last = size
		}
	})
}

// A witness that does not answer as it should is asked again later. Nothing of its answer is
// kept, and blocks go on.
func TestWitnessFails(t *testing.T) {
	t.Parallel()
	text := func(status int, body string) func(*guard) http.HandlerFunc {
		return func(*guard) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}
		}
	}
	other := watch(t, "other.example/w")
	for name, c := range map[string]struct {
		answer func(*guard) http.HandlerFunc
		why    string
	}{
		"nothing":           {text(200, ""), "not a signature"},
		"garbage":           {text(200, "\x00\xff<html>"), "not a signature"},
		"a line of another": {text(200, "— other.example/w "+strings.Repeat("A", 100)+"\n"), "no cosignature of the witness's key"},
		"too much":          {text(200, strings.Repeat("x", 40<<10)), "longer than"},
		"409 without size":  {text(409, "many"), "409 without a size"},
		"409 and minus":     {text(409, "-1\n"), "409 without a size"},
		"404":               {text(404, "?"), "does not know this log"},
		"403":               {text(403, "?"), "does not know this key"},
		"500":               {text(500, "?"), "answers 500"},
		"a redirect": {func(*guard) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.url, http.StatusTemporaryRedirect)
			}
		}, "answers 307"},
		"another text": {func(g *guard) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				line, err := g.Add(r.Context(), b)
				if err != nil {
					t.Error(err)
				}
				raw := []byte(line)
				raw[len(raw)-20] ^= 1
				_, _ = w.Write(raw)
			}
		}, "does not hold"},
		"other sizes": {func(*guard) http.HandlerFunc {
			n := 0
			return func(w http.ResponseWriter, _ *http.Request) {
				n = n%3 + 1
				w.WriteHeader(409)
				fmt.Fprintln(w, n)
			}
		}, "another size at each request"},
		"a connection that breaks": {func(*guard) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.SQLite(t)
			l := open(t, db)
			w := watch(t, "a.example/w", l.VerifierKey())
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			if err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a"), Timeout: time.Hour, Client: client}); err != nil {
				t.Fatal(err)
			}
			w.answer = c.answer(w)
			fill(t, l, 0, 3)
			cosign(t, l)
			state := states(t, l)[0]
			if state.Failures != 1 || !strings.Contains(state.Failure, c.why) || state.FailingSince.IsZero() || state.Alarm != "" || state.Size != 0 {
				t.Errorf("%+v", state)
			}
			if size, lines, _ := published(t, l); size != 0 || len(lines) != 0 {
				t.Errorf("%d %q", size, lines)
			}
			if asked := w.asked; asked > 0 {
				if cosign(t, l); w.asked != asked {
					t.Error("the witness was asked again at once")
				}
			}
			fill(t, l, 3, 1)
			w.answer = nil
			cosignLater(t, l, db, 2*time.Second)
			if state := states(t, l)[0]; state.Failures != 0 || state.Failure != "" || state.Size != 4 {
				t.Errorf("after its pause: %+v", state)
			}
			if size, lines, _ := published(t, l); size != 4 || len(lines) != 1 {
				t.Errorf("after its pause: %d %q", size, lines)
			}
		})
	}
}

// A witness on a private address is asked only if the operator allows its network.
func TestPrivateWitness(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	l := open(t, db)
	w := watch(t, "a.example/w", l.VerifierKey())
	fill(t, l, 0, 1)
	wait := time.Duration(0) // longer than the lease of the one before
	for url, why := range map[string]string{w.url: outbound.ErrPlain.Error(), strings.Replace(w.url, "http:", "https:", 1): outbound.ErrAddress.Error()} {
		p := policyOf(t, line("a", w.VerifierKey(), url), "quorum a")
		if err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: p, Client: outbound.NewPolicy(nil).Client(1, 1)}); err != nil {
			t.Fatal(err)
		}
		wait += time.Minute
		cosignLater(t, l, db, wait)
		if state := states(t, l)[0]; !strings.Contains(state.Failure, why) || w.asked > 0 {
			t.Errorf("%s: %+v, asked %d times", url, state, w.asked)
		}
	}
	p := policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a")
	if err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: p, Client: outbound.NewPolicy([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Client(1, 1)}); err != nil {
		t.Fatal(err)
	}
	cosignLater(t, l, db, time.Hour)
	if state := states(t, l)[0]; state.Size != 1 {
		t.Errorf("%+v", state)
	}
}

// Policies whose witnesses cannot be asked are refused when the server starts.
func TestUnaskable(t *testing.T) {
	t.Parallel()
	l := open(t, storetest.SQLite(t))
	w := watch(t, "a.example/w")
	key := w.VerifierKey()
	_, other, err := note.GenerateKey(nil, "other.example/log")
	if err != nil {
		t.Fatal(err)
	}
	mldsa := mldsaKey("b.example/w")
	for _, c := range []struct {
		lines []string
		why   string
	}{
		{[]string{line("a", key, w.url), "quorum a"}, ""},
		{[]string{"log " + l.VerifierKey(), line("a", key, w.url), "quorum a"}, ""},
		{[]string{"log " + other, line("a", key, w.url), "quorum a"}, "names other logs"},
		{[]string{"quorum none"}, "needs no witness"},
		{[]string{"witness a " + key, "quorum a"}, "no address"},
		{[]string{line("a", key, "ftp://a.example/"), "quorum a"}, "http URL"},
		{[]string{line("a", key, "https://u:p@a.example/"), "quorum a"}, "http URL"},
		{[]string{line("a", key, w.url), line("b", mldsa, "https://b.example/"), "group any any a b", "quorum any"}, ""},
		{[]string{line("a", key, w.url), line("b", mldsa, "https://b.example/"), "group all all a b", "quorum all"}, "are no quorum"},
	} {
		err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: policyOf(t, c.lines...), Client: http.DefaultClient})
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q: %v, want %q", c.lines, err, c.why)
		}
	}
}

// mldsaKey returns a verifier key of a kind that is not asked.
func mldsaKey(name string) string {
	key := append([]byte{6}, make([]byte, 1312)...)
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(key))
}

// The pauses grow, and a witness may ask for a longer one.
func TestWitnessPauses(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	at := time.Now()
	db.Now = func() time.Time { return at }
	l := open(t, db)
	w := watch(t, "a.example/w", l.VerifierKey())
	ask(t, l, 0, policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a"))
	fill(t, l, 0, 1)
	after := ""
	w.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	next := func(want time.Duration) {
		t.Helper()
		at = at.Add(want - time.Millisecond)
		before := w.asked
		if cosign(t, l); w.asked != before {
			t.Errorf("asked before %s", want)
		}
		at = at.Add(time.Millisecond)
		if cosign(t, l); w.asked != before+1 {
			t.Errorf("not asked after %s", want)
		}
	}
	cosign(t, l)
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		next(pause * time.Second)
	}
	after = "900"
	next(5 * time.Minute)
	after = "99999999"
	next(15 * time.Minute)
	after = ""
	next(time.Hour)
}

// A witness with a wrong clock is not believed: evidence with such a cosignature would
// contradict itself.
func TestWitnessClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		db := storetest.SQLite(t)
		l := open(t, db)
		w, err := witness.New(witness.Config{
			Name: "a.example/w", Seed: make([]byte, 32), Logs: []string{l.VerifierKey()}, Store: checkpoint.Dir(t.TempDir()), Now: func() time.Time { return time.Now().Add(off) },
		})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(w)
		defer server.Close()
		ask(t, l, 0, policyOf(t, line("a", w.VerifierKey(), server.URL), "quorum a"))
		fill(t, l, 0, 1)
		cosign(t, l)
		if state := states(t, l)[0]; !strings.Contains(state.Failure, "clock") || state.Size != 0 {
			t.Errorf("%s: %+v", off, state)
		}
	}
}

// A registry is copied and runs twice. Of each witness one of both gets no cosignature, and
// an alarm. Our witness also proves it.
func TestCopiedRegistry(t *testing.T) {
	t.Parallel()
	for _, entries := range []int{2, 3, 5} { // fewer, as many and more than the witness saw
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			t.Parallel()
			first, db := open(t, storetest.SQLite(t)), storetest.SQLite(t)
			second := open(t, db)
			ours, lite := watch(t, "a.example/w", first.VerifierKey()), witnesstest.Start(t, "lite.example/w", first.VerifierKey())
			p := policyOf(t, line("ours", ours.VerifierKey(), ours.url), line("lite", lite.Key, lite.URL), "group all all ours lite", "quorum all")
			ask(t, first, 0, p)
			ask(t, second, 0, p)
			fill(t, first, 0, 3)
			cosign(t, first)
			fill(t, second, 100, entries)
			cosign(t, second)
			for _, state := range states(t, first) {
				if state.Alarm != "" || state.Size != 3 {
					t.Errorf("the first: %+v", state)
				}
			}
			for _, state := range states(t, second) {
				if state.Alarm == "" || state.Size != 0 || (state.Proof == "") != (state.Name == "lite") {
					t.Errorf("the second: %+v", state)
				}
				if state.Proof != "" {
					if tree, err := evidence.OpenCheckpoint(state.Proof, origin, first.VerifierKey()); err != nil || tree.N != 3 {
						t.Errorf("the proof: %v %+v", err, tree)
					}
				}
			}
			if _, lines, _ := published(t, second); len(lines) > 0 {
				t.Errorf("the second has cosignatures: %q", lines)
			}
			if err := second.Forked(t.Context()); err == nil {
				t.Error("the second does not say that it forked")
			}
			if err := first.Forked(t.Context()); err != nil {
				t.Error(err)
			}
			// A follower that saw the first finds the second out. With the policy it does not
			// even read the second.
			dir := t.TempDir()
			check := func(url string, p *evidence.Policy) error {
				m, err := monitor.Open(monitor.Config{URL: url, Key: first.VerifierKey(), Policy: p, Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				_, err = m.Check(t.Context())
				return err
			}
			if err := check(serve(t, first).url, &p); err != nil {
				t.Fatal(err)
			}
			copied := serve(t, second).url
			// A shorter one proves nothing yet: it could continue.
			if err, fork := check(copied, nil), (*monitor.Fork)(nil); err == nil || entries >= 3 && !errors.As(err, &fork) {
				t.Errorf("the follower says %v", err)
			}
			if err := check(copied, &p); err == nil {
				t.Error("the follower with the policy says nothing")
			}
			// Two holders who put their evidence together find it out (timbre verify A B). So does a
			// holder of the first who asks the copy (timbre verify --online).
			holds := func(l *log.Log, n int) evidence.Evidence {
				proof, err := l.Prove(t.Context(), stage(t, l, call(n))[0].Hash)
				if err != nil {
					t.Fatal(err)
				}
				return evidence.Evidence{Log: proof.Log}
			}
			mine, other := holds(first, 0), holds(second, 100)
			if found := evidence.Compare(mine, other, []string{first.VerifierKey()}); found.Relation != evidence.Contradiction || found.Checkpoints != [2]string{mine.Log.Checkpoint, other.Log.Checkpoint} {
				t.Errorf("the two evidences: %+v", found)
			}
			for url, same := range map[string]bool{serve(t, first).url: true, copied: false} {
				newest, err := monitor.ReadNewest(t.Context(), monitor.Source{Place: url}, first.Origin(), []string{first.VerifierKey()}, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, err = newest.Continues(t.Context(), mine.Log.Checkpoint)
				fork, shorter := (*monitor.Fork)(nil), (*monitor.Shorter)(nil)
				if same != (err == nil) || !same && entries < 3 != errors.As(err, &shorter) || !same && entries >= 3 != errors.As(err, &fork) {
					t.Errorf("asked %s: %v", url, err)
				}
			}
		})
	}
}

// A log that a follower or a witness saw, and that was then restored, ends its alarm when it
// continues that history again.
func TestAlarmEnds(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	l := open(t, db)
	w := watch(t, "a.example/w", l.VerifierKey())
	ask(t, l, 0, policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a"))
	fill(t, l, 0, 1)
	w.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) }
	cosign(t, l)
	if state := states(t, l)[0]; state.Alarm == "" || state.Proof != "" || l.Forked(t.Context()) != nil {
		t.Errorf("%+v", state) // a witness alone proves nothing
	}
	w.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	cosignLater(t, l, db, time.Minute)
	if state := states(t, l)[0]; state.Alarm == "" || state.Failures != 2 || !strings.Contains(state.Failure, "502") {
		t.Errorf("%+v", state)
	}
	w.answer = nil
	cosignLater(t, l, db, 2*time.Minute)
	if state := states(t, l)[0]; state.Alarm != "" || state.Size != 1 {
		t.Errorf("%+v", state)
	}
}

// The process ends at any moment between the question and the commit. The next one asks again,
// and the witness answers with the size that it has.
func TestCosignCrash(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		w := watch(t, "a.example/w", l.VerifierKey())
		p := policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a")
		ask(t, l, time.Hour, p)
		crashes, kept := 0, int64(0)
		for left := 1; kept < 5 && left < 2000; left++ {
			if left%7 == 1 {
				fill(t, l, left, 1)
			}
			if err := l.Cosign(&dying{Context: t.Context(), left: left}); err != nil {
				crashes++
			}
			if now := states(t, l)[0].Size; now != kept {
				kept = now
				if size, lines, _ := published(t, l); size != kept || len(lines) != 1 {
					t.Fatalf("%d cosigned, but %d %q published", kept, size, lines)
				}
			}
		}
		again := open(t, db) // another process: the lease of the first one ends
		ask(t, again, time.Hour, p)
		fill(t, again, 10_000, 1)
		cosignLater(t, again, db, time.Minute)
		state := states(t, again)[0]
		if size, lines, _ := published(t, again); size != state.Size || len(lines) != 1 || crashes == 0 || state.Alarm != "" {
			t.Errorf("%d crashes, %+v, %d %q", crashes, state, size, lines)
		}
	})
}

// Of two processes one asks at a time.
func TestOneProcessAsks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, two := open(t, db), open(t, db)
		w := watch(t, "a.example/w", one.VerifierKey())
		p := policyOf(t, line("a", w.VerifierKey(), w.url), "quorum a")
		ask(t, one, 0, p)
		ask(t, two, 0, p)
		fill(t, one, 0, 1)
		cosign(t, one)
		fill(t, one, 1, 1)
		if cosign(t, two); w.asked != 1 {
			t.Errorf("the second asked: %d", w.asked)
		}
		cosignLater(t, two, db, 20*time.Second)
		if states(t, two)[0].Size != 2 {
			t.Error("the second does not ask after the lease")
		}
	})
}

// While a witness hangs, entries become final as ever, and the other witness cosigns. A
// server that stops does not wait for the witness.
func TestWitnessHangs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config()
		c.BlockTime = time.Millisecond
		l, err := log.Open(t.Context(), db, c)
		if err != nil {
			t.Fatal(err)
		}
		w, slow := watch(t, "a.example/w", l.VerifierKey()), make(chan struct{}, 100)
		hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // otherwise the server does not see that the client leaves
			slow <- struct{}{}
			<-r.Context().Done()
		}))
		defer hangs.Close()
		ask(t, l, 0, policyOf(t, line("a", w.VerifierKey(), w.url), line("b", watch(t, "b.example/w").VerifierKey(), hangs.URL), "quorum a"))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { l.Run(ctx); close(ended) }()
		for i := range 5 {
			head := l.Head()
			staged := stage(t, l, call(i))
			broadcast(t, l, staged...)
			for len(find(t, l, staged...)) == 0 {
				<-head
				head = l.Head()
			}
		}
		<-slow
		if state := states(t, l); state[1].Size != 0 {
			t.Errorf("%+v", state)
		}
		stop()
		<-ended
	})
}
