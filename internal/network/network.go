// Package network is the seam to a chain. It defines what Timbre needs of every network
// on which a commitment can be anchored, without any details of a network.
//
// It has the vocabulary (Call, Staged, Receipt, Proof), the contract of every
// implementation (Network), and small interfaces for what only some networks can do
// (abilities.go). It opens networks by URL (Kinds). It does not know works, credits or
// people: only 32 bytes, a protocol version and an ats id cross this seam.
package network

import (
	"context"
	"errors"
	"time"

	"timbre.example/proof/evidence"
)

// Call is one anchoring: a new work, or another version of the work AtsID.
type Call struct {
	// Commitment is the 32 bytes of the commitment protocol.
	Commitment [32]byte
	// ProtocolVersion is the commitment protocol's version byte.
	ProtocolVersion uint8
	// AtsID is the work that gets another version; 0 registers a new work.
	AtsID int64
	// Nonce makes the transaction unique and reproducible: the same call and nonce give
	// the same bytes. Timbre uses the transaction id. Anyone who knows that id can read
	// the transaction's status, so a network must not publish it in clear.
	Nonce string
}

// Staged is a transaction that is built and signed but not sent. Storing it before
// Broadcast is what makes anchoring safe against a crash.
type Staged struct {
	// Bytes is exactly what Broadcast sends.
	Bytes []byte
	// Hash identifies the transaction on the network, and is derived from Bytes.
	Hash [32]byte
}

// Receipt is a final result: it will not change.
type Receipt struct {
	// Hash is the hash of the staged transaction.
	Hash [32]byte
	// TxHash is the hash under which the network has the transaction; zero: it is Hash. It
	// differs if the staged bytes could never be accepted, and others were signed.
	TxHash [32]byte
	// Shared says that the network has several calls under that hash.
	Shared bool
	// AtsID is the work's id, assigned by the network with the first version.
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
	// Failure is empty after success; otherwise it is the network's reason for refusing
	// the transaction. If a network stores no refused transactions, BlockNumber is 0,
	// BlockHash is zero, and At is the time of the refusal.
	Failure string
}

// Final is the hash under which the network has the transaction.
func (r Receipt) Final() [32]byte {
	if r.TxHash != [32]byte{} {
		return r.TxHash
	}
	return r.Hash
}

// Own is a hash that is this call's alone: Final, or Hash if others share that.
func (r Receipt) Own() [32]byte {
	if r.Shared {
		return r.Hash
	}
	return r.Final()
}

// Proof proves that a transaction is final, without asking a server. It has the form in
// which it is published. Either Log or Substrate is set; it determines the kind of the network.
type Proof struct {
	Log       *evidence.Log
	Substrate *evidence.Substrate
	// Later is a later checkpoint that more witnesses have cosigned than that of Log, or nil.
	Later *evidence.Attestation
	// Quorum says whether Log or Later has the cosignatures of enough witnesses.
	Quorum Quorum
}

// Quorum says how many witnesses of a network have seen a transaction.
type Quorum string

// The values of Quorum.
const (
	NoWitnesses Quorum = ""       // the network asks none
	TooFew      Quorum = "few"    // fewer than its operator wants
	Enough      Quorum = "quorum" // as many
)

// ErrNotFinal is wrapped by Prove if Find would return no receipt, or a receipt with a
// failure.
var ErrNotFinal = errors.New("not final on the network")

// ErrRefused is wrapped by DryRun and Stage if the network can never accept the call. It
// is not used if the network does not answer. Its text is the reason.
var ErrRefused = errors.New("network refused")

// ErrStopped is wrapped by Stopped and DryRun while a network accepts nothing, until its
// operator has acted or its clock is right again.
var ErrStopped = errors.New("network stopped")

// Network is one chain. Implementations are safe for concurrent use.
type Network interface {
	// Name is the network's name on the wire.
	Name() Name
	// Info is what a server knows of the network without asking it: the same as
	// Address.Info.
	Info() Info
	// DryRun reports whether the network would accept the call now. An error that wraps
	// ErrRefused means no; any other error means that the network did not answer. DryRun
	// changes nothing.
	DryRun(ctx context.Context, call Call) error
	// Stopped returns an error that wraps ErrStopped while the network accepts nothing.
	// Otherwise it returns nil, also if the network does not answer.
	Stopped(ctx context.Context) error
	// Stage builds and signs the call. It changes nothing on the network, and is
	// deterministic in the call.
	Stage(ctx context.Context, call Call) (Staged, error)
	// Broadcast sends staged transactions. Sending the same bytes again is harmless.
	// After an error, some transactions can have been accepted. The caller must then send
	// the same bytes again until Find returns them, also if the error wraps ErrRefused.
	Broadcast(ctx context.Context, staged []Staged) error
	// Find returns the receipts of those hashes that are final; it omits the others. It
	// must find everything that Broadcast ever accepted, also before a restart.
	Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]Receipt, error)
	// Prove returns the proof of a transaction that Find returns. It always returns the
	// same proof: that in the transaction's own block, not in the newest. Only what witnesses
	// add grows.
	Prove(ctx context.Context, hash [32]byte) (Proof, error)
	// Head returns a channel that is closed when the network has finalized something
	// after this call. It only wakes readers up; the truth is in Find.
	Head() <-chan struct{}
}
