package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/evidence"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// rests is how many times as long as it made one it rests before the next: making
// certificates takes a quarter of one processor at most, and whoever registers
// meanwhile hardly feels it.
const rests = 3

// afterAnyID sorts after every id in every collation: they begin with a
// hexadecimal digit.
const afterAnyID = "g"

// Issue is what a certificate says.
type Issue struct {
	evidence.Evidence
	// Language is one of [Languages].
	Language string
	// Issuer is the organization's name; Imprint is what it says of itself after
	// that, or "".
	Issuer, Imprint string
	// Issued is the date of issue. It is decided once.
	Issued time.Time
}

// Issue is what the certificate of a version says; version 0 is the latest. It
// fails as [Registry.Evidence] does. The first call decides the date of issue.
func (r *Registry) Issue(ctx context.Context, work string, version int64) (Issue, error) {
	e, w, v, err := r.evidence(ctx, work, version)
	if err != nil {
		return Issue{}, err
	}
	return r.issue(ctx, e, w, v)
}

func (r *Registry) issue(ctx context.Context, e evidence.Evidence, w query.Work, v query.Version) (Issue, error) {
	org, err := r.DB.Read().GetOrganization(ctx, w.OrganizationID)
	if err != nil {
		return Issue{}, err
	}
	if v.IssuedAt == 0 {
		// Two instances may decide at once: the first stands, and both read it.
		if err := r.DB.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.SetIssued(ctx, query.SetIssuedParams{Now: store.Micros(tx.Now), WorkID: v.WorkID, Version: v.Version}); err != nil {
				return err
			}
			row, err := tx.GetVersion(ctx, query.GetVersionParams{WorkID: v.WorkID, Version: v.Version})
			v.IssuedAt = row.IssuedAt
			return err
		}); err != nil {
			return Issue{}, err
		}
		r.reached("certificate.dated")
	}
	return Issue{Evidence: e, Language: cmp.Or(v.Language, Languages[0]), Issuer: org.Name, Imprint: org.Imprint, Issued: store.Time(v.IssuedAt)}, nil
}

// certificateKey is where a certificate is kept. It follows from what it is of,
// so that making it again leaves no second file.
func certificateKey(work string, version int64) string {
	return fmt.Sprintf("certificates/%s/%d", work, version)
}

// certifyEvery makes certificates beside everything else: nobody who registers
// waits for one.
func (r *Registry) certifyEvery(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.certify(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "making certificates", "error", err)
		}
		timer.Reset(retryEvery)
		select {
		case <-ctx.Done():
			return
		case <-r.final:
		case <-timer.C:
		}
	}
}

// CertificatesWaiting is how many versions have none yet.
func (r *Registry) CertificatesWaiting(ctx context.Context) (int64, error) {
	return r.DB.Read().CountUncertified(ctx)
}

// CertificatesFailed is how often this process tried to make one and could not.
func (r *Registry) CertificatesFailed() int64 { return r.failed.Load() }

// certify makes the certificates that are due, one at a time, the newest first:
// those of an earlier release, thousands perhaps, let a new one go before. One
// that cannot be made is tried again later, less and less often, and holds up no
// other. A store or a database that is away ends the round.
func (r *Registry) certify(ctx context.Context) error {
	for before := afterAnyID; ; {
		rows, err := r.DB.Read().Uncertified(ctx, query.UncertifiedParams{Before: before, Unstamped: r.Stamp == nil, Lim: batch})
		if err != nil || len(rows) == 0 {
			return err
		}
		before = rows[len(rows)-1].TransactionID
	page:
		for _, row := range rows {
			if !r.failing.due(row.TransactionID, r.DB.Now()) {
				continue
			}
			took, err := r.certifyOne(ctx, row.WorkID, row.Version)
			if err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(rests * took):
			}
			select {
			case <-r.final:
				before = afterAnyID
				break page
			default:
			}
		}
	}
}

// certifyOne makes one, and says how long that took, without what was waited for
// its row and its store. An error is one that others would meet as well.
func (r *Registry) certifyOne(ctx context.Context, work string, version int64) (took time.Duration, err error) {
	q := r.DB.Read()
	v, err := q.GetVersion(ctx, query.GetVersionParams{WorkID: work, Version: version})
	if err != nil || v.CertificateKey != "" { // another instance was quicker
		return 0, err
	}
	w, err := q.GetWork(ctx, work)
	if err != nil || w.RedactedAt.Valid { // meanwhile
		return 0, err
	}
	if v.TimestampUntil > 0 { // and nobody asks for it any more
		if err := r.decideTimestamp(ctx, work, version, nil); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	var pdf []byte
	proof, err := r.prove(ctx, w, v)
	took = time.Since(began)
	var said Issue
	if err == nil {
		said, err = r.issue(ctx, proof, w, v)
	}
	if err == nil {
		began = time.Now()
		pdf, err = r.Certify(ctx, said)
		took += time.Since(began)
	}
	if store.Unavailable(err) || ctx.Err() != nil {
		return took, errors.Join(err, ctx.Err())
	}
	if err != nil {
		r.failed.Add(1)
		wait := r.failing.add(v.TransactionID, r.DB.Now())
		r.Log.ErrorContext(ctx, "making a certificate", "work", work, "version", version, "again_in", wait, "error", err)
		return took, nil
	}
	// The file first: a row never names one that is not there. Two instances that
	// make the same one put it under the same key, whole.
	key := certificateKey(work, version)
	if err := r.Blobs.Put(ctx, key, pdf); err != nil {
		return took, err
	}
	r.reached("certificate.stored")
	var kept int64
	if err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		kept, err = tx.SetCertificate(ctx, query.SetCertificateParams{CertificateKey: key, WorkID: work, Version: version})
		return err
	}); err != nil {
		return took, err
	}
	if kept == 0 { // another instance was quicker, or the work was redacted meanwhile
		if w, err := q.GetWork(ctx, work); err != nil || w.RedactedAt.Valid {
			return took, errors.Join(err, r.Blobs.Delete(ctx, key))
		}
	}
	r.reached("certificate.committed")
	delete(r.failing, v.TransactionID)
	return took, nil
}

// failing are the certificates that could not be made, and when they are tried
// again. It is of this process: after a restart, perhaps of a release that can,
// all are tried at once. It serves one goroutine.
type failing map[string]retry

type retry struct {
	at   time.Time
	wait time.Duration
}

// The waits double from the first to the last.
const (
	firstWait = time.Second
	lastWait  = time.Hour
)

func (f failing) due(id string, now time.Time) bool { return !now.Before(f[id].at) }

func (f failing) add(id string, now time.Time) time.Duration {
	wait := min(max(2*f[id].wait, firstWait), lastWait)
	f[id] = retry{now.Add(wait), wait}
	return wait
}
