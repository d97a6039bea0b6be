package registry

import (
	"encoding/json"
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

var (
	stepValidating = step{"validating", 5, "Checking the registration."}
	stepPreparing  = step{"preparing_transaction", 20, "Preparing the entry for the network."}
	stepSigning    = step{"signing", 40, "Signing the entry."}
	stepSubmitting = step{"submitting", 60, "Sending the entry to the network."}
	stepConfirming = step{"confirming", 80, "Waiting for the network to confirm it."}
	stepCompleted  = step{"completed", 100, "Registered."}
	stepFailed     = step{"failed", 100, "The registration did not go through."}
)

// steps appends more steps to those of a transaction's row.
func steps(before []Step, at time.Time, more ...step) string {
	for _, s := range more {
		before = append(before, Step{Step: s.name, Progress: s.progress, Description: s.description, Timestamp: at})
	}
	return mustJSON(before)
}

func parseSteps(text string) ([]Step, error) {
	var s []Step
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}
