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
func (w OwnWork) Cursor() string { return w.place().cursor() }

// parseCursor reads a cursor.
func parseCursor(text string) (p place, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	at, id, _ := strings.Cut(string(raw), " ")
	p.id = id
	var numErr error
	p.at, numErr = strconv.ParseInt(at, 10, 64)
	return p, err == nil && numErr == nil && len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == ""
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
	// Total counts the works on all pages, up to [MaxTotal] for an end-user. A search in a whole organization counts
	// among the works that were changed last, [MaxRead] on each network.
	Total int64
	// End is the cursor of the next page, or "" for an empty page that is the last one.
	End string
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
	// MaxTotal is the largest total of a list of an end-user: 1,001 means more than 1,000.
	MaxTotal = titlesAtOnce + 1
)

// titlesAtOnce is how many titles are read together. A search reads so many titles of an end-user for one page, and
// [MaxRead] of an organization. So its cost does not grow with the works.
const titlesAtOnce = 1000

// OwnWorks lists the works of the caller's end-user, or of the organization of an API key. A
// session that is for one work lists that work only. A page costs some queries for each
// network, however many works and versions there are. A work that is registered during the
// listing comes before the cursor, so no page repeats or skips a work. A page that has read
// enough works can be short, or empty, before the last page.
func (s *Service) OwnWorks(ctx context.Context, l access.Lister, in OwnWorksRequest) (page OwnWorksPage, err error) {
	defer operation.Wrap(&err, "list works")
	networks, err := l.Networks(in.Network)
	if err != nil {
		return page, err
	}
	at, part, err := in.check()
	if err != nil {
		return page, err
	}
	var all []OwnWork
	end := place{} // the list is complete down to this place
	for _, n := range networks {
		on := list{Service: s, lister: l, network: n, ref: in.ExternalUserRef, part: part, first: in.First, found: map[place]found{}}
		if l.Caller().APIKeyID == "" {
			on.ref = l.Caller().ExternalUserRef
		}
		works, read, err := on.page(ctx, at)
		if err != nil {
			return page, err
		}
		total, err := on.total(ctx)
		if err != nil {
			return page, err
		}
		all, page.Total = append(all, works...), page.Total+total
		if end.before(read) {
			end = read
		}
	}
	slices.SortStableFunc(all, func(a, b OwnWork) int { return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), strings.Compare(b.ID, a.ID)) })
	all = slices.DeleteFunc(all, func(w OwnWork) bool { return w.place().before(end) })
	switch {
	case len(all) > in.First:
		all = all[:in.First]
		page.More, page.End = true, all[in.First-1].Cursor()
	case end != place{}:
		page.More, page.End = true, end.cursor()
	case len(all) > 0:
		page.End = all[len(all)-1].Cursor()
	}
	page.Works = all
	return page, nil
}

// place is a place in a list: the last change of a work in microseconds, and its id.
type place struct {
	at int64
	id string
}

// beginning is before every work of a list.
var beginning = place{at: math.MaxInt64}

// before reports whether p comes later in the list than q: the last changed is first.
func (p place) before(q place) bool { return p.at < q.at || p.at == q.at && p.id < q.id }

func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.at, 10) + " " + p.id))
}

func (w OwnWork) place() place { return place{store.Micros(w.UpdatedAt), w.ID} }

// check returns the place before which a page begins, and the key of the part that its titles have.
func (in OwnWorksRequest) check() (at place, part string, err error) {
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
	at = beginning
	if in.After != "" {
		var ok bool
		if at, ok = parseCursor(in.After); !ok {
			bad.Refuse("after", "cursor", "Must be a cursor from this list.")
		}
	}
	return at, legible.Key(strings.ToValidUTF8(strings.ReplaceAll(in.Search, "\x00", ""), "")), bad.Err()
}

// list is the list of one network: of an end-user, or without ref of the whole organization.
type list struct {
	*Service
	lister  access.Lister
	network network.Name
	ref     string
	part    string // of the titles' keys; "" without a search
	first   int
	found   map[place]found // by the place after which titles were read
}

// found are the works with a title that has the part, among those that were read. read is the
// place of the last of these, or zero after the last work.
type found struct {
	ids  []string
	read place
}

// page returns the works after a place: one more than the page has, to know whether there is another page. read is the place
// where the list stopped before that, or zero.
func (l list) page(ctx context.Context, from place) (works []OwnWork, read place, err error) {
	c, q, lim := l.lister.Caller(), l.DB.Read(), int32(l.first)+1
	var rows []query.WorksByIDRow
	switch {
	case l.lister.AtsID() != 0:
		w, err := l.only(ctx)
		if err != nil || w.ID == "" || !ownWork(w).place().before(from) {
			return nil, read, err
		}
		rows, err = q.WorksByID(ctx, query.WorksByIDParams{Joined: w.ID, Count: 1})
		if err != nil {
			return nil, read, err
		}
	case l.part != "" || l.ref == "":
		some, err := l.matches(ctx, from)
		if err != nil {
			return nil, read, err
		}
		ids := some.ids
		if len(ids) >= int(lim) {
			ids = ids[:lim]
		} else {
			read = some.read
		}
		if len(ids) > 0 {
			rows, err = q.WorksByID(ctx, query.WorksByIDParams{Joined: strings.Join(ids, ""), Count: int64(len(ids))})
		}
		if err != nil {
			return nil, read, err
		}
	default:
		all, err := q.OwnWorks(ctx, query.OwnWorksParams{
			OrganizationID: c.Organization, Network: string(l.network), Test: c.Test, ExternalUserRef: l.ref, Before: from.at, BeforeID: from.id, Lim: lim,
		})
		if err != nil {
			return nil, read, err
		}
		for _, row := range all {
			rows = append(rows, query.WorksByIDRow(row))
		}
	}
	for _, row := range rows {
		if k := len(works); k == 0 || works[k-1].ID != row.Work.ID {
			works = append(works, ownWork(row.Work))
		}
		v, err := ownVersion(row.Version)
		if err != nil {
			return nil, read, err
		}
		last := &works[len(works)-1]
		last.Versions = append(last.Versions, v)
	}
	return works, read, nil
}

// only returns the one work that the session is for; its ID is "" if the list does not have it.
func (l list) only(ctx context.Context) (query.Work, error) {
	c := l.lister.Caller()
	w, err := l.DB.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(l.network), AtsID: l.lister.AtsID()})
	if errors.Is(err, sql.ErrNoRows) || err == nil && (w.OrganizationID != c.Organization || w.Test != c.Test || w.ExternalUserRef != l.ref || !strings.Contains(w.TitleKey, l.part)) {
		return query.Work{}, nil
	}
	return w, err
}

// matches finds the next works after a place, and stops after the page. Only the first page of a search reads all titles
// that a page may read: they are counted.
func (l list) matches(ctx context.Context, from place) (out found, err error) {
	if known, ok := l.found[from]; ok {
		return known, nil
	}
	most, at, counted := titlesAtOnce, from, l.part != "" && from == beginning
	if l.ref == "" {
		most = MaxRead
	}
	for most > 0 && (counted || len(out.ids) <= l.first) {
		some := min(most, titlesAtOnce)
		if l.part == "" && at == from {
			some = l.first + 1 // nearly always enough
		}
		rows, err := l.titles(ctx, at, some)
		if err != nil {
			return found{}, err
		}
		for _, row := range rows {
			if !row.RedactedAt.Valid && strings.Contains(row.TitleKey, l.part) {
				out.ids = append(out.ids, row.ID)
			}
		}
		if out.read = (place{}); len(rows) < some {
			break
		}
		at = place{rows[some-1].UpdatedAt, rows[some-1].ID}
		out.read, most = at, most-some
	}
	l.found[from] = out
	return out, nil
}

// titles reads the titles of the next works after a place.
func (l list) titles(ctx context.Context, after place, most int) ([]query.TitlesOfWorksRow, error) {
	c, q := l.lister.Caller(), l.DB.Read()
	if l.ref == "" {
		return q.TitlesOfWorks(ctx, query.TitlesOfWorksParams{
			OrganizationID: c.Organization, Network: string(l.network), Test: c.Test, Before: after.at, BeforeID: after.id, Lim: int32(most),
		})
	}
	own, err := q.TitlesOfOwnWorks(ctx, query.TitlesOfOwnWorksParams{
		OrganizationID: c.Organization, Network: string(l.network), Test: c.Test, ExternalUserRef: l.ref, Before: after.at, BeforeID: after.id, Lim: int32(most),
	})
	rows := make([]query.TitlesOfWorksRow, len(own))
	for i, row := range own {
		rows[i] = query.TitlesOfWorksRow{ID: row.ID, TitleKey: row.TitleKey, UpdatedAt: row.UpdatedAt}
	}
	return rows, err
}

// exact is how many works of an organization are counted one by one. More are counted by the
// numbers of days, which are complete when the worker has counted the ends of older releases.
const exact = 10_000

// total counts the works of the list. A search counts among the titles that it reads first.
func (l list) total(ctx context.Context) (int64, error) {
	c, q := l.lister.Caller(), l.DB.Read()
	switch {
	case l.lister.AtsID() != 0:
		w, err := l.only(ctx)
		if w.ID == "" {
			return 0, err
		}
		return 1, nil
	case l.part != "":
		some, err := l.matches(ctx, beginning)
		if n := int64(len(some.ids)); n == 0 || l.ref == "" || some.read == (place{}) {
			return n, err
		}
		return MaxTotal, err
	case l.ref != "":
		return q.CountOwnWorks(ctx, query.CountOwnWorksParams{OrganizationID: c.Organization, Network: string(l.network), Test: c.Test, ExternalUserRef: l.ref, Lim: MaxTotal})
	}
	some, err := q.CountSomeOrganizationWorks(ctx, query.CountSomeOrganizationWorksParams{OrganizationID: c.Organization, Network: string(l.network), Test: c.Test, Lim: exact + 1})
	if err != nil || some <= exact {
		return some, err
	}
	many, err := q.CountManyOrganizationWorks(ctx, query.CountManyOrganizationWorksParams{OrganizationID: c.Organization, Network: string(l.network), Test: c.Test})
	return max(some, many), err
}

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
