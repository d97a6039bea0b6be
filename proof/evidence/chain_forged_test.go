package evidence_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/evidence"
)

// chainCase is evidence on a chain, and the result that every verifier must give. The tests of
// the page /verify read the same file.
type chainCase struct {
	Name string `json:"name"`
	// Checkpoint is the file that the verifier pins; none when empty.
	Checkpoint string `json:"checkpoint,omitempty"`
	// Block is that member of the document v2/chain.json. Substrate has the members of
	// substrate that differ from those of the first case, and Without those that are missing.
	Block     evidence.Block             `json:"block"`
	Substrate map[string]json.RawMessage `json:"substrate"`
	Without   []string                   `json:"without,omitempty"`
	// Failed and NotChecked are the checks of the chain that are not ok, in their order.
	Failed     []string         `json:"failed,omitempty"`
	NotChecked []string         `json:"not_checked,omitempty"`
	Verdict    evidence.Verdict `json:"verdict"`
}

// list splits names; the names before "|" fail, and those after it are not checked.
func list(names string) (failed, notChecked []string) {
	f, n, _ := strings.Cut(names, "|")
	return strings.Fields(f), strings.Fields(n)
}

func chainCases() (all []chainCase) {
	whole := chainMaker{hashed: true, runtime: 201, handOffs: 1, headers: 1, members: 4, works: 3}
	add := func(name string, m chainMaker, e evidence.Evidence, checkpoint, not string, verdict evidence.Verdict) {
		c := chainCase{Name: name, Block: e.Block, Substrate: map[string]json.RawMessage{}, Checkpoint: checkpoint, Verdict: verdict}
		text := must(json.Marshal(e.Substrate))
		if err := json.Unmarshal(text, &c.Substrate); err != nil {
			panic(err)
		}
		if len(all) > 0 {
			for member, first := range all[0].Substrate {
				if now, ok := c.Substrate[member]; !ok {
					c.Without = append(c.Without, member)
				} else if bytes.Equal(now, first) {
					delete(c.Substrate, member)
				}
			}
			slices.Sort(c.Without)
		}
		c.Failed, c.NotChecked = list(not)
		all = append(all, c)
	}
	pin := whole.checkpoint(song.chained(), firstSet)
	// made is a chain that was made with a change.
	made := func(name, not string, verdict evidence.Verdict, change func(m *chainMaker)) {
		m := whole
		change(&m)
		e := song.finalized(m)
		add(name, m, e, m.checkpoint(e, firstSet), not, verdict)
	}
	// cut is the usual chain, of which a part is changed.
	cut := func(name, not string, verdict evidence.Verdict, change func(s *evidence.Substrate)) {
		e := song.finalized(whole)
		change(e.Substrate)
		e.Block.Hash = blake2b.Sum256(e.Substrate.Header)
		add(name, whole, e, pin, not, verdict)
	}
	const unproved, unfinal = "| inclusion time", "finality | chain"

	made("all of it", "", evidence.Registered, func(*chainMaker) {})
	made("values in the nodes", "", evidence.Registered, func(m *chainMaker) { m.hashed = false })
	made("runtime 100", "", evidence.Registered, func(m *chainMaker) { m.runtime = 100 })
	made("no hand-over, no header, one authority", "", evidence.Registered, func(m *chainMaker) { m.handOffs, m.headers, m.members = 0, 0, 1 })
	made("weights, enough", "", evidence.Registered, func(m *chainMaker) {
		m.members, m.weights = 3, []uint64{7, 5, 4}
		m.votes = func(v []vote) []vote { return []vote{v[0], {2, v[2].hash, v[2].number}} }
	})
	made("weights, one short", unfinal, evidence.Fails, func(m *chainMaker) {
		m.members, m.weights = 3, []uint64{6, 5, 6} // 11 of 17, and 12 are needed
		m.votes = func(v []vote) []vote { return []vote{v[0], {1, v[2].hash, v[2].number}} }
	})
	made("weights without a sum", unfinal, evidence.Fails, func(m *chainMaker) {
		m.weights = []uint64{1 << 62, 1 << 62, 1, 1}
	})
	made("a weight of 0", unfinal, evidence.Fails, func(m *chainMaker) { m.weights = []uint64{1, 1, 1, 0} })
	made("a vote too few", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { return v[1:] } })
	made("one votes twice", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { v[0].by = v[1].by; return v } })
	made("one votes twice, with enough others", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { return append(v, v[0]) } })
	made("a vote of nobody in the set", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { v[0].by = 9; return v } })
	made("votes for another set", unfinal, evidence.Fails, func(m *chainMaker) { m.signed = 1 })
	made("a vote for another block", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { v[0].hash[0]++; return v } })
	made("a vote for another number", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { v[0].number++; return v } })
	made("a vote for another number of a descendant", unfinal, evidence.Fails, func(m *chainMaker) { m.votes = func(v []vote) []vote { v[len(v)-1].number--; return v } })
	made("a descendant that is not shown", unfinal, evidence.Fails, func(m *chainMaker) { m.above = func(h [][]byte) [][]byte { return h[1:] } })
	made("a descendant that no vote needs", unfinal, evidence.Fails, func(m *chainMaker) {
		m.above = func(h [][]byte) [][]byte { return append(h, header([32]byte{5}, 7, [32]byte{}, [32]byte{})) }
	})
	made("a descendant twice", unfinal, evidence.Fails, func(m *chainMaker) { m.above = func(h [][]byte) [][]byte { return append(h, h[0]) } })
	made("a hand-over to nobody", unfinal, evidence.Fails, func(m *chainMaker) { m.handOff = func(_ int, h *forgedHandOff) { h.none = true } })
	made("a hand-over with a delay", unfinal, evidence.Fails, func(m *chainMaker) { m.handOff = func(_ int, h *forgedHandOff) { h.delay = 1 } })
	made("a hand-over by the new set", unfinal, evidence.Fails, func(m *chainMaker) { m.handOff = func(_ int, h *forgedHandOff) { h.by++ } })
	made("a hand-over by force", "| finality chain", evidence.Unknown, func(m *chainMaker) { m.handOff = func(_ int, h *forgedHandOff) { h.kind = 2 } })
	made("hand-overs in another order", unfinal, evidence.Fails, func(m *chainMaker) {
		m.handOffs = 2
		m.handOff = func(i int, h *forgedHandOff) { h.number = 500 - 100*i }
	})
	made("a hand-over after the block", unfinal, evidence.Fails, func(m *chainMaker) { m.handOff = func(_ int, h *forgedHandOff) { h.number = workBlock + 2 } })
	made("a hand-over at the end", "", evidence.Registered, func(m *chainMaker) { m.middle = handsOver(1, m.set(firstSet+2), 0) })
	made("a hand-over on the way", unfinal, evidence.Fails, func(m *chainMaker) { m.headers, m.middle = 2, handsOver(1, m.set(firstSet+2), 0) })
	made("a change by force on the way", "", evidence.Registered, func(m *chainMaker) { m.headers, m.middle = 2, handsOver(2, m.set(firstSet+2), 0) })
	made("an unknown digest", unfinal, evidence.Fails, func(m *chainMaker) { m.middle = []byte{2, 0} })
	cut("a header is missing", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Headers = s.Finality.Headers[1:] })
	cut("no header", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Headers = nil })
	cut("no hand-over", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.HandOffs = nil })
	cut("another set", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.SetID++ })
	cut("another authority", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Authorities[5]++ })
	cut("bytes after the authorities", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Authorities = append(s.Finality.Authorities, 0) })
	cut("bytes after the justification", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Justification = append(s.Finality.Justification, 0) })
	cut("a justification of nothing", unfinal, evidence.Fails, func(s *evidence.Substrate) { s.Finality.Justification = nil })
	cut("a justification that says that it is endless", unfinal, evidence.Fails, func(s *evidence.Substrate) {
		s.Finality.Justification = append(s.Finality.Justification[:44:44], 0xfe, 0xff, 0xff, 0xff)
	})
	cut("no proof of finality", "| chain", evidence.Unknown, func(s *evidence.Substrate) { s.Finality = nil })

	made("another commitment in the state", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { v[string(k[0])] = append([]byte{1}, v[string(k[0])][1:]...) }
	})
	made("another protocol in the state", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) {
			b := bytes.Clone(v[string(k[0])])
			b[32]++
			v[string(k[0])] = b
		}
	})
	made("registered in another block", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) {
			b := bytes.Clone(v[string(k[0])])
			b[33]++
			v[string(k[0])] = b
		}
	})
	made("a work of fewer versions", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) {
			b := bytes.Clone(v[string(k[1])])
			b[36] = 1
			v[string(k[1])] = b
		}
	})
	made("no such version", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { delete(v, string(k[0])) }
	})
	made("no such work", "state | inclusion time", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { delete(v, string(k[1])) }
	})
	made("an unknown form of versions", "| inclusion state time", evidence.Unknown, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { v[string(k[0])] = append(v[string(k[0])], 0) }
	})
	made("an unknown form of works", "| inclusion state time", evidence.Unknown, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { v[string(k[1])] = append(v[string(k[1])], 0) }
	})
	made("no time in the state", "| time", evidence.Unknown, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { delete(v, string(k[2])) }
	})
	made("a time after the year 9999", "| time", evidence.Unknown, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { v[string(k[2])] = bytes.Repeat([]byte{255}, 8) }
	})
	made("another time in the state", "time |", evidence.Fails, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { b := bytes.Clone(v[string(k[2])]); b[0]++; v[string(k[2])] = b }
	})
	made("no set and no runtime in the state", "", evidence.Registered, func(m *chainMaker) {
		m.values = func(v map[string][]byte, k [5][]byte) { delete(v, string(k[3])); delete(v, string(k[4])) }
	})
	cut("a node of the state is missing", "state | inclusion time", evidence.Fails, func(s *evidence.Substrate) { s.StateProof = longest(s.StateProof) })
	cut("a node that proves nothing", "state | inclusion time", evidence.Fails, func(s *evidence.Substrate) { s.StateProof = append([]evidence.Bytes{{0}}, s.StateProof...) })
	cut("an empty node", "state | inclusion time", evidence.Fails, func(s *evidence.Substrate) { s.StateProof = append([]evidence.Bytes{{}}, s.StateProof...) })
	cut("no proof of the state", unproved, evidence.Unknown, func(s *evidence.Substrate) { s.StateProof = nil })
	cut("no proof of the transaction", "| inclusion", evidence.Registered, func(s *evidence.Substrate) { s.ExtrinsicProof = nil })
	cut("a node of the transaction is missing", "inclusion |", evidence.Fails, func(s *evidence.Substrate) { s.ExtrinsicProof = s.ExtrinsicProof[1:] })
	cut("another place of the transaction", "inclusion |", evidence.Fails, func(s *evidence.Substrate) { s.Index = 2 })
	cut("a place that no block has", "inclusion |", evidence.Fails, func(s *evidence.Substrate) { s.Index = 1 << 40 })
	cut("a header with bytes after its end", "inclusion state finality | chain time", evidence.Fails, func(s *evidence.Substrate) { s.Header = append(s.Header, 0) })
	cut("none of the proofs", "| inclusion chain time", evidence.Unknown, func(s *evidence.Substrate) { s.ExtrinsicProof, s.StateProof, s.Finality = nil, nil, nil })

	e := song.finalized(whole)
	second := whole.checkpoint(e, firstSet+1)
	both := pin + second[strings.Index(second, "set "):]
	add("the checkpoint of the later set", whole, e, second, "", evidence.Registered)
	add("checkpoints of both sets", whole, e, both, "", evidence.Registered)
	add("no checkpoint", whole, e, "", "| chain", evidence.Untrusted)
	add("a checkpoint of a later set", whole, e, whole.checkpoint(e, firstSet+2), "| chain", evidence.Untrusted)
	add("a checkpoint of an earlier set", whole, e, whole.checkpoint(e, firstSet-1), "| chain", evidence.Untrusted)
	add("a checkpoint of another chain", whole, e, strings.Replace(pin, "genesis 4", "genesis 5", 1), "chain |", evidence.Untrusted)
	add("a checkpoint of another network", whole, e, strings.Replace(pin, "network test", "network real", 1), "chain |", evidence.Untrusted)
	add("a checkpoint with other authorities", whole, e, strings.Replace(pin, "authority d", "authority e", 1), "chain |", evidence.Untrusted)
	add("a checkpoint with other weights", whole, e, strings.Replace(pin, " 1\n", " 2\n", 1), "chain |", evidence.Untrusted)
	add("checkpoints, one of them with other authorities", whole, e, strings.Replace(both, "authority d", "authority e", 1), "chain |", evidence.Untrusted)
	return all
}

// longest returns the nodes without the longest one, which is a branch.
func longest(nodes []evidence.Bytes) (without []evidence.Bytes) {
	at := 0
	for i, n := range nodes {
		if len(n) > len(nodes[at]) {
			at = i
		}
	}
	return append(append(without, nodes[:at]...), nodes[at+1:]...)
}

// A forger changes each part of a chain's proof.
func TestForgedChains(t *testing.T) {
	t.Parallel()
	const path = "testdata/chains.json"
	all := chainCases()
	var text bytes.Buffer
	for i, c := range all {
		text.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		text.Write(must(json.Marshal(c)))
	}
	text.WriteString("\n]\n")
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text.Bytes()) {
		t.Errorf("%s is no longer what this release writes (%v)", path, err)
	}
	base := song.finalized(usual)
	for _, c := range all {
		e := base
		members := maps.Clone(all[0].Substrate)
		maps.Copy(members, c.Substrate)
		for _, member := range c.Without {
			delete(members, member)
		}
		e.Block, e.Substrate = c.Block, new(evidence.Substrate)
		if err := json.Unmarshal(must(json.Marshal(members)), e.Substrate); err != nil {
			t.Fatal(err)
		}
		var opts evidence.Options
		// A set that no chain can have is refused in a checkpoint, too.
		opts.ChainCheckpoints, _ = evidence.ParseChainCheckpoints([]byte(c.Checkpoint))
		e = must(evidence.Decode(bytes.NewReader(must(evidence.Encode(e)))))
		r := must(evidence.Verify(e, opts))
		var failed, skipped []string
		for _, one := range r {
			switch {
			case one.Name == evidence.CheckMedia:
			case one.Status == evidence.Failed:
				failed = append(failed, string(one.Name))
			case one.Status == evidence.NotChecked:
				skipped = append(skipped, string(one.Name))
			}
		}
		if got, want := strings.Join(failed, " ")+" | "+strings.Join(skipped, " "), strings.Join(c.Failed, " ")+" | "+strings.Join(c.NotChecked, " "); got != want {
			t.Errorf("%s: %s, want %s\n%+v", c.Name, got, want, r)
		}
		if v := evidence.Judge(e, r); v != c.Verdict || v.Proved() != r.Anchored() {
			t.Errorf("%s: %s, want %s; anchored %t", c.Name, v, c.Verdict, r.Anchored())
		}
	}
}
