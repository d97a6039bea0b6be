package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"timbre.example/client"
)

// Status is how a song ended in a run.
type Status string

// The statuses of a song.
const (
	Registered  Status = "registered"
	Refused     Status = "refused"     // by the server: see the code
	Failed      Status = "failed"      // the file or the connection failed, or the network refused it
	Duplicate   Status = "duplicate"   // the same recording is in the list before
	Changed     Status = "changed"     // the file changed after it was registered
	Priced      Status = "priced"      // in a dry run
	Interrupted Status = "interrupted" // begun, and continued by the next run
	Waiting     Status = "waiting"     // not begun
	Incomplete  Status = "incomplete"  // the list lacks something, and nothing was sent
)

// Outcome is the end of a song in a run.
type Outcome struct {
	Item   *Item
	Status Status
	// Earlier says that an earlier run registered the song.
	Earlier bool
	// Cost is in credits: the accepted price, or in a dry run the price without storage.
	Cost int64
	// AtsID is the registration number; 0: it has none. The journal has the rest of the result.
	AtsID int64
	Fault *Fault
	// Unsaved is why the evidence or the certificate was not saved; "": they were, or need not be.
	Unsaved string
}

// Run is one run over a list.
type Run struct {
	Client *client.Client
	// Journal is that of OpenJournal, or of ReadJournal in a dry run.
	Journal *Journal
	// DryRun asks for the prices of the songs that the journal does not have, and writes nothing.
	DryRun  bool
	Network client.Network
	// Parallel is the number of songs that are sent at once, at least 1.
	Parallel int
	// MaxCost is the most that the songs of the journal may cost together, in credits; negative: no limit.
	MaxCost int64
	// HashOnly keeps the recordings here.
	HashOnly bool
	// Language chooses the language of the certificates, as Accept-Language.
	Language string
	// Save is a folder for evidence and certificates; "": none.
	Save string
	// Moved is called with the bytes that were sent, by several goroutines.
	Moved func(n int64)
	// Ended is called at the end of each song, by one goroutine at a time.
	Ended func(Outcome)

	spent   atomic.Int64
	mu      sync.Mutex
	stop    error // why no other song begins
	hashes  map[string]string
	halting context.CancelFunc
}

// followers bounds how many songs wait for the network at once.
const followers = 512

var (
	errRead    = errors.New("the file cannot be read")
	errShorter = errors.New("it is shorter than before: it changed")
	errDry     = errors.New("a dry run")
	errCost    = errors.New("the songs together would cost more than --max-cost")
)

// Do registers the songs, and returns their outcomes in the order of the list. The error is why the run ended before its
// songs did: the context's, a refusal that concerns every song, or a journal that cannot be written.
func (r *Run) Do(ctx context.Context, items []Item) ([]Outcome, error) {
	starting, halt := context.WithCancel(ctx)
	defer halt()
	r.halting, r.hashes = halt, map[string]string{}
	for _, it := range items {
		s := r.Journal.song(it.Name)
		if s.State.TransactionID != "" || s.Done {
			r.hashes[s.Hash] = it.Name
			r.spent.Add(s.Cost)
		}
	}
	out := make([]Outcome, len(items))
	var following, working sync.WaitGroup
	slots := make(chan struct{}, followers)
	next := make(chan int)
	var telling sync.Mutex
	end := func(i int, o Outcome) {
		telling.Lock()
		defer telling.Unlock()
		out[i] = o
		if r.Ended != nil {
			r.Ended(o)
		}
	}
	for range max(1, r.Parallel) {
		working.Add(1)
		go func() {
			defer working.Done()
			for i := range next {
				o, follow := r.submit(ctx, &items[i])
				if !follow {
					end(i, o)
					continue
				}
				slots <- struct{}{}
				following.Add(1)
				go func() {
					defer following.Done()
					defer func() { <-slots }()
					end(i, r.follow(ctx, o))
				}()
			}
		}()
	}
	for i := range items {
		if starting.Err() == nil {
			select {
			case next <- i:
				continue
			case <-starting.Done():
			}
		}
		end(i, r.unstarted(&items[i]))
	}
	close(next)
	working.Wait()
	following.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	return out, r.stop
}

// halt lets no other song begin.
func (r *Run) halt(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.stop = why
	}
	r.halting()
}

// unstarted is the outcome of a song that this run did not begin.
func (r *Run) unstarted(it *Item) Outcome {
	o := Outcome{Item: it, Status: Waiting}
	s := r.Journal.song(it.Name)
	it.Title = cmp.Or(it.Title, s.Title)
	switch {
	case s.Done:
		final, err := r.Journal.result(it.Name)
		if err != nil {
			r.halt(err)
			return o
		}
		o.Status, o.Earlier, o.Cost, o.AtsID = Registered, true, s.Cost, final.AtsID
	case s.State.JobID != "":
		o.Status = Interrupted
	}
	return o
}

// changed reports whether a file has another size or time than the journal says.
func (s song) changed(it *Item) bool { return s.Size != it.Size || !s.Mod.Equal(it.Modified) }

// Done reports whether a song needs no description any more: it is registered or confirmed.
func (j *Journal) Done(it *Item) bool {
	s := j.song(it.Name)
	return s.Done || s.State.TransactionID != "" && (s.Fault == nil || !s.Fault.Network)
}

// submit takes a song up to the confirm. follow says that its transaction must be followed.
func (r *Run) submit(ctx context.Context, it *Item) (o Outcome, follow bool) {
	o = Outcome{Item: it}
	known := r.Journal.song(it.Name)
	it.Title = cmp.Or(it.Title, known.Title)
	if r.DryRun && !known.Done && known.State.TransactionID != "" && (known.Fault == nil || !known.Fault.Network) {
		o.Status, o.Cost = Interrupted, known.Cost // confirmed and paid: the next run waits for it
		return o, false
	}
	if !known.Done && known.State.TransactionID != "" && (known.Fault == nil || !known.Fault.Network) {
		o.Cost = known.Cost
		return o, true
	}
	f, err := os.Open(it.Path)
	if err != nil {
		return r.ended(ctx, o, err), false
	}
	defer f.Close()
	sending, changed := context.WithCancelCause(ctx)
	defer changed(nil)
	rec := client.Recording{Name: filepath.Base(it.Path), Size: it.Size, Bytes: steady{f, it.Size, changed}}
	if known.Done {
		return r.again(ctx, o, known, rec)
	}
	if rec.SHA256, err = rec.Hash(); err != nil {
		err = fmt.Errorf("%w: %w", errRead, err)
		return r.ended(ctx, o, err), false
	}
	if first, ok := r.claim(rec.SHA256, it.Name); !ok {
		o.Status, o.Fault = Duplicate, &Fault{Message: "the same recording as " + first}
		return o, false
	}
	options := client.Options{HashOnly: r.HashOnly, Progress: r.progress()}
	if r.DryRun {
		return r.price(ctx, o, rec, options), false
	}
	if options.State, err = r.begin(it, known, rec.SHA256); err != nil {
		r.halt(err)
		return r.ended(ctx, o, err), false
	}
	options.Save = func(st client.State) error { return r.save(it.Name, st, o.Cost) }
	options.Accept = func(_ context.Context, q client.Quote) error {
		r.spent.Add(q.Total - o.Cost) // a quote that has expired is replaced
		o.Cost = q.Total
		if r.MaxCost >= 0 && r.spent.Load() > r.MaxCost {
			return errCost
		}
		return nil
	}
	_, err = r.Client.Submit(sending, rec, r.song(it), options)
	if err != nil {
		if info, gone := f.Stat(); gone == nil && (info.Size() != it.Size || !info.ModTime().Equal(it.Modified)) {
			err = client.ErrChanged // whatever the server said of the bytes
		}
		if cause := context.Cause(sending); cause != nil && ctx.Err() == nil {
			err = cause
		}
		r.spent.Add(-o.Cost)
		o.Cost = 0
		return r.ended(ctx, o, err), false
	}
	return o, true
}

// steady reads a file of a known size. A file that is shorter now, or that cannot be read, ends its song: the client would
// take it for a connection that failed, and try again for long.
type steady struct {
	f      *os.File
	size   int64
	failed context.CancelCauseFunc
}

func (s steady) ReadAt(p []byte, at int64) (int, error) {
	n, err := s.f.ReadAt(p, at)
	if err != nil && (err != io.EOF || at+int64(n) < s.size) {
		if err == io.EOF {
			err = errShorter
		}
		err = fmt.Errorf("%w: %w", errRead, err)
		s.failed(err)
	}
	return n, err
}

func (r *Run) song(it *Item) client.Song {
	return client.Song{Title: it.Title, Creators: it.Creators, Network: r.Network, ExternalUserRef: it.Ref, Language: r.Language}
}

// again is the outcome of a song that an earlier run registered.
func (r *Run) again(ctx context.Context, o Outcome, known song, rec client.Recording) (Outcome, bool) {
	final, err := r.Journal.result(o.Item.Name)
	if err != nil {
		r.halt(err)
		o.Status = Waiting
		return o, false
	}
	o.Status, o.Earlier, o.Cost, o.AtsID = Registered, true, known.Cost, final.AtsID
	if known.changed(o.Item) {
		hash, err := rec.Hash()
		switch {
		case err != nil:
			return r.ended(ctx, o, fmt.Errorf("%w: %w", errRead, err)), false
		case hash != known.Hash:
			o.Status = Changed
			o.Fault = &Fault{Message: fmt.Sprintf("the file changed after it was registered as work %d: give it another name to register it, or register a version of the work", final.AtsID)}
			return o, false
		}
	}
	o.Unsaved = r.keep(ctx, o.Item, final)
	return o, false
}

// claim reserves a recording for a song. first is the song that has it already.
func (r *Run) claim(hash, name string) (first string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, taken := r.hashes[hash]; taken && first != name {
		return first, false
	}
	r.hashes[hash] = name
	return name, true
}

// begin writes the key of an init, unless the journal has it. It returns the state to continue with. The run does not wait
// for the disk: a line that is lost is written again with the same key.
func (r *Run) begin(it *Item, known song, hash string) (client.State, error) {
	try := max(1, known.Try)
	if known.Fault != nil && known.Fault.Network {
		try++ // its job has ended
	}
	key, err := r.Journal.key(it.Name, try, struct {
		Song client.Song
		Hash string
		Only bool
	}{r.song(it), hash, r.HashOnly})
	if err != nil {
		return client.State{}, err
	}
	if known.Hash == hash && known.Try == try && strings.HasPrefix(known.State.IdempotencyKey, key) {
		return known.State, nil
	}
	err = r.Journal.add(line{Name: it.Name, Begin: &begin{Try: try, Size: it.Size, Mod: it.Modified, Hash: hash, Song: it.Title, Key: key}}, false)
	return client.State{IdempotencyKey: key}, err
}

// save writes the state of a registration. A confirmed one is on the disk before its worker goes on: the access code is shown
// for an hour only. A job that is lost with the machine is found again by its key.
func (r *Run) save(name string, st client.State, cost int64) error {
	if st.JobID == "" && !strings.Contains(st.IdempotencyKey, ".") {
		return nil // begin wrote the key
	}
	l := line{Name: name, State: &st}
	if st.TransactionID != "" {
		l.Cost = &cost
	}
	if err := r.Journal.add(l, st.TransactionID != ""); err != nil {
		r.halt(err)
		return err
	}
	return nil
}

// price asks for the price of a song, and sends only its hash.
func (r *Run) price(ctx context.Context, o Outcome, rec client.Recording, options client.Options) Outcome {
	options.HashOnly = true
	options.Accept = func(_ context.Context, q client.Quote) error {
		o.Cost = q.Total
		return errDry
	}
	_, err := r.Client.Submit(ctx, rec, r.song(o.Item), options)
	if errors.Is(err, errDry) {
		r.spent.Add(o.Cost)
		o.Status = Priced
		return o
	}
	return r.ended(ctx, o, err)
}

func (r *Run) progress() func(client.Progress) {
	var last int64
	return func(p client.Progress) {
		if p.Step == client.StepUpload && r.Moved != nil {
			r.Moved(p.Sent - last)
			last = p.Sent
		}
	}
}

// follow waits for the end of a confirmed song.
func (r *Run) follow(ctx context.Context, o Outcome) Outcome {
	st := r.Journal.song(o.Item.Name).State
	done, err := r.Client.Follow(ctx, st.TransactionID)
	if err != nil {
		return r.ended(ctx, o, err)
	}
	if st.AccessCode == "" && done.AccessCode != "" { // the answer of the confirm was lost
		st.AccessCode = done.AccessCode
		if err := r.save(o.Item.Name, st, o.Cost); err != nil {
			return r.ended(ctx, o, err)
		}
	}
	if err := r.Journal.add(line{Name: o.Item.Name, Final: &finalResult{done.TransactionID, withoutCode(*done)}}, false); err != nil {
		r.halt(err)
	}
	o.Status, o.AtsID = Registered, done.AtsID
	o.Unsaved = r.keep(ctx, o.Item, done)
	return o
}

// withoutCode removes the access code: the state has it.
func withoutCode(r client.Result) client.Result {
	r.AccessCode = ""
	return r
}

// ended is the outcome of a song that was not registered.
func (r *Run) ended(ctx context.Context, o Outcome, err error) Outcome {
	if ctx.Err() != nil {
		if o.Status = Interrupted; r.DryRun {
			o.Status = Waiting
		}
		return o
	}
	var e *client.Error
	o.Status, o.Fault = Failed, &Fault{Message: err.Error()}
	switch {
	case errors.Is(err, errCost):
		r.halt(errCost)
		o.Status, o.Fault = Waiting, nil
		return o
	case errors.As(err, &e) && ofTheCall(e): // it concerns no song: the run ends
		r.halt(err)
		return r.unstarted(o.Item)
	case errors.As(err, &e) && e.Code != "" && e.Status != http.StatusServiceUnavailable && (e.Status != http.StatusTooManyRequests || e.Code == client.CodeCommonQuotaExceeded):
		o.Status = Refused
		o.Fault = &Fault{Code: string(e.Code), Message: reason(o.Item, e), RequestID: e.RequestID, Network: e.Code == client.CodeTransactionFailed}
		if o.Fault.Network {
			o.Status = Failed
			r.spent.Add(-o.Cost)
			o.Cost = 0
		}
		if everySong(e) {
			r.halt(err)
		}
	case errors.As(err, new(*os.PathError)), errors.Is(err, client.ErrChanged), errors.Is(err, errRead):
	case errors.As(err, &e) && e.Code == "": // the answer is not one of a Timbre server
		r.halt(err)
		return r.unstarted(o.Item)
	default: // the server or the journal does not work
		r.halt(err)
		if o.Status, o.Fault = Interrupted, nil; r.DryRun {
			o.Status = Waiting
		}
		return o
	}
	if !r.DryRun {
		if err := r.Journal.add(line{Name: o.Item.Name, Fault: o.Fault}, false); err != nil {
			r.halt(err)
		}
	}
	return o
}

// reason is the message of a refusal, with what is wrong where.
func reason(it *Item, e *client.Error) string {
	text := e.Message
	for _, f := range e.Fields {
		text += " " + it.column(f.Field) + ": " + f.Message
	}
	return text
}

var ofCreator = regexp.MustCompile(`^creators\[(\d{1,3})\]\.(\w+)`)

// column is the name in a list of what the server calls by its own name.
func (it *Item) column(field string) string {
	m := ofCreator.FindStringSubmatch(field)
	if m == nil {
		return field
	}
	i, err := strconv.Atoi(m[1])
	if err != nil {
		return field
	}
	what := m[2]
	if what == "full_name" {
		what = "name"
	}
	return column(it.number(i), what)
}

// everySong reports whether a refusal of a song is the same for each other one.
func everySong(e *client.Error) bool {
	return slices.Contains([]client.Code{client.CodeRegistrationInsufficientCredits, client.CodeCommonQuotaExceeded, client.CodeCommonForbidden}, e.Code)
}

// ofTheCall reports whether the key, the organization or the address is refused, and not a song.
func ofTheCall(e *client.Error) bool {
	return OfKey(e) || strings.HasPrefix(string(e.Code), "organization.") || e.Code == client.CodeCommonNotFound
}

// OfKey reports whether the API key is refused.
func OfKey(e *client.Error) bool {
	return strings.HasPrefix(string(e.Code), "api_key.") || strings.HasPrefix(string(e.Code), "common.auth.") && e.Status != http.StatusServiceUnavailable
}
