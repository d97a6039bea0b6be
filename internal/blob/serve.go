package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/space"
)

// retryAfter is the Retry-After of errors when the disk fails or is full.
const retryAfter = 30 * time.Second

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

func (d *Disk) servePut(w http.ResponseWriter, r *http.Request, g grant) {
	most := max(2*g.max, d.opts.DiscardBytes)
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		most = g.max // a client that sends Expect: 100-continue reads the error, and sends no body
	}
	if r.ContentLength > most {
		d.refuse(w, r, fault.RegistrationAudioTooLarge(r.ContentLength, g.max))
		return
	}
	p, err := d.admit(r.Context(), g.key, g.key, r.ContentLength, g.max)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	var size int64
	err = d.make(g.key, func(f *os.File) (err error) {
		size, err = d.receive(w, r, f, p, g.max, most)
		return err
	}, func() error {
		if d.opts.Land == nil {
			return nil
		}
		return d.opts.Land(r.Context(), g.key, size)
	})
	p.end() // before the answer, because a client with the answer can send the next PUT
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	d.extendWrite(w, d.opts.IdleTimeout)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"size\":%d}\n", size)
}

// receive streams the body into f, and returns its size. Of a body of more than max bytes
// it stores only the size; a reader of the object refuses it. A refused PUT would make the
// client send the whole file again. It fails as soon as more than most bytes have come.
func (d *Disk) receive(w http.ResponseWriter, r *http.Request, f *os.File, p *put, max, most int64) (int64, error) {
	over := r.ContentLength > max
	back := writeBack{f: f}
	size, err := d.pieces(w, r, nil, func(piece []byte, size int64) error {
		switch {
		case size > most:
			return fault.RegistrationAudioTooLarge(size, max)
		case over: // read and dropped
			return nil
		case size > max:
			over = true
			return f.Truncate(0)
		}
		if err := p.writing(int64(len(piece))); err != nil {
			return err
		}
		if _, err := f.Write(piece); err != nil {
			return err
		}
		back.wrote(size)
		return nil
	})
	if err == nil && over {
		_, err = f.WriteAt([]byte(oversize(size)), 0)
	}
	return size, err
}

// pieces reads the body through a pooled buffer, and returns its size. It calls each with
// every piece and the size so far, and ends with its error. It ends with errSuperseded when
// stopped is set.
func (d *Disk) pieces(w http.ResponseWriter, r *http.Request, stopped *atomic.Bool, each func(piece []byte, size int64) error) (size int64, err error) {
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buf := *pooled
	rc := http.NewResponseController(w)
	start := time.Now()
	end := start.Add(d.opts.UploadTimeout)
	rate := rate{least: d.opts.Limits.MinRate, window: d.opts.Limits.RateWindow, since: start}
	for {
		// The connection's clock, not Options.Now, because this deadline is for real
		// bytes. It replaces the server's read timeout, which is too short for a large
		// upload. A writer without deadlines keeps the server's timeout.
		now := time.Now()
		if !rate.keeps(size, now) {
			return size, brokenBody{errSlow}
		}
		until := now.Add(d.opts.IdleTimeout)
		for _, t := range []time.Time{end, rate.due(size)} {
			if !t.IsZero() && t.Before(until) {
				until = t
			}
		}
		rc.SetReadDeadline(until)
		if stopped != nil && stopped.Load() {
			return size, brokenBody{errSuperseded}
		}
		n, readErr := r.Body.Read(buf)
		size += int64(n)
		if err := each(buf[:n], size); err != nil {
			return size, err
		}
		if readErr == io.EOF {
			return size, nil
		} else if readErr != nil {
			return size, brokenBody{readErr}
		}
	}
}

// rate checks that an upload reaches the lowest speed in each window of time.
type rate struct {
	least  int64 // bytes per second
	window time.Duration
	since  time.Time // start of the window
	before int64     // bytes that had come by then
}

var errSlow = errors.New("blob: the upload is slower than the lowest speed")

func (r *rate) enough(size int64) bool {
	return float64(size-r.before) >= float64(r.least)*r.window.Seconds()
}

// keeps reports whether the upload, with size bytes so far, is fast enough.
func (r *rate) keeps(size int64, now time.Time) bool {
	if now.Sub(r.since) < r.window {
		return true
	}
	enough := r.enough(size)
	r.since, r.before = now, size
	return enough
}

// due is when the next bytes must have come; zero means that the window has enough.
func (r *rate) due(size int64) time.Time {
	if r.enough(size) {
		return time.Time{}
	}
	return r.since.Add(r.window)
}

// brokenBody is a request body that ended in an error: no more bytes come.
type brokenBody struct{ error }

func (b brokenBody) Unwrap() error { return b.error }

func (d *Disk) serveGet(w http.ResponseWriter, r *http.Request, g grant) {
	f, st, err := d.open(g.key)
	if errors.Is(err, ErrNotFound) {
		err = fault.CommonNotFound().With("reason", "object")
	}
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	defer f.Close()

	// http.ServeContent answers failed conditions and ranges with its own bodies. A
	// condition is useless for a URL that is valid for minutes, and a range that cannot
	// be served can be ignored. So both are removed.
	r = r.Clone(r.Context())
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		r.Header.Del(name)
	}
	if !satisfiable(r.Header.Get("Range"), st.Size()) {
		r.Header.Del("Range")
	}
	h := w.Header()
	h.Set("Content-Type", mediaType(g.mediaType))
	h.Set("Content-Disposition", disposition(g.filename))
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, st.ModTime().UnixNano(), st.Size()))
	d.extendWrite(w, d.opts.UploadTimeout)
	http.ServeContent(w, r, "", st.ModTime(), f)
}

// satisfiable reports whether header requests one range whose first byte is in an object
// of size bytes.
func satisfiable(header string, size int64) bool {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !ok || !dash {
		return false
	}
	if from == "" {
		n, err := strconv.ParseInt(to, 10, 64)
		return err == nil && n > 0 && size > 0
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 || first >= size {
		return false
	}
	if to == "" {
		return true
	}
	last, err := strconv.ParseInt(to, 10, 64)
	return err == nil && last >= first
}

// extendWrite gives the response its own timeout. The server's timeout counts from the
// request's first byte, and an upload can have used it up.
func (d *Disk) extendWrite(w http.ResponseWriter, by time.Duration) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(by))
}

// refuse writes the error err, and makes it likely that the client can read it.
//
// A browser sends its whole body before it reads the answer. Closing a connection with
// unread bytes resets it, and the client can then lose the answer. So refuse sends the
// whole answer first, and then reads and drops the body, within Options.DrainBytes and
// DrainTimeout. Then the connection ends.
func (d *Disk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var broken brokenBody
	var refusal *fault.Error
	switch {
	case errors.As(err, &broken):
		refusal = fault.RegistrationUploadMissing().With("reason", "incomplete").Because(err)
	case errors.As(err, &refusal):
	case errors.Is(err, ErrFull) || errors.Is(err, space.ErrLow):
		errors.As(Full(err), &refusal)
	default:
		refusal = fault.CommonServiceUnavailable(retryAfter).Because(err)
	}

	rc := http.NewResponseController(w)
	h1body := r.ProtoMajor == 1 && r.Body != nil && r.ContentLength != 0
	d.extendWrite(w, d.opts.IdleTimeout)
	if h1body {
		rc.EnableFullDuplex() // otherwise net/http reads the body before it answers
		w.Header().Set("Connection", "close")
	}
	// The answer is held back until its length is known: an answer of unknown length
	// would only end after the drain.
	held := &heldResponse{ResponseWriter: w, status: http.StatusOK}
	if d.opts.RenderError != nil {
		d.opts.RenderError(held, r, refusal)
	} else {
		held.WriteHeader(refusal.Status())
	}
	w.Header().Set("Content-Length", strconv.Itoa(held.body.Len()))
	w.WriteHeader(held.status)
	w.Write(held.body.Bytes())
	if !h1body || broken.error != nil {
		return
	}
	rc.Flush()
	rc.SetReadDeadline(time.Now().Add(d.opts.DrainTimeout))
	_, _ = io.CopyN(io.Discard, r.Body, d.opts.DrainBytes) // the body of a refused request
}

// heldResponse keeps status and body until the renderer has finished; headers are written
// directly.
type heldResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldResponse) WriteHeader(status int)      { h.status = status }
func (h *heldResponse) Write(p []byte) (int, error) { return h.body.Write(p) }
