package leaf_test

import (
	"fmt"

	"timbre.example/proof/evidence/leaf"
)

func ExampleParseLeaf() {
	entry, err := leaf.ParseLeaf([]byte(`timbre-log/v1
create
commitment ab00000000000000000000000000000000000000000000000000000000000001
protocol 1
nonce df71001510f3ff862b7342de1a92e1e700fd41e78677baf161079d3a5fcef6ec
ats 17
version 1
block 4
time 2026-03-01T12:00:00.000000Z
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("work", entry.AtsID, "version", entry.Version, "in block", entry.Block)
	fmt.Println(entry.At)
	// Output:
	// work 17 version 1 in block 4
	// 2026-03-01 12:00:00 +0000 UTC
}
