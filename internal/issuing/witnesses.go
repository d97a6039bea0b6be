package issuing

import (
	"context"
	"fmt"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// maxUnwitnessed bounds the certificates that this process remembers to make before the end of
// the patience. Those beyond it are made at that end.
const maxUnwitnessed = 10_000

// unwitnessed is a postponed certificate: its block has no quorum yet.
type unwitnessed struct {
	outbox.Delivery
	network network.Name
	block   int64
	until   time.Time // the end of the patience, when it is due by itself
}

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

// unhurried returns the deliveries whose certificates need not wait for witnesses any longer. It
// postpones the others to the end of the patience.
func (s *Service) unhurried(ctx context.Context, some []outbox.Delivery) (now []outbox.Delivery, err error) {
	seen, err := s.witnessing(ctx)
	if err != nil || len(seen) == 0 {
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
		end := store.Time(row.RegisteredAt).Add(at.Patience)
		if !asked || row.BlockNumber <= at.Block || !s.DB.Now().Before(end) || d.Attempts > 0 {
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

// unless gives deliveries back after an error.
func (s *Service) unless(ctx context.Context, err error, some []outbox.Delivery) error {
	if err == nil {
		return nil
	}
	_ = s.certificates.Return(context.WithoutCancel(ctx), some...) // otherwise their leases end
	return err
}

// witnessed makes the postponed certificates due whose blocks have a quorum now.
func (s *Service) witnessed(ctx context.Context) error {
	if len(s.unwitnessed) == 0 {
		return nil
	}
	seen, err := s.witnessing(ctx)
	if err != nil {
		return err
	}
	var due []outbox.Delivery
	var waiting []unwitnessed
	for _, u := range s.unwitnessed {
		at, asked := seen[u.network]
		switch {
		case !s.DB.Now().Before(u.until): // due by itself
		case !asked || u.block <= at.Block:
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
