package access

import (
	"context"

	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

// Caller is what a proof keeps of its caller: a session of the widget, or an API key. The zero
// Caller may do nothing.
type Caller struct {
	Organization string
	// SessionID is "" for an API key, and APIKeyID is "" for a session.
	SessionID, APIKeyID string
	// Network and ExternalUserRef are the session's. A key has none: each call names a
	// network, and the end-user if there is one.
	Network         network.Name
	ExternalUserRef string
	// MaxFileSize is the smallest limit of the system, the organization, the key and the
	// session, in bytes.
	MaxFileSize int64
	// DuplicateTitles and Quota are the organization's settings; with a Quota of 0 credits are the only limit.
	DuplicateTitles bool
	Quota           int64
	// Test: a test key, or a session of a test key pair. It reaches only what test keys made.
	Test bool
	// Rehearse is the error code to rehearse; "" for none.
	Rehearse fault.Code
	// HashOnly: only the hash of a recording is stored.
	HashOnly bool
	// Expired: the session can continue the job that it started, and begins nothing.
	Expired bool

	session session.Caller
	key     apikey.Caller
}

// bySession returns the caller of a session.
func bySession(c session.Caller) Caller {
	return Caller{
		Organization: c.Organization, SessionID: c.SessionID, Network: c.Network, ExternalUserRef: c.ExternalUserRef, MaxFileSize: c.MaxFileSize,
		DuplicateTitles: c.DuplicateTitles, Quota: c.Quota, Test: c.Test, Rehearse: c.Rehearse, HashOnly: c.HashOnly, Expired: c.Expired, session: c,
	}
}

// byKey returns the caller of an API key.
func byKey(k apikey.Caller) Caller {
	return Caller{
		Organization: k.Organization, APIKeyID: k.KeyID, MaxFileSize: k.MaxFileSize, DuplicateTitles: k.DuplicateTitles, Quota: k.Quota, Test: k.Test,
		HashOnly: k.HashOnly, key: k,
	}
}

// Spend uses up the session for a job, in the job's own transaction. A key begins any number
// of jobs.
func (c Caller) Spend(ctx context.Context, tx *store.Tx, job string) (err error) {
	defer operation.Wrap(&err, "begin job %s", job)
	if c.APIKeyID != "" {
		return nil
	}
	return c.session.Spend(ctx, tx, job)
}

// Wishes are what a call of an API key can ask for its job. A session has them from its mint,
// and ignores them here. nil: nothing.
type Wishes struct {
	Rehearse     *string // a code that a test key can rehearse
	AssetStorage *string // account.StoreNone
}

// asking returns the caller with what the call asks for.
func (c Caller) asking(w Wishes) (Caller, error) {
	if c.APIKeyID == "" {
		return c, nil
	}
	c.HashOnly = c.HashOnly || w.AssetStorage != nil
	bad := session.CheckWishes(w.Rehearse, w.AssetStorage, c.Test, c.HashOnly)
	if w.Rehearse != nil {
		if c.Rehearse = fault.Code(*w.Rehearse); len(bad) == 0 && !apikey.Receives(c.Rehearse) {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "one_of", Message: "Must be a code that an API key can receive."})
		}
	}
	if len(bad) > 0 {
		return Caller{}, fault.CommonValidationFailed(bad)
	}
	return c, nil
}

// reachable checks that a key reaches a network. An unknown network is refused by the check of
// the other fields.
func reachable(k apikey.Caller, n network.Name) error {
	switch {
	case !n.Valid() || k.Networks().Has(n):
		return nil
	case k.Test:
		return fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "test_key", Message: "A test key reaches test networks only."}})
	}
	return fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "one_of", Message: k.Networks().MustBe()}})
}
