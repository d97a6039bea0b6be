package main

import (
	"context"
	"crypto/ed25519"
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

	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/outbound"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// checkpointFlag is the place where the newest checkpoint of each log is stored.
type checkpointFlag struct {
	LogCheckpoint string `env:"TIMBRE_LOG_CHECKPOINT" example:"file:data/checkpoints" placeholder:"URL" secret:"after-scheme" help:"Where the newest checkpoint of each log is stored outside of the database: file:DIR, blobs: (the bucket of --blob-url) or postgres://USER@HOST/NAME (another database). It keeps a restored backup from forking the log, so never restore it with a backup (default: blobs: with a bucket, otherwise the directory checkpoints beside the secret file)."`
}

// clockFlag is how far the clock may be wrong.
type clockFlag struct {
	NetworkClockTolerance time.Duration `env:"TIMBRE_NETWORK_CLOCK_TOLERANCE" example:"1m" default:"1m" placeholder:"TIME" help:"Largest error of the clock. The log makes no block while its newest block is further in the future, and for a minute after the clock jumped ahead further (default: ${default})."`
}

// witnessesFlags name the witnesses of the logs.
type witnessesFlags struct {
	LogWitnesses      []policyFile  `env:"TIMBRE_LOG_WITNESSES" example:"mainnet=/etc/timbre/witnesses" placeholder:"NAME=FILE" help:"Witnesses that cosign the checkpoints of the log NAME: a policy (c2sp.org/tlog-policy) with an address for each witness. Repeat the flag for each log, or separate logs by commas. Give all processes the same."`
	LogWitnessTimeout time.Duration `env:"TIMBRE_LOG_WITNESS_TIMEOUT" example:"1m" default:"1m" placeholder:"TIME" help:"How long a certificate, and the published checkpoint, wait for a quorum of the witnesses, at most 1h. Then they are made without it, and say so; 0s does not wait (default: ${default})."`
	LogWitnessAllow   proxies       `env:"TIMBRE_LOG_WITNESS_ALLOW" example:"10.1.0.0/16,127.0.0.0/8" placeholder:"CIDRS" help:"Networks in which witnesses may be beside public addresses, separated by commas. Witnesses there may use http and any port. Without this flag, a witness needs https and a public address."`
}

// validateWitnesses checks the flags without a connection.
func (f serverFlags) validateWitnesses() error {
	if f.LogWitnessTimeout < 0 || f.LogWitnessTimeout > time.Hour {
		return wrongf("log-witness-timeout", "must be between 0s and 1h")
	}
	seen := map[network.Name]bool{}
	for _, one := range f.LogWitnesses {
		if seen[one.network] {
			return wrongf("log-witnesses", "names %s twice", one.network)
		}
		seen[one.network] = true
		if at, ok := f.address(one.network); !ok || at.URL != builtIn {
			return wrongf("log-witnesses", "%s is not a built-in log of this server", one.network)
		}
		if err := netlog.CheckWitnesses(one.policy); err != nil {
			return wrongf("log-witnesses", "%s: %s", one.path, err)
		}
	}
	return nil
}

// witnesses returns the witnesses of each log.
func (f serverFlags) witnesses() map[network.Name]*netlog.Witnesses {
	all := map[network.Name]*netlog.Witnesses{}
	for _, one := range f.LogWitnesses {
		all[one.network] = &netlog.Witnesses{
			Policy: one.policy, Timeout: f.LogWitnessTimeout,
			Client: outbound.NewPolicy(f.LogWitnessAllow).Client(witnessConnections, 1),
		}
	}
	return all
}

// witnessConnections is how many idle connections to witnesses of one log are kept.
const witnessConnections = 16

// builtIn is the URL of the built-in log, and builtInKind its scheme.
const (
	builtIn     = netlog.URL
	builtInKind = "log"
)

// logKind links the built-in log in. This is the only file that names it.
func logKind(ctx context.Context, f serverFlags, d networkDeps) (network.Kind, io.Closer, error) {
	k := &netlog.Kind{
		DB: d.db, Host: d.host, Makes: d.makes, AfterRestore: afterRestore, WentBack: endSessions(d.db, d.log), Events: d.events, Logger: d.log,
		Key: func(n network.Name) ([]byte, ed25519.PublicKey) {
			return d.root.key(purposeLog(n)), d.root.key(purposeLog(n) + public)
		},
		NextKey:   func(n network.Name, number int) []byte { return d.root.key(purposeLogKey(n, number)) },
		BlockTime: f.NetworkBlockTime, Silence: f.NetworkSilence, ClockTolerance: f.NetworkClockTolerance, Remember: f.SettingsMaxAge, Witnesses: f.witnesses(),
	}
	if d.place == leavePlace || !f.uses(builtInKind) {
		return faulty(k), nothing{}, nil
	}
	kept, closer, err := f.checkpoints(ctx, d.log, d.place == createPlace)
	if err != nil {
		return nil, nil, err
	}
	k.Checkpoints = kept
	return faulty(k), closer, nil
}

// inBucket reports whether uploads are stored in a bucket.
func (f serverFlags) inBucket() bool { return !strings.HasPrefix(f.BlobURL, "file:") }

// checkpointURL returns the place of the checkpoints: the flag's, or the default.
func (f serverFlags) checkpointURL() string {
	switch {
	case f.LogCheckpoint != "":
		return f.LogCheckpoint
	case f.inBucket():
		return "blobs:"
	}
	return "file:" + filepath.Join(filepath.Dir(f.SecretFile), "checkpoints")
}

// checkpointPlace returns checkpointURL for messages, without a password.
func (f serverFlags) checkpointPlace() string { return disclosed("after-scheme", f.checkpointURL()) }

// validateCheckpoints checks the flag without a connection to the place.
func (f serverFlags) validateCheckpoints() error {
	at := f.checkpointURL()
	scheme, rest, _ := strings.Cut(at, ":")
	switch {
	case scheme == "file" && rest != "":
		return nil
	case at == "blobs:" && !f.inBucket():
		return wrongf("log-checkpoint", "blobs: needs a bucket (s3:) in --blob-url. For a folder, use file:DIR")
	case at == "blobs:":
		return nil
	case scheme == "postgres" || scheme == "postgresql":
		other, err := pgx.ParseConfig(at)
		if err != nil {
			return wrongf("log-checkpoint", "is not a valid URL of a Postgres database")
		}
		if same, err := f.sameDatabase(other); err != nil {
			return err
		} else if same {
			return wrongf("log-checkpoint", "must be another database than --database-url: a checkpoint that is restored with the database proves nothing")
		}
		return nil
	}
	return wrongf("log-checkpoint", "must be file:DIR, blobs: or postgres://USER@HOST/NAME")
}

// sameDatabase reports whether other is the database of --database-url.
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

// checkpoints opens the place of the checkpoints, and returns its closer too. It creates
// a missing folder only if make is true. If an object store answers, checkpoints tests
// that the store obeys conditional writes.
func (f serverFlags) checkpoints(ctx context.Context, log *slog.Logger, make bool) (checkpoint.Store, io.Closer, error) {
	at := f.checkpointURL()
	switch dir, isFile := strings.CutPrefix(at, "file:"); {
	case isFile:
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !make {
			return checkpoint.Dir(dir), nothing{}, nil
		}
		if err := checkpoint.Dir(dir).Probe(); err != nil {
			return nil, nil, wrongf("log-checkpoint", "cannot create %s or write to it: %s", dir, plainly(err))
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
			return nil, nil, wrongf("log-checkpoint", "the object store ignores the conditions of a write (If-Match, If-None-Match). Use a folder that is not restored with the database (file:DIR), or another Postgres database")
		} else if err != nil {
			log.WarnContext(ctx, "the place of the checkpoints does not answer: no block is made until it answers", "error", err)
		}
		return objects, s, nil
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, nil, wrongf("log-checkpoint", "is not a valid URL")
	}
	p, err := checkpoint.NewPostgres(at, "the database "+strings.TrimPrefix(u.Path, "/")+" on "+u.Host)
	if err != nil {
		return nil, nil, wrongf("log-checkpoint", "%s", err)
	}
	return p, p, nil
}

// folder returns the folder that a flag names, for checkpoints of the logs of others. It is
// created.
func folder(flag, dir string) (checkpoint.Store, error) {
	if err := checkpoint.Dir(dir).Probe(); err != nil {
		return nil, wrongf(flag, "cannot create %s or write to it: %s", dir, plainly(err))
	}
	return checkpoint.Dir(dir), nil
}

// endSessions ends all sessions in a restored database. Without it, tokens that were
// used or revoked after the backup would work again.
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

// afterRestore says what else a restored database has lost.
const afterRestore = "changes that were made after the backup are lost: replaced access codes, disabled or deleted keys, suspended organizations, erased works, and credits. Check them (docs/operating.md)"

// bucketCheckpoints stores checkpoints in a bucket. Messages show the bucket's name and
// prefix, not its whole URL.
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
