package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"timbre.example/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
)

type transactionInput struct {
	ID string `path:"id" doc:"The id is the capability: any client that knows it may follow"`
}

type wireDetails struct {
	TxHash      string    `json:"tx_hash"`
	BlockNumber int64     `json:"block_number"`
	BlockHash   string    `json:"block_hash"`
	At          time.Time `json:"registered_at" doc:"When the network accepted it: the time on certificate and evidence"`
	AtsID       int64     `json:"ats_id"`
	WorkID      string    `json:"work_id"`
	ExplorerURL string    `json:"explorer_url"`
	WorkURL     string    `json:"work_url" doc:"The work's public page"`
	AccessCode  string    `json:"access_code,omitempty"`
}

type wireResult struct {
	Success bool `json:"success"`
	*wireDetails
	Error        string         `json:"error,omitempty" doc:"For a failure: the catalogue's message, in English"`
	ErrorCode    fault.Code     `json:"error_code,omitempty"`
	ErrorDetails map[string]any `json:"error_details,omitempty"`
	RequestID    string         `json:"request_id,omitempty" doc:"The request_id of the confirm"`
}

type transactionOutput struct {
	Body struct {
		ID          string          `json:"id"`
		Kind        string          `json:"transaction_type"`
		CurrentStep record.StepCode `json:"current_step"`
		Progress    int             `json:"progress"`
		Description string          `json:"description"`
		IsComplete  bool            `json:"is_complete"`
		Result      *wireResult     `json:"result"`
		Steps       []step          `json:"steps"`
		CreatedAt   time.Time       `json:"created_at"`
		UpdatedAt   time.Time       `json:"updated_at"`
	}
}

func details(o *works.Outcome) *wireDetails {
	return &wireDetails{TxHash: o.TxHash, BlockNumber: o.BlockNumber, BlockHash: o.BlockHash, At: o.At, AtsID: o.AtsID, WorkID: o.WorkID, ExplorerURL: o.ExplorerURL, WorkURL: o.WorkURL, AccessCode: o.AccessCode}
}

// view reads the transaction whose id is in a path. An invalid id is transaction.not_found,
// without a query: the database may fail on it.
func (a *API) view(ctx context.Context, id string) (works.View, error) {
	id, ok := parseID(id)
	if !ok {
		return works.View{}, fault.TransactionNotFound()
	}
	v, err := a.Registry.Works.Transaction(ctx, id)
	if err != nil {
		return works.View{}, err
	}
	return v, untracked(v)
}

// parseID reads a UUID in its usual form, in either case.
func parseID(text string) (id string, ok bool) {
	return strings.ToLower(text), len(text) == 36 && uuid.Validate(text) == nil
}

func (a *API) transaction(ctx context.Context, in *transactionInput) (*transactionOutput, error) {
	v, err := a.view(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &transactionOutput{}
	b := &out.Body
	steps := stepsOf(v)
	last := steps[len(steps)-1]
	b.ID, b.Kind, b.Steps, b.CreatedAt, b.UpdatedAt = v.ID, v.Kind, steps, v.CreatedAt, v.UpdatedAt
	b.CurrentStep, b.Progress, b.Description, b.IsComplete = last.Step, last.Progress, last.Description, v.Done != nil
	if v.Done != nil {
		if v.Done.Failure != nil {
			f := failureOf(v.Done)
			b.Result = &wireResult{Error: f.Message, ErrorCode: f.Code, ErrorDetails: f.Details, RequestID: f.RequestID}
		} else {
			b.Result = &wireResult{Success: true, wireDetails: details(v.Done)}
		}
	}
	return out, nil
}

// The frames of a progress stream. A failure is an error frame, never an update. The
// completed step always has its details.
type updateFrame struct {
	Type string `json:"type"`
	step
	Details *wireDetails `json:"details,omitempty"`
}

type errorFrame struct {
	Type  string     `json:"type"`
	Error fault.Body `json:"error"`
}

// frame is one message to a follower. Its number is the step's, from 1.
type frame struct {
	number int
	event  string
	body   any
	last   bool
}

// frames returns the frames after the first `seen` steps, and always the last one of an
// ended transaction.
func frames(v works.View, seen int) []frame {
	var out []frame
	for i, s := range stepsOf(v) {
		f := frame{number: i + 1, event: "update", body: updateFrame{Type: "update", step: s}}
		if v.Done != nil && i == len(v.Steps)-1 {
			f.last = true
			if v.Done.Failure != nil {
				f.event, f.body = "error", errorFrame{Type: "error", Error: failureOf(v.Done)}
			} else {
				f.event, f.body = "completed", updateFrame{Type: "update", step: s, Details: details(v.Done)}
			}
		}
		if i >= seen || f.last {
			out = append(out, f)
		}
	}
	return out
}

const (
	// heartbeat keeps proxies from closing an idle stream.
	heartbeat = 25 * time.Second
	// writeTimeout is how long a follower may take to read a frame.
	writeTimeout = 10 * time.Second
)

// errStopped ends a stream because the server shuts down.
var errStopped = errors.New("server stopping")

// follow sends a transaction's frames through send, from the step after seen to the terminal
// one. It calls beat after each heartbeat. It returns nil only after the terminal frame.
func (a *API) follow(ctx context.Context, id string, seen int, send func(frame) error, beat func() error) error {
	changed, stop := a.Registry.Works.Progress.Follow(id) // before the first read
	defer stop()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		v, err := a.Registry.Works.Followed(ctx, id)
		if err != nil && !errors.Is(err, fault.CodeTransactionStoreUnavailable) {
			return err
		}
		for _, f := range frames(v, seen) {
			if err := send(f); err != nil {
				return err
			}
			seen = max(seen, f.number)
			if f.last {
				return nil
			}
		}
		select {
		case <-changed:
		case <-tick.C: // reads again too: an outage of the database may have lost a wake-up
			if err := beat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-a.stop:
			return errStopped
		}
	}
}

// handshake withholds a refusal that the WebSocket library writes, and keeps the connection
// that the library hijacks.
type handshake struct {
	http.ResponseWriter
	refused bool
	conn    net.Conn
}

// Hijack implements http.Hijacker for the WebSocket library.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, rw, err
}

// invalidFrame is an invalid frame: its opcode is reserved.
var invalidFrame = []byte{0x83, 0x00}

// sendInvalidFrame sends an invalid frame before a socket is dropped without a terminal frame. When a
// connection just ends, browsers raise only `close`, but published widgets listen only to
// `error`. An invalid frame raises `error`, and these widgets then poll. Only a pong of the
// library may be written at the same time: it is one Write, and the connection serializes
// writes.
func (h *handshake) sendInvalidFrame() {
	_ = h.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = h.conn.Write(invalidFrame)
}

func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *handshake) WriteHeader(status int) {
	if h.refused = status != http.StatusSwitchingProtocols; !h.refused {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *handshake) Write(p []byte) (int, error) {
	if h.refused {
		return len(p), nil
	}
	return h.ResponseWriter.Write(p)
}

// inStream reports whether a follower reads a refusal in the stream: browsers hide the
// answer to a refused handshake from the page. Other refusals are ordinary answers, and the
// page polls instead.
func inStream(err error) bool {
	return errors.Is(err, fault.CodeTransactionNotFound) || errors.Is(err, fault.CodeTransactionStoreUnavailable)
}

// terminal is the only frame of a stream for a transaction that cannot be followed.
func terminal(r *http.Request, err error) frame {
	f, x := catalogued(err), exchangeOf(r.Context())
	x.fault = f
	body := f.Envelope(x.id).Error
	return frame{event: "error", body: errorFrame{Type: "error", Error: body}, last: true}
}

// socket streams progress over a WebSocket. The id is the capability, so any page may
// follow. The socket is closed cleanly only after a terminal frame. In every other case the
// connection is dropped, and the client polls.
//
// A transaction that is unknown or cannot be read is reported by an error frame. Too many
// followers are refused at the handshake: the transaction continues, and a page with a
// refused handshake polls.
func (a *API) socket(w http.ResponseWriter, r *http.Request) {
	v, unseen := a.view(r.Context(), chi.URLParam(r, "id"))
	if unseen != nil && !(inStream(unseen) && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")) {
		a.RenderError(w, r, unseen)
		return
	}
	id := v.ID
	leave, err := a.streams.enter(v.Organization, id)
	if err != nil {
		a.RenderError(w, r, err)
		return
	}
	defer leave()
	shake := &handshake{ResponseWriter: w}
	conn, err := websocket.Accept(shake, r, &websocket.AcceptOptions{OriginPatterns: []string{"*"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		if shake.refused {
			a.RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "upgrade", Rule: "websocket", Message: "A WebSocket upgrade (version 13) is required."}}).Because(err))
		}
		return
	}
	defer conn.CloseNow()
	// ctx ends when the client disconnects. Messages from followers are read and ignored.
	ctx, gone := context.WithCancel(context.WithoutCancel(r.Context()))
	go func() {
		defer gone()
		for {
			_, message, err := conn.Reader(ctx)
			if err == nil {
				_, err = io.Copy(io.Discard, message)
			}
			if err != nil {
				return
			}
		}
	}()
	defer gone()
	write := func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		return conn.Write(ctx, websocket.MessageText, b)
	}
	if unseen != nil {
		if write(terminal(r, unseen).body) == nil {
			conn.Close(websocket.StatusNormalClosure, "")
		}
		return
	}
	if write(map[string]string{"type": "connected", "transaction_id": id}) != nil {
		return
	}
	err = a.follow(ctx, id, 0, func(f frame) error { return write(f.body) }, func() error {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		return conn.Ping(ctx)
	})
	if err == nil {
		conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	shake.sendInvalidFrame()
}

// events streams progress as server-sent events: update, completed, error. The id of each
// event is the number of steps sent. A client that reconnects with Last-Event-ID gets the
// remaining ones. A transaction that is unknown or cannot be read is reported by an error
// event without an id: an EventSource reads no other answer.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	v, unseen := a.view(r.Context(), chi.URLParam(r, "id"))
	if unseen != nil && !inStream(unseen) {
		a.RenderError(w, r, unseen)
		return
	}
	leave, err := a.streams.enter(v.Organization, v.ID)
	if err != nil {
		a.RenderError(w, r, err)
		return
	}
	defer leave()
	seen, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || seen < 0 {
		seen = 0
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	say := func(format string, args ...any) error {
		if err := rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return rc.Flush()
	}
	if say("retry: 2000\n\n") != nil {
		return
	}
	send := func(f frame) error {
		b, err := json.Marshal(f.body)
		if err != nil {
			return err
		}
		if f.number > 0 {
			return say("id: %d\nevent: %s\ndata: %s\n\n", f.number, f.event, b)
		}
		return say("event: %s\ndata: %s\n\n", f.event, b)
	}
	if unseen != nil {
		_ = send(terminal(r, unseen))
		return
	}
	_ = a.follow(r.Context(), v.ID, seen, send, func() error { return say(": still here\n\n") })
}
