package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// KeyPair is an integration's key pair. Only CreateKeys and RotateKey set SecretKey.
type KeyPair struct {
	SiteKey   string    `json:"site_key"`
	SecretKey string    `json:"secret_key,omitempty"`
	Label     string    `json:"label,omitempty"`
	Test      bool      `json:"test"`
	Status    string    `json:"status"` // active | disabled | deleted
	CreatedAt time.Time `json:"created_at"`
	// PreviousUntil is when the secret key before the last rotation stops being valid; nil if
	// only the newest one is valid.
	PreviousUntil *time.Time `json:"previous_secret_until,omitempty"`
}

// The statuses of a key pair.
const (
	KeyActive   = "active"
	KeyDisabled = "disabled"
	KeyDeleted  = "deleted"
)

// MaxKeyPairs is the largest number of key pairs of one organization, without deleted ones.
const MaxKeyPairs = 100

// MaxOverlap is the longest time for which a rotation leaves the previous secret key valid.
const MaxOverlap = 30 * 24 * time.Hour

var (
	siteKeyForm   = regexp.MustCompile(`^cpk_(test_)?[0-9a-f]{64}$`)
	secretKeyForm = regexp.MustCompile(`^csk_(test_)?[0-9a-f]{64}$`)
)

// newKeyPair makes a site key and a secret key.
func newKeyPair(test bool) (siteKey, secretKey string) {
	mark := ""
	if test {
		mark = "test_"
	}
	random := func() string {
		var b [32]byte
		rand.Read(b[:]) // never fails: without randomness the program ends
		return hex.EncodeToString(b[:])
	}
	return "cpk_" + mark + random(), "csk_" + mark + random()
}

// hashSecret returns the stored form of a secret key, which is also its lookup key. 256
// random bits need no slow hash, and a lookup by hash compares no secret.
func hashSecret(secretKey string) []byte {
	h := sha256.Sum256([]byte(secretKey))
	return h[:]
}

func keyPair(k query.SiteKey, now time.Time) KeyPair {
	out := KeyPair{SiteKey: k.SiteKey, Label: k.Label, Test: k.Test, Status: KeyActive, CreatedAt: store.Time(k.CreatedAt)}
	switch {
	case k.DeletedAt.Valid:
		out.Status = KeyDeleted
	case k.DisabledAt.Valid:
		out.Status = KeyDisabled
	}
	if until := store.Time(k.PreviousUntil); out.Status != KeyDeleted && k.PreviousHash != nil && until.After(now) {
		out.PreviousUntil = &until
	}
	return out
}

// CreateKeys creates an integration: a public site key, and the secret key that mints its
// sessions. CreateKeys returns the secret key once. The label is for people: one line of at
// most 200 characters, or "".
func CreateKeys(ctx context.Context, db *store.DB, by audit.Actor, organizationID, label string, test bool) (_ KeyPair, err error) {
	defer operation.Wrap(&err, "create keys of organization %s", organizationID)
	label = strings.TrimSpace(label)
	if bad := checkOptional("label", label); bad != nil {
		return KeyPair{}, fault.CommonValidationFailed(bad)
	}
	k := KeyPair{Test: test, Label: label, Status: KeyActive}
	k.SiteKey, k.SecretKey = newKeyPair(test)
	err = db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := lock(ctx, tx, organizationID, 0); err != nil {
			return err
		}
		if n, err := tx.CountSiteKeys(ctx, organizationID); err != nil {
			return err
		} else if n >= MaxKeyPairs {
			return fault.CommonValidationFailed([]fault.Field{{Field: "site_key", Rule: "limit", Message: fmt.Sprintf("An organization has at most %d key pairs. Delete one first.", MaxKeyPairs)}})
		}
		k.CreatedAt = tx.Now
		if err := tx.InsertSiteKey(ctx, query.InsertSiteKeyParams{
			SiteKey: k.SiteKey, OrganizationID: organizationID, SecretHash: hashSecret(k.SecretKey), Test: test, Label: label, CreatedAt: store.Micros(tx.Now),
		}); err != nil {
			return err
		}
		return recordKey(ctx, tx, by, organizationID, k.SiteKey, "key_pair.created", audit.Change{Field: "label", New: label}, audit.Change{Field: "test", New: fmt.Sprint(test)})
	})
	if err != nil {
		return KeyPair{}, err
	}
	return k, nil
}

func recordKey(ctx context.Context, tx *store.Tx, by audit.Actor, organizationID, siteKey, action string, changes ...audit.Change) error {
	return audit.Record(ctx, tx, audit.Entry{Organization: organizationID, Actor: by, Action: action, Subject: siteKey, Changes: changes})
}

// ListKeys reads an organization's key pairs, oldest first, deleted ones too, without secrets.
func ListKeys(ctx context.Context, db *store.DB, organizationID string) (_ []KeyPair, err error) {
	defer operation.Wrap(&err, "list keys of organization %s", organizationID)
	rows, err := db.Read().ListSiteKeys(ctx, organizationID)
	out := make([]KeyPair, len(rows))
	for i, k := range rows {
		out[i] = keyPair(k, db.Now())
	}
	return out, err
}

// OrganizationOfKey returns the id of the organization that a site key belongs to. An unknown
// key is common.not_found.
func OrganizationOfKey(ctx context.Context, db *store.DB, siteKey string) (_ string, err error) {
	defer operation.Wrap(&err, "find the organization of key %s", siteKey)
	if !siteKeyForm.MatchString(siteKey) {
		return "", fault.CommonNotFound()
	}
	id, err := db.Read().OrganizationOfSiteKey(ctx, siteKey)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.CommonNotFound()
	}
	return id, err
}

// ofKey calls change with a key pair of the organization, in one transaction. A key that is
// deleted, or that another organization has, is common.not_found.
func ofKey(ctx context.Context, db *store.DB, organizationID, siteKey string, change func(*store.Tx, query.SiteKey) error) error {
	if !siteKeyForm.MatchString(siteKey) {
		return fault.CommonNotFound()
	}
	return db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := lock(ctx, tx, organizationID, 0); errors.Is(err, fault.CodeOrganizationNotFound) {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		k, err := tx.GetSiteKey(ctx, query.GetSiteKeyParams{SiteKey: siteKey, OrganizationID: organizationID})
		if errors.Is(err, sql.ErrNoRows) || err == nil && k.DeletedAt.Valid {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		return change(tx, k)
	})
}

// EnableKey enables or disables a key pair of an organization, at once and for running
// sessions too. Repeating it changes nothing. An unknown key is common.not_found.
func EnableKey(ctx context.Context, db *store.DB, by audit.Actor, organizationID, siteKey string, on bool) (err error) {
	defer operation.Wrap(&err, "enable or disable key %s", siteKey)
	return ofKey(ctx, db, organizationID, siteKey, func(tx *store.Tx, k query.SiteKey) error {
		if k.DisabledAt.Valid != on {
			return nil
		}
		n, err := tx.SetSiteKeyDisabled(ctx, query.SetSiteKeyDisabledParams{
			DisabledAt: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: !on}, SiteKey: siteKey, OrganizationID: organizationID,
		})
		if err := found(n, err); err != nil {
			return err
		}
		if on {
			return recordKey(ctx, tx, by, organizationID, siteKey, "key_pair.enabled")
		}
		return recordKey(ctx, tx, by, organizationID, siteKey, "key_pair.disabled")
	})
}

// LabelKey replaces the label of a key pair; "" removes it.
func LabelKey(ctx context.Context, db *store.DB, by audit.Actor, organizationID, siteKey, label string) (err error) {
	defer operation.Wrap(&err, "label key %s", siteKey)
	label = strings.TrimSpace(label)
	if bad := checkOptional("label", label); bad != nil {
		return fault.CommonValidationFailed(bad)
	}
	return ofKey(ctx, db, organizationID, siteKey, func(tx *store.Tx, k query.SiteKey) error {
		if k.Label == label {
			return nil
		}
		n, err := tx.SetSiteKeyLabel(ctx, query.SetSiteKeyLabelParams{Label: label, SiteKey: siteKey, OrganizationID: organizationID})
		if err := found(n, err); err != nil {
			return err
		}
		return recordKey(ctx, tx, by, organizationID, siteKey, "key_pair.labelled", audit.Change{Field: "label", Old: k.Label, New: label})
	})
}

// RotateKey gives a key pair a new secret key, and returns it once. The secret key that was
// current stays valid for overlap, 0 to MaxOverlap; a secret key from before it ends now. The
// site key and running sessions stay as they are.
func RotateKey(ctx context.Context, db *store.DB, by audit.Actor, organizationID, siteKey string, overlap time.Duration) (_ KeyPair, err error) {
	defer operation.Wrap(&err, "rotate key %s", siteKey)
	if overlap < 0 || overlap > MaxOverlap {
		return KeyPair{}, fault.CommonValidationFailed([]fault.Field{{Field: "overlap_seconds", Rule: "range", Message: fmt.Sprintf("Must be 0 to %d seconds.", int64(MaxOverlap/time.Second))}})
	}
	var out KeyPair
	err = ofKey(ctx, db, organizationID, siteKey, func(tx *store.Tx, k query.SiteKey) error {
		_, secret := newKeyPair(k.Test)
		until := tx.Now.Add(overlap)
		n, err := tx.RotateSiteKey(ctx, query.RotateSiteKeyParams{SecretHash: hashSecret(secret), PreviousUntil: store.Micros(until), SiteKey: siteKey, OrganizationID: organizationID})
		if err := found(n, err); err != nil {
			return err
		}
		k.PreviousHash, k.PreviousUntil = k.SecretHash, store.Micros(until)
		out = keyPair(k, tx.Now)
		out.SecretKey = secret
		return recordKey(ctx, tx, by, organizationID, siteKey, "key_pair.rotated", audit.Change{Field: "previous_secret_until", New: until.Format(time.RFC3339)})
	})
	if err != nil {
		return KeyPair{}, err
	}
	return out, nil
}

// DeleteKey deletes an integration of an organization. This cannot be undone.
func DeleteKey(ctx context.Context, db *store.DB, by audit.Actor, organizationID, siteKey string) (err error) {
	defer operation.Wrap(&err, "delete key %s", siteKey)
	return ofKey(ctx, db, organizationID, siteKey, func(tx *store.Tx, k query.SiteKey) error {
		n, err := tx.DeleteSiteKey(ctx, query.DeleteSiteKeyParams{
			DeletedAt: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: true}, SiteKey: siteKey, OrganizationID: organizationID,
		})
		if err := found(n, err); err != nil {
			return err
		}
		return recordKey(ctx, tx, by, organizationID, siteKey, "key_pair.deleted", audit.Change{Field: "label", Old: k.Label})
	})
}
