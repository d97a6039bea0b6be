package explorer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// check is one check in words, and whether it passed.
type check struct {
	What string
	OK   bool
	// Missing is why it was not made, or "".
	Missing string
}

type checks []check

// OK reports whether all checks passed. It is false when there are no checks, and when one was
// not made.
func (c checks) OK() bool {
	for _, one := range c {
		if !one.OK {
			return false
		}
	}
	return len(c) > 0
}

// Failed reports whether a check failed. It is true without checks.
func (c checks) Failed() bool {
	for _, one := range c {
		if !one.OK && one.Missing == "" {
			return true
		}
	}
	return len(c) == 0
}

// step is one line of an inclusion proof: the sibling, its side, and the hash of
// both together.
type step struct {
	Left    bool // the sibling is on the left
	Sibling tlog.Hash
	Result  tlog.Hash
}

// proven is an entry with its proof.
type proven struct {
	network.Entry
	Transaction leaf.Transaction
	LeafText    string
	LeafHash    tlog.Hash
	Steps       []step
	Root        tlog.Hash
	Block       network.Block
	Checks      checks
	Tile        string // path in the log's files of the tile with the leaf hash
	Bundle      string // path in the log's files of the bundle with the leaf
	signedBy    string // the key of the block
	chainProof  *evidence.Substrate
	Earlier     *network.Entry // the first entry with the same commitment, or nil; set only by pages that show it
}

// examine collects the evidence for e and checks it as an outsider would: with
// only the leaf, the proof, the checkpoint and the key.
func examine(ctx context.Context, l network.Browsable, e network.Entry) (proven, error) {
	v := proven{Entry: e}
	if chained, ok := l.(network.Chained); ok {
		return examineChained(ctx, chained, v)
	}
	var err error
	if v.Transaction, err = leaf.ParseTransaction(e.Bytes); err != nil {
		return v, err
	}
	if e.Index < 0 {
		return v, nil
	}
	v.LeafText, v.LeafHash = string(e.Leaf), tlog.RecordHash(e.Leaf)
	proof, err := l.Prove(ctx, e.Hash)
	if err != nil || proof.Log == nil { // no checks: the proof has another form
		return v, err
	}

	parsed, parseErr := leaf.ParseLeaf(e.Leaf)
	says := parseErr == nil && parsed.Hash() == e.Hash && parsed.AtsID == e.AtsID && parsed.Version == e.Version &&
		parsed.Block == e.BlockNumber && parsed.At.Equal(e.At)
	origin, key := signed(l)
	if _, ok := l.(network.Keyed); ok { // the proof has the key of its block
		key = proof.Log.Key
	}
	v.signedBy = key
	tree, signErr := evidence.OpenCheckpoint(proof.Log.Checkpoint, origin, key)
	v.Block = network.Block{Number: e.BlockNumber, Hash: e.BlockHash, Size: tree.N, Checkpoint: proof.Log.Checkpoint, At: e.At}
	v.Steps = climb(e.Index, tree.N, v.LeafHash, proof.Log.Proof)
	v.Root = v.LeafHash
	if n := len(v.Steps); n > 0 {
		v.Root = v.Steps[n-1].Result
	}
	included := signErr == nil && v.Root == tree.Hash &&
		tlog.CheckRecord(proof.Log.Proof, tree.N, tree.Hash, e.Index, v.LeafHash) == nil
	v.Checks = checks{
		{What: "The entry matches this page, and its transaction has this hash.", OK: says},
		{What: "The log signed the checkpoint of this block with the key below.", OK: signErr == nil},
		{What: "The entry, joined with its neighbours, gives exactly the signed root hash.", OK: included},
		{What: "The block hash is the hash of the signed checkpoint.", OK: sha256.Sum256([]byte(v.Block.Checkpoint)) == e.BlockHash},
	}

	width := int(min(256, v.Block.Size-e.Index/256*256))
	v.Tile = publicPath(tlog.Tile{H: 8, L: 0, N: e.Index / 256, W: width})
	v.Bundle = publicPath(tlog.Tile{H: 8, L: -1, N: e.Index / 256, W: width})
	return v, nil
}

// signed returns the name and the newest key of a network that signs its blocks. For any other
// network both are "", and no checkpoint can be opened.
func signed(l network.Network) (origin, key string) {
	if s, ok := l.(network.Signed); ok {
		return s.Origin(), s.VerifierKey()
	}
	return "", ""
}

// signedBy is signed with the key that counts for a checkpoint.
func signedBy(ctx context.Context, l network.Network, checkpoint string) (origin, key string) {
	origin, key = signed(l)
	if keyed, ok := l.(network.Keyed); ok {
		page, _ := keyed.KeyPage(ctx) // after an error, what was known before
		if _, by, err := page.Open(checkpoint); err == nil {
			key = by
		}
	}
	return origin, key
}

// proofFile returns the inclusion proof of an entry in its own block's checkpoint, as a
// C2SP tlog-proof. With the leaf and the verifier key it proves the entry without a server.
func proofFile(p *evidence.Log) string {
	text := fmt.Appendf(nil, "c2sp.org/tlog-proof@v1\nindex %d\n", p.Index)
	for _, h := range p.Proof {
		text = fmt.Appendf(text, "%s\n", h)
	}
	return string(fmt.Appendf(text, "\n%s", evidence.Join(p.Checkpoint, p.Cosignatures)))
}

// examineBlock checks that the block is signed and continues the block before it.
func examineBlock(ctx context.Context, l network.Explorable, b network.Block) (checks, error) {
	origin, key := signedBy(ctx, l, b.Checkpoint)
	tree, err := evidence.OpenCheckpoint(b.Checkpoint, origin, key)
	c := checks{
		{What: "The log signed this checkpoint with the key below.", OK: err == nil && tree.N == b.Size},
		{What: "The block hash is the hash of the signed checkpoint.", OK: sha256.Sum256([]byte(b.Checkpoint)) == b.Hash},
	}
	grown, ok := l.(network.Consistent)
	if b.First == 0 || !ok {
		return c, nil
	}
	before, err := l.Block(ctx, b.Number-1)
	if err != nil {
		return nil, err
	}
	proof, err := grown.ConsistencyProof(ctx, b.First, b.Size)
	if err != nil {
		return nil, err
	}
	_, key = signedBy(ctx, l, before.Checkpoint)
	old, err := evidence.OpenCheckpoint(before.Checkpoint, origin, key)
	continues := err == nil && old.N == b.First && tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash) == nil
	return append(c, check{What: fmt.Sprintf("The block only adds to block %s: no older entry was changed or removed.", count(before.Number)), OK: continues}), nil
}

// climb follows an inclusion proof from the leaf at index up to the root of a
// tree with size leaves (RFC 9162, section 2.1.3.2). It returns the result of each
// step, so that a person can repeat it. Only tlog.CheckRecord decides whether the
// proof is valid.
func climb(index, size int64, leafHash tlog.Hash, proof tlog.RecordProof) []step {
	steps := make([]step, 0, len(proof))
	at, last, h := index, size-1, leafHash
	for _, sibling := range proof {
		left := at&1 == 1 || at == last
		if left {
			h = tlog.NodeHash(sibling, h)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			h = tlog.NodeHash(h, sibling)
		}
		steps = append(steps, step{left, sibling, h})
		at, last = at>>1, last>>1
	}
	return steps
}

// publicPath returns a tile's path in the form of C2SP: without the height, and with
// "entries" instead of "data".
func publicPath(t tlog.Tile) string {
	rest := strings.TrimPrefix(t.Path(), "tile/8/")
	if n, ok := strings.CutPrefix(rest, "data/"); ok {
		rest = "entries/" + n
	}
	return "tile/" + rest
}

// notCollected is why a check of a chain was not made.
const notCollected = "The registry has no proof of this. Ask a node of the chain."

// examineChained checks the proof of an entry of a chain, as far as the registry collected it.
func examineChained(ctx context.Context, l network.Chained, v proven) (proven, error) {
	v.Transaction = leaf.Transaction{Updates: v.Call.AtsID, Commitment: v.Call.Commitment, ProtocolVersion: v.Call.ProtocolVersion}
	if v.Index < 0 {
		return v, nil
	}
	p, err := l.Prove(ctx, v.Hash)
	if err != nil || p.Substrate == nil {
		return v, err
	}
	s := p.Substrate
	v.chainProof = s
	one := func(what string, has bool, err error) {
		c := check{What: what, OK: has && err == nil}
		if !has {
			c.Missing = notCollected
		}
		v.Checks = append(v.Checks, c)
	}
	one("The block hash is the hash of the block’s header.", true, wrong(blake2b.Sum256(s.Header) == v.BlockHash))
	one("The transaction has this hash.", true, wrong(blake2b.Sum256(s.Extrinsic) == v.Receipt.Final()))
	has := len(s.ExtrinsicProof) > 0
	if has {
		err = s.CheckExtrinsic()
	}
	one("The block has the transaction at this place.", has, err)
	state, has := evidence.ChainState{}, len(s.StateProof) > 0
	if has {
		state, err = s.State(v.AtsID, v.Version)
		if errors.Is(err, evidence.ErrLayout) {
			has = false
		} else if err == nil {
			err = wrong(state.Commitment == v.Transaction.Commitment && state.ProtocolVersion == v.Transaction.ProtocolVersion && state.CreatedAt == v.BlockNumber && state.Versions >= v.Version)
		}
	}
	one("The chain’s own state has this commitment for this work and version, and says that this block registered it.", has, err)
	one("The chain’s own state has this time.", has && !state.Time.IsZero(), wrong(state.Time.Equal(v.At)))
	if has = s.Finality != nil; has {
		err = s.CheckFinality()
	}
	one("More than two thirds of the chain’s authorities, as the proof names them, made this block final.", has, err)
	return v, nil
}

func wrong(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("it differs")
}

// Set is the number of the set of authorities at which the proof begins, or -1.
func (v proven) Set() int64 {
	if v.chainProof == nil || v.chainProof.Finality == nil {
		return -1
	}
	return v.chainProof.Finality.SetID
}
