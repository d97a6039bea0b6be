package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"timbre.example/internal/monitor"
	"timbre.example/internal/outbound"
	"timbre.example/proof/evidence"
)

// onlineFlags let the command ask the log for other versions of a work.
type onlineFlags struct {
	Online bool   `help:"Then ask the log for later versions of the work. This sends requests to the log. The verdict stays that of the files, unless the log forked."`
	From   string `example:"https://songs.example/log/mainnet" name:"online-from" placeholder:"URL" help:"With --online: the log's address, or a folder that 'timbre log mirror' keeps (default: https:// and the log's name, if you trust its key and its address is public)."`
	Max    int64  `example:"1000000" name:"online-max" default:"1000000" placeholder:"N" help:"With --online: the most entries to read for one file, from 1 (default: ${default})."`
}

// mostEntries is the largest value of --online-max.
const mostEntries = 1 << 40

// validate refuses values that do not fit.
func (f onlineFlags) validate() error {
	if f.From != "" && !f.Online {
		return wrongf("online-from", "can only be used together with --online")
	}
	if f.Max < 1 || f.Max > mostEntries {
		return wrongf("online-max", "must be from 1 to %d", int64(mostEntries))
	}
	return nil
}

// asker asks logs. It reads the newest checkpoint of a source once, so that all files are
// compared with one and the same state.
type asker struct {
	flags   onlineFlags
	policy  *evidence.Policy
	trusted []string
	pages   []evidence.KeyPage
	tell    io.Writer
	newest  map[[2]string]*monitor.Newest
	failed  map[[2]string]error
}

// ask asks the log of a document. It returns nil for a file without evidence.
func (a *asker) ask(ctx context.Context, d document) *online {
	if d.judged == nil || d.Evidence == nil {
		return nil
	}
	e := *d.Evidence
	switch {
	case e.Log == nil:
		return &online{Result: notAsked, Why: "the network is a chain: ask a node of the chain with --rpc"}
	case !allBut(d.Checks, evidence.CheckWitnesses) && !d.whole:
		return &online{Result: notAsked, Why: "a check of the evidence failed"}
	case a.flags.From == "" && !slices.Contains(a.trusted, e.Log.Key):
		return &online{Result: notAsked, Why: "you do not trust the key of the log: give it with --log-key, or name the log's address with --online-from"}
	}
	source := monitor.Source{Place: a.flags.From}
	if source.Place == "" {
		source = monitor.Source{Place: "https://" + e.Log.Origin, Transport: publicOnly}
		if placeOfLog("online-from", source.Place) != nil {
			return &online{Result: notAsked, Why: "the name of the log is not an address: name the log's address with --online-from"}
		}
	}
	found := &online{Source: source.Place}
	found.fill(a.read(ctx, source, d, found))
	return found
}

// publicOnly reaches public addresses over https. Evidence comes from others, and must not
// send this machine into its own network.
var publicOnly http.RoundTripper = outbound.NewPolicy(nil).Client(8, 8).Transport

// read asks one log, and writes what it says to found.
func (a *asker) read(ctx context.Context, source monitor.Source, d document, found *online) error {
	e := *d.Evidence
	keys, id := a.trusted, [2]string{source.Place, e.Log.Origin}
	if !slices.Contains(keys, e.Log.Key) {
		keys, id[1] = append(keys[:len(keys):len(keys)], e.Log.Key), e.Log.Key
	}
	n, err := a.newest[id], a.failed[id]
	if n == nil && err == nil {
		n, err = monitor.ReadNewest(ctx, source, e.Log.Origin, keys, a.pages)
		a.newest[id], a.failed[id] = n, err
	}
	if err != nil {
		return err
	}
	found.Size = n.Size()
	for _, known := range d.checkpoints() {
		if _, err := n.Continues(ctx, known); err != nil {
			return err
		}
	}
	if a.policy != nil {
		if met, err := n.Witnessed(a.policy); err != nil {
			return err
		} else if !met {
			return errUnwitnessed
		}
	}
	if many := min(n.Size()-e.Log.Index-1, a.flags.Max); many > tellFrom {
		fmt.Fprintf(a.tell, "timbre: reading %d entries of %s\n", many, oneLine(source.Place))
	}
	h, err := n.Versions(ctx, e.AtsID, e.Version, e.Log.Index, a.flags.Max)
	found.Read, found.To, found.Last = h.Read, h.To, h.Last.UTC()
	if h.Last.IsZero() { // the version's entry is the last one
		found.Last = e.Block.Time
	}
	for _, v := range append(h.Earlier, h.Later...) {
		found.Versions = append(found.Versions, onlineVersion{v.Version, v.At.UTC(), v.Index, v.Block, fmt.Sprintf("0x%x", v.Hash), fmt.Sprintf("0x%x", v.Commitment)})
	}
	switch {
	case err != nil:
		return err
	case len(h.Later) > 0:
		found.Result = someLater
	case h.To < n.Size():
		found.Result, found.Why = partlyRead, fmt.Sprintf("the log has %d entries more: read them with a larger --online-max", n.Size()-h.To)
	default:
		found.Result = noneLater
	}
	return nil
}

// tellFrom is the number of entries from which the command says that it reads.
const tellFrom = 100_000

var errUnwitnessed = errors.New("too few witnesses of --witness-policy have seen the newest state of the log")

// fill sets the result for an error.
func (f *online) fill(err error) {
	if err == nil {
		return
	}
	f.Result, f.Why = logUnread, plainly(err)
	fork, shorter, broken := (*monitor.Fork)(nil), (*monitor.Shorter)(nil), (*monitor.Broken)(nil)
	switch {
	case errors.As(err, &fork):
		f.Result, f.Why, f.Checkpoints = logForked, fork.Why, []string{fork.Older, fork.Newer}
	case errors.As(err, &shorter):
		f.Result, f.Why = logShorter, shorter.Error()+": an old copy, or a database that went back"
	case errors.As(err, &broken):
		f.Result, f.Why = logBroken, broken.Error()
	case errors.Is(err, errUnwitnessed):
		f.Result, f.Why = unwitnessed, err.Error()
	case errors.Is(err, outbound.ErrAddress), errors.Is(err, outbound.ErrPlain):
		f.Why = "the address is not public: name the log's address with --online-from"
	}
}

// checkpoints returns the checkpoints of the log that the document shows, as far as they hold.
func (d document) checkpoints() []string {
	all := []string{d.Evidence.Log.Checkpoint}
	for i, a := range d.Evidence.Attestations {
		part := fmt.Sprintf("attestations[%d]", i)
		if a.Kind == evidence.KindCheckpoint && slices.ContainsFunc(d.Checks, func(c evidence.Check) bool {
			return c.Part == part && c.Name == evidence.CheckLater && c.Status == evidence.OK
		}) {
			all = append(all, a.Checkpoint)
		}
	}
	return all
}

// after changes the outcome of a document by what its log says. The verdict stays.
func (d *document) after(f *online) {
	d.Online = f
	if f == nil {
		return
	}
	outcome, text := d.outcome, ""
	switch {
	case f.Result == logForked:
		outcome, text = forked, "the log forked: its newest state and the evidence contradict each other: "+f.Why
	case d.outcome != proved || f.Result == noneLater:
	case f.Result == logBroken:
		outcome, text = broken, "the log signed an entry that breaks its rules: "+f.Why
	case f.Result == someLater:
		outcome, text = laterVersion, fmt.Sprintf("proved, and the log has a later version of the work: version %d", f.Versions[len(f.Versions)-1].Version)
	default:
		outcome, text = laterUnknown, "proved, but it is not known whether the work has later versions: "+f.Why
	}
	if text == "" {
		return
	}
	d.outcome, d.Result, d.failure = outcome, outcome.result, errors.New(text)
	if d.File != "" {
		d.failure = fmt.Errorf("%s: %w", d.File, d.failure)
	}
}
