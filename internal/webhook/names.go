package webhook

import "time"

// Event is the name of what happened.
type Event string

// The events.
const (
	WorkRegistered Event = "work_registered"
	WorkUpdated    Event = "work_updated"
	WorkFailed     Event = "work_failed"
	CreditsLow     Event = "credits_low"
	// Test is sent on request only, to any endpoint.
	Test Event = "test"
)

// Events lists the events that an endpoint may choose, in the order of the documents.
func Events() []Event { return []Event{WorkRegistered, WorkUpdated, WorkFailed, CreditsLow} }

// State is the state of a delivery.
type State string

// The states. Waiting is the only one with attempts to come.
const (
	Waiting   State = "waiting"
	Delivered State = "delivered" // an attempt was acknowledged
	Failed    State = "failed"    // the receiver refused it, or the schedule ended
	Skipped   State = "skipped"   // its endpoint was disabled
)

// States lists the states, in the order of the documents.
func States() []State { return []State{Waiting, Delivered, Failed, Skipped} }

// Reason is why an endpoint is disabled.
type Reason string

// The reasons.
const (
	Manual  Reason = "manual"  // a caller disabled it
	Gone    Reason = "gone"    // it answered 410
	Failing Reason = "failing" // every attempt failed for DisableAfter
)

// The bounds of what is stored and sent.
const (
	// MaxEndpoints is the number of endpoints that an organization may have. The endpoints
	// of its API keys do not count.
	MaxEndpoints = 20
	// MaxKeyEndpoints is the number of endpoints of API keys that an organization may have, those
	// of revoked and expired keys included.
	MaxKeyEndpoints = 20
	// MaxURL is the longest URL, in bytes.
	MaxURL = 2048
	// MaxDescription is the longest description, in characters.
	MaxDescription = 200
	// Retention is how long deliveries and their attempts can be read and replayed.
	Retention = 30 * 24 * time.Hour
	// CodeLifetime is how long after its event an attempt contains the access code. It is
	// longer than all attempts of the schedule take. A later replay contains null.
	CodeLifetime = 4 * 24 * time.Hour
	// AttemptTime is how long one attempt may take, from the look-up of the host to the end
	// of the answer.
	AttemptTime = 30 * time.Second
	// WarnAfter and DisableAfter are how long all attempts of an endpoint fail before its
	// organization is warned, and before the endpoint is disabled.
	WarnAfter    = 3 * 24 * time.Hour
	DisableAfter = 5 * 24 * time.Hour
	// DefaultOverlap and MaxOverlap bound the time in which the previous secret signs, too.
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour
)
