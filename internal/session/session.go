// Package session says who is calling: organizations, their key pairs and
// allowed origins, the short-lived tokens that a host's backend mints for one
// end-user, and the check of every call that carries one.
//
// Secret keys are stored as hashes and shown once. A refusal is always a
// catalogued one, in the order: who you are, whether you may at all, what you
// sent. The package never knows what is done with a session, beyond the id of
// the job that spent it.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
)

// DefaultLifetime is how long a token of the wire contract lives.
const DefaultLifetime = 5 * time.Minute

// Rehearsable reports whether a test session may be minted to meet this code.
func Rehearsable(code fault.Code) bool {
	entry, _ := fault.Lookup(code)
	return entry.Rehearse != ""
}

// MaxExternalUserRef is the longest reference to an end-user, in bytes.
const MaxExternalUserRef = 255

// Action is what a token allows.
type Action string

// The actions of the wire contract.
const (
	Register      Action = "register"
	UpdateVersion Action = "update_version"
	Access        Action = "access"
)

// Valid reports whether a is an action of the wire contract.
func (a Action) Valid() bool { return a == Register || a == UpdateVersion || a == Access }

// Service mints and checks sessions.
type Service struct {
	DB *store.DB
	// Tokens sign, and verify where there is no Issuer. A process that does not
	// mint has none.
	Tokens *Tokens
	// Issuer has the keys of the process that mints, where that is another one.
	Issuer *Issuer
	// MaxFileSize is the system's cap in bytes; organizations, keys and
	// sessions may only lower it.
	MaxFileSize int64
	// Lifetime is how long a minted token can begin something, in whole seconds.
	Lifetime time.Duration
	// MinimumCredits is what the action costs at least on a network; a mint for
	// an organization that has less is refused.
	MinimumCredits func(Action, network.Name) int64
	// Admit has the last word on who may mint, once key and origin are good and
	// before anything that was sent is looked at. nil admits everybody.
	Admit func(ctx context.Context, siteKey, organization string) error
}

var (
	siteKeyForm   = regexp.MustCompile(`^cpk_(test_)?[0-9a-f]{64}$`)
	secretKeyForm = regexp.MustCompile(`^csk_(test_)?[0-9a-f]{64}$`)
)

// newKeyPair makes the two halves of an integration's key.
func newKeyPair(test bool) (siteKey, secretKey string) {
	mark := ""
	if test {
		mark = "test_"
	}
	random := func() string {
		var b [32]byte
		rand.Read(b[:]) // never fails: the program ends when the system has no randomness
		return hex.EncodeToString(b[:])
	}
	return "cpk_" + mark + random(), "csk_" + mark + random()
}

// hashSecret is what is stored of a secret key, and what it is found by: 256
// random bits need no slow hash, and a look-up by hash compares no secret.
func hashSecret(secretKey string) []byte {
	h := sha256.Sum256([]byte(secretKey))
	return h[:]
}

// hashSiteKey is how a token names the site key it was minted for.
func hashSiteKey(siteKey string) string {
	h := sha256.Sum256([]byte(siteKey))
	return hex.EncodeToString(h[:])
}
