// Package extrinsic builds signed extrinsics of version 4, as the metadata of a runtime
// describes them. It holds their coding and what their signature covers. It never sends one,
// and knows no pallet.
package extrinsic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/sr25519"
)

// Chain is what a signature says of the chain and of its runtime.
type Chain struct {
	Genesis                         [32]byte
	SpecVersion, TransactionVersion uint32
	Metadata                        *metadata.Metadata
}

// Era is the blocks in which a transaction is valid: from Born, and before Born + Period.
type Era struct {
	// Period is a power of two from 4 to 65536.
	Period uint64
	// Born is the number of a block, and Hash its hash. If Period is more than 4096, Born is a
	// multiple of Period / 4096.
	Born uint64
	Hash [32]byte
}

// End is the first block in which the transaction is invalid.
func (e Era) End() uint64 { return e.Born + e.Period }

// append appends the two bytes of the era.
func (e Era) append(b []byte) ([]byte, error) {
	quantum := max(1, e.Period>>12)
	if e.Period < 4 || e.Period > 1<<16 || bits.OnesCount64(e.Period) != 1 || e.Born%quantum != 0 {
		return nil, fmt.Errorf("an era of %d blocks from block %d is not possible", e.Period, e.Born)
	}
	low := min(15, max(1, uint64(bits.TrailingZeros64(e.Period))-1))
	return binary.LittleEndian.AppendUint16(b, uint16(low|e.Born%e.Period/quantum<<4)), nil
}

// Check reports whether this program can sign for a runtime: it accepts extrinsics of version
// 4, and each signed extension is known or has no bytes.
func (c Chain) Check() error {
	if !slices.Contains(c.Metadata.Extrinsics, 4) {
		return fmt.Errorf("the runtime accepts extrinsics of the versions %d, not of version 4", c.Metadata.Extrinsics)
	}
	_, _, err := c.extensions(Era{Period: 4}, 0)
	return err
}

// extensions returns what the signed extensions add to the extrinsic, and what only the
// signature covers.
func (c Chain) extensions(era Era, nonce uint64) (extra, additional []byte, err error) {
	for _, e := range c.Metadata.Extensions {
		switch e.Name {
		case "CheckSpecVersion":
			additional = binary.LittleEndian.AppendUint32(additional, c.SpecVersion)
		case "CheckTxVersion":
			additional = binary.LittleEndian.AppendUint32(additional, c.TransactionVersion)
		case "CheckGenesis":
			additional = append(additional, c.Genesis[:]...)
		case "CheckMortality", "CheckEra":
			if extra, err = era.append(extra); err != nil {
				return nil, nil, err
			}
			additional = append(additional, era.Hash[:]...)
		case "CheckNonce":
			extra = scale.AppendCompact(extra, nonce)
		case "ChargeTransactionPayment":
			extra = scale.AppendCompact(extra, 0) // no tip
		case "CheckMetadataHash":
			extra, additional = append(extra, 0), append(additional, 0) // mode 0: no hash
		default:
			if !c.Metadata.Empty(e.Type) || !c.Metadata.Empty(e.Additional) {
				return nil, nil, fmt.Errorf("the runtime has the signed extension %s, which this release does not know", e.Name)
			}
		}
	}
	return extra, additional, nil
}

// Payload returns what the signature of a call is made of.
func (c Chain) Payload(call []byte, era Era, nonce uint64) ([]byte, error) {
	extra, additional, err := c.extensions(era, nonce)
	if err != nil {
		return nil, err
	}
	return payload(call, extra, additional), nil
}

func payload(call, extra, additional []byte) []byte {
	whole := slices.Concat(call, extra, additional)
	if len(whole) > 256 {
		sum := blake2b.Sum256(whole)
		return sum[:]
	}
	return whole
}

// The kinds of an address and of a signature, as bytes of an extrinsic.
const (
	signedV4  = 0x84
	accountID = 0
	schnorr   = 1
)

// Sign returns a signed call. Each signature is another one: to send the same transaction
// again, send the same bytes.
func (c Chain) Sign(by sr25519.Pair, call []byte, era Era, nonce uint64) ([]byte, error) {
	return c.SignBy(by.Public(), by.Sign, call, era, nonce)
}

// SignBy is Sign with the signature that sign returns for the payload.
func (c Chain) SignBy(account [32]byte, sign func(payload []byte) ([sr25519.SignatureSize]byte, error), call []byte, era Era, nonce uint64) ([]byte, error) {
	extra, additional, err := c.extensions(era, nonce)
	if err != nil {
		return nil, err
	}
	signature, err := sign(payload(call, extra, additional))
	if err != nil {
		return nil, err
	}
	body := append([]byte{signedV4, accountID}, account[:]...)
	body = append(append(body, schnorr), signature[:]...)
	body = append(append(body, extra...), call...)
	return scale.AppendBytes(nil, body), nil
}

// errForm is the error of an extrinsic that is not of the form that SignBy makes.
var errForm = errors.New("not a signed extrinsic of version 4 with known extensions")

// Call returns the call of an extrinsic that was signed for such a runtime.
func (c Chain) Call(b []byte) ([]byte, error) {
	whole := scale.NewReader(b)
	r := scale.NewReader(whole.Bytes())
	if whole.End() != nil || r.U8() != signedV4 || r.U8() != accountID {
		return nil, errForm
	}
	r.Hash()
	switch r.U8() {
	case 0, schnorr: // Ed25519 has the same size
		r.Take(64)
	case 2: // ECDSA
		r.Take(65)
	default:
		return nil, errForm
	}
	for _, e := range c.Metadata.Extensions {
		switch e.Name {
		case "CheckMortality", "CheckEra":
			if r.U8() != 0 {
				r.U8()
			}
		case "CheckNonce", "ChargeTransactionPayment":
			r.CompactBig()
		case "CheckMetadataHash":
			r.U8()
		default:
			if !c.Metadata.Empty(e.Type) {
				return nil, errForm
			}
		}
	}
	if r.Err() != nil {
		return nil, errForm
	}
	return r.Take(r.Len()), nil
}

// Hash identifies an extrinsic.
func Hash(b []byte) [32]byte { return blake2b.Sum256(b) }

// Signer returns the account that signed an extrinsic of version 4; ok is false for others.
func Signer(b []byte) (account [32]byte, ok bool) {
	r := scale.NewReader(b)
	body := r.Bytes()
	if r.End() != nil || len(body) < 35 || body[0] != signedV4 || body[1] != accountID {
		return account, false
	}
	return [32]byte(body[2:34]), true
}

// Bare returns the call of an extrinsic without a signature, as a block's author adds it; ok
// is false for others.
func Bare(b []byte) (call []byte, ok bool) {
	r := scale.NewReader(b)
	body := r.Bytes()
	if r.End() != nil || len(body) < 3 || body[0] != 4 && body[0] != 5 {
		return nil, false
	}
	return body[1:], true
}
