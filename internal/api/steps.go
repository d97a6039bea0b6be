package api

import (
	"time"

	"timbre.example/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
)

// step is a step of a transaction, as followers see it.
type step struct {
	Step        record.StepCode `json:"step"`
	Progress    int             `json:"progress"` // percent
	Description string          `json:"description"`
	Timestamp   time.Time       `json:"timestamp"`
}

// shown has the percentage and the English text of each step. Rows hold only the code, so a
// new text is shown for old rows too.
var shown = map[record.StepCode]step{
	record.StepValidating: {Progress: 5, Description: "Checking the registration."},
	record.StepPreparing:  {Progress: 20, Description: "Preparing the entry for the network."},
	record.StepSigning:    {Progress: 40, Description: "Signing the entry."},
	record.StepSubmitting: {Progress: 60, Description: "Sending the entry to the network."},
	record.StepConfirming: {Progress: 80, Description: "Waiting for the network to confirm it."},
	record.StepCompleted:  {Progress: 100, Description: "Registered."},
	record.StepFailed:     {Progress: 100, Description: "The registration did not go through."},
}

// stepsOf renders the steps of a transaction.
func stepsOf(v works.View) []step {
	out := make([]step, len(v.Steps))
	for i, s := range v.Steps {
		out[i] = shown[s.Code]
		out[i].Step, out[i].Timestamp = s.Code, s.At
	}
	return out
}

// failureOf renders the failure of a transaction, with the id of the confirm.
func failureOf(o *works.Outcome) fault.Body { return o.Failure.Envelope(o.RequestID).Error }
