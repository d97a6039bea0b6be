package api

import (
	"context"
	"slices"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/intake"
	"timbre.example/internal/web"
)

type partsInput struct {
	Body struct {
		_         struct{} `additionalProperties:"true"`
		JobID     string   `json:"job_id" format:"uuid" doc:"From init, a UUID"`
		SizeBytes *int64   `json:"size_bytes" required:"false" nullable:"true" minimum:"1" doc:"The size of the whole file. The first call of a job needs it"`
		Numbers   []int64  `json:"numbers" required:"false" nullable:"true" maxItems:"32" doc:"The parts whose URLs are wanted, counted from 1; left out: none"`
		// A session has its own network and end-user.
		Network         *string `json:"network" required:"false" nullable:"true" doc:"With an API key, of an update: the work's network"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"With an API key, of an update: the work's end-user, or left out"`
	}
}

func (in *partsInput) work() naming { return naming{in.Body.Network, in.Body.ExternalUserRef} }

// partsBody and versionPartsBody are the bodies of new works and of updates.
var (
	partsBody        = web.Body[access.Maker, partsInput]{Most: MaxSmallBody, Refuse: refuseParts[access.Maker]}
	versionPartsBody = web.Body[access.Updater, partsInput]{Most: MaxSmallBody, Refuse: refuseParts[access.Updater]}
)

func refuseParts[P interface{ Caller() access.Caller }](p P, in *partsInput) error {
	return refuseJob(p, in.job())
}

// job is the body as one that only names a job.
func (in *partsInput) job() *jobInput {
	out := &jobInput{}
	out.Body.JobID = in.Body.JobID
	return out
}

type storedPart struct {
	Number int   `json:"number"`
	Size   int64 `json:"size_bytes"`
}

type partURL struct {
	Number int    `json:"number"`
	Size   int64  `json:"size_bytes" doc:"Exactly so many bytes"`
	URL    string `json:"url"`
}

type partsOutput struct {
	Body struct {
		JobID     string       `json:"job_id" format:"uuid"`
		SizeBytes int64        `json:"size_bytes" doc:"The size of the whole file"`
		PartBytes int64        `json:"part_size_bytes" doc:"The size of every part but the last"`
		Count     int          `json:"part_count"`
		Complete  bool         `json:"complete" doc:"The parts are one file already: prepare is the next call"`
		Stored    []storedPart `json:"stored" doc:"The parts that the store has completely, by number"`
		URLs      []partURL    `json:"urls" doc:"The URLs that were asked for"`
		ExpiresAt *time.Time   `json:"urls_expire_at,omitempty" doc:"Left out without URLs"`
	}
}

func (a *API) parts(ctx context.Context, m access.Maker, in *partsInput) (*partsOutput, error) {
	id, err := in.job().id(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.rehearseStep(ctx, m, id, atUpload); err != nil {
		return nil, err
	}
	r := intake.PartsRequest{Numbers: slices.Compact(slices.Sorted(slices.Values(in.Body.Numbers)))}
	if in.Body.SizeBytes != nil {
		r.SizeBytes = *in.Body.SizeBytes
	}
	p, err := a.Registry.Intake.Parts(ctx, m, id, r)
	if err != nil {
		return nil, err
	}
	out := &partsOutput{}
	b := &out.Body
	b.JobID, b.SizeBytes, b.PartBytes, b.Count, b.Complete = p.JobID, p.SizeBytes, p.PartBytes, p.Count, p.Complete
	b.Stored, b.URLs = make([]storedPart, len(p.Stored)), make([]partURL, len(p.URLs))
	for i, s := range p.Stored {
		b.Stored[i] = storedPart{s.Number, s.Size}
	}
	for i, u := range p.URLs {
		slot := a.rehearsedSlot(m.Caller(), intake.Slot{UploadURL: u.URL})
		b.URLs[i] = partURL{u.Number, u.SizeBytes, slot.UploadURL}
	}
	if len(p.URLs) > 0 {
		b.ExpiresAt = &p.Expires
	}
	return out, nil
}

type completedOutput struct {
	Body struct {
		JobID     string `json:"job_id" format:"uuid"`
		SizeBytes int64  `json:"size_bytes"`
	}
}

func (a *API) completeParts(ctx context.Context, m access.Maker, in *jobInput) (*completedOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.rehearseStep(ctx, m, id, atUpload); err != nil {
		return nil, err
	}
	size, err := a.Registry.Intake.CompleteParts(ctx, m, id)
	if err != nil {
		return nil, err
	}
	out := &completedOutput{}
	out.Body.JobID, out.Body.SizeBytes = id, size
	return out, nil
}

func (a *API) abortParts(ctx context.Context, m access.Maker, in *jobInput) (*jobOutput, error) {
	id, err := in.id(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.rehearseStep(ctx, m, id, atUpload); err != nil {
		return nil, err
	}
	if err := a.Registry.Intake.AbortParts(ctx, m, id); err != nil {
		return nil, err
	}
	return jobOf(intake.Slot{JobID: id}), nil
}
