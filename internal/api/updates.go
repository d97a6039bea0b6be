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
		Creators []wireCreator `json:"creators" minItems:"1" maxItems:"32" doc:"1 to 32; all of them, not only those that changed"`
		// A session has its own network, end-user and rehearsal.
		Network         *string `json:"network" required:"false" nullable:"true" doc:"With an API key: the work's network"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"With an API key: the work's end-user, or left out"`
		Rehearse        *string `json:"rehearse" required:"false" nullable:"true" doc:"With a test API key: the error code to rehearse"`
	}
}

func (in *initVersionInput) work() naming { return naming{in.Body.Network, in.Body.ExternalUserRef} }

var (
	versionBody       = web.Body[access.Editor, initVersionInput]{Most: MaxWorkBody}
	versionUploadBody = web.Body[access.Editor, initVersionUploadInput]{Most: MaxWorkBody}
	// These are for updates whose body may name the work.
	ownVersionBody       = web.Body[access.Updater, initVersionInput]{Most: MaxWorkBody, Once: onceOf[access.Updater]}
	ownVersionUploadBody = web.Body[access.Updater, initVersionUploadInput]{Most: MaxWorkBody, Once: onceOf[access.Updater]}
)

type jobOutput struct {
	Body struct {
		JobID string `json:"job_id" format:"uuid"`
	}
}

func (a *API) initVersion(ctx context.Context, by access.Editor, in *initVersionInput) (*jobOutput, error) {
	by, err := a.asking(ctx, by, access.Wishes{Rehearse: in.Body.Rehearse})
	if err != nil {
		return nil, err
	}
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
		Creators    []wireCreator `json:"creators" minItems:"1" maxItems:"32" doc:"1 to 32; all of them, not only those that changed"`
		Filename    string        `json:"filename" minLength:"1" doc:"1 to 255 characters; a path is cut to its last part"`
		SizeBytes   *int64        `json:"size_bytes" required:"false" nullable:"true" minimum:"0" doc:"The file's size in bytes, if known"`
		MediaSHA256 *string       `json:"media_sha256" required:"false" nullable:"true" doc:"The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered"`
		// A session has its own network, end-user, rehearsal and storage.
		Network         *string `json:"network" required:"false" nullable:"true" doc:"With an API key: the work's network"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"With an API key: the work's end-user, or left out"`
		Rehearse        *string `json:"rehearse" required:"false" nullable:"true" doc:"With a test API key: the error code to rehearse"`
		AssetStorage    *string `json:"asset_storage" required:"false" nullable:"true" doc:"With an API key: none stores only the hash"`
	}
}

func (in *initVersionUploadInput) work() naming {
	return naming{in.Body.Network, in.Body.ExternalUserRef}
}

func (a *API) initVersionUpload(ctx context.Context, by access.Editor, in *initVersionUploadInput) (*slotOutput, error) {
	by, err := a.asking(ctx, by, access.Wishes{Rehearse: in.Body.Rehearse, AssetStorage: in.Body.AssetStorage})
	if err != nil {
		return nil, err
	}
	r := intake.UpdateRequest{Creators: creators(in.Body.Creators), NewFile: true, Filename: in.Body.Filename, Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language, Opened: a.keepSlot(by.Caller())}
	slot, err := a.Registry.Intake.InitUpdate(ctx, by, r)
	web.Trace(ctx, slot.JobID)
	return a.slotOf(by.Caller(), slot, err)
}

// asking returns the editor with what its init asks for, unless the init is answered with a
// rehearsed code.
func (a *API) asking(ctx context.Context, by access.Editor, w access.Wishes) (access.Editor, error) {
	by, err := by.Asking(w)
	if err != nil {
		return access.Editor{}, err
	}
	return by, a.beginsByKey(ctx, by.Caller())
}
