package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"timbre.example/internal/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

type transactionInput struct {
	ID string `path:"id" format:"uuid" doc:"The id is the capability: any client that knows it may follow"`
}

// Registered says where a version is registered. Its name is exported because huma ignores
// unexported embedded types.
type Registered struct {
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

// wireResult is the result of a transaction: that of a success or of a failure.
type wireResult struct {
	Success bool `json:"success"`
	*Registered
	Error        string         `json:"error,omitempty" doc:"For a failure: the catalogue's message, in English"`
	ErrorCode    fault.Code     `json:"error_code,omitempty"`
	ErrorDetails map[string]any `json:"error_details,omitempty"`
	RequestID    string         `json:"request_id,omitempty" doc:"The request_id of the confirm"`
}

// Schema describes the two results apart, as clients receive them; null before the end.
func (wireResult) Schema(r huma.Registry) *huma.Schema {
	type succeeded struct {
		Success bool `json:"success" enum:"true"`
		Registered
	}
	type failed struct {
		Success bool       `json:"success" enum:"false"`
		Error   string     `json:"error" doc:"The catalogue's message, in English"`
		Code    fault.Code `json:"error_code" enum:"transaction.failed"`
		Details *struct {
			Reason string `json:"reason" doc:"What the network said"`
		} `json:"error_details,omitempty"`
		RequestID string `json:"request_id" doc:"The request_id of the confirm"`
	}
	return &huma.Schema{OneOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[succeeded](), true, ""), r.Schema(reflect.TypeFor[failed](), true, ""), {Type: "null"},
	}}
}

type transactionOutput struct {
	Body struct {
		ID          string          `json:"id"`
		Kind        string          `json:"transaction_type"`
		CurrentStep record.StepCode `json:"current_step"`
		Progress    int             `json:"progress"`
		Description string          `json:"description"`
		IsComplete  bool            `json:"is_complete"`
		Result      *wireResult     `json:"result" doc:"null until is_complete"`
		Steps       []step          `json:"steps"`
		CreatedAt   time.Time       `json:"created_at"`
		UpdatedAt   time.Time       `json:"updated_at"`
	}
}

func details(o *works.Outcome) *Registered {
	return &Registered{TxHash: o.TxHash, BlockNumber: o.BlockNumber, BlockHash: o.BlockHash, At: o.At, AtsID: o.AtsID, WorkID: o.WorkID, ExplorerURL: o.ExplorerURL, WorkURL: o.WorkURL, AccessCode: o.AccessCode}
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

func (a *API) transaction(ctx context.Context, _ web.Anyone, in *transactionInput) (*transactionOutput, error) {
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
			b.Result = &wireResult{Success: true, Registered: details(v.Done)}
		}
	}
	return out, nil
}

// The frames of a progress stream. A failure is an error frame, never an update. The
// completed step always has its details.
type updateFrame struct {
	Type string `json:"type"`
	step
	Details *Registered `json:"details,omitempty"`
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

// errStopped ends a stream because the server shuts down.
var errStopped = errors.New("server stopping")

// begun is a transaction when a stream of it begins. stop ends the wake-ups.
type begun struct {
	works.View
	changed <-chan struct{}
	stop    func()
}

// following is view for a stream: its followers share one read.
func (a *API) following(ctx context.Context, id string) (f begun, err error) {
	f.stop = func() {}
	id, ok := parseID(id)
	if !ok {
		return f, fault.TransactionNotFound()
	}
	f.changed, f.stop = a.Registry.Works.Progress.Follow(id) // before the first read
	if f.View, err = a.Registry.Works.Followed(ctx, id); err != nil {
		return f, err
	}
	return f, untracked(f.View)
}

// follow sends a transaction's frames through send, from the step after seen to the terminal
// one. It calls beat after each heartbeat. It returns nil only after the terminal frame.
func (a *API) follow(ctx context.Context, from begun, seen int, send func(frame) error, beat func() error) error {
	tick := time.NewTicker(web.Heartbeat)
	defer tick.Stop()
	v := from.View
	for {
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
		case <-from.changed:
		case <-tick.C: // reads again too: an outage of the database may have lost a wake-up
			if err := beat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-a.Web.Stopping():
			return errStopped
		}
		var err error
		if v, err = a.Registry.Works.Followed(ctx, from.ID); err != nil && !errors.Is(err, fault.CodeTransactionStoreUnavailable) {
			return err
		}
	}
}

// inStream reports whether a follower reads a refusal in the stream: browsers hide the
// answer to a refused handshake from the page. Other refusals are ordinary answers, and the
// page polls instead.
func inStream(err error) bool {
	return errors.Is(err, fault.CodeTransactionNotFound) || errors.Is(err, fault.CodeTransactionStoreUnavailable)
}

// terminal is the only frame of a stream for a transaction that cannot be followed.
func terminal(r *http.Request, err error) frame {
	body := web.Refusal(r.Context(), err)
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
	v, unseen := a.following(r.Context(), chi.URLParam(r, "id"))
	defer v.stop()
	if unseen != nil && !(inStream(unseen) && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")) {
		web.RenderError(w, r, unseen)
		return
	}
	id := v.ID
	leave, err := a.Web.EnterStream(v.Organization, id)
	if err != nil {
		web.RenderError(w, r, err)
		return
	}
	defer leave()
	s := web.AcceptSocket(w, r)
	if s == nil {
		return
	}
	defer s.Release()
	if unseen != nil {
		if s.Send(terminal(r, unseen).body) == nil {
			s.Close()
		}
		return
	}
	if s.Send(map[string]string{"type": "connected", "transaction_id": id}) != nil {
		return
	}
	if a.follow(s.Context(), v, 0, func(f frame) error { return s.Send(f.body) }, s.Beat) == nil {
		s.Close()
		return
	}
	s.Drop()
}

// events streams progress as server-sent events: update, completed, error. The id of each
// event is the number of steps sent. A client that reconnects with Last-Event-ID gets the
// remaining ones. A transaction that is unknown or cannot be read is reported by an error
// event without an id: an EventSource reads no other answer.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	v, unseen := a.following(r.Context(), chi.URLParam(r, "id"))
	defer v.stop()
	if unseen != nil && !inStream(unseen) {
		web.RenderError(w, r, unseen)
		return
	}
	leave, err := a.Web.EnterStream(v.Organization, v.ID)
	if err != nil {
		web.RenderError(w, r, err)
		return
	}
	defer leave()
	seen, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || seen < 0 {
		seen = 0
	}
	e, err := web.StartEvents(w)
	if err != nil {
		return
	}
	send := func(f frame) error { return e.Send(f.number, f.event, f.body) }
	if unseen != nil {
		_ = send(terminal(r, unseen))
		return
	}
	_ = a.follow(r.Context(), v, seen, send, e.Beat)
}
