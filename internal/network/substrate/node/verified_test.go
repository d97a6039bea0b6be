package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ChainSafe/go-schnorrkel"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// submit registers a commitment by one JSON-RPC call over HTTP.
func submit(t *testing.T, n *node.Node, key *schnorrkel.SecretKey, r node.Runtime, sum [32]byte) {
	t.Helper()
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	who, genesis := public.Encode(), n.Genesis()
	call := append(append([]byte{105, 0}, sum[:]...), 1)
	extra := []byte{0, 0, 0, 0} // immortal, nonce 0, no tip, no metadata hash
	payload := append(slices.Clone(call), extra...)
	payload = append(payload, byte(r.Spec), byte(r.Spec>>8), 0, 0, byte(r.Transaction), 0, 0, 0)
	payload = append(append(append(payload, genesis[:]...), genesis[:]...), 0)
	signature, err := key.Sign(schnorrkel.NewSigningContext([]byte("substrate"), payload))
	if err != nil {
		t.Fatal(err)
	}
	signed := signature.Encode()
	raw := scale.AppendBytes(nil, slices.Concat([]byte{0x84, 0}, who[:], []byte{1}, signed[:], extra, call))
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"author_submitExtrinsic","params":["0x%x"]}`, raw)
	answer, err := http.Post("http"+strings.TrimPrefix(n.URL, "ws"), "application/json", strings.NewReader(body)) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var a struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil || a.Error != nil {
		t.Fatalf("%v %s", err, a.Error)
	}
}

func bytesOf(all [][]byte) (out []evidence.Bytes) {
	for _, b := range all {
		out = append(out, b)
	}
	return out
}

// document makes the evidence of a registered version from what the node gives.
func document(t *testing.T, base evidence.Evidence, m *node.Evidence) evidence.Evidence {
	t.Helper()
	e := base
	e.AtsID, e.Version = int64(m.ID), int64(m.Version)+1
	e.TxHash = blake2b.Sum256(m.Extrinsic)
	s := evidence.Substrate{
		Genesis: commitment.Hash(m.Genesis), Header: m.Header, Index: int64(m.Index), Extrinsic: m.Extrinsic,
		ExtrinsicProof: bytesOf(m.ExtrinsicProof), StateProof: bytesOf(m.Proof),
	}
	first := m.Set
	f := evidence.Finality{Headers: bytesOf(m.Headers), Justification: m.Justification}
	for i, h := range m.HandOffs {
		if i == 0 {
			first = h.From
		}
		f.HandOffs = append(f.HandOffs, evidence.HandOff{Header: h.Headers[0], Justification: h.Justification})
	}
	f.SetID, f.Authorities = int64(first.ID), first.Encode()
	s.Finality = &f
	e.Substrate = &s
	state, err := s.State(e.AtsID, e.Version)
	if err != nil {
		t.Fatal(err)
	}
	e.Block = evidence.Block{Number: int64(m.Number), Hash: blake2b.Sum256(m.Header), Time: state.Time}
	return e
}

// TestVerified gives what the node says to the offline verifier: it accepts all of it, and
// refuses it when one byte is another.
func TestVerified(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../proof/evidence/testdata/v2/chain.json")
	if err != nil {
		t.Fatal(err)
	}
	base, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := schnorrkel.NewMiniSecretKeyFromRaw([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]node.Options{
		"spec version 100":        {},
		"spec version 201":        {Runtime: node.Melodie201()},
		"lagging, absent, spread": {Runtime: node.Melodie201(), FinalityLag: 2, SpreadVotes: true, Absent: 1, Authorities: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Endowed = map[node.Account]uint64{node.Account(seed.Public().Encode()): 100 * node.Coin}
			n := node.Start(t, o)
			r := o.Runtime
			if r == (node.Runtime{}) {
				r = node.Melodie()
			}
			n.Step(1)
			n.Rotate(5, 0)
			n.Step(2)
			n.Rotate(4, 0)
			n.Step(5)
			submit(t, n, seed.ExpandEd25519(), r, base.Commitment)
			n.Step(1)
			n.Step(int(o.FinalityLag))
			m, err := n.Evidence(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			e := document(t, base, m)
			first := m.HandOffs[0].From // the set that the reader trusts
			pins := []evidence.ChainCheckpoint{{Network: e.Network.Name, Genesis: e.Substrate.Genesis, SetID: int64(first.ID)}}
			for _, a := range first.Authorities {
				pins[0].Authorities = append(pins[0].Authorities, evidence.ChainAuthority{Key: a.Key, Weight: int64(a.Weight)})
			}
			opts := evidence.Options{ChainCheckpoints: pins}
			verdict := func(e evidence.Evidence) evidence.Verdict {
				text, err := evidence.Encode(e)
				if err != nil {
					return evidence.Fails
				}
				if e, err = evidence.Decode(bytes.NewReader(text)); err != nil {
					return evidence.Fails
				}
				result, err := evidence.Verify(e, opts)
				if err != nil {
					return evidence.Fails
				}
				return evidence.Judge(e, result)
			}
			if got := verdict(e); got != evidence.Registered {
				result, err := evidence.Verify(e, opts)
				t.Fatalf("%s: %+v, %v", got, result, err)
			}
			s := e.Substrate
			parts := []evidence.Bytes{s.Header, s.Extrinsic, s.Finality.Authorities, s.Finality.Justification}
			parts = append(append(append(parts, s.ExtrinsicProof...), s.StateProof...), s.Finality.Headers...)
			for _, h := range s.Finality.HandOffs {
				parts = append(parts, h.Header, h.Justification)
			}
			const stride = 11 // every byte takes half a minute
			for i, part := range parts {
				for at := i % stride % len(part); at < len(part); at += stride {
					part[at] ^= 1
					if got := verdict(e); got == evidence.Registered {
						t.Errorf("byte %d of part %d can be another: %s", at, i, got)
					}
					part[at] ^= 1
				}
			}
			if got := verdict(e); got != evidence.Registered {
				t.Error(got)
			}
		})
	}
}
