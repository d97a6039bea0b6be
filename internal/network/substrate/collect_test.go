package substrate

import (
	"os"
	"slices"
	"testing"

	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// A proof that does not hold is not kept, whatever part of it a node has wrong.
func TestCheckedBeforeKept(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../../proof/evidence/testdata/v2/chain.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := evidence.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	row := query.ListUnprovedSubstrateTransactionsRow{AtsID: e.AtsID, Version: e.Version, Block: e.Block.Number}
	check := func(change func(*collected, *block)) error {
		s := e.Substrate
		finality := *s.Finality
		finality.Justification = slices.Clone(finality.Justification)
		c := collected{StateProof: slices.Clone(s.StateProof), Finality: &finality}
		b := block{number: e.Block.Number, header: s.Header}
		change(&c, &b)
		if err := c.checkState(b, row); err != nil || c.Finality == nil {
			return err
		}
		return final{block: b, finality: c.Finality}.check()
	}
	if err := check(func(*collected, *block) {}); err != nil {
		t.Fatal(err)
	}
	if err := check(func(c *collected, _ *block) { c.Finality = nil }); err != nil {
		t.Errorf("without finality: %v", err)
	}
	for name, change := range map[string]func(*collected, *block){
		"a node is missing":  func(c *collected, _ *block) { c.StateProof = c.StateProof[1:] },
		"a node too many":    func(c *collected, _ *block) { c.StateProof = append(c.StateProof, evidence.Bytes{0}) },
		"no state":           func(c *collected, _ *block) { c.StateProof = nil },
		"another block":      func(_ *collected, b *block) { b.number++ },
		"a changed vote":     func(c *collected, _ *block) { c.Finality.Justification[len(c.Finality.Justification)-100] ^= 1 },
		"another set's vote": func(c *collected, _ *block) { c.Finality.SetID++ },
	} {
		if check(change) == nil {
			t.Errorf("%s: the proof would be kept", name)
		}
	}
}
