package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

var (
	// ErrSignIn is the only answer to a wrong e-mail address, a wrong password, and an account
	// without a password.
	ErrSignIn = errors.New("people: the e-mail address or the password is wrong")
	// ErrCode is the answer to a wrong, used or expired code of a second factor.
	ErrCode = errors.New("people: the code is wrong or was used")
	// ErrProve refuses a dangerous change until the person has given a password or a second
	// factor again.
	ErrProve = errors.New("people: the change needs the password or the second factor again")
)

// Attempt is one try to sign in with a password.
type Attempt struct {
	Email, Password string
	Device          string // the token of a browser that has signed in before, or ""
	From            Client
}

// Entry is the result of a sign-in that did not fail. Either Session or Second is set.
type Entry struct {
	Person Person
	// Session is the token of the new session, for a cookie.
	Session string
	// Second is the token of the second step, for a cookie: the password was right, and the person
	// has a second factor. Then Person has only the flags SecondFactor and Passkeys.
	Second string
	// Device is the new token of the browser, for a cookie of [DeviceLife].
	Device string
}

// DeviceLife is how long a browser stays known, and SecondLife how long the second step waits.
const (
	DeviceLife = 180 * 24 * time.Hour
	SecondLife = secondLife
	maxDevices = 20
	maxTries   = 5 // codes of one second step
)

// SignIn checks a password. Its answer, its work and its limits are the same whether the account
// exists. Errors are ErrSignIn, common.rate_limited with the reason address or account, and
// common.service_unavailable.
//
// Browsers that have signed in before have a budget of their own. So a stranger who uses up
// the tries for an account does not keep its owner out.
func (s *Service) SignIn(ctx context.Context, a Attempt) (_ Entry, err error) {
	defer operation.Wrap(&err, "sign in")
	email, wrong := Email(a.Email)
	known, err := s.knownDevice(ctx, a.Device)
	if err != nil {
		return Entry{}, err
	}
	if err := take(ctx, try{s.budgets.address, a.From.Address, "address"}); err != nil {
		return Entry{}, err
	}
	row, err := s.DB.Read().PersonByEmail(ctx, email)
	if errors.Is(err, sql.ErrNoRows) || wrong != nil {
		row, err = query.Person{}, nil
	} else if err != nil {
		return Entry{}, err
	}
	tries := try{s.budgets.account, keyOf(email), "account"}
	if known != "" && known == row.ID {
		tries = try{s.budgets.device, keyOf(a.Device), "account"}
	}
	if err := take(ctx, tries); err != nil {
		return Entry{}, err
	}
	ok, stale, err := s.passwords.matches(ctx, a.From.Address, a.Password, row.PasswordHash)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, s.failed(ctx, row.ID, "password", a.From, ErrSignIn)
	}
	var renewed string
	if stale {
		if renewed, err = s.passwords.hash(ctx, a.From.Address, a.Password); err != nil {
			return Entry{}, err
		}
	}
	var out Entry
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.LockPerson(ctx, row.ID)
		if err != nil {
			return err
		}
		if now.PasswordHash != row.PasswordHash { // changed since
			return ErrSignIn
		}
		if renewed != "" {
			if err := tx.SetPersonPassword(ctx, query.SetPersonPasswordParams{PasswordHash: renewed, ID: row.ID}); err != nil {
				return err
			}
		}
		if p := person(now); p.Guarded() {
			out = Entry{Person: Person{SecondFactor: p.SecondFactor, Passkeys: p.Passkeys}}
			out.Second, err = link(ctx, tx, linkSecond, row.ID, secondLife, false)
			return err
		}
		out, err = s.enter(ctx, tx, now, a.Device, a.From, "password")
		return err
	})
	return out, err
}

// failed records a failed sign-in, and returns why. The entry of an unknown account has no
// subject; it costs the same. A flood of failures is recorded in part only.
func (s *Service) failed(ctx context.Context, personID, method string, from Client, why error) error {
	if !s.budgets.entries.Take(ctx, "all").Allowed {
		return why
	}
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor := audit.Server()
		actor.RequestID = from.RequestID
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "sign_in.failed", Subject: personID,
			Changes: []audit.Change{{Field: "method", New: method}, {Field: "address", New: from.Address}},
		})
	}); err != nil {
		return err
	}
	return why
}

// enter begins a session: every way to sign in ends here.
func (s *Service) enter(ctx context.Context, tx *store.Tx, row query.Person, device string, from Client, method string) (out Entry, err error) {
	out.Person = person(row)
	if out.Session, err = s.begin(ctx, tx, row.ID, from); err != nil {
		return out, err
	}
	// The browser's token changes with each sign-in, so that a copied one is noticed as unknown.
	if device != "" {
		if err := tx.DeleteKnownDevice(ctx, hashToken(device)); err != nil {
			return out, err
		}
	}
	out.Device = newToken()
	if err := tx.InsertKnownDevice(ctx, query.InsertKnownDeviceParams{
		Hash: hashToken(out.Device), PersonID: row.ID, ExpiresAt: store.Micros(tx.Now.Add(DeviceLife)),
	}); err != nil {
		return out, err
	}
	if err := tx.DeleteOldestKnownDevices(ctx, query.DeleteOldestKnownDevicesParams{PersonID: row.ID, Keep: maxDevices}); err != nil {
		return out, err
	}
	return out, audit.Record(ctx, tx, audit.Entry{
		Actor: out.Person.Actor(from.RequestID), Action: "sign_in.succeeded", Subject: row.ID,
		Changes: []audit.Change{{Field: "method", New: method}, {Field: "address", New: from.Address}},
	})
}

// knownDevice returns the person who has signed in with a browser, or "".
func (s *Service) knownDevice(ctx context.Context, token string) (string, error) {
	id, err := s.DB.Read().KnownDevice(ctx, query.KnownDeviceParams{Hash: hashToken(token), Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// SignOut ends the session of a cookie's token. An ended one is no error.
func (s *Service) SignOut(ctx context.Context, session Session, requestID string) (err error) {
	defer operation.Wrap(&err, "sign out")
	err = s.EndSession(ctx, session.Person.ID, session.ID, session.Person.Actor(requestID))
	if errors.Is(err, fault.CodeCommonNotFound) {
		return nil
	}
	return err
}

// Prove checks the password, or a code of the second factor, of a signed-in person: the
// person is asked again before a dangerous change. It returns the new token of the session.
func (s *Service) Prove(ctx context.Context, session Session, token, secret string, from Client) (_ string, err error) {
	defer operation.Wrap(&err, "prove a person")
	if err := take(ctx, try{s.budgets.codes, session.Person.ID, "account"}); err != nil {
		return "", err
	}
	row, err := s.DB.Read().GetPerson(ctx, session.Person.ID)
	if err != nil {
		return "", err
	}
	byPassword, _, err := s.passwords.matches(ctx, from.Address, secret, row.PasswordHash)
	if err != nil {
		return "", err
	}
	rotated := newToken()
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.LockPerson(ctx, row.ID)
		if err != nil {
			return err
		}
		if !byPassword || now.PasswordHash != row.PasswordHash {
			if err := s.spendCode(ctx, tx, now, secret, from); err != nil {
				return err
			}
		}
		return s.rotate(ctx, tx, token, rotated)
	})
	if errors.Is(err, ErrCode) {
		return "", s.failed(ctx, row.ID, "again", from, ErrSignIn)
	}
	return rotated, err
}

// rotate gives a session a new token, and records that its person is proved.
func (s *Service) rotate(ctx context.Context, tx *store.Tx, token, rotated string) error {
	n, err := tx.RotatePersonSession(ctx, query.RotatePersonSessionParams{NewHash: hashToken(rotated), Now: store.Micros(tx.Now), Hash: hashToken(token)})
	if err == nil && n == 0 {
		return fault.CommonAuthExpired()
	}
	return err
}

// Fresh refuses a session with ErrProve, if its person did not give a secret in the last [Recent].
func (s *Service) Fresh(session Session) error {
	if s.DB.Now().Sub(session.Proved) > Recent {
		return ErrProve
	}
	return nil
}
