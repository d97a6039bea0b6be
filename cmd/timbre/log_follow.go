package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"timbre.example/internal/monitor"
)

// readerFlags name a log that is read over HTTP.
type readerFlags struct {
	URL       logURL        `arg:"" example:"https://songs.example/log/mainnet" placeholder:"URL" help:"Address of the log: its files are below it, such as URL/checkpoint."`
	LogKey    []verifierKey `example:"log.pub" required:"" sep:"none" placeholder:"KEY" help:"A verifier key of the log (NAME+HASH+BASE64) that you saved, or a file with it or with the log's key page. Can be repeated."`
	LogKeys   []keyPageFile `example:"keys.txt" name:"log-keys" sep:"none" placeholder:"FILE" help:"A key page of the log (URL/keys), from any source: its other keys are trusted too if its signatures lead to a key of --log-key. Can be repeated."`
	Witnesses string        `example:"policy.txt" name:"witness-policy" type:"existingfile" placeholder:"FILE" help:"Require the cosignatures of this policy on each checkpoint (c2sp.org/tlog-policy, at most 64 KiB)."`
	JSON      bool          `name:"json" help:"Print JSON, one line for each check, also when it fails."`
}

// open returns the monitor with a folder, which is created.
func (f readerFlags) open(dir string, mirror bool) (*monitor.Monitor, error) {
	keys, pages, err := given(f.LogKey)
	if err != nil {
		return nil, wrongf("log-key", "%s", plainly(err))
	}
	for _, p := range f.LogKeys {
		pages = append(pages, p.KeyPage)
	}
	c := monitor.Config{URL: string(f.URL), Key: keys[0], Keys: keys[1:], Pages: pages, Dir: dir, Mirror: mirror}
	if c.Policy, err = readPolicy(f.Witnesses); err != nil {
		return nil, err
	}
	if dir != "" {
		if _, err := folder("dir", dir); err != nil {
			return nil, err
		}
	}
	return monitor.Open(c)
}

// logCheck reads a log once.
type logCheck struct{ readerFlags }

// Help says what is checked.
func (logCheck) Help() string { return "Reads the log once, and keeps nothing.\n\n" + readerHelp }

const readerHelp = `Checks that the log's key signed the newest checkpoint, that all entries are in the
signed tree, and that numbers, versions, blocks and times follow the rules of
docs/log.md. A kept checkpoint must be continued by the newest one.

Exit codes:
  0  no fault was found
  1  the log could not be read, or a file of it is not what it signed
  2  a flag or an argument is wrong
  4  the log forked: both checkpoints are printed. Publish them
  5  the log signed an entry that breaks the rules`

func (c *logCheck) Run(o *output) error {
	m, err := c.open("", false)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return look(ctx, m, o, c.JSON)
}

// logFollow reads a log again and again.
type logFollow struct {
	readerFlags
	Dir   string        `example:"kept" required:"" type:"path" placeholder:"DIR" help:"Folder that keeps the newest checkpoint. It is created."`
	Every time.Duration `example:"1m" default:"1m" placeholder:"TIME" help:"Time between two checks, at least 1s (default: ${default})."`
	Once  bool          `help:"Check once and end: for a timer of the system."`
}

// Help says what is checked.
func (logFollow) Help() string {
	return "Reads the log again and again, and keeps the newest checkpoint. It ends when the log\nforks or breaks a rule.\n\n" + readerHelp
}

// Validate refuses a pause that would load the log.
func (c *logFollow) Validate() error {
	if c.Every < time.Second {
		return wrongf("every", "must be at least 1s")
	}
	return nil
}

func (c *logFollow) Run(o *output) error {
	return repeat(c.readerFlags, c.Dir, false, c.Every, c.Once, o)
}

// logMirror copies a log.
type logMirror struct{ logFollow }

// Help says how a mirror is served.
func (logMirror) Help() string {
	return "Follows the log, and keeps its full tiles, its checkpoint and its key in the folder, under\nthe log's own paths. A web server can serve the folder as a copy of the log.\n\n" + readerHelp
}

func (c *logMirror) Run(o *output) error {
	return repeat(c.readerFlags, c.Dir, true, c.Every, c.Once, o)
}

// repeat checks a log until it forks, breaks a rule, or the process is stopped.
func repeat(f readerFlags, dir string, mirror bool, every time.Duration, once bool, o *output) error {
	dir = filepath.Clean(dir)
	m, err := f.open(dir, mirror)
	if err != nil {
		return err
	}
	if mirror {
		if err := m.WriteKey(); err != nil {
			return wrongf("dir", "%s", plainly(err))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for {
		err := look(ctx, m, o, f.JSON)
		if final := (exitError{}); once || errors.As(err, &final) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(o.err, "timbre: %s; trying again in %s\n", plainly(err), every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// found is the line of one check for programs.
type found struct {
	// Result is ok, forked, broken, or unread: the log could not be read, or a file of it is
	// not what it signed.
	Result string    `json:"result"`
	At     time.Time `json:"at"`
	*monitor.Report
	Why string `json:"why,omitempty"`
	// Checkpoints are the two that contradict each other, for forked. Entry is the one that
	// breaks the rules, for broken.
	Checkpoints []string `json:"checkpoints,omitempty"`
	Entry       *int64   `json:"entry,omitempty"`
}

// look checks the log once and prints what was found.
func look(ctx context.Context, m *monitor.Monitor, o *output, asJSON bool) error {
	r, err := m.Check(ctx)
	line := found{Result: "ok", At: time.Now().UTC(), Report: &r}
	if err != nil {
		line.Result, line.Report, line.Why = "unread", nil, plainly(err)
	}
	fork, broken := (*monitor.Fork)(nil), (*monitor.Broken)(nil)
	switch {
	case errors.As(err, &fork):
		line.Result, line.Why, line.Checkpoints = "forked", fork.Why, []string{fork.Older, fork.Newer}
		tellFork(o, fork.Older, fork.Newer)
		err = exitError{exitForked, err}
	case errors.As(err, &broken):
		line.Result, line.Why, line.Entry = "broken", broken.Why, &broken.Index
		err = exitError{exitBroken, err}
	}
	if asJSON {
		return errors.Join(o.line(line), err)
	}
	if err == nil {
		state := ""
		if r.Ended {
			state = "  ended, complete"
		}
		fmt.Fprintf(terminal{o.out}, "%s  %d entries  root %s  %d new  %d works%s\n", r.Origin, r.Size, r.Root, r.New, r.Works, state)
	}
	return err
}
