package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

var accessCodeForm = regexp.MustCompile(`^atc_[0-9a-f]{64}$`)

// canonicalCode returns an access code as it was issued: people also type it in capitals.
// Text that is not an access code is access_code.format_invalid.
func canonicalCode(typed string) (string, error) {
	code := strings.ToLower(typed)
	if len(typed) != len(code) || !accessCodeForm.MatchString(code) {
		return "", fault.AccessCodeFormatInvalid()
	}
	return code, nil
}

// accessCode derives the access code of a work for one generation. Only the hash of the code
// is stored, and the code can still be shown while it is new.
func (r *Registry) accessCode(workID string, generation int64) string {
	mac := hmac.New(sha256.New, r.AccessSecret)
	mac.Write([]byte(workID))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(generation)))
	return "atc_" + hex.EncodeToString(mac.Sum(nil))
}

// hashAccessCode returns the hash by which a code is stored and found. A code has 256 random
// bits, so it needs no slow hash. A look-up by hash compares no secret.
func hashAccessCode(code string) []byte {
	h := sha256.Sum256([]byte(code))
	return h[:]
}

// Unlock returns the caller with the right to view the work that the code opens. Where the
// session allows updates, the caller may also update it.
//
// begins is set when the call begins something new. A code whose lifetime ends during an
// update still finishes that update. A replaced code opens nothing.
//
// The code is looked up only in the caller's organization and network, so no caller learns
// of another organization's works.
func (r *Registry) Unlock(ctx context.Context, c session.Caller, code string, begins bool) (session.Caller, error) {
	code, err := canonicalCode(code)
	if err != nil {
		return c, err
	}
	row, err := r.DB.Read().WorkByAccessCode(ctx, hashAccessCode(code))
	if errors.Is(err, sql.ErrNoRows) {
		old, err := r.DB.Read().ReplacedAccessCode(ctx, hashAccessCode(code))
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && !reaches(c, old.Work):
			return c, fault.AccessCodeNotFound()
		case err != nil:
			return c, err
		}
		return c, codeReplaced()
	} else if err != nil {
		return c, err
	}
	if !reaches(c, row.Work) {
		return c, fault.AccessCodeNotFound()
	}
	if c.AtsID != 0 && c.AtsID != row.Work.AtsID {
		return c, fault.SessionInvalidToken("work")
	}
	if begins && r.codeOver(row) {
		return c, fault.AccessCodeExpired().With("reason", "lifetime")
	}
	c.WorkID = row.Work.ID
	return c, nil
}

// reaches reports whether the caller can reach a work at all: same organization, same
// network, and made by a key of the same kind, test or live.
func reaches(c session.Caller, w query.Work) bool {
	return w.OrganizationID == c.Organization && w.Network == string(c.Network) && w.Test == c.Test
}

// codeOver reports whether a code is older than the organization's lifetime of codes.
func (r *Registry) codeOver(row query.WorkByAccessCodeRow) bool {
	ttl := row.AccessCodeTtl
	return ttl.Valid && r.DB.Now().Sub(store.Time(row.Work.AccessCodeIssuedAt)) >= time.Duration(ttl.Int64)*time.Microsecond
}

// ReplaceCode gives the work a new access code. The old code stops working immediately. If
// the answer was lost, the same session may repeat the call with the old code, even after
// the session has expired: it receives the same new code. Every other session is refused.
func (r *Registry) ReplaceCode(ctx context.Context, c session.Caller, code string) (next string, err error) {
	if err := c.May(session.UpdateVersion, "", false); err != nil {
		return "", err
	}
	if code, err = canonicalCode(code); err != nil {
		return "", err
	}
	if c.Expired { // an expired session can begin nothing
		next, err := r.replacement(ctx, c, code)
		if errors.Is(err, fault.CodeAccessCodeExpired) {
			err = fault.CommonAuthExpired()
		}
		return next, err
	}
	unlocked, err := r.Unlock(ctx, c, code, true)
	if err == nil {
		err = r.DB.Tx(ctx, func(tx *store.Tx) error {
			w, err := tx.GetWork(ctx, unlocked.WorkID)
			if err != nil {
				return err
			}
			next = r.accessCode(w.ID, w.AccessCodeGeneration+1)
			n, err := tx.ReplaceAccessCode(ctx, query.ReplaceAccessCodeParams{
				NewHash: hashAccessCode(next), Now: store.Micros(tx.Now), ID: w.ID, OldHash: hashAccessCode(code),
			})
			if err != nil {
				return err
			}
			if n == 0 { // another call was first
				return codeReplaced()
			}
			return tx.RememberReplacedCode(ctx, query.RememberReplacedCodeParams{
				Hash: hashAccessCode(code), WorkID: w.ID, Generation: w.AccessCodeGeneration, ReplacedBy: c.SessionID, Now: store.Micros(tx.Now),
			})
		})
	}
	if errors.Is(err, fault.CodeAccessCodeExpired) {
		return r.replacement(ctx, c, code)
	}
	return next, err
}

// replacement returns the new code to the session that replaced the old one, as long as the
// new code was not replaced too. A database error is returned as it is. After
// access_code.expired the session would not ask again, and the new code would be lost.
func (r *Registry) replacement(ctx context.Context, c session.Caller, code string) (string, error) {
	old, err := r.DB.Read().ReplacedAccessCode(ctx, hashAccessCode(code))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", codeReplaced()
	case err != nil:
		return "", err
	case old.ReplacedAccessCode.ReplacedBy != c.SessionID, old.Work.AccessCodeGeneration != old.ReplacedAccessCode.Generation+1:
		return "", codeReplaced()
	}
	return r.accessCode(old.Work.ID, old.Work.AccessCodeGeneration), nil
}

// codeReplaced is the refusal of a code that was replaced.
func codeReplaced() error { return fault.AccessCodeExpired().With("reason", "replaced") }
