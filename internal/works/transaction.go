package works

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Transaction reads a transaction. Knowing its id is the permission to follow it. An unknown
// id is transaction.not_found.
func (s *Service) Transaction(ctx context.Context, id string) (_ View, err error) {
	defer operation.Wrap(&err, "read transaction %s", id)
	return s.view(ctx, s.DB.Read(), id)
}

func (s *Service) view(ctx context.Context, q *query.Queries, id string) (_ View, err error) {
	row, err := q.TransactionForView(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return View{}, fault.TransactionNotFound()
	} else if err != nil {
		return View{}, fault.TransactionStoreUnavailable(store.RetryAfter).Because(err)
	}
	return s.viewOf(row)
}

func (s *Service) viewOf(row query.TransactionForViewRow) (_ View, err error) {
	t := row.Transaction
	v := View{ID: t.ID, Organization: t.OrganizationID, Kind: t.Kind, Rehearse: fault.Code(t.Rehearse), CreatedAt: store.Time(t.CreatedAt), UpdatedAt: store.Time(t.UpdatedAt)}
	if v.Steps, err = record.TransactionSteps(t); err != nil {
		return View{}, fmt.Errorf("view: %w", err)
	}
	switch t.State {
	case state.TransactionConfirmed, state.TransactionStaged, state.TransactionBroadcast: // not done
	case state.TransactionFailed:
		failure, err := record.TransactionFailure(t)
		if err != nil {
			return View{}, fmt.Errorf("view: %w", err)
		}
		v.Done = &Outcome{Failure: failure.Err(), RequestID: t.RequestID}
	case state.TransactionFinal:
		hash := record.Hex(t.TxHash)
		v.Done = &Outcome{
			TxHash: hash, BlockNumber: t.BlockNumber, BlockHash: record.Hex(t.BlockHash), AtsID: t.AtsID, WorkID: t.WorkID, At: store.Time(row.RegisteredAt),
			WorkURL: s.WorkURL(network.Name(t.Network), t.AtsID), ExplorerURL: s.ExplorerURL(network.Name(t.Network), hash),
		}
		// An access code that was replaced or erased since is not shown.
		if row.ExternalUserRef == "" && row.Generation == 0 && !row.RedactedAt.Valid && t.Kind == record.KindRegister && s.DB.Now().Sub(v.UpdatedAt) < s.Result {
			v.Done.AccessCode = s.Codes.Code(t.WorkID, 0)
		}
	}
	return v, nil
}

// Followed is Transaction for followers: one read serves all of them until the next change.
func (s *Service) Followed(ctx context.Context, id string) (_ View, err error) {
	defer operation.Wrap(&err, "look up transaction %s", id)
	s.Progress.mu.Lock()
	f := s.Progress.followers[id]
	s.Progress.mu.Unlock()
	if f == nil {
		return s.Transaction(ctx, id)
	}
	f.reading.Lock()
	defer f.reading.Unlock()
	changes := f.changes.Load()
	if v, ok := f.last(changes); ok {
		return v, nil
	}
	v, err := s.Transaction(ctx, id)
	if err == nil {
		f.saw(v, changes)
	} else if ctx.Err() == nil {
		s.Progress.missed.Store(true)
	}
	return v, err
}
