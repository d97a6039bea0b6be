// Package operation names the operation that failed, and its subject, in an error that leaves
// a package. The command tools/operations checks that no exported function of the listed
// packages forgets it.
package operation

import (
	"errors"
	"fmt"

	"timbre.example/internal/fault"
)

// Wrap adds the operation to *err, if there is an error. It belongs into a defer at the
// beginning of an exported function:
//
//	func (s *Service) Prepare(…, jobID string) (_ Prepared, err error) {
//		defer operation.Wrap(&err, "prepare job %s", jobID)
//
// An argument is an id, a network or a number; never a secret, an access code, or what a
// person wrote. A refusal keeps its code and its text, which are an answer and not a failure.
// Its cause, if it has one, gets the operation.
func Wrap(err *error, format string, args ...any) {
	if *err == nil {
		return
	}
	var refusal *fault.Error
	if !errors.As(*err, &refusal) {
		*err = fmt.Errorf(format+": %w", append(args, *err)...)
		return
	}
	if cause := errors.Unwrap(refusal); cause != nil && error(refusal) == *err {
		*err = refusal.Because(fmt.Errorf(format+": %w", append(args, cause)...))
	}
}
