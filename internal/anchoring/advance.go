package anchoring

import (
	"context"
	"errors"
	"fmt"
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
	var all []error
	type step struct {
		name string
		from state.Transaction
		take func(context.Context, network.Network, []query.Transaction) error
		seen map[string]string // by organization: how far this call has come
	}
	steps := []step{
		{"stage", state.TransactionConfirmed, s.stage, map[string]string{}},
		{"broadcast", state.TransactionStaged, s.broadcast, map[string]string{}},
		{"finish", state.TransactionBroadcast, s.finish, map[string]string{}},
	}
	more := true
	for page := 0; more && ctx.Err() == nil; page++ {
		if page == PagesInTurn {
			s.wake[n.Name()].Ring() // the next call continues
			break
		}
		more = false
		for _, step := range steps {
			rows, full, err := s.inFlight(ctx, n.Name(), step.from, step.seen)
			if err != nil {
				return errors.Join(append(all, err)...)
			}
			if more = more || full; len(rows) == 0 {
				continue
			}
			if err := step.take(ctx, n, rows); err != nil {
				all = append(all, fmt.Errorf("%s: %w", step.name, err))
			}
		}
	}
	return errors.Join(all...)
}

// inFlight returns the next page of a state. Every organization with transactions in that
// state gets an equal part: its oldest transactions that were not seen yet. full reports
// that an organization may have more.
func (s *Service) inFlight(ctx context.Context, n network.Name, from state.Transaction, seen map[string]string) (page []query.Transaction, full bool, err error) {
	orgs, err := s.DB.Read().OrganizationsInFlight(ctx, query.OrganizationsInFlightParams{Network: string(n), State: from})
	if err != nil {
		return nil, false, err
	}
	each := int32(max(1, Batch/max(1, len(orgs))))
	for _, org := range orgs {
		rows, err := s.DB.Read().InFlight(ctx, query.InFlightParams{Network: string(n), State: from, OrganizationID: org, After: seen[org], Lim: each})
		if err != nil {
			return nil, false, err
		}
		if len(rows) > 0 {
			seen[org] = rows[len(rows)-1].ID
		}
		page, full = append(page, rows...), full || len(rows) == int(each)
	}
	return page, full, nil
}

// pollEvery is how often a worker looks without being woken: after a failure, after a
// restart, or for a transaction that another instance confirmed.
const pollEvery = time.Second

// Workers returns a worker for each network, which drives the confirmed transactions to
// their end. Several instances may run on one database: each step changes a row only from
// the state before it, and sending the same bytes twice is harmless.
func (s *Service) Workers() (all []*work.Worker) {
	for name, n := range s.Networks {
		all = append(all, &work.Worker{
			Name: "anchoring " + string(name), Step: func(ctx context.Context) error { return s.Advance(ctx, n) },
			Every: pollEvery, Wake: s.wake[name], News: n.Head, Log: s.Log,
		})
	}
	return all
}
