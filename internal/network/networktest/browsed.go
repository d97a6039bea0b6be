package networktest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
)

// URL is the address of a Fake.
const URL = "fake:"

// Kind is a network.Kind that opens the networks of a test by their URL. It never closes
// them, so that a test can open them again.
type Kind map[network.Name]network.Network

var _ network.Kind = Kind{}

// Check implements network.Kind.
func (Kind) Check(url string) error {
	if url != URL {
		return fmt.Errorf("%q is not %q", url, URL)
	}
	return nil
}

// Open implements network.Kind.
func (k Kind) Open(_ context.Context, at network.Address) (network.Network, error) {
	if n, ok := k[at.Name]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("the test made no network %s", at.Name)
}

// Browsed is a Fake whose content can be explored, and that signs its blocks with a known
// key. Each final transaction is in its own block.
type Browsed struct{ *Fake }

var _ interface {
	network.Explorable
	network.Signed
	network.Consistent
} = Browsed{}

// Origin implements network.Signed.
func (b Browsed) Origin() string { return b.signer.Name() }

// VerifierKey implements network.Signed.
func (b Browsed) VerifierKey() string { return b.key }

// entry is called with the lock held.
func (b Browsed) entry(hash [32]byte) network.Entry {
	in := b.accepted[hash]
	e := network.Entry{Receipt: network.Receipt{Hash: hash}, Index: -1, Bytes: transaction(in.call).Bytes()}
	if in.receipt != nil {
		e.Receipt = *in.receipt
	}
	if in.receipt != nil && in.failure == "" {
		e.Index, e.Leaf = in.index, in.leaf.Bytes()
	}
	return e
}

// all returns the entries in the order of arrival. It is called with the lock held.
func (b Browsed) all(keep func(network.Entry) bool) (es []network.Entry) {
	for _, hash := range b.order {
		if e := b.entry(hash); keep(e) {
			es = append(es, e)
		}
	}
	return es
}

// Entry implements network.Browsable.
func (b Browsed) Entry(_ context.Context, hash [32]byte) (network.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.accepted[hash]; !ok {
		return network.Entry{}, fmt.Errorf("transaction %x: %w", hash, network.ErrNotFound)
	}
	return b.entry(hash), nil
}

// WithCommitment implements network.Browsable.
func (b Browsed) WithCommitment(_ context.Context, commitment [32]byte, n int) ([]network.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	es := b.all(func(e network.Entry) bool { return b.accepted[e.Hash].call.Commitment == commitment })
	return es[:min(n, len(es))], nil
}

// Earlier implements network.Browsable.
func (b Browsed) Earlier(ctx context.Context, commitment [32]byte, before network.Entry) (network.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.final() {
		if e.Index < before.Index && b.accepted[e.Hash].call.Commitment == commitment {
			return e, nil
		}
	}
	return network.Entry{}, fmt.Errorf("commitment %x before entry %d: %w", commitment, before.Index, network.ErrNotFound)
}

// final returns the final entries by their index. It is called with the lock held.
func (b Browsed) final() []network.Entry {
	es := b.all(func(e network.Entry) bool { return e.Index >= 0 })
	slices.SortFunc(es, func(x, y network.Entry) int { return cmp.Compare(x.Index, y.Index) })
	return es
}

// Versions implements network.Browsable.
func (b Browsed) Versions(_ context.Context, atsID, after int64, n int) (es []network.Entry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.final() {
		if e.AtsID == atsID && e.Version > after && len(es) < n {
			es = append(es, e)
		}
	}
	return es, nil
}

// LastVersion implements network.Browsable.
func (b Browsed) LastVersion(_ context.Context, atsID int64) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.versions[atsID]; n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("work %d: %w", atsID, network.ErrNotFound)
}

// Entries implements network.Explorable.
func (b Browsed) Entries(_ context.Context, lo, hi int64) ([]network.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	es := b.final()
	hi = min(hi, int64(len(es)))
	return es[min(lo, hi):hi], nil
}

// blocks returns the blocks, oldest first. It is called with the lock held.
func (b Browsed) blocks() []network.Block {
	all := []network.Block{{Hash: sha256.Sum256(nil)}}
	for _, e := range b.final() {
		all = append(all, network.Block{
			Number: e.BlockNumber, Hash: e.BlockHash, First: e.Index, Size: e.Index + 1, Checkpoint: b.accepted[e.Hash].checkpoint, At: e.At,
		})
	}
	return all
}

// Block implements network.Browsable.
func (b Browsed) Block(_ context.Context, number int64) (network.Block, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.blocks() {
		if one.Number == number {
			return one, nil
		}
	}
	return network.Block{}, fmt.Errorf("block %d: %w", number, network.ErrNotFound)
}

// Blocks implements network.Browsable.
func (b Browsed) Blocks(_ context.Context, newest int64, n int) (out []network.Block, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range slices.Backward(b.blocks()) {
		if one.Number <= newest && len(out) < n {
			out = append(out, one)
		}
	}
	return out, nil
}

// BlockWithHash implements network.Browsable.
func (b Browsed) BlockWithHash(_ context.Context, hash [32]byte) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.blocks() {
		if one.Hash == hash {
			return one.Number, nil
		}
	}
	return 0, fmt.Errorf("block %x: %w", hash, network.ErrNotFound)
}

// ConsistencyProof implements network.Consistent.
func (b Browsed) ConsistencyProof(_ context.Context, old, size int64) (tlog.TreeProof, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old < 1 || old > size || size > b.leaves {
		return nil, fmt.Errorf("from %d to %d entries: %w", old, size, network.ErrNotFound)
	}
	return tlog.ProveTree(size, old, b.tree)
}
