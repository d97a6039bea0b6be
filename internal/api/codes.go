package api

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
)

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

func (a *API) workByCode(ctx context.Context, r access.Reader, _ *struct{}) (*workOutput, error) {
	w, err := a.Registry.Works.Work(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &workOutput{}
	b := &out.Body
	b.AtsID, b.Title, b.Network, b.OwnerAddress, b.CreatedAt = w.AtsID, w.Title, string(w.Network), w.Owner, w.CreatedAt
	b.LatestVersion, b.LatestCommitment, b.AssetFilename = w.LatestVersion, record.Hex(w.LatestCommitment), w.Filename
	versions, err := a.Registry.Works.Versions(ctx, r)
	if err != nil {
		return nil, err
	}
	b.Creators, b.Versions = stored(w.Creators), versionsOf(versions)
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

func (a *API) rotateCode(ctx context.Context, c session.Caller, in *rotateInput) (*rotateOutput, error) {
	code, err := a.Registry.Works.ReplaceCode(ctx, c, in.Code)
	if err != nil {
		return nil, err
	}
	out := &rotateOutput{}
	out.Body.AccessCode = code
	return out, nil
}
