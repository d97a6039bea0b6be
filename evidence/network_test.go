package evidence_test

import (
	"encoding/json"
	"os"
	"testing"

	"timbre.example/proof/evidence"
)

// The page's tests read the same file.
func TestNetworkOf(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/networks.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Origin, Network string
		Test            bool
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if got := evidence.NetworkOf(c.Origin); got != c.Network {
			t.Errorf("%q: the log of %q, want %q", c.Origin, got, c.Network)
		}
		// Anyone can change this member, so it must not decide.
		for _, claimed := range []string{"testnet", "mainnet", c.Network} {
			e := evidence.Evidence{Network: evidence.Network{Name: claimed, Kind: evidence.KindLog}, Log: &evidence.Log{Origin: c.Origin}}
			if e.OnTestNetwork() != c.Test {
				t.Errorf("%q, called %q: a test network: %t", c.Origin, claimed, !c.Test)
			}
		}
	}
}

// A key is valid only for the log in the key's name.
func TestTheKeyIsTheLogs(t *testing.T) {
	t.Parallel()
	checkpoint := string(song.signAs("timbre.example/log/mainnet"))
	if _, err := evidence.OpenCheckpoint(checkpoint, "timbre.example/log/mainnet", song.key()); err == nil {
		t.Error("the key of the test network's log is accepted for the mainnet")
	}
	if _, err := evidence.OpenCheckpoint(string(song.signAs(logName)), logName, song.key()); err != nil {
		t.Error(err)
	}
}
