package works

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Work is a registered work as it is now, for callers who may update it.
type Work struct {
	ID               string
	AtsID            int64
	Title            string
	Network          network.Name
	Owner            string // the anchoring account, as the network names it
	LatestVersion    int64
	LatestCommitment []byte
	Creators         []commitment.Creator // Creators, Filename and Media are those of the latest version
	Filename         string
	Media            record.Media
	CreatedAt        time.Time
}

// Work reads the work that the caller may update.
func (s *Service) Work(ctx context.Context, r access.Reader) (_ Work, err error) {
	defer operation.Wrap(&err, "read work %s", r.WorkID())
	w, err := s.DB.Read().GetWork(ctx, r.WorkID())
	if err != nil {
		return Work{}, err
	}
	v, err := s.DB.Read().GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: w.LatestVersion})
	if err != nil {
		return Work{}, err
	}
	out := Work{
		ID: w.ID, AtsID: w.AtsID, Title: w.Title, Network: network.Name(w.Network), Owner: w.Owner, LatestVersion: w.LatestVersion,
		LatestCommitment: v.Commitment, Filename: v.Filename, CreatedAt: store.Time(w.CreatedAt),
	}
	var creators, media error
	out.Creators, creators = record.VersionCreators(v)
	out.Media, media = record.VersionMedia(v)
	if err := errors.Join(creators, media); err != nil {
		return Work{}, fmt.Errorf("read the work: %w", err)
	}
	return out, nil
}

// stored reads the work of a proof. The work may have been erased since.
func (s *Service) stored(ctx context.Context, workID string) (query.Work, error) {
	w, err := s.DB.Read().GetWork(ctx, workID)
	if err == nil {
		err = record.Redacted(w)
	}
	return w, err
}
