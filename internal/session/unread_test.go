package session

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"timbre.example/internal/fault"
)

func TestUnread(t *testing.T) {
	away := fmt.Errorf("read: %w", sql.ErrConnDone)
	f, ok := errors.AsType[*fault.Error](unread(away))
	if !ok || f.Code != fault.CodeCommonAuthBackendUnavailable || f.RetryAfterSeconds() < 1 || !errors.Is(f, sql.ErrConnDone) {
		t.Errorf("%v", f)
	}
	other := errors.New("a bug")
	if unread(other) != other || !errors.Is(unread(fault.SessionOriginNotAllowed()), fault.CodeSessionOriginNotAllowed) {
		t.Error("another error was changed")
	}
}
