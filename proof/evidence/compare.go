package evidence

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence/leaf"
)

// Relation is what a comparison of two documents shows about their log.
type Relation string

// The relations of two documents.
const (
	OtherLogs       Relation = "other_logs"       // they are of different logs or chains, or one does not hold: nothing can be compared
	SameHistory     Relation = "same_history"     // the tree of one continues that of the other
	NoContradiction Relation = "no_contradiction" // nothing contradicts, but the documents do not show that one tree continues the other
	Contradiction   Relation = "contradiction"    // the log's key signed both, and only one can be true
)

// Sentence returns the relation in a sentence.
func (r Relation) Sentence() string { return word("relation_" + string(r)) }

// Comparison is the result of [Compare].
type Comparison struct {
	Relation Relation
	// Why says what contradicts. It is empty for other relations.
	Why string
	// Checkpoints are the signed checkpoints that contradict each other, of the first and of
	// the second document. Both together prove that the log cheated: publish them.
	Checkpoints [2]string
}

// Compare compares two documents of one log. A log that shows different histories to
// different readers is found out when two readers put their evidence together. keys are as
// in [Options]. Compare needs no network: what the documents do not show, a reader of the
// whole log can prove.
func Compare(a, b Evidence, keys []string) Comparison {
	return CompareIn(a, b, Keyring{keys: keys})
}

// CompareIn is [Compare] with the keys of a ring: the documents may be signed by different keys
// of one log, if its key page leads from one to the other.
func CompareIn(a, b Evidence, ring Keyring) Comparison {
	if a.Log == nil || b.Log == nil || a.Log.Origin != b.Log.Origin {
		return Comparison{Relation: OtherLogs}
	}
	key, other := usedKey(a.Log.Key, ring.keys), usedKey(b.Log.Key, ring.keys)
	if page, ok := ring.Page(a.Log.Origin); key != other && (!ok || !slices.Contains(page.Keys(), key) || !slices.Contains(page.Keys(), other)) {
		return Comparison{Relation: OtherLogs}
	}
	first, err1 := read(a, key, ring)
	second, err2 := read(b, other, ring)
	if err1 != nil || err2 != nil {
		return Comparison{Relation: OtherLogs}
	}
	relation, split := NoContradiction, span{}
	for of, one := range first.ranges {
		other, both := second.ranges[of]
		switch {
		case !both:
		case one.hash != other.hash:
			if split.to == 0 || of.less(split) {
				split = of
			}
		case of.from == 0 && of.to >= min(first.whole.to, second.whole.to):
			relation = SameHistory
		}
	}
	if split.to > 0 {
		return Comparison{Contradiction, fmt.Sprintf("the entries %d to %d of both histories differ", split.from, split.to-1),
			[2]string{first.ranges[split].checkpoint, second.ranges[split].checkpoint}}
	}
	if why := disagree(a, b, first.entry, second.entry); why != "" {
		return Comparison{Contradiction, why, [2]string{a.Log.Checkpoint, b.Log.Checkpoint}}
	}
	return Comparison{Relation: relation}
}

// disagree returns why two entries cannot be in one log: numbers count up, and the time of a
// block is never before that of the previous block.
func disagree(a, b Evidence, one, other leaf.Leaf) string {
	if a.Log.Index > b.Log.Index {
		a, b, one, other = b, a, other, one
	}
	switch {
	case a.Log.Index == b.Log.Index:
		return "" // the ranges have compared them
	case one.AtsID == other.AtsID && one.Version >= other.Version:
		return fmt.Sprintf("version %d of work %d stands behind version %d", other.Version, one.AtsID, one.Version)
	case one.Updates == 0 && other.Updates == 0 && one.AtsID >= other.AtsID:
		return fmt.Sprintf("work %d stands behind work %d", other.AtsID, one.AtsID)
	case one.Block > other.Block:
		return fmt.Sprintf("block %d stands behind block %d", other.Block, one.Block)
	case one.Block == other.Block && !one.At.Equal(other.At):
		return fmt.Sprintf("block %d has two times", one.Block)
	case other.At.Before(one.At):
		return fmt.Sprintf("block %d is older than block %d", other.Block, one.Block)
	}
	return ""
}

// span names entries of a log: those from from up to and without to.
type span struct{ from, to int64 }

// less orders spans by their length, and then by their place.
func (s span) less(o span) bool {
	if a, b := s.to-s.from, o.to-o.from; a != b {
		return a < b
	}
	return s.from < o.from
}

// ranged is the hash of the tree over a span, and a checkpoint that fixes it. The hash is
// the same in every tree of one history (RFC 6962, section 2.1).
type ranged struct {
	hash       tlog.Hash
	checkpoint string
}

// reading is what a document shows of its log.
type reading struct {
	entry  leaf.Leaf
	whole  span // the tree of the block's checkpoint
	ranges map[span]ranged
}

// read returns what the parts of e show that the log's key signed.
func read(e Evidence, key string, ring Keyring) (r reading, err error) {
	l := e.Log
	if r.entry, err = l.Entry(); err != nil {
		return r, err
	}
	tree, err := OpenCheckpoint(l.Checkpoint, l.Origin, key)
	if err != nil {
		return r, err
	}
	hash := tlog.RecordHash([]byte(l.Leaf))
	if err := tlog.CheckRecord(l.Proof, tree.N, tree.Hash, l.Index, hash); err != nil {
		return r, err
	}
	r.whole, r.ranges = span{0, tree.N}, map[span]ranged{}
	if _, ok := r.climb(r.whole, l.Index, hash, l.Proof, l.Checkpoint); !ok {
		return r, errors.New("the proof has another length")
	}
	if len(ring.keys) == 0 {
		ring.keys = []string{key}
	}
	for _, a := range e.Attestations {
		if a.Kind != KindCheckpoint || verifyLater(e, a, Options{ring: ring}) != nil {
			continue
		}
		later, _, err := ring.Open(a.Checkpoint, l.Origin)
		if err == nil {
			r.ranges[span{0, later.N}] = ranged{later.Hash, a.Checkpoint}
		}
	}
	return r, nil
}

// climb adds the hashes of an inclusion proof: those of the proof, and those that it leads
// to. The proof has been verified. The last hash of the proof belongs to the whole span.
func (r reading) climb(s span, index int64, entry tlog.Hash, proof tlog.RecordProof, checkpoint string) (hash tlog.Hash, ok bool) {
	if s.to-s.from == 1 {
		r.ranges[s] = ranged{entry, checkpoint}
		return entry, len(proof) == 0
	}
	if len(proof) == 0 {
		return hash, false
	}
	half := int64(1)
	for 2*half < s.to-s.from {
		half *= 2
	}
	left, right := span{s.from, s.from + half}, span{s.from + half, s.to}
	neighbour, rest := proof[len(proof)-1], proof[:len(proof)-1]
	var inner tlog.Hash
	if index < right.from {
		inner, ok = r.climb(left, index, entry, rest, checkpoint)
		r.ranges[right], hash = ranged{neighbour, checkpoint}, tlog.NodeHash(inner, neighbour)
	} else {
		inner, ok = r.climb(right, index, entry, rest, checkpoint)
		r.ranges[left], hash = ranged{neighbour, checkpoint}, tlog.NodeHash(neighbour, inner)
	}
	r.ranges[s] = ranged{hash, checkpoint}
	return hash, ok
}
