package issuing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// maxUnwitnessed bounds the certificates that this process remembers to make before the end of
// the timeout. Those beyond it are made at that end.
const maxUnwitnessed = 10_000

// witnessing reads how far the witnesses of the networks are, of those that have witnesses.
func (s *Service) witnessing(ctx context.Context) (map[network.Name]network.Witnessing, error) {
	all := map[network.Name]network.Witnessing{}
	for _, n := range s.Networks.All() {
		seen, ok := n.(network.Witnessed)
		if !ok {
			continue
		}
		at, err := seen.Witnessing(ctx)
		if err != nil {
			return nil, err
		}
		if at.Asked {
			all[n.Name()] = at
		}
	}
	return all, nil
}

// untokened returns the transactions whose blocks wait for a token, each with the end of the
// wait.
func (s *Service) untokened(ctx context.Context, some []outbox.Delivery) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	for chunk := range slices.Chunk(some, 256) {
		joined := ""
		for _, d := range chunk {
			joined += d.Subject
		}
		rows, err := s.DB.Read().WithoutTokens(ctx, query.WithoutTokensParams{Joined: joined, Count: int64(len(chunk))})
		if err != nil {
			return nil, fmt.Errorf("tokens of blocks: %w", err)
		}
		for _, row := range rows {
			all[row.TransactionID] = store.Time(row.Until)
		}
	}
	return all, nil
}

// unhurried returns the deliveries whose certificates need not wait for witnesses or for the
// token of the block any longer. It postpones the others to the end of the timeout.
func (s *Service) unhurried(ctx context.Context, some []outbox.Delivery) (now []outbox.Delivery, err error) {
	seen, err := s.witnessing(ctx)
	if err != nil {
		return some, s.unless(ctx, err, some)
	}
	tokens, err := s.untokened(ctx, some)
	if err != nil || len(seen)+len(tokens) == 0 {
		return some, s.unless(ctx, err, some)
	}
	joined := ""
	for _, d := range some {
		joined += d.Subject
	}
	rows, err := s.DB.Read().BlocksTogether(ctx, query.BlocksTogetherParams{Joined: joined, Count: int64(len(some))})
	if err != nil {
		return nil, s.unless(ctx, fmt.Errorf("blocks of certificates: %w", err), some)
	}
	blocks := map[string]query.BlocksTogetherRow{}
	for _, row := range rows {
		blocks[row.TransactionID] = row
	}
	var later []outbox.Delivery
	var until []time.Time
	for _, d := range some {
		row := blocks[d.Subject]
		at, asked := seen[network.Name(row.Network)]
		var end time.Time
		if asked && row.BlockNumber > at.Block {
			end = store.Time(row.RegisteredAt).Add(at.Timeout)
		}
		if token := tokens[d.Subject]; token.After(end) {
			end = token
		}
		if !s.DB.Now().Before(end) || d.Attempts > 0 {
			now = append(now, d)
			continue
		}
		later, until = append(later, d), append(until, end)
	}
	if err := s.certificates.Postpone(ctx, later, until); err != nil {
		return nil, s.unless(ctx, err, some)
	}
	for i, d := range later {
		if len(s.unwitnessed) < maxUnwitnessed {
			row := blocks[d.Subject]
			s.unwitnessed = append(s.unwitnessed, unwitnessed{d, network.Name(row.Network), row.BlockNumber, until[i]})
		}
	}
	return now, nil
}

// hurry makes certificates due that a process postponed which has ended since, or that it did
// not remember.
func (s *Service) hurry(ctx context.Context) error {
	seen, err := s.witnessing(ctx)
	if err != nil {
		return err
	}
	for name, at := range seen {
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.HurryWitnessed(ctx, query.HurryWitnessedParams{Network: string(name), Block: at.Block, Timeout: at.Timeout.Microseconds(), Now: store.Micros(tx.Now)})
			return err
		}); err != nil {
			return fmt.Errorf("certificates of %s with a quorum: %w", name, err)
		}
	}
	return nil
}

// unless gives deliveries back after an error.
func (s *Service) unless(ctx context.Context, err error, some []outbox.Delivery) error {
	if err == nil {
		return nil
	}
	_ = s.certificates.Return(context.WithoutCancel(ctx), some...) // otherwise their leases end
	return err
}

// witnessed makes the postponed certificates due whose blocks have a quorum and a token now.
func (s *Service) witnessed(ctx context.Context) error {
	if len(s.unwitnessed) == 0 {
		return nil
	}
	seen, err := s.witnessing(ctx)
	if err != nil {
		return err
	}
	all := make([]outbox.Delivery, len(s.unwitnessed))
	for i, u := range s.unwitnessed {
		all[i] = u.Delivery
	}
	tokens, err := s.untokened(ctx, all)
	if err != nil {
		return err
	}
	var due []outbox.Delivery
	var waiting []unwitnessed
	for _, u := range s.unwitnessed {
		at, asked := seen[u.network]
		switch {
		case !s.DB.Now().Before(u.until): // due by itself
		case (!asked || u.block <= at.Block) && tokens[u.Subject].IsZero():
			due = append(due, u.Delivery)
		default:
			waiting = append(waiting, u)
		}
	}
	if err := s.certificates.Return(ctx, due...); err != nil {
		return err
	}
	s.unwitnessed = waiting
	return nil
}
