package evidence

import (
	"errors"
	"fmt"
	"math"

	"timbre.example/proof/commitment"
)

// Anchor is the proof that a chain registered 32 bytes. The bytes are a block's hash in a log, so
// one transaction on the chain stands for everything that the log had then.
type Anchor struct {
	// AtsID and Version are the place of the bytes in the chain's state. AtsID counts from 0, and
	// Version from 1.
	AtsID   int64
	Version int64
	// Genesis, Header, StateProof and Finality are as in [Substrate]. None is absent.
	Genesis    commitment.Hash
	Header     Bytes
	StateProof []Bytes
	Finality   *Finality
}

// anchorMembers are the members of an anchor, in their order.
type anchorMembers struct {
	Kind       AttestationKind `json:"kind"`
	Of         Subject         `json:"of"`
	AtsID      int64           `json:"ats_id"`
	Version    int64           `json:"version"`
	Genesis    commitment.Hash `json:"genesis"`
	Header     Bytes           `json:"header"`
	StateProof []Bytes         `json:"state_proof"`
	Finality   *Finality       `json:"finality"`
}

func (m anchorMembers) attestation() Attestation {
	return Attestation{Kind: m.Kind, Of: m.Of, Anchor: &Anchor{m.AtsID, m.Version, m.Genesis, m.Header, m.StateProof, m.Finality}}
}

func (a Anchor) members(of Subject) anchorMembers {
	return anchorMembers{KindAnchor, of, a.AtsID, a.Version, a.Genesis, a.Header, a.StateProof, a.Finality}
}

// substrate returns the parts that a version on a chain has too.
func (a Anchor) substrate() Substrate {
	return Substrate{Genesis: a.Genesis, Header: a.Header, StateProof: a.StateProof, Finality: a.Finality}
}

// maxAnchors bounds the anchors of one document.
const maxAnchors = 2

// validate returns an error for the first member that the form does not allow.
func (a *Anchor) validate() error {
	switch {
	case a == nil:
		return errors.New("empty")
	case a.AtsID < 0 || a.Version < 1:
		return errors.New("ats_id or version is too small: they count from 0 and from 1")
	case len(a.StateProof) == 0 || a.Finality == nil:
		return errors.New("state_proof or finality: missing")
	}
	return a.substrate().validate()
}

// Check returns an error unless the chain's state has sum at this place, and the proof of
// finality holds by itself. Only [Verify] shows whose authorities made it final.
func (a Anchor) Check(sum commitment.Hash) error {
	_, err := a.registered(sum)
	if err == nil {
		err = a.substrate().CheckFinality()
	}
	if err != nil {
		return fmt.Errorf("evidence: anchor: %w", err)
	}
	return nil
}

// registered returns what the chain's state says, or an error if it is not that the block of the
// header registered sum.
func (a Anchor) registered(sum commitment.Hash) (ChainState, error) {
	state, err := a.substrate().State(a.AtsID, a.Version)
	number, bad := headerNumber(a.Header)
	switch {
	case err != nil:
	case state.Commitment != sum || state.ProtocolVersion != commitment.Version:
		err = errors.New("the chain has something else there")
	case bad != nil || number > math.MaxInt64 || state.CreatedAt != int64(number):
		err = errors.New("another block registered it")
	case state.Versions < a.Version:
		err = errors.New("the chain says that the work has fewer versions")
	case state.Time.IsZero():
		err = errors.New("the proof does not have the time of the block")
	}
	return state, err
}

// verifyAnchor checks the anchor at index i. One of a later checkpoint holds only if that does.
func verifyAnchor(e Evidence, i int, sum commitment.Hash, opts Options) Check {
	a := e.Attestations[i]
	c := Check{Name: CheckAnchor, Proves: word("check_anchor"), Status: Failed, Part: partOf(i)}
	if k, ok := a.Of.Attestation(); ok && verifyLater(e, e.Attestations[k], opts) != nil { // its check has no part at a fork
		c.Why = "it is about an attestation that does not hold"
		return c
	}
	state, err := a.Anchor.registered(sum)
	if errors.Is(err, ErrLayout) {
		c.Status, c.Why = NotChecked, fmt.Sprintf("%s: runtime %d.", err, state.Runtime)
		return c
	}
	var sets []chainSet
	if err == nil {
		sets, err = proveFinality(a.Anchor.substrate())
	}
	switch {
	case errors.Is(err, errForced):
		c.Status, c.Why = NotChecked, word("why_chain_forced")
	case err != nil:
		c.Why = err.Error()
	default:
		if c.Status, c.Why = trustSets(opts.ChainCheckpoints, e.Network.Name, a.Anchor.Genesis, sets); c.Status == OK {
			c.Time = &state.Time
		}
	}
	return c
}
