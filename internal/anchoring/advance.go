package anchoring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/state"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// PagesInTurn is how many pages of each state one call of Advance processes.
const PagesInTurn = 16

// Advance takes every transaction in flight on a network as far as it can go now.
// Organizations take turns, with one page of each state after the other. So an organization
// with one transaction does not wait until ten thousand of another are staged. One stuck
// transaction never blocks the others; errors are joined.
//
// Each call looks at each transaction once. While new ones keep coming, it ends after
// PagesInTurn pages, so that the next call looks at the first ones again.
func (s *Service) Advance(ctx context.Context, n network.Network) (err error) {
	defer operation.Wrap(&err, "advance the transactions of %s", n.Name())
	_, err = s.advance(ctx, n, steps)
	return err
}

// advance is Advance for the transactions in some of the states. more reports that it did not
// look at all of them.
func (s *Service) advance(ctx context.Context, n network.Network, from []state.Transaction) (more bool, err error) {
	var all []error
	failed := func(step string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", step, err))
		}
	}
	seen := map[turn]string{}
	more = true
	for page := 0; more && ctx.Err() == nil; page++ {
		if page == PagesInTurn {
			s.wake[n.Name()].Ring() // the next call continues
			break
		}
		var rows map[state.Transaction][]query.Transaction
		if page == 0 {
			rows, more, err = s.few(ctx, n.Name(), from)
		}
		if more && err == nil {
			rows, more, err = s.inFlight(ctx, n.Name(), from, seen)
		}
		if err != nil {
			return true, errors.Join(append(all, err)...)
		}
		staged, err := s.stage(ctx, n, rows[state.TransactionConfirmed])
		failed("stage", err)
		sent, err := s.broadcast(ctx, n, append(rows[state.TransactionStaged], staged...))
		failed("broadcast", err)
		if slices.Contains(from, state.TransactionBroadcast) {
			failed("finish", s.finish(ctx, n, append(rows[state.TransactionBroadcast], sent...)))
		}
	}
	return more, errors.Join(all...)
}

// turn is an organization's part of the transactions in one state.
type turn struct {
	from         state.Transaction
	organization string
}

// steps are the states from which a transaction goes on.
var steps = []state.Transaction{state.TransactionConfirmed, state.TransactionStaged, state.TransactionBroadcast}

// few returns all transactions in the states. more reports that they are more than half a page,
// so that organizations have to take turns.
func (s *Service) few(ctx context.Context, n network.Name, states []state.Transaction) (page map[state.Transaction][]query.Transaction, more bool, err error) {
	const most = Batch / 2
	page = map[state.Transaction][]query.Transaction{}
	err = s.DB.Each(ctx, len(states), func(q *query.Queries, i int) error {
		rows, err := q.FewInFlight(ctx, query.FewInFlightParams{Network: string(n), State: states[i], Lim: most + 1})
		page[states[i]], more = rows, more || len(rows) > most
		return err
	})
	return page, more, err
}

// inFlight returns the next page of each state. Every organization with transactions in a
// state gets an equal part: its oldest transactions that were not seen yet. more reports that
// an organization may have more.
func (s *Service) inFlight(ctx context.Context, n network.Name, states []state.Transaction, seen map[turn]string) (page map[state.Transaction][]query.Transaction, more bool, err error) {
	orgs := make([][]string, len(states))
	if err := s.DB.Each(ctx, len(states), func(q *query.Queries, i int) (err error) {
		orgs[i], err = q.OrganizationsInFlight(ctx, query.OrganizationsInFlightParams{Network: string(n), State: states[i]})
		return err
	}); err != nil {
		return nil, false, err
	}
	var turns []turn
	part := map[state.Transaction]int{}
	for i, from := range states {
		part[from] = max(1, Batch/max(1, len(orgs[i])))
		for _, org := range orgs[i] {
			turns = append(turns, turn{from, org})
		}
	}
	rows := make([][]query.Transaction, len(turns))
	if err := s.DB.Each(ctx, len(turns), func(q *query.Queries, i int) (err error) {
		t := turns[i]
		rows[i], err = q.InFlight(ctx, query.InFlightParams{Network: string(n), State: t.from, OrganizationID: t.organization, After: seen[t], Lim: int32(part[t.from])})
		return err
	}); err != nil {
		return nil, false, err
	}
	page = map[state.Transaction][]query.Transaction{}
	for i, t := range turns {
		if len(rows[i]) > 0 {
			seen[t] = rows[i][len(rows[i])-1].ID
		}
		page[t.from], more = append(page[t.from], rows[i]...), more || len(rows[i]) == part[t.from]
	}
	return page, more, nil
}

// pollEvery is how often a worker looks without being woken: after a failure, after a
// restart, or for a transaction that another instance confirmed.
const pollEvery = time.Second

// gather is how long a worker rests after a step. Each step costs several round trips, however
// many transactions were confirmed meanwhile.
const gather = 20 * time.Millisecond

// Workers returns a worker for each network, which drives the confirmed transactions to
// their end. Several instances may run on one database: each step changes a row only from
// the state before it, and sending the same bytes twice is harmless.
func (s *Service) Workers() (all []*work.Worker) {
	for name, n := range s.Networks {
		all = append(all, &work.Worker{
			Name: "anchoring " + string(name), Step: s.step(n), Every: pollEvery, Apart: gather, Wake: s.wake[name], News: n.Head, Log: s.Log,
		})
	}
	return all
}

// step returns Advance for a worker. Nothing that was broadcast becomes final before the
// network has news, so without news the network is asked only from time to time.
func (s *Service) step(n network.Network) func(context.Context) error {
	var head <-chan struct{} // before the last look for what is final
	var looked time.Time
	return func(ctx context.Context) (err error) {
		defer operation.Wrap(&err, "advance the transactions of %s", n.Name())
		from, now := n.Head(), time.Now()
		if from == head && now.Sub(looked) < pollEvery {
			_, err = s.advance(ctx, n, steps[:2])
			return err
		}
		more, err := s.advance(ctx, n, steps)
		if err == nil && !more {
			head, looked = from, now
		}
		return err
	}
}
