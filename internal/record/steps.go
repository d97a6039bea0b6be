package record

import (
	"fmt"
	"time"
)

// Step is one step of a transaction, as followers see it.
type Step struct {
	Step        string    `json:"step"`
	Progress    int       `json:"progress"` // percent
	Description string    `json:"description"`
	Timestamp   time.Time `json:"timestamp"`
}

// step is the fixed part of a Step.
type step struct {
	name        string
	progress    int
	description string
}

// The steps of a transaction, in their order.
var (
	StepValidating = step{"validating", 5, "Checking the registration."}
	StepPreparing  = step{"preparing_transaction", 20, "Preparing the entry for the network."}
	StepSigning    = step{"signing", 40, "Signing the entry."}
	StepSubmitting = step{"submitting", 60, "Sending the entry to the network."}
	StepConfirming = step{"confirming", 80, "Waiting for the network to confirm it."}
	StepCompleted  = step{"completed", 100, "Registered."}
	StepFailed     = step{"failed", 100, "The registration did not go through."}
)

// Steps appends more steps to those of a transaction's row.
func Steps(before []Step, at time.Time, more ...step) string {
	for _, s := range more {
		before = append(before, Step{Step: s.name, Progress: s.progress, Description: s.description, Timestamp: at})
	}
	return Encode(before)
}

// ParseSteps reads the steps of a transaction's row.
func ParseSteps(text string) ([]Step, error) {
	var s []Step
	if err := Column("transactions.steps", text, &s); err != nil {
		return nil, fmt.Errorf("read the steps of a transaction: %w", err)
	}
	return s, nil
}
