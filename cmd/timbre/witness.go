package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"timbre.example/internal/web"
	"timbre.example/internal/witness"
)

type witnessCmd struct {
	Serve witnessServe `cmd:"" help:"Run a witness, which cosigns the checkpoints of the logs of others."`
	Key   witnessKey   `cmd:"" help:"Print the verifier key of a witness."`
}

// witnessFlags name a witness and its secret.
type witnessFlags struct {
	Name       string `env:"TIMBRE_WITNESS_NAME" example:"witness.example/w" required:"" placeholder:"NAME" help:"The witness's name in its key, such as the host of its address and a path. It has no spaces and no plus signs, and never changes."`
	SecretFile string `env:"TIMBRE_SECRET_FILE" example:"data/secret" default:"data/secret" type:"path" placeholder:"FILE" help:"File with the secret: 64 hex digits. The witness's key is derived from it. A missing file is created (default: ${default})."`
}

// open returns the witness without its logs.
func (f witnessFlags) open() (witness.Config, error) {
	root, err := readSecret(f.SecretFile, true)
	if err != nil {
		return witness.Config{}, err
	}
	seed := root.key(purposeWitness)
	if seed == nil {
		return witness.Config{}, wrongf("secret-file", "the secret file %s has no key for a witness. On the machine with the whole secret, run: timbre secret derive --witness --out FILE", f.SecretFile)
	}
	return witness.Config{Name: f.Name, Seed: seed}, nil
}

// witnessServe runs a witness.
type witnessServe struct {
	witnessFlags
	LogKey    []verifierKey `env:"TIMBRE_WITNESS_LOG_KEY" example:"log.pub" required:"" sep:"none" placeholder:"KEY" help:"Verifier key (NAME+HASH+BASE64) of a log that is cosigned, or a file with it or with the log's key page. Can be repeated, also for one log."`
	Dir       string        `env:"TIMBRE_WITNESS_DIR" example:"data/witness" type:"path" placeholder:"DIR" help:"Folder that keeps the newest checkpoint of each log. Every process with this key needs the same folder. Do not restore it from a backup: the witness could then cosign a second history (default: the folder witness beside the secret file)."`
	Listen    string        `env:"TIMBRE_LISTEN" example:"127.0.0.1:8090" default:"127.0.0.1:8090" placeholder:"ADDR" help:"Address to listen on (default: ${default})."`
	LogFormat string        `env:"TIMBRE_LOG_FORMAT" example:"json" enum:"text,json" default:"text" placeholder:"FORMAT" help:"Format of log lines: text or json (default: ${default})."`
}

// Help says what a witness promises.
func (witnessServe) Help() string {
	return `A witness signs that it saw a state of a log at a time, and that this state continues the
one before. A log with a quorum of independent witnesses cannot show two histories, and
cannot move a date back. Two labels can each run a witness for the other one.

The protocol is c2sp.org/tlog-witness: POST /add-checkpoint, and GET /HASH/checkpoint. Put
a proxy with TLS in front. The line of the witness in a policy (c2sp.org/tlog-policy) is

    witness NAME KEY URL

where KEY is the output of timbre witness key.`
}

func (c *witnessServe) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := hostAndPort("listen", c.Listen); err != nil {
		return err
	}
	config, err := c.open()
	if err != nil {
		return err
	}
	dir := c.Dir
	if dir == "" {
		dir = filepath.Join(filepath.Dir(c.SecretFile), "witness")
	}
	if config.Store, err = folder("dir", dir); err != nil {
		return err
	}
	config.Logger = logger(o.err, c.LogFormat, slog.LevelInfo)
	if config.Logs, config.Pages, err = given(c.LogKey); err != nil {
		return wrongf("log-key", "%s", plainly(err))
	}
	w, err := witness.New(config)
	if err != nil {
		return wrongf("name", "%s", plainly(err))
	}
	l, err := listen("listen", c.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: w, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: web.MaxHeaderBytes}
	config.Logger.Info("the witness is ready", "url", "http://"+l.Addr().String(), "key", w.VerifierKey(), "logs", len(config.Logs))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
	defer cancel()
	return server.Shutdown(limit)
}

// witnessKey prints the verifier key.
type witnessKey struct{ witnessFlags }

func (c *witnessKey) Run(o *output) error {
	config, err := c.open()
	if err != nil {
		return err
	}
	w, err := witness.New(config)
	if err != nil {
		return wrongf("name", "%s", strings.TrimSpace(plainly(err)))
	}
	_, err = fmt.Fprintln(o.out, w.VerifierKey())
	return err
}
