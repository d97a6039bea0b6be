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

	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
)

type worksRedact struct {
	adminFlags
	AtsID   int64  `arg:"" example:"44" name:"ats-id" help:"The work's registration number."`
	Network string `example:"testnet" enum:"testnet,mainnet" required:"" placeholder:"NAME" help:"testnet or mainnet."`
	Yes     bool   `help:"Erase it. Without this flag the command only shows what would be erased."`
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Where the server keeps its files: the value of its own --blob-url (default: ${default})."`
	s3Flags
}

// Help says what it is, and what it is not.
func (worksRedact) Help() string {
	return `Erased are the title, the creators, file names, the end-user's reference, the
access code, the hash of the recording, and every file of the work, of all of its
versions. The commitment, its place on the network and its versions stay, so
whoever holds a certificate or evidence can still prove the work; nobody can get
another one. It cannot be undone. Backups are yours to erase: docs/privacy.md.`
}

func (c *worksRedact) Run(o *output) error {
	log := slog.New(slog.NewTextHandler(o.err, nil))
	return c.with(func(ctx context.Context, db *store.DB) error {
		if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok { // whose files would else be erased from a folder that is made for it
			if _, err := os.Stat(dir); err != nil {
				return wrongf("blob-url", "the server's files are not at %s: %s", dir, plainly(err))
			}
		}
		// Nothing is served from here.
		unserved := blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}}
		files, err := serverFlags{BlobURL: c.BlobURL, s3Flags: c.s3Flags}.openBlobs("http://localhost", make([]byte, 32), unserved)
		if err != nil {
			return err
		}
		defer files.Close()
		reg := registry.New(registry.Config{DB: db, Blobs: files, Times: registry.DefaultTimes(), Log: log})
		do := reg.Redactable
		if c.Yes {
			do = reg.Redact
		}
		r, err := do(ctx, network.Name(c.Network), c.AtsID)
		if err != nil {
			return err
		}
		if c.Yes { // the operator's record of it, in which nobody is named
			log.Info("work redacted", "network", r.Network, "ats_id", r.AtsID, "work", r.WorkID, "versions", r.Versions, "jobs", r.Jobs, "files", len(r.Objects), "redacted_at", r.At)
		}
		return o.print(c.JSON, r, func(w io.Writer) { c.tell(w, r) })
	})
}

func (c *worksRedact) tell(w io.Writer, r registry.Redaction) {
	if !r.At.IsZero() {
		fmt.Fprintf(w, "Work %d on %s was redacted on %s. Its %s and their place on the network stay.\n", r.AtsID, r.Network, r.At.Format(time.RFC3339), plural(r.Versions, "version"))
		return
	}
	fmt.Fprintf(w, "Work %d on %s would lose, in %s and %s:\n  title     %s\n  creators  %s\n  files     %s\n"+
		"and file names, end-user, access codes and the hashes of its recordings. Nothing was erased: add --yes to do it, for good.\n",
		r.AtsID, r.Network, plural(r.Versions, "version"), plural(r.Jobs, "job"), oneLine(r.Title), strings.Join(lines(r.Creators), "\n            "), strings.Join(r.Objects, "\n            "))
}

// lines are texts of which each stays one line.
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
