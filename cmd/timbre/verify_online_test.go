package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"timbre.example/proof/evidence"
)

// asked is the part of the JSON that says what the log said.
type asked struct {
	Result, Verdict string
	Online          online
}

// ask runs verify --online --json.
func ask(t *testing.T, args ...string) (asked, said) {
	t.Helper()
	s := timbre(t, append([]string{"verify", "--online", "--json"}, args...)...)
	var a asked
	if err := json.Unmarshal([]byte(s.out), &a); err != nil {
		t.Fatalf("%v: exit %d: %s%s", err, s.code, s.out, s.err)
	}
	return a, s
}

// versions returns the numbers of the other versions.
func (a asked) versions() (all []int64) {
	for _, v := range a.Online.Versions {
		all = append(all, v.Version)
	}
	return all
}

// Each version of a work learns of the others, from the log and from its mirror.
func TestVerifyOnline(t *testing.T) {
	t.Parallel()
	l := openLog(t, t.TempDir())
	var current atomic.Pointer[aLog]
	current.Store(l)
	url, key, mirror := serveLog(t, &current), l.log.VerifierKey(), filepath.Join(t.TempDir(), "mirror")
	copied := func() {
		t.Helper()
		if s := timbre(t, "log", "mirror", url, "--log-key", key, "--dir", mirror, "--once"); s.code != exitDone {
			t.Fatal(s.err)
		}
	}
	for i := range 3 {
		l.register("Before " + string(rune('a'+i)))
	}
	one := l.register("One")
	first := saved(t, one)
	both := func(check func(source string)) {
		copied()
		for _, source := range []string{url, mirror} {
			check(source)
		}
	}
	both(func(source string) {
		a, s := ask(t, first, "--log-key", key, "--online-from", source)
		if s.code != exitDone || a.Result != "proved" || a.Online.Result != noneLater || a.Online.To != 4 || !a.Online.Last.Equal(one.Block.Time) {
			t.Errorf("%s: exit %d: %+v", source, s.code, a)
		}
	})
	l.register("Between")
	two := l.update("Two", one.AtsID)
	l.register("After")
	three := l.update("Three", one.AtsID)
	l.register("Last")
	files := []string{first, saved(t, two), saved(t, three)}
	both(func(source string) {
		for i, want := range []struct {
			code   int
			result string
			others []int64
		}{{exitLater, someLater, []int64{2, 3}}, {exitLater, someLater, []int64{1, 3}}, {exitDone, noneLater, []int64{1, 2}}} {
			a, s := ask(t, files[i], "--log-key", key, "--online-from", source)
			if s.code != want.code || a.Online.Result != want.result || !slices.Equal(a.versions(), want.others) || a.Verdict != "registered" {
				t.Errorf("version %d: exit %d: %+v %s", i+1, s.code, a, s.err)
			}
			for _, v := range a.Online.Versions {
				if e := []evidence.Evidence{one, two, three}[v.Version-1]; v.TxHash != "0x"+e.TxHash.String() || v.Index != e.Log.Index || !v.Time.Equal(e.Block.Time) || v.Commitment != "0x"+e.Commitment.String() {
					t.Errorf("version %d is shown as %+v", v.Version, v)
				}
			}
		}
	})
	// People read the same, and the exit code of several files is the worst.
	s := timbre(t, "verify", "--online", "--online-from", url, "--log-key", key, files[2], files[0])
	for _, want := range []string{
		"online       The log has no later version of this work up to entry 8, at ", "earlier      version 1, ",
		"online       The log has a later version of this work.\nlater        version 2, ", "The registration is proved", "transaction 0x",
	} {
		if s.code != exitLater || !strings.Contains(s.out, want) || !strings.Contains(s.err, "has a later version of the work: version 3") {
			t.Errorf("exit %d, no %q: %s%s", s.code, want, s.out, s.err)
		}
	}
	if strings.Contains(s.out, evidence.LaterVersions()) {
		t.Error("it still says that it knows nothing")
	}
	// An entry that is not read is not called missing.
	for most, want := range map[string]struct {
		result string
		others []int64
	}{"1": {partlyRead, nil}, "2": {someLater, []int64{2}}} {
		a, s := ask(t, files[0], "--log-key", key, "--online-from", url, "--online-max", most)
		if s.code != map[string]int{"1": exitLaterUnknown, "2": exitLater}[most] || a.Online.Result != want.result || !slices.Equal(a.versions(), want.others) {
			t.Errorf("%s: exit %d: %+v", most, s.code, a)
		}
	}
}

// Silence of the log is never read as "no later version", and the verdict stays.
func TestVerifyOnlineUnknown(t *testing.T) {
	t.Parallel()
	l := openLog(t, t.TempDir())
	var current atomic.Pointer[aLog]
	current.Store(l)
	url, key := serveLog(t, &current), l.log.VerifierKey()
	l.register("One")
	file := saved(t, l.register("Two"))
	short := filepath.Join(t.TempDir(), "short")
	if s := timbre(t, "log", "mirror", url, "--log-key", key, "--dir", short, "--once"); s.code != exitDone {
		t.Fatal(s.err)
	}
	later := saved(t, l.register("Three"))
	answers := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := answers(http.NotFound)
	closed := httptest.NewServer(nil)
	closed.Close()
	policy := filepath.Join(t.TempDir(), "policy.txt")
	if err := os.WriteFile(policy, []byte("log "+key+"\nwitness w "+otherWitness(t)+"\nquorum w\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		code   int
		result string
		why    string
	}{
		"nobody there":      {[]string{file, "--log-key", key, "--online-from", closed.URL}, exitLaterUnknown, logUnread, "connection refused"},
		"no log there":      {[]string{file, "--log-key", key, "--online-from", gone}, exitLaterUnknown, logUnread, "status 404"},
		"refuses":           {[]string{file, "--log-key", key, "--online-from", answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })}, exitLaterUnknown, logUnread, "status 403"},
		"something else":    {[]string{file, "--log-key", key, "--online-from", answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })}, exitLaterUnknown, logUnread, "checkpoint"},
		"endless":           {[]string{file, "--log-key", key, "--online-from", answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })}, exitLaterUnknown, logUnread, "larger than"},
		"an empty folder":   {[]string{file, "--log-key", key, "--online-from", t.TempDir()}, exitLaterUnknown, logUnread, "checkpoint"},
		"shorter":           {[]string{later, "--log-key", key, "--online-from", short}, exitLaterUnknown, logShorter, "2 entries, fewer than that of the evidence (3)"},
		"no witness":        {[]string{file, "--witness-policy", policy, "--online-from", url}, exitNotProved, unwitnessed, "too few witnesses"},
		"no key":            {[]string{file}, exitNotProved, notAsked, "you do not trust the key"},
		"no key, named":     {[]string{file, "--online-from", url}, exitNotProved, noneLater, ""},
		"another recording": {[]string{file, "--log-key", key, "--online-from", url, "--media", "verify.go"}, exitRefused, notAsked, "a check of the evidence failed"},
		"a chain":           {[]string{"../../proof/evidence/testdata/v2/substrate.json", "--online-from", url}, exitNotProved, notAsked, "ask a node"},
	} {
		a, s := ask(t, c.args...)
		if s.code != c.code || a.Online.Result != c.result || !strings.Contains(a.Online.Why, c.why) || c.code == exitLaterUnknown && (a.Verdict != "registered" || a.Result != "later_unknown") {
			t.Errorf("%s: exit %d: %+v %s", name, s.code, a, s.err)
		}
	}
	for _, args := range [][]string{{"--online-from", url}, {"--online", "--online-max", "0"}, {"--online", "--online-from", "songs.example"}} {
		timbre(t, append([]string{"verify", file}, args...)...).refused(exitUsage, "online-")
	}
	// For a file that is not evidence, no log is asked.
	if a, s := ask(t, "verify.go", "--online-from", url); s.code != exitNotEvidence || a.Online.Result != "" {
		t.Errorf("exit %d: %+v", s.code, a)
	}
}

// Evidence comes from others. It cannot send the command into the reader's own network, unless
// the reader names the address.
func TestVerifyOnlinePrivate(t *testing.T) {
	t.Parallel()
	hit := atomic.Bool{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit.Store(true) }))
	t.Cleanup(server.Close)
	l := openLogNamed(t, t.TempDir(), strings.TrimPrefix(server.URL, "https://")+"/log/testnet")
	a, s := ask(t, saved(t, l.register("One")), "--log-key", l.log.VerifierKey())
	if s.code != exitLaterUnknown || a.Online.Result != logUnread || !strings.Contains(a.Online.Why, "not public") || hit.Load() {
		t.Errorf("exit %d: %+v", s.code, a)
	}
}

// otherWitness is the key of a witness that has seen nothing.
func otherWitness(t *testing.T) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := timbre(t, "witness", "key", "--name", "witness.example/w", "--secret-file", secret)
	if s.code != exitDone {
		t.Fatal(s.err)
	}
	return strings.TrimSpace(s.out)
}

// A log that forks after the evidence is found out, and the exit code says it.
func TestVerifyOnlineFork(t *testing.T) {
	t.Parallel()
	honest := openLog(t, t.TempDir())
	var current atomic.Pointer[aLog]
	current.Store(honest)
	url, key := serveLog(t, &current), honest.log.VerifierKey()
	honest.register("First")
	evil := honest.twin()
	mine := honest.register("Mine")
	for i, title := range []string{"Another", "And another"} {
		current.Store(evil)
		evil.register(title)
		a, s := ask(t, saved(t, mine), "--log-key", key, "--online-from", url)
		if s.code != exitForked || a.Result != "forked" || a.Verdict != "registered" || a.Online.Result != logForked || len(a.Online.Checkpoints) != 2 ||
			!strings.Contains(s.err, a.Online.Checkpoints[0]) || !strings.Contains(s.err, a.Online.Checkpoints[1]) || a.Online.Checkpoints[0] != mine.Log.Checkpoint {
			t.Errorf("%d: exit %d: %+v %s", i, s.code, a, s.err)
		}
	}
}
