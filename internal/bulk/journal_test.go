package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/client"
)

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path, "https://ats.example", "testnet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func add(t *testing.T, j *Journal, l line) {
	t.Helper()
	if err := j.add(l, true); err != nil {
		t.Fatal(err)
	}
}

// A journal says the same after each restart, also when the last line was cut at any byte.
func TestJournalIsCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	cost := int64(87)
	add(t, j, line{Name: "a", Begin: &begin{Try: 1, Size: 5, Mod: at, Hash: "h", Song: "A", Key: "k"}})
	add(t, j, line{Name: "a", State: &client.State{IdempotencyKey: "k", JobID: "job", TransactionID: "tx", AccessCode: "atc_1"}, Cost: &cost})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j = open(t, path)
	add(t, j, line{Name: "a", Final: &finalResult{"tx", client.Result{AtsID: 7, TxHash: "0xab"}}})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(before); n <= len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path)
		s := j.song("a")
		if s.State.TransactionID != "tx" || s.State.AccessCode != "atc_1" || s.Cost != 87 || s.Title != "A" || !s.Mod.Equal(at) || j.New {
			t.Fatalf("cut at %d: %+v", n, s)
		}
		if final := s.Final != nil && s.Final.AtsID == 7 && s.Final.TransactionID == "tx"; final != (n == len(whole)) {
			t.Errorf("cut at %d: final %v", n, final)
		}
		if !j.Done(Item{Name: "a"}) {
			t.Error("not done")
		}
		add(t, j, line{Name: "b", Fault: &Fault{Message: "no"}})
		j.Close()
		if j = open(t, path); j.song("b").Fault == nil {
			t.Errorf("cut at %d: the line after the cut is lost", n)
		}
		j.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// A journal that was cut anywhere continues, and a song keeps its key: so a song is registered once.
func TestJournalIsCutAnywhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	key, err := j.key("a", 1, "x")
	if err != nil {
		t.Fatal(err)
	}
	add(t, j, line{Name: "a", Begin: &begin{Try: 1, Key: key}})
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path)
		again, err := j.key("a", 1, "x")
		// The first line is synced before a song begins. Without it the journal is a new one.
		if err != nil || (again == key) != (bytes.IndexByte(whole[:n], '\n') > 0) || j.New == (again == key) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		j.Close()
	}
	// After a power cut the file can have its length without its bytes.
	lines := bytes.SplitAfter(whole, []byte("\n"))
	torn := string(lines[0]) + string(lines[1][:9]) + strings.Repeat("\x00", 4096) + "\n" + string(lines[1])
	if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	if j := open(t, path); j.song("a").Try != 0 || j.New {
		t.Error("a line behind unwritten bytes is read")
	}
}

// A file that is not this journal is refused, and stays as it is.
func TestOtherFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	open(t, good).Close()
	head, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a text without a line": "my songs", "a text": "my songs\n", "other JSON": `{"a":1}` + "\n", "a list": "[",
		"a later version": strings.Replace(string(head), `"version":1`, `"version":2`, 1),
		"another server":  strings.Replace(string(head), "ats.example", "other.example", 1),
		"another network": strings.Replace(string(head), "testnet", "mainnet", 1),
		"a damaged line":  string(head) + "damaged\n" + `{"name":"a","fault":{"message":"x"}}` + "\n",
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenJournal(path, "https://ats.example", "testnet"); err == nil {
			t.Errorf("%s is accepted", name)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s was changed: %q", name, after)
		}
	}
	for n := range head { // the first line of a new journal was cut
		path := filepath.Join(dir, "new")
		if err := os.WriteFile(path, head[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if j := open(t, path); !j.New {
			t.Errorf("cut at %d: not new", n)
		} else {
			j.Close()
		}
	}
}

func TestJournalIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	if _, err := OpenJournal(path, "https://ats.example", "testnet"); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	j.Close()
	open(t, path)
}

// Many songs write at once, and no line is lost.
func TestJournalTakesManySongs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			name := fmt.Sprint(i)
			if err := j.add(line{Name: name, Begin: &begin{Try: 1, Key: name}}, true); err != nil {
				t.Error(err)
			}
			if err := j.add(line{Name: name, State: &client.State{JobID: name}}, false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	j.Close()
	j = open(t, path)
	for i := range 100 {
		if s := j.song(fmt.Sprint(i)); s.State.JobID != fmt.Sprint(i) {
			t.Errorf("%d: %+v", i, s)
		}
	}
}

// The key of a song is the same in each run, and another one for another description, try or journal.
func TestKeys(t *testing.T) {
	dir := t.TempDir()
	j := open(t, filepath.Join(dir, "a"))
	key := func(j *Journal, name string, try int, what any) string {
		k, err := j.key(name, try, what)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key(j, "a", 1, "x")
	j.Close()
	j = open(t, filepath.Join(dir, "a"))
	if key(j, "a", 1, "x") != first {
		t.Error("another key after a restart")
	}
	for _, other := range []string{key(j, "b", 1, "x"), key(j, "a", 2, "x"), key(j, "a", 1, "y"), key(open(t, filepath.Join(dir, "b")), "a", 1, "x")} {
		if other == first {
			t.Error("the same key for another song")
		}
	}
}
