package api

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/works"
)

// The structs below are the wire contract. Their types make no member required, and unknown
// members are ignored, except in a mint. The registry and the sessions know the rules: they
// trim the values and report every missing or invalid field.

type mintInput struct {
	Origin string `header:"Origin" doc:"The origin of the site that embeds the widget"`
	Body   struct {
		SecretKey       string  `json:"secret_key" required:"false" doc:"csk_ and 64 hex digits"`
		ActionType      string  `json:"action_type" required:"false" doc:"register, update_version or access"`
		AllowedNetwork  string  `json:"allowed_network" required:"false" doc:"testnet or mainnet"`
		AllowedAtsID    *int64  `json:"allowed_ats_id" required:"false" nullable:"true" doc:"The only work that the session may update"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"The host's own id of the end-user, 1 to 255 bytes"`
		Rehearse        *string `json:"rehearse" required:"false" nullable:"true" doc:"With a test key: the code that the session rehearses"`
		MaxFileSize     *int64  `json:"max_file_size_bytes" required:"false" nullable:"true" doc:"Lowers the size cap, in bytes"`
		AssetStorage    *string `json:"asset_storage" required:"false" nullable:"true" doc:"none: files of this session are not uploaded or stored; only hashes are registered"`
	}
}

func (in *mintInput) body() any                     { return &in.Body }
func (*mintInput) most() (bytes int64, strict bool) { return MaxSmallBody, true }

type mintOutput struct {
	Body struct {
		Token     string `json:"token"`
		ExpiresIn int    `json:"expires_in" doc:"Seconds"`
	}
}

func (a *API) mint(ctx context.Context, in *mintInput) (*mintOutput, error) {
	r := session.MintRequest{
		SecretKey: in.Body.SecretKey, Origin: in.Origin, Action: session.Action(in.Body.ActionType), Network: network.Name(in.Body.AllowedNetwork),
		AtsID: in.Body.AllowedAtsID, ExternalUserRef: in.Body.ExternalUserRef, MaxFileSize: in.Body.MaxFileSize, Rehearse: in.Body.Rehearse, AssetStorage: in.Body.AssetStorage,
	}
	token, err := a.Sessions.Mint(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &mintOutput{}
	out.Body.Token, out.Body.ExpiresIn = token, int(a.Sessions.Lifetime/time.Second)
	return out, nil
}

type revokeInput struct {
	Body struct {
		SecretKey       string  `json:"secret_key" required:"false" doc:"csk_ and 64 hex digits: the secret key of the pair that minted the sessions"`
		SessionID       *string `json:"session_id" required:"false" nullable:"true" doc:"The session with this id, the jti of its token"`
		Token           *string `json:"token" required:"false" nullable:"true" doc:"The session of this token"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"All sessions of this end-user"`
	}
}

func (in *revokeInput) body() any                     { return &in.Body }
func (*revokeInput) most() (bytes int64, strict bool) { return MaxSmallBody, true }

type revokeOutput struct {
	Body struct {
		Revoked int64 `json:"revoked" doc:"How many sessions ended now"`
	}
}

func (a *API) revoke(ctx context.Context, in *revokeInput) (*revokeOutput, error) {
	n, err := a.Sessions.RevokeOwn(ctx, session.RevokeRequest{
		SecretKey: in.Body.SecretKey, ID: in.Body.SessionID, Token: in.Body.Token, ExternalUserRef: in.Body.ExternalUserRef,
	})
	if err != nil {
		return nil, err
	}
	out := &revokeOutput{}
	out.Body.Revoked = n
	return out, nil
}

type statsInput struct {
	Network string `query:"network" doc:"testnet or mainnet; testnet when left out"`
}

type statsOutput struct {
	Body struct {
		TotalWorks       int64    `json:"total_works"`
		MaxAudioSize     int64    `json:"max_audio_size_bytes"`
		SupportedFormats []string `json:"supported_formats"`
		Upload           string   `json:"upload" doc:"How files are uploaded: put or multipart"`
	}
}

func (a *API) stats(ctx context.Context, in *statsInput) (*statsOutput, error) {
	n := network.Name(in.Network)
	if n == "" {
		n = network.Testnet
	}
	if !n.Valid() {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "one_of", Message: "Must be testnet or mainnet."}})
	}
	s, err := a.countsOf(ctx, n)
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.TotalWorks, out.Body.MaxAudioSize = s.TotalWorks, a.Sessions.MaxFileSize
	out.Body.SupportedFormats, out.Body.Upload = a.SupportedFormats, "put"
	return out, nil
}

// counts caches the counts of the networks for a second, since the database counts rows. One
// caller queries it, and the others share the answer.
type counts struct {
	asking singleflight.Group

	mu    sync.Mutex
	of    map[network.Name]standing
	asked int
}

type standing struct {
	works.Stats
	at time.Time
}

const (
	countsLive = time.Second
	countsWait = 5 * time.Second
)

func (a *API) countsOf(ctx context.Context, n network.Name) (works.Stats, error) {
	c := &a.counts
	c.mu.Lock()
	known := c.of[n]
	c.mu.Unlock()
	if time.Since(known.at) < countsLive {
		return known.Stats, nil
	}
	s, err, _ := c.asking.Do(string(n), func() (any, error) {
		// Another caller may wait for the answer when the first has disconnected.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countsWait)
		defer cancel()
		s, err := a.Registry.Works.Stats(ctx, n)
		if err == nil {
			c.mu.Lock()
			c.of[n] = standing{s, time.Now()}
			c.asked++
			c.mu.Unlock()
		}
		return s, err
	})
	return s.(works.Stats), err
}

type wireRoles struct {
	_        struct{} `additionalProperties:"true"`
	Author   bool     `json:"author" required:"false"`
	Composer bool     `json:"composer" required:"false"`
	Arranger bool     `json:"arranger" required:"false"`
	Adapter  bool     `json:"adapter" required:"false"`
}

type wireCreator struct {
	_        struct{}  `additionalProperties:"true"`
	FullName string    `json:"full_name" required:"false" doc:"At most 255 characters"`
	Email    string    `json:"email" required:"false" doc:"At most 255 characters"`
	Roles    wireRoles `json:"roles" required:"false" doc:"At least one is true"`
	IPI      *string   `json:"ipi" required:"false" nullable:"true" doc:"1 to 11 digits"`
	ISNI     *string   `json:"isni" required:"false" nullable:"true" doc:"15 digits and a digit or X"`
}

func creators(in []wireCreator) []intake.Creator {
	out := make([]intake.Creator, len(in))
	for i, c := range in {
		k := intake.Creator{FullName: c.FullName, Email: c.Email}
		for _, r := range []struct {
			on   bool
			role commitment.Role
		}{{c.Roles.Author, commitment.Author}, {c.Roles.Composer, commitment.Composer}, {c.Roles.Arranger, commitment.Arranger}, {c.Roles.Adapter, commitment.Adapter}} {
			if r.on {
				k.Roles = append(k.Roles, r.role)
			}
		}
		if c.IPI != nil {
			k.IPI = *c.IPI
		}
		if c.ISNI != nil {
			k.ISNI = *c.ISNI
		}
		out[i] = k
	}
	return out
}

// LanguageHeader is the language of the certificate that a job makes. Its name is exported
// because huma ignores unexported embedded types.
type LanguageHeader struct {
	Language string `header:"Accept-Language" required:"false" doc:"Preferred languages of the certificate: the best match of en, fr, es, de, pt, ja and ar; English by default"`
}

type initInput struct {
	LanguageHeader
	Body struct {
		_               struct{}      `additionalProperties:"true"`
		Title           string        `json:"title" required:"false" doc:"1 to 200 characters"`
		Creators        []wireCreator `json:"creators" required:"false" doc:"1 to 32"`
		Filename        string        `json:"filename" required:"false"`
		Network         string        `json:"network" required:"false" doc:"The session's network: testnet or mainnet"`
		ExternalUserRef *string       `json:"external_user_ref" required:"false" nullable:"true" doc:"The session's, or left out"`
		SizeBytes       *int64        `json:"size_bytes" required:"false" nullable:"true" doc:"The file's size in bytes, if known"`
		MediaSHA256     *string       `json:"media_sha256" required:"false" nullable:"true" doc:"The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered"`
	}
}

// announced returns the client's description of its file.
func announced(size *int64, hash *string) (a intake.Announced) {
	if size != nil {
		a.SizeBytes = *size
	}
	if hash != nil {
		a.SHA256 = strings.TrimSpace(*hash)
	}
	return a
}

func (in *initInput) body() any                     { return &in.Body }
func (*initInput) most() (bytes int64, strict bool) { return MaxWorkBody, false }

// refuse refuses a token for another network even when the body has other errors. An invalid
// network is reported with those.
func (in *initInput) refuse(ctx context.Context) error {
	if n := network.Name(in.Body.Network); n.Valid() {
		return callerOf(ctx).May(session.Register, n, true)
	}
	return nil
}

type slotOutput struct {
	Body struct {
		JobID     string     `json:"job_id" format:"uuid"`
		Upload    string     `json:"upload,omitempty" enum:"none" doc:"none: nothing is uploaded, and prepare needs the file's hash and size unless init had them; left out with an upload_url"`
		UploadURL string     `json:"upload_url,omitempty"`
		ExpiresAt *time.Time `json:"upload_expires_at,omitempty"`
	}
}

func (a *API) slotOf(ctx context.Context, s intake.Slot, err error) (*slotOutput, error) {
	if err != nil {
		return nil, err
	}
	s = a.rehearsedSlot(callerOf(ctx), s)
	out := &slotOutput{}
	if out.Body.JobID = s.JobID; s.HashOnly {
		out.Body.Upload = "none"
	} else {
		out.Body.UploadURL, out.Body.ExpiresAt = s.UploadURL, &s.Expires
	}
	return out, nil
}

func (a *API) initWork(ctx context.Context, in *initInput) (*slotOutput, error) {
	r := intake.InitRequest{
		Description: intake.Description{Title: in.Body.Title, Creators: creators(in.Body.Creators), Filename: in.Body.Filename},
		Network:     network.Name(in.Body.Network), Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language,
	}
	if in.Body.ExternalUserRef != nil {
		r.ExternalUserRef = *in.Body.ExternalUserRef
	}
	asked, err := a.mayAskForTitle(callerOf(ctx))
	if err != nil {
		return nil, err
	}
	slot, err := a.Registry.Intake.Init(ctx, callerOf(ctx), r)
	asked(err)
	exchangeOf(ctx).job = slot.JobID
	return a.slotOf(ctx, slot, err)
}

// mayAskForTitle refuses an init whose end-user has received duplicate_title too often. A
// refused init costs nothing, so one token could test every title of a site. The session
// stays unspent. The caller passes the result of the init to asked.
func (a *API) mayAskForTitle(c session.Caller) (asked func(error), err error) {
	if c.DuplicateTitles {
		return func(error) {}, nil
	}
	key := "session " + c.SessionID
	if c.ExternalUserRef != "" {
		key = "user " + c.Organization + " " + c.ExternalUserRef
	}
	if s := a.Limits.Titles.Take(context.Background(), key); !s.Allowed {
		return nil, fault.SessionRateLimited(s.Wait).With("reason", "duplicate_titles")
	}
	return func(err error) {
		if !errors.Is(err, fault.CodeRegistrationDuplicateTitle) {
			a.Limits.Titles.Return(key)
		}
	}, nil
}

type jobInput struct {
	Body struct {
		_           struct{} `additionalProperties:"true"`
		JobID       string   `json:"job_id" required:"false" doc:"From init, a UUID"`
		SizeBytes   *int64   `json:"size_bytes" required:"false" nullable:"true" doc:"For a prepare without an upload: the file's size"`
		MediaSHA256 *string  `json:"media_sha256" required:"false" nullable:"true" doc:"For a prepare without an upload: the file's SHA-256, 0x and 64 hex digits"`
	}
}

func (in *jobInput) body() any                     { return &in.Body }
func (*jobInput) most() (bytes int64, strict bool) { return MaxSmallBody, false }

// refuse refuses an expired token without a job id: it may continue its own job only.
func (in *jobInput) refuse(ctx context.Context) error {
	if _, ok := parseID(strings.TrimSpace(in.Body.JobID)); !ok && callerOf(ctx).Expired {
		return fault.CommonAuthExpired()
	}
	return nil
}

// id checks the form of a job's id, not whether the job exists.
func (in *jobInput) id(ctx context.Context) (string, error) {
	id, ok := parseID(strings.TrimSpace(in.Body.JobID))
	switch {
	case id == "":
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "required", Message: "This is required."}})
	case !ok:
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "uuid", Message: "Must be a UUID."}})
	}
	exchangeOf(ctx).job = id
	return id, nil
}

func (a *API) renewUpload(ctx context.Context, in *jobInput) (*slotOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	slot, err := a.Registry.Intake.RenewUpload(ctx, callerOf(ctx), id)
	return a.slotOf(ctx, slot, err)
}

// wireQuote is the answer of a prepare.
type wireQuote struct {
	JobID       string    `json:"job_id" format:"uuid"`
	WorkID      string    `json:"work_id" format:"uuid"`
	Commitment  string    `json:"commitment" doc:"0x and 64 hex digits"`
	NetworkFee  int64     `json:"network_fee_credits"`
	Deposit     int64     `json:"total_deposit_credits"`
	ServiceFee  int64     `json:"service_fee_credits"`
	StorageFee  int64     `json:"storage_fee_credits"`
	Total       int64     `json:"total_price_credits"`
	IsValid     bool      `json:"is_valid"`
	ExpiresAt   time.Time `json:"expires_at"`
	MediaHash   string    `json:"media_hash" doc:"SHA-256 of the file, 0x and 64 hex digits"`
	SizeBytes   int64     `json:"size_bytes"`
	Format      string    `json:"format,omitempty" doc:"Left out, like the next two, for a file that was not uploaded"`
	DurationSec float64   `json:"duration_seconds,omitempty"`
	SampleRate  int       `json:"sample_rate,omitempty" doc:"Hz"`
	Incomplete  bool      `json:"incomplete_last_frame,omitempty" doc:"The file is a plain stream of MP3 or MP2 frames and ends inside a frame. It may be truncated, and is accepted. Left out when false"`
}

type prepareOutput struct {
	Body wireQuote
}

func (a *API) prepare(ctx context.Context, in *jobInput) (*prepareOutput, error) {
	p, err := a.quote(ctx, in)
	if err != nil {
		return nil, err
	}
	return &prepareOutput{Body: quoteOf(p)}, nil
}

func (a *API) quote(ctx context.Context, in *jobInput) (intake.Prepared, error) {
	id, err := in.id(ctx)
	if err != nil {
		return intake.Prepared{}, err
	}
	if said := announced(in.Body.SizeBytes, in.Body.MediaSHA256); said != (intake.Announced{}) {
		if err := a.Registry.Intake.Declare(ctx, callerOf(ctx), id, said); err != nil {
			return intake.Prepared{}, err
		}
	}
	return a.Registry.Intake.Prepare(ctx, callerOf(ctx), id)
}

func quoteOf(p intake.Prepared) (b wireQuote) {
	b.JobID, b.WorkID, b.Commitment, b.ExpiresAt, b.IsValid = p.JobID, p.WorkID, record.Hex(p.Commitment), p.Expires, true
	b.NetworkFee, b.Deposit, b.ServiceFee, b.StorageFee, b.Total = p.Price.NetworkFee, p.Price.Deposit, p.Price.ServiceFee, p.Price.StorageFee, p.Price.Total
	b.MediaHash, b.SizeBytes, b.Format, b.DurationSec, b.SampleRate = record.Hex(p.MediaHash), p.Media.Size, p.Media.Format, p.Media.Duration.Seconds(), p.Media.SampleRate
	b.Incomplete = p.Media.Incomplete
	return b
}

type confirmOutput struct {
	Body struct {
		TransactionID string `json:"transaction_id" format:"uuid"`
		WSURL         string `json:"ws_url" doc:"A path: the client adds the server's address in front"`
		StatusURL     string `json:"status_url" doc:"A path, like ws_url"`
		AccessCode    string `json:"access_code,omitempty" doc:"Of a new work: shown only here and in the result"`
	}
}

func (a *API) confirm(ctx context.Context, in *jobInput) (*confirmOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	c, err := a.Registry.Intake.Confirm(ctx, callerOf(ctx), id, exchangeOf(ctx).id)
	if err == nil {
		err = secondConfirm(callerOf(ctx), c.TransactionID)
	}
	if err != nil {
		return nil, err
	}
	out := &confirmOutput{}
	out.Body.TransactionID, out.Body.AccessCode = c.TransactionID, c.AccessCode
	out.Body.StatusURL = "/v1/transactions/" + c.TransactionID
	out.Body.WSURL = "/v1/ws/transactions/" + c.TransactionID
	return out, nil
}
