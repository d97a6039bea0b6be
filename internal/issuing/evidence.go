package issuing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// Evidence returns the proof of a version of a work; version 0 is the latest. Every call
// returns the same proof, with what witnesses, authorities and calendars have added until then. For an unknown or non-final version, or one that waits for its
// time-stamp, it returns work.certificate_unavailable. It does no authorization.
func (s *Service) Evidence(ctx context.Context, work string, version int64) (_ evidence.Evidence, err error) {
	defer operation.Wrap(&err, "evidence of work %s, version %d", work, version)
	e, _, _, _, err := s.evidence(ctx, work, version)
	return e, err
}

// evidence is Evidence together with the quorum of its witnesses and the rows of the work and the
// version.
func (s *Service) evidence(ctx context.Context, work string, version int64) (evidence.Evidence, network.Quorum, query.Work, query.Version, error) {
	w, v, err := s.provable(ctx, work, version)
	if err != nil {
		return evidence.Evidence{}, "", w, v, err
	}
	e, quorum, err := s.prove(ctx, w, v)
	if err != nil {
		return evidence.Evidence{}, "", w, v, fmt.Errorf("evidence of version %d of work %s: %w", v.Version, w.ID, err)
	}
	return e, quorum, w, v, nil
}

// provable reads a version that has evidence.
func (s *Service) provable(ctx context.Context, work string, version int64) (query.Work, query.Version, error) {
	w, err := s.DB.Read().GetWork(ctx, work)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err = s.DB.Read().TransactionInFlight(ctx, work); err == nil {
			return w, query.Version{}, fault.WorkCertificateUnavailable()
		} else if errors.Is(err, sql.ErrNoRows) {
			return w, query.Version{}, fault.WorkNotFound()
		}
	}
	if err != nil {
		return w, query.Version{}, err
	}
	if err := record.Redacted(w); err != nil {
		return w, query.Version{}, err
	}
	v, err := record.Version(ctx, s.DB.Read(), w, version)
	if errors.Is(err, sql.ErrNoRows) || err == nil && v.TimestampUntil > 0 {
		err = fault.WorkCertificateUnavailable()
	}
	return w, v, err
}

// prove reads what the evidence of a version needs beside its rows.
func (s *Service) prove(ctx context.Context, w query.Work, v query.Version) (evidence.Evidence, network.Quorum, error) {
	n, err := s.Networks.Get(network.Name(w.Network))
	if err != nil {
		return evidence.Evidence{}, "", err
	}
	var proof network.Proof
	if shared, ok := n.(network.Sharing); ok {
		proof, err = shared.ProveVersion(ctx, [32]byte(v.TxHash), w.AtsID, v.Version)
	} else {
		proof, err = n.Prove(ctx, [32]byte(v.TxHash))
	}
	if err != nil {
		return evidence.Evidence{}, "", err
	}
	token, err := s.DB.Read().Timestamp(ctx, query.TimestampParams{WorkID: v.WorkID, Version: v.Version})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return evidence.Evidence{}, "", err
	}
	dates, err := stamping.Dates(ctx, s.DB, []stamping.Of{{Network: network.Name(w.Network), Block: v.BlockNumber, Token: token}})
	if err != nil {
		return evidence.Evidence{}, "", err
	}
	e, err := assemble(w, v, proof, dates[0])
	if err == nil {
		e, err = s.addAnchor(ctx, n, e)
	}
	return e, proof.Quorum, err
}

// addAnchor adds the first anchor of the block on a chain, if there is one.
func (s *Service) addAnchor(ctx context.Context, n network.Network, e evidence.Evidence) (evidence.Evidence, error) {
	chain := s.Chains[n.Name()]
	log, ok := n.(stamping.Logged)
	if chain == nil || !ok {
		return e, nil
	}
	a, err := stamping.AnchorOf(ctx, s.DB, n.Name(), log, chain, e.Block.Number)
	if err != nil || a == nil {
		return e, err
	}
	more, err := e.AddCheckpoint(a.Checkpoint, a.Consistency)
	if err == nil {
		more, err = more.AddAnchor(a.Anchor)
	}
	if err != nil {
		return e, fmt.Errorf("add the anchor: %w", err)
	}
	if text, err := evidence.Encode(more); err != nil || len(text) > evidence.MaxSize {
		return e, err // programs refuse such a document
	}
	return more, nil
}

// assemble combines the rows with the proof of the network and the dates of others. It never
// returns evidence that does not verify.
func assemble(w query.Work, v query.Version, proof network.Proof, dates []evidence.Attestation) (evidence.Evidence, error) {
	creators, badCreators := record.VersionCreators(v)
	file, badMedia := record.VersionMedia(v)
	if err := errors.Join(badCreators, badMedia); err != nil {
		return evidence.Evidence{}, fmt.Errorf("prove: %w", err)
	}
	sum, err := commitment.Compute(w.Title, creators, commitment.Hash(v.MediaHash))
	if err != nil {
		return evidence.Evidence{}, err
	}
	e := evidence.Evidence{
		Format: evidence.Format, Title: w.Title,
		Media:      evidence.Media{SHA256: sum.Media, SizeBytes: file.Size, Format: file.Format, Filename: v.Filename, Duration: file.Duration.Seconds()},
		MerkleRoot: sum.Root, Commitment: commitment.Hash(v.Commitment), ProtocolVersion: commitment.Version,
		Network: evidence.Network{Name: w.Network}, AtsID: w.AtsID, Version: v.Version, TxHash: commitment.Hash(v.TxHash),
		Block: evidence.Block{Number: v.BlockNumber, Hash: commitment.Hash(v.BlockHash), Time: store.Time(v.RegisteredAt)},
		Log:   proof.Log, Substrate: proof.Substrate,
	}
	e.Network.Kind = evidence.KindLog
	if proof.Substrate != nil {
		e.Network.Kind = evidence.KindSubstrate
	}
	for i, c := range creators {
		p, err := sum.Proof(i)
		if err != nil {
			return evidence.Evidence{}, err
		}
		// Evidence has one form: the roles in their order, each once.
		c.Roles = slices.Compact(slices.Sorted(slices.Values(c.Roles)))
		e.Creators = append(e.Creators, evidence.Creator{Creator: c, Proof: p})
	}
	e.Attestations = append(e.Attestations, dates...)
	if proof.Later != nil {
		e.Attestations = append(e.Attestations, *proof.Later)
	}
	report, err := evidence.Verify(e, evidence.Options{})
	if err == nil && !report.OK() {
		err = fmt.Errorf("it does not verify: %+v", report)
	}
	return e, err
}
