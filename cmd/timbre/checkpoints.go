package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// checkpointFlag says where the newest checkpoints are kept.
type checkpointFlag struct {
	LogCheckpoint string `env:"TIMBRE_LOG_CHECKPOINT" example:"file:data/checkpoints" placeholder:"URL" secret:"after-scheme" help:"Where the newest checkpoint of each log is kept outside of the database, so that a restored backup cannot fork the log: file:DIR, blobs: (an object in the bucket of --blob-url), or postgres://USER@HOST/NAME (another database). Never restore it with a backup (default: blobs: with a bucket, else file: and the directory checkpoints beside the secret file)."`
}

// clockFlag says how far the clock may be wrong.
type clockFlag struct {
	NetworkClockTolerance time.Duration `env:"TIMBRE_NETWORK_CLOCK_TOLERANCE" example:"1m" default:"1m" placeholder:"TIME" help:"No block is made while the newest one lies in the future by more than this, nor for a minute after the clock jumped ahead by more (default: ${default})."`
}

// inBucket says whether uploads are kept in a bucket.
func (f serverFlags) inBucket() bool { return !strings.HasPrefix(f.BlobURL, "file:") }

// checkpointURL is where checkpoints are kept, by the flag or by what else is used.
func (f serverFlags) checkpointURL() string {
	switch {
	case f.LogCheckpoint != "":
		return f.LogCheckpoint
	case f.inBucket():
		return "blobs:"
	}
	return "file:" + filepath.Join(filepath.Dir(f.SecretFile), "checkpoints")
}

// checkpointPlace is the same for people: a password is not shown.
func (f serverFlags) checkpointPlace() string { return disclosed("after-scheme", f.checkpointURL()) }

// validateCheckpoints checks what can be checked without asking anybody.
func (f serverFlags) validateCheckpoints() error {
	at := f.checkpointURL()
	scheme, rest, _ := strings.Cut(at, ":")
	switch {
	case scheme == "file" && rest != "":
		return nil
	case at == "blobs:" && !f.inBucket():
		return wrongf("log-checkpoint", "blobs: needs --blob-url to name a bucket (s3:). A folder is named with file:DIR")
	case at == "blobs:":
		return nil
	case scheme == "postgres" || scheme == "postgresql":
		other, err := pgx.ParseConfig(at)
		if err != nil {
			return wrongf("log-checkpoint", "this is not the URL of a Postgres database")
		}
		if same, err := f.sameDatabase(other); err != nil {
			return err
		} else if same {
			return wrongf("log-checkpoint", "must be another database than --database-url: what is restored with the database shows nothing")
		}
		return nil
	}
	return wrongf("log-checkpoint", "must be file:DIR, blobs: or postgres://USER@HOST/NAME")
}

// sameDatabase says whether other is the database of --database-url.
func (f serverFlags) sameDatabase(other *pgx.ConnConfig) (bool, error) {
	own, _, err := f.databaseFlag.url()
	if err != nil {
		return false, err
	}
	c, err := pgx.ParseConfig(own)
	if err != nil || strings.HasPrefix(own, "sqlite:") {
		return false, nil
	}
	return c.Host == other.Host && c.Port == other.Port && c.Database == other.Database, nil
}

// checkpoints opens the place where checkpoints are kept, and says how to let go of
// it. A folder is made only if make says so. An object store is asked whether it keeps
// to conditions, if it answers.
func (f serverFlags) checkpoints(ctx context.Context, log *slog.Logger, make bool) (checkpoint.Store, io.Closer, error) {
	at := f.checkpointURL()
	switch dir, isFile := strings.CutPrefix(at, "file:"); {
	case isFile:
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !make {
			return checkpoint.Dir(dir), nothing{}, nil
		}
		if err := checkpoint.Dir(dir).Probe(); err != nil {
			return nil, nil, wrongf("log-checkpoint", "%s cannot be made or written: %s", dir, plainly(err))
		}
		return checkpoint.Dir(dir), nothing{}, nil
	case at == "blobs:":
		s, err := f.openS3()
		if err != nil {
			return nil, nil, err
		}
		objects := bucketCheckpoints(s, f.BlobURL)
		if err := objects.Probe(ctx); errors.Is(err, checkpoint.ErrIgnored) {
			s.Close()
			return nil, nil, wrongf("log-checkpoint", "the object store ignores the conditions of a write (If-Match, If-None-Match). Name a folder that is not restored with the database (file:DIR), or another Postgres database")
		} else if err != nil {
			log.WarnContext(ctx, "the place of the log's checkpoints does not answer: no block is made until it does", "error", err)
		}
		return objects, s, nil
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, nil, wrongf("log-checkpoint", "this is not a URL")
	}
	p, err := checkpoint.NewPostgres(at, "the database "+strings.TrimPrefix(u.Path, "/")+" on "+u.Host)
	if err != nil {
		return nil, nil, wrongf("log-checkpoint", "%s", err)
	}
	return p, p, nil
}

// guard lets a log make blocks, or says why it makes none. A log that is stopped is no
// reason not to start: reads go on.
func guard(ctx context.Context, l *netlog.Log, log *slog.Logger) {
	err := l.Guard(ctx)
	if _, stopped := errors.AsType[*netlog.Stop](err); err != nil && !stopped { // its place does not answer
		log.ErrorContext(ctx, "no block is made until this is over", "network", l.Name(), "error", err)
	}
}

// endSessions ends the sessions that a database remembers which went back: a token that
// was spent or revoked since the copy would work again.
func endSessions(db *store.DB, log *slog.Logger) func(context.Context) error {
	const together = 10_000
	return func(ctx context.Context) error {
		var all int64
		for n := int64(1); n > 0; all += n {
			if err := db.Tx(ctx, func(tx *store.Tx) (err error) {
				n, err = tx.EndSessions(ctx, query.EndSessionsParams{Now: store.Micros(tx.Now), Lim: together})
				return err
			}); err != nil {
				return err
			}
		}
		log.WarnContext(ctx, "every session of this database was ended: "+afterRestore, "sessions", all)
		return nil
	}
}

// logMetrics tell whether logs are stopped, and how often the clock jumped.
func logMetrics(logs map[network.Name]*netlog.Log) (all []prometheus.Collector) {
	for name, l := range logs {
		labels := prometheus.Labels{"network": string(name)}
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "timbre_log_stopped", ConstLabels: labels, Help: "1 while no block is made: the database or the clock went back, or the clock ahead. The log of the server and timbre doctor say why.",
		}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if l.Stopped(ctx) != nil {
				return 1
			}
			return 0
		}), prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "timbre_clock_jumps_total", ConstLabels: labels, Help: "How often the sequencer saw the clock of its machine jump by more than 5 seconds.",
		}, func() float64 { return float64(l.ClockJumps()) }))
	}
	return all
}

// afterRestore is what else went back with a database.
const afterRestore = "what was changed after the copy is as it was before: access codes that were replaced, keys that were disabled or deleted, suspended organizations, erased works and credits. Go through them (docs/operating.md)"

// bucketCheckpoints keeps checkpoints in a bucket, whose name is all that is said of
// its URL.
func bucketCheckpoints(s *blob.S3, blobURL string) checkpoint.Objects {
	o, err := parseS3(blobURL)
	name := "the bucket " + o.Bucket
	if err == nil && o.Prefix != "" {
		name += " under " + o.Prefix
	}
	return checkpoint.Objects{Bucket: s, Name: name}
}

// nothing has nothing to close.
type nothing struct{}

func (nothing) Close() error { return nil }
