// Package state holds the states of jobs and transactions, and every change between them. It
// is the only list: the queries that change a state are checked against it on both databases,
// and docs/states.md is drawn from it. It reads and changes no row.
package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Job is the state of a job: an attempt to register a work, or a version of one.
type Job string

// The states of a job.
const (
	JobOpen      Job = "open"      // waits for its file and for prepare
	JobPrepared  Job = "prepared"  // has a quote
	JobConfirmed Job = "confirmed" // has a transaction, with the same id
	JobExpired   Job = "expired"   // can never continue
)

// Unpaid reports whether a job can still be changed, prepared and confirmed before its
// deadline.
func (j Job) Unpaid() bool { return j == JobOpen || j == JobPrepared }

// Transaction is the state of a transaction: a confirmed job on its way to a network.
type Transaction string

// The states of a transaction.
const (
	TransactionConfirmed Transaction = "confirmed" // nothing is signed
	TransactionStaged    Transaction = "staged"    // its exact bytes are stored
	TransactionBroadcast Transaction = "broadcast" // its bytes were sent
	TransactionFinal     Transaction = "final"     // the network accepted it
	TransactionFailed    Transaction = "failed"    // the network will never accept it
)

// InFlight reports whether a transaction has not ended.
func (t Transaction) InFlight() bool {
	return t == TransactionConfirmed || t == TransactionStaged || t == TransactionBroadcast
}

// Change is one change of a state.
type Change[S ~string] struct {
	From S // "" when the row is new
	To   S // may be From
	// Step is the step that makes the change, and Query is the query that the step runs. The
	// query changes a row only in the state From.
	Step, Query string
}

// Jobs are all changes of a job.
var Jobs = []Change[Job]{
	{"", JobOpen, "init", "InsertJob"},
	{JobOpen, JobOpen, "another upload slot", "SetJobUpload"},
	{JobPrepared, JobOpen, "another upload slot", "SetJobUpload"},
	{JobOpen, JobOpen, "declared hash", "DeclareMedia"},
	{JobPrepared, JobOpen, "declared hash", "DeclareMedia"},
	{JobOpen, JobPrepared, "prepare", "PrepareJob"},
	{JobPrepared, JobPrepared, "prepare", "PrepareJob"},
	{JobPrepared, JobConfirmed, "confirm", "ConfirmJob"},
	{JobOpen, JobExpired, "deadline", "ExpireJob"},
	{JobPrepared, JobExpired, "deadline", "ExpireJob"},
	{JobOpen, JobExpired, "redact", "RedactJobs"},
	{JobPrepared, JobExpired, "redact", "RedactJobs"},
}

// Transactions are all changes of a transaction.
var Transactions = []Change[Transaction]{
	{"", TransactionConfirmed, "confirm", "InsertTransaction"},
	{TransactionConfirmed, TransactionStaged, "stage", "StageTransaction"},
	{TransactionStaged, TransactionBroadcast, "broadcast", "BroadcastTransaction"},
	{TransactionBroadcast, TransactionFinal, "finish", "FinishTransaction"},
	{TransactionConfirmed, TransactionFailed, "refused", "FailTransaction"},
	{TransactionStaged, TransactionFailed, "refused", "FailTransaction"},
	{TransactionBroadcast, TransactionFailed, "refused", "FailTransaction"},
}

// Table draws changes as the rows of a Markdown table: one row for each step and new state.
func Table[S ~string](changes []Change[S]) string {
	var out strings.Builder
	out.WriteString("| step | from | to | query |\n|---|---|---|---|\n")
	for i, c := range changes {
		same := func(d Change[S]) bool { return d.Step == c.Step && d.To == c.To && d.Query == c.Query }
		if slices.ContainsFunc(changes[:i], same) {
			continue
		}
		var from []string
		for _, d := range changes {
			if same(d) {
				from = append(from, cmp.Or(string(d.From), "(new)"))
			}
		}
		fmt.Fprintf(&out, "| %s | %s | %s | `%s` |\n", c.Step, strings.Join(from, ", "), c.To, c.Query)
	}
	return out.String()
}
