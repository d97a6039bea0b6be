package person_test

import (
	"testing"

	"timbre.example/internal/console/person"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/people"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, person.Area(&people.Service{}), ".")
}
