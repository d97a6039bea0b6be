package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"timbre.example/internal/blob"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A Gap is a file that a version names and the store does not have as it was.
type Gap struct {
	Network string `json:"network"`
	AtsID   int64  `json:"ats_id"`
	Version int64  `json:"version"`
	// Kind is recording or certificate.
	Kind string `json:"kind"`
	Key  string `json:"key"`
	// Found is the size in the store, in bytes; -1: the store has no such file.
	Found int64 `json:"found"`
	// Wanted is the size of a recording, in bytes; 0 for a certificate, of which no size is
	// recorded.
	Wanted int64 `json:"wanted,omitempty"`
}

// What Missing reads at once: rows of the database, and answers of the store.
const (
	missingPage    = 1000
	missingAtATime = 16
)

// Missing compares the recordings and certificates that versions name with the store. It calls
// gap for each one that the store lacks, or has in another size; never twice at once. It
// returns the number of files that it looked at, and reads no content. Files of unpaid jobs
// are left out: their clients send them again.
func Missing(ctx context.Context, db *store.DB, blobs blob.Store, gap func(Gap) error) (looked int64, err error) {
	defer operation.Wrap(&err, "compare the store with the versions")
	var one sync.Mutex
	last := query.VersionFilesParams{Lim: missingPage}
	for {
		rows, err := db.Read().VersionFiles(ctx, last)
		if err != nil || len(rows) == 0 {
			return looked, err
		}
		group, inside := errgroup.WithContext(ctx)
		group.SetLimit(missingAtATime)
		for _, v := range rows {
			var media record.Media
			if v.AssetKey != "" {
				if err := json.Unmarshal([]byte(v.Media), &media); err != nil {
					return looked, fmt.Errorf("version %d of work %d: %w", v.Version, v.AtsID, err)
				}
			}
			for _, g := range []Gap{{Kind: "recording", Key: v.AssetKey, Wanted: media.Size}, {Kind: "certificate", Key: v.CertificateKey}} {
				if g.Key == "" { // without a file, erased, or not made yet
					continue
				}
				looked++
				group.Go(func() error {
					info, err := blobs.Stat(inside, g.Key)
					g.Network, g.AtsID, g.Version, g.Found = v.Network, v.AtsID, v.Version, info.Size
					switch {
					case errors.Is(err, blob.ErrNotFound):
						g.Found = -1
					case err != nil:
						return err
					case g.Wanted == info.Size || g.Wanted == 0 && info.Size > 0:
						return nil
					}
					one.Lock()
					defer one.Unlock()
					return gap(g)
				})
			}
		}
		if err := group.Wait(); err != nil {
			return looked, err
		}
		end := rows[len(rows)-1]
		last.WorkID, last.Version = end.WorkID, end.Version
	}
}
