// Package session authenticates callers. It mints short-lived tokens for one end-user on
// request of a host's backend, checks every call with such a token, and revokes sessions.
//
// Every refusal is a catalogued error. The checks come in this order: who the caller is, whether the caller may call, what the
// caller sent. The package does not know how a session is used, except for the id of the
// job that spent it.
package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/recent"
	"timbre.example/internal/store"
)

// DefaultLifetime is the lifetime of a token in the wire contract.
const DefaultLifetime = 5 * time.Minute

// Rehearsable reports whether a test session can rehearse this error code.
func Rehearsable(code fault.Code) bool {
	entry, _ := fault.Lookup(code)
	return entry.Rehearse != ""
}

// MaxExternalUserRef is the longest reference to an end-user, in bytes.
const MaxExternalUserRef = 255

// Service mints and checks sessions.
type Service struct {
	DB *store.DB
	// Tokens signs tokens. Without an Issuer it also verifies them. It is nil in a process
	// that does not mint.
	Tokens *Tokens
	// Issuer has the keys of the process that mints, if that is another process.
	Issuer *Issuer
	// MaxFileSize is the system's limit in bytes; organizations, keys and sessions can
	// only lower it.
	MaxFileSize int64
	// Lifetime is how long a minted token can start a job, in whole seconds.
	Lifetime time.Duration
	// Networks are the networks of this server: no session is for another one. Test keys
	// reach its test networks alone. nil is every network of the wire contract.
	Networks network.Infos
	// MinimumCredits returns what the smallest registration of the action costs at most on a
	// network. Mint refuses an organization with fewer credits.
	MinimumCredits func(Action, network.Name) int64
	// Seen is called as soon as it is known which organization a caller has, before the
	// checks that may still refuse the call. It is called again with the session of a mint.
	// It gives no permission. nil: nothing is called.
	Seen func(context.Context, Seen)
	// Remember is how long this process uses a key pair, its organization, its origins and a
	// session without reading them again; 0: not at all. A change takes effect that much
	// later. The steps of a registration check by themselves that a session is not revoked.
	Remember time.Duration

	minters  recent.Map[[sha256.Size]byte, Minter] // by the hash of the secret key
	sessions recent.Map[named, stored]
}

// Minter is a host's backend that may mint: its secret key, its organization and the origin
// of its site were checked. Only [Service.Minter] makes one.
type Minter struct {
	from account.Integration
	read time.Time // when from was read
}

// named is what a session is read by.
type named struct{ jti, siteKey string }

// stored is a session as the database has it, with its key pair. Without found there is only
// the key pair.
type stored struct {
	from                             account.Integration
	found, revoked                   bool
	action, network, endUser, origin string
}

// Seen is a caller whose secret key or token is genuine, and who may still be refused.
type Seen struct {
	Organization, SiteKey string
	Session               string // "" before a mint
	Mints                 bool
}

func (s *Service) seen(ctx context.Context, by Seen) {
	if s.Seen != nil {
		s.Seen(ctx, by)
	}
}

// Served returns the networks of this server.
func (s *Service) Served() network.Infos {
	if s.Networks == nil {
		return network.Every()
	}
	return s.Networks
}

// hashSiteKey returns the form in which a token names its site key.
func hashSiteKey(siteKey string) string {
	h := sha256.Sum256([]byte(siteKey))
	return hex.EncodeToString(h[:])
}
