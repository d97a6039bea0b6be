// Package network is the seam to a chain: what Timbre needs of any network on
// which a commitment can be anchored, and nothing of how one works.
//
// It holds the vocabulary (Call, Staged, Receipt, Proof) and the contract that every
// implementation keeps. It never touches works, credits or people: what crosses
// this seam is 32 bytes, a protocol version and an ats id.
package network

import (
	"context"
	"errors"
	"time"

	"timbre.example/evidence"
)

// Name identifies a network on the wire.
type Name string

// The two networks of the wire contract.
const (
	Testnet Name = "testnet"
	Mainnet Name = "mainnet"
)

// Valid reports whether n is a network of the wire contract.
func (n Name) Valid() bool { return n == Testnet || n == Mainnet }

// Test reports whether n is for trying out: nothing counts but on mainnet.
func (n Name) Test() bool { return n != Mainnet }

// Call is one anchoring as the caller wants it: a new work, or a further
// version of the work that AtsID names.
type Call struct {
	// Commitment is the 32 bytes of the commitment protocol.
	Commitment [32]byte
	// ProtocolVersion is the commitment protocol's version byte.
	ProtocolVersion uint8
	// AtsID is the work to add a version to; 0 registers a new work.
	AtsID int64
	// Nonce makes the transaction unique and its bytes reproducible: the same
	// call and nonce stage the same bytes. Timbre passes the transaction id,
	// which opens the transaction's status to whoever knows it: what a network
	// publishes must not contain it in clear.
	Nonce string
}

// Staged is a transaction that is built and signed but not sent. Persisting it
// before Broadcast is what makes anchoring safe against a crash.
type Staged struct {
	// Bytes is exactly what Broadcast sends.
	Bytes []byte
	// Hash identifies the transaction on the network, and is derived from Bytes.
	Hash [32]byte
}

// Receipt is a final outcome: the transaction is on the network for good.
type Receipt struct {
	// Hash is the transaction's, as staged.
	Hash [32]byte
	// AtsID is the work's id, given by the network at its first version.
	AtsID int64
	// Version counts from 1 within the work.
	Version int64
	// BlockNumber counts from 1; BlockHash identifies the block.
	BlockNumber int64
	BlockHash   [32]byte
	// Owner is the network's name for the account that anchored.
	Owner string
	// At is the block's time.
	At time.Time
	// Failure is empty on success, else the network's reason for having
	// refused the transaction. A network that keeps no trace of what it refused
	// leaves BlockNumber 0 and BlockHash zero then, and At is when it refused.
	Failure string
}

// Proof is what shows to somebody who asks nobody that a transaction is final,
// in the form in which it is handed out. The one member that is set says of
// which kind the network is.
type Proof struct {
	Log       *evidence.Log
	Substrate *evidence.Substrate
}

// ErrNotFinal is wrapped by Prove where Find would return no receipt, or one
// with a failure.
var ErrNotFinal = errors.New("not final on the network")

// ErrRefused wraps every answer of DryRun and Stage by which a network says that
// a call can never succeed as it is, as opposed to not answering. Its text is
// the reason.
var ErrRefused = errors.New("network refused")

// ErrStopped is wrapped by Stopped and DryRun where a network takes nothing until its
// operator has done something, or its clock is right again.
var ErrStopped = errors.New("network stopped")

// Network is one chain. Implementations are safe for concurrent use.
type Network interface {
	// Name is the network's name on the wire.
	Name() Name
	// DryRun says whether the call would be accepted now. An error wrapping
	// ErrRefused is the network's no; any other error means that it did not
	// answer. It changes nothing.
	DryRun(ctx context.Context, call Call) error
	// Stopped is an error wrapping ErrStopped while the network takes nothing, and
	// nil otherwise: also where it cannot be asked.
	Stopped(ctx context.Context) error
	// Stage builds and signs the call. It changes nothing on the network and
	// is deterministic in the call.
	Stage(ctx context.Context, call Call) (Staged, error)
	// Broadcast sends staged transactions. Sending the same bytes again is
	// harmless. When it returns an error some may have gone through, and the
	// same bytes are sent again until Find has them: nothing that may have gone
	// through is given up, not even where the error wraps ErrRefused.
	Broadcast(ctx context.Context, staged []Staged) error
	// Find returns the receipts of those hashes that are final; the others are
	// absent. It must find whatever Broadcast ever accepted, also before a
	// restart.
	Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]Receipt, error)
	// Prove returns the proof of a transaction that Find has. It is the same
	// bytes whenever it is asked for: that of the transaction's own block, not
	// of the newest.
	Prove(ctx context.Context, hash [32]byte) (Proof, error)
	// Head returns a channel that is closed when the network has finalized
	// something after this call. It only wakes readers up: Find is the truth.
	Head() <-chan struct{}
}
