package log_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/witness"
	"timbre.example/internal/witness/witnesstest"
	"timbre.example/proof/evidence"
)

// guard is a witness of ours, whose answers a test may replace.
type guard struct {
	*witness.Witness
	url    string
	answer http.HandlerFunc // nil: the witness's own
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
		g.asked++
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
func ask(t testing.TB, l *log.Log, patience time.Duration, p evidence.Policy) {
	t.Helper()
	if err := l.AskWitnesses(t.Context(), &log.Witnesses{Policy: p, Patience: patience, Client: http.DefaultClient}); err != nil {
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
			if !proof.Quorum || !seen.Met || (proof.Later != nil) != later {
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
