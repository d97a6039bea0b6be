package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
)

// ownLogFlags name a log of this server.
type ownLogFlags struct {
	databaseFlag
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Store with the server's files: the same value as the server's --blob-url. The checkpoints are there if it is a bucket (default: ${default})."`
	s3Flags
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The server's secret file; the log's keys are derived from it (default: ${default})."`
	checkpointFlag
	Network string `example:"testnet" enum:"${network_names}" default:"mainnet" placeholder:"NAME" help:"${networks} (default: ${default})."`
	networkURLFlag
	JSON bool `help:"Print JSON."`
}

// change opens the log, calls change unless it is nil, and prints the key page.
func (c *ownLogFlags) change(o *output, change func(context.Context, network.Rekeyed) error) error {
	ctx := context.Background()
	f := serverFlags{databaseFlag: c.databaseFlag, BlobURL: c.BlobURL, s3Flags: c.s3Flags, SecretFile: c.SecretFile, checkpointFlag: c.checkpointFlag, networkFlags: networkFlags{Network: c.NetworkURL}}
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return err
	}
	for _, check := range []func() error{c.networkURLFlag.validate, f.validateCheckpoints, f.validateBlobs} {
		if err := check(); err != nil {
			return err
		}
	}
	if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok {
		if _, err := os.Stat(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return wrongf("blob-url", "cannot find the server's files at %s: %s", dir, plainly(err))
		}
	}
	db, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer db.Close()
	if behind, err := db.Pending(ctx); err != nil {
		return err
	} else if behind != 0 {
		return errors.New("the database belongs to another release: run `timbre migrate` of the release that the server runs")
	}
	d := networkDeps{db: db, root: root, place: openPlace, log: slog.New(slog.NewTextHandler(o.err, nil))}
	if change != nil {
		d.place = createPlace
	}
	n, closer, err := f.openNetwork(ctx, network.Name(c.Network), d)
	if err != nil {
		return err
	}
	defer closer.Close()
	l, ok := n.(network.Rekeyed)
	if !ok {
		return fmt.Errorf("network %s: this kind of network has no keys of this server", n.Name())
	}
	if change != nil {
		if err := change(ctx, l); err != nil {
			return err
		}
	}
	page, err := l.KeyPage(ctx)
	if err != nil {
		return err
	}
	return o.print(c.JSON, keysReport(page), func(w io.Writer) {
		for _, k := range keysReport(page).Keys {
			until := "counts now"
			if k.Until != nil {
				until = fmt.Sprintf("counts until %s", plural64(*k.Until, "entry", "entries"))
			}
			fmt.Fprintf(w, "%-12s %d, fingerprint %s, after %s, %s\n%-12s %s\n", "key", k.Number, k.Fingerprint, plural64(k.After, "entry", "entries"), until, "", k.Key)
		}
		if last, ended := page.Ended(); ended {
			fmt.Fprintf(w, "%-12s after %s\n", "ended", plural64(last.N, "entry", "entries"))
		}
	})
}

// reportedKeys is a key page for programs.
type reportedKeys struct {
	Origin string        `json:"origin"`
	Keys   []reportedKey `json:"keys"`
	Ended  bool          `json:"ended"`
}

type reportedKey struct {
	Number      int    `json:"number"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	// After is the size after which the key counts, and Until the last size for which it does.
	After int64  `json:"after"`
	Until *int64 `json:"until,omitempty"`
}

func keysReport(p evidence.KeyPage) reportedKeys {
	r := reportedKeys{Origin: p.Origin}
	_, r.Ended = p.Ended()
	for _, c := range p.Changes {
		if c.Kind == evidence.ChangeEnd {
			continue
		}
		k := reportedKey{Number: len(r.Keys) + 1, Key: c.Key, Fingerprint: evidence.Fingerprint(c.Key), After: c.After.N}
		if size, open := p.Until(c.Key); !open {
			k.Until = &size
		}
		r.Keys = append(r.Keys, k)
	}
	return r
}

// logRotate lets a new key sign a log.
type logRotate struct {
	ownLogFlags
	To int `example:"2" placeholder:"NUMBER" help:"Number of the key that signs from now on: one more than that of the current key. Without this flag the command changes nothing, and prints the keys."`
}

// Help says what happens, and that a retry is safe.
func (logRotate) Help() string {
	return `The current key and the new one sign a note: the new key signs all blocks after the newest
one. The note is added to the key page of the log, which the server serves under
/log/NAME/keys. The log keeps its name.

The command needs the whole secret, or a file with both keys. It can run beside the server.
Processes that have the new key continue at once. Others make no block until they have it.
After an error, repeat the command: a change that was made is not made twice.

Exit codes:
  0  the key with this number signs, or a later one
  1  the key was not changed, or the change is staged: repeat the command
  2  a flag or an argument is wrong`
}

func (c *logRotate) Run(o *output) error {
	if c.To < 0 || c.To > maxLogKey {
		return wrongf("to", "must be a number from 2 to %d", maxLogKey)
	}
	if c.To == 0 {
		return c.change(o, nil)
	}
	return c.change(o, func(ctx context.Context, l network.Rekeyed) error { return l.Rotate(ctx, c.To) })
}

// logEnd ends a log.
type logEnd struct {
	ownLogFlags
	Apply bool `help:"End the log. Without this flag the command changes nothing, and prints the keys."`
}

// Help says that an end is for ever.
func (logEnd) Help() string {
	return `The key of the log signs that no block follows the newest one. This is for ever: every
reader of the log then refuses a larger tree. Registrations that have no block yet are
refused, and their credits are given back; new ones are refused. Everything else stays: the
server serves works, certificates and the log as before.

Exit codes:
  0  the log has ended
  1  the log has not ended, or its end is staged: repeat the command
  2  a flag or an argument is wrong`
}

func (c *logEnd) Run(o *output) error {
	if !c.Apply {
		return c.change(o, nil)
	}
	return c.change(o, func(ctx context.Context, l network.Rekeyed) error { return l.End(ctx) })
}
