package api

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
)

type wireWork struct {
	ID               string        `json:"id" format:"uuid"`
	AtsID            int64         `json:"ats_id"`
	Network          string        `json:"network"`
	Owner            string        `json:"owner"`
	Title            string        `json:"title"`
	AssetFilename    string        `json:"asset_filename"`
	HasFiles         bool          `json:"has_files" doc:"Whether the latest recording is stored here"`
	LatestVersion    int64         `json:"latest_version"`
	LatestCommitment string        `json:"latest_commitment"`
	CreatedAt        time.Time     `json:"created_at"`
	LatestVersionAt  time.Time     `json:"latest_version_at"`
	UpdatedAt        time.Time     `json:"updated_at"`
	ExternalUserRef  *string       `json:"external_user_ref" nullable:"true" doc:"null: the work of no end-user"`
	Versions         []wireVersion `json:"versions" doc:"Oldest first"`
}

type ownWorksInput struct {
	Network         string `query:"network" doc:"The session's network, or left out. With an API key: a network, or left out for every network"`
	First           string `query:"first" doc:"1 to 100; 20 when left out"`
	After           string `query:"after" doc:"end_cursor of the previous page"`
	Search          string `query:"search" doc:"A part of the title, in upper or lower case"`
	ExternalUserRef string `query:"external_user_ref" doc:"With an API key: only the works of this end-user"`
}

type ownWorksOutput struct {
	Body struct {
		Works    []wireWork `json:"works"`
		PageInfo struct {
			HasNextPage     bool    `json:"has_next_page"`
			HasPreviousPage bool    `json:"has_previous_page"`
			StartCursor     *string `json:"start_cursor" nullable:"true" doc:"null on an empty page"`
			EndCursor       *string `json:"end_cursor" nullable:"true" doc:"The after of the next page; null on an empty page that is the last one"`
		} `json:"page_info"`
		TotalCount int64 `json:"total_count" doc:"On all pages. For an end-user, 1001 means: more than 1000. A search with an API key counts among the 10,000 works of each network that were changed last"`
	}
}

func (a *API) ownWorks(ctx context.Context, by access.Lister, in *ownWorksInput) (*ownWorksOutput, error) {
	r := works.OwnWorksRequest{Network: network.Name(in.Network), First: works.DefaultPage, After: in.After, Search: in.Search, ExternalUserRef: in.ExternalUserRef}
	if in.First != "" {
		r.First = int(min(number(in.First), works.MaxPage+1))
	}
	page, err := a.Registry.Works.OwnWorks(ctx, by, r)
	if err != nil {
		return nil, err
	}
	out := &ownWorksOutput{}
	b := &out.Body
	b.Works, b.TotalCount = make([]wireWork, len(page.Works)), page.Total
	for i, w := range page.Works {
		b.Works[i] = workOf(w)
	}
	p := &b.PageInfo
	p.HasNextPage, p.HasPreviousPage = page.More, in.After != ""
	if len(page.Works) > 0 {
		first := page.Works[0].Cursor()
		p.StartCursor = &first
	}
	if page.End != "" {
		p.EndCursor = &page.End
	}
	return out, nil
}

type ownInput struct {
	AtsID string `path:"id" doc:"The work's ats_id"`
}

type ownWorkOutput struct {
	Body wireWork
}

func (a *API) ownWork(ctx context.Context, r access.Reader, _ *ownInput) (*ownWorkOutput, error) {
	w, err := a.Registry.Works.OwnWork(ctx, r)
	if err != nil {
		return nil, err
	}
	return &ownWorkOutput{Body: workOf(w)}, nil
}

func workOf(w works.OwnWork) wireWork {
	v := w.Latest()
	var ref *string
	if w.ExternalUserRef != "" {
		ref = &w.ExternalUserRef
	}
	return wireWork{
		ID: w.ID, AtsID: w.AtsID, Network: string(w.Network), Owner: w.Owner, Title: w.Title, AssetFilename: v.Filename, HasFiles: v.HasFile,
		LatestVersion: v.Version, LatestCommitment: record.Hex(v.Commitment), CreatedAt: w.CreatedAt, LatestVersionAt: v.RegisteredAt,
		UpdatedAt: w.UpdatedAt, ExternalUserRef: ref, Versions: versionsOf(w.Versions),
	}
}

type ownVersionsOutput struct {
	Body struct {
		AtsID    int64         `json:"ats_id"`
		Versions []wireVersion `json:"versions" doc:"Oldest first"`
	}
}

func (a *API) ownVersions(ctx context.Context, r access.Reader, in *ownInput) (*ownVersionsOutput, error) {
	v, err := a.Registry.Works.Versions(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &ownVersionsOutput{}
	out.Body.AtsID, out.Body.Versions = number(in.AtsID), versionsOf(v)
	return out, nil
}

type ownCreatorsInput struct {
	AtsID   string `path:"id" doc:"The work's ats_id"`
	Version string `path:"v" doc:"From 1"`
}

type ownCreatorsOutput struct {
	Body struct {
		AtsID    int64           `json:"ats_id"`
		Version  int64           `json:"version"`
		Creators []storedCreator `json:"creators"`
	}
}

func (a *API) latestCreators(ctx context.Context, r access.Reader, in *ownInput) (*ownCreatorsOutput, error) {
	return a.creatorsOf(ctx, r, in.AtsID, 0)
}

func (a *API) ownCreators(ctx context.Context, r access.Reader, in *ownCreatorsInput) (*ownCreatorsOutput, error) {
	return a.creatorsOf(ctx, r, in.AtsID, version(in.Version))
}

// creatorsOf returns the creators of a version; version 0 is the latest.
func (a *API) creatorsOf(ctx context.Context, r access.Reader, atsID string, version int64) (*ownCreatorsOutput, error) {
	v, err := a.Registry.Works.Version(ctx, r, version)
	if err != nil {
		return nil, err
	}
	out := &ownCreatorsOutput{}
	out.Body.AtsID, out.Body.Version, out.Body.Creators = number(atsID), v.Version, stored(v.Creators)
	return out, nil
}
