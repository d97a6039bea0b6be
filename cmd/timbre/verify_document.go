package main

import (
	"errors"
	"slices"

	"timbre.example/proof/evidence"
)

// outcome is the result of one file: a word for programs, and the exit code.
type outcome struct {
	result string
	code   int
}

// The outcomes, the worst first. A fork is found by comparing files, or by asking the log.
var (
	forked      = outcome{"forked", exitForked}
	refused     = outcome{"refused", exitRefused}
	notEvidence = outcome{"not_evidence", exitNotEvidence}
	unread      = outcome{"unreadable", exitUnreadable}
	notProved   = outcome{"not_proved", exitNotProved}
	pageChanged = outcome{"page_changed", exitPageChanged}
	proved      = outcome{"proved", exitDone}
	// Only with --online or --rpc, instead of proved.
	broken       = outcome{"broken", exitBroken}
	laterVersion = outcome{"later_version", exitLater}
	revoked      = outcome{"revoked", exitLater}
	laterUnknown = outcome{"later_unknown", exitLaterUnknown}

	outcomes = []outcome{forked, refused, notEvidence, unread, notProved, pageChanged, broken, laterVersion, revoked, laterUnknown, proved}
)

// troubles are the outcomes of files without readable evidence, by the keys of the page's
// texts.
var troubles = map[string]outcome{
	"neither": notEvidence, "noAttachment": notEvidence, "damaged": refused,
	"manyAttachments": unread, "encrypted": unread, "broken": unread, "unsure": unread, "tooLarge": unread, "otherVersion": unread, "file": unread, "recording": unread,
}

// document is one file and what was found.
type document struct {
	File   string `json:"file,omitempty"`
	Result string `json:"result"`
	*judged
	Trouble string `json:"trouble,omitempty"`
	Why     string `json:"why,omitempty"`
	Where   string `json:"where,omitempty"`
	// Online is what the log says; nil without --online.
	Online *online `json:"online,omitempty"`
	// Node is what a node says; nil without --rpc.
	Node *nodeAnswer `json:"node,omitempty"`

	outcome outcome
	whole   bool // no check of the evidence failed
	page    *evidence.Check
	failure error
}

// judged is what was found in a file with evidence.
type judged struct {
	Verdict  evidence.Verdict   `json:"verdict"`
	Test     bool               `json:"test_network"`
	Levels   []evidence.Level   `json:"levels"`
	Dates    []evidence.Date    `json:"dates"`
	Checks   evidence.Report    `json:"checks"`
	Evidence *evidence.Evidence `json:"evidence,omitempty"`
	// Ended is the size of the log if its key page says that it has ended.
	Ended *int64 `json:"log_ended,omitempty"`
}

// compared is what the comparison of two files found.
type compared struct {
	Files       [2]string         `json:"files"`
	Relation    evidence.Relation `json:"relation"`
	Why         string            `json:"why,omitempty"`
	Checkpoints []string          `json:"checkpoints,omitempty"`
}

// unread returns d for a file that gave err instead of evidence. trouble is the key if err
// names none.
func (d document) unread(err error, trouble string) document {
	d.failure, d.Trouble = err, trouble
	if u := (*unreadable)(nil); errors.As(err, &u) {
		d.Trouble, d.Why, d.Where = u.trouble, u.why, u.where
	} else {
		d.Why = plainly(err)
	}
	if d.outcome = troubles[d.Trouble]; d.outcome == refused {
		// The file says that it is evidence, so its form is a check that failed.
		d.judged = &judged{Verdict: evidence.Fails, Levels: []evidence.Level{}, Dates: []evidence.Date{}, Checks: evidence.Report{evidence.Form(err)}}
	}
	d.Result = d.outcome.result
	return d
}

// allBut reports whether no check but one of this name failed.
func allBut(r evidence.Report, name evidence.CheckName) bool {
	return !slices.ContainsFunc(r, func(c evidence.Check) bool {
		return c.Status == evidence.Failed && c.Part == "" && c.Name != name
	})
}
