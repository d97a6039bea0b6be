package main

// The exit codes.
const (
	exitDone    = 0
	exitRefused = 1 // refused, or a failed check
	exitUsage   = 2
	// The evidence is proved, but the page of its PDF was changed.
	exitPageChanged = 3
	exitForked      = 4 // a log has two histories
	exitBroken      = 5 // a log signed an entry that breaks its rules
	// No check of the evidence failed, but what it rests on is not trusted or not known here.
	exitNotProved   = 6
	exitNotEvidence = 7 // a file is not evidence, and has none attached
	exitUnreadable  = 8 // a file cannot be read with certainty, or has an unknown form
	// The evidence is proved, and the log was asked for later versions of the work.
	exitLater        = 9
	exitLaterUnknown = 10 // it could not say
	exitNone         = 11 // not one song of a list is registered
	exitInterrupted  = 130
)

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	error
}

// usageError is an error in an environment variable. A command's help would not explain
// more.
type usageError struct{ error }
