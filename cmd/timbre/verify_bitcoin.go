package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"
)

// bitcoinHeaders are block headers of Bitcoin that the user has, by height. The user vouches
// for them: only the work that each one claims is checked.
type bitcoinHeaders map[int64][]byte

// headerSize is the size of a block header in bytes.
const headerSize = 80

// parseHeaders reads lines of a height and a header in hexadecimal.
func parseHeaders(text []byte) (bitcoinHeaders, error) {
	headers := bitcoinHeaders{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		fields := bytes.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: must be a height and a header", i+1)
		}
		height, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil || height < 0 {
			return nil, fmt.Errorf("line %d: the height must be a whole number from 0", i+1)
		}
		header, err := hex.DecodeString(string(fields[1]))
		if err != nil || len(header) != headerSize {
			return nil, fmt.Errorf("line %d: the header must be %d hexadecimal digits", i+1, 2*headerSize)
		}
		if err := worked(header); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		headers[height] = header
	}
	return headers, nil
}

// worked returns an error unless the header's hash meets the target that it names.
func worked(header []byte) error {
	bits := binary.LittleEndian.Uint32(header[72:])
	size, mantissa := bits>>24, int64(bits&0x7fffff)
	if size < 3 || size > 32 || mantissa == 0 {
		return errors.New("the header has no valid target")
	}
	target := new(big.Int).Lsh(big.NewInt(mantissa), uint(8*(size-3)))
	once := sha256.Sum256(header)
	hash := sha256.Sum256(once[:])
	slices.Reverse(hash[:])
	if new(big.Int).SetBytes(hash[:]).Cmp(target) > 0 {
		return errors.New("the header's hash does not meet its target, so it is not a block's")
	}
	return nil
}

// block returns the Merkle root and the time of the block at a height.
func (h bitcoinHeaders) block(height int64) (root [32]byte, at time.Time, ok bool) {
	header, ok := h[height]
	if !ok {
		return root, at, false
	}
	return [32]byte(header[36:68]), time.Unix(int64(binary.LittleEndian.Uint32(header[68:])), 0), true
}
