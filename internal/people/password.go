package people

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"timbre.example/internal/fault"
	"timbre.example/internal/share"
)

// Passwords hashes passwords with argon2id. Each hash takes 19 MiB, two passes and one thread
// (the first choice of OWASP), about 25 ms. Only a few run at once, and client addresses take
// turns. So a flood of sign-ins neither fills the memory nor keeps other people out.
type Passwords struct {
	slots *share.Pool
	// dummy is compared when an account does not exist, so that the work is the same.
	dummy  string
	params *argon2id.Params
	hashed atomic.Int64 // how many hashes were computed
}

// NewPasswords makes a hasher for this number of hashes at once, at least two.
func NewPasswords(atOnce int) *Passwords {
	p := &Passwords{slots: share.New(max(2, atOnce)), params: &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}}
	var err error
	if p.dummy, err = argon2id.CreateHash(newToken(), p.params); err != nil {
		panic(err) // only without randomness
	}
	return p
}

// hashWait is how long a sign-in waits for its turn.
const hashWait = 10 * time.Second

// enter waits for a turn.
func (p *Passwords) enter(ctx context.Context, address string) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	leave, err = p.slots.Enter(ctx, address, "")
	if errors.Is(err, share.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
		return nil, fault.CommonServiceUnavailable(2*time.Second).With("reason", "busy")
	}
	return leave, err
}

func (p *Passwords) hash(ctx context.Context, address, password string) (string, error) {
	leave, err := p.enter(ctx, address)
	if err != nil {
		return "", err
	}
	defer leave()
	p.hashed.Add(1)
	return argon2id.CreateHash(norm.NFC.String(password), p.params)
}

// matches compares a password with a hash; "" is an account without a password, or no account.
// The work is the same in all cases. stale means that the hash has older parameters.
func (p *Passwords) matches(ctx context.Context, address, password, hash string) (ok, stale bool, err error) {
	leave, err := p.enter(ctx, address)
	if err != nil {
		return false, false, err
	}
	defer leave()
	p.hashed.Add(1)
	known := hash != "" && len(password) <= maxPasswordBytes
	if !known {
		hash, password = p.dummy, password[:min(len(password), maxPasswordBytes)]
	}
	ok, params, err := argon2id.CheckHash(norm.NFC.String(password), hash)
	if err != nil {
		return false, false, err
	}
	return ok && known, known && *params != *p.params, nil
}

const (
	minPassword      = 10   // characters
	maxPasswordBytes = 1024 // bytes
)

// commonPasswords are the beginnings of the passwords that are guessed first.
var commonPasswords = []string{
	"password", "passwort", "motdepasse", "contraseña", "senha", "qwerty", "qwertz", "azerty", "letmein", "welcome", "iloveyou", "administrator", "admin",
	"1234567890", "0123456789", "abcdefghij", "trustno1", "football", "baseball", "superman", "changeme", "secret", "timbre",
}

// checkPassword refuses a password that is too short, or among the first guesses.
func checkPassword(password, email string) error {
	refuse := func(rule, why string) error {
		return fault.CommonValidationFailed([]fault.Field{{Field: "password", Rule: rule, Message: why}})
	}
	if !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return refuse("password_length", "Must be valid text.")
	}
	if n := utf8.RuneCountInString(password); n < minPassword || len(password) > maxPasswordBytes {
		return refuse("password_length", "Must have at least 10 characters, and at most 1,024 bytes.")
	}
	low := strings.ToLower(password)
	name, _, _ := strings.Cut(email, "@")
	different := map[rune]bool{}
	for _, r := range low {
		different[r] = true
	}
	rest := low // without what is guessed first, and without digits and signs
	for _, c := range append([]string{email, name}, commonPasswords...) {
		if len(c) >= 4 {
			rest = strings.ReplaceAll(rest, c, "")
		}
	}
	rest = strings.Trim(rest, "0123456789!?.,-_@#$%& ")
	if len(different) < 5 || utf8.RuneCountInString(rest) < 4 && rest != low {
		return refuse("password_common", "Is easy to guess. Use several words, or a password manager.")
	}
	return nil
}
