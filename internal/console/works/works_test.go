package works

import (
	"testing"

	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil, nil, []network.Network{networktest.New(network.Mainnet), networktest.New(network.Testnet)}, nil), ".")
}
