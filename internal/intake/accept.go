package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// acceptable returns the commitment of the job with a file of this hash, or why the job
// cannot be registered with it.
func (s *Service) acceptable(ctx context.Context, job query.Job, hash []byte) (commitment.Commitment, error) {
	if announced := job.DeclaredHash; len(announced) > 0 && !bytes.Equal(announced, hash) {
		return commitment.Commitment{}, fault.RegistrationUploadMissing().With("reason", "other_file").With("announced", record.Hex(announced)).With("uploaded", record.Hex(hash))
	}
	list, err := record.JobCreators(job)
	if err != nil {
		return commitment.Commitment{}, fmt.Errorf("prepare: %w", err)
	}
	sum, err := commitment.Compute(job.Title, list, commitment.Hash(hash))
	if err != nil {
		return commitment.Commitment{}, err
	}
	return sum, s.dryRun(ctx, job, sum.Hash)
}

func (s *Service) dryRun(ctx context.Context, job query.Job, sum commitment.Hash) error {
	n, err := s.Networks.Get(network.Name(job.Network))
	if err != nil {
		return err
	}
	err = n.DryRun(ctx, network.Call{Commitment: sum, ProtocolVersion: commitment.Version, AtsID: job.AtsID, Nonce: job.ID})
	switch {
	case errors.Is(err, network.ErrRefused):
		return fault.RegistrationDryRunFailed(err.Error())
	case errors.Is(err, network.ErrStopped):
		return fault.CommonServiceUnavailable(retryStopped).With("reason", "log_stopped").Because(err)
	case err != nil:
		return fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	return nil
}
