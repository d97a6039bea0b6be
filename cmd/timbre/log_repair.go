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

	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
	"timbre.example/proof/pdf"
)

type logCmd struct {
	Check  logCheck  `cmd:"" help:"Read a log once over HTTP, and check everything that it signed."`
	Follow logFollow `cmd:"" help:"Read a log again and again, and find out when it forks."`
	Mirror logMirror `cmd:"" help:"Follow a log and keep a copy of it that can be served."`
	Rotate logRotate `cmd:"" help:"Let a new key sign the log, by a note that the former key signs."`
	End    logEnd    `cmd:"" help:"End the log for ever, by a note that its key signs."`
	Repair logRepair `cmd:"" help:"Restore log entries that are missing in a restored database, from certificates, evidence and copies of the log."`
}

// logRepair restores missing entries of a log.
type logRepair struct {
	databaseFlag
	BlobURL string `example:"file:data/blobs" env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Store with the server's files: the same value as the server's --blob-url (default: ${default})."`
	s3Flags
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The server's secret file; the log's key is derived from it (default: ${default})."`
	checkpointFlag

	Source  []string `arg:"" optional:"" example:"certificate.pdf" placeholder:"SOURCE" help:"Sources of entries: certificates (PDF), evidence (JSON), folders with these or with a copy of the log (tile/entries/…), or the URL of a log (https://…/log/mainnet)."`
	Network string   `example:"testnet" enum:"${network_names}" default:"mainnet" placeholder:"NAME" help:"${networks} (default: ${default})."`
	networkURLFlag
	FromStore bool `help:"Also read the certificates in the store of --blob-url."`
	Apply     bool `help:"Write the entries. Without this flag the command changes nothing."`
	JSON      bool `help:"Print JSON."`
}

// Help says how entries are checked, and what cannot be restored.
func (logRepair) Help() string {
	return `A log makes no block while its database has fewer entries than the checkpoint that is
stored outside of the database. This command finds the missing entries in published
files. It writes them only if the root hash of all entries equals that of the
checkpoint. It can run next to a server; the server then continues by itself.

The log contains no titles, names or recordings. An entry is therefore restored
without its registration, unless this database still has the transaction. The entry's
page says so, and its certificate stays valid. Registration numbers and blocks are
never used twice.

Exit codes:
  0  all entries are found (and with --apply: written), or none is missing
  1  entries are missing, or their root hash differs; nothing was changed
  2  a flag or an argument is wrong`
}

// unused is a source, or a part of one, that was not used, and the reason.
type unused struct {
	Source string `json:"source"`
	Why    string `json:"why"`
}

// repairReport is what the command prints.
type repairReport struct {
	Log       string         `json:"log"`
	Size      int64          `json:"size"`
	Target    int64          `json:"target_size"`
	Root      string         `json:"target_root"`
	From      string         `json:"target_from"`
	Read      int            `json:"sources_read"`
	Passed    []unused       `json:"passed_over"`
	Missing   []network.Span `json:"missing"`
	Restored  int            `json:"restored"`
	Lost      int64          `json:"without_registration"`
	NextAtsID int64          `json:"next_ats_id"`
	Applied   bool           `json:"applied"`
}

// check validates the flags and arguments before anything is opened.
func (c *logRepair) check(f serverFlags) error {
	for _, s := range c.Source {
		if _, err := os.Stat(s); err != nil && !isAddress(s) {
			return &wrong{name: "source", text: s, why: "must be a file, a folder or the URL of a log: " + plainly(err)}
		}
	}
	if err := c.networkURLFlag.validate(); err != nil {
		return err
	}
	if err := f.validateCheckpoints(); err != nil {
		return err
	}
	if err := f.validateBlobs(); err != nil {
		return err
	}
	if dir, ok := strings.CutPrefix(c.BlobURL, "file:"); ok { // opening the store would create a missing folder
		if _, err := os.Stat(dir); err != nil && (c.FromStore || !errors.Is(err, fs.ErrNotExist)) {
			return wrongf("blob-url", "cannot find the server's files at %s: %s", dir, plainly(err))
		}
	}
	return nil
}

func isAddress(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

func (c *logRepair) Run(o *output) error {
	ctx := context.Background()
	f := serverFlags{databaseFlag: c.databaseFlag, BlobURL: c.BlobURL, s3Flags: c.s3Flags, SecretFile: c.SecretFile, checkpointFlag: c.checkpointFlag, networkFlags: networkFlags{Network: c.NetworkURL}}
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
		return errors.New("the database belongs to another release: run `timbre migrate` of the release that the server runs")
	}
	log := slog.New(slog.NewTextHandler(o.err, nil))
	d := networkDeps{db: db, root: root, place: openPlace, log: log}
	if c.Apply {
		d.place = createPlace
	}
	n, closer, err := f.openNetwork(ctx, network.Name(c.Network), d)
	if err != nil {
		return err
	}
	defer closer.Close()
	l, ok := n.(network.Repairable)
	if !ok {
		return fmt.Errorf("network %s: this kind of network is not in the server's database, and needs no repair", n.Name())
	}
	r, err := l.BeginRepair(ctx)
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
		Log: l.Origin(), Size: plan.Size, Target: plan.Target.Size, Root: plan.Target.Root, From: plan.Target.From,
		Read: in.used, Passed: in.unused, Missing: plan.Missing, NextAtsID: plan.NextAtsID,
	}
	for _, fork := range plan.Forks {
		report.Passed = append(report.Passed, unused{fork.From, fmt.Sprintf("its checkpoint of %d entries does not continue the stored checkpoint: it belongs to a fork of this log", fork.Size)})
	}
	switch {
	case failure == nil && len(plan.Missing) > 0:
		failure = fmt.Errorf("entries are missing in all sources: give more sources. Missing indexes: %s", spans(plan.Missing))
	case failure == nil:
		report.Restored = plan.Entries
	}
	if failure == nil && c.Apply && report.Restored > 0 {
		// End the sessions before the entries are written: afterwards nothing shows that
		// they were missing.
		if !r.Noticed() { // otherwise a server has ended them already
			if err := endSessions(db, log)(ctx); err != nil {
				return err
			}
		}
		if report.Lost, err = r.Apply(ctx); err != nil {
			return err
		}
		report.Applied = true
	}
	if failure == nil && (c.Apply || report.Restored == 0) {
		// Allow the log to continue, unless it is stopped for another reason. A wrong clock
		// is checked on the server's own machine.
		failure = r.Resume(ctx)
	}
	if err := o.print(c.JSON, report, report.words); err != nil {
		return err
	}
	return failure
}

// words prints the report for people.
func (r repairReport) words(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("log", "%s", r.Log)
	line("database", "%s", plural64(r.Size, "entry", "entries"))
	line("checkpoint", "%s, root hash %s, from %s", plural64(r.Target, "entry", "entries"), r.Root, r.From)
	line("sources", "%s read", plural64(int64(r.Read), "proof or bundle", "proofs and bundles"))
	for _, p := range r.Passed {
		line("not used", "%s: %s", p.Source, oneLine(p.Why))
	}
	switch {
	case len(r.Missing) > 0:
		line("missing", "indexes %s", spans(r.Missing))
		line("changed", "nothing")
	case r.Target == r.Size:
		line("missing", "nothing")
	case r.Applied:
		line("written", "%s: the root hash equals that of the checkpoint", plural64(int64(r.Restored), "entry", "entries"))
		line("", "%s without a registration in this database: the explorer says so, and certificates stay valid", plural64(r.Lost, "entry is", "entries are"))
		line("next", "registration number %d", r.NextAtsID)
		line("check", "%s", afterRestore)
	case r.Restored > 0:
		line("found", "%s: the root hash equals that of the checkpoint", plural64(int64(r.Restored), "entry", "entries"))
		line("changed", "nothing: add --apply to write them")
	default:
		line("changed", "nothing")
	}
}

func spans(list []network.Span) string {
	const most = 50
	var parts []string
	for i, s := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
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
		return wrongf("from-store", "this store does not support listing")
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

// sources reads the sources that the operator gave, and records those that it cannot use.
type sources struct {
	ctx    context.Context
	to     network.Repair
	used   int
	unused []unused
}

// done records the result of one source.
func (s *sources) done(name string, err error) {
	if err != nil {
		s.unused = append(s.unused, unused{name, err.Error()})
		return
	}
	s.used++
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

// file reads a bundle, a checkpoint or a document: its path says which. It ignores other
// files.
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
	s.done(name, s.to.AddBundle(path, r))
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
	data, err := io.ReadAll(io.LimitReader(r, pdf.MaxFile+1))
	if err == nil && len(data) > pdf.MaxFile {
		err = fmt.Errorf("larger than %d bytes", pdf.MaxFile)
	}
	if err == nil && pdf.Is(data) {
		var attached pdf.Attached
		attached, err = pdf.Read(data)
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

// log reads bundles from the URL of a log.
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
		s.done(base, errors.New("no checkpoint found: the URL of a log ends in /log/mainnet or /log/testnet"))
		return
	}
	for _, path := range s.to.Bundles() {
		take := func(name string, r io.Reader) { s.bundle(name, path, r) }
		if get(path, take) {
			continue
		}
		// A copy may have only the full bundle.
		whole, _, partial := strings.Cut(path, ".p/")
		if partial && get(whole, func(name string, r io.Reader) { s.bundle(name, whole, r) }) {
			continue
		}
		s.done(base+"/"+path, errors.New("not found"))
	}
}
