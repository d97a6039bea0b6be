package people

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

const (
	maxPasskeys   = 20
	maxCredential = 16 << 10 // bytes of a browser's answer
)

// ErrPasskey is the answer to a passkey that is unknown, or whose signature is wrong or was
// used.
var ErrPasskey = errors.New("people: the passkey was not accepted")

// PasskeysAllowed reports whether browsers allow passkeys at the server's public URL.
func (s *Service) PasskeysAllowed() bool { return s.web != nil }

// Ceremony is one use of a passkey. The page gives Options to the browser, and its form returns
// Sealed and the browser's answer. Nothing is stored before.
type Ceremony struct {
	Options string // JSON for navigator.credentials.create or get
	Sealed  string
}

func (s *Service) ceremony(purpose string, options any, session *webauthn.SessionData) (Ceremony, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	session.Expires = s.DB.Now().Add(ceremonyLife) // by the clock of the database, like all times here
	plain, err := json.Marshal(session)
	if err != nil {
		return Ceremony{}, err
	}
	sealed, err := s.vault.seal("passkey "+purpose, plain)
	return Ceremony{string(o), base64.RawURLEncoding.EncodeToString(sealed)}, err
}

// performed opens a ceremony that a form returned.
func (s *Service) performed(purpose, sealed, answer string) (webauthn.SessionData, error) {
	var out webauthn.SessionData
	if s.web == nil || len(answer) > maxCredential {
		return out, ErrPasskey
	}
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		b, err = s.vault.unseal("passkey "+purpose, b)
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || s.DB.Now().After(out.Expires) {
		return out, ErrPasskey
	}
	return out, nil
}

// spendChallenge accepts a challenge once, in the transaction of its effect.
func spendChallenge(ctx context.Context, tx *store.Tx, challenge string) error {
	n, err := tx.InsertPersonLinkOnce(ctx, query.InsertPersonLinkOnceParams{
		Hash: hashToken("challenge " + challenge), Kind: linkChallenge, ExpiresAt: store.Micros(tx.Now.Add(2 * ceremonyLife)),
	})
	if err == nil && n == 0 {
		return ErrPasskey
	}
	return err
}

// keyholder is a person as the library reads people.
type keyholder struct {
	id, email, name string
	credentials     []webauthn.Credential
}

func (k keyholder) WebAuthnID() []byte                         { return []byte(k.id) }
func (k keyholder) WebAuthnName() string                       { return k.email }
func (k keyholder) WebAuthnDisplayName() string                { return k.name }
func (k keyholder) WebAuthnCredentials() []webauthn.Credential { return k.credentials }

func (s *Service) keyholder(ctx context.Context, q *query.Queries, row query.Person) (keyholder, error) {
	k := keyholder{id: row.ID, email: row.Email, name: person(row).Shown()}
	keys, err := q.ListPasskeys(ctx, row.ID)
	for _, key := range keys {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(key.Credential), &c); err != nil {
			return k, err
		}
		k.credentials = append(k.credentials, c)
	}
	return k, err
}

// Passkey is one of a person's passkeys.
type Passkey struct {
	ID, Name      string
	Created, Used time.Time // Used is zero before the first use
}

// Passkeys reads a person's passkeys, the oldest first.
func (s *Service) Passkeys(ctx context.Context, personID string) (_ []Passkey, err error) {
	defer operation.Wrap(&err, "list passkeys of person %s", personID)
	rows, err := s.DB.Read().ListPasskeys(ctx, personID)
	out := make([]Passkey, len(rows))
	for i, r := range rows {
		out[i] = Passkey{ID: r.ID, Name: r.Name, Created: store.Time(r.CreatedAt)}
		if r.UsedAt > 0 {
			out[i].Used = store.Time(r.UsedAt)
		}
	}
	return out, err
}

// BeginPasskey begins to add a passkey.
func (s *Service) BeginPasskey(ctx context.Context, p Person) (_ Ceremony, err error) {
	defer operation.Wrap(&err, "begin a passkey of person %s", p.ID)
	if s.web == nil {
		return Ceremony{}, ErrPasskey
	}
	row, err := s.DB.Read().GetPerson(ctx, p.ID)
	if err != nil {
		return Ceremony{}, err
	}
	k, err := s.keyholder(ctx, s.DB.Read(), row)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := s.web.BeginRegistration(k, webauthn.WithExclusions(webauthn.Credentials(k.credentials).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, err
	}
	return s.ceremony("add "+p.ID, options.Response, session)
}

// AddPasskey adds the passkey that the browser made. The first one of a person without an
// authenticator app returns recovery codes, which are shown once. It needs a fresh session.
func (s *Service) AddPasskey(ctx context.Context, session Session, name, sealed, answer string, from Client) (codes []string, err error) {
	defer operation.Wrap(&err, "add a passkey of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return nil, err
	}
	if name, err = cleanName("name", name, 1, maxName); err != nil {
		return nil, err
	}
	data, err := s.performed("add "+session.Person.ID, sealed, answer)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, ErrPasskey
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		if row.Passkeys >= maxPasskeys {
			return fault.CommonConflict("too_many")
		}
		k, err := s.keyholder(ctx, tx.Queries, row)
		if err != nil {
			return err
		}
		credential, err := s.web.CreateCredential(k, data, parsed)
		if err != nil {
			return ErrPasskey
		}
		if err := spendChallenge(ctx, tx, data.Challenge); err != nil {
			return err
		}
		kept, err := json.Marshal(credential)
		if err != nil {
			return err
		}
		id := base64.RawURLEncoding.EncodeToString(credential.ID)
		if err := tx.InsertPasskey(ctx, query.InsertPasskeyParams{ID: id, PersonID: row.ID, Name: name, Credential: string(kept), CreatedAt: store.Micros(tx.Now)}); err != nil {
			return err
		}
		if err := tx.CountPasskeys(ctx, row.ID); err != nil {
			return err
		}
		if !person(row).Guarded() {
			if codes, err = s.newCodes(ctx, tx, row.ID); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: session.Person.Actor(from.RequestID), Action: "passkey.added", Subject: row.ID, Changes: []audit.Change{{Field: "name", New: name}},
		})
	})
	return codes, err
}

// RemovePasskey removes a passkey. It needs a fresh session. Another person's passkey is
// common.not_found.
func (s *Service) RemovePasskey(ctx context.Context, session Session, id string, from Client) (err error) {
	defer operation.Wrap(&err, "remove a passkey of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		n, err := tx.DeletePasskey(ctx, query.DeletePasskeyParams{ID: id, PersonID: row.ID})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonNotFound()
		}
		if err := tx.CountPasskeys(ctx, row.ID); err != nil {
			return err
		}
		if row.Passkeys == 1 && row.TotpConfirmedAt == 0 {
			if err := tx.DeleteRecoveryCodes(ctx, row.ID); err != nil {
				return err
			}
		}
		if err := s.notify(ctx, tx, row, mail.SecondFactor); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(from.RequestID), Action: "passkey.removed", Subject: row.ID})
	})
}

// BeginPasskeySignIn begins a sign-in by passkey alone. The person is unknown until the answer.
func (s *Service) BeginPasskeySignIn() (_ Ceremony, err error) {
	defer operation.Wrap(&err, "begin a sign-in by passkey")
	if s.web == nil {
		return Ceremony{}, ErrPasskey
	}
	options, session, err := s.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, err
	}
	return s.ceremony("sign in", options.Response, session)
}

// PasskeySignIn signs in by passkey alone: the browser has verified its user. Errors are
// ErrPasskey and common.rate_limited.
func (s *Service) PasskeySignIn(ctx context.Context, sealed, answer, device string, from Client) (_ Entry, err error) {
	defer operation.Wrap(&err, "sign in by passkey")
	if err := take(ctx, try{s.budgets.address, from.Address, "address"}); err != nil {
		return Entry{}, err
	}
	data, err := s.performed("sign in", sealed, answer)
	if err != nil {
		return Entry{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return Entry{}, ErrPasskey
	}
	personID := string(parsed.Response.UserHandle)
	return s.passkey(ctx, personID, device, from, "passkey", func(k keyholder) (*webauthn.Credential, error) {
		_, c, err := s.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != k.id {
				return nil, ErrPasskey
			}
			return k, nil
		}, data, parsed)
		return c, err
	}, data.Challenge, nil)
}

// BeginPasskeySecond begins a second step with a passkey. The step's person has passkeys.
func (s *Service) BeginPasskeySecond(ctx context.Context, second string) (_ Ceremony, err error) {
	defer operation.Wrap(&err, "begin a second factor by passkey")
	if s.web == nil {
		return Ceremony{}, ErrPasskey
	}
	step, err := s.seeLink(ctx, linkSecond, second)
	if err != nil {
		return Ceremony{}, err
	}
	return s.beginLogin(ctx, step.Ref, "second ")
}

func (s *Service) beginLogin(ctx context.Context, personID, purpose string) (Ceremony, error) {
	row, err := s.DB.Read().GetPerson(ctx, personID)
	if err != nil {
		return Ceremony{}, err
	}
	k, err := s.keyholder(ctx, s.DB.Read(), row)
	if err != nil {
		return Ceremony{}, err
	}
	if len(k.credentials) == 0 {
		return Ceremony{}, ErrPasskey
	}
	options, session, err := s.web.BeginLogin(k, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return Ceremony{}, err
	}
	return s.ceremony(purpose+personID, options.Response, session)
}

// PasskeySecond ends a sign-in with a passkey as the second factor.
func (s *Service) PasskeySecond(ctx context.Context, second, sealed, answer, device string, from Client) (_ Entry, err error) {
	defer operation.Wrap(&err, "check a second factor by passkey")
	step, err := s.trySecond(ctx, second)
	if err != nil {
		return Entry{}, err
	}
	check, challenge, err := s.checkLogin("second "+step.Ref, sealed, answer)
	if err != nil {
		return Entry{}, err
	}
	return s.passkey(ctx, step.Ref, device, from, "password+passkey", check, challenge, func(ctx context.Context, tx *store.Tx) error {
		_, err := takeLink(ctx, tx, linkSecond, second)
		return err
	})
}

func (s *Service) checkLogin(purpose, sealed, answer string) (func(keyholder) (*webauthn.Credential, error), string, error) {
	data, err := s.performed(purpose, sealed, answer)
	if err != nil {
		return nil, "", err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, "", ErrPasskey
	}
	return func(k keyholder) (*webauthn.Credential, error) { return s.web.ValidateLogin(k, data, parsed) }, data.Challenge, nil
}

// passkey checks an answer and begins a session. also runs in the same transaction.
func (s *Service) passkey(ctx context.Context, personID, device string, from Client, method string, check func(keyholder) (*webauthn.Credential, error), challenge string, also func(context.Context, *store.Tx) error) (out Entry, err error) {
	known := "" // of the answer's user handle, which a stranger writes
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := s.usePasskey(ctx, tx, personID, check, challenge)
		known = row.ID
		if err != nil {
			return err
		}
		if also != nil {
			if err := also(ctx, tx); err != nil {
				return err
			}
		}
		out, err = s.enter(ctx, tx, row, device, from, method)
		return err
	})
	if errors.Is(err, ErrPasskey) {
		return Entry{}, s.failed(ctx, known, method, from, ErrPasskey)
	}
	return out, err
}

func (s *Service) usePasskey(ctx context.Context, tx *store.Tx, personID string, check func(keyholder) (*webauthn.Credential, error), challenge string) (query.Person, error) {
	if !idForm.MatchString(personID) {
		return query.Person{}, ErrPasskey
	}
	row, err := tx.LockPerson(ctx, personID)
	if errors.Is(err, sql.ErrNoRows) {
		return row, ErrPasskey
	} else if err != nil {
		return row, err
	}
	k, err := s.keyholder(ctx, tx.Queries, row)
	if err != nil {
		return row, err
	}
	used, err := check(k)
	if err != nil || used.Authenticator.CloneWarning {
		return row, ErrPasskey
	}
	if err := spendChallenge(ctx, tx, challenge); err != nil {
		return row, err
	}
	kept, err := json.Marshal(used)
	if err != nil {
		return row, err
	}
	n, err := tx.UsePasskey(ctx, query.UsePasskeyParams{
		Credential: string(kept), Now: store.Micros(tx.Now), ID: base64.RawURLEncoding.EncodeToString(used.ID), PersonID: row.ID,
	})
	if err == nil && n == 0 {
		return row, ErrPasskey
	}
	return row, err
}

// BeginPasskeyProof begins to prove a signed-in person with a passkey.
func (s *Service) BeginPasskeyProof(ctx context.Context, p Person) (_ Ceremony, err error) {
	defer operation.Wrap(&err, "begin to prove person %s", p.ID)
	if s.web == nil {
		return Ceremony{}, ErrPasskey
	}
	return s.beginLogin(ctx, p.ID, "proof ")
}

// ProveByPasskey is [Service.Prove] with a passkey.
func (s *Service) ProveByPasskey(ctx context.Context, session Session, token, sealed, answer string) (_ string, err error) {
	defer operation.Wrap(&err, "prove a person by passkey")
	check, challenge, err := s.checkLogin("proof "+session.Person.ID, sealed, answer)
	if err != nil {
		return "", err
	}
	rotated := newToken()
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		if _, err := s.usePasskey(ctx, tx, session.Person.ID, check, challenge); err != nil {
			return err
		}
		return s.rotate(ctx, tx, token, rotated)
	})
	return rotated, err
}
