package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
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
	Media            Media
	CreatedAt        time.Time
}

// Work reads the work that the caller may update.
func (r *Registry) Work(ctx context.Context, c session.Caller) (Work, error) {
	w, err := r.DB.Read().GetWork(ctx, c.WorkID)
	if err != nil {
		return Work{}, err
	}
	v, err := r.DB.Read().GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: w.LatestVersion})
	if err != nil {
		return Work{}, err
	}
	out := Work{
		ID: w.ID, AtsID: w.AtsID, Title: w.Title, Network: network.Name(w.Network), Owner: w.Owner, LatestVersion: w.LatestVersion,
		LatestCommitment: v.Commitment, Filename: v.Filename, CreatedAt: store.Time(w.CreatedAt),
	}
	return out, errors.Join(json.Unmarshal([]byte(v.Creators), &out.Creators), json.Unmarshal([]byte(v.Media), &out.Media))
}

// UpdateRequest begins another version of a work. The title stays.
type UpdateRequest struct {
	Creators []Creator
	// NewFile says that the version has another recording, named Filename. Without it the
	// latest version's recording stays.
	NewFile  bool
	Filename string
	Announced
	// Language is the language of the new version's certificate, as for [InitRequest].
	Language string
}

// InitUpdate spends the session and opens a job that adds a version to the caller's work.
// Without a new file the slot has no URL, and the job can be prepared at once.
func (r *Registry) InitUpdate(ctx context.Context, c session.Caller, in UpdateRequest) (Slot, error) {
	if err := c.May(session.UpdateVersion, "", true); err != nil {
		return Slot{}, err
	}
	var bad refusals
	d := described{creators: creators(bad.refuse, in.Creators)}
	if in.NewFile {
		d.filename = filename(bad.refuse, in.Filename)
	}
	if err := bad.err(); err != nil {
		return Slot{}, err
	}
	job, err := newJob(c, KindUpdate, d, in.Language)
	if err != nil {
		return Slot{}, err
	}
	if in.NewFile {
		if err := announce(&job, c, in.Announced); err != nil {
			return Slot{}, err
		}
	}
	if err := r.room(in.SizeBytes); err != nil {
		return Slot{}, err
	}
	var slot Slot
	err = r.DB.Tx(ctx, func(tx *store.Tx) error {
		if err := c.Spend(ctx, tx, job.ID); err != nil {
			return err
		}
		// These checks only save work, as in Init: confirm decides.
		if err := r.checkQuota(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.TransactionInFlight(ctx, c.WorkID); err == nil {
			return fault.VersionAlreadyInProgress("in_flight")
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		// Locked, so that nothing is copied from a work during its redaction.
		if n, err := tx.LockWork(ctx, c.WorkID); err != nil {
			return err
		} else if n == 0 {
			return fault.WorkNotFound()
		}
		w, err := tx.GetWork(ctx, c.WorkID)
		if err != nil {
			return err
		}
		job.WorkID, job.AtsID, job.Title, job.TitleKey, job.BaseVersion = w.ID, w.AtsID, w.Title, legible.Key(w.Title), w.LatestVersion
		if !in.NewFile {
			v, err := tx.GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: w.LatestVersion})
			if err != nil {
				return err
			}
			job.MediaHash, job.Media, job.Filename = v.MediaHash, v.Media, v.Filename
		} else if err := announcedOwner(ctx, tx, job); err != nil {
			return err
		}
		slot, err = r.open(ctx, tx, job)
		return err
	})
	if err != nil {
		return Slot{}, err
	}
	r.reached("init.committed")
	if !in.NewFile || job.HashOnly {
		return Slot{JobID: slot.JobID, HashOnly: job.HashOnly}, nil
	}
	return r.sign(ctx, slot, job.UploadKey, job.MaxBytes)
}

// checkQuota refuses to begin a job that the quota would not allow to be confirmed.
// Registrations of test keys are counted separately, with the same quota.
func (r *Registry) checkQuota(ctx context.Context, tx *store.Tx, c session.Caller) error {
	if c.Quota == 0 {
		return nil
	}
	from := time.Date(tx.Now.Year(), tx.Now.Month(), 1, 0, 0, 0, 0, time.UTC)
	used, err := tx.CountTransactions(ctx, query.CountTransactionsParams{OrganizationID: c.Organization, Since: store.Micros(from), Test: c.Test})
	if err != nil || used < c.Quota {
		return err
	}
	until := from.AddDate(0, 1, 0)
	return fault.CommonQuotaExceeded(c.Quota, used, until)
}

// claimQuota is checkQuota for a confirm. Confirms of one organization with a quota are
// counted one after the other.
func (r *Registry) claimQuota(ctx context.Context, tx *store.Tx, c session.Caller) error {
	if c.Quota == 0 {
		return nil
	}
	if err := tx.LockOrganization(ctx, c.Organization); err != nil {
		return err
	}
	return r.checkQuota(ctx, tx, c)
}
