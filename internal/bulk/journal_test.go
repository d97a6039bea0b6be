package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
		if s.Cost != 87 || s.Title != "A" || !s.Mod.Equal(at) || j.New {
			t.Fatalf("cut at %d: %+v", n, s)
		}
		if code, err := j.accessCode("a"); err != nil || code != "atc_1" {
			t.Errorf("cut at %d: the access code is %q, %v", n, code, err)
		}
		if s.Done != (n == len(whole)) || !s.Done && s.State.TransactionID != "tx" {
			t.Errorf("cut at %d: %+v", n, s)
		} else if s.Done {
			if r, err := j.result("a"); err != nil || r.AtsID != 7 || r.TxHash != "0xab" || r.TransactionID != "tx" {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if !j.Done(&Item{Name: "a"}) {
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

// The lines of registered songs are read again, in the run that writes them and in later ones, and are in the memory no more.
func TestJournalReadsItsLinesAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "j")
	const songs = 200
	name := func(i int) string { return fmt.Sprintf("song %d.wav", i) }
	check := func(j *Journal, all []Outcome) {
		t.Helper()
		var sheet, codes bytes.Buffer
		if err := errors.Join(j.WriteCSV(&sheet, all), j.AccessCodes(&codes, all)); err != nil {
			t.Fatal(err)
		}
		for i := range songs {
			if row := fmt.Sprintf("%s,registered,,%d,1,0x%d,", name(i), i+1, i); !strings.Contains(sheet.String(), row) {
				t.Errorf("%q is not in the report", row)
			}
			if row := fmt.Sprintf("%s,%d,atc_%d\r\n", name(i), i+1, i); strings.Contains(codes.String(), row) != (i%2 == 0) {
				t.Errorf("%q: not as it was registered", row)
			}
		}
	}
	j := open(t, path)
	all := make([]Outcome, songs)
	var adding sync.WaitGroup
	for i := range songs {
		all[i] = Outcome{Item: &Item{Name: name(i)}, Status: Registered, AtsID: int64(i + 1)}
		adding.Go(func() {
			state := client.State{TransactionID: "tx"}
			if i%2 == 0 {
				state.AccessCode = fmt.Sprintf("atc_%d", i)
			}
			for _, err := range []error{
				j.add(line{Name: name(i), Begin: &begin{Try: 1, Key: "k"}}, false),
				j.add(line{Name: name(i), State: &state}, i%3 == 0),
				j.add(line{Name: name(i), Final: &finalResult{"tx", client.Result{AtsID: int64(i + 1), TxHash: fmt.Sprintf("0x%d", i)}}}, false),
			} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	adding.Wait()
	check(j, all) // some lines wait to be written
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range j.songs {
		if s.final != nil || s.State != (client.State{}) {
			t.Errorf("%s is in the memory: %+v", name, s)
		}
	}
	check(open(t, path), all)
	read, err := ReadJournal(path, "https://ats.example", "testnet")
	if err != nil {
		t.Fatal(err)
	}
	check(read, all)
	// A file that another program changed meanwhile gives no row of another song.
	if err := os.WriteFile(path, bytes.Repeat([]byte(`{"name":"other"}`+"\n"), 9000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := read.WriteCSV(io.Discard, all); !errors.Is(err, errOverwritten) {
		t.Errorf("the line of another song is in a report: %v", err)
	}
	if err := read.Close(); err != nil {
		t.Error(err)
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
