// Package networktest has a network for tests. It behaves like a chain, fails on demand
// in the ways that chains fail, and checks its caller.
//
// Its final transactions are in a small log, so that they can be proved.
//
// It keeps everything in memory and never deletes what it accepted. So a test can end one
// registry and start another one on it, as after a crash.
package networktest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// Op is a method of the seam.
type Op int

// The methods that can be made to fail.
const (
	DryRun Op = iota
	Stage
	Broadcast
	Find
	Prove
)

// ErrDown is the error of a method that was made to fail: the network did not answer.
var ErrDown = errors.New("the network does not answer")

// Fake is a network.Network. It is safe for concurrent use.
type Fake struct {
	name network.Name

	mu       sync.Mutex
	calls    map[Op]int
	faults   map[Op][]fault
	failures []string
	nonces   map[string][]byte         // the staged bytes by nonce
	staged   map[[32]byte]network.Call // everything that was ever staged
	accepted map[[32]byte]*inclusion   // broadcasts that were accepted
	order    [][32]byte                // of accepted, in the order of arrival
	holding  bool
	stopped  error
	head     chan struct{}
	block    int64
	nextAts  int64
	versions map[int64]int64
	wrong    []string

	signer note.Signer
	key    string // verifies that signer's signatures
	tree   hashes // over the leaves of final transactions
	leaves int64
}

// fault is one planned failure of one call.
type fault struct {
	err error
	// through is how many transactions of a batch are accepted before the error; -1: all.
	through int
}

// inclusion is a transaction that the network accepted.
type inclusion struct {
	call    network.Call
	failure string
	receipt *network.Receipt // nil until final
	// Its position in the log, unless it failed.
	leaf       leaf.Leaf
	index      int64
	checkpoint string
}

var _ network.Network = (*Fake)(nil)

// New makes a network on which every call succeeds and every transaction is final at
// once.
func New(name network.Name) *Fake {
	secret, key, err := note.GenerateKey(rand.Reader, "fake.example/log/"+string(name))
	if err != nil {
		panic(err) // the name is not valid
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		panic(err)
	}
	return &Fake{
		signer: signer, key: key,
		name: name, calls: map[Op]int{}, faults: map[Op][]fault{}, nonces: map[string][]byte{}, staged: map[[32]byte]network.Call{},
		accepted: map[[32]byte]*inclusion{}, head: make(chan struct{}), nextAts: 1, versions: map[int64]int64{},
	}
}

// Fail makes the next call of op fail without any effect. A second Fail is for the call
// after that; the other planned failures work the same way.
func (f *Fake) Fail(op Op) { f.plan(op, fault{err: ErrDown}) }

// FailAfter makes the next Broadcast return an error although the first n transactions of
// its batch were accepted; -1 means all.
func (f *Fake) FailAfter(n int) { f.plan(Broadcast, fault{err: ErrDown, through: n}) }

// Refuse makes the next call of op refuse with ErrRefused and this reason. A Broadcast
// refuses its first transaction and accepts the others.
func (f *Fake) Refuse(op Op, reason string) {
	f.plan(op, fault{err: fmt.Errorf("%w: %s", network.ErrRefused, reason)})
}

// Stop makes the network accept nothing more, for this reason; "" ends that.
func (f *Fake) Stop(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = nil
	if reason != "" {
		f.stopped = fmt.Errorf("%w: %s", network.ErrStopped, reason)
	}
}

// Stopped implements network.Network.
func (f *Fake) Stopped(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

func (f *Fake) plan(op Op, x fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[op] = append(f.faults[op], x)
}

// IncludeFailed makes the next new transaction fail on the network.
func (f *Fake) IncludeFailed(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, reason)
}

// Heal removes every planned failure that has not happened yet.
func (f *Fake) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
	f.failures = nil
}

// Hold keeps new transactions from becoming final.
func (f *Fake) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holding = true
}

// Waiting returns the nonces of accepted transactions that are not final, in the order of
// arrival.
func (f *Fake) Waiting() (nonces []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.order {
		if in := f.accepted[h]; in.receipt == nil {
			nonces = append(nonces, in.call.Nonce)
		}
	}
	return nonces
}

// Finalize makes waiting transactions final, in this order, one block each. Others still
// wait.
func (f *Fake) Finalize(nonces ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, nonce := range nonces {
		for h, in := range f.accepted {
			if in.call.Nonce == nonce && in.receipt == nil {
				f.finalize(h, in)
			}
		}
	}
}

// Release ends Hold: all waiting transactions become final.
func (f *Fake) Release() {
	f.Finalize(f.Waiting()...)
	f.mu.Lock()
	f.holding = false
	f.mu.Unlock()
	f.Finalize(f.Waiting()...) // those that arrived in between
}

// Calls counts the calls of op, with failed ones.
func (f *Fake) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Anchored counts, for each commitment, how often it is or will be on the network: every
// accepted transaction that did not fail.
func (f *Fake) Anchored() map[[32]byte]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := map[[32]byte]int{}
	for _, in := range f.accepted {
		if in.failure == "" {
			n[in.call.Commitment]++
		}
	}
	return n
}

// Violations lists the caller's violations of the contract: other bytes under the same
// nonce, bytes that were never staged, a commitment anchored twice, an unknown call.
func (f *Fake) Violations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wrong)
}

func (f *Fake) violated(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// begin counts a call, and returns its planned failure.
func (f *Fake) begin(ctx context.Context, op Op) (fault, error) {
	f.calls[op]++
	if err := ctx.Err(); err != nil {
		return fault{}, err
	}
	if len(f.faults[op]) == 0 {
		return fault{}, nil
	}
	x := f.faults[op][0]
	f.faults[op] = f.faults[op][1:]
	return x, x.err
}

// Name implements network.Network.
func (f *Fake) Name() network.Name { return f.name }

// Info implements network.Network.
func (f *Fake) Info() network.Info { return network.Address{Name: f.name, URL: URL}.Info() }

// DryRun implements network.Network.
func (f *Fake) DryRun(ctx context.Context, call network.Call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(ctx, DryRun); err != nil {
		return err
	}
	f.check(call)
	return f.stopped
}

func (f *Fake) check(call network.Call) {
	if call.Nonce == "" || call.Commitment == [32]byte{} || call.ProtocolVersion == 0 || call.AtsID < 0 {
		f.violated("a call without a nonce, a commitment or a protocol version: %+v", call)
	}
}

// Stage implements network.Network.
func (f *Fake) Stage(ctx context.Context, call network.Call) (network.Staged, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(ctx, Stage); err != nil {
		return network.Staged{}, err
	}
	f.check(call)
	b, err := json.Marshal(call)
	if err != nil {
		return network.Staged{}, err
	}
	if before, ok := f.nonces[call.Nonce]; ok && string(before) != string(b) {
		f.violated("nonce %s staged as %s and as %s", call.Nonce, before, b)
	}
	f.nonces[call.Nonce] = b
	t := transaction(call)
	f.staged[t.Hash()] = call
	return network.Staged{Bytes: t.Bytes(), Hash: t.Hash()}, nil
}

func transaction(call network.Call) leaf.Transaction {
	return leaf.Transaction{Updates: call.AtsID, Commitment: call.Commitment, ProtocolVersion: call.ProtocolVersion, Nonce: leaf.Nonce(call.Nonce)}
}

// Broadcast implements network.Network.
func (f *Fake) Broadcast(ctx context.Context, batch []network.Staged) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, err := f.begin(ctx, Broadcast)
	take := batch
	switch {
	case errors.Is(err, network.ErrRefused):
		take = batch[1:]
	case err != nil && x.through >= 0:
		take = batch[:min(x.through, len(batch))]
	}
	for _, s := range take {
		f.accept(s)
	}
	return err
}

func (f *Fake) accept(s network.Staged) {
	if _, again := f.accepted[s.Hash]; again {
		return // sending the same bytes again is harmless
	}
	call, staged := f.staged[s.Hash]
	if sha256.Sum256(s.Bytes) != s.Hash || !staged {
		f.violated("%x was broadcast and never staged like this", s.Hash)
		return
	}
	in := &inclusion{call: call}
	if len(f.failures) > 0 {
		in.failure, f.failures = f.failures[0], f.failures[1:]
	}
	// A version can equal the one before: the same recording and creators.
	for _, other := range f.accepted {
		if in.call.AtsID == 0 && in.failure == "" && other.failure == "" && other.call.Commitment == in.call.Commitment {
			f.violated("commitment %x anchored by %s and by %s", in.call.Commitment, other.call.Nonce, in.call.Nonce)
		}
	}
	f.accepted[s.Hash] = in
	f.order = append(f.order, s.Hash)
	if !f.holding {
		f.finalize(s.Hash, in)
	}
}

// finalize puts a transaction in its own block.
func (f *Fake) finalize(h [32]byte, in *inclusion) {
	f.block++
	r := network.Receipt{
		Hash: h, BlockNumber: f.block, BlockHash: sha256.Sum256(fmt.Append(nil, f.name, f.block)),
		Owner: "fake", At: time.Unix(1_700_000_000+f.block, 0).UTC(), Failure: in.failure,
	}
	if in.failure == "" {
		if r.AtsID = in.call.AtsID; r.AtsID == 0 {
			r.AtsID = f.nextAts
			f.nextAts++
		}
		f.versions[r.AtsID]++
		r.Version = f.versions[r.AtsID]
		f.log(in, r)
		r.BlockHash = sha256.Sum256([]byte(in.checkpoint))
	}
	in.receipt = &r
	close(f.head)
	f.head = make(chan struct{})
}

// Find implements network.Network.
func (f *Fake) Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(ctx, Find); err != nil {
		return nil, err
	}
	found := map[[32]byte]network.Receipt{}
	for _, h := range hashes {
		if in, ok := f.accepted[h]; ok && in.receipt != nil {
			found[h] = *in.receipt
		}
	}
	return found, nil
}

// hashes are the hashes of a tree, as tlog stores them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = h[n]
	}
	return out, nil
}

// log adds a transaction to the log, and signs it.
func (f *Fake) log(in *inclusion, r network.Receipt) {
	in.leaf = leaf.Leaf{
		Transaction: transaction(in.call),
		AtsID:       r.AtsID, Version: r.Version, Block: r.BlockNumber, At: r.At,
	}
	in.index = f.leaves
	more, err := tlog.StoredHashes(in.index, in.leaf.Bytes(), f.tree)
	if err != nil {
		panic(err) // the tree is complete and in memory
	}
	f.tree = append(f.tree, more...)
	f.leaves++
	root, err := tlog.TreeHash(f.leaves, f.tree)
	if err != nil {
		panic(err)
	}
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", f.signer.Name(), f.leaves, root)}, f.signer)
	if err != nil {
		panic(err)
	}
	in.checkpoint = string(signed)
}

// Prove implements network.Network.
func (f *Fake) Prove(ctx context.Context, hash [32]byte) (network.Proof, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(ctx, Prove); err != nil {
		return network.Proof{}, err
	}
	in, ok := f.accepted[hash]
	if !ok || in.receipt == nil || in.failure != "" {
		return network.Proof{}, fmt.Errorf("%w: %x", network.ErrNotFinal, hash)
	}
	proof, err := tlog.ProveRecord(in.index+1, in.index, f.tree) // its block is its own
	if err != nil {
		return network.Proof{}, err
	}
	return network.Proof{Log: &evidence.Log{
		Origin: f.signer.Name(), Key: f.key, Leaf: string(in.leaf.Bytes()), Index: in.index, Proof: proof, Checkpoint: in.checkpoint,
	}}, nil
}

// Head implements network.Network.
func (f *Fake) Head() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

// Key returns the verifier key for the signatures in its proofs.
func (f *Fake) Key() string { return f.key }
