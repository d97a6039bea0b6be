package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
)

// atsIDParam is the path parameter of calls on an end-user's own work.
// endUserWork reads it, before the body is read.
var atsIDParam = &huma.Param{Name: "id", In: "path", Required: true, Description: "The work's ats_id", Schema: &huma.Schema{Type: huma.TypeInteger}}

// number reads a number in a path; an invalid one is 0, which matches nothing.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

type wireVersion struct {
	Version         int64     `json:"version"`
	Commitment      string    `json:"commitment" doc:"0x and 64 hex digits, like all hashes here"`
	AssetFilename   string    `json:"asset_filename"`
	RegisteredBlock int64     `json:"registered_at_block"`
	RegisteredAt    time.Time `json:"registered_at"`
	MediaHash       string    `json:"media_hash"`
	MerkleRoot      string    `json:"merkle_root"`
	BlockHash       string    `json:"block_hash"`
	TxHash          string    `json:"tx_hash"`
	Fee             int64     `json:"fee_credits" doc:"The whole price of the version"`
	StorageFee      int64     `json:"storage_fee_credits" doc:"The part of fee_credits for storage"`
}

func versionsOf(in []works.OwnVersion) []wireVersion {
	out := make([]wireVersion, len(in))
	for i, v := range in {
		out[i] = wireVersion{
			Version: v.Version, Commitment: record.Hex(v.Commitment), AssetFilename: v.Filename, RegisteredBlock: v.BlockNumber, RegisteredAt: v.RegisteredAt,
			MediaHash: record.Hex(v.MediaHash), MerkleRoot: record.Hex(v.MerkleRoot), BlockHash: record.Hex(v.BlockHash), TxHash: record.Hex(v.TxHash),
			Fee: v.Price.Total, StorageFee: v.Price.StorageFee,
		}
	}
	return out
}

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
	ExternalUserRef  string        `json:"external_user_ref"`
	Versions         []wireVersion `json:"versions" doc:"Oldest first"`
}

type ownWorksInput struct {
	Network string `query:"network" doc:"The session's network, or left out"`
	First   string `query:"first" doc:"1 to 100; 20 when left out"`
	After   string `query:"after" doc:"end_cursor of the previous page"`
	Search  string `query:"search" doc:"A part of the title, in upper or lower case"`
}

type ownWorksOutput struct {
	Body struct {
		Works    []wireWork `json:"works"`
		PageInfo struct {
			HasNextPage     bool    `json:"has_next_page"`
			HasPreviousPage bool    `json:"has_previous_page"`
			StartCursor     *string `json:"start_cursor" nullable:"true" doc:"null on an empty page"`
			EndCursor       *string `json:"end_cursor" nullable:"true" doc:"null on an empty page"`
		} `json:"page_info"`
		TotalCount int64 `json:"total_count" doc:"On all pages"`
	}
}

func (a *API) ownWorks(ctx context.Context, in *ownWorksInput) (*ownWorksOutput, error) {
	r := works.OwnWorksRequest{Network: network.Name(in.Network), First: works.DefaultPage, After: in.After, Search: in.Search}
	if in.First != "" {
		r.First = int(min(number(in.First), works.MaxPage+1))
	}
	page, err := a.Registry.Works.OwnWorks(ctx, callerOf(ctx), r)
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
	if n := len(page.Works); n > 0 {
		first, last := page.Works[0].Cursor(), page.Works[n-1].Cursor()
		p.StartCursor, p.EndCursor = &first, &last
	}
	return out, nil
}

type ownInput struct {
	AtsID string `path:"id" doc:"The work's ats_id"`
}

type ownWorkOutput struct {
	Body wireWork
}

func (a *API) ownWork(ctx context.Context, _ *ownInput) (*ownWorkOutput, error) {
	w, err := a.Registry.Works.OwnWork(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &ownWorkOutput{Body: workOf(w)}, nil
}

func workOf(w works.OwnWork) wireWork {
	v := w.Latest()
	return wireWork{
		ID: w.ID, AtsID: w.AtsID, Network: string(w.Network), Owner: w.Owner, Title: w.Title, AssetFilename: v.Filename, HasFiles: v.HasFile,
		LatestVersion: v.Version, LatestCommitment: record.Hex(v.Commitment), CreatedAt: w.CreatedAt, LatestVersionAt: v.RegisteredAt,
		UpdatedAt: w.UpdatedAt, ExternalUserRef: w.ExternalUserRef, Versions: versionsOf(w.Versions),
	}
}

type ownVersionsOutput struct {
	Body struct {
		AtsID    int64         `json:"ats_id"`
		Versions []wireVersion `json:"versions" doc:"Oldest first"`
	}
}

func (a *API) ownVersions(ctx context.Context, in *ownInput) (*ownVersionsOutput, error) {
	v, err := a.Registry.Works.Versions(ctx, callerOf(ctx))
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

func (a *API) latestCreators(ctx context.Context, in *ownInput) (*ownCreatorsOutput, error) {
	return a.creatorsOf(ctx, in.AtsID, 0)
}

func (a *API) ownCreators(ctx context.Context, in *ownCreatorsInput) (*ownCreatorsOutput, error) {
	return a.creatorsOf(ctx, in.AtsID, version(in.Version))
}

// creatorsOf returns the creators of a version; version 0 is the latest.
func (a *API) creatorsOf(ctx context.Context, atsID string, version int64) (*ownCreatorsOutput, error) {
	v, err := a.Registry.Works.Version(ctx, callerOf(ctx), version)
	if err != nil {
		return nil, err
	}
	out := &ownCreatorsOutput{}
	out.Body.AtsID, out.Body.Version, out.Body.Creators = number(atsID), v.Version, stored(v.Creators)
	return out, nil
}

type downloadLatestInput struct {
	ID          string `path:"id" doc:"The work's id, a UUID"`
	What        string `path:"what" doc:"certificate or asset"`
	Transaction string `query:"transaction" doc:"For a certificate: the transaction that made it, if another session began it"`
}

type downloadVersionInput struct {
	ID      string `path:"id" doc:"The work's id, a UUID"`
	Version string `path:"v" doc:"From 1"`
	What    string `path:"what" doc:"certificate or audio"`
}

type downloadOutput struct {
	Body struct {
		URL       string    `json:"url" doc:"Anyone with this URL can read the file"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

func (a *API) downloadLatest(ctx context.Context, in *downloadLatestInput) (*downloadOutput, error) {
	return a.download(ctx, in.ID, 0, in.What, "asset", in.Transaction)
}

func (a *API) downloadVersion(ctx context.Context, in *downloadVersionInput) (*downloadOutput, error) {
	return a.download(ctx, in.ID, version(in.Version), in.What, "audio", "")
}

// version reads a version number in a path. An invalid one is -1, which matches no version:
// 0 would be the latest.
func version(text string) int64 {
	if n := number(text); n != 0 {
		return n
	}
	return -1
}

// download returns the URL of a file; recording is the route's word for the audio.
func (a *API) download(ctx context.Context, work string, version int64, what, recording, transaction string) (*downloadOutput, error) {
	id, ok := parseID(work)
	if !ok {
		id = "" // matches no work
	}
	var d works.Download
	var err error
	switch what {
	case "certificate":
		transaction, ok := parseID(transaction)
		if !ok {
			transaction = "" // matches no transaction
		}
		if d, err = a.Registry.Works.Certificate(ctx, callerOf(ctx), id, version, transaction); err == nil {
			err = unmade(callerOf(ctx))
		}
	case recording:
		d, err = a.Registry.Works.Recording(ctx, callerOf(ctx), id, version)
	default:
		return nil, fault.CommonNotFound().With("reason", "route")
	}
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

func downloadOf(d works.Download) *downloadOutput {
	out := &downloadOutput{}
	out.Body.URL, out.Body.ExpiresAt = d.URL, d.Expires
	return out
}
