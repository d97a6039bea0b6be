package api

import (
	"context"

	"timbre.example/internal/intake"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

type initVersionInput struct {
	LanguageHeader
	Body struct {
		_        struct{}      `additionalProperties:"true"`
		Creators []wireCreator `json:"creators" required:"false" doc:"1 to 32; all of them, not only those that changed"`
	}
}

var (
	versionBody       = web.Body[session.Caller, initVersionInput]{Most: MaxWorkBody}
	versionUploadBody = web.Body[session.Caller, initVersionUploadInput]{Most: MaxWorkBody}
)

type jobOutput struct {
	Body struct {
		JobID string `json:"job_id" format:"uuid"`
	}
}

func (a *API) initVersion(ctx context.Context, c session.Caller, in *initVersionInput) (*jobOutput, error) {
	slot, err := a.Registry.Intake.InitUpdate(ctx, c, intake.UpdateRequest{Creators: creators(in.Body.Creators), Language: in.Language})
	if err != nil {
		return nil, err
	}
	web.Trace(ctx, slot.JobID)
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

func (a *API) initVersionUpload(ctx context.Context, c session.Caller, in *initVersionUploadInput) (*slotOutput, error) {
	r := intake.UpdateRequest{Creators: creators(in.Body.Creators), NewFile: true, Filename: in.Body.Filename, Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language}
	slot, err := a.Registry.Intake.InitUpdate(ctx, c, r)
	web.Trace(ctx, slot.JobID)
	return a.slotOf(c, slot, err)
}
