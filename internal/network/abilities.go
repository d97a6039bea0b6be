package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

// ErrNotFound is wrapped by the methods of Browsable if the network has no such entry,
// block or work.
var ErrNotFound = errors.New("not on the network")

// Runner is a network that works in the background in each process with the role worker:
// it makes its own blocks, or follows the chain's.
type Runner interface {
	// Run works until ctx ends. It logs its errors, and continues.
	Run(ctx context.Context)
}

// Observed is a network with numbers for its operator.
type Observed interface {
	// Status reads the state of the network. It costs about one row of a database.
	Status(ctx context.Context) (Status, error)
	// Sequenced returns an error if no process has made blocks recently, or was able to.
	Sequenced(ctx context.Context) error
}

// Status is the state of a network, for its operator.
type Status struct {
	// Stopped: no block is made until the operator acts or the clock is right.
	Stopped bool
	// Blocks, Entries and Refused count since the network began.
	Blocks, Entries, Refused int64
	// SequencerAt is the last heartbeat of the process that makes blocks, BlockAt the
	// newest block's time.
	SequencerAt, BlockAt time.Time
	// ClockJumps counts the jumps of the clock that this process saw.
	ClockJumps int64
}

// Signed is a network that signs its blocks with its own key. Proofs of such a network
// are evidence.Log with this origin and key.
type Signed interface {
	// Origin is the name under which the network signs.
	Origin() string
	// VerifierKey is the newest public key in the form of signed notes: origin+hash+base64.
	VerifierKey() string
}

// Keyed is a Signed network whose key can be replaced by another one, and that can end.
type Keyed interface {
	// KeyPage reads all keys of the network, and whether it has ended. After an error it
	// returns what was read last.
	KeyPage(ctx context.Context) (evidence.KeyPage, error)
}

// Rekeyed is a Keyed network whose operator can change its keys. Both methods can be repeated
// after any error.
type Rekeyed interface {
	Keyed
	// Rotate lets the key with this number sign from the next block on, counted from 1.
	Rotate(ctx context.Context, number int) error
	// End ends the network for ever: no block follows the newest one, and waiting
	// transactions are refused.
	End(ctx context.Context) error
}

// Funded is a network whose transactions accounts of the operator pay.
type Funded interface {
	// Accounts reads the accounts that sign, in their order.
	Accounts(ctx context.Context) ([]Account, error)
	// Fees reads what the network took for transactions, beside deposits.
	Fees(ctx context.Context) (Fees, error)
}

// Fees is what a network took for final transactions, also for those that it refused. Total counts
// since the network began, and Last is the newest transaction's fee. Last is not known before the
// first transaction, and Total before the network began.
type Fees struct{ Total, Last Amount }

// Priced is a network that can say what it takes for a transaction before it is sent.
type Priced interface {
	// Fee reads what the network would take now, beside deposits: for a new work, or for another
	// version. It is not a promise: the fee of the transaction can be another one.
	Fee(ctx context.Context, update bool) (Fee, error)
}

// Fee is an amount in the smallest unit of a network; nil: it is not known yet. A whole token has
// 10 to the power of Decimals of them; Decimals is from 0 to 38.
type Fee struct {
	Amount   *big.Int
	Decimals int
}

// Account is an account that signs transactions.
type Account struct {
	// Address is its name on the network.
	Address string
	// Free is what it can pay with, and Reserved what the network keeps as deposits.
	Free, Reserved Amount
	// Works is how many works it owns, of at most Capacity. Open counts its transactions that
	// are not final.
	Works, Capacity, Open int64
	// Low: it cannot pay for another work.
	Low bool
}

// Proving is a network whose proofs must be collected soon after a transaction is final.
type Proving interface {
	// Proving counts the proofs that are not collected.
	Proving(ctx context.Context) (ProofCount, error)
}

// ProofCount counts final transactions without a proof.
type ProofCount struct {
	// Waiting can still be proven. Oldest is the time of the first block with one; zero without any.
	Waiting int64
	Oldest  time.Time
	// Missed cannot be proven any more.
	Missed int64
}

// ReceiptType is the media type of a COSE Receipt (RFC 9052, section 2).
const ReceiptType = `application/cose; cose-type="cose-sign1"`

// Receipted is a network that gives COSE Receipts of its entries (RFC 9942).
type Receipted interface {
	// Receipt returns the receipt of an entry. It wraps ErrNotFound if the transaction is not on
	// the network, or if there is no receipt yet.
	Receipt(ctx context.Context, hash [32]byte) ([]byte, error)
}

// Published is a network whose own files the server serves.
type Published interface {
	// FilesPath is the path of the files on this server, without a slash at its end.
	FilesPath() string
	// Files serves them at this path. Errors go to refuse: ErrNotFound is
	// fault.CommonNotFound there.
	Files(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler
}

// Witnessed is a network whose blocks independent witnesses cosign.
type Witnessed interface {
	// Witnessing reads how far the witnesses are.
	Witnessing(ctx context.Context) (Witnessing, error)
	// Witnesses reads the state of each witness, in the order of their names.
	Witnesses(ctx context.Context) ([]Witness, error)
	// Forked returns an error while a witness proves that this network is not the only one
	// with its key.
	Forked(ctx context.Context) error
	// OnQuorum calls tell after each block that gets a quorum in this process. tell must not
	// block.
	OnQuorum(tell func())
}

// Witnessing is how far the witnesses of a network are.
type Witnessing struct {
	// Asked: the network has witnesses.
	Asked bool
	// Timeout is how long a block may wait for them; 0 while too many of them fail for that long.
	Timeout time.Duration
	// Block is the newest block with a quorum, or -1.
	Block int64
}

// Witness is the state of a witness.
type Witness struct {
	// Name is the witness's name in the policy, ID the name and the hash of its key.
	Name, ID string
	// Size is the size of the newest checkpoint that it cosigned, and CosignedAt when, by its
	// own clock; zero before the first.
	Size       int64
	CosignedAt time.Time
	// Failures counts the failed attempts in a row since FailingSince. Failure is why the last
	// one failed.
	Failures     int64
	FailingSince time.Time
	Failure      string
	// Alarm is not empty while the witness saw a history that is not this network's. Proof is
	// then a checkpoint of that history with this network's signature, or "".
	Alarm, Proof string
}

// Batched is a network that proves several transactions together for less than one by one.
type Batched interface {
	// ProveAll is Prove for several transactions. It omits those for which Prove would wrap
	// ErrNotFinal.
	ProveAll(ctx context.Context, hashes [][32]byte) (map[[32]byte]Proof, error)
}

// Sharing is a network that can have several calls under one hash: Receipt.Shared.
type Sharing interface {
	// ProveVersion is Prove for the call that made a version, by the hash under which the network has it.
	ProveVersion(ctx context.Context, hash [32]byte, atsID, version int64) (Proof, error)
	// Calls returns at most most of the calls under a hash, in their order.
	Calls(ctx context.Context, hash [32]byte, most int) ([]Entry, error)
}

// Browsable is a network of which the registry's transactions can be read: the versions of a
// work, and blocks. Prove proves each of them.
type Browsable interface {
	Network
	// Entry returns the transaction with this hash, final or not.
	Entry(ctx context.Context, hash [32]byte) (Entry, error)
	// WithCommitment returns at most n transactions with a commitment, in the order in
	// which they were received. Two equal registrations have the same commitment.
	WithCommitment(ctx context.Context, commitment [32]byte, n int) ([]Entry, error)
	// Earlier returns the first entry with a commitment, if it is before e, which is on the
	// network.
	Earlier(ctx context.Context, commitment [32]byte, e Entry) (Entry, error)
	// Versions returns at most n versions of a work after the version after, oldest
	// first. For an unknown work it returns none.
	Versions(ctx context.Context, atsID, after int64, n int) ([]Entry, error)
	// LastVersion returns the newest version of a work.
	LastVersion(ctx context.Context, atsID int64) (int64, error)
	// Block returns the block with this number.
	Block(ctx context.Context, number int64) (Block, error)
	// Blocks returns at most n blocks, newest first, from block newest downwards. If
	// newest is larger than the last block, it starts with the last.
	Blocks(ctx context.Context, newest int64, n int) ([]Block, error)
	// BlockWithHash returns the number of the block with this hash.
	BlockWithHash(ctx context.Context, hash [32]byte) (int64, error)
}

// Explorable is a Browsable network that is one list: the server has its whole content.
type Explorable interface {
	Browsable
	// Entries returns the entries with indexes in [lo, hi), up to the last one.
	Entries(ctx context.Context, lo, hi int64) ([]Entry, error)
}

// Chained is a Browsable network of others. The server has only the transactions of the
// registry, and only blocks with one of them.
type Chained interface {
	Browsable
	// Inside returns at most n transactions of the registry in a block, in their order, after
	// the first skip ones. Refused ones are among them.
	Inside(ctx context.Context, block, skip int64, n int) ([]Entry, error)
	// Chain is the hash of the chain's first block, which identifies it; zero before the
	// network has begun.
	Chain(ctx context.Context) ([32]byte, error)
}

// Consistent is an Explorable network that can prove that it only grows.
type Consistent interface {
	// ConsistencyProof proves that the first size entries continue the first old, for
	// tlog.CheckTree. old is at least 1.
	ConsistencyProof(ctx context.Context, old, size int64) (tlog.TreeProof, error)
}

// Entry is a transaction that a network has received.
type Entry struct {
	// Receipt is complete if the entry is on the network; Failure is set if it was
	// refused. While it waits, only Hash is set.
	Receipt
	// Index is the entry's position on the network, from 0; -1 while it waits, and also
	// after it was refused. On a Chained network it is the position in its block.
	Index int64
	// ReceivedAt is when Broadcast stored it; zero on a Chained network.
	ReceivedAt time.Time
	// Bytes is the transaction as broadcast. On an Explorable network package leaf reads it.
	Bytes []byte
	// Call is what the transaction asks for, without its nonce. Only a Chained network sets it.
	Call Call
	// Leaf is the entry's text; nil while Index is -1.
	Leaf []byte
	// Lost: a repair restored the entry, and the registry has no record of it.
	Lost bool
}

// Final reports whether the entry is on the network or refused.
func (e Entry) Final() bool { return e.Index >= 0 || e.Failure != "" }

// Block is one step of a network.
type Block struct {
	// Number counts from 1; block 0 is the empty network.
	Number int64
	// Hash is the SHA-256 of Checkpoint, or on a Chained network the chain's hash.
	Hash [32]byte
	// First is the index of the block's first entry, Size the number of entries on the
	// network up to this block. The block holds the entries [First, Size). On a Chained
	// network First is 0, and Size is the number of the registry's entries in this block.
	First, Size int64
	// Checkpoint is the signed note, "" on a Chained network. At is the block's time.
	Checkpoint string
	At         time.Time
}

// Added returns the number of entries that the block added.
func (b Block) Added() int64 { return b.Size - b.First }

// Repairable is a network that can be completed from published files after a database
// went back.
type Repairable interface {
	Network
	Signed
	// BeginRepair reads what is missing. It changes nothing.
	BeginRepair(ctx context.Context) (Repair, error)
}

// Repair restores entries that the database lacks. It trusts no source: it changes the
// database only if all entries together give a checkpoint that the network's key signed.
// One goroutine uses it.
type Repair interface {
	// Noticed reports whether a server has found that entries are missing.
	Noticed() bool
	// AddCheckpoint adds a signed checkpoint; from names its source.
	AddCheckpoint(signed, from string) error
	// AddEvidence adds the entry of a version's evidence.
	AddEvidence(e *evidence.Log, from string) error
	// AddBundle adds the file of entries with this path, as the network publishes it.
	AddBundle(path string, file io.Reader) error
	// Bundles returns the paths of the files with the missing entries.
	Bundles() []string
	// Plan returns what Apply would write. The error is why Apply would write nothing,
	// though sources have all entries.
	Plan(ctx context.Context) (Plan, error)
	// Apply writes the last plan in one transaction. It returns how many entries have no
	// transaction in this database.
	Apply(ctx context.Context) (lost int64, err error)
	// Resume lets the network continue. The error is why it still makes no block, except
	// for a wrong clock of this machine, which the server's machine checks.
	Resume(ctx context.Context) error
}

// Plan is what a repair would write.
type Plan struct {
	// Size is the number of entries in the database.
	Size int64
	// Target is the checkpoint that the entries must reproduce.
	Target Checkpoint
	// Forks are newer checkpoints from sources that belong to a fork.
	Forks []Checkpoint
	// Missing are the indexes that no source has. Then nothing is written.
	Missing []Span
	// Entries is how many entries would be written.
	Entries int
	// NextAtsID is the registration number of the next new work.
	NextAtsID int64
}

// Checkpoint is a signed state of a network.
type Checkpoint struct {
	// Size is the number of entries, Root their root hash in base64.
	Size int64
	Root string
	// From names the source of the checkpoint.
	From string
}

// Span is a range of indexes, from First to Last inclusive.
type Span struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

func (s Span) String() string {
	if s.First == s.Last {
		return fmt.Sprint(s.First)
	}
	return fmt.Sprintf("%d–%d", s.First, s.Last)
}
