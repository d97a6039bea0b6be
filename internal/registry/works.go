package registry

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Own returns the caller with the right to read the work, or to update it when write is set.
// The work is looked up only in the caller's organization and network. For reads, another
// end-user's work is reported as not found.
func (r *Registry) Own(ctx context.Context, c session.Caller, atsID int64, write bool) (session.Caller, error) {
	if c.ExternalUserRef == "" {
		return c, fault.CommonForbidden("no_external_user_ref")
	}
	if c.AtsID != 0 && c.AtsID != atsID {
		return c, fault.SessionInvalidToken("work")
	}
	w, err := r.DB.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(c.Network), AtsID: atsID})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.RedactedAt.Valid):
		return c, fault.WorkNotFound()
	case err != nil:
		return c, err
	case w.ExternalUserRef == c.ExternalUserRef:
		c.WorkID = w.ID
		return c, nil
	case write:
		return c, fault.CommonForbidden("other_external_user_ref")
	}
	return c, fault.WorkNotFound()
}

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
	return out, errors.Join(json.Unmarshal([]byte(v.Creators), &out.Creators), json.Unmarshal([]byte(v.Quote), &out.Price))
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
func (w OwnWork) Cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(store.Micros(w.UpdatedAt), 10) + " " + w.ID))
}

// parseCursor reads what Cursor wrote: the id of the work, and the time of its last change
// in microseconds.
func parseCursor(text string) (at int64, id string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	time, id, _ := strings.Cut(string(raw), " ")
	at, numErr := strconv.ParseInt(time, 10, 64)
	return at, id, err == nil && numErr == nil && len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == ""
}

// OwnWorksRequest asks for a page of an end-user's works.
type OwnWorksRequest struct {
	Network network.Name // "" means the session's network
	First   int          // at most this many
	After   string       // the page begins after this cursor
	Search  string       // a part of the title
}

// OwnWorksPage is a page of works, the last changed first.
type OwnWorksPage struct {
	Works []OwnWork
	More  bool
	Total int64 // on all pages
}

// The bounds of a page.
const (
	DefaultPage = 20
	MaxPage     = 100
)

var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// OwnWorks lists the works of the caller's end-user. A session that is for one work lists
// that work only. A page costs two queries, however many works and versions are on it. A
// work that is registered during the listing comes before the cursor, so no page repeats or
// skips a work.
func (r *Registry) OwnWorks(ctx context.Context, c session.Caller, in OwnWorksRequest) (page OwnWorksPage, err error) {
	if err := c.MayRead(); err != nil {
		return page, err
	}
	if c.ExternalUserRef == "" {
		return page, fault.CommonForbidden("no_external_user_ref")
	}
	if in.Network.Valid() && in.Network != c.Network {
		return page, fault.SessionInvalidToken("network")
	}
	var bad refusals
	if in.Network != "" && !in.Network.Valid() {
		bad.refuse("network", "one_of", "Must be testnet or mainnet.")
	}
	if in.First < 1 || in.First > MaxPage {
		bad.refuse("first", "range", "Must be from 1 to 100.")
	}
	if len(in.Search) > 4*MaxTitle {
		bad.refuse("search", "max_length", "At most 200 characters.")
	}
	before, id := int64(math.MaxInt64), ""
	if in.After != "" {
		var ok bool
		if before, id, ok = parseCursor(in.After); !ok {
			bad.refuse("after", "cursor", "Must be a cursor from this list.")
		}
	}
	if err := bad.err(); err != nil {
		return page, err
	}
	pattern := "%" + likeEscape.Replace(legible.Key(strings.ToValidUTF8(strings.ReplaceAll(in.Search, "\x00", ""), ""))) + "%"
	if page.Total, err = r.DB.Read().CountOwnWorks(ctx, query.CountOwnWorksParams{OrganizationID: c.Organization, Network: string(c.Network), Test: c.Test, ExternalUserRef: c.ExternalUserRef, Pattern: pattern, One: c.AtsID}); err != nil {
		return page, err
	}
	rows, err := r.DB.Read().OwnWorks(ctx, query.OwnWorksParams{
		OrganizationID: c.Organization, Network: string(c.Network), Test: c.Test, ExternalUserRef: c.ExternalUserRef, Pattern: pattern, One: c.AtsID,
		Before: before, BeforeID: id, Lim: int32(in.First) + 1,
	})
	if err != nil {
		return page, err
	}
	for _, row := range rows {
		if n := len(page.Works); n == 0 || page.Works[n-1].ID != row.Work.ID {
			if n == in.First {
				page.More = true
				break
			}
			page.Works = append(page.Works, ownWork(row.Work))
		}
		v, err := ownVersion(row.Version)
		if err != nil {
			return page, err
		}
		last := &page.Works[len(page.Works)-1]
		last.Versions = append(last.Versions, v)
	}
	return page, nil
}

// OwnWork returns the work that the caller may see, as the list shows it.
func (r *Registry) OwnWork(ctx context.Context, c session.Caller) (OwnWork, error) {
	row, err := r.shown(ctx, c)
	if err != nil {
		return OwnWork{}, err
	}
	w := ownWork(row)
	w.Versions, err = r.Versions(ctx, c)
	return w, err
}

// Versions returns all versions of the work that the caller may see, oldest first.
func (r *Registry) Versions(ctx context.Context, c session.Caller) ([]OwnVersion, error) {
	rows, err := r.DB.Read().Versions(ctx, c.WorkID)
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
func (r *Registry) Version(ctx context.Context, c session.Caller, version int64) (OwnVersion, error) {
	w, err := r.shown(ctx, c)
	if err != nil {
		return OwnVersion{}, err
	}
	v, err := r.versionOf(ctx, w, version)
	if errors.Is(err, sql.ErrNoRows) {
		return OwnVersion{}, fault.WorkNotFound()
	} else if err != nil {
		return OwnVersion{}, err
	}
	return ownVersion(v)
}

// Download is a URL of a stored file.
type Download struct {
	URL     string
	Expires time.Time
}

// DownloadTime is how long a download can be started with its URL.
const DownloadTime = 5 * time.Minute

// Recording returns a URL of the audio of a version; version 0 is the latest. For a version
// that was registered by its hash only it returns common.not_found with the reason.
func (r *Registry) Recording(ctx context.Context, c session.Caller, workID string, version int64) (Download, error) {
	if err := c.MayRead(); err != nil {
		return Download{}, err
	}
	w, err := r.visible(ctx, c, workID)
	if err != nil {
		return Download{}, err
	}
	return r.recording(ctx, w, version)
}

func (r *Registry) recording(ctx context.Context, w query.Work, version int64) (Download, error) {
	v, err := r.versionOf(ctx, w, version)
	if errors.Is(err, sql.ErrNoRows) {
		return Download{}, fault.WorkNotFound()
	} else if err != nil {
		return Download{}, err
	}
	if v.AssetKey == "" {
		return Download{}, fault.CommonNotFound().With("reason", "hash_only")
	}
	var m Media
	if err := json.Unmarshal([]byte(v.Media), &m); err != nil {
		return Download{}, err
	}
	return r.download(ctx, v.AssetKey, blob.File{Name: recordingName(v.Filename, media.Format(m.Format)), Type: media.Format(m.Format).Type()})
}

// Certificate returns a URL of the certificate of a version; version 0 is the latest. A
// caller may read the certificate if one of these holds:
//
//   - It may read the work.
//   - Its session began the job that made the version. This holds for an expired session
//     too, as long as the session is stored (a day). For such a session, version 0 is the
//     version of its job, and it sees no other version's creators.
//   - Its session has not expired, and it names the job's transaction: a page that was
//     reloaded has lost its first session. transaction is "" when the caller names none.
func (r *Registry) Certificate(ctx context.Context, c session.Caller, workID string, version int64, transaction string) (Download, error) {
	made, began, err := r.beganJob(ctx, c, workID)
	if err == nil && !began && transaction != "" && !c.Expired {
		made, began, err = r.namedJob(ctx, c, workID, transaction)
	}
	if err != nil {
		return Download{}, err
	}
	var w query.Work
	if began && (version == 0 || version == made) {
		if made == 0 { // not final
			return Download{}, fault.WorkCertificateUnavailable()
		}
		version = made
		if w, err = r.DB.Read().GetWork(ctx, workID); err == nil {
			err = Redacted(w)
		}
	} else if err = c.MayRead(); err == nil {
		w, err = r.visible(ctx, c, workID)
	}
	if err != nil {
		return Download{}, err
	}
	return r.certificate(ctx, w, version)
}

// CertificateByCode returns the certificate's URL for a caller with the work's access code.
// It serves every version, since the holder of the code could see each version while it was
// the latest.
func (r *Registry) CertificateByCode(ctx context.Context, c session.Caller, version int64) (Download, error) {
	w, err := r.shown(ctx, c)
	if err != nil {
		return Download{}, err
	}
	return r.certificate(ctx, w, version)
}

// RecordingByCode is CertificateByCode for the audio: see [Registry.Recording].
func (r *Registry) RecordingByCode(ctx context.Context, c session.Caller, version int64) (Download, error) {
	w, err := r.shown(ctx, c)
	if err != nil {
		return Download{}, err
	}
	return r.recording(ctx, w, version)
}

// shown returns the work that the caller may see, by its access code or as its end-user.
func (r *Registry) shown(ctx context.Context, c session.Caller) (query.Work, error) {
	w, err := r.DB.Read().GetWork(ctx, c.WorkID)
	if err == nil {
		err = Redacted(w)
	}
	return w, err
}

func (r *Registry) certificate(ctx context.Context, w query.Work, version int64) (Download, error) {
	v, err := r.certified(ctx, w, version)
	if errors.Is(err, sql.ErrNoRows) || err == nil && v.CertificateKey == "" {
		return Download{}, fault.WorkCertificateUnavailable()
	} else if err != nil {
		return Download{}, err
	}
	name := w.Title
	if v.Version > 1 { // so that the files of two versions have different names
		name += " v" + strconv.FormatInt(v.Version, 10)
	}
	return r.download(ctx, v.CertificateKey, blob.File{Name: name + ".pdf", Type: "application/pdf"})
}

// certified returns the version. It reads the version again until the certificate is made or
// AwaitCertificate has passed. When a published widget is refused here, it leaves the screen
// with the access code.
func (r *Registry) certified(ctx context.Context, w query.Work, version int64) (query.Version, error) {
	const first = 50 * time.Millisecond
	for pause, left := first, r.AwaitCertificate; ; pause *= 2 {
		v, err := r.versionOf(ctx, w, version)
		if err != nil || v.CertificateKey != "" || left <= 0 {
			return v, err
		}
		r.reached("certificate.awaited")
		pause = min(pause, left)
		left -= pause
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// beganJob reports whether the caller's session was spent on a job of the work. made is the
// version of that job, or 0 if it is not final. A failed job makes no version.
func (r *Registry) beganJob(ctx context.Context, c session.Caller, workID string) (made int64, began bool, err error) {
	q := r.DB.Read()
	s, err := q.GetSession(ctx, c.SessionID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !s.JobID.Valid {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	job, err := q.GetJob(ctx, s.JobID.String)
	if errors.Is(err, sql.ErrNoRows) || err == nil && job.WorkID != workID {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	t, err := q.GetTransaction(ctx, job.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, true, nil
	} else if err != nil {
		return 0, false, err
	}
	switch {
	case t.State == "final":
		return t.Version, true, nil
	case t.State == "failed" && job.Kind == KindRegister: // such a work will never exist
		return 0, false, fault.WorkNotFound()
	}
	return 0, t.State != "failed", nil
}

// namedJob is beganJob for a caller who names the transaction. The transaction's id shows the
// access code for Times.Result. For the same time it opens the certificate to callers of the
// same organization, network and end-user.
func (r *Registry) namedJob(ctx context.Context, c session.Caller, workID, transaction string) (made int64, ok bool, err error) {
	q := r.DB.Read()
	job, err := q.GetJob(ctx, transaction) // a transaction has the id of its job
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	if job.WorkID != workID || job.OrganizationID != c.Organization || job.Network != string(c.Network) || job.Test != c.Test || job.ExternalUserRef != c.ExternalUserRef {
		return 0, false, nil
	}
	t, err := q.GetTransaction(ctx, transaction)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (t.State == "failed" || c.AtsID != 0 && c.AtsID != t.AtsID):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case t.State != "final":
		return 0, true, nil
	}
	return t.Version, r.DB.Now().Sub(store.Time(t.UpdatedAt)) < r.Times.Result, nil
}

// visible is Own for a work that is named by its id.
func (r *Registry) visible(ctx context.Context, c session.Caller, workID string) (query.Work, error) {
	if c.ExternalUserRef == "" {
		return query.Work{}, fault.CommonForbidden("no_external_user_ref")
	}
	w, err := r.DB.Read().GetWork(ctx, workID)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.ExternalUserRef != c.ExternalUserRef):
		return w, fault.WorkNotFound()
	case err == nil && c.AtsID != 0 && c.AtsID != w.AtsID:
		return w, fault.SessionInvalidToken("work")
	}
	return w, err
}

func (r *Registry) versionOf(ctx context.Context, w query.Work, version int64) (query.Version, error) {
	if version == 0 {
		version = w.LatestVersion
	}
	return r.DB.Read().GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: version})
}

func (r *Registry) download(ctx context.Context, key string, as blob.File) (Download, error) {
	until := r.DB.Now().Add(DownloadTime)
	url, err := r.Blobs.PresignGet(ctx, key, as, until)
	if err != nil {
		return Download{}, fault.CommonServiceUnavailable(2 * time.Second).Because(err)
	}
	return Download{URL: url, Expires: until}, nil
}
