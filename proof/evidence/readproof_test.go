package evidence_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"timbre.example/proof/evidence"
)

// TestForeignReadProof reads a proof that another program made, of a real runtime's state. The
// page does the same with this file. With any byte changed, it fails.
func TestForeignReadProof(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/foreign/read-proof.json")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		StateRoot         string `json:"state_root"`
		AtsID             int64  `json:"ats_id"`
		Version           int64
		Versions          int64
		CreatedAt         int64 `json:"created_at"`
		Runtime           int64
		Time              time.Time
		Nodes             []string
		Commitment, Owner string
	}
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	unhexed := func(s string) []byte {
		b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// A header with this state root: a parent, number 2, the root, another root, and no digest.
	header := append(make([]byte, 32), 2<<2)
	header = append(append(header, unhexed(made.StateRoot)...), make([]byte, 33)...)
	state := func(nodes [][]byte) (evidence.ChainState, error) {
		s := evidence.Substrate{Header: header}
		for _, n := range nodes {
			s.StateProof = append(s.StateProof, n)
		}
		return s.State(made.AtsID, made.Version)
	}
	var nodes [][]byte
	for _, n := range made.Nodes {
		nodes = append(nodes, unhexed(n))
	}
	got, err := state(nodes)
	if err != nil || "0x"+hex.EncodeToString(got.Commitment[:]) != made.Commitment || "0x"+hex.EncodeToString(got.Owner[:]) != made.Owner ||
		got.CreatedAt != made.CreatedAt || got.Versions != made.Versions || got.Runtime != made.Runtime || !got.Time.Equal(made.Time) {
		t.Fatalf("%+v, %v; want %+v", got, err, made)
	}
	for i := range nodes {
		for k := range nodes[i] {
			nodes[i][k] ^= 1
			if _, err := state(nodes); err == nil {
				t.Errorf("byte %d of node %d can change", k, i)
			}
			nodes[i][k] ^= 1
		}
	}
}
