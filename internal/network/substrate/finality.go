package substrate

import (
	"context"
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/proof/evidence"
)

// errNotYet is the error of a node that has no justification yet.
var errNotYet = errors.New("the node has no justification yet")

// lacks reports whether an error says that the node lacks a part.
func lacks(err error) bool {
	return errors.As(err, new(*rpc.Error)) || errors.Is(err, errNotYet) || errors.Is(err, errUnknownSet)
}

// errUnknownSet is the error of a set that is not in the table yet.
var errUnknownSet = errors.New("the set of authorities is not known yet")

// setAfter returns the number of the set of authorities in the state of a block. It votes for
// later blocks.
func (c *chain) setAfter(ctx context.Context, at string) (int64, error) {
	id, err := c.client.Bytes(ctx, "state_getStorage", rpc.Hex(evidence.StateKeys(0, 1)[3]), at)
	if err != nil || id == nil { // the default
		return 0, err
	}
	r := scale.NewReader(id)
	set := int64(r.U64())
	if err := r.End(); err != nil || set < 0 {
		return 0, fmt.Errorf("the number of the set of authorities: %x", id)
	}
	return set, nil
}

// justification returns a justification of a block or a later one of the same set, and the hash
// of that block. Of earlier sets it is the last one. The headers lead to it.
func (c *chain) justification(ctx context.Context, number int64) (of [32]byte, f *evidence.Finality, err error) {
	proof, err := c.client.Bytes(ctx, "grandpa_proveFinality", number)
	if err != nil {
		return of, nil, err
	}
	if proof == nil {
		return of, nil, errNotYet
	}
	r := scale.NewReader(proof)
	of = r.Hash()
	f = &evidence.Finality{Justification: r.Bytes()}
	for range r.Count(97) {
		f.Headers = append(f.Headers, readHeader(r))
	}
	if err := r.End(); err != nil {
		return of, nil, fmt.Errorf("grandpa_proveFinality: %w", err)
	}
	return of, f, nil
}

// readHeader reads the bytes of a header.
func readHeader(r *scale.Reader) evidence.Bytes {
	whole := *r
	r.Hash()
	r.Compact()
	r.Hash()
	r.Hash()
	for range r.Count(1) {
		switch kind := r.U8(); kind {
		case 0: // any bytes
			r.Bytes()
		case 4, 5, 6: // of an engine
			r.Take(4)
			r.Bytes()
		case 8: // the runtime changed
		default:
			r.Fail(fmt.Errorf("digest of kind %d is unknown", kind))
		}
	}
	if r.Err() != nil {
		return nil
	}
	return whole.Take(r.Offset() - whole.Offset())
}

// votesIn counts the votes of a justification.
func votesIn(justification []byte) int64 {
	r := scale.NewReader(justification)
	r.U64() // the round, and the block
	r.Hash()
	r.U32()
	return int64(r.Count(132))
}
