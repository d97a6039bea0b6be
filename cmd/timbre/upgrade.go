package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"timbre.example/internal/monitor"
	"timbre.example/proof/evidence"
)

// evidenceCmd changes evidence that a holder has.
type evidenceCmd struct {
	Upgrade evidenceUpgrade `cmd:"" help:"Add what others state: a later checkpoint of the log, a time stamp, or an OpenTimestamps proof."`
}

// evidenceUpgrade adds statements to evidence. The proof itself stays the same.
type evidenceUpgrade struct {
	Evidence existing   `example:"evidence.json" arg:"" placeholder:"FILE" help:"Evidence as JSON, or a certificate as PDF with the evidence attached."`
	From     string     `example:"https://songs.example/log/mainnet" name:"checkpoint-from" placeholder:"URL" help:"Add the newest checkpoint of the log with its cosignatures, and the proof that it continues the block: from the log's address, or from a folder that 'timbre log mirror' keeps."`
	OTS      []existing `example:"block.ots" name:"ots" sep:"none" placeholder:"FILE" help:"Add an OpenTimestamps proof of the commitment, the block or an earlier attestation (at most 128 KiB). A pending proof of the same is completed by it. Can be repeated."`
	Token    []existing `example:"token.der" sep:"none" placeholder:"FILE" help:"Add a time-stamp token (RFC 3161, DER) of the commitment, the block or an earlier attestation (at most 64 KiB). Can be repeated."`
	trustFlags
	Out  string `example:"upgraded.json" short:"o" type:"path" placeholder:"FILE" help:"File to write the JSON to, readable by this user only; - for standard output (default: the FILE itself, if it is JSON)."`
	JSON bool   `name:"json" help:"Print JSON: what was added, and the checks."`
}

// Help says what is added, and what happens to a statement that does not hold.
func (evidenceUpgrade) Help() string {
	return `Evidence names who states what, and a holder can add more at any time. The command
checks the file before and after. It writes nothing if a check fails that did not fail
before, so the file stays valid at each step. The same statement twice changes nothing.

The log's checkpoint is checked with --log-key, or with the key in the evidence. The
other trust flags are those of 'timbre verify'.

A time stamp or an OpenTimestamps proof is about the commitment, or about the block: its
hash is the SHA-256 of the checkpoint,  jq -j .log.checkpoint FILE > checkpoint.txt

Exit codes:
  0  the file has the statements
  1  a statement does not hold, or is about something else; nothing was written
  2  a flag or an argument is wrong
  4  the log forked: both checkpoints are printed. Publish them`
}

// Validate refuses a call that adds nothing.
func (c *evidenceUpgrade) Validate() error {
	if c.From == "" && len(c.OTS) == 0 && len(c.Token) == 0 {
		return wrongf("checkpoint-from", "is missing, and so are --ots and --token: name at least one statement to add")
	}
	return nil
}

func (c *evidenceUpgrade) Run(o *output) error {
	opts, err := c.options()
	if err != nil {
		return err
	}
	if err := c.source(); err != nil {
		return err
	}
	e, page, err := readEvidence(string(c.Evidence))
	if err != nil {
		return err
	}
	out := c.Out
	if out == "" && page != nil {
		return wrongf("out", "is required for a certificate: the evidence is written as JSON")
	} else if out == "" {
		out = string(c.Evidence)
	}
	ring, err := evidence.NewKeyring(trusted(opts), opts.KeyPages)
	if err != nil {
		return err
	}
	if keys := ring.Keys(); e.Log != nil && len(keys) > 0 && !slices.Contains(keys, e.Log.Key) {
		return errors.New("the log of the evidence is not one that you trust: its key is neither in --log-key nor in --witness-policy")
	}
	before, err := evidence.Verify(e, opts)
	if err != nil {
		return err
	}
	if len(before) == 0 || !allBut(before, evidence.CheckWitnesses) {
		return fmt.Errorf("%s does not hold: timbre verify shows the failed checks", c.Evidence)
	}
	was := len(e.Attestations)
	next, err := c.add(o, e, &opts)
	if err != nil {
		return err
	}
	after, err := evidence.Verify(next, opts)
	if err != nil {
		return err
	}
	if err := newlyFailed(e, next, opts); err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	text, err := evidence.Encode(next)
	if err != nil {
		return err
	}
	if out == "-" {
		_, err := o.out.Write(text)
		return err
	}
	if err := writePrivate(out, text); err != nil {
		return wrongf("out", "cannot write this file: %s", plainly(err))
	}
	return o.print(c.JSON, struct {
		File   string           `json:"file"`
		Added  int              `json:"added"`
		Levels []evidence.Level `json:"levels"`
		Dates  []evidence.Date  `json:"dates"`
		Checks evidence.Report  `json:"checks"`
	}{out, len(next.Attestations) - was, append([]evidence.Level{}, after.Levels()...), after.Dates(next), after}, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n\n", out)
		tell(w, after)
		proofOf(w, next, after)
		noteLater(w)
	})
}

// source refuses a place of the checkpoint that is neither an address nor a folder.
func (c *evidenceUpgrade) source() error {
	if c.From == "" {
		return nil
	}
	return placeOfLog("checkpoint-from", c.From)
}

// The largest files of --ots and --token, in bytes.
const maxProofFile, maxTokenFile = 128 << 10, 64 << 10

// add returns e with all statements. The key page that the log serves is added to opts.
func (c *evidenceUpgrade) add(o *output, e evidence.Evidence, opts *evidence.Options) (evidence.Evidence, error) {
	for _, kind := range []struct {
		flag  string
		files []existing
		most  int64
		add   func(evidence.Evidence, []byte) (evidence.Evidence, error)
	}{
		{"token", c.Token, maxTokenFile, evidence.Evidence.AddToken},
		{"ots", c.OTS, maxProofFile, evidence.Evidence.AddProof},
	} {
		for _, file := range kind.files {
			content, err := readAtMost(string(file), kind.most)
			if err != nil {
				return e, wrongf(kind.flag, "%s", plainly(err))
			}
			if e, err = kind.add(e, content); err != nil {
				return e, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if c.From == "" {
		return e, nil
	}
	if e.Log == nil {
		return e, wrongf("checkpoint-from", "the evidence is of a chain, which has no checkpoints")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signed, proof, page, err := monitor.Later(ctx, c.From, append(trusted(*opts), e.Log.Key), opts.KeyPages, e.Log.Checkpoint)
	if fork := (*monitor.Fork)(nil); errors.As(err, &fork) {
		tellFork(o, fork.Older, fork.Newer)
		return e, exitError{exitForked, err}
	} else if err != nil {
		return e, err
	}
	if page.Text != "" {
		opts.KeyPages = append(opts.KeyPages, page)
	}
	if e, err = e.AddCheckpoint(signed, proof); err != nil {
		return e, err
	}
	return c.served(ctx, o, e, *opts)
}

// served returns e with the dates that the log serves: of the block, also by a chain, and of each
// token that e has, which renew it. A date that does not hold is left out, with a line that says so.
func (c *evidenceUpgrade) served(ctx context.Context, o *output, e evidence.Evidence, opts evidence.Options) (evidence.Evidence, error) {
	take := func(digest [32]byte, kind string, add func(evidence.Evidence, []byte) (evidence.Evidence, error)) error {
		content, err := monitor.Stamp(ctx, c.From, digest, kind)
		if err != nil || content == nil {
			return err
		}
		next, err := add(e, content)
		if err == nil {
			err = newlyFailed(e, next, opts)
		}
		if err != nil {
			fmt.Fprintf(o.err, "timbre: left out: a date that the log serves: %s\n", oneLine(err.Error()))
			return nil
		}
		e = next
		return nil
	}
	if err := take(e.Block.Hash, monitor.TokenFile, evidence.Evidence.AddToken); err != nil {
		return e, err
	}
	if err := take(e.Block.Hash, monitor.ProofFile, addBetter); err != nil {
		return e, err
	}
	if err := take(e.Block.Hash, monitor.AnchorFile, addAnchors); err != nil {
		return e, err
	}
	for i := 0; i < len(e.Attestations); i++ { // a renewal that was added is renewed, too
		if e.Attestations[i].Kind != evidence.KindRFC3161 {
			continue
		}
		digest, err := e.Digest(evidence.OfAttestation(i))
		if err == nil {
			err = take(digest, monitor.TokenFile, evidence.Evidence.AddToken)
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// addAnchors adds the anchors in a list of attestations, and the checkpoints that they are about.
func addAnchors(e evidence.Evidence, file []byte) (evidence.Evidence, error) {
	var all []evidence.Attestation
	if err := json.Unmarshal(file, &all); err != nil {
		return e, fmt.Errorf("the anchor: %w", err)
	}
	for _, a := range all {
		var err error
		switch {
		case a.Kind == evidence.KindCheckpoint:
			e, err = e.AddCheckpoint(a.Checkpoint, a.Consistency)
		case a.Kind == evidence.KindAnchor && a.Anchor != nil:
			e, err = e.AddAnchor(*a.Anchor)
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// addBetter adds a proof, unless e has one that says as much: a pending proof adds nothing to
// another.
func addBetter(e evidence.Evidence, file []byte) (evidence.Evidence, error) {
	proof, err := evidence.ReadProof(file)
	if err != nil {
		return e, err
	}
	for _, a := range e.Attestations {
		if a.Kind != evidence.KindOpenTimestamps {
			continue
		}
		if had, err := evidence.ReadProof(a.Proof); err == nil && had.Digest == proof.Digest && (had.Bitcoin || !proof.Bitcoin) {
			return e, nil
		}
	}
	return e.AddProof(file)
}

// newlyFailed returns an error if a check fails in next that does not fail in e.
func newlyFailed(e, next evidence.Evidence, opts evidence.Options) error {
	before, err := evidence.Verify(e, opts)
	if err != nil {
		return err
	}
	after, err := evidence.Verify(next, opts)
	if err != nil {
		return err
	}
	for _, check := range after {
		if check.Status == evidence.Failed && !slices.ContainsFunc(before, func(had evidence.Check) bool {
			return had.Name == check.Name && had.Part == check.Part && had.Status == evidence.Failed
		}) {
			return fmt.Errorf("with the statement a check fails: %s (%s)", check.Proves, check.Why)
		}
	}
	return nil
}

// trusted returns the keys of all logs that the flags name.
func trusted(opts evidence.Options) []string {
	if opts.Policy == nil {
		return opts.Keys
	}
	return slices.Concat(opts.Keys, opts.Policy.Logs)
}
