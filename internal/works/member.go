package works

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/accesscode"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Registered is all that the members of an organization see of a work. An erased work has only what the network has.
type Registered struct {
	ID              string
	AtsID           int64
	Network         network.Name
	Test            bool // of a test key
	Title           string
	ExternalUserRef string
	LatestVersion   int64
	CreatedAt       time.Time
	RedactedAt      time.Time // zero: not erased
	// HasCode: an access code opens the work. Codes counts the codes that were replaced.
	HasCode      bool
	Codes        int64
	CodeIssuedAt time.Time
	// Versions are some versions, the newest first. More: there are older ones.
	Versions []RegisteredVersion
	More     bool
}

// RegisteredVersion is a version of such a work.
type RegisteredVersion struct {
	Version       int64
	TransactionID string
	Creators      []commitment.Creator
	Filename      string
	Media         record.Media
	HasFile       bool
	MediaHash     []byte
	Commitment    []byte
	TxHash        []byte
	BlockNumber   int64
	BlockHash     []byte
	RegisteredAt  time.Time
	Credits       int64
	// Certified: the certificate is made. Stamping: the version waits for its time stamp.
	Certified, Stamping bool
}

// Registered reads a work for a member. before is a version: at most most older ones are read; 0 reads the newest.
func (s *Service) Registered(ctx context.Context, r access.Reader, before int64, most int) (_ Registered, err error) {
	defer operation.Wrap(&err, "read work %s", r.WorkID())
	w, err := s.DB.Read().GetWork(ctx, r.WorkID())
	if err != nil {
		return Registered{}, err
	}
	if before == 0 {
		before = w.LatestVersion + 1
	}
	rows, err := s.DB.Read().VersionsBelow(ctx, query.VersionsBelowParams{WorkID: w.ID, Before: before, Lim: int32(most) + 1})
	if err != nil {
		return Registered{}, err
	}
	out := Registered{
		ID: w.ID, AtsID: w.AtsID, Network: network.Name(w.Network), Test: w.Test, Title: w.Title, ExternalUserRef: w.ExternalUserRef, LatestVersion: w.LatestVersion,
		CreatedAt: store.Time(w.CreatedAt), HasCode: w.AccessCodeHash != nil, Codes: w.AccessCodeGeneration, CodeIssuedAt: store.Time(w.AccessCodeIssuedAt),
		More: len(rows) > most,
	}
	if w.RedactedAt.Valid {
		out.RedactedAt = store.Time(w.RedactedAt.Int64)
	}
	for _, v := range rows[:min(len(rows), most)] {
		one := RegisteredVersion{
			Version: v.Version, TransactionID: v.TransactionID, Commitment: v.Commitment, TxHash: v.TxHash, BlockNumber: v.BlockNumber, BlockHash: v.BlockHash, RegisteredAt: store.Time(v.RegisteredAt),
			Filename: v.Filename, HasFile: v.AssetKey != "", MediaHash: v.MediaHash, Certified: v.CertificateKey != "", Stamping: v.TimestampUntil > 0,
		}
		price, err := record.VersionPrice(v)
		one.Credits = price.Total
		if !w.RedactedAt.Valid {
			var creators, media error
			one.Creators, creators = record.VersionCreators(v)
			one.Media, media = record.VersionMedia(v)
			err = errors.Join(err, creators, media)
		}
		if err != nil {
			return Registered{}, fmt.Errorf("read version %d: %w", v.Version, err)
		}
		out.Versions = append(out.Versions, one)
	}
	return out, nil
}

// RenewCode gives a work a new access code, which only this call returns. The old code stops working at once. codes is
// [Registered.Codes] as the member has seen it: a code that was replaced in the meantime is common.conflict. A work without
// a code is common.not_found.
func (s *Service) RenewCode(ctx context.Context, by audit.Actor, m access.Manager, codes int64) (next string, err error) {
	defer operation.Wrap(&err, "renew the access code of work %s", m.WorkID())
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockWork(ctx, m.WorkID()); err != nil {
			return err
		}
		w, err := tx.GetWork(ctx, m.WorkID())
		switch {
		case err != nil:
			return err
		case w.AccessCodeHash == nil:
			return fault.CommonNotFound()
		case w.AccessCodeGeneration != codes:
			return fault.CommonConflict("changed")
		}
		next = s.Codes.Code(w.ID, codes+1)
		n, err := tx.ReplaceAccessCode(ctx, query.ReplaceAccessCodeParams{NewHash: accesscode.Hash(next), Now: store.Micros(tx.Now), ID: w.ID, OldHash: w.AccessCodeHash})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonConflict("changed")
		}
		if err := tx.RememberReplacedCode(ctx, query.RememberReplacedCodeParams{Hash: w.AccessCodeHash, WorkID: w.ID, Generation: codes, ReplacedBy: "console", Now: store.Micros(tx.Now)}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: w.OrganizationID, Actor: by, Action: "work.access_code_replaced", Subject: w.ID})
	})
	return next, err
}
