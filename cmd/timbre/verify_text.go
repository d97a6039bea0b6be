package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"timbre.example/proof/evidence"
)

// print prints one document for people.
func (d document) print(w io.Writer) {
	if d.File != "" {
		fmt.Fprintf(w, "%-12s %q\n", "file", d.File)
	}
	if d.judged == nil || d.Evidence == nil {
		if d.File != "" {
			label := "verdict"
			for line := range strings.SplitSeq(d.failure.Error(), "\n") { // the advice stands below
				fmt.Fprintf(w, "%-12s %s\n", label, oneLine(strings.TrimSpace(line)))
				label = ""
			}
			fmt.Fprintln(w)
		}
		return
	}
	e := *d.Evidence
	describe(w, e)
	ownerOf(w, e, d.Checks)
	tell(w, d.Checks)
	fmt.Fprintf(w, "\n%-12s %s\n%-12s %s\n", "verdict", d.Verdict.Name(), "", oneLine(d.Verdict.Sentence(e)))
	if d.Verdict.Proved() {
		proofOf(w, e, d.Checks)
	} else if slices.Contains(d.Levels, evidence.LevelNamed) {
		levelsOf(w, d.Checks)
	}
	if d.page != nil && d.page.Status == evidence.NotChecked && d.Verdict.Proved() {
		fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.PageWarning())
	}
	if d.Ended != nil {
		fmt.Fprintf(w, "%-12s The log has ended after %s: no later registration or version is in it.\n", "note", plural64(*d.Ended, "entry", "entries"))
	}
	if d.Test {
		fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.TestWarning())
	}
	if d.Node != nil {
		d.Node.print(w, e.Version)
	}
	if d.Online != nil {
		d.Online.print(w, e.Version)
	} else if d.Node == nil && d.Verdict.Proved() {
		noteLater(w)
	}
	if d.File != "" {
		fmt.Fprintln(w)
	}
}

// proofOf prints the dates and the levels of a proof.
func proofOf(w io.Writer, e evidence.Evidence, report evidence.Report) {
	for i, d := range report.Dates(e) {
		name := ""
		if i == 0 {
			name = "dates"
		}
		fmt.Fprintf(w, "%-12s %s\n", name, oneLine(d.Sentence(clock)))
	}
	levelsOf(w, report)
	if slices.ContainsFunc(report, func(c evidence.Check) bool { return c.Part != "" && c.Status == evidence.Failed }) {
		fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.IgnoredWarning())
	}
}

// levelsOf prints how far a proof goes.
func levelsOf(w io.Writer, report evidence.Report) {
	for i, l := range report.Levels() {
		name := ""
		if i == 0 {
			name = "levels"
		}
		fmt.Fprintf(w, "%-12s %s. %s\n", name, l.Name(), l.Excludes())
	}
}

// noteLater says that evidence knows of no later version.
func noteLater(w io.Writer) { fmt.Fprintf(w, "%-12s %s\n", "note", evidence.LaterVersions()) }

// roleNames are the roles' names on screens.
var roleNames = map[string]string{"author": "lyrics", "composer": "music", "arranger": "arrangement", "adapter": "adaptation"}

// describe prints the work that the evidence is about. Another person chose its texts, so
// they are quoted: none of them can look like a line of timbre.
func describe(w io.Writer, e evidence.Evidence) {
	fmt.Fprintf(w, "%-12s %q\n", "title", e.Title)
	for _, c := range e.Creators {
		roles := make([]string, len(c.Roles))
		for i, r := range c.Roles {
			roles[i] = roleNames[r.String()]
		}
		fmt.Fprintf(w, "%-12s %d. %q, %q: %s", "creator", c.Proof.Index()+1, c.FullName, c.Email, strings.Join(roles, ", "))
		if c.IPI != nil {
			fmt.Fprintf(w, "; IPI %s", *c.IPI)
		}
		if c.ISNI != nil {
			fmt.Fprintf(w, "; ISNI %s", *c.ISNI)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%-12s file hash (SHA-256) %s, %d bytes\n", "recording", e.Media.SHA256, e.Media.SizeBytes)
	fmt.Fprintf(w, "%-12s registration number %d, version %d, on %q", "work", e.AtsID, e.Version, e.Network.Name)
	if e.Log != nil {
		fmt.Fprintf(w, ", the log %q", e.Log.Origin)
	}
	fmt.Fprintf(w, "\n%-12s %d, %s\n", "block", e.Block.Number, clock(e.Block.Time))
	fmt.Fprintf(w, "%-12s %s\n\n", "commitment", e.Commitment)
}

// ownerOf prints the owner of the work on a chain, if the chain's state proves it.
func ownerOf(w io.Writer, e evidence.Evidence, report evidence.Report) {
	if c, _ := report.Check(evidence.CheckState); c.Status != evidence.OK {
		return
	}
	if state, err := e.Substrate.State(e.AtsID, e.Version); err == nil {
		fmt.Fprintf(w, "%-12s %x, in the state of the chain; set of authorities %d, runtime %d\n\n", "owner", state.Owner, state.SetID, state.Runtime)
	}
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000 UTC") }

func tell(w io.Writer, report evidence.Report) {
	for _, one := range report {
		fmt.Fprintf(w, "%-12s %s\n", strings.ToLower(one.Status.Name()), oneLine(one.Proves))
		if one.Why != "" {
			fmt.Fprintf(w, "%-12s (%s)\n", "", oneLine(one.Why))
		}
	}
}

// print says what the log says. version is that of the evidence.
func (f *online) print(w io.Writer, version int64) {
	says := ""
	switch f.Result {
	case noneLater:
		says = fmt.Sprintf("The log has no later version of this work up to entry %d, at %s.", f.To-1, clock(f.Last))
	case someLater:
		says = "The log has a later version of this work."
	case partlyRead:
		says = fmt.Sprintf("No later version of this work up to entry %d, at %s. Not known beyond it: %s.", f.To-1, clock(f.Last), f.Why)
	case notAsked:
		says = fmt.Sprintf("The log was not asked for later versions: %s.", f.Why)
	case logForked:
		says = fmt.Sprintf("The log has two histories: %s.", f.Why)
	case logBroken:
		says = fmt.Sprintf("The log breaks its rules: %s.", f.Why)
	default:
		says = fmt.Sprintf("Not known whether there are later versions: %s.", f.Why)
	}
	fmt.Fprintf(w, "%-12s %s\n", "online", oneLine(says))
	for _, v := range f.Versions {
		name := "later"
		if v.Version < version {
			name = "earlier"
		}
		fmt.Fprintf(w, "%-12s version %d, %s, entry %d, transaction %s\n", name, v.Version, clock(v.Time), v.Index, v.TxHash)
	}
	if f.Source != "" {
		fmt.Fprintf(w, "%-12s %q\n", "asked", f.Source)
	}
}

// print prints the answer for people.
func (n *nodeAnswer) print(w io.Writer, version int64) {
	says := ""
	switch n.Result {
	case noneLater:
		says = fmt.Sprintf("The node has the block as final. The chain's state at block %d has the commitment, and no later version of this work.", n.Final)
	case someLater:
		says = fmt.Sprintf("The node has the block as final. The chain's state at block %d has the commitment, and a later version of this work.", n.Final)
	case nodeRevoked:
		says = fmt.Sprintf("The node has the block as final. The chain's state at block %d does not have the work any more: its owner revoked it.", n.Final)
	case nodeContradicts:
		says = fmt.Sprintf("The node contradicts the evidence: %s.", n.Why)
	case notAsked:
		says = fmt.Sprintf("The node was not asked: %s.", n.Why)
	case nodeOtherChain:
		says = fmt.Sprintf("The node belongs to another chain: %s.", n.Why)
	default:
		says = fmt.Sprintf("The node does not say: %s.", n.Why)
	}
	fmt.Fprintf(w, "%-12s %s\n", "node", oneLine(says))
	for _, v := range n.Versions {
		name := "later"
		if v.Version < version {
			name = "earlier"
		}
		fmt.Fprintf(w, "%-12s version %d, block %d, commitment %s\n", name, v.Version, v.Block, v.Commitment)
	}
	if n.Source != "" {
		fmt.Fprintf(w, "%-12s %q\n", "asked", n.Source)
	}
}
