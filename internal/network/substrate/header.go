package substrate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
)

// header is a block's header as nodes give it.
type header struct {
	ParentHash     string `json:"parentHash"`
	Number         string `json:"number"`
	StateRoot      string `json:"stateRoot"`
	ExtrinsicsRoot string `json:"extrinsicsRoot"`
	Digest         struct {
		Logs []string `json:"logs"`
	} `json:"digest"`
}

// maxLogs bounds the digest of a header.
const maxLogs = 1024

// number returns the block's number.
func (h header) number() (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(h.Number, "0x"), 16, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not the number of a block", h.Number)
	}
	return n, nil
}

// encode returns the header in SCALE. Its hash is the hash of the block.
func (h header) encode() (coded []byte, hash [32]byte, err error) {
	fixed := func(text string) {
		b, e := rpc.Unhex(text)
		if e == nil && len(b) != len(hash) {
			e = errors.New("a hash does not have 32 bytes")
		}
		if err == nil {
			err = e
		}
		coded = append(coded, b...)
	}
	number, err := h.number()
	if err != nil {
		return nil, hash, err
	}
	fixed(h.ParentHash)
	coded = scale.AppendCompact(coded, uint64(number))
	fixed(h.StateRoot)
	fixed(h.ExtrinsicsRoot)
	if len(h.Digest.Logs) > maxLogs {
		return nil, hash, fmt.Errorf("the header of block %d has %d logs", number, len(h.Digest.Logs))
	}
	coded = scale.AppendCompact(coded, uint64(len(h.Digest.Logs)))
	for _, log := range h.Digest.Logs {
		b, e := rpc.Unhex(log)
		if err == nil {
			err = e
		}
		coded = append(coded, b...)
	}
	if err != nil {
		return nil, hash, fmt.Errorf("the header of block %d: %w", number, err)
	}
	return coded, blake2b.Sum256(coded), nil
}
