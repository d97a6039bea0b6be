package store

import (
	"context"
	"errors"
	"iter"
	"slices"

	"timbre.example/internal/operation"
	"timbre.example/internal/store/query"
)

// Together runs functions in the transaction, in their order. On Postgres their statements
// travel together: each function runs until it needs an answer, and then one round trip
// brings the answers of all. So the functions must not need each other's results.
//
// The error is that of the first function that failed. The transaction cannot be committed
// after it, and the functions behind the failed one may or may not have run.
func (tx *Tx) Together(all ...func(*Tx) error) error {
	return tx.Each(len(all), func(tx *Tx, i int) error { return all[i](tx) })
}

// Each is Together for n calls of one function.
func (tx *Tx) Each(n int, f func(tx *Tx, i int) error) (err error) {
	defer operation.Wrap(&err, "statements")
	if tx.line == nil || n < 2 {
		for i := range n {
			if err := f(tx, i); err != nil {
				return tx.fail(err)
			}
		}
		return nil
	}
	return tx.fail(together(tx.line, n, func(on line, i int) error {
		part := &Tx{Queries: query.New(caller{on}), Now: tx.Now, Again: tx.Again, line: on}
		if err := f(part, i); err != nil {
			return err
		}
		return part.failed
	}))
}

// fail keeps the transaction from a commit.
func (tx *Tx) fail(err error) error {
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// Together runs functions that only read, outside of a transaction, like [Tx.Together].
func (db *DB) Together(ctx context.Context, all ...func(*query.Queries) error) error {
	return db.Each(ctx, len(all), func(q *query.Queries, i int) error { return all[i](q) })
}

// Each is Together for n calls of one function.
func (db *DB) Each(ctx context.Context, n int, f func(q *query.Queries, i int) error) (err error) {
	defer operation.Wrap(&err, "reads")
	p, ok := db.engine.(*postgres)
	if !ok || n < 2 {
		for i := range n {
			if err := f(db.Read(), i); err != nil {
				return err
			}
		}
		return nil
	}
	return together(reading{p}, n, func(on line, i int) error { return f(query.New(caller{on}), i) })
}

// errLeft is the error of statements of a function that another one's failure ended.
var errLeft = errors.New("another part of the transaction failed")

// part is the line of one of several functions that run together.
type part struct {
	waits func(struct{}) bool // hands over to the others until the answers are there
	ctx   context.Context
	sent  []*statement // since the last round trip
	asks  bool         // the function waits for an answer
	done  bool
	err   error // of the function
}

func (p *part) ask(ctx context.Context, all ...*statement) error {
	p.ctx, p.sent, p.asks = ctx, append(p.sent, all...), true
	if !p.waits(struct{}{}) {
		return fail(all, errLeft)
	}
	for _, s := range all {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

func (p *part) tell(ctx context.Context, s *statement) error {
	p.ctx, p.sent = ctx, append(p.sent, s)
	return nil
}

// together runs n functions on one line. One runs at a time, so they may share variables.
func together(on line, n int, f func(on line, i int) error) error {
	parts := make([]*part, n)
	resume := make([]func() (struct{}, bool), n)
	for i := range parts {
		p := &part{}
		next, stop := iter.Pull(func(waits func(struct{}) bool) {
			p.waits = waits
			p.err = f(p, i)
			p.done = true
		})
		defer stop()
		parts[i], resume[i] = p, next
	}
	for {
		var sent []*statement
		ctx, asks := context.Background(), false
		for i, p := range parts {
			if p.asks = false; !p.done {
				resume[i]()
			}
			if p.err != nil { // the functions before it can still fail first; those behind it end
				parts = parts[:i+1]
				break
			}
			if sent, asks = append(sent, p.sent...), asks || p.asks; p.ctx != nil {
				ctx = p.ctx
			}
			p.sent = nil
		}
		switch last := parts[len(parts)-1]; {
		case asks:
			// A function that does not wait for its statement cannot return its error.
			if err := on.ask(ctx, sent...); err != nil && first(sent).told {
				return err
			}
		case last.err != nil:
			return last.err
		default:
			for _, s := range sent {
				if err := on.tell(ctx, s); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// first returns the first statement that failed.
func first(all []*statement) *statement {
	i := slices.IndexFunc(all, func(s *statement) bool { return s.err != nil })
	return all[i]
}
