package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// aLog is a real log in a folder that can be copied.
type aLog struct {
	t     *testing.T
	dir   string
	close func() error
	log   *netlog.Log
}

func openLog(t *testing.T, dir string) *aLog {
	t.Helper()
	return openLogNamed(t, dir, "songs.example/log/testnet")
}

func openLogNamed(t *testing.T, dir, origin string) *aLog {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "timbre.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := netlog.Open(t.Context(), db, netlog.Config{
		Network: "testnet", Origin: origin, Key: make([]byte, 32), NextKey: func(number int) []byte { return bytes.Repeat([]byte{byte(number)}, 32) }, BlockTime: time.Millisecond, Checkpoints: checkpoint.Dir(filepath.Join(dir, "checkpoints")),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &aLog{t, dir, db.Close, l}
}

// register adds a work and returns its evidence.
func (l *aLog) register(title string) evidence.Evidence {
	l.t.Helper()
	return l.update(title, 0)
}

// update adds a version to a work, or a new work for 0, and returns its evidence.
func (l *aLog) update(title string, work int64) evidence.Evidence {
	l.t.Helper()
	creators := []commitment.Creator{{FullName: "Ada", Email: "ada@songs.example", Roles: []commitment.Role{commitment.Author}}}
	c, err := commitment.Compute(title, creators, commitment.Hash{1})
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := l.log.Stage(l.t.Context(), network.Call{Commitment: c.Hash, ProtocolVersion: commitment.Version, Nonce: title, AtsID: work})
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.log.Broadcast(l.t.Context(), []network.Staged{s}); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.log.Sequence(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	p, err := l.log.Prove(l.t.Context(), s.Hash)
	if err != nil {
		l.t.Fatal(err)
	}
	entry, err := p.Log.Entry()
	if err != nil {
		l.t.Fatal(err)
	}
	proof, err := c.Proof(0)
	if err != nil {
		l.t.Fatal(err)
	}
	return evidence.Evidence{
		Format: evidence.Format, Title: title, Creators: []evidence.Creator{{Creator: creators[0], Proof: proof}}, Media: evidence.Media{SHA256: commitment.Hash{1}, SizeBytes: 1, Format: "WAV"},
		MerkleRoot: c.Root, Commitment: c.Hash, ProtocolVersion: commitment.Version, Network: evidence.Network{Name: "testnet", Kind: evidence.KindLog},
		AtsID: entry.AtsID, Version: entry.Version, TxHash: s.Hash, Block: evidence.Block{Number: entry.Block, Hash: sha256.Sum256([]byte(p.Log.Checkpoint)), Time: entry.At}, Log: p.Log,
	}
}

// twin copies the log, as an evil operator would.
func (l *aLog) twin() *aLog {
	l.t.Helper()
	if err := l.close(); err != nil {
		l.t.Fatal(err)
	}
	dir := l.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		l.t.Fatal(err)
	}
	*l = *openLog(l.t, l.dir)
	return openLog(l.t, dir)
}

// serveLog serves the log that current holds.
func serveLog(t *testing.T, current *atomic.Pointer[aLog]) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		current.Load().log.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusNotFound)
		}).ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// saved writes evidence to a new file.
func saved(t *testing.T, e evidence.Evidence) string {
	t.Helper()
	text, err := evidence.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "evidence.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A registry is copied and run twice. Each way to find it out has its exit code and both
// checkpoints: a follower, two evidences, and evidence that is upgraded.
func TestForkIsFoundOut(t *testing.T) {
	t.Parallel()
	honest := openLog(t, t.TempDir())
	var current atomic.Pointer[aLog]
	current.Store(honest)
	url, key, kept, mirror := serveLog(t, &current), honest.log.VerifierKey(), filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "mirror")
	first := honest.register("First")
	follow := func(dir string) (said, []map[string]any) {
		t.Helper()
		s := timbre(t, "log", "follow", url, "--log-key", key, "--dir", dir, "--once", "--json")
		var lines []map[string]any
		for line := range strings.Lines(s.out) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			lines = append(lines, one)
		}
		return s, lines
	}
	if s, lines := follow(kept); s.code != exitDone || len(lines) != 1 || lines[0]["result"] != "ok" || lines[0]["size"] != 1.0 || lines[0]["works"] != 1.0 {
		t.Fatalf("exit %d: %s%s", s.code, s.out, s.err)
	}
	if s := timbre(t, "log", "mirror", url, "--log-key", key, "--dir", mirror, "--once"); s.code != exitDone || !strings.Contains(s.out, "songs.example/log/testnet  1 entries") {
		t.Fatalf("exit %d: %s%s", s.code, s.out, s.err)
	}
	if s := timbre(t, "log", "check", url, "--log-key", key, "--json"); s.code != exitDone || !strings.HasPrefix(s.out, `{"result":"ok"`) {
		t.Fatalf("exit %d: %s%s", s.code, s.out, s.err)
	}

	evil := honest.twin()
	two, forked := honest.register("Second"), evil.register("Second, but another")
	if two.AtsID != forked.AtsID || two.Block.Number != forked.Block.Number || two.Log.Key != forked.Log.Key {
		t.Fatalf("%+v %+v", two.Block, forked.Block)
	}
	both := func(s said) {
		t.Helper()
		if s.code != exitForked || !strings.Contains(s.err, two.Log.Checkpoint) || !strings.Contains(s.err, forked.Log.Checkpoint) {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
	}
	// Each of the two alone is proved.
	one, other := saved(t, two), saved(t, forked)
	for _, file := range []string{one, other} {
		if s := timbre(t, "verify", file, "--log-key", key); s.code != exitDone {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
	}
	both(timbre(t, "verify", one, other, "--log-key", key))
	// A holder who asks the copy finds it out, and one who asks the original does not.
	current.Store(evil)
	both(timbre(t, "verify", "--online", one, "--log-key", key, "--online-from", url))
	if s := timbre(t, "verify", "--online", other, "--log-key", key, "--online-from", url); s.code != exitDone {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
	current.Store(honest)
	// The follower of the honest log sees the other one.
	if s, _ := follow(kept); s.code != exitDone {
		t.Fatalf("exit %d: %s", s.code, s.err)
	}
	current.Store(evil)
	s, lines := follow(kept)
	both(s)
	if points, ok := lines[0]["checkpoints"].([]any); !ok || len(points) != 2 || lines[0]["result"] != "forked" {
		t.Errorf("%v", lines)
	}
	// An upgrade of evidence finds it out, too, and the file stays as it was.
	before, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	both(timbre(t, "evidence", "upgrade", one, "--checkpoint-from", url))
	if now, err := os.ReadFile(one); err != nil || !bytes.Equal(now, before) {
		t.Errorf("the file was changed: %v", err)
	}
	// A log that cannot be read is not a fork.
	current.Store(openLog(t, t.TempDir()))
	if s, lines := follow(kept); s.code != exitRefused || lines[0]["result"] != "unread" || lines[0]["why"] == "" {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}

	// From the honest log and from its mirror, the first work's evidence gets a later
	// checkpoint, and stays proved.
	current.Store(honest)
	for _, source := range []string{url, mirror} {
		if source == mirror {
			timbre(t, "log", "mirror", url, "--log-key", key, "--dir", mirror, "--once")
		}
		file := saved(t, first)
		if s := timbre(t, "evidence", "upgrade", file, "--checkpoint-from", source, "--log-key", key); s.code != exitDone || !strings.Contains(s.out, "passed       A later state of the log still has this block.") {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
		s := timbre(t, "verify", file, one, "--log-key", key, "--json")
		if s.code != exitDone || !strings.Contains(s.out, `"relation": "same_history"`) {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
		// Twice is as good as once.
		before, _ := os.ReadFile(file)
		timbre(t, "evidence", "upgrade", file, "--checkpoint-from", source)
		if now, _ := os.ReadFile(file); !bytes.Equal(now, before) {
			t.Error("the same checkpoint changed the file")
		}
	}
}

// A statement that is about something else, or does not hold, is not written.
func TestUpgradeRefusesStatements(t *testing.T) {
	t.Parallel()
	const dir = "../../proof/evidence/testdata/v2/"
	whole, err := os.ReadFile(dir + "full.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "evidence.json")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	key := dir + "key.txt"
	for want, args := range map[string][]string{
		"not a token":                        {"--token", key},
		"not an OpenTimestamps proof":        {"--ots", key},
		"the log of the evidence is not one": {"--checkpoint-from", t.TempDir(), "--log-key", otherKey(t)},
		"read a later checkpoint from":       {"--checkpoint-from", t.TempDir(), "--log-key", key},
	} {
		s := timbre(t, append([]string{"evidence", "upgrade", file}, args...)...)
		if now, err := os.ReadFile(file); s.code != exitRefused || !strings.Contains(s.err, want) || err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%v: exit %d: %s%s", args, s.code, s.out, s.err)
		}
	}
	timbre(t, "evidence", "upgrade", file).refused(exitUsage, "name at least one statement to add")
	// A token that holds is added, and verify sees it.
	if s := timbre(t, "evidence", "upgrade", file, "--token", dir+"token.der", "--tsa-ca", dir+"authority.pem", "--json"); s.code != exitDone || !strings.Contains(s.out, `"added": 1`) {
		t.Fatalf("exit %d: %s%s", s.code, s.out, s.err)
	}
	// Its authority's certificates have ended since: the token still dates, with a remark.
	if s := timbre(t, "verify", file, "--log-key", key, "--tsa-ca", dir+"authority.pem"); s.code != exitDone || !strings.Contains(s.out, "chain ended on 2026-11-25T12:08:56Z; only a renewal") || !strings.Contains(s.out, "Time-stamped by an authority. ") {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
}

// otherKey is the key of another log of the same name.
func otherKey(t *testing.T) string {
	t.Helper()
	return openLog(t, t.TempDir()).log.VerifierKey()
}

// A witness needs only its own key of the secret.
func TestWitnessKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, derived, ats := filepath.Join(dir, "secret"), filepath.Join(dir, "witness.keys"), filepath.Join(dir, "ats.keys")
	if err := os.WriteFile(secret, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--witness", "--out", derived}, {"--roles", "ats", "--out", ats}} {
		if s := timbre(t, append([]string{"secret", "derive", "--secret-file", secret}, args...)...); s.code != exitDone {
			t.Fatal(s.err)
		}
	}
	whole := timbre(t, "witness", "key", "--name", "witness.example/w", "--secret-file", secret)
	alone := timbre(t, "witness", "key", "--name", "witness.example/w", "--secret-file", derived)
	if whole.code != exitDone || whole.out != alone.out || !strings.HasPrefix(whole.out, "witness.example/w+") {
		t.Errorf("%q %q", whole.out+whole.err, alone.out+alone.err)
	}
	if text, err := os.ReadFile(derived); err != nil || strings.Contains(string(text), "abab") || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%s, %v", text, err)
	}
	timbre(t, "witness", "key", "--name", "witness.example/w", "--secret-file", ats).refused(exitUsage, "timbre secret derive --witness")
	timbre(t, "secret", "derive", "--secret-file", secret, "--out", "-").refused(exitUsage, "name the roles of the process")
}
