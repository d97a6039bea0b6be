package api

import (
	"context"
	"strings"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
)

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

type slotOutput struct {
	Body struct {
		JobID     string     `json:"job_id" format:"uuid"`
		Upload    string     `json:"upload,omitempty" enum:"none" doc:"none: nothing is uploaded, and prepare needs the file's hash and size unless init had them; left out with an upload_url"`
		UploadURL string     `json:"upload_url,omitempty" doc:"The client sends the file here with PUT: the bytes alone as the body, with Content-Length, without a token. The URL is the permission. A success is 200. Repeated PUTs are accepted until prepare, and the last complete one counts. The URL belongs to this server, which refuses with the envelope of every refusal, or to the object store of its operator"`
		ExpiresAt *time.Time `json:"upload_expires_at,omitempty"`
	}
}

func (a *API) slotOf(c access.Caller, s intake.Slot, err error) (*slotOutput, error) {
	if err != nil {
		return nil, err
	}
	s = a.rehearsedSlot(c, s)
	out := &slotOutput{}
	if out.Body.JobID = s.JobID; s.HashOnly {
		out.Body.Upload = "none"
	} else {
		out.Body.UploadURL, out.Body.ExpiresAt = s.UploadURL, &s.Expires
	}
	return out, nil
}

// keepSlot stores the answer of an init in the transaction of its job: a repeated request
// makes no second job, also after a crash.
func (a *API) keepSlot(c access.Caller) intake.Opened {
	return func(ctx context.Context, tx *store.Tx, s intake.Slot) error {
		out, err := a.slotOf(c, s, nil)
		if err != nil {
			return err
		}
		return web.Keep(ctx, tx, out.Body)
	}
}

// onceOf returns the API key whose requests may be repeated with an Idempotency-Key: "" is a
// session, which an init spends.
func onceOf[P interface{ Caller() access.Caller }](by P) string { return by.Caller().APIKeyID }

type jobInput struct {
	Body struct {
		_           struct{} `additionalProperties:"true"`
		JobID       string   `json:"job_id" format:"uuid" doc:"From init, a UUID"`
		SizeBytes   *int64   `json:"size_bytes" required:"false" nullable:"true" doc:"For a prepare without an upload: the file's size"`
		MediaSHA256 *string  `json:"media_sha256" required:"false" nullable:"true" doc:"For a prepare without an upload: the file's SHA-256, 0x and 64 hex digits"`
		// A session has its own network and end-user.
		Network         *string `json:"network" required:"false" nullable:"true" doc:"With an API key, of an update: the work's network"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"With an API key, of an update: the work's end-user, or left out"`
	}
}

// jobBody is the body of calls that name a job. An expired token without a job id is refused:
// it may continue its own job only.
var jobBody = web.Body[access.Maker, jobInput]{Most: MaxSmallBody, Refuse: refuseJob[access.Maker]}

// versionJobBody is jobBody for updates whose body may name the work.
var versionJobBody = web.Body[access.Updater, jobInput]{Most: MaxSmallBody, Refuse: refuseJob[access.Updater]}

func refuseJob[P interface{ Caller() access.Caller }](p P, in *jobInput) error {
	if _, ok := parseID(strings.TrimSpace(in.Body.JobID)); !ok && p.Caller().Expired {
		return fault.CommonAuthExpired()
	}
	return nil
}

func (in *jobInput) work() naming { return naming{in.Body.Network, in.Body.ExternalUserRef} }

// id checks the form of a job's id, not whether the job exists.
func (in *jobInput) id(ctx context.Context) (string, error) {
	id, ok := parseID(strings.TrimSpace(in.Body.JobID))
	switch {
	case id == "":
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "required", Message: "This is required."}})
	case !ok:
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "uuid", Message: "Must be a UUID."}})
	}
	web.Trace(ctx, id)
	return id, nil
}

func (a *API) renewUpload(ctx context.Context, m access.Maker, in *jobInput) (*slotOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.rehearseStep(ctx, m, id, atUpload); err != nil {
		return nil, err
	}
	slot, err := a.Registry.Intake.RenewUpload(ctx, m, id)
	return a.slotOf(m.Caller(), slot, err)
}

// Quote is the answer of a prepare. Its name is exported because huma ignores unexported
// embedded types.
type Quote struct {
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
	Body Quote
}

func (a *API) prepare(ctx context.Context, m access.Maker, in *jobInput) (*prepareOutput, error) {
	p, err := a.quote(ctx, m, in)
	if err != nil {
		return nil, err
	}
	return &prepareOutput{Body: quoteOf(p)}, nil
}

func (a *API) quote(ctx context.Context, m access.Maker, in *jobInput) (intake.Prepared, error) {
	id, err := in.id(ctx)
	if err != nil {
		return intake.Prepared{}, err
	}
	if _, err := a.rehearseStep(ctx, m, id, atPrepare); err != nil {
		return intake.Prepared{}, err
	}
	if said := announced(in.Body.SizeBytes, in.Body.MediaSHA256); said != (intake.Announced{}) {
		if err := a.Registry.Intake.Declare(ctx, m, id, said); err != nil {
			return intake.Prepared{}, err
		}
	}
	return a.Registry.Intake.Prepare(ctx, m, id)
}

func quoteOf(p intake.Prepared) (b Quote) {
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

func (a *API) confirm(ctx context.Context, m access.Maker, in *jobInput) (*confirmOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	code, err := a.rehearseStep(ctx, m, id, atConfirm)
	if err != nil {
		return nil, err
	}
	done, err := a.Registry.Intake.Confirm(ctx, m, id, web.RequestID(ctx))
	if err == nil {
		err = secondConfirm(code, done.TransactionID)
	}
	if err != nil {
		return nil, err
	}
	out := &confirmOutput{}
	out.Body.TransactionID, out.Body.AccessCode = done.TransactionID, done.AccessCode
	out.Body.StatusURL = "/v1/transactions/" + done.TransactionID
	out.Body.WSURL = "/v1/ws/transactions/" + done.TransactionID
	return out, nil
}

type prepareVersionOutput struct {
	Body struct {
		Quote
		VersionDeposit int64 `json:"version_deposit_credits" doc:"The version's part of total_deposit_credits: always all of it"`
	}
}

func (a *API) prepareVersion(ctx context.Context, m access.Maker, in *jobInput) (*prepareVersionOutput, error) {
	p, err := a.quote(ctx, m, in)
	if err != nil {
		return nil, err
	}
	out := &prepareVersionOutput{}
	out.Body.Quote, out.Body.VersionDeposit = quoteOf(p), p.Price.VersionDeposit
	return out, nil
}
