package transactions_test

import (
	"testing"

	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, transactions.Area(transactions.Config{Requests: &requestlog.Log{}, Stories: story.New(nil, nil)}), ".")
}
