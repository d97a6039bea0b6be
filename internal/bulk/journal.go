package bulk

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"timbre.example/client"
)

// ErrLocked says that another process uses the journal.
var ErrLocked = errors.New("another process uses the journal")

// Journal is the file by which a run continues: one line of JSON for each step of a song, written at the end. The line of
// a confirmed song is synced. A process that is killed leaves at most one line without its end, and a power cut some lines
// that were not written. The next start removes them.
//
// Of a registered song the memory has only the places of its lines. A report reads them again.
type Journal struct {
	file *os.File
	id   string
	end  int64 // where the next line is written; once the file is open, only write uses it
	// New says that the file began with this run.
	New bool

	mu      sync.Mutex
	songs   map[string]*song
	writing chan pending
	ended   chan struct{}
	closing sync.Once
	closed  error
	broken  error // the first failure of a write; nothing is written after it
}

// song is what the journal knows of a song.
type song struct {
	Try   int
	Size  int64
	Mod   time.Time
	Hash  string // SHA-256 of the file
	Title string
	State client.State // of a registered song only until its line is in the file
	Cost  int64
	Done  bool // registered
	Fault *Fault

	final            *client.Result // until its line is in the file
	stateAt, finalAt int64          // where its lines begin; 0: not in the file
}

// Fault is why a song was not registered.
type Fault struct {
	Code      string `json:"code,omitempty"`
	Message   string `json:"message"`
	RequestID string `json:"request_id,omitempty"`
	// Network says that the network refused the confirmed registration: its credits were given back.
	Network bool `json:"network,omitempty"`
}

// line is one line of the file. A line has the parts that are new.
type line struct {
	Head  *head         `json:"journal,omitempty"`
	Name  string        `json:"name,omitempty"`
	Begin *begin        `json:"begin,omitempty"`
	State *client.State `json:"state,omitempty"`
	Cost  *int64        `json:"cost,omitempty"`
	Final *finalResult  `json:"final,omitempty"`
	Fault *Fault        `json:"fault,omitempty"`
}

// finalResult is a result with the id of its transaction.
type finalResult struct {
	TransactionID string `json:"transaction_id"`
	client.Result
}

const journalVersion = 1

// firstBytes begin each journal.
const firstBytes = `{"journal":{"version":`

var (
	errNoJournal   = errors.New("the file is not a journal of this version")
	errOverwritten = errors.New("another program changed the journal")
)

// head is the first line.
type head struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	URL     string `json:"url"`
	Network string `json:"network"`
}

// begin is written before the first init of a try.
type begin struct {
	Try  int       `json:"try"`
	Size int64     `json:"size"`
	Mod  time.Time `json:"modified"`
	Hash string    `json:"sha256"`
	Song string    `json:"title"`
	Key  string    `json:"key"`
}

type pending struct {
	line line
	text []byte
	done chan error // nil: its caller does not wait, and needs no sync
}

// OpenJournal opens or begins the journal of a server and a network, and locks it. The error is ErrLocked, or says that the
// file is another one's, is damaged, or cannot be used.
func OpenJournal(path, url, network string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, songs: map[string]*song{}, writing: make(chan pending, 1024), ended: make(chan struct{})}
	if err := j.open(path, url, network); err != nil {
		f.Close()
		return nil, err
	}
	go j.write()
	return j, nil
}

// ReadJournal reads the journal of a server and a network for a dry run: it neither locks nor changes the file, and another
// process may be writing it. Without a file it is empty. The error is as in OpenJournal, and never ErrLocked.
func ReadJournal(path, url, network string) (*Journal, error) {
	j := &Journal{songs: map[string]*song{}}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	j.file = f
	if _, err = j.read(url, network); err != nil {
		f.Close()
	}
	return j, err
}

func (j *Journal) open(path, url, network string) error {
	if err := lock(j.file); err != nil {
		return err
	}
	whole, err := j.read(url, network)
	if err != nil {
		return err
	}
	// Behind it is the line that was being written when the process or the machine ended.
	if err := j.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := j.file.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	if j.end = whole; j.id != "" {
		return nil
	}
	j.id, j.New = rand.Text(), true
	b, err := json.Marshal(line{Head: &head{journalVersion, j.id, url, network}})
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := j.file.Write(b); err != nil {
		return err
	}
	j.end = int64(len(b))
	if err := j.file.Sync(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the name of a new file last. Some systems cannot, and need not.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	_ = d.Sync()
	return d.Close()
}

// read reads the lines, and returns the length of those that are whole.
func (j *Journal) read(url, network string) (whole int64, err error) {
	r := bufio.NewReaderSize(j.file, 64<<10)
	for n := 1; ; n++ {
		row, err := r.ReadBytes('\n')
		if err == io.EOF {
			if n == 1 && !bytes.HasPrefix(row, []byte(firstBytes)) && !bytes.HasPrefix([]byte(firstBytes), row) {
				return 0, errNoJournal // a file of another kind is never shortened
			}
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		if n > 1 && bytes.IndexByte(row, 0) >= 0 {
			// The disk kept the length, and not the bytes: they were not synced, and so was nothing behind them.
			return whole, nil
		}
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			if _, err := r.Peek(1); err == io.EOF && n > 1 { // the last line: the disk kept its end, and not all of it
				return whole, nil
			}
			if n == 1 {
				return 0, errNoJournal
			}
			return 0, fmt.Errorf("line %d is not one of a journal: give another file with --journal, or correct it", n)
		}
		switch {
		case n == 1 && (l.Head == nil || l.Head.Version != journalVersion):
			return 0, errNoJournal
		case n == 1 && (l.Head.URL != url || l.Head.Network != network):
			return 0, fmt.Errorf("the journal is of %s on %s: give another file with --journal", l.Head.Network, l.Head.URL)
		case n == 1:
			j.id = l.Head.ID
		default:
			j.apply(l)
			j.written(l, whole)
		}
		whole += int64(len(row))
	}
}

// apply changes what is known of a song.
func (j *Journal) apply(l line) {
	s := j.songs[l.Name]
	if s == nil {
		s = &song{}
		j.songs[l.Name] = s
	}
	switch {
	case l.Begin != nil:
		*s = song{Try: l.Begin.Try, Size: l.Begin.Size, Mod: l.Begin.Mod, Hash: l.Begin.Hash, Title: l.Begin.Song, State: client.State{IdempotencyKey: l.Begin.Key}}
	case l.State != nil:
		s.State, s.Fault = *l.State, nil
		if l.Cost != nil {
			s.Cost = *l.Cost
		}
	case l.Final != nil:
		s.Done, s.final, s.Fault = true, l.Final.result(), nil
	case l.Fault != nil:
		s.Fault = l.Fault
	}
}

// written notes that a line is in the file, at a place. The memory then forgets the result and the state of a registered song.
func (j *Journal) written(l line, at int64) {
	s := j.songs[l.Name]
	switch {
	case l.State != nil:
		s.stateAt = at
	case l.Final != nil && s.stateAt > 0:
		s.finalAt, s.final, s.State = at, nil, client.State{}
	}
}

// result returns the result of a registered song. The access code is not in it.
func (j *Journal) result(name string) (*client.Result, error) {
	j.mu.Lock()
	s := j.songs[name]
	final, at := s.final, s.finalAt
	j.mu.Unlock()
	if final != nil {
		return final, nil
	}
	l, err := j.line(name, at)
	if err != nil || l.Final == nil {
		return nil, cmp.Or(err, errOverwritten)
	}
	return l.Final.result(), nil
}

// accessCode returns the access code of a song; "": it has none.
func (j *Journal) accessCode(name string) (string, error) {
	s := j.song(name)
	if s.finalAt == 0 {
		return s.State.AccessCode, nil
	}
	l, err := j.line(name, s.stateAt)
	if err != nil || l.State == nil {
		return "", cmp.Or(err, errOverwritten)
	}
	return l.State.AccessCode, nil
}

// line reads the line of a song at a place of the file. Anything else there is errOverwritten.
func (j *Journal) line(name string, at int64) (l line, err error) {
	text, err := bufio.NewReaderSize(io.NewSectionReader(j.file, at, math.MaxInt64-at), 1<<10).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return l, fmt.Errorf("read the journal again: %w", err)
	}
	if err == io.EOF || json.Unmarshal(text, &l) != nil || l.Name != name {
		return l, errOverwritten
	}
	return l, nil
}

// result is that of the client, with its transaction.
func (f *finalResult) result() *client.Result {
	r := f.Result
	r.TransactionID = f.TransactionID
	return &r
}

// song returns a copy of what is known of a song.
func (j *Journal) song(name string) song {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.songs[name]; s != nil {
		return *s
	}
	return song{}
}

// add writes a line. With wait, it returns when the line is on the disk.
func (j *Journal) add(l line, wait bool) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	p := pending{line: l, text: append(b, '\n')}
	if wait {
		p.done = make(chan error, 1)
	}
	j.mu.Lock()
	if j.broken != nil {
		defer j.mu.Unlock()
		return j.broken
	}
	j.apply(l)
	j.mu.Unlock()
	j.writing <- p
	if wait {
		return <-p.done
	}
	return nil
}

// write writes lines until the journal is closed: all that wait, with at most one sync for them.
func (j *Journal) write() {
	defer close(j.ended)
	for p := range j.writing {
		text, batch, sync := p.text, []pending{p}, p.done != nil
		for more := true; more; {
			select {
			case q, ok := <-j.writing:
				if more = ok; ok {
					text, batch, sync = append(text, q.text...), append(batch, q), sync || q.done != nil
				}
			default:
				more = false
			}
		}
		j.mu.Lock()
		err := j.broken
		j.mu.Unlock()
		if err == nil {
			if _, err = j.file.Write(text); err == nil && sync {
				err = j.file.Sync()
			}
			j.mu.Lock()
			if err != nil {
				err = fmt.Errorf("write the journal: %w", err)
				j.broken = err
			} else {
				for _, q := range batch {
					j.written(q.line, j.end)
					j.end += int64(len(q.text))
				}
			}
			j.mu.Unlock()
		}
		for _, q := range batch {
			if q.done != nil {
				q.done <- err
			}
		}
	}
}

// Close writes what waits, and unlocks the file. Nothing is added and no report is made afterwards. It can be repeated.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	j.closing.Do(func() {
		if j.writing == nil { // of ReadJournal
			j.closed = j.file.Close()
			return
		}
		close(j.writing)
		<-j.ended
		err := j.broken
		if err == nil {
			err = j.file.Sync()
		}
		j.closed = errors.Join(err, j.file.Close())
	})
	return j.closed
}

// key derives the Idempotency-Key of a try: the same song, described in the same way, has the same key in each run.
func (j *Journal) key(name string, try int, description any) (string, error) {
	b, err := json.Marshal(description)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "timbre register\n%s\n%q\n%d\n", j.id, name, try)
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:20]), nil
}
