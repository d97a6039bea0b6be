package works

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// OwnVersion is a final version of an end-user's work.
type OwnVersion struct {
	Version      int64
	Commitment   []byte
	MediaHash    []byte
	MerkleRoot   []byte
	Creators     []commitment.Creator
	Filename     string
	HasFile      bool
	TxHash       []byte
	BlockNumber  int64
	BlockHash    []byte
	RegisteredAt time.Time
	Price        credits.Quote
}

func ownVersion(v query.Version) (OwnVersion, error) {
	out := OwnVersion{
		Version: v.Version, Commitment: v.Commitment, MediaHash: v.MediaHash, MerkleRoot: v.MerkleRoot, Filename: v.Filename, HasFile: v.AssetKey != "",
		TxHash: v.TxHash, BlockNumber: v.BlockNumber, BlockHash: v.BlockHash, RegisteredAt: store.Time(v.RegisteredAt),
	}
	var creators, price error
	out.Creators, creators = record.VersionCreators(v)
	out.Price, price = record.VersionPrice(v)
	if err := errors.Join(creators, price); err != nil {
		return out, fmt.Errorf("list versions: %w", err)
	}
	return out, nil
}

// OwnWork is a work of an end-user, with its versions from oldest to newest.
type OwnWork struct {
	ID              string
	AtsID           int64
	Network         network.Name
	Owner           string
	Title           string
	ExternalUserRef string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Versions        []OwnVersion
}

func ownWork(w query.Work) OwnWork {
	return OwnWork{
		ID: w.ID, AtsID: w.AtsID, Network: network.Name(w.Network), Owner: w.Owner, Title: w.Title, ExternalUserRef: w.ExternalUserRef,
		CreatedAt: store.Time(w.CreatedAt), UpdatedAt: store.Time(w.UpdatedAt),
	}
}

// Latest returns the newest version.
func (w OwnWork) Latest() OwnVersion { return w.Versions[len(w.Versions)-1] }

// Cursor returns the place of the work in the list.
func (w OwnWork) Cursor() string { return cursor(store.Micros(w.UpdatedAt), w.ID) }

func cursor(at int64, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at, 10) + " " + id))
}

// parseCursor reads what Cursor wrote: the id of the work, and the time of its last change
// in microseconds.
func parseCursor(text string) (at int64, id string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	time, id, _ := strings.Cut(string(raw), " ")
	at, numErr := strconv.ParseInt(time, 10, 64)
	return at, id, err == nil && numErr == nil && len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == ""
}

// OwnWorksRequest asks for a page of works.
type OwnWorksRequest struct {
	Network network.Name // "" means the session's network, or every network of a key
	// ExternalUserRef keeps one end-user's works of an organization; "" keeps all. A session
	// lists its own end-user's works only.
	ExternalUserRef string
	First           int    // at most this many
	After           string // the page begins after this cursor
	Search          string // a part of the title
}

// OwnWorksPage is a page of works, the last changed first.
type OwnWorksPage struct {
	Works []OwnWork
	More  bool
	// End is the cursor of the next page; "" for an empty page that is the last one.
	End string
	// Total counts all pages. A search in a whole organization counts among the works that were
	// changed last, [MaxRead] on each network.
	Total int64
}

// maxSearch is how many characters of a title can be searched for; a title is no longer.
const maxSearch = 200

// The bounds of a page.
const (
	DefaultPage = 20
	MaxPage     = 100
	// MaxRead is how many works of an organization a page reads on each network. A page that has
	// read so many is short, and the next page goes on behind them.
	MaxRead = 10_000
)

var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// OwnWorks lists the works of the caller's end-user, or of the organization of an API key. A
// session that is for one work lists that work only. A page costs two queries for each
// network, however many works and versions are on it. A work that is registered during the
// listing comes before the cursor, so no page repeats or skips a work. A page of an
// organization's works reads at most [MaxRead] works: it can be short, or empty, before the last page.
func (s *Service) OwnWorks(ctx context.Context, l access.Lister, in OwnWorksRequest) (page OwnWorksPage, err error) {
	defer operation.Wrap(&err, "list works")
	networks, err := l.Networks(in.Network)
	if err != nil {
		return page, err
	}
	at, err := in.check()
	if err != nil {
		return page, err
	}
	read := &reading{}
	for _, n := range networks {
		if err := s.listOn(ctx, l, n, in, at, read); err != nil {
			return page, err
		}
	}
	slices.SortStableFunc(read.works, func(a, b OwnWork) int { return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), strings.Compare(b.ID, a.ID)) })
	page = OwnWorksPage{Works: read.works, Total: read.total}
	if e := read.end; e != nil { // what follows is not known of every network
		page.Works = slices.DeleteFunc(page.Works, func(w OwnWork) bool { return e.after(store.Micros(w.UpdatedAt), w.ID) })
		page.More, page.End = true, cursor(e.before, e.beforeID)
	}
	if len(page.Works) > in.First {
		page.More, page.Works = true, page.Works[:in.First]
		page.End = page.Works[in.First-1].Cursor()
	} else if n := len(page.Works); n > 0 && !page.More {
		page.End = page.Works[n-1].Cursor()
	}
	return page, nil
}

// reading is what the networks add to a page.
type reading struct {
	works []OwnWork
	total int64
	// end is the first place at which a network stopped to read; nil if each has read enough.
	end *place
}

// stop remembers that a network has read no further than to this work.
func (r *reading) stop(at int64, id string) {
	if stopped := (place{before: at, beforeID: id}); r.end == nil || stopped.after(r.end.before, r.end.beforeID) {
		r.end = &stopped
	}
}

// place is where a page begins, and which titles it has.
type place struct {
	before   int64
	beforeID string
	pattern  string // for LIKE
}

// after reports whether a work follows this place in a list.
func (p place) after(at int64, id string) bool {
	return at < p.before || at == p.before && id < p.beforeID
}

func (in OwnWorksRequest) check() (at place, err error) {
	var bad fault.Refused
	if in.Network != "" && !in.Network.Valid() {
		bad.Refuse("network", "one_of", network.Every().MustBe())
	}
	if in.First < 1 || in.First > MaxPage {
		bad.Refuse("first", "range", "Must be from 1 to 100.")
	}
	if len(in.Search) > 4*maxSearch {
		bad.Refuse("search", "max_length", "At most 200 characters.")
	}
	at.before = math.MaxInt64
	if in.After != "" {
		var ok bool
		if at.before, at.beforeID, ok = parseCursor(in.After); !ok {
			bad.Refuse("after", "cursor", "Must be a cursor from this list.")
		}
	}
	at.pattern = "%" + likeEscape.Replace(legible.Key(strings.ToValidUTF8(strings.ReplaceAll(in.Search, "\x00", ""), ""))) + "%"
	return at, bad.Err()
}

// listOn adds the works of one network to a page: one more than the page has, to know whether
// there is another page.
func (s *Service) listOn(ctx context.Context, l access.Lister, n network.Name, in OwnWorksRequest, at place, page *reading) error {
	c, q := l.Caller(), s.DB.Read()
	ref := c.ExternalUserRef
	if c.APIKeyID != "" {
		ref = in.ExternalUserRef
	}
	var (
		total int64
		rows  []query.OwnWorksRow
		err   error
	)
	if ref == "" {
		if total, err = s.countAll(ctx, c, n, at.pattern); err != nil {
			return err
		}
		all, err := q.OrganizationWorks(ctx, query.OrganizationWorksParams{
			OrganizationID: c.Organization, Network: string(n), Test: c.Test, Pattern: at.pattern, Before: at.before, BeforeID: at.beforeID, Read: MaxRead, Lim: int32(in.First) + 1,
		})
		if err != nil {
			return err
		}
		found := map[string]bool{}
		for _, row := range all {
			rows = append(rows, query.OwnWorksRow(row))
			found[row.Work.ID] = true
		}
		if len(found) <= in.First {
			last, err := q.LastReadOfOrganization(ctx, query.LastReadOfOrganizationParams{
				OrganizationID: c.Organization, Network: string(n), Test: c.Test, Before: at.before, BeforeID: at.beforeID, Skip: MaxRead - 1,
			})
			if err == nil {
				page.stop(last.UpdatedAt, last.ID)
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
	} else {
		total, err = q.CountOwnWorks(ctx, query.CountOwnWorksParams{
			OrganizationID: c.Organization, Network: string(n), Test: c.Test, ExternalUserRef: ref, Pattern: at.pattern, One: l.AtsID(),
		})
		if err != nil {
			return err
		}
		rows, err = q.OwnWorks(ctx, query.OwnWorksParams{
			OrganizationID: c.Organization, Network: string(n), Test: c.Test, ExternalUserRef: ref, Pattern: at.pattern, One: l.AtsID(),
			Before: at.before, BeforeID: at.beforeID, Lim: int32(in.First) + 1,
		})
		if err != nil {
			return err
		}
	}
	page.total += total
	for _, row := range rows {
		if k := len(page.works); k == 0 || page.works[k-1].ID != row.Work.ID {
			page.works = append(page.works, ownWork(row.Work))
		}
		v, err := ownVersion(row.Version)
		if err != nil {
			return err
		}
		last := &page.works[len(page.works)-1]
		last.Versions = append(last.Versions, v)
	}
	return nil
}

// exact is how many works of an organization are counted one by one. More are counted by the
// numbers of days, which are complete when the worker has counted the ends of older releases.
const exact = 10_000

// countAll counts the works of an organization on one network.
func (s *Service) countAll(ctx context.Context, c access.Caller, n network.Name, pattern string) (int64, error) {
	q := s.DB.Read()
	if pattern != everyTitle {
		return q.CountOrganizationWorks(ctx, query.CountOrganizationWorksParams{OrganizationID: c.Organization, Network: string(n), Test: c.Test, Read: MaxRead, Pattern: pattern})
	}
	some, err := q.CountSomeOrganizationWorks(ctx, query.CountSomeOrganizationWorksParams{OrganizationID: c.Organization, Network: string(n), Test: c.Test, Lim: exact + 1})
	if err != nil || some <= exact {
		return some, err
	}
	many, err := q.CountManyOrganizationWorks(ctx, query.CountManyOrganizationWorksParams{OrganizationID: c.Organization, Network: string(n), Test: c.Test})
	return max(some, many), err
}

// everyTitle is the pattern of a list without a search.
const everyTitle = "%%"

// OwnWork returns the work that the caller may see, as the list shows it.
func (s *Service) OwnWork(ctx context.Context, r access.Reader) (_ OwnWork, err error) {
	defer operation.Wrap(&err, "read work %s", r.WorkID())
	row, err := s.stored(ctx, r.WorkID())
	if err != nil {
		return OwnWork{}, err
	}
	w := ownWork(row)
	w.Versions, err = s.Versions(ctx, r)
	return w, err
}

// Versions returns all versions of the work that the caller may see, oldest first.
func (s *Service) Versions(ctx context.Context, r access.Reader) (_ []OwnVersion, err error) {
	defer operation.Wrap(&err, "list versions of work %s", r.WorkID())
	rows, err := s.DB.Read().Versions(ctx, r.WorkID())
	if err != nil {
		return nil, err
	}
	out := make([]OwnVersion, len(rows))
	for i, row := range rows {
		if out[i], err = ownVersion(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Version returns one version of the work that the caller may see; version 0 is the latest.
func (s *Service) Version(ctx context.Context, r access.Reader, version int64) (_ OwnVersion, err error) {
	defer operation.Wrap(&err, "read version %d of work %s", version, r.WorkID())
	w, err := s.stored(ctx, r.WorkID())
	if err != nil {
		return OwnVersion{}, err
	}
	v, err := record.Version(ctx, s.DB.Read(), w, version)
	if errors.Is(err, sql.ErrNoRows) {
		return OwnVersion{}, fault.WorkNotFound()
	} else if err != nil {
		return OwnVersion{}, err
	}
	return ownVersion(v)
}
