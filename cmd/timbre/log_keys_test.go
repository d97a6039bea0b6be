package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// write writes a file in a folder of the test.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A log gets another key, and ends. Each reader who has one key follows the chain of the page; a
// reader without the page trusts one key alone.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	l := openLog(t, t.TempDir())
	var current atomic.Pointer[aLog]
	current.Store(l)
	url, first := serveLog(t, &current), l.log.VerifierKey()
	kept, mirror := filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "mirror")
	expect := func(code int, part string, args ...string) said {
		t.Helper()
		s := timbre(t, args...)
		if s.code != code || !strings.Contains(s.out+s.err, part) {
			t.Errorf("%v: exit %d, want %d with %q: %s%s", args, s.code, code, part, s.out, s.err)
		}
		return s
	}
	follow := []string{"log", "follow", url, "--log-key", first, "--dir", kept, "--once"}
	one := l.register("First")
	expect(exitDone, "1 entries", follow...)

	thief := l.twin() // has the first key, and continues with it
	current.Store(l)
	if err := l.log.Rotate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	page, err := l.log.KeyPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := page.Key()
	expect(exitDone, "1 entries", follow...) // the newest checkpoint is still that of the first key
	two := l.register("Second")
	if two.Log.Key != second || second == first {
		t.Fatal(two.Log.Key)
	}
	before, after, keys := saved(t, one), saved(t, two), write(t, page.Text)
	stolen := saved(t, thief.register("Stolen"))

	// One key alone, without the page.
	expect(exitDone, "", "verify", before, "--log-key", first)
	expect(exitNotProved, "", "verify", after, "--log-key", first)
	expect(exitDone, "", "verify", stolen, "--log-key", first)
	// Several keys, and the page: from either key, or saved as a whole.
	expect(exitDone, "", "verify", after, "--log-key", first, "--log-key", second)
	expect(exitDone, "", "verify", after, "--log-key", first, "--log-keys", keys)
	expect(exitDone, "", "verify", before, "--log-key", second, "--log-keys", keys)
	expect(exitDone, "", "verify", after, "--log-key", keys)
	expect(exitNotProved, "counts until 1 entries", "verify", stolen, "--log-key", second, "--log-keys", keys)
	expect(exitForked, "", "verify", stolen, after, "--log-key", first, "--log-keys", keys)
	expect(exitDone, "of one history", "verify", before, after, "--log-key", first, "--log-keys", keys)
	_, foreign, err := note.GenerateKey(nil, "songs.example/log/testnet")
	if err != nil {
		t.Fatal(err)
	}
	// A page whose chain does not hold is refused, saying where; that of another log says nothing.
	expect(exitUsage, "change 2: the key that stops", "verify", after, "--log-key", first, "--log-keys", write(t, strings.Replace(page.Text, "\nblock 1\n", "\nblock 2\n", 1)))
	expect(exitNotProved, "", "verify", after, "--log-key", foreign, "--log-keys", keys)

	expect(exitDone, "2 entries", follow...)
	expect(exitDone, "2 entries", "log", "check", url, "--log-key", second)
	expect(exitDone, "2 entries", "log", "mirror", url, "--log-key", first, "--dir", mirror, "--once")
	if text, err := os.ReadFile(filepath.Join(mirror, "keys")); err != nil || string(text) != page.Text {
		t.Error(err, string(text))
	}
	expect(exitDone, "", "evidence", "upgrade", before, "--checkpoint-from", url, "--log-key", first)
	expect(exitDone, "", "verify", before, "--log-key", first, "--log-keys", keys)
	// A question to the log leads from one key to the other, both ways.
	expect(exitDone, "no later version", "verify", "--online", "--online-from", url, before, "--log-key", first)
	expect(exitDone, "no later version", "verify", "--online", "--online-from", url, before, after, "--log-key", second, "--log-keys", keys)
	expect(exitDone, "no later version", "verify", "--online", "--online-from", mirror, after, "--log-key", second)
	// The thief's log, shown to the follower: its page lacks the rotation, its tree differs.
	current.Store(thief)
	expect(exitForked, "counts until 1 entries", "verify", "--online", "--online-from", url, before, "--log-key", first, "--log-keys", keys)
	expect(exitForked, "counts until 1 entries", follow...)
	current.Store(l)

	if err := l.log.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(exitDone, "ended, complete", follow...)
	expect(exitDone, `"ended":true`, "log", "check", url, "--log-key", first, "--json")
	ended, err := l.log.KeyPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expect(exitDone, "ended after 2 entries", "verify", after, "--log-key", write(t, ended.Text))
	// A bigger tree after the end, by the right key.
	current.Store(thief)
	if err := thief.log.Rotate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	thief.register("After the end")
	expect(exitForked, "", follow...)
}
