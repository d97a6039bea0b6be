package record

import (
	"time"

	"timbre.example/fault"
)

// StepCode names a step of a transaction. Package api has its text and its percentage.
type StepCode string

// The steps of a transaction, in their order. The last is either StepCompleted or StepFailed.
const (
	StepValidating StepCode = "validating"
	StepPreparing  StepCode = "preparing_transaction"
	StepSigning    StepCode = "signing"
	StepSubmitting StepCode = "submitting"
	StepConfirming StepCode = "confirming"
	StepCompleted  StepCode = "completed"
	StepFailed     StepCode = "failed"
)

// StepCodes are all steps.
var StepCodes = []StepCode{StepValidating, StepPreparing, StepSigning, StepSubmitting, StepConfirming, StepCompleted, StepFailed}

// Step is a step that a transaction has reached. Rows of the first releases also have the
// step's text and percentage, which are not read.
type Step struct {
	Code StepCode  `json:"step"`
	At   time.Time `json:"timestamp"`
}

// AppendSteps returns the stored form of the steps before, and of more that were reached at
// this time.
func AppendSteps(before []Step, at time.Time, more ...StepCode) string {
	for _, c := range more {
		before = append(before, Step{Code: c, At: at})
	}
	return Encode(before)
}

// Refusal is a stored refusal: its code and its details. The text is added when it is shown.
// Rows of the first releases have a whole body, of which only these two are read.
type Refusal struct {
	Code    fault.Code     `json:"code"`
	Details map[string]any `json:"details,omitempty"`
}

// RefusalOf returns the stored form of an error. Only details that the catalogue declares are
// stored.
func RefusalOf(e *fault.Error) Refusal {
	body := e.Envelope("").Error
	return Refusal{Code: body.Code, Details: body.Details}
}

// Err returns the error that was stored.
func (r Refusal) Err() *fault.Error { return &fault.Error{Code: r.Code, Details: r.Details} }
