package main

import (
	"context"
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

// verifyCmd checks evidence offline: it opens only the files that the flags name. With
// --online it then asks the log, and with --rpc a node of the chain.
type verifyCmd struct {
	Evidence []existing `example:"certificate.pdf" arg:"" placeholder:"FILE" help:"Evidence as JSON (at most 1 MiB), or a certificate as PDF with the evidence attached (at most 8 MiB). Several files are also compared with each other: two histories of one log are found out."`
	Media    string     `example:"song.wav" type:"existingfile" placeholder:"FILE" help:"The recording, of any size."`
	trustFlags
	onlineFlags
	nodeFlags
	Save        string `example:"evidence.json" type:"path" placeholder:"FILE" help:"Write the evidence as JSON to this file, readable by this user only, if no check failed."`
	OnlyCreator []int  `example:"1" placeholder:"N" help:"With --save: include only this creator, by position in the work, from 1. Can be repeated."`
	JSON        bool   `name:"json" help:"Print JSON: result, verdict, checks and evidence, also for a file that cannot be read."`
}

// Help explains the output and the exit codes.
func (verifyCmd) Help() string {
	return `Each line says what one check proved, or why it proved nothing. The last lines
are the verdict, in the same words as the page /verify.

Exit codes:
  0  proved: no check failed, and the commitment is in the log of --log-key, seen by
     enough witnesses of --witness-policy; or it is in the state of a chain, made final
     by authorities of --chain-checkpoint.
  1  refused: a check failed, or the evidence is damaged.
  2  a flag or an argument is wrong.
  3  the PDF was changed after it was issued, but its evidence is proved.
  4  the log forked: two of the files contradict each other. Both checkpoints are
     printed. Publish them.
  6  not proved: no check failed. Either:
       - --log-key is missing, or is that of another log;
       - too few witnesses of --witness-policy have seen it;
       - the network is a chain, and --chain-checkpoint is missing or has none of the
         sets of the evidence;
       - the evidence lacks the chain's proofs: ask a node of the chain.
  7  the file is not evidence, and has none attached.
  8  the file cannot be read with certainty, or has an unknown form.
With --online, a proved file can also have:
  4  the log forked: its newest state and the evidence contradict each other.
  5  the log signed an entry that breaks its rules.
  9  the log has a later version of the work. It is printed.
  10 not known whether there is one: the log does not answer, refuses, has fewer entries
     than the evidence shows, or has more than --online-max.
With --rpc, a proved file can also have:
  4  the node has another final block, or another commitment.
  9  the work has a later version, or was revoked.
  10 the node does not answer, is of another chain, or has not seen the block yet.
Of several files, the first of 4, 1, 7, 8, 6, 3, 5, 9 and 10 counts.`
}

// remedies are what to do on the command line after a verdict that is not a proof.
var remedies = map[evidence.Verdict]string{
	evidence.PageChanged:    "use the certificate as it was issued, or save the evidence with --save",
	evidence.OtherRecording: "give the registered recording with --media",
	evidence.Untrusted:      "give the key of a log that you trust with --log-key",
	evidence.Unwitnessed:    "ask the registry for evidence with more cosignatures, or give another --witness-policy",
	evidence.Unknown:        "ask a node of the chain with --rpc",
}

func (c *verifyCmd) Run(o *output) error {
	opts, err := c.options()
	if err != nil {
		return err
	}
	ring, err := evidence.NewKeyring(opts.Keys, opts.KeyPages)
	if fork := (*evidence.KeyFork)(nil); errors.As(err, &fork) {
		tellFork(o, fork.One, fork.Other)
		return exitError{forked.code, err}
	}
	var all []document
	for _, file := range c.Evidence {
		d, err := c.check(string(file), opts, ring)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	c.ask(o, all, opts, ring)
	pairs := compareAll(all, ring)
	worst := all[0]
	for _, d := range all[1:] {
		if slices.Index(outcomes, d.outcome) < slices.Index(outcomes, worst.outcome) {
			worst = d
		}
	}
	code, failure := worst.outcome.code, worst.failure
	result := worst.outcome.result
	for _, p := range pairs {
		if p.Relation == evidence.Contradiction {
			result, code, failure = forked.result, forked.code, fmt.Errorf("the log forked: %s and %s contradict each other: %s", p.Files[0], p.Files[1], p.Why)
		}
	}
	if c.Save != "" && all[0].whole {
		if err := c.save(*all[0].Evidence); err != nil {
			return err
		}
	}
	var shown any = all[0]
	if len(all) > 1 {
		shown = struct {
			Result      string     `json:"result"`
			Documents   []document `json:"documents"`
			Comparisons []compared `json:"comparisons"`
		}{result, all, pairs}
	}
	if err := o.print(c.JSON, shown, func(w io.Writer) {
		for _, d := range all {
			d.print(w)
		}
		for _, p := range pairs {
			fmt.Fprintf(w, "%-12s %q and %q: %s\n", "compared", p.Files[0], p.Files[1], oneLine(p.Relation.Sentence()))
			if p.Why != "" {
				fmt.Fprintf(w, "%-12s (%s)\n", "", oneLine(p.Why))
			}
		}
	}); err != nil {
		return err
	}
	for _, p := range pairs {
		if p.Relation == evidence.Contradiction {
			tellFork(o, p.Checkpoints[0], p.Checkpoints[1])
		}
	}
	for _, d := range all {
		if d.Online != nil && len(d.Online.Checkpoints) == 2 {
			tellFork(o, d.Online.Checkpoints[0], d.Online.Checkpoints[1])
		}
	}
	if failure != nil && code > exitRefused {
		failure = exitError{code, failure}
	}
	return failure
}

// ask asks the log or the node of each document for other versions of its work.
func (c *verifyCmd) ask(o *output, all []document, opts evidence.Options, ring evidence.Keyring) {
	if !c.Online && c.RPC == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := asker{c.onlineFlags, opts.Policy, ring.Keys(), opts.KeyPages, o.err, map[[2]string]*monitor.Newest{}, map[[2]string]error{}}
	for i := range all {
		chain := all[i].judged != nil && all[i].Evidence != nil && all[i].Evidence.Substrate != nil
		if c.RPC != "" && (chain || !c.Online) {
			all[i].afterNode(c.nodeFlags.ask(ctx, all[i]))
		} else if c.Online {
			all[i].after(a.ask(ctx, all[i]))
		}
	}
}

// check checks one file. Its error is one of a flag; what is wrong with the file is in the
// document.
func (c *verifyCmd) check(path string, opts evidence.Options, ring evidence.Keyring) (document, error) {
	var d document
	if len(c.Evidence) > 1 {
		d.File = path
	}
	e, page, err := readEvidence(path)
	if err != nil {
		return d.unread(err, "file"), nil
	}
	if c.Media != "" {
		m, err := os.Open(c.Media)
		if err != nil {
			return d, wrongf("media", "%s", plainly(err))
		}
		defer func() { _ = m.Close() }()
		opts.Media = m
	}
	report, err := evidence.Verify(e, opts)
	if err != nil {
		return d.unread(fmt.Errorf("%s: %w", c.Media, err), "recording"), nil
	}
	d.whole = report.OK()
	own := evidence.Judge(e, report)
	if page != nil {
		report = append(evidence.Report{*page}, report...)
	}
	verdict := evidence.Judge(e, report)
	d.page = page
	d.judged = &judged{verdict, e.OnTestNetwork(), append([]evidence.Level{}, report.Levels()...), report.Dates(e), report, &e, endOf(e, ring)}
	switch {
	case verdict.Proved():
		d.outcome = proved
	case verdict == evidence.PageChanged && own.Proved():
		d.outcome = pageChanged
	case report.OK() || verdict == evidence.Unwitnessed || verdict == evidence.Untrusted:
		d.outcome = notProved
	default:
		d.outcome = refused
	}
	d.Result = d.outcome.result
	if d.outcome != proved {
		text := "not proved: " + verdict.Name()
		if verdict == evidence.Untrusted && e.Substrate != nil {
			text += "; give a checkpoint of the chain that you trust with --chain-checkpoint"
		} else if remedy := remedies[verdict]; remedy != "" {
			text += "; " + remedy
		}
		d.failure = errors.New(text)
		if d.File != "" {
			d.failure = fmt.Errorf("%s: %w", d.File, d.failure)
		}
	}
	return d, nil
}

// endOf returns the size of the log of the evidence if its key page says that it has ended.
func endOf(e evidence.Evidence, ring evidence.Keyring) *int64 {
	if e.Log == nil {
		return nil
	}
	page, _ := ring.Page(e.Log.Origin)
	if last, ended := page.Ended(); ended {
		return &last.N
	}
	return nil
}

// compareAll compares each document with each other one.
func compareAll(all []document, ring evidence.Keyring) []compared {
	pairs := []compared{}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.judged == nil || a.Evidence == nil || b.judged == nil || b.Evidence == nil {
				continue
			}
			found := evidence.CompareIn(*a.Evidence, *b.Evidence, ring)
			p := compared{Files: [2]string{a.File, b.File}, Relation: found.Relation, Why: found.Why}
			if found.Relation == evidence.Contradiction {
				p.Checkpoints = found.Checkpoints[:]
			}
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// Validate refuses flags that do not go together.
func (c *verifyCmd) Validate() error {
	if len(c.OnlyCreator) > 0 && c.Save == "" {
		return wrongf("only-creator", "can only be used together with --save, which names the file to write")
	}
	if len(c.Evidence) > 1 && c.Save != "" {
		return wrongf("save", "can only be used with one FILE")
	}
	if c.From != "" {
		if err := placeOfLog("online-from", c.From); err != nil {
			return err
		}
	}
	if err := c.nodeFlags.validate(); err != nil {
		return err
	}
	return c.onlineFlags.validate()
}

func (c *verifyCmd) save(e evidence.Evidence) (err error) {
	if len(c.OnlyCreator) > 0 {
		if e, err = only(e, c.OnlyCreator); err != nil {
			return err
		}
	}
	text, err := evidence.Encode(e)
	if err != nil {
		return err
	}
	if err := writePrivate(c.Save, text); err != nil {
		return wrongf("save", "cannot write this file: %s", plainly(err))
	}
	return nil
}
