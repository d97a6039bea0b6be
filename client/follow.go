package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Follow waits for the end of a confirmed registration. The id of a transaction is the permission, so the call needs no key.
// It listens to the server's events, and asks from time to time when they break off. A registration that the network refused
// is an *Error with [CodeTransactionFailed].
func (c *Client) Follow(ctx context.Context, transactionID string) (*Result, error) {
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		r, err := c.listen(ctx, transactionID)
		switch {
		case r != nil:
			return r, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		var e *Error
		if errors.As(err, &e) && e.Code == CodeTransactionFailed {
			return nil, err
		}
		// The stream is not possible here or has ended early. One call also says why: a wrong id, for example.
		t := transaction{}
		if err := c.decode(ctx, request{operation: opFollow, path: []any{transactionID}}, &t); err != nil {
			return nil, err
		}
		if t.IsComplete {
			return t.result(transactionID)
		}
		if err := sleep(ctx, jitter(pause)); err != nil {
			return nil, err
		}
	}
}

// Transaction is where a confirmed registration is.
type Transaction struct {
	// Step is one of the steps of docs/api.md, such as submitting.
	Step string
	// Percent is 0 to 100.
	Percent int
	// Result is that of a version that is final; nil before.
	Result *Result
	// Err is why the network refused the registration: an *Error, mostly with [CodeTransactionFailed]; nil otherwise.
	Err error
}

// Transaction looks once where a confirmed registration is. The id is the permission, so the call needs no key.
func (c *Client) Transaction(ctx context.Context, transactionID string) (*Transaction, error) {
	var t transaction
	if err := c.decode(ctx, request{operation: opFollow, path: []any{transactionID}}, &t); err != nil {
		return nil, err
	}
	out := &Transaction{Step: t.CurrentStep, Percent: t.Progress}
	if t.IsComplete {
		out.Result, out.Err = t.result(transactionID)
	}
	return out, nil
}

// result returns the result of an ended transaction.
func (t transaction) result(id string) (*Result, error) {
	switch {
	case t.Result == nil:
		return nil, fmt.Errorf("transaction %s is complete without a result", id)
	case !t.Result.Success:
		e := &Error{Code: t.Result.ErrorCode, Message: t.Result.Error, RequestID: t.Result.RequestID, details: map[string]json.RawMessage{}}
		for name, value := range t.Result.ErrorDetails {
			e.details[name], _ = json.Marshal(value) // it was decoded from JSON
		}
		return nil, e
	}
	r := t.Result.Result
	r.TransactionID = id
	return &r, nil
}

const maxEvent = 1 << 20 // bytes of one line

// listen reads the events of a transaction up to the last one. Without a result, the stream said nothing final.
func (c *Client) listen(ctx context.Context, id string) (*Result, error) {
	ctx, alive, stop := watch(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(opEvents.fill([]any{id})).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return nil, errNoStream
	}
	lines := bufio.NewScanner(&counted{res.Body, func(int64) { alive() }})
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	event := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
			continue
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case ok && event == "completed":
			var done struct {
				Details *Result `json:"details"`
			}
			if err := json.Unmarshal([]byte(data), &done); err != nil || done.Details == nil {
				return nil, errNoStream
			}
			io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) //nolint:errcheck // the connection can then be used again
			done.Details.TransactionID = id
			return done.Details, nil
		case ok && event == "error":
			var failed envelope
			if err := json.Unmarshal([]byte(data), &failed); err != nil || failed.Error == nil {
				return nil, errNoStream
			}
			return nil, &Error{Code: failed.Error.Code, Message: failed.Error.Message, RequestID: failed.Error.RequestID, details: failed.Error.Details}
		}
	}
	return nil, errNoStream
}

var errNoStream = errors.New("the events have ended before the transaction")
