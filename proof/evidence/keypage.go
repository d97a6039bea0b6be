package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// KeyPage is what a log says about its keys: which keys it had, from which tree on each one
// counts, and whether the log has ended. It is one signed note that only grows. Each change
// adds lines and signatures to the note before, so each signature covers all changes up to
// it. A key is replaced by the signature of the former key and that of the new one.
type KeyPage struct {
	// Text is the page as the log serves it.
	Text string
	// Origin is the log's name, which is also that of all keys.
	Origin string
	// Changes are the changes of the keys, the oldest first. The first is the begin.
	Changes []KeyChange
}

// KeyChange is a change of a log's keys.
type KeyChange struct {
	Kind ChangeKind
	// Key is the verifier key that signs after the change. An end keeps the key.
	Key string
	// After is the last tree before the change: a new key signs only larger trees, and an
	// ended log has no larger tree. Block is the block of this tree.
	After tlog.Tree
	Block int64
	// At is when the log made the change, by its own clock.
	At time.Time
}

// ChangeKind is the kind of a [KeyChange].
type ChangeKind string

// The kinds of changes.
const (
	ChangeBegin  ChangeKind = "begin"
	ChangeRotate ChangeKind = "rotate"
	ChangeEnd    ChangeKind = "end"
)

// MaxKeyPage is the largest key page in bytes, and maxKeyChanges how many changes it may
// have.
const (
	MaxKeyPage    = 48 << 10
	maxKeyChanges = 64
)

const (
	keyPageHead = "timbre-log-keys/v1"
	keyPageTime = "2006-01-02T15:04:05.000000Z"
)

// Fingerprint returns the fingerprint of a verifier key, as certificates and the page
// /verify show it: the first 16 bytes of the SHA-256 of the key's line, in groups.
func Fingerprint(key string) string {
	sum := sha256.Sum256([]byte(key))
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = hex.EncodeToString(sum[2*i : 2*i+2])
	}
	return strings.Join(groups, " ")
}

// lines returns the lines of a change.
func (c KeyChange) lines() string {
	state := "open"
	if c.Kind == ChangeEnd {
		state = "ended"
	}
	return fmt.Sprintf("change %s\nkey %s\nfingerprint %s\nafter %d\nroot %s\nblock %d\ntime %s\nstate %s\n",
		c.Kind, c.Key, Fingerprint(c.Key), c.After.N, c.After.Hash, c.Block, c.At.UTC().Format(keyPageTime), state)
}

// Unsigned returns the text that a change adds to the page, together with the page: what
// the log signs. The keys that must sign it, in this order, are [KeyPage.Signers]. For the
// begin, p has only the origin.
func (p KeyPage) Unsigned(c KeyChange) string {
	if c.Kind == ChangeBegin {
		return keyPageHead + "\norigin " + p.Origin + "\n" + c.lines()
	}
	return p.Text + c.lines()
}

// Signers returns the keys that sign the change, in the order of their lines.
func (p KeyPage) Signers(c KeyChange) []string {
	if c.Kind == ChangeRotate {
		return []string{p.Key(), c.Key}
	}
	return []string{c.Key}
}

// ParseKeyPage reads a key page and verifies all of its signatures. It says which change
// does not hold. The page then shows nothing to a reader who trusts none of its keys.
func ParseKeyPage(text string) (KeyPage, error) {
	if len(text) > MaxKeyPage {
		return KeyPage{}, fmt.Errorf("key page: more than %d bytes", MaxKeyPage)
	}
	// The newest change is the outermost note.
	var parts []string
	for rest := text; ; {
		parts = append(parts, rest)
		if len(parts) > maxKeyChanges {
			return KeyPage{}, fmt.Errorf("key page: more than %d changes", maxKeyChanges)
		}
		signed, _, err := parseNote(rest)
		if err != nil {
			return KeyPage{}, fmt.Errorf("key page: %w", err)
		}
		at := strings.LastIndex(signed, "\n— ")
		if at < 0 {
			break
		}
		end := strings.Index(signed[at+1:], "\n")
		rest = signed[:at+1+end+1]
	}
	slices.Reverse(parts)
	var p KeyPage
	for i, part := range parts {
		next, err := p.grown(part)
		if err != nil {
			return KeyPage{}, fmt.Errorf("key page: change %d: %w", i+1, err)
		}
		p = next
	}
	return p, nil
}

// grown returns the page with one more change: text is the whole note.
func (p KeyPage) grown(text string) (KeyPage, error) {
	signed, signatures, err := parseNote(text)
	if err != nil {
		return KeyPage{}, err
	}
	lines, more := strings.CutPrefix(signed, p.Text)
	if !more {
		return KeyPage{}, errors.New("it does not continue the page before it")
	}
	if len(p.Changes) == 0 {
		head, rest, _ := strings.Cut(lines, "\n")
		origin, rest, _ := strings.Cut(rest, "\n")
		if head != keyPageHead || !strings.HasPrefix(origin, "origin ") {
			return KeyPage{}, errors.New("this is not a key page of this version")
		}
		p.Origin, lines = strings.TrimPrefix(origin, "origin "), rest
	}
	c, err := parseKeyChange(lines)
	if err != nil {
		return KeyPage{}, err
	}
	if err := p.admits(c); err != nil {
		return KeyPage{}, err
	}
	signers := p.Signers(c)
	if len(signatures) != len(signers) {
		return KeyPage{}, fmt.Errorf("it has %d signatures, not %d", len(signatures), len(signers))
	}
	for i, key := range signers {
		v, err := note.NewVerifier(key)
		if err != nil {
			return KeyPage{}, err
		}
		who := "the key that stops"
		if i == len(signers)-1 {
			who = "the key that counts from here on"
		}
		if s := signatures[i]; s.name != v.Name() || s.hash != v.KeyHash() || !v.Verify([]byte(signed), s.bytes) {
			return KeyPage{}, fmt.Errorf("%s (fingerprint %s) did not sign it", who, Fingerprint(key))
		}
	}
	p.Text, p.Changes = text, append(slices.Clone(p.Changes), c)
	return p, nil
}

// admits returns an error if the change cannot follow the page.
func (p KeyPage) admits(c KeyChange) error {
	name, _, kind, _, err := parseKey(c.Key)
	switch {
	case err != nil:
		return err
	case name != p.Origin:
		return errors.New("the key belongs to another log")
	case kind != typeEd25519:
		return errors.New("the key is not that of a log")
	}
	if len(p.Changes) == 0 {
		if c.Kind != ChangeBegin || c.After.N != 0 || c.Block != 0 || c.After.Hash != tlog.Hash(sha256.Sum256(nil)) {
			return errors.New("the first change must be the begin, after the empty tree")
		}
		return nil
	}
	last := p.Changes[len(p.Changes)-1]
	switch known := slices.Contains(p.Keys(), c.Key); {
	case last.Kind == ChangeEnd:
		return errors.New("it follows the end of the log")
	case c.Kind == ChangeBegin:
		return errors.New("a second begin")
	case c.Kind == ChangeRotate && known:
		return errors.New("the new key was a key of this log before")
	case c.Kind == ChangeEnd && c.Key != last.Key:
		return errors.New("an end keeps the key")
	case c.After.N < last.After.N || c.Block < last.Block || c.At.Before(last.At):
		return errors.New("its size, block or time is before that of the change before")
	case c.After.N == last.After.N && c.After.Hash != last.After.Hash:
		return errors.New("it has another tree of the same size than the change before")
	}
	return nil
}

// parseKeyChange reads the lines of a change. Each value has one form.
func parseKeyChange(text string) (c KeyChange, err error) {
	wrong := errors.New("its lines do not have the form of a change")
	var values []string
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	names := []string{"change", "key", "fingerprint", "after", "root", "block", "time", "state"}
	if len(lines) != len(names) {
		return c, wrong
	}
	for i, name := range names {
		value, ok := strings.CutPrefix(lines[i], name+" ")
		if !ok {
			return c, wrong
		}
		values = append(values, value)
	}
	c.Kind, c.Key = ChangeKind(values[0]), values[1]
	var errs [4]error
	c.After.N, errs[0] = strconv.ParseInt(values[3], 10, 64)
	c.After.Hash, errs[1] = tlog.ParseHash(values[4])
	c.Block, errs[2] = strconv.ParseInt(values[5], 10, 64)
	c.At, errs[3] = time.Parse(keyPageTime, values[6])
	known := c.Kind == ChangeBegin || c.Kind == ChangeRotate || c.Kind == ChangeEnd
	if errors.Join(errs[:]...) != nil || !known || c.After.N < 0 || c.After.N > maxLog || c.Block < 0 || c.lines() != text {
		return c, wrong
	}
	return c, nil
}

// Key returns the newest key.
func (p KeyPage) Key() string {
	if len(p.Changes) == 0 {
		return ""
	}
	return p.Changes[len(p.Changes)-1].Key
}

// Keys returns all keys, the oldest first.
func (p KeyPage) Keys() (keys []string) {
	for _, c := range p.Changes {
		if c.Kind != ChangeEnd {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Ended returns the last tree of the log, and whether the log has ended.
func (p KeyPage) Ended() (last tlog.Tree, ended bool) {
	if n := len(p.Changes); n > 0 && p.Changes[n-1].Kind == ChangeEnd {
		return p.Changes[n-1].After, true
	}
	return last, false
}

// Continues reports whether p is older, or older with more changes.
func (p KeyPage) Continues(older KeyPage) bool {
	return p.Origin == older.Origin && strings.HasPrefix(p.Text, older.Text)
}

// KeyFor returns the key that signs the tree of this size; "" if the log has ended before
// it.
func (p KeyPage) KeyFor(size int64) (key string) {
	for _, c := range p.Changes {
		switch {
		case c.After.N >= size && c.Kind != ChangeBegin:
			return key
		case c.Kind == ChangeEnd:
			return ""
		}
		key = c.Key
	}
	return key
}

// Until returns the size of the last tree that a key signs. open is true if the key has not
// stopped.
func (p KeyPage) Until(key string) (size int64, open bool) {
	at := slices.IndexFunc(p.Changes, func(c KeyChange) bool { return c.Key == key })
	if at < 0 || at+1 >= len(p.Changes) {
		return 0, true
	}
	return p.Changes[at+1].After.N, false
}

// Counts returns a [*KeyConflict] if the page excludes that the log signed this tree with this
// key: another key counts at this size, the log has ended before, or a change names another
// tree of this size.
func (p KeyPage) Counts(key string, tree tlog.Tree) error {
	for _, c := range p.Changes {
		if c.After.N == tree.N && c.After.Hash != tree.Hash {
			return &KeyConflict{Why: "the log's key page has another tree of this size", Trees: true}
		}
	}
	last, ended := p.Ended()
	switch size, open := p.Until(key); {
	case ended && tree.N > last.N:
		return &KeyConflict{Why: fmt.Sprintf("the log has ended with %d entries, and this tree has %d", last.N, tree.N)}
	case !open && tree.N > size:
		return &KeyConflict{Why: fmt.Sprintf("this key counts until %d entries, and this tree has %d", size, tree.N)}
	case p.KeyFor(tree.N) != key:
		return &KeyConflict{Why: fmt.Sprintf("the log's key page names another key for a tree of %d entries", tree.N)}
	}
	return nil
}

// KeyConflict is the error for a tree that a key of the log signed against the log's key page.
// Trees: both name a tree of this size, and only one can be the log's.
type KeyConflict struct {
	Why   string
	Trees bool
}

func (c *KeyConflict) Error() string { return c.Why }

// Open verifies a checkpoint with the key that counts at its size, and returns the key too.
func (p KeyPage) Open(signed string) (tree tlog.Tree, key string, err error) {
	if key, err = signer(signed, p.Origin, p.Keys()); err != nil {
		return tlog.Tree{}, "", err
	}
	if tree, err = OpenCheckpoint(signed, p.Origin, key); err == nil {
		err = p.Counts(key, tree)
	}
	return tree, key, err
}

// signer returns the one of these keys that a checkpoint names as its signer.
func signer(signed, origin string, keys []string) (string, error) {
	_, lines, err := parseNote(signed)
	if err != nil {
		return "", err
	}
	for _, line := range lines {
		for _, key := range keys {
			name, hash, _, _, err := parseKey(key)
			if err == nil && name == origin && line.name == name && line.hash == hash {
				return key, nil
			}
		}
	}
	return "", errors.New("no known key of the log signed it")
}

// Keyring is the keys of logs that a reader trusts, and what key pages say about them.
type Keyring struct {
	keys  []string
	pages []KeyPage
}

// NewKeyring returns the ring of the keys that a reader trusts. A page counts if it has one
// of these keys: then its other keys are trusted too, each for the trees that it signs. The
// newest key page of a log counts. Two pages of one log that contradict each other are an
// error: [*KeyFork].
func NewKeyring(keys []string, pages []KeyPage) (Keyring, error) {
	r := Keyring{keys: slices.Clone(keys)}
	for _, p := range pages {
		if !slices.ContainsFunc(p.Keys(), func(key string) bool { return slices.Contains(keys, key) }) {
			continue
		}
		at := slices.IndexFunc(r.pages, func(had KeyPage) bool { return had.Origin == p.Origin })
		switch {
		case at < 0:
			r.pages = append(r.pages, p)
		case p.Continues(r.pages[at]):
			r.pages[at] = p
		case !r.pages[at].Continues(p):
			return Keyring{}, &KeyFork{r.pages[at].Text, p.Text}
		}
	}
	for _, p := range r.pages {
		for _, key := range p.Keys() {
			if !slices.Contains(r.keys, key) {
				r.keys = append(r.keys, key)
			}
		}
	}
	return r, nil
}

// KeyFork is the error for two key pages of one log of which none continues the other. Both
// together prove that the log cheated, or that one of its keys was stolen: publish them.
type KeyFork struct{ One, Other string }

func (f *KeyFork) Error() string { return "two key pages of the log contradict each other" }

// Keys returns the trusted keys: those of the reader first.
func (r Keyring) Keys() []string { return r.keys }

// Page returns the key page of the log with this origin.
func (r Keyring) Page(origin string) (KeyPage, bool) {
	i := slices.IndexFunc(r.pages, func(p KeyPage) bool { return p.Origin == origin })
	if i < 0 {
		return KeyPage{}, false
	}
	return r.pages[i], true
}

// Counts returns an error if a page excludes that the log signed this tree with this key.
func (r Keyring) Counts(origin, key string, tree tlog.Tree) error {
	if p, ok := r.Page(origin); ok {
		return p.Counts(key, tree)
	}
	return nil
}

// Open verifies a checkpoint of the log with this origin by a trusted key that counts at its
// size, and returns the key too.
func (r Keyring) Open(signed, origin string) (tree tlog.Tree, key string, err error) {
	if key, err = signer(signed, origin, r.keys); err != nil {
		return tlog.Tree{}, "", err
	}
	if tree, err = OpenCheckpoint(signed, origin, key); err == nil {
		err = r.Counts(origin, key, tree)
	}
	return tree, key, err
}
