package api

import (
	"context"

	"timbre.example/internal/access"
	"timbre.example/internal/intake"
	"timbre.example/internal/store"
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
	versionBody       = web.Body[access.Editor, initVersionInput]{Most: MaxWorkBody}
	versionUploadBody = web.Body[access.Editor, initVersionUploadInput]{Most: MaxWorkBody}
)

type jobOutput struct {
	Body struct {
		JobID string `json:"job_id" format:"uuid"`
	}
}

func (a *API) initVersion(ctx context.Context, by access.Editor, in *initVersionInput) (*jobOutput, error) {
	keep := func(ctx context.Context, tx *store.Tx, s intake.Slot) error { return web.Keep(ctx, tx, jobOf(s).Body) }
	slot, err := a.Registry.Intake.InitUpdate(ctx, by, intake.UpdateRequest{Creators: creators(in.Body.Creators), Language: in.Language, Opened: keep})
	if err != nil {
		return nil, err
	}
	web.Trace(ctx, slot.JobID)
	return jobOf(slot), nil
}

func jobOf(s intake.Slot) *jobOutput {
	out := &jobOutput{}
	out.Body.JobID = s.JobID
	return out
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

func (a *API) initVersionUpload(ctx context.Context, by access.Editor, in *initVersionUploadInput) (*slotOutput, error) {
	r := intake.UpdateRequest{Creators: creators(in.Body.Creators), NewFile: true, Filename: in.Body.Filename, Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language, Opened: a.keepSlot(by.Caller())}
	slot, err := a.Registry.Intake.InitUpdate(ctx, by, r)
	web.Trace(ctx, slot.JobID)
	return a.slotOf(by.Caller(), slot, err)
}
