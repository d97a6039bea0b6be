package log

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

// keyring is what a process knows of the keys of a log, and those that it has. It is safe for
// concurrent use. It reads no database.
type keyring struct {
	origin string
	first  string // the verifier key of the first key
	hash   uint32 // of the first key
	seed   []byte // of the first key, or empty
	next   func(number int) []byte

	learning sync.Mutex
	known    atomic.Pointer[evidence.KeyPage]
}

// newKeyring returns the ring of a log that has its first key alone, until a page is learnt.
func newKeyring(origin string, public ed25519.PublicKey, seed []byte, next func(int) []byte) (*keyring, error) {
	r := &keyring{origin: origin, seed: seed, next: next}
	if r.next == nil {
		r.next = func(int) []byte { return nil }
	}
	var v note.Verifier
	var err error
	if r.first, err = note.NewEd25519VerifierKey(origin, public); err == nil {
		v, err = note.NewVerifier(r.first)
	}
	if err != nil {
		return nil, fmt.Errorf("origin %q (it must be without spaces and plus signs): %w", origin, err)
	}
	r.hash = v.KeyHash()
	r.known.Store(&evidence.KeyPage{Origin: origin, Changes: []evidence.KeyChange{{Kind: evidence.ChangeBegin, Key: r.first, After: tlog.Tree{Hash: sha256.Sum256(nil)}}}})
	return r, nil
}

// errNoSeed: this process does not have the key that signs now.
var errNoSeed = errors.New("this process does not have the key that signs the log now: give it a secret file with this key (timbre secret derive --log-key-number)")

// errKeys: the page in the database is another log's, or contradicts what was read before.
var errKeys = errors.New("the key page does not continue the one that is known: the database was changed by hand, or belongs to another log")

// page returns what this process knows of the log's keys.
func (r *keyring) page() evidence.KeyPage { return *r.known.Load() }

// learn adopts a key page that continues the known one. An older one changes nothing.
func (r *keyring) learn(text string) error {
	r.learning.Lock()
	defer r.learning.Unlock()
	had := r.page()
	if strings.HasPrefix(had.Text, text) {
		return nil
	}
	p, err := evidence.ParseKeyPage(text)
	if err != nil {
		return err
	}
	if p.Keys()[0] != r.first || !p.Continues(had) {
		return errKeys
	}
	r.known.Store(&p)
	return nil
}

// change returns the page with one more change, signed.
func (r *keyring) change(p evidence.KeyPage, c evidence.KeyChange) (evidence.KeyPage, error) {
	var signers []note.Signer
	next := p
	if c.Kind != evidence.ChangeBegin {
		next.Changes = append(slices.Clone(p.Changes), c)
	}
	for _, key := range p.Signers(c) {
		s, err := r.signer(next, key)
		if err != nil {
			return evidence.KeyPage{}, err
		}
		signers = append(signers, s)
	}
	signed, err := note.Sign(&note.Note{Text: p.Unsigned(c)}, signers...)
	if err != nil {
		return evidence.KeyPage{}, err
	}
	return evidence.ParseKeyPage(string(signed))
}

// seed returns the private half of a key of the page.
func (r *keyring) private(p evidence.KeyPage, key string) (ed25519.PrivateKey, error) {
	number := slices.Index(p.Keys(), key) + 1
	seed := r.seed
	if number != 1 {
		seed = r.next(number)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, errNoSeed
	}
	private := ed25519.NewKeyFromSeed(seed)
	if made, err := note.NewEd25519VerifierKey(r.origin, private.Public().(ed25519.PublicKey)); err != nil || made != key {
		return nil, errNoSeed
	}
	return private, nil
}

// signer returns the note.Signer of a key of the page.
func (r *keyring) signer(p evidence.KeyPage, key string) (note.Signer, error) {
	private, err := r.private(p, key)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(key)
	return signer{v, private}, err
}

// signer is a note.Signer of the log.
type signer struct {
	verifier note.Verifier
	key      ed25519.PrivateKey
}

func (s signer) Name() string                     { return s.verifier.Name() }
func (s signer) KeyHash() uint32                  { return s.verifier.KeyHash() }
func (s signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key, text), nil }

// hasEnded is the reason for refusing an entry of an ended log; "" while the log is open.
func hasEnded(p evidence.KeyPage) string {
	if last, ended := p.Ended(); ended {
		return fmt.Sprintf("the log ended after %d entries, on %s", last.N, p.Changes[len(p.Changes)-1].At.Format(time.DateOnly))
	}
	return ""
}
