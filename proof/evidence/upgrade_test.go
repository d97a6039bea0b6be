package evidence_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// pending is a proof that its calendar has not completed.
func pending(sum [32]byte) []byte {
	file := append([]byte("\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"), sum[:]...)
	return append(file, append([]byte{0, 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e, 26, 25}, "https://calendar.example/x"[:25]...)...)
}

// A holder adds statements one by one, and the document stays valid at each step.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	// A document of version 1 becomes one of version 2.
	e := must(evidence.Decode(bytes.NewReader(must(os.ReadFile("testdata/v1/full.json")))))
	valid := func(step string, e evidence.Evidence) evidence.Report {
		t.Helper()
		again := must(evidence.Decode(bytes.NewReader(must(evidence.Encode(e)))))
		opts := trusting(t)
		opts.Keys = []string{song.key()}
		r := must(evidence.Verify(again, opts))
		for _, c := range r {
			if c.Status == evidence.Failed && c.Name != evidence.CheckWitnesses {
				t.Errorf("%s: %+v", step, c)
			}
		}
		return r
	}
	step := func(name string, next evidence.Evidence, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		valid(name, next)
		e = next
	}
	has := func(r evidence.Report, want ...string) {
		t.Helper()
		got := parts(r)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q lacks %q", got, w)
			}
		}
	}
	block := e.Block.Hash
	next, err := e.AddToken(must(os.ReadFile("testdata/v1/token.der")))
	step("a token", next, err)
	next, err = e.AddProof(pending(block))
	step("a pending proof", next, err)
	has(valid("pending", e), "bitcoin not_checked attestations[1]")
	file, _ := opentimestamps(block)
	next, err = e.AddProof(file)
	step("the complete proof", next, err)
	if len(e.Attestations) != 2 {
		t.Fatalf("%d attestations: the pending proof stays", len(e.Attestations))
	}
	has(valid("complete", e), "bitcoin ok attestations[1]")
	next, err = e.AddProof(pending(block))
	step("a pending proof beside a complete one", next, err)
	if len(e.Attestations) != 3 {
		t.Errorf("%d attestations", len(e.Attestations))
	}
	later := song.later(1300)
	next, err = e.AddCheckpoint(evidence.Join(later.Checkpoint, nil), later.Consistency)
	step("a later checkpoint", next, err)
	next, err = e.AddCheckpoint(evidence.Join(later.Checkpoint, later.Cosignatures[:1]), later.Consistency)
	step("a cosignature of it", next, err)
	next, err = e.AddCheckpoint(evidence.Join(later.Checkpoint, later.Cosignatures), later.Consistency)
	step("more of them", next, err)
	if len(e.Attestations) != 4 || len(e.Attestations[3].Cosignatures) != 3 {
		t.Errorf("%+v", e.Attestations)
	}
	has(valid("witnessed", e), "witnesses ok", "later ok attestations[3]")
	next, err = e.AddCheckpoint(evidence.Join(e.Log.Checkpoint, cosigned(e.Log.Checkpoint, e.Block.Time.Add(time.Minute), witnesses...)), nil)
	step("cosignatures of the block", next, err)
	if len(e.Log.Cosignatures) != 3 || e.Block.Hash != block {
		t.Errorf("%q", e.Log.Cosignatures)
	}
	// The same again changes nothing.
	before := must(evidence.Encode(e))
	next, err = e.AddToken(must(os.ReadFile("testdata/v1/token.der")))
	step("the token again", next, err)
	next, err = e.AddProof(file)
	step("the proof again", next, err)
	next, err = e.AddCheckpoint(evidence.Join(later.Checkpoint, later.Cosignatures[1:]), later.Consistency)
	step("the checkpoint again", next, err)
	if !bytes.Equal(before, must(evidence.Encode(e))) {
		t.Error("a repeated statement changed the document")
	}
	// A proof that renews another stands beside it, and the old one cannot be replaced.
	next, err = e.AddProof(pending(must(e.Digest(evidence.OfAttestation(0)))))
	step("a renewal", next, err)
	if last := e.Attestations[len(e.Attestations)-1]; last.Of != evidence.OfAttestation(0) {
		t.Errorf("of %q", last.Of)
	}
}

func TestUpgradeRefuses(t *testing.T) {
	t.Parallel()
	e := song.logged()
	if _, err := e.AddProof(pending(commitment.Hash{1})); !errors.Is(err, evidence.ErrUnrelated) {
		t.Error(err)
	}
	other := song
	other.title = "Other"
	if _, err := other.logged().AddToken(must(os.ReadFile("testdata/v1/token.der"))); !errors.Is(err, evidence.ErrUnrelated) {
		t.Error(err)
	}
	if _, err := song.chained().AddCheckpoint(e.Log.Checkpoint, nil); !errors.Is(err, evidence.ErrUnrelated) {
		t.Error(err)
	}
	for _, junk := range []string{"", "x", e.Log.Checkpoint[:40]} {
		if _, err := e.AddCheckpoint(junk, tlog.TreeProof{}); err == nil {
			t.Errorf("the checkpoint %q", junk)
		}
		if _, err := e.AddProof([]byte(junk)); err == nil {
			t.Errorf("the proof %q", junk)
		}
		if _, err := e.AddToken([]byte(junk)); err == nil {
			t.Errorf("the token %q", junk)
		}
	}
	// A pending proof that another attestation is about stays.
	first := must(e.AddProof(pending(e.Block.Hash)))
	renewal, _ := opentimestamps(must(first.Digest(evidence.OfAttestation(0))))
	renewed := must(first.AddProof(renewal))
	complete, _ := opentimestamps(e.Block.Hash)
	both := must(renewed.AddProof(complete))
	if len(both.Attestations) != 3 || !bytes.Equal(both.Attestations[0].Proof, pending(e.Block.Hash)) {
		t.Errorf("%d attestations", len(both.Attestations))
	}
}
