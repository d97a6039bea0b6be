package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"regexp"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// KeyPair is an integration's key pair. Only CreateKeys sets SecretKey.
type KeyPair struct {
	SiteKey   string    `json:"site_key"`
	SecretKey string    `json:"secret_key,omitempty"`
	Test      bool      `json:"test"`
	Status    string    `json:"status"` // active | disabled | deleted
	CreatedAt time.Time `json:"created_at"`
}

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

// CreateKeys creates an integration: a public site key, and the secret key that mints its
// sessions. Only CreateKeys returns the secret key, and only once.
func CreateKeys(ctx context.Context, db *store.DB, organizationID string, test bool) (_ KeyPair, err error) {
	defer operation.Wrap(&err, "create keys of organization %s", organizationID)
	if _, err := GetOrganization(ctx, db, organizationID); err != nil {
		return KeyPair{}, err
	}
	k := KeyPair{Test: test, Status: "active"}
	k.SiteKey, k.SecretKey = newKeyPair(test)
	err = db.Tx(ctx, func(tx *store.Tx) error {
		k.CreatedAt = tx.Now
		return tx.InsertSiteKey(ctx, query.InsertSiteKeyParams{
			SiteKey: k.SiteKey, OrganizationID: organizationID, SecretHash: hashSecret(k.SecretKey), Test: test, CreatedAt: store.Micros(tx.Now),
		})
	})
	return k, err
}

// ListKeys reads an organization's key pairs, deleted ones too, without secrets.
func ListKeys(ctx context.Context, db *store.DB, organizationID string) (_ []KeyPair, err error) {
	defer operation.Wrap(&err, "list keys of organization %s", organizationID)
	rows, err := db.Read().ListSiteKeys(ctx, organizationID)
	out := make([]KeyPair, len(rows))
	for i, k := range rows {
		out[i] = KeyPair{SiteKey: k.SiteKey, Test: k.Test, Status: "active", CreatedAt: store.Time(k.CreatedAt)}
		switch {
		case k.DeletedAt.Valid:
			out[i].Status = "deleted"
		case k.DisabledAt.Valid:
			out[i].Status = "disabled"
		}
	}
	return out, err
}

// EnableKey enables or disables a key pair, at once and for running sessions too. An
// unknown key is common.not_found.
func EnableKey(ctx context.Context, db *store.DB, siteKey string, on bool) (err error) {
	defer operation.Wrap(&err, "enable or disable key %s", siteKey)
	return db.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.SetSiteKeyDisabled(ctx, query.SetSiteKeyDisabledParams{
			DisabledAt: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: !on}, SiteKey: siteKey,
		})
		return found(n, err)
	})
}

// DeleteKey deletes an integration. This cannot be undone.
func DeleteKey(ctx context.Context, db *store.DB, siteKey string) (err error) {
	defer operation.Wrap(&err, "delete key %s", siteKey)
	return db.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.DeleteSiteKey(ctx, query.DeleteSiteKeyParams{
			DeletedAt: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: true}, SiteKey: siteKey,
		})
		return found(n, err)
	})
}
