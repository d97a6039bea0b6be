package log

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// Repair restores entries of a log whose database lacks them. It reads them from
// published files and trusts none of them: it changes the database only if all entries
// together give a checkpoint that this log's key signed. It must be used by one
// goroutine.
type Repair struct {
	l   *Log
	row query.GetLogRow
	// found has the leaves from sources, each once, by index.
	found map[int64][][]byte
	// targets has the known checkpoints of this log, each once; target is the newest.
	targets map[tlog.Tree]Target
	target  Target
	// kept is the tree that is stored outside of the database. A tree that does not
	// continue it is a fork.
	kept tlog.Tree
}

// Target is a signed checkpoint that the entries must reproduce.
type Target struct {
	tlog.Tree
	Signed string
	// From is the source of the checkpoint.
	From string
}

// Restored is the result of a repair: what it would write, or has written.
type Restored struct {
	// Size is the number of entries in the database, and Target the checkpoint to reach.
	Size   int64
	Target Target
	// Forks are newer checkpoints from sources that do not continue the stored one.
	Forks []Target
	// Missing are the indexes that no source has. Then nothing is written.
	Missing []network.Span
	// Entries are the restored entries, from index Size on.
	Entries []leaf.Leaf
	// Lost is how many of them have no transaction in this database. Apply sets it.
	Lost int64
	// NextAtsID is the registration number of the next new work.
	NextAtsID int64

	leaves [][]byte
	tree   *tree
}

// Repair starts a repair. Its target is the checkpoint outside of the database, until a
// source has a newer one.
func (l *Log) Repair(ctx context.Context) (*Repair, error) {
	kept, place, err := l.Kept(ctx)
	if err != nil {
		return nil, l.fail("the kept checkpoint", err)
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return nil, l.fail("repair", err)
	}
	if err := l.learnAll(ctx, row); err != nil {
		return nil, err
	}
	r := &Repair{l: l, row: row, found: map[int64][][]byte{}, targets: map[tlog.Tree]Target{}}
	if err := r.AddCheckpoint(row.Checkpoint, "the database"); err != nil {
		return nil, l.fail("the newest block", err)
	}
	if kept != "" {
		if r.kept, err = l.Tree(kept); err != nil {
			return nil, fmt.Errorf("%s has a text that is not a checkpoint signed with this log's key: %w", place, err)
		}
		if kept != row.PendingCheckpoint { // that block is staged here, and the process that makes blocks publishes it
			if err := r.AddCheckpoint(kept, place); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// AddCheckpoint adds a signed checkpoint, also an old one.
func (r *Repair) AddCheckpoint(signed, from string) error {
	tree, err := r.l.Tree(signed)
	if err == nil { // a published checkpoint may have cosignatures, and a block has none
		signed, _, err = evidence.Split(signed)
	}
	if err != nil {
		return err
	}
	if _, ok := r.targets[tree]; !ok {
		r.targets[tree] = Target{tree, signed, from}
	}
	if tree.N > r.target.N || r.target.Signed == "" {
		r.target = r.targets[tree]
	}
	return nil
}

// AddEvidence adds the entry of a version's evidence. It returns an error if the evidence
// belongs to another log or does not prove the entry.
func (r *Repair) AddEvidence(e *evidence.Log, from string) error {
	if e == nil || e.Origin != r.l.Origin() {
		return errors.New("belongs to another log")
	}
	tree, err := r.l.Tree(e.Checkpoint)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(e.Proof, tree.N, tree.Hash, e.Index, tlog.RecordHash([]byte(e.Leaf))); err != nil {
		return err
	}
	if err := r.AddCheckpoint(e.Checkpoint, from); err != nil {
		return err
	}
	return r.add(e.Index, []byte(e.Leaf))
}

// maxBundle is the largest size of a bundle of 256 entries, in bytes.
const maxBundle = fullTile * (2 + 1<<16)

// AddBundle adds a bundle of entries as the log publishes it, with its path, such as
// tile/entries/000 or tile/entries/000.p/5.
func (r *Repair) AddBundle(path string, data []byte) error {
	t, err := parseTile(path)
	if err != nil || t.L >= 0 {
		return fmt.Errorf("%s is not a bundle of entries", path)
	}
	for i := range int64(t.W) {
		if len(data) < 2 {
			return fmt.Errorf("%s ends early", path)
		}
		n := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+n {
			return fmt.Errorf("%s ends early", path)
		}
		if err := r.add(t.N*fullTile+i, data[2:2+n]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		data = data[2+n:]
	}
	if len(data) > 0 {
		return fmt.Errorf("%s has more bytes after its last entry", path)
	}
	return nil
}

// add adds a leaf that the database lacks.
func (r *Repair) add(index int64, text []byte) error {
	if index < r.row.Size {
		return nil
	}
	if _, err := leaf.ParseLeaf(text); err != nil {
		return err
	}
	for _, have := range r.found[index] {
		if bytes.Equal(have, text) {
			return nil
		}
	}
	if len(r.found[index]) >= maxChoices {
		return fmt.Errorf("index %d: the sources have too many different entries", index)
	}
	r.found[index] = append(r.found[index], bytes.Clone(text))
	return nil
}

// Bundles returns the paths of the bundles with the entries that the database lacks.
func (r *Repair) Bundles() (paths []string) {
	for at := r.row.Size / fullTile * fullTile; at < r.target.N; at += fullTile {
		t := tlog.Tile{H: height, L: -1, N: at / fullTile, W: int(min(fullTile, r.target.N-at))}
		paths = append(paths, "tile/"+strings.Replace(strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height)), "data/", "entries/", 1))
	}
	return paths
}

// maxChoices is the largest number of combinations that are tried if sources contradict
// each other.
const maxChoices = 256

// errNotReproduced: all entries are there, but their root hash is not the signed one.
var errNotReproduced = errors.New("the entries do not give the root hash of that checkpoint: the database or a source has entries of a fork of this log")

// errFork: all entries are there, but they do not continue the stored checkpoint.
var errFork = errors.New("the entries give the root hash of that checkpoint, but it does not continue the stored checkpoint: they belong to a fork of this log")

// Plan returns what Apply would write, and changes nothing. It returns an error if the
// sources do not reproduce the target. The target is the newest known checkpoint that
// does not belong to a fork.
func (r *Repair) Plan(ctx context.Context) (*Restored, error) {
	targets := slices.SortedFunc(maps.Values(r.targets), func(a, b Target) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Signed, b.Signed))
	})
	var forks []Target
	for {
		p, err := r.plan(ctx, targets[0])
		if errors.Is(err, errFork) {
			forks = append(forks, p.Target)
			targets = slices.DeleteFunc(targets, func(t Target) bool {
				root, err := tlog.TreeHash(t.N, p.tree)
				return err == nil && root == t.Hash && t.N >= r.kept.N // not a fork
			})
			if len(targets) > 0 && targets[0].N >= r.kept.N {
				continue
			}
		}
		p.Forks = forks
		return p, err
	}
}

// plan is Plan for one target.
func (r *Repair) plan(ctx context.Context, target Target) (*Restored, error) {
	p := &Restored{Size: r.row.Size, Target: target, NextAtsID: r.row.NextAtsID}
	if p.Target.N == p.Size {
		// Nothing is missing. compare checks whether the trees are equal.
		return p, r.l.compare(ctx, r.row, target.Signed)
	}
	choices := 1
	var open []int64 // indexes with more than one leaf
	for i := p.Size; i < p.Target.N; i++ {
		switch n := len(r.found[i]); {
		case n == 0 && len(p.Missing) > 0 && p.Missing[len(p.Missing)-1].Last == i-1:
			p.Missing[len(p.Missing)-1].Last = i
		case n == 0:
			p.Missing = append(p.Missing, network.Span{First: i, Last: i})
		case n > 1:
			choices *= n
			open = append(open, i)
		}
		if choices > maxChoices {
			return p, fmt.Errorf("the sources contradict each other at the indexes %v and others: give only sources of one log", open)
		}
	}
	if len(p.Missing) > 0 {
		return p, nil
	}
	for choice := range choices {
		if err := r.reproduce(ctx, p, open, choice); !errors.Is(err, errNotReproduced) {
			return p, err
		}
	}
	return p, errNotReproduced
}

// reproduce tries one combination of leaves.
func (r *Repair) reproduce(ctx context.Context, p *Restored, open []int64, choice int) error {
	p.tree, p.leaves = newTree(r.l.loader(ctx, r.l.db.Read())), nil
	for i := p.Size; i < p.Target.N; i++ {
		which := 0
		if slices.Contains(open, i) {
			which, choice = choice%len(r.found[i]), choice/len(r.found[i])
		}
		text := r.found[i][which]
		if err := p.tree.add(i, tlog.RecordHash(text)); err != nil {
			return r.l.fail("repair", err)
		}
		p.leaves = append(p.leaves, text)
	}
	root, err := tlog.TreeHash(p.Target.N, p.tree)
	if err != nil {
		return r.l.fail("repair", err)
	}
	if root != p.Target.Hash {
		return errNotReproduced
	}
	if r.kept.N > 0 {
		if root, err = tlog.TreeHash(r.kept.N, p.tree); err != nil {
			return r.l.fail("repair", err)
		} else if root != r.kept.Hash {
			return errFork
		}
	}
	// The log signed these entries, so their content is what the log decided.
	p.Entries, p.NextAtsID = nil, r.row.NextAtsID
	number := r.row.Blocks
	for i, text := range p.leaves {
		one, err := leaf.ParseLeaf(text)
		if err != nil {
			return err
		}
		if one.Block != number && one.Block != number+1 || i == 0 && one.Block == number {
			return fmt.Errorf("entry %d belongs to block %d, which does not follow block %d", p.Size+int64(i), one.Block, number)
		}
		number = one.Block
		p.NextAtsID = max(p.NextAtsID, one.AtsID+1)
		p.Entries = append(p.Entries, one)
	}
	return nil
}

// Apply writes a plan in one transaction. It signs the blocks again, which gives the same
// bytes. If another process has changed the log meanwhile, it fails and changes nothing.
func (r *Repair) Apply(ctx context.Context, p *Restored) error {
	if len(p.Missing) > 0 || len(p.Entries) == 0 {
		return errors.New("there is nothing to write")
	}
	name := string(r.l.config.Network)
	err := r.l.db.Tx(ctx, func(tx *store.Tx) error {
		p.Lost = 0
		last := p.Entries[len(p.Entries)-1]
		claimed, err := tx.AdvanceLog(ctx, query.AdvanceLogParams{
			Network: name, OldSize: r.row.Size, OldRefused: r.row.Refused, Staged: r.row.PendingCheckpoint,
			Size: p.Target.N, Refused: r.row.Refused, Blocks: last.Block, NextAtsID: p.NextAtsID, Now: store.Micros(tx.Now),
		})
		if err != nil {
			return err
		}
		if claimed != 1 {
			return errOvertaken
		}
		first := p.Size
		prefix := newTree(r.l.loader(ctx, tx.Queries)) // grows with each block
		for i, one := range p.Entries {
			index := p.Size + int64(i)
			lost, err := r.restore(ctx, tx, index, one, p.leaves[i])
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if lost {
				p.Lost++
			}
			if err := prefix.add(index, tlog.RecordHash(p.leaves[i])); err != nil {
				return err
			}
			if i+1 < len(p.Entries) && p.Entries[i+1].Block == one.Block {
				continue
			}
			signed, err := r.l.sign(index+1, prefix)
			if err != nil {
				return err
			}
			if err := r.l.insertBlock(ctx, tx, one.Block, first, index+1, one.At, signed); err != nil {
				return err
			}
			first = index + 1
		}
		if err := r.l.putTiles(ctx, tx, p.tree); err != nil {
			return err
		}
		return tx.InsertLogRepair(ctx, query.InsertLogRepairParams{
			Network: name, FromSize: p.Size, ToSize: p.Target.N, Lost: p.Lost, Checkpoint: p.Target.Signed, Now: store.Micros(tx.Now),
		})
	})
	if err != nil {
		return r.l.fail("repair", err)
	}
	return nil
}

// restore writes one entry. It reports whether this database also lacked its transaction.
func (r *Repair) restore(ctx context.Context, tx *store.Tx, index int64, one leaf.Leaf, text []byte) (lost bool, err error) {
	name, hash, at := string(r.l.config.Network), one.Hash(), store.Micros(one.At)
	made, err := tx.RestoreLogEntry(ctx, query.RestoreLogEntryParams{
		Network: name, TxHash: hash[:], Body: one.Transaction.Bytes(), Commitment: one.Commitment[:], ReceivedAt: at,
	})
	if err != nil {
		return false, err
	}
	n, err := tx.SequenceLogEntry(ctx, query.SequenceLogEntryParams{
		Network: name, TxHash: hash[:], Idx: valid(index), Leaf: text, AtsID: one.AtsID, Version: one.Version, Block: one.Block, DecidedAt: at,
	})
	if err != nil || n != 1 {
		return false, changed(n, err)
	}
	return made == 1, nil
}
