package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/erasing"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
)

type worksRedact struct {
	adminFlags
	AtsID   int64  `arg:"" example:"44" name:"ats-id" help:"The work's registration number."`
	Network string `example:"testnet" enum:"${network_names}" required:"" placeholder:"NAME" help:"${networks}."`
	Yes     bool   `help:"Erase the data. Without this flag the command only shows what it would erase."`
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Store with the server's files: the same value as the server's --blob-url (default: ${default})."`
	s3Flags
}

// Help says what is erased, and what stays.
func (worksRedact) Help() string {
	return `This command erases data of all versions of a work: the title, the creators, file
names, the end-user's reference, the access code, the file hash (SHA-256) of the
recording, and every file. It cannot be undone.

The commitment, its place on the network and the version numbers stay. So an
existing certificate or evidence still proves the work, but no new one can be
made. Erase the data in your backups too: docs/privacy.md.`
}

func (c *worksRedact) Run(o *output) error {
	log := slog.New(slog.NewTextHandler(o.err, nil))
	return c.with(func(ctx context.Context, db *store.DB) error {
		if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok { // opening the store would create a missing folder, and erase nothing in it
			if _, err := os.Stat(dir); err != nil {
				return wrongf("blob-url", "cannot find the server's files at %s: %s", dir, plainly(err))
			}
		}
		// This process serves no files, so it renders no errors.
		unserved := blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}}
		files, err := serverFlags{BlobURL: c.BlobURL, s3Flags: c.s3Flags}.openBlobs("http://localhost", make([]byte, 32), unserved)
		if err != nil {
			return err
		}
		defer files.Close()
		reg := registry.New(registry.Config{DB: db, Blobs: files, Times: registry.DefaultTimes(), Log: log})
		do := reg.Erasing.Redactable
		if c.Yes {
			do = func(ctx context.Context, n network.Name, atsID int64) (erasing.Redaction, error) {
				return reg.Erasing.Redact(ctx, audit.CommandLine(), n, atsID)
			}
		}
		r, err := do(ctx, network.Name(c.Network), c.AtsID)
		if err != nil {
			return err
		}
		if c.Yes { // a record for the operator, without personal data
			log.Info("work redacted", "network", r.Network, "ats_id", r.AtsID, "work", r.WorkID, "versions", r.Versions, "jobs", r.Jobs, "files", len(r.Objects), "redacted_at", r.At)
		}
		return o.print(c.JSON, r, func(w io.Writer) { c.tell(w, r) })
	})
}

func (c *worksRedact) tell(w io.Writer, r erasing.Redaction) {
	if !r.At.IsZero() {
		fmt.Fprintf(w, "The data of work %d on %s was erased on %s. Its %s and their place on the network stay.\n", r.AtsID, r.Network, r.At.Format(time.RFC3339), plural(r.Versions, "version"))
		return
	}
	fmt.Fprintf(w, "This would be erased from work %d on %s, in %s and %s:\n  title     %s\n  creators  %s\n  files     %s\n"+
		"and file names, the end-user, access codes and the file hashes of its recordings. Nothing was erased. To erase it for good, add --yes.\n",
		r.AtsID, r.Network, plural(r.Versions, "version"), plural(r.Jobs, "job"), oneLine(r.Title), strings.Join(lines(r.Creators), "\n            "), strings.Join(r.Objects, "\n            "))
}

// lines makes each text fit on one line.
func lines(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = oneLine(text)
	}
	return out
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
