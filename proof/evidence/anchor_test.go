package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/proof/evidence"
)

// pinnedAnd are options of a reader who trusts the log and the chain of the golden files.
func pinnedAnd(set int) evidence.Options {
	chains := must(evidence.ParseChainCheckpoints([]byte(usual.checkpoint(song.chained(), set))))
	return evidence.Options{Keys: []string{song.key()}, ChainCheckpoints: chains}
}

// An anchor dates the block and lifts the proof to the chain, for readers who pin the chain. For
// others it says that a checkpoint is missing.
func TestAnchor(t *testing.T) {
	t.Parallel()
	whole := song.logged()
	for what, e := range map[string]evidence.Evidence{
		"of the block":      must(whole.Extend(usual.anchor(whole.Block.Hash, evidence.OfBlock))),
		"of a later one":    song.anchored(usual),
		"in an old runtime": must(whole.Extend(chainMaker{runtime: 100, members: 3}.anchor(whole.Block.Hash, evidence.OfBlock))),
	} {
		e = must(evidence.Decode(bytes.NewReader(must(evidence.Encode(e)))))
		set := firstSet
		r := must(evidence.Verify(e, pinnedAnd(set)))
		if what == "in an old runtime" {
			o := pinnedAnd(set)
			o.ChainCheckpoints = must(evidence.ParseChainCheckpoints([]byte(chainMaker{members: 3}.checkpoint(song.chained(), set))))
			r = must(evidence.Verify(e, o))
		}
		c := check(r, "anchor")
		dates := r.Dates(e)
		if c.Status != evidence.OK || !r.Anchored() || !slices.Equal(r.Levels(), []evidence.Level{evidence.LevelLogged, evidence.LevelChained}) ||
			len(dates) != 2 || !dates[0].Time.Equal(chainTime) || !dates[0].Independent || check(r, "dates").Status != evidence.OK {
			t.Errorf("%s: %+v %v %+v", what, c, r.Levels(), dates)
		}
		r = must(evidence.Verify(e, evidence.Options{Keys: []string{song.key()}}))
		c = check(r, "anchor")
		if c.Status != evidence.NotChecked || !strings.Contains(c.Why, "set 6 of the chain’s authorities") || !slices.Equal(r.Levels(), []evidence.Level{evidence.LevelLogged}) || len(r.Dates(e)) != 1 {
			t.Errorf("%s, without a checkpoint: %+v %v", what, c, r.Levels())
		}
	}
}

// An anchor that does not hold is ignored, and proves no date.
func TestAnchorThatDoesNotHold(t *testing.T) {
	t.Parallel()
	whole := song.logged()
	other := forked(func(w *work) { w.title = "Another Song" })
	stray := other.later(other.size + 300)
	stray.Cosignatures = nil
	early := usual
	early.values = func(values map[string][]byte, keys [5][]byte) { values[string(keys[2])] = make([]byte, 8) }
	timeless := usual
	timeless.values = func(values map[string][]byte, keys [5][]byte) { values[string(keys[2])] = nil }
	elsewhere := usual.anchor(whole.Block.Hash, evidence.OfBlock)
	elsewhere.Anchor.AtsID++
	sum := whole.Block.Hash
	for what, c := range map[string]struct {
		add  []evidence.Attestation
		set  int
		net  string
		want string
	}{
		"of other bytes":      {[]evidence.Attestation{usual.anchor(sha256.Sum256(nil), evidence.OfBlock)}, firstSet, "", "something else"},
		"another work":        {[]evidence.Attestation{elsewhere}, firstSet, "", "state_proof"},
		"a fork's checkpoint": {[]evidence.Attestation{stray, usual.anchor(sha256.Sum256([]byte(stray.Checkpoint)), evidence.OfAttestation(0))}, firstSet, "", "about an attestation that does not hold"},
		"no time":             {[]evidence.Attestation{timeless.anchor(sum, evidence.OfBlock)}, firstSet, "", "time"},
		"too few votes": {[]evidence.Attestation{func() evidence.Attestation {
			m := usual
			m.votes = func(v []vote) []vote { return v[1:] }
			return m.anchor(sum, evidence.OfBlock)
		}()}, firstSet, "", "two thirds"},
		"another chain":   {[]evidence.Attestation{usual.anchor(sum, evidence.OfBlock)}, firstSet, "genesis " + strings.Repeat("46", 32), "another chain"},
		"another network": {[]evidence.Attestation{usual.anchor(sum, evidence.OfBlock)}, firstSet, "network mainnet", "another chain"},
	} {
		e := must(whole.Extend(c.add...))
		o := pinnedAnd(c.set)
		if c.net != "" {
			text := usual.checkpoint(song.chained(), c.set)
			word, _, _ := strings.Cut(c.net, " ")
			from := strings.Index(text, word)
			to := from + strings.IndexByte(text[from:], '\n')
			o.ChainCheckpoints = must(evidence.ParseChainCheckpoints([]byte(text[:from] + c.net + text[to:])))
		}
		r := must(evidence.Verify(e, o))
		if got := check(r, "anchor"); got.Status != evidence.Failed || !strings.Contains(got.Why, c.want) || got.Time != nil || got.Part == "" {
			t.Errorf("%s: %+v", what, got)
		}
		if slices.Contains(r.Levels(), evidence.LevelChained) || len(r.Dates(e)) != 1 {
			t.Errorf("%s: %v %v", what, r.Levels(), r.Dates(e))
		}
	}
	// A date before the log's own contradicts it.
	e := must(whole.Extend(early.anchor(sum, evidence.OfBlock)))
	r := must(evidence.Verify(e, pinnedAnd(firstSet)))
	if check(r, "anchor").Status != evidence.OK || check(r, "dates").Status != evidence.Failed || !check(r, "anchor").Time.Equal(time.UnixMilli(0)) {
		t.Errorf("%+v", r)
	}
}

// The form refuses these anchors.
func TestFormOfAnchors(t *testing.T) {
	t.Parallel()
	whole, sum := song.logged(), song.logged().Block.Hash
	one := func(change func(*evidence.Anchor)) evidence.Attestation {
		a := usual.anchor(sum, evidence.OfBlock)
		change(a.Anchor)
		return a
	}
	good := one(func(*evidence.Anchor) {})
	if _, err := whole.Extend(good, good); err != nil {
		t.Error(err)
	}
	about := func(of evidence.Subject) evidence.Attestation {
		a := one(func(*evidence.Anchor) {})
		a.Of = of
		return a
	}
	der := token([]byte{1})
	der.Of = evidence.OfAttestation(0)
	for what, add := range map[string][]evidence.Attestation{
		"of the commitment":  {about(evidence.OfCommitment)},
		"of itself":          {about(evidence.OfAttestation(0))},
		"of an anchor":       {good, about(evidence.OfAttestation(0))},
		"of a token":         {token([]byte{1}), about(evidence.OfAttestation(0))},
		"a token of it":      {good, der},
		"three":              {good, good, good},
		"no version":         {one(func(a *evidence.Anchor) { a.Version = 0 })},
		"an id below zero":   {one(func(a *evidence.Anchor) { a.AtsID = -1 })},
		"no state":           {one(func(a *evidence.Anchor) { a.StateProof = nil })},
		"no finality":        {one(func(a *evidence.Anchor) { a.Finality = nil })},
		"nothing":            {{Kind: evidence.KindAnchor, Of: evidence.OfBlock}},
		"nodes out of order": {one(func(a *evidence.Anchor) { a.StateProof = slices.Clone(a.StateProof); slices.Reverse(a.StateProof) })},
	} {
		if _, err := whole.Extend(add...); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := song.finalized(usual).Extend(good); err == nil {
		t.Error("on a chain: accepted")
	}
}

// A changed byte of an anchor is refused.
func TestAnchorMutations(t *testing.T) {
	t.Parallel()
	text := must(evidence.Encode(song.anchored(usual)))
	from := bytes.Index(text, []byte(`"kind": "anchor"`))
	for at := from + 20; at < len(text); at += 37 {
		changed := bytes.Clone(text)
		changed[at] = map[bool]byte{true: '1', false: '0'}[changed[at] == '0']
		e, err := evidence.Decode(bytes.NewReader(changed))
		if err != nil {
			continue
		}
		if r := must(evidence.Verify(e, pinnedAnd(firstSet))); check(r, "anchor").Status == evidence.OK {
			t.Fatalf("byte %d: %s", at, changed[at-20:at+20])
		}
	}
}
