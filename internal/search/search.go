// Package search finds an organization's works, by
//
//   - words of the title, of creators' names and of the end-user's reference,
//   - identifiers of creators,
//   - registration numbers, and the beginnings of hashes.
//
// An index of words is written in the transaction of each version. A search reads a bounded number of works.
//
// The index has no readable word: a key is a part of a hash. The package changes no work, and never decides who may search.
package search

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Rule is the rule by which words are added. A new rule has a new number, so that the worker adds the words of all
// versions again.
const Rule = 1

// Scope is a network, with the works of live keys or of test keys.
type Scope struct {
	Network string
	Test    bool
}

// Entry is what is found of one version.
type Entry struct {
	Organization, Work string
	Scope              Scope
	Version            int64
	Title, Reference   string
	Creators           []commitment.Creator
	Hashes             [][]byte // of the recording, the commitment, the transaction
}

// hashDigits is how many hex digits of a hash have a key.
const hashDigits = 10

// Add writes the words of a version, in the transaction that makes the version. The version is
// inserted with the number of the Rule.
func Add(ctx context.Context, tx *store.Tx, e Entry) (err error) {
	defer operation.Wrap(&err, "add the words of work %s, version %d", e.Work, e.Version)
	seen := map[int64]bool{}
	var keys []int64
	for _, part := range e.parts() {
		if k := key(e.Organization, e.Scope, part); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	for some := range slices.Chunk(keys, 16) {
		k := [16]int64{}
		for i := range k {
			k[i] = some[min(i, len(some)-1)]
		}
		if err := tx.InsertWorkWords(ctx, query.InsertWorkWordsParams{
			WorkID: e.Work, K1: k[0], K2: k[1], K3: k[2], K4: k[3], K5: k[4], K6: k[5], K7: k[6], K8: k[7],
			K9: k[8], K10: k[9], K11: k[10], K12: k[11], K13: k[12], K14: k[13], K15: k[14], K16: k[15],
		}); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes all words of a work, in the transaction that erases its personal data.
func Remove(ctx context.Context, tx *store.Tx, work string) (err error) {
	defer operation.Wrap(&err, "remove the words of work %s", work)
	return tx.DropWorkWords(ctx, work)
}

// texts are the texts whose words are found.
func (e Entry) texts() []string {
	all := []string{e.Title, e.Reference}
	for _, c := range e.Creators {
		all = append(all, c.FullName, c.Email)
		for _, id := range []*string{c.IPI, c.ISNI} {
			if id != nil {
				all = append(all, *id)
			}
		}
	}
	return all
}

// parts are what has a key.
func (e Entry) parts() (all []string) {
	count := 0
	for _, text := range e.texts() {
		for _, w := range words(text) {
			if count++; count > maxWords {
				break
			}
			for _, b := range beginnings(w) {
				all = append(all, "w "+b)
			}
		}
	}
	for _, h := range e.Hashes {
		if digits := hex.EncodeToString(h); len(digits) >= hashDigits {
			all = append(all, "h "+digits[:hashDigits])
		}
	}
	return all
}

// key is the key of a part in one scope.
func key(organization string, s Scope, part string) int64 {
	sum := sha256.Sum256([]byte(organization + "\x00" + s.Network + "\x00" + strconv.FormatBool(s.Test) + "\x00" + part))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // a key is 64 bits of a hash, whatever its sign
}

// Limits on one page of a search.
const (
	batch   = 100  // works that are read at once
	maxRead = 2000 // works that are read for one page
	// MaxQuery is the longest question, in characters.
	MaxQuery = 200
)

// Question is what a page asks.
type Question struct {
	Organization string
	Scopes       []Scope
	Text         string // "": all works
	// After is the id of a work: the works that follow it, which are older. Before: the newer works next to it. Both are
	// "" for the newest works.
	After, Before string
	Limit         int
}

// Found is a page of works, the newest first.
type Found struct {
	Works []Work
	// After and Before are the cursors of the next and of the previous page, or "".
	After, Before string
	// Partial: the page ended because it has read enough works, and not because it is full.
	Partial bool
}

// Work is a work in a list.
type Work struct {
	ID            string
	Scope         Scope
	AtsID         int64
	Title         string
	Reference     string
	LatestVersion int64
	Creators      []commitment.Creator // of the latest version
	Redacted      bool
	CreatedAt     time.Time
	RegisteredAt  time.Time // of the latest version
}

// newest is after every id of a work.
const newest = "~"

// Find returns a page of works. Its cost does not depend on the number of works.
func Find(ctx context.Context, db *store.DB, q Question) (_ Found, err error) {
	defer operation.Wrap(&err, "search works of organization %s", q.Organization)
	asked := ask(q.Text)
	if asked.none {
		return Found{}, nil
	}
	var out Found
	numbered := map[string]bool{}
	if asked.number > 0 && q.After == "" && q.Before == "" {
		if out.Works, err = byNumber(ctx, db, q, asked.number); err != nil {
			return Found{}, err
		}
	}
	for _, w := range out.Works {
		numbered[w.ID] = true
	}
	part, err := rarest(ctx, db, q, asked)
	if err != nil {
		return Found{}, err
	}
	s := stream{db: db, q: q, part: part, backwards: q.Before != ""}
	var found []Work
	last, ended := "", false
	for read := 0; len(found) <= q.Limit; read++ {
		if read == maxRead {
			out.Partial = true
			break
		}
		row, ok, err := s.next(ctx)
		if err != nil {
			return Found{}, err
		}
		if !ok {
			ended = true
			break
		}
		w, fits, err := asked.check(row)
		if err != nil {
			return Found{}, err
		}
		if fits && !numbered[w.ID] {
			if len(found) == q.Limit { // one more than the page
				found = append(found, w)
				break
			}
			found = append(found, w)
		}
		last = row[0].ID
	}
	more := len(found) > q.Limit
	found = found[:min(len(found), q.Limit)]
	if s.backwards {
		slices.Reverse(found)
	}
	out.Works = append(out.Works, found...)
	switch {
	case s.backwards:
		out.After = q.Before
		if len(found) > 0 {
			out.After = found[len(found)-1].ID
		}
		if more || out.Partial {
			out.Before = last
		}
	default:
		if q.After != "" {
			out.Before = q.After
			if len(found) > 0 {
				out.Before = found[0].ID
			}
		}
		if more || out.Partial && !ended {
			out.After = last
		}
	}
	return out, nil
}

// asked is a question, taken apart.
type asked struct {
	terms  []string
	hash   string // the beginning of a hash, or ""
	number int64  // a registration number, or 0
	none   bool   // the text has no word that could be found
}

func ask(text string) (a asked) {
	text = strings.TrimSpace(text)
	if text == "" {
		return a
	}
	if digits := strings.TrimPrefix(strings.ToLower(text), "0x"); len(digits) >= hashDigits && len(digits) <= 64 && strings.Trim(digits, "0123456789abcdef") == "" && strings.Trim(digits, "0123456789") != "" {
		a.hash = digits
		return a
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64); err == nil && n > 0 {
		a.number = n
	}
	a.terms = terms(text)
	a.none = len(a.terms) == 0
	return a
}

// parts are the parts with a key of which a work must have every one.
func (a asked) parts() []string {
	if a.hash != "" {
		return []string{"h " + a.hash[:hashDigits]}
	}
	var all []string
	for _, t := range a.terms {
		all = append(all, "w "+longest(t))
	}
	return all
}

// rarest returns the part that the fewest works have, counted up to a limit; "" for all works.
func rarest(ctx context.Context, db *store.DB, q Question, a asked) (best string, err error) {
	parts := a.parts()
	if len(parts) == 1 {
		return parts[0], nil
	}
	least := int64(-1)
	for _, part := range parts {
		var sum int64
		for _, s := range q.Scopes {
			n, err := db.Read().CountWordedWorks(ctx, query.CountWordedWorksParams{Key: key(q.Organization, s, part), Lim: maxRead})
			if err != nil {
				return "", err
			}
			sum += n
		}
		if least < 0 || sum < least {
			best, least = part, sum
		}
	}
	return best, nil
}

// check reports whether a work fits the question. rows are its newest versions, the newest first.
func (a asked) check(rows []row) (w Work, fits bool, err error) {
	w, err = workOf(rows[0])
	if err != nil || a.hash == "" && len(a.terms) == 0 {
		return w, err == nil, err
	}
	var has []string
	hashed := false
	for _, r := range rows {
		e, err := entry(r)
		if err != nil {
			return w, false, err
		}
		for _, h := range e.Hashes {
			hashed = hashed || a.hash != "" && strings.HasPrefix(hex.EncodeToString(h), a.hash)
		}
		for _, text := range e.texts() {
			has = append(has, words(text)...)
		}
	}
	if a.hash != "" {
		return w, hashed, nil
	}
	for _, t := range a.terms {
		if !slices.ContainsFunc(has, func(word string) bool { return matches(word, t) }) {
			return w, false, nil
		}
	}
	return w, true, nil
}

// row is a work with one of its versions.
type row = query.WordedWorksBeforeRow

func entry(r row) (Entry, error) {
	e := Entry{Organization: r.OrganizationID, Work: r.ID, Scope: Scope{r.Network, r.Test}, Version: r.Version, Title: r.Title, Reference: r.ExternalUserRef, Hashes: [][]byte{r.MediaHash, r.Commitment, r.TxHash}}
	if r.Creators == "" { // erased
		return e, nil
	}
	return e, json.Unmarshal([]byte(r.Creators), &e.Creators)
}

func workOf(r row) (Work, error) {
	e, err := entry(r)
	return Work{
		ID: r.ID, Scope: e.Scope, AtsID: r.AtsID, Title: r.Title, Reference: r.ExternalUserRef, LatestVersion: r.LatestVersion, Creators: e.Creators, Redacted: r.RedactedAt.Valid,
		CreatedAt: store.Time(r.CreatedAt), RegisteredAt: store.Time(r.RegisteredAt),
	}, err
}

// byNumber returns the works with a registration number: at most one on each network.
func byNumber(ctx context.Context, db *store.DB, q Question, number int64) (all []Work, err error) {
	for _, s := range q.Scopes {
		r, err := db.Read().NumberedWork(ctx, query.NumberedWorkParams{Network: s.Network, AtsID: number, OrganizationID: q.Organization})
		if errors.Is(err, sql.ErrNoRows) || err == nil && r.Test != s.Test {
			continue
		} else if err != nil {
			return nil, err
		}
		w, err := workOf(row(r))
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// stream reads the works of several scopes in one order.
type stream struct {
	db        *store.DB
	q         Question
	part      string // "": all works
	backwards bool
	lanes     []*lane
}

// lane is what is read of one scope.
type lane struct {
	scope  Scope
	rows   []row
	cursor string
	done   bool
}

// next returns the rows of the next work.
func (s *stream) next(ctx context.Context) (rows []row, ok bool, err error) {
	if s.lanes == nil {
		start := newest
		if s.q.After != "" {
			start = s.q.After
		}
		if s.backwards {
			start = s.q.Before
		}
		for _, scope := range s.q.Scopes {
			s.lanes = append(s.lanes, &lane{scope: scope, cursor: start})
		}
	}
	var first *lane
	for _, l := range s.lanes {
		if len(l.rows) == 0 && !l.done {
			if err := s.read(ctx, l); err != nil {
				return nil, false, err
			}
		}
		if len(l.rows) > 0 && (first == nil || (l.rows[0].ID > first.rows[0].ID) != s.backwards) {
			first = l
		}
	}
	if first == nil {
		return nil, false, nil
	}
	n := 1
	for n < len(first.rows) && first.rows[n].ID == first.rows[0].ID {
		n++
	}
	rows, first.rows = first.rows[:n], first.rows[n:]
	return rows, true, nil
}

// read reads more works of one scope.
func (s *stream) read(ctx context.Context, l *lane) (err error) {
	q := s.db.Read()
	l.rows = nil
	switch {
	case s.part != "" && !s.backwards:
		l.rows, err = q.WordedWorksBefore(ctx, query.WordedWorksBeforeParams{Key: key(s.q.Organization, l.scope, s.part), Before: l.cursor, Lim: batch})
	case s.part != "":
		l.rows, err = convert(q.WordedWorksAfter(ctx, query.WordedWorksAfterParams{Key: key(s.q.Organization, l.scope, s.part), After: l.cursor, Lim: batch}))
	case !s.backwards:
		l.rows, err = convert(q.ListedWorksBefore(ctx, query.ListedWorksBeforeParams{OrganizationID: s.q.Organization, Network: l.scope.Network, Test: l.scope.Test, Before: l.cursor, Lim: batch}))
	default:
		l.rows, err = convert(q.ListedWorksAfter(ctx, query.ListedWorksAfterParams{OrganizationID: s.q.Organization, Network: l.scope.Network, Test: l.scope.Test, After: l.cursor, Lim: batch}))
	}
	if err != nil {
		return err
	}
	if l.done = len(l.rows) == 0; !l.done {
		l.cursor = l.rows[len(l.rows)-1].ID
	}
	return nil
}

func convert[T query.WordedWorksAfterRow | query.ListedWorksBeforeRow | query.ListedWorksAfterRow](rows []T, err error) ([]row, error) {
	all := make([]row, len(rows))
	for i, r := range rows {
		all[i] = row(r)
	}
	return all, err
}
