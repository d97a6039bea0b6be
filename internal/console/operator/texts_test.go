package operator_test

import (
	"testing"

	"timbre.example/internal/console/operator"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/people"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, operator.Area(nil, &people.Service{}, []network.Network{&substrate.Network{}}), ".")
}
