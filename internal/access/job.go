package access

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
)

// CertificateReader checks that a caller may read the certificate of a version; version 0 is
// the latest. It may if one of these holds:
//
//   - It may read the work.
//   - Its session began the job that made the version. This holds for an expired session
//     too, as long as the session is stored (a day). For such a session, version 0 is the
//     version of its job, and it sees no other version's creators.
//   - Its session has not expired, and it names the job's transaction: a page that was
//     reloaded has lost its first session. transaction is "" when the caller names none.
func (s *Service) CertificateReader(ctx context.Context, c session.Caller, workID string, version int64, transaction string) (_ CertificateReader, err error) {
	defer operation.Wrap(&err, "look up the certificate of work %s, version %d", workID, version)
	made, began, err := s.beganJob(ctx, c, workID)
	if err == nil && !began && transaction != "" && !c.Expired {
		made, began, err = s.namedJob(ctx, c, workID, transaction)
	}
	switch {
	case err != nil:
		return CertificateReader{}, err
	case began && made == 0 && version == 0: // not final
		return CertificateReader{}, fault.WorkCertificateUnavailable()
	case began && made != 0 && (version == 0 || version == made):
		return CertificateReader{workID, made}, nil
	}
	r, err := s.ReaderOfOwnID(ctx, c, workID)
	if err != nil {
		return CertificateReader{}, err
	}
	return r.Certificate(version), nil
}

// beganJob reports whether the caller's session was spent on a job of the work. made is the
// version of that job, or 0 if it is not final. A failed job makes no version.
func (s *Service) beganJob(ctx context.Context, c session.Caller, workID string) (made int64, began bool, err error) {
	q := s.DB.Read()
	spent, err := q.GetSession(ctx, c.SessionID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !spent.JobID.Valid {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	job, err := q.GetJob(ctx, spent.JobID.String)
	if errors.Is(err, sql.ErrNoRows) || err == nil && job.WorkID != workID {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	t, err := q.GetTransaction(ctx, job.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, true, nil
	} else if err != nil {
		return 0, false, err
	}
	switch {
	case t.State == state.TransactionFinal:
		return t.Version, true, nil
	case t.State == state.TransactionFailed && job.Kind == record.KindRegister: // such a work will never exist
		return 0, false, fault.WorkNotFound()
	}
	return 0, t.State != state.TransactionFailed, nil
}

// namedJob is beganJob for a caller who names the transaction. The transaction's id shows the
// access code for Times.Result. For the same time it opens the certificate to callers of the
// same organization, network and end-user.
func (s *Service) namedJob(ctx context.Context, c session.Caller, workID, transaction string) (made int64, ok bool, err error) {
	q := s.DB.Read()
	job, err := q.GetJob(ctx, transaction) // a transaction has the id of its job
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	if job.WorkID != workID || job.OrganizationID != c.Organization || job.Network != string(c.Network) || job.Test != c.Test || job.ExternalUserRef != c.ExternalUserRef {
		return 0, false, nil
	}
	t, err := q.GetTransaction(ctx, transaction)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (t.State == state.TransactionFailed || c.AtsID != 0 && c.AtsID != t.AtsID):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case t.State != state.TransactionFinal:
		return 0, true, nil
	}
	return t.Version, s.DB.Now().Sub(store.Time(t.UpdatedAt)) < s.Result, nil
}
