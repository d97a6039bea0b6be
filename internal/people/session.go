package people

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

const (
	// maxSessions is how many sessions a person has. A new one ends the oldest.
	maxSessions = 50
	// maxAgent is the longest stored name of a browser, in bytes.
	maxAgent = 200
	// touchEvery is the resolution of the time at which a session was last used.
	touchEvery = time.Minute
)

// Session finds the session of a cookie's token, and records its use. A missing, unknown,
// ended or expired one is common.auth.expired.
func (s *Service) Session(ctx context.Context, token string) (_ Session, err error) {
	defer operation.Wrap(&err, "read a session")
	if len(token) != 43 {
		return Session{}, fault.CommonAuthExpired()
	}
	hash := hashToken(token)
	row, err := s.DB.Read().PersonSessionByHash(ctx, hash)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, fault.CommonAuthExpired()
	} else if err != nil {
		return Session{}, err
	}
	out := session(row.PersonSession)
	out.Person, out.CSRF = person(row.Person), CSRF(token)
	now := s.DB.Now()
	if !now.Before(out.Expires) || now.Sub(out.Seen) > s.idle() {
		return Session{}, fault.CommonAuthExpired()
	}
	if now.Sub(out.Seen) >= touchEvery {
		// A lost record of a use does not refuse a page.
		_ = s.DB.One(ctx, func(tx *store.Tx) error {
			return tx.TouchPersonSession(ctx, query.TouchPersonSessionParams{Now: store.Micros(tx.Now), Hash: hash})
		})
	}
	return out, nil
}

// Sessions reads a person's running sessions, the newest first, without CSRF tokens.
func (s *Service) Sessions(ctx context.Context, personID string) (_ []Session, err error) {
	defer operation.Wrap(&err, "list sessions of person %s", personID)
	rows, err := s.DB.Read().ListPersonSessions(ctx, query.ListPersonSessionsParams{PersonID: personID, Now: store.Micros(s.DB.Now()), Lim: maxSessions})
	var out []Session
	for _, r := range rows {
		if one := session(r); s.DB.Now().Sub(one.Seen) <= s.idle() {
			out = append(out, one)
		}
	}
	return out, err
}

// EndSession ends one session of a person. Another person's session is common.not_found.
func (s *Service) EndSession(ctx context.Context, personID, sessionID string, by audit.Actor) (err error) {
	defer operation.Wrap(&err, "end session %s", sessionID)
	if !idForm.MatchString(sessionID) {
		return fault.CommonNotFound()
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.DeletePersonSession(ctx, query.DeletePersonSessionParams{ID: sessionID, PersonID: personID})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonNotFound()
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: by, Action: "session.ended", Subject: personID})
	})
}

// EndOtherSessions ends all sessions of a person but one; "" keeps none.
func (s *Service) EndOtherSessions(ctx context.Context, personID, keep string, by audit.Actor) (err error) {
	defer operation.Wrap(&err, "end the other sessions of person %s", personID)
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.DeletePersonSessions(ctx, query.DeletePersonSessionsParams{PersonID: personID, Keep: keep})
		if err != nil || n == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: by, Action: "session.others_ended", Subject: personID})
	})
}

// begin adds a session to the transaction of a sign-in, and returns the cookie's token.
func (s *Service) begin(ctx context.Context, tx *store.Tx, personID string, from Client) (token string, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	token = newToken()
	now := store.Micros(tx.Now)
	if err := tx.InsertPersonSession(ctx, query.InsertPersonSessionParams{
		Hash: hashToken(token), ID: id.String(), PersonID: personID, CreatedAt: now, ExpiresAt: store.Micros(tx.Now.Add(s.life())), ProvedAt: now,
		Address: from.Address, Agent: storable(from.Agent, maxAgent),
	}); err != nil {
		return "", err
	}
	return token, tx.DeleteOldestPersonSessions(ctx, query.DeleteOldestPersonSessionsParams{PersonID: personID, Keep: maxSessions})
}

// storable cuts a client's text to a number of bytes that both databases can store.
func storable(text string, most int) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), most)], "\x00", ""), "")
}

// rotate gives a session a new token, and records that its person is proved.
func (s *Service) rotate(ctx context.Context, tx *store.Tx, token, rotated string) error {
	n, err := tx.RotatePersonSession(ctx, query.RotatePersonSessionParams{NewHash: hashToken(rotated), Now: store.Micros(tx.Now), Hash: hashToken(token)})
	if err == nil && n == 0 {
		return fault.CommonAuthExpired()
	}
	return err
}
