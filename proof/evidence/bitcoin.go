package evidence

import (
	"fmt"
	"strconv"
	"time"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/internal/ots"
)

// verifyBitcoin checks an OpenTimestamps proof of sum against the blocks that the caller
// has.
func verifyBitcoin(file []byte, sum commitment.Hash, opts Options, part string) Check {
	c := Check{Name: CheckBitcoin, Proves: word("check_bitcoin"), Status: NotChecked, Part: part}
	proof, err := ots.Parse(file)
	if err == nil && proof.Digest != sum {
		err = fmt.Errorf("it is for something else")
	}
	if err != nil {
		c.Status, c.Why = Failed, err.Error()
		return c
	}
	if len(proof.Bitcoin) == 0 {
		c.Why = word("why_bitcoin_pending")
		return c
	}
	c.Why = filled("why_bitcoin_block", "{height}", strconv.FormatInt(proof.Bitcoin[0].Height, 10))
	if opts.Blocks == nil {
		return c
	}
	var first time.Time
	for _, b := range proof.Bitcoin {
		root, at, ok := opts.Blocks(b.Height)
		switch {
		case !ok:
		case root != b.Root:
			c.Status, c.Why = Failed, fmt.Sprintf("block %d has another Merkle root", b.Height)
			return c
		case first.IsZero() || at.Before(first):
			first = at.UTC()
		}
	}
	if !first.IsZero() {
		c.Status, c.Why, c.Time, c.By = OK, "", &first, "Bitcoin"
	}
	return c
}
