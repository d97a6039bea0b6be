package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"timbre.example/internal/blob"
	stored "timbre.example/internal/files"
	"timbre.example/internal/store"
)

type worksFiles struct {
	adminFlags
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Store with the server's files: the same value as the server's --blob-url (default: ${default})."`
	s3Flags
}

// Help says what is compared, and what to do about a missing file.
func (worksFiles) Help() string {
	return `The command looks up each recording and certificate that the database names. It reads
no content, and changes nothing. It fails if a file is missing or has another size.
Copy such files from another backup, under the printed key. Without a copy of its
recording, a work stays registered and its certificate valid, but the recording
cannot be downloaded any more. "timbre works certificate" makes a certificate again.`
}

func (c *worksFiles) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok { // opening the store would create a missing folder
			if _, err := os.Stat(dir); err != nil {
				return wrongf("blob-url", "cannot find the server's files at %s: %s", dir, plainly(err))
			}
		}
		unserved := blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}}
		blobs, err := serverFlags{BlobURL: c.BlobURL, s3Flags: c.s3Flags}.openBlobs("http://localhost", make([]byte, 32), unserved)
		if err != nil {
			return err
		}
		defer blobs.Close()
		found := struct {
			Files   int64        `json:"files"`
			Missing []stored.Gap `json:"missing"`
		}{Missing: []stored.Gap{}}
		found.Files, err = stored.Missing(ctx, db, blobs, func(g stored.Gap) error {
			found.Missing = append(found.Missing, g)
			return nil
		})
		if err != nil {
			return err
		}
		if err := o.print(c.JSON, found, func(w io.Writer) {
			for _, g := range found.Missing {
				state := "is missing"
				if g.Found >= 0 {
					state = fmt.Sprintf("has %d bytes, and had %d", g.Found, g.Wanted)
				}
				fmt.Fprintf(w, "%s %d, version %d: its %s %s: %s\n", g.Network, g.AtsID, g.Version, g.Kind, state, g.Key)
			}
			fmt.Fprintf(w, "%s named by the database, %d missing\n", plural(int(found.Files), "file"), len(found.Missing))
		}); err != nil {
			return err
		}
		if n := len(found.Missing); n > 0 {
			return fmt.Errorf("%d of %s missing or of another size", n, plural(int(found.Files), "file"))
		}
		return nil
	})
}
