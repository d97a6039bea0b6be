package api

import (
	"context"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/works"
)

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

func (a *API) downloadLatest(ctx context.Context, c session.Caller, in *downloadLatestInput) (*downloadOutput, error) {
	return a.download(ctx, c, in.ID, 0, in.What, "asset", in.Transaction)
}

func (a *API) downloadVersion(ctx context.Context, c session.Caller, in *downloadVersionInput) (*downloadOutput, error) {
	return a.download(ctx, c, in.ID, version(in.Version), in.What, "audio", "")
}

type downloadByCodeInput struct {
	Version string `path:"v" doc:"From 1"`
	What    string `path:"what" doc:"certificate or audio"`
}

func (a *API) downloadByCode(ctx context.Context, c session.Caller, in *downloadByCodeInput) (*downloadOutput, error) {
	var d works.Download
	var err error
	switch in.What {
	case "certificate":
		if d, err = a.Registry.Works.CertificateByCode(ctx, c, version(in.Version)); err == nil {
			err = unmade(c)
		}
	case "audio":
		d, err = a.Registry.Works.RecordingByCode(ctx, c, version(in.Version))
	default:
		err = fault.CommonNotFound().With("reason", "route")
	}
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

// download returns the URL of a file; recording is the route's word for the audio.
func (a *API) download(ctx context.Context, c session.Caller, work string, version int64, what, recording, transaction string) (*downloadOutput, error) {
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
		if d, err = a.Registry.Works.Certificate(ctx, c, id, version, transaction); err == nil {
			err = unmade(c)
		}
	case recording:
		d, err = a.Registry.Works.Recording(ctx, c, id, version)
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
