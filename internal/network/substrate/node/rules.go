package node

import (
	"fmt"

	"timbre.example/internal/network/substrate/scale"
)

func lastUpgrade(r Runtime) []byte {
	return scale.AppendText(scale.AppendCompact(nil, uint64(r.Spec)), specName)
}

// Coin is one coin in the smallest unit; deposits, fees and balances are in that unit.
const Coin uint64 = 1_000_000_000_000

// Rules are the constants of a runtime that tests change. Metadata has them, too, but for
// the last.
type Rules struct {
	// BaseDeposit is held for a work, and VersionDeposit for each of its versions.
	BaseDeposit, VersionDeposit uint64
	// ExistentialDeposit is what an account must keep.
	ExistentialDeposit uint64
	// MaxVersionsPerAts and MaxAtsPerAccount limit versions and works.
	MaxVersionsPerAts, MaxAtsPerAccount uint32
	// ExtrinsicsPerBlock limits the signed extrinsics of a block; 0 leaves weight and length
	// alone.
	ExtrinsicsPerBlock int
}

// Runtime is one version of the chain's program.
type Runtime struct {
	// Spec and Transaction are the version numbers that signatures cover.
	Spec, Transaction uint32
	// Moved gives the pallet Ats another index, and exchanges the numbers of create and
	// revoke, of their events, and of two errors. A client that keeps numbers is wrong there.
	Moved bool
	// Listed is the pallet Ats as from spec version 201 on: a work has a list of deposits, a
	// version none, and events have an operator, which is absent here. The calls on behalf of
	// others are missing.
	Listed bool
	// Rules are its constants.
	Rules Rules
}

// Melodie is the runtime of the public test network with its real metadata.
func Melodie() Runtime {
	return Runtime{Spec: 100, Transaction: 1, Rules: Rules{
		BaseDeposit: 10 * Coin, VersionDeposit: Coin, ExistentialDeposit: Coin / 10, MaxVersionsPerAts: 100, MaxAtsPerAccount: 1000,
	}}
}

// Melodie201 is a later runtime of the same network with its real metadata, as it is published:
// without some pallets. It answers version 14, made from that, and 16.
func Melodie201() Runtime {
	r := Melodie()
	r.Spec, r.Transaction, r.Listed, r.Rules.BaseDeposit = 201, 2, true, 5*Coin
	return r
}

// Next is a runtime that follows r: both of its numbers grow, and the numbers of the pallet
// Ats move.
func (r Runtime) Next() Runtime {
	r.Spec++
	r.Transaction++
	r.Moved = !r.Moved
	return r
}

// specName is the name of the runtime in its version.
const specName = "allfeat-melodie-3"

// code is the value of :code, in place of a program.
func (r Runtime) code() []byte {
	return fmt.Appendf(nil, "test runtime %d", r.Spec)
}
