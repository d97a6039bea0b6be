package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"timbre.example/evidence"
	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
)

type logCmd struct {
	Repair logRepair `cmd:"" help:"Put entries back that a restored database lacks, from certificates, evidence and copies of the log."`
}

// logRepair puts entries back.
type logRepair struct {
	databaseFlag
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Where the server keeps its files: the value of its own --blob-url (default: ${default})."`
	s3Flags
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The server's secret file; the log's key is derived from it (default: ${default})."`
	checkpointFlag

	Source    []string `arg:"" optional:"" example:"certificate.pdf" placeholder:"SOURCE" help:"Where entries are: certificates (PDF), evidence (JSON), folders with these or with a copy of the log (tile/entries/…), or the address of a log (https://…/log/mainnet)."`
	Network   string   `example:"testnet" enum:"testnet,mainnet" default:"mainnet" placeholder:"NAME" help:"testnet or mainnet (default: ${default})."`
	FromStore bool     `help:"Read the certificates in the object store, too."`
	Apply     bool     `help:"Write. Without this flag nothing is changed."`
	JSON      bool     `help:"Print JSON."`
}

// Help says what is believed, and what does not come back.
func (logRepair) Help() string {
	return `A log whose database is shorter than its checkpoint, which is kept outside of the
database, makes no block. This command finds the missing entries in what was
published, and compares all of them with that checkpoint: it writes them only when
they give its root hash exactly. It may run beside a server, which then goes on by
itself.

The log holds no titles, names or recordings. So an entry comes back without its
registration, unless this database still has the transaction: its page says so, and
its certificate stays valid. Registration numbers and blocks are given once only.

Exit codes:
  0  the entries are complete (and with --apply: they are written), or none is missing
  1  entries are missing, or do not give the root hash; nothing was changed
  2  the command was called wrongly`
}

// passed is a source, or a part of one, that was not used, and why.
type passed struct {
	Source string `json:"source"`
	Why    string `json:"why"`
}

// repairReport is what the command prints.
type repairReport struct {
	Log       string        `json:"log"`
	Size      int64         `json:"size"`
	Target    int64         `json:"target_size"`
	Root      string        `json:"target_root"`
	From      string        `json:"target_from"`
	Read      int           `json:"sources_read"`
	Passed    []passed      `json:"passed_over"`
	Missing   []netlog.Span `json:"missing"`
	Restored  int           `json:"restored"`
	Lost      int64         `json:"without_registration"`
	NextAtsID int64         `json:"next_ats_id"`
	Applied   bool          `json:"applied"`
}

// check looks at what was given before anything is opened.
func (c *logRepair) check(f serverFlags) error {
	for _, s := range c.Source {
		if _, err := os.Stat(s); err != nil && !isAddress(s) {
			return &wrong{name: "source", text: s, why: "is no file, no folder and no address of a log: " + plainly(err)}
		}
	}
	if err := f.validateCheckpoints(); err != nil {
		return err
	}
	if err := f.validateBlobs(); err != nil {
		return err
	}
	if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok { // no folder is made for it
		if _, err := os.Stat(dir); err != nil && (c.FromStore || !errors.Is(err, fs.ErrNotExist)) {
			return wrongf("blob-url", "the server's files are not at %s: %s", dir, plainly(err))
		}
	}
	return nil
}

func isAddress(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

func (c *logRepair) Run(o *output) error {
	ctx := context.Background()
	f := serverFlags{databaseFlag: c.databaseFlag, BlobURL: c.BlobURL, s3Flags: c.s3Flags, SecretFile: c.SecretFile, checkpointFlag: c.checkpointFlag}
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return err
	}
	if err := c.check(f); err != nil {
		return err
	}
	db, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer db.Close()
	if behind, err := db.Pending(ctx); err != nil {
		return err
	} else if behind != 0 {
		return errors.New("the database is of another release: run `timbre migrate` of the release that the server runs")
	}
	log := slog.New(slog.NewTextHandler(o.err, nil))
	kept, closer, err := f.checkpoints(ctx, log, c.Apply)
	if err != nil {
		return err
	}
	defer closer.Close()
	name := network.Name(c.Network)
	row, err := db.Read().GetLog(ctx, c.Network)
	if err != nil {
		return fmt.Errorf("network %s: the log has not begun in this database: %w", name, err)
	}
	l, err := netlog.Open(ctx, db, netlog.Config{Network: name, Origin: row.Origin, Key: root.key(purposeLog(name)), Checkpoints: kept, WentBack: endSessions(db, log), Logger: log})
	if err != nil {
		return wrongSecret(ctx, db, c.SecretFile, name, err)
	}
	stop, noticed := errors.AsType[*netlog.Stop](l.Stopped(ctx))
	noticed = noticed && (stop.Reason == netlog.Shorter || stop.Reason == netlog.Different)
	r, err := l.Repair(ctx)
	if err != nil {
		return err
	}
	in := &sources{ctx: ctx, to: r}
	for _, s := range c.Source {
		in.read(s)
	}
	if c.FromStore {
		if err := c.store(in, f, root); err != nil {
			return err
		}
	}
	plan, failure := r.Plan(ctx)
	report := repairReport{
		Log: l.Origin(), Size: plan.Size, Target: plan.Target.N, Root: plan.Target.Hash.String(), From: plan.Target.From,
		Read: in.taken, Passed: in.passed, Missing: plan.Missing, NextAtsID: plan.NextAtsID,
	}
	for _, fork := range plan.Forks {
		report.Passed = append(report.Passed, passed{fork.From, fmt.Sprintf("its checkpoint of %d entries does not continue the one that is kept: it is of a fork of this log", fork.N)})
	}
	switch {
	case failure == nil && len(plan.Missing) > 0:
		failure = fmt.Errorf("entries are missing, and no source has them: give more sources. Their indexes: %s", spans(plan.Missing))
	case failure == nil:
		report.Restored = len(plan.Entries)
	}
	if failure == nil && c.Apply && report.Restored > 0 {
		// Before the entries are back: afterwards nothing shows that they were missing.
		if !noticed { // else a server has done it
			if err := endSessions(db, log)(ctx); err != nil {
				return err
			}
		}
		if err := r.Apply(ctx, plan); err != nil {
			return err
		}
		report.Applied, report.Lost = true, plan.Lost
	}
	if failure == nil && (c.Apply || report.Restored == 0) {
		// The log may go on, unless something else keeps it from that. Of the clock its
		// own machine knows.
		if stop, ok := errors.AsType[*netlog.Stop](l.Guard(ctx)); ok && !stop.Clock() {
			failure = stop
		}
	}
	if err := o.print(c.JSON, report, report.words); err != nil {
		return err
	}
	return failure
}

// words prints it for people.
func (r repairReport) words(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("log", "%s", r.Log)
	line("database", "%s", plural64(r.Size, "entry", "entries"))
	line("checkpoint", "%s, root hash %s, from %s", plural64(r.Target, "entry", "entries"), r.Root, r.From)
	line("sources", "%s read", plural64(int64(r.Read), "proof or bundle", "proofs and bundles"))
	for _, p := range r.Passed {
		line("passed over", "%s: %s", p.Source, oneLine(p.Why))
	}
	switch {
	case len(r.Missing) > 0:
		line("missing", "the indexes %s", spans(r.Missing))
		line("changed", "nothing")
	case r.Target == r.Size:
		line("missing", "nothing")
	case r.Applied:
		line("written", "%s: the root hash of the checkpoint is reproduced exactly", plural64(int64(r.Restored), "entry", "entries"))
		line("", "%s without a registration in this database: the explorer says so, and certificates stay valid", plural64(r.Lost, "entry is", "entries are"))
		line("next", "registration number %d", r.NextAtsID)
		line("look at", "%s", afterRestore)
	case r.Restored > 0:
		line("found", "%s: the root hash of the checkpoint is reproduced exactly", plural64(int64(r.Restored), "entry", "entries"))
		line("changed", "nothing: --apply writes them")
	default:
		line("changed", "nothing")
	}
}

func plural64(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func spans(list []netlog.Span) string {
	const most = 50
	var parts []string
	for i, s := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d further spans", len(list)-most))
			break
		}
		parts = append(parts, s.String())
	}
	return strings.Join(parts, ", ")
}

// store reads the certificates in the object store.
func (c *logRepair) store(in *sources, f serverFlags, root secret) error {
	blobs, err := f.openBlobs("http://localhost/blob", root.key(purposeUploads), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		return err
	}
	defer blobs.Close()
	lister, ok := blobs.(interface {
		Keys(ctx context.Context, prefix string, f func(key string) error) error
	})
	if !ok {
		return wrongf("from-store", "this object store cannot be listed")
	}
	return lister.Keys(in.ctx, "certificates", func(key string) error {
		file, _, err := blobs.Open(in.ctx, key)
		if errors.Is(err, blob.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		defer file.Close()
		in.document(key, file)
		return nil
	})
}

// sources reads what operators give, and notes what cannot be used.
type sources struct {
	ctx    context.Context
	to     *netlog.Repair
	taken  int
	passed []passed
}

// done notes what became of one source.
func (s *sources) done(name string, err error) {
	if err != nil {
		s.passed = append(s.passed, passed{name, err.Error()})
		return
	}
	s.taken++
}

func (s *sources) read(source string) {
	if isAddress(source) {
		s.log(strings.TrimRight(source, "/"))
		return
	}
	info, err := os.Stat(source)
	if err != nil {
		s.done(source, errors.New(plainly(err)))
		return
	}
	if !info.IsDir() {
		s.file(source)
		return
	}
	if err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			s.done(path, errors.New(plainly(err)))
		case entry.Type().IsRegular():
			s.file(path)
		}
		return nil
	}); err != nil {
		s.done(source, err)
	}
}

// file reads a bundle, a checkpoint or a document, by its path. Others are no sources.
func (s *sources) file(path string) {
	slashed := filepath.ToSlash(path)
	at := strings.LastIndex(slashed, "tile/entries/")
	ext := strings.ToLower(filepath.Ext(path))
	if at < 0 && ext != ".pdf" && ext != ".json" && filepath.Base(path) != "checkpoint" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		s.done(path, errors.New(plainly(err)))
		return
	}
	defer f.Close()
	switch {
	case at >= 0:
		s.bundle(path, slashed[at:], f)
	case ext == "":
		s.checkpoint(path, f)
	default:
		s.document(path, f)
	}
}

func (s *sources) bundle(name, path string, r io.Reader) {
	data, err := io.ReadAll(io.LimitReader(r, netlog.MaxBundle+1))
	if err == nil {
		err = s.to.AddBundle(path, data)
	}
	s.done(name, err)
}

func (s *sources) checkpoint(name string, r io.Reader) {
	data, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err == nil {
		err = s.to.AddCheckpoint(string(data), name)
	}
	s.done(name, err)
}

// document reads a certificate or evidence.
func (s *sources) document(name string, r io.Reader) {
	data, err := io.ReadAll(io.LimitReader(r, certificate.MaxFile+1))
	if err == nil && len(data) > certificate.MaxFile {
		err = fmt.Errorf("it has more than %d bytes", certificate.MaxFile)
	}
	if err == nil && bytes.HasPrefix(data, []byte("%PDF-")) {
		var attached certificate.Attached
		attached, err = certificate.Read(data)
		data = attached.Evidence
	}
	var e evidence.Evidence
	if err == nil {
		e, err = evidence.Decode(bytes.NewReader(data))
	}
	if err == nil {
		err = s.to.AddEvidence(e.Log, name)
	}
	s.done(name, err)
}

// log reads from the address of a log.
func (s *sources) log(base string) {
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	get := func(path string, take func(name string, r io.Reader)) bool {
		req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, base+"/"+path, nil)
		if err != nil {
			s.done(base, err)
			return true
		}
		res, err := client.Do(req)
		if err != nil {
			s.done(base+"/"+path, err)
			return true
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false
		}
		take(base+"/"+path, res.Body)
		return true
	}
	if !get("checkpoint", s.checkpoint) {
		s.done(base, errors.New("there is no checkpoint: the address of a log ends in /log/mainnet or /log/testnet"))
		return
	}
	for _, path := range s.to.Bundles() {
		take := func(name string, r io.Reader) { s.bundle(name, path, r) }
		if get(path, take) {
			continue
		}
		// A copy may have the whole bundle only.
		whole, _, partial := strings.Cut(path, ".p/")
		if partial && get(whole, func(name string, r io.Reader) { s.bundle(name, whole, r) }) {
			continue
		}
		s.done(base+"/"+path, errors.New("it is not there"))
	}
}
