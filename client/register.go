package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// RegisterFile is [Client.Register] for a file.
func (c *Client) RegisterFile(ctx context.Context, path string, song Song, o Options) (*Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return c.Register(ctx, Recording{Name: filepath.Base(path), Size: info.Size(), Bytes: f}, song, o)
}

// Register registers a new work, and returns when it is final: it describes the work, sends the recording, accepts the
// price, and follows the transaction. If the context ends, the registration can continue with [Options.State].
//
// A registration that the network refused is an *Error with [CodeTransactionFailed]; its credits are given back.
func (c *Client) Register(ctx context.Context, rec Recording, song Song, o Options) (*Result, error) {
	s, err := c.Submit(ctx, rec, song, o)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, s, o)
}

// finish follows what was submitted.
func (c *Client) finish(ctx context.Context, s *Submitted, o Options) (*Result, error) {
	o.tell(Progress{Step: StepFollow})
	r, err := c.Follow(ctx, s.State.TransactionID)
	if err != nil {
		return nil, err
	}
	if r.AccessCode == "" { // shown for an hour
		r.AccessCode = s.State.AccessCode
	}
	o.tell(Progress{Step: StepDone})
	return r, nil
}

// Submitted is a registration that is confirmed: the server completes it by itself.
type Submitted struct {
	State State
	// Quote is the accepted price; nil if an earlier process confirmed it, or if the answer of the confirm was lost.
	Quote *Quote
}

// Submit is [Client.Register] up to the confirm. [Client.Follow] waits for the end.
func (c *Client) Submit(ctx context.Context, rec Recording, song Song, o Options) (*Submitted, error) {
	if o.State.TransactionID != "" {
		return &Submitted{State: o.State}, nil
	}
	o.tell(Progress{Step: StepHash})
	if err := rec.complete(ctx); err != nil {
		return nil, err
	}
	body := initBody{
		Title: song.Title, Creators: wire(song.Creators), Filename: rec.Name, Network: string(song.Network), ExternalUserRef: song.ExternalUserRef,
		SizeBytes: rec.Size, MediaSHA256: "0x" + rec.SHA256, AssetStorage: o.storage(), Rehearse: string(o.Rehearse),
	}
	return (&flow{c: c, o: o, steps: registering, init: registering.init, body: body, rec: &rec, language: song.Language, st: o.State}).run(ctx)
}

// Update describes a further version of a work. Its title stays.
type Update struct {
	// AtsID is the registration number of the work on Network.
	AtsID   int64
	Network Network
	// ExternalUserRef refuses a work of another end-user; empty: every work of the organization.
	ExternalUserRef string
	// Creators are all creators of the new version, 1 to 32.
	Creators []Creator
	// Recording is the new file; nil keeps the one of the latest version.
	Recording *Recording
	// Language chooses the language of the certificate, as Accept-Language.
	Language string
}

// Update registers a further version of a work, and returns when it is final. It needs the scope works:update.
func (c *Client) Update(ctx context.Context, u Update, o Options) (*Result, error) {
	if o.State.TransactionID != "" {
		return c.finish(ctx, &Submitted{State: o.State}, o)
	}
	version := initVersionBody{Creators: wire(u.Creators), Network: string(u.Network), ExternalUserRef: u.ExternalUserRef, Rehearse: string(o.Rehearse)}
	f := &flow{c: c, o: o, steps: updating, init: updating.init, body: version, path: []any{u.AtsID}, step: jobBody{Network: string(u.Network), ExternalUserRef: u.ExternalUserRef}, language: u.Language, st: o.State}
	if u.Recording != nil {
		rec := *u.Recording
		o.tell(Progress{Step: StepHash})
		if err := rec.complete(ctx); err != nil {
			return nil, err
		}
		f.rec, f.init = &rec, updating.initUpload
		f.body = initVersionUploadBody{initVersionBody: version, Filename: rec.Name, SizeBytes: rec.Size, MediaSHA256: "0x" + rec.SHA256, AssetStorage: o.storage()}
	}
	s, err := f.run(ctx)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, s, o)
}

func (o Options) tell(p Progress) {
	if o.Progress != nil {
		o.Progress(p)
	}
}

func (o Options) storage() string {
	if o.HashOnly {
		return "none"
	}
	return ""
}

// flow takes one job from init to confirm.
type flow struct {
	c        *Client
	o        Options
	steps    steps
	init     operation
	body     any
	path     []any   // of the steps
	step     jobBody // in the bodies of an update's steps
	language string
	rec      *Recording // nil: the recording stays
	st       State
	telling  sync.Mutex
}

// ErrChanged says that the server has another recording than the one that is given now, or that the recording changed while
// it was sent. The registration cannot continue: begin with an empty [State].
var ErrChanged = errors.New("the recording is not the one that was uploaded: it changed since the registration began")

// restarts bounds how often a registration begins again because its job has expired.
const restarts = 3

func (f *flow) run(ctx context.Context) (*Submitted, error) {
	for n := 0; ; n++ {
		q, err := f.once(ctx)
		if err == nil {
			return &Submitted{State: f.st, Quote: q}, nil
		}
		var e *Error
		if !errors.As(err, &e) {
			return nil, err
		}
		switch {
		case e.Code == CodeTransactionAlreadyConfirmed:
			// The answer of an earlier confirm was lost.
			if f.st.TransactionID = e.Detail("transaction_id"); f.st.TransactionID == "" {
				return nil, err
			}
			return &Submitted{State: f.st}, f.save()
		case n < restarts && (e.Code == CodeTransactionExpired && e.Detail("reason") == "job" || e.Code == CodeTransactionNotFound && f.o.State.JobID == f.st.JobID && f.st.JobID != ""):
			// The job of an earlier process has expired, and was never confirmed: it cost nothing. Another one begins.
			first, _, _ := strings.Cut(f.st.IdempotencyKey, ".")
			f.st = State{IdempotencyKey: first + "." + rand.Text()}
			if err := f.save(); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

func (f *flow) save() error {
	if f.o.Save == nil {
		return nil
	}
	return f.o.Save(f.st)
}

func (f *flow) once(ctx context.Context) (*Quote, error) {
	uploaded := f.rec == nil || f.o.HashOnly
	var url string
	if f.st.JobID == "" {
		s, err := f.begin(ctx)
		if err != nil {
			return nil, err
		}
		url = s.UploadURL
		uploaded = uploaded || s.Upload == "none" // the organization keeps no recordings
		if !uploaded {
			if err := f.upload(ctx, url); err != nil {
				return nil, err
			}
			uploaded = true
		}
	}
	q, err := f.prepare(ctx)
	if !uploaded && errors.Is(err, &Error{Code: CodeRegistrationUploadMissing}) {
		if err := f.upload(ctx, ""); err != nil {
			return nil, err
		}
		q, err = f.prepare(ctx)
	}
	if err != nil {
		return nil, err
	}
	if f.rec != nil && q.MediaHash != "0x"+f.rec.SHA256 {
		return nil, ErrChanged
	}
	return f.confirm(ctx, q)
}

// begin makes the job. A repeated init with the same key makes no second one.
func (f *flow) begin(ctx context.Context) (s slot, err error) {
	f.tell(Progress{Step: StepInit})
	if f.st.IdempotencyKey == "" {
		f.st.IdempotencyKey = rand.Text()
	}
	if err := f.save(); err != nil {
		return s, err
	}
	header := http.Header{"Idempotency-Key": {f.st.IdempotencyKey}}
	if f.language != "" {
		header.Set("Accept-Language", f.language)
	}
	if err := f.c.ask(ctx, request{operation: f.init, path: f.path, in: f.body, header: header}, &s); err != nil {
		return s, err
	}
	if f.st.JobID = s.JobID; s.JobID == "" {
		return s, fmt.Errorf("%s: %w", f.init.name(), errAnother)
	}
	return s, f.save()
}

func (f *flow) job() jobBody {
	step := f.step // of each caller: parts are asked for by several goroutines
	step.JobID = f.st.JobID
	return step
}

func (f *flow) prepare(ctx context.Context) (q Quote, err error) {
	f.tell(Progress{Step: StepPrepare})
	err = f.c.ask(ctx, request{operation: f.steps.prepare, path: f.path, in: f.job()}, &q)
	return q, err
}

// confirm accepts the quote, or a new one if the first has expired.
func (f *flow) confirm(ctx context.Context, q Quote) (*Quote, error) {
	for n := 0; ; n++ {
		if f.o.Accept != nil {
			if err := f.o.Accept(ctx, q); err != nil {
				return nil, fmt.Errorf("the price of %d credits is not accepted: %w", q.Total, err)
			}
		}
		f.tell(Progress{Step: StepConfirm})
		var done confirmed
		err := f.c.ask(ctx, request{operation: f.steps.confirm, path: f.path, in: f.job()}, &done)
		var e *Error
		if errors.As(err, &e) && n < restarts && e.Code == CodeTransactionExpired && e.Detail("reason") == "quote" {
			if q, err = f.prepare(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		f.st.TransactionID, f.st.AccessCode = done.TransactionID, done.AccessCode
		return &q, f.save()
	}
}

// tell is for several goroutines.
func (f *flow) tell(p Progress) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.o.tell(p)
}
