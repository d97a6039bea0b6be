package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
)

// codeParam is the path parameter of every route that takes an access code. unlock reads it,
// before the body is read.
var codeParam = &huma.Param{Name: "code", In: "path", Required: true, Description: "atc_ and 64 hex digits", Schema: &huma.Schema{Type: huma.TypeString}}

// storedCreator is a creator as the registry returns it: roles by their wire names.
type storedCreator struct {
	FullName string   `json:"full_name"`
	Email    string   `json:"email"`
	Roles    []string `json:"roles" doc:"author, composer, arranger, adapter"`
	IPI      *string  `json:"ipi,omitempty"`
	ISNI     *string  `json:"isni,omitempty"`
}

type workOutput struct {
	Body struct {
		AtsID            int64           `json:"ats_id"`
		Title            string          `json:"title"`
		Network          string          `json:"network"`
		OwnerAddress     string          `json:"owner_address" doc:"The anchoring account, as the network names it"`
		LatestVersion    int64           `json:"latest_version"`
		LatestCommitment string          `json:"latest_commitment" doc:"0x and 64 hex digits"`
		CreatedAt        time.Time       `json:"created_at"`
		AssetFilename    string          `json:"asset_filename"`
		Creators         []storedCreator `json:"creators" doc:"Of the latest version"`
		Versions         []wireVersion   `json:"versions" doc:"Oldest first"`
	}
}

func (a *API) workByCode(ctx context.Context, _ *struct{}) (*workOutput, error) {
	w, err := a.Registry.Works.Work(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &workOutput{}
	b := &out.Body
	b.AtsID, b.Title, b.Network, b.OwnerAddress, b.CreatedAt = w.AtsID, w.Title, string(w.Network), w.Owner, w.CreatedAt
	b.LatestVersion, b.LatestCommitment, b.AssetFilename = w.LatestVersion, record.Hex(w.LatestCommitment), w.Filename
	versions, err := a.Registry.Works.Versions(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	b.Creators, b.Versions = stored(w.Creators), versionsOf(versions)
	return out, nil
}

func stored(in []commitment.Creator) []storedCreator {
	out := make([]storedCreator, len(in))
	for i, c := range in {
		out[i] = storedCreator{FullName: c.FullName, Email: c.Email, Roles: []string{}, IPI: c.IPI, ISNI: c.ISNI}
		for _, r := range c.Roles {
			out[i].Roles = append(out[i].Roles, r.String())
		}
	}
	return out
}

type downloadByCodeInput struct {
	Version string `path:"v" doc:"From 1"`
	What    string `path:"what" doc:"certificate or audio"`
}

func (a *API) downloadByCode(ctx context.Context, in *downloadByCodeInput) (*downloadOutput, error) {
	var d works.Download
	var err error
	switch in.What {
	case "certificate":
		if d, err = a.Registry.Works.CertificateByCode(ctx, callerOf(ctx), version(in.Version)); err == nil {
			err = unmade(callerOf(ctx))
		}
	case "audio":
		d, err = a.Registry.Works.RecordingByCode(ctx, callerOf(ctx), version(in.Version))
	default:
		err = fault.CommonNotFound().With("reason", "route")
	}
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

type initVersionInput struct {
	LanguageHeader
	Body struct {
		_        struct{}      `additionalProperties:"true"`
		Creators []wireCreator `json:"creators" required:"false" doc:"1 to 32; all of them, not only those that changed"`
	}
}

func (in *initVersionInput) body() any                     { return &in.Body }
func (*initVersionInput) most() (bytes int64, strict bool) { return MaxWorkBody, false }

type jobOutput struct {
	Body struct {
		JobID string `json:"job_id" format:"uuid"`
	}
}

func (a *API) initVersion(ctx context.Context, in *initVersionInput) (*jobOutput, error) {
	slot, err := a.Registry.Intake.InitUpdate(ctx, callerOf(ctx), intake.UpdateRequest{Creators: creators(in.Body.Creators), Language: in.Language})
	if err != nil {
		return nil, err
	}
	exchangeOf(ctx).job = slot.JobID
	out := &jobOutput{}
	out.Body.JobID = slot.JobID
	return out, nil
}

type initVersionUploadInput struct {
	LanguageHeader
	Body struct {
		_           struct{}      `additionalProperties:"true"`
		Creators    []wireCreator `json:"creators" required:"false" doc:"1 to 32; all of them, not only those that changed"`
		Filename    string        `json:"filename" required:"false"`
		SizeBytes   *int64        `json:"size_bytes" required:"false" nullable:"true" doc:"The file's size in bytes, if known"`
		MediaSHA256 *string       `json:"media_sha256" required:"false" nullable:"true" doc:"The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered"`
	}
}

func (in *initVersionUploadInput) body() any                     { return &in.Body }
func (*initVersionUploadInput) most() (bytes int64, strict bool) { return MaxWorkBody, false }

func (a *API) initVersionUpload(ctx context.Context, in *initVersionUploadInput) (*slotOutput, error) {
	r := intake.UpdateRequest{Creators: creators(in.Body.Creators), NewFile: true, Filename: in.Body.Filename, Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language}
	slot, err := a.Registry.Intake.InitUpdate(ctx, callerOf(ctx), r)
	exchangeOf(ctx).job = slot.JobID
	return a.slotOf(ctx, slot, err)
}

type prepareVersionOutput struct {
	Body struct {
		wireQuote
		VersionDeposit int64 `json:"version_deposit_credits" doc:"The version's part of total_deposit_credits: always all of it"`
	}
}

func (a *API) prepareVersion(ctx context.Context, in *jobInput) (*prepareVersionOutput, error) {
	p, err := a.quote(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &prepareVersionOutput{}
	out.Body.wireQuote, out.Body.VersionDeposit = quoteOf(p), p.Price.VersionDeposit
	return out, nil
}

type rotateInput struct {
	Code string `path:"code" doc:"atc_ and 64 hex digits"`
}

type rotateOutput struct {
	Body struct {
		AccessCode string `json:"access_code" doc:"Shown only here"`
	}
}

func (a *API) rotateCode(ctx context.Context, in *rotateInput) (*rotateOutput, error) {
	code, err := a.Registry.Works.ReplaceCode(ctx, callerOf(ctx), in.Code)
	if err != nil {
		return nil, err
	}
	out := &rotateOutput{}
	out.Body.AccessCode = code
	return out, nil
}
