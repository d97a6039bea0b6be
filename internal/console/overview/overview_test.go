package overview

import (
	"testing"

	"timbre.example/internal/console/shell/shelltest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil, nil, nil), ".")
}
