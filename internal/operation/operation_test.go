package operation_test

import (
	"errors"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	run := func(given error) (err error) {
		defer operation.Wrap(&err, "prepare job %s", "j1")
		return given
	}
	if err := run(nil); err != nil {
		t.Error(err)
	}
	if err := run(boom); err.Error() != "prepare job j1: boom" || !errors.Is(err, boom) {
		t.Error(err)
	}
	// A refusal is an answer.
	if err := run(fault.WorkNotFound()); err.Error() != fault.WorkNotFound().Error() || !errors.Is(err, fault.CodeWorkNotFound) {
		t.Error(err)
	}
	// The cause of a refusal is for the log: it says the operation.
	err := run(fault.CommonServiceUnavailable(time.Second).With("reason", "log_stopped").Because(boom))
	f := fault.From(err)
	if f.Code != fault.CodeCommonServiceUnavailable || f.Details["reason"] != "log_stopped" || f.RetryAfterSeconds() != 1 || !errors.Is(err, boom) || errors.Unwrap(f).Error() != "prepare job j1: boom" {
		t.Errorf("%v", f)
	}
}
