package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
)

// urls bounds how often an upload asks for another URL because one has expired.
const urls = 20

// perCall is how many URLs of parts one call asks for; the server gives 32.
const perCall = 16

// upload sends the recording, in parts if it is large. url is that of the init; "": another one is asked for.
func (f *flow) upload(ctx context.Context, url string) error {
	from, err := f.c.partsFrom(ctx)
	if err != nil {
		return err
	}
	if from > 0 && f.rec.Size >= from {
		return f.uploadParts(ctx)
	}
	f.tell(Progress{Step: StepUpload, Size: f.rec.Size})
	for n := 0; ; n++ {
		if url == "" {
			var s slot
			if err := f.c.ask(ctx, request{operation: f.steps.upload, path: f.path, in: f.job()}, &s); err != nil {
				return err
			}
			url = s.UploadURL
		}
		var sent atomic.Int64
		err := f.c.put(ctx, url, f.rec, 0, f.rec.Size, func(n int64) {
			f.tell(Progress{Step: StepUpload, Sent: sent.Add(n), Size: f.rec.Size})
		}, func(n int64) { sent.Add(-n) })
		if err == nil {
			return nil
		}
		if !expired(err) || n == urls {
			return err
		}
		url = ""
	}
}

// expired reports whether a PUT failed because its URL is no longer valid. A bucket answers 403.
func expired(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == CodeTransactionExpired && e.Detail("reason") != "job" || e.Code == "" && e.Status == http.StatusForbidden)
}

// partsFrom returns the size from which files are sent in parts; 0: the server takes none.
func (c *Client) partsFrom(ctx context.Context) (int64, error) {
	c.mu.Lock()
	known := c.stats
	c.mu.Unlock()
	if known == nil {
		known = &stats{}
		if err := c.decode(ctx, request{operation: opStats}, known); err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeCommonValidationFailed { // a server without the default network
				return 0, err
			}
		}
		c.mu.Lock()
		c.stats = known
		c.mu.Unlock()
	}
	if known.Upload != "multipart" {
		return 0, nil
	}
	return known.PartsFrom, nil
}

// uploadParts sends the parts that the server does not have.
func (f *flow) uploadParts(ctx context.Context) error {
	var sent int64
	f.tell(Progress{Step: StepUpload, Size: f.rec.Size})
	for n := 0; ; n++ {
		var at parts
		if err := f.askParts(ctx, partsBody{SizeBytes: f.rec.Size}, &at); err != nil {
			return err
		}
		if at.Complete {
			return nil
		}
		if at.PartBytes <= 0 || at.Count <= 0 || int64(at.Count-1)*at.PartBytes >= f.rec.Size {
			return errors.New("the server's parts do not fit the file")
		}
		stored := make(map[int]bool, len(at.Stored))
		for _, p := range at.Stored {
			stored[p.Number] = true
		}
		var missing []int
		sent = f.rec.Size
		for i := 1; i <= at.Count; i++ {
			if !stored[i] {
				missing = append(missing, i)
				sent -= min(at.PartBytes, f.rec.Size-int64(i-1)*at.PartBytes)
			}
		}
		f.tell(Progress{Step: StepUpload, Sent: sent, Size: f.rec.Size})
		err := f.sendParts(ctx, missing, at.PartBytes, sent)
		if err == nil {
			_, err = f.c.call(ctx, request{operation: f.steps.complete, path: f.path, in: f.job(), token: f.c.config.APIKey})
			if err == nil {
				return nil
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeRegistrationUploadMissing || n == restarts {
				return err
			}
			continue // some parts are missing or wrong: send them again
		}
		if !expired(err) || n == urls {
			return err
		}
	}
}

func (f *flow) askParts(ctx context.Context, in partsBody, at *parts) error {
	in.jobBody = f.job()
	return f.c.ask(ctx, request{operation: f.steps.parts, path: f.path, in: in}, at)
}

// sendParts sends parts, several at once. The first failure ends the others.
func (f *flow) sendParts(ctx context.Context, missing []int, partBytes, done int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parallel := f.o.Parallel
	if parallel <= 0 {
		parallel = 4
	}
	var sent atomic.Int64
	sent.Store(done)
	fits := func(p partURL) error {
		if p.Number < 1 || p.Size < 1 || p.Size > partBytes || int64(p.Number-1)*partBytes+p.Size > f.rec.Size {
			return errors.New("the server asks for a part outside of the file")
		}
		return nil
	}
	send := func(p partURL) error {
		return f.c.put(ctx, p.URL, f.rec, int64(p.Number-1)*partBytes, p.Size, func(n int64) {
			f.tell(Progress{Step: StepUpload, Sent: sent.Add(n), Size: f.rec.Size})
		}, func(n int64) { sent.Add(-n) })
	}
	next := make(chan partURL)
	var sending sync.WaitGroup
	for range parallel {
		sending.Add(1)
		go func() {
			defer sending.Done()
			for p := range next {
				err := send(p)
				if expired(err) { // it waited too long for its turn: the other parts go on
					var at parts
					if err = f.askParts(ctx, partsBody{Numbers: []int{p.Number}}, &at); err == nil && len(at.URLs) == 1 && at.URLs[0].Number == p.Number {
						if err = fits(at.URLs[0]); err == nil {
							err = send(at.URLs[0])
						}
					}
				}
				if err != nil {
					cancel(err)
				}
			}
		}()
	}
	for len(missing) > 0 && ctx.Err() == nil {
		some := missing[:min(perCall, len(missing))]
		missing = missing[len(some):]
		var at parts
		if err := f.askParts(ctx, partsBody{Numbers: some}, &at); err != nil {
			cancel(err)
			break
		}
		for _, p := range at.URLs {
			if err := fits(p); err != nil {
				cancel(err)
				break
			}
			select {
			case next <- p:
			case <-ctx.Done():
			}
		}
	}
	close(next)
	sending.Wait()
	return context.Cause(ctx)
}

// put sends bytes to an upload URL, again after failures that pass. moved is called with the bytes that were read, and back
// with those of an attempt that failed.
func (c *Client) put(ctx context.Context, to string, rec *Recording, from, size int64, moved, back func(int64)) error {
	if at, err := url.Parse(to); err != nil || at.Host == "" {
		return errors.New("the server gave an upload URL that is not one")
	}
	return c.repeat(ctx, func(ctx context.Context) (err error) {
		ctx, alive, stop := watch(ctx)
		defer stop()
		sent := &attempt{moved: func(n int64) { alive(); moved(n) }}
		defer func() {
			if n := sent.end(); err != nil {
				back(n)
			}
		}()
		body := &counted{r: io.NewSectionReader(rec.Bytes, from, size), moved: sent.add}
		exact := &whole{r: body, left: size}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, to, exact)
		if err != nil {
			return &final{errors.New("the server gave an upload URL that is not one")}
		}
		req.ContentLength = size
		if size == 0 {
			req.Body = http.NoBody
		}
		_, err = c.answer(req, maxRefusal)
		if failed := exact.failed.Load(); failed != nil {
			return &final{*failed} // the file is the same for another attempt
		}
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			return cause
		}
		return err
	})
}

// attempt counts the bytes of one attempt. net/http can read on after an early answer: those bytes are no progress.
type attempt struct {
	mu    sync.Mutex
	n     int64
	ended bool
	moved func(int64)
}

func (a *attempt) add(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.n += n
		a.moved(n)
	}
}

func (a *attempt) end() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	return a.n
}

// whole reads exactly left bytes. It keeps the error of a file that has fewer, or that cannot be read.
type whole struct {
	r      io.Reader
	left   int64
	failed atomic.Pointer[error]
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.left -= int64(n)
	if err != nil && (!errors.Is(err, io.EOF) || w.left > 0) {
		if errors.Is(err, io.EOF) {
			err = ErrChanged
		} else {
			err = fmt.Errorf("read the recording: %w", err)
		}
		w.failed.Store(&err)
	}
	return n, err
}

// counted reports the bytes that are read.
type counted struct {
	r     io.Reader
	moved func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.moved(int64(n))
	}
	return n, err
}
