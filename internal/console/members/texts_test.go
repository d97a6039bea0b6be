package members_test

import (
	"testing"

	"timbre.example/internal/console/members"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/people"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, members.Area(&people.Service{}), ".")
}
