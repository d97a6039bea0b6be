package api

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/fault"
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

func (a *API) downloadLatest(ctx context.Context, by visitor, in *downloadLatestInput) (*downloadOutput, error) {
	return a.download(ctx, by, in.ID, 0, in.What, "asset", in.Transaction)
}

func (a *API) downloadVersion(ctx context.Context, by visitor, in *downloadVersionInput) (*downloadOutput, error) {
	return a.download(ctx, by, in.ID, version(in.Version), in.What, "audio", "")
}

type downloadByCodeInput struct {
	Code    string `path:"code" doc:"atc_ and 64 hex digits"`
	Version string `path:"v" doc:"From 1"`
	What    string `path:"what" doc:"certificate or audio"`
}

func (a *API) downloadByCode(ctx context.Context, c session.Caller, in *downloadByCodeInput) (*downloadOutput, error) {
	r, err := a.Registry.Access.ReaderByCode(ctx, c, in.Code)
	if err != nil {
		return nil, err
	}
	switch in.What {
	case "certificate":
		return a.certificate(ctx, c.Rehearse, r.Certificate(version(in.Version)))
	case "audio":
		return a.recording(ctx, r, version(in.Version))
	}
	return nil, fault.CommonNotFound().With("reason", "route")
}

// certificate returns the URL of a certificate, unless its caller rehearses that it is missing.
func (a *API) certificate(ctx context.Context, rehearse fault.Code, r access.CertificateReader) (*downloadOutput, error) {
	d, err := a.Registry.Works.Certificate(ctx, r)
	if err == nil {
		err = unmade(rehearse)
	}
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

// recording returns the URL of a version's audio; version 0 is the latest.
func (a *API) recording(ctx context.Context, r access.Reader, version int64) (*downloadOutput, error) {
	d, err := a.Registry.Works.Recording(ctx, r, version)
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

// download returns the URL of a file; recording is the route's word for the audio.
func (a *API) download(ctx context.Context, by visitor, work string, version int64, what, recording, transaction string) (*downloadOutput, error) {
	id, ok := parseID(work)
	if !ok {
		id = "" // matches no work
	}
	switch what {
	case "certificate":
		transaction, ok := parseID(transaction)
		if !ok {
			transaction = "" // matches no transaction
		}
		r, err := a.certificateReader(ctx, by, id, version, transaction)
		if err != nil {
			return nil, err
		}
		return a.certificate(ctx, by.rehearse, r)
	case recording:
		r, err := a.readerOfID(ctx, by, id)
		if err != nil {
			return nil, err
		}
		return a.recording(ctx, r, version)
	}
	return nil, fault.CommonNotFound().With("reason", "route")
}

func (a *API) certificateReader(ctx context.Context, by visitor, work string, version int64, transaction string) (access.CertificateReader, error) {
	if by.key == nil {
		return a.Registry.Access.CertificateReader(ctx, by.session, work, version, transaction)
	}
	r, err := a.Registry.Access.ReaderByKeyOfID(ctx, *by.key, work)
	return r.Certificate(version), err
}

func (a *API) readerOfID(ctx context.Context, by visitor, work string) (access.Reader, error) {
	if by.key == nil {
		return a.Registry.Access.ReaderOfOwnID(ctx, by.session, work)
	}
	return a.Registry.Access.ReaderByKeyOfID(ctx, *by.key, work)
}

func downloadOf(d works.Download) *downloadOutput {
	out := &downloadOutput{}
	out.Body.URL, out.Body.ExpiresAt = d.URL, d.Expires
	return out
}
