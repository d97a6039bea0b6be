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

	"timbre.example/evidence"
	"timbre.example/internal/network/log/leaf"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Repair puts entries back into a log whose database lacks them. It takes them from
// what was published, believes none of it, and changes the database only when all
// together reproduce a checkpoint that this log's key signed. It serves one goroutine.
type Repair struct {
	l   *Log
	row query.GetLogRow
	// found are the leaves that sources brought, each once, by their index.
	found map[int64][][]byte
	// targets are the checkpoints of this log that are known, each once, and target the
	// newest of them.
	targets map[tlog.Tree]Target
	target  Target
	// kept is the tree that is kept outside of the database. What does not continue it
	// is a fork.
	kept tlog.Tree
}

// Target is a signed checkpoint that is to be reproduced.
type Target struct {
	tlog.Tree
	Signed string
	// From says where it was found.
	From string
}

// Span is the indexes from First to Last.
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

// Restored is what a repair would write, or has written.
type Restored struct {
	// Size is how many entries the database has, and Target what it is to have.
	Size   int64
	Target Target
	// Forks are newer checkpoints that sources brought, and that do not continue the one
	// that is kept outside of the database.
	Forks []Target
	// Missing are the indexes that no source brought. Nothing is written then.
	Missing []Span
	// Entries are those that come back, from index Size on.
	Entries []leaf.Leaf
	// Lost is how many of them have no transaction in this database. Apply sets it.
	Lost int64
	// NextAtsID is the registration number of the next new work.
	NextAtsID int64

	leaves [][]byte
	tree   *tree
}

// Repair begins one. Its target is the checkpoint that is kept outside of the
// database, until a source brings a newer one.
func (l *Log) Repair(ctx context.Context) (*Repair, error) {
	kept, place, err := l.Kept(ctx)
	if err != nil {
		return nil, l.fail("the kept checkpoint", err)
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return nil, l.fail("repair", err)
	}
	r := &Repair{l: l, row: row, found: map[int64][][]byte{}, targets: map[tlog.Tree]Target{}}
	if err := r.AddCheckpoint(row.Checkpoint, "the database"); err != nil {
		return nil, l.fail("the newest block", err)
	}
	if kept != "" {
		if r.kept, err = l.Tree(kept); err != nil {
			return nil, fmt.Errorf("%s holds something else than a checkpoint that the key of this log signed: %w", place, err)
		}
		if kept != row.PendingCheckpoint { // that block is here, and is published by whoever makes blocks
			if err := r.AddCheckpoint(kept, place); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// AddCheckpoint takes a signed checkpoint, of any age.
func (r *Repair) AddCheckpoint(signed, from string) error {
	tree, err := r.l.Tree(signed)
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

// AddEvidence takes the entry of a version's evidence. It is an error when the
// evidence is another log's, or does not prove it.
func (r *Repair) AddEvidence(e *evidence.Log, from string) error {
	if e == nil || e.Origin != r.l.Origin() {
		return errors.New("it is another log's")
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

// MaxBundle is how long a bundle of 256 entries may be, in bytes.
const MaxBundle = fullTile * (2 + 1<<16)

// AddBundle takes a bundle of entries as the log publishes it, at a path such as
// tile/entries/000 or tile/entries/000.p/5.
func (r *Repair) AddBundle(path string, data []byte) error {
	t, err := parseTile(path)
	if err != nil || t.L >= 0 {
		return fmt.Errorf("%s is no bundle of entries", path)
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
		return fmt.Errorf("%s goes on after its last entry", path)
	}
	return nil
}

// add takes a leaf that the database lacks.
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
		return fmt.Errorf("index %d: sources bring too many different entries", index)
	}
	r.found[index] = append(r.found[index], bytes.Clone(text))
	return nil
}

// Bundles are the paths of the bundles that hold what the database lacks.
func (r *Repair) Bundles() (paths []string) {
	for at := r.row.Size / fullTile * fullTile; at < r.target.N; at += fullTile {
		t := tlog.Tile{H: height, L: -1, N: at / fullTile, W: int(min(fullTile, r.target.N-at))}
		paths = append(paths, "tile/"+strings.Replace(strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height)), "data/", "entries/", 1))
	}
	return paths
}

// maxChoices is how many combinations are tried where sources contradict each other.
const maxChoices = 256

// errNotReproduced: everything is there, and it is not what was signed.
var errNotReproduced = errors.New("the entries do not give the root hash of that checkpoint: the database, or a source, holds entries of a fork of this log")

// errFork: everything is there, and does not continue the kept checkpoint.
var errFork = errors.New("the entries give the root hash of that checkpoint, which does not continue the one that is kept: they are of a fork of this log")

// Plan says what would be written. It changes nothing. The error says that the sources
// do not reproduce the target. The target is the newest checkpoint that is known. One
// that turns out to be a fork's is passed over.
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
				return err == nil && root == t.Hash && t.N >= r.kept.N // of the same fork
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
		// Nothing is missing. Whether the trees are equal is compare's to say.
		return p, r.l.compare(ctx, r.row, target.Signed)
	}
	choices := 1
	var open []int64 // indexes with a choice
	for i := p.Size; i < p.Target.N; i++ {
		switch n := len(r.found[i]); {
		case n == 0 && len(p.Missing) > 0 && p.Missing[len(p.Missing)-1].Last == i-1:
			p.Missing[len(p.Missing)-1].Last = i
		case n == 0:
			p.Missing = append(p.Missing, Span{i, i})
		case n > 1:
			choices *= n
			open = append(open, i)
		}
		if choices > maxChoices {
			return p, fmt.Errorf("sources contradict each other at the indexes %v and further ones: give those of one log", open)
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
	// The log signed these entries, so what they say is what it decided.
	p.Entries, p.NextAtsID = nil, r.row.NextAtsID
	number := r.row.Blocks
	for i, text := range p.leaves {
		one, err := leaf.ParseLeaf(text)
		if err != nil {
			return err
		}
		if one.Block != number && one.Block != number+1 || i == 0 && one.Block == number {
			return fmt.Errorf("entry %d is of block %d, which does not follow block %d", p.Size+int64(i), one.Block, number)
		}
		number = one.Block
		p.NextAtsID = max(p.NextAtsID, one.AtsID+1)
		p.Entries = append(p.Entries, one)
	}
	return nil
}

// Apply writes a plan in one transaction. Blocks are signed again, which gives the
// same bytes. What another process changed meanwhile makes it fail, and changes nothing.
func (r *Repair) Apply(ctx context.Context, p *Restored) error {
	if len(p.Missing) > 0 || len(p.Entries) == 0 {
		return errors.New("there is nothing to write")
	}
	network := string(r.l.config.Network)
	err := r.l.db.Tx(ctx, func(tx *store.Tx) error {
		p.Lost = 0
		last := p.Entries[len(p.Entries)-1]
		claimed, err := tx.AdvanceLog(ctx, query.AdvanceLogParams{
			Network: network, OldSize: r.row.Size, OldRefused: r.row.Refused,
			Size: p.Target.N, Refused: r.row.Refused, Blocks: last.Block, NextAtsID: p.NextAtsID, Now: store.Micros(tx.Now),
		})
		if err != nil {
			return err
		}
		if claimed != 1 {
			return errOvertaken
		}
		first := p.Size
		prefix := newTree(r.l.loader(ctx, tx.Queries)) // grows block by block
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
			Network: network, FromSize: p.Size, ToSize: p.Target.N, Lost: p.Lost, Checkpoint: p.Target.Signed, Now: store.Micros(tx.Now),
		})
	})
	if err != nil {
		return r.l.fail("repair", err)
	}
	return nil
}

// restore writes one entry back. It reports whether this database had not even its
// transaction.
func (r *Repair) restore(ctx context.Context, tx *store.Tx, index int64, one leaf.Leaf, text []byte) (lost bool, err error) {
	network, hash, at := string(r.l.config.Network), one.Hash(), store.Micros(one.At)
	made, err := tx.RestoreLogEntry(ctx, query.RestoreLogEntryParams{
		Network: network, TxHash: hash[:], Body: one.Transaction.Bytes(), Commitment: one.Commitment[:], ReceivedAt: at,
	})
	if err != nil {
		return false, err
	}
	n, err := tx.SequenceLogEntry(ctx, query.SequenceLogEntryParams{
		Network: network, TxHash: hash[:], Idx: valid(index), Leaf: text, AtsID: one.AtsID, Version: one.Version, Block: one.Block, DecidedAt: at,
	})
	if err != nil || n != 1 {
		return false, changed(n, err)
	}
	return made == 1, nil
}
