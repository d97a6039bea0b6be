package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Work is a registered work.
type Work struct {
	ID               string    `json:"id"`
	AtsID            int64     `json:"ats_id"`
	Network          Network   `json:"network"`
	Title            string    `json:"title"`
	AssetFilename    string    `json:"asset_filename"`
	HasFiles         bool      `json:"has_files"`
	LatestVersion    int64     `json:"latest_version"`
	LatestCommitment string    `json:"latest_commitment"`
	CreatedAt        time.Time `json:"created_at"`
	LatestVersionAt  time.Time `json:"latest_version_at"`
	UpdatedAt        time.Time `json:"updated_at"`
	// ExternalUserRef is nil for a work of no end-user.
	ExternalUserRef *string   `json:"external_user_ref"`
	Versions        []Version `json:"versions"`
}

// Version is one version of a work. Hashes are 0x and 64 hex digits.
type Version struct {
	Version       int64     `json:"version"`
	Commitment    string    `json:"commitment"`
	AssetFilename string    `json:"asset_filename"`
	BlockNumber   int64     `json:"registered_at_block"`
	RegisteredAt  time.Time `json:"registered_at"`
	MediaHash     string    `json:"media_hash"`
	BlockHash     string    `json:"block_hash"`
	TxHash        string    `json:"tx_hash"`
	// Fee is the whole price in credits, and StorageFee its part for storage.
	Fee        int64 `json:"fee_credits"`
	StorageFee int64 `json:"storage_fee_credits"`
}

// WorksQuery chooses works of a list. The zero value chooses all works that the key reaches.
type WorksQuery struct {
	Network         Network
	ExternalUserRef string
	// Search is a part of the title, in any case.
	Search string
	// Page is the number of works of one call, 1 to 100; 0: 100.
	Page int
}

// Works lists works, the last changed first. It calls the server for each page when the loop needs it. The first error is
// the last element. It needs the scope works:read, as the other reads do.
func (c *Client) Works(ctx context.Context, q WorksQuery) iter.Seq2[Work, error] {
	return func(yield func(Work, error) bool) {
		query := url.Values{"first": {strconv.Itoa(q.Page)}}
		if q.Page == 0 {
			query.Set("first", "100")
		}
		for name, value := range map[string]string{"network": string(q.Network), "external_user_ref": q.ExternalUserRef, "search": q.Search} {
			if value != "" {
				query.Set(name, value)
			}
		}
		for {
			var page worksPage
			if err := c.ask(ctx, request{operation: opWorks, query: query}, &page); err != nil {
				yield(Work{}, err)
				return
			}
			for _, w := range page.Works {
				if !yield(w, nil) {
					return
				}
			}
			if !page.PageInfo.HasNextPage || page.PageInfo.EndCursor == nil {
				return
			}
			query.Set("after", *page.PageInfo.EndCursor)
		}
	}
}

// Work reads one work by its registration number. As in the other reads, network may be empty if one network alone has the
// number.
func (c *Client) Work(ctx context.Context, network Network, atsID int64) (*Work, error) {
	var w Work
	if err := c.ask(ctx, request{operation: opWork, path: []any{atsID}, query: on(network)}, &w); err != nil {
		return nil, err
	}
	return &w, nil
}

// Versions lists the versions of a work, the oldest first.
func (c *Client) Versions(ctx context.Context, network Network, atsID int64) ([]Version, error) {
	var v versions
	err := c.ask(ctx, request{operation: opVersions, path: []any{atsID}, query: on(network)}, &v)
	return v.Versions, err
}

// Creators lists the creators of a version, which counts from 1.
func (c *Client) Creators(ctx context.Context, network Network, atsID, version int64) ([]Creator, error) {
	var out creators
	err := c.ask(ctx, request{operation: opCreators, path: []any{atsID, version}, query: on(network)}, &out)
	return out.Creators, err
}

// Evidence returns the evidence of a version, the bytes of a JSON document; version 0 is the latest. Package
// timbre.example/proof/evidence verifies it.
func (c *Client) Evidence(ctx context.Context, network Network, atsID, version int64) ([]byte, error) {
	if c.config.APIKey == "" {
		return nil, errors.New("client: this call needs Config.APIKey")
	}
	query := on(network)
	if version != 0 {
		query.Set("version", strconv.FormatInt(version, 10))
	}
	text, err := c.call(ctx, request{operation: opEvidence, path: []any{atsID}, query: query, token: c.config.APIKey})
	if err == nil && !object(text) {
		return nil, fmt.Errorf("%s: %w", opEvidence.name(), errAnother)
	}
	return text, err
}

func on(n Network) url.Values {
	if n == "" {
		return url.Values{}
	}
	return url.Values{"network": {string(n)}}
}

// Certificate writes the certificate of a version, a PDF, to w. workID is the UUID of the work, and version counts from 1.
// The server makes a certificate after a version is final: Certificate asks again while it is unavailable, within
// [Config.Wait]. It writes to w once, when the file is complete.
func (c *Client) Certificate(ctx context.Context, workID string, version int64, w io.Writer) error {
	return c.download(ctx, workID, version, "certificate", w)
}

// Audio writes the stored recording of a version to w. After an error w may have a part of it.
func (c *Client) Audio(ctx context.Context, workID string, version int64, w io.Writer) error {
	return c.download(ctx, workID, version, "audio", w)
}

func (c *Client) download(ctx context.Context, workID string, version int64, what string, w io.Writer) error {
	left := c.config.Wait
	for pause := time.Second; ; pause = min(2*pause, 8*time.Second) {
		err := c.repeat(ctx, func(ctx context.Context) error { return c.fetch(ctx, workID, version, what, w) })
		if err == nil || !errors.Is(err, &Error{Code: CodeWorkCertificateUnavailable}) || pause > left {
			return err
		}
		left -= pause
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// fetch asks for the URL of a file and reads the file. After w has received a byte, an error is a final one.
func (c *Client) fetch(ctx context.Context, workID string, version int64, what string, w io.Writer) error {
	var d download
	if err := c.ask(ctx, request{operation: opDownload, path: []any{workID, version, what}}, &d); err != nil {
		return &final{err} // ask has waited already
	}
	ctx, alive, stop := watch(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return &final{errors.New("the server gave a URL that is not one")}
	}
	if what == "certificate" { // small: it is written when it is whole
		body, err := c.answer(req, maxAnswer)
		if err != nil {
			return fmt.Errorf("download the certificate: %w", err)
		}
		if !bytes.HasPrefix(body, []byte("%PDF-")) {
			return &final{errors.New("download the certificate: the answer is not a PDF")}
		}
		if _, err := w.Write(body); err != nil {
			return &final{err}
		}
		return nil
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("download the %s: %w", what, plain(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("download the %s: %w", what, refusal(res))
	}
	if n, err := io.Copy(w, &counted{res.Body, func(int64) { alive() }}); err != nil {
		if err = fmt.Errorf("download the %s: %w", what, err); n > 0 {
			return &final{err}
		}
		return err
	}
	return nil
}
