package works

import (
	"time"

	"timbre.example/fault"
	"timbre.example/internal/record"
)

// View is a transaction as its followers see it.
type View struct {
	ID string
	// Organization owns the transaction. Clients never receive it.
	Organization string

	Kind      string
	Steps     []record.Step
	CreatedAt time.Time
	UpdatedAt time.Time
	// Rehearse is the code that the test session wants to receive, or "".
	Rehearse fault.Code
	// Done is nil until the transaction has ended.
	Done *Outcome
}

// Outcome is the end of a transaction. Failure is nil when the transaction is final.
type Outcome struct {
	TxHash      string
	BlockNumber int64
	BlockHash   string
	AtsID       int64
	WorkID      string
	WorkURL     string
	ExplorerURL string
	// At is when the network accepted it: the time on the certificate and in the evidence.
	At time.Time
	// AccessCode is shown for Config.Result after the end.
	AccessCode string
	Failure    *fault.Error
	// RequestID is the id of the confirm, for a failure.
	RequestID string
}
