package node

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"github.com/ChainSafe/go-schnorrkel"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/wasm"
)

// dispatchInfo is what a call weighs and costs.
func dispatchInfo(x *extrinsic, length uint64) []byte {
	out := scale.AppendCompact(scale.AppendCompact(nil, x.weight()), x.proof())
	return append(append(out, 0), u128(feeOf(length, x.weight()))...)
}

// program is a runtime that is ready to run.
type program struct {
	Runtime

	wasm *wasm.Code // nil for a runtime in Go
	slot uint64     // of Aura, in milliseconds; only of WASM

	blobs   map[uint32][]byte // metadata by its version
	meta    *described
	version []byte // SCALE of RuntimeVersion
}

var programs sync.Map // of *program by Runtime: reading metadata takes a while

func compiled(r Runtime) *program {
	if p, ok := programs.Load(r); ok {
		return p.(*program)
	}
	p := &program{Runtime: r}
	if r.Listed {
		v16 := edit(unpacked("spec201-v16.scale.gz"), r)
		p.blobs = map[uint32][]byte{14: lowered(v16), 16: v16}
	} else {
		p.blobs = map[uint32][]byte{14: edit(unpacked("spec100-v14.scale.gz"), r), 15: edit(unpacked("spec100-v15.scale.gz"), r)}
	}
	var err error
	if p.meta, err = describe(p.blobs[14]); err != nil {
		panic(err) // embedded
	}
	p.version = p.meta.pallets["System"].constants["Version"]
	programs.Store(r, p)
	return p
}

// invalid is why a transaction is not valid: a number of InvalidTransaction.
type invalid byte

// The numbers of InvalidTransaction.
const (
	invalidCall invalid = iota
	invalidPayment
	invalidFuture
	invalidStale
	invalidBadProof
	invalidAncientBirthBlock
	invalidExhaustsResources
	_
	_
	_
	invalidBadSigner
)

// says is what a node and chopsticks say of each.
var says = map[invalid][2]string{
	invalidCall:              {"Transaction call is not expected", "call"},
	invalidPayment:           {"Inability to pay some fees (e.g. account balance too low)", "payment"},
	invalidFuture:            {"Transaction will be valid in the future", "future"},
	invalidStale:             {"Transaction is outdated", "stale"},
	invalidBadProof:          {"Transaction has a bad signature", "badProof"},
	invalidAncientBirthBlock: {"Transaction has an ancient birth block", "ancientBirthBlock"},
	invalidExhaustsResources: {"Transaction would exhaust the block limits", "exhaustsResources"},
	invalidBadSigner:         {"Invalid signing address", "badSigner"},
}

// Error returns the node's text.
func (i invalid) Error() string {
	if text := says[i]; text[0] != "" {
		return text[0]
	}
	return fmt.Sprintf("Transaction is not valid: reason %d", byte(i))
}

// extrinsic is a signed extrinsic of version 4.
type extrinsic struct {
	raw       []byte // with its length
	hash      Hash
	signer    Account
	signature [64]byte
	extra     []byte
	nonce     uint32
	tip       uint64
	era       era
	hashMode  byte // of CheckMetadataHash
	call      call
	callBytes []byte
}

// era is when a mortal transaction is valid; a zero period is for ever.
type era struct{ period, phase uint64 }

// birth is the first block of the era that now is in, and death the first one after it.
func (e era) birth(now uint64) uint64 {
	return (max(now, e.phase)-e.phase)/e.period*e.period + e.phase
}

func (e era) death(now uint64) uint64 { return e.birth(now) + e.period }

// call is a call that the node can run.
type call struct {
	name       string // pallet and call
	commitment [32]byte
	protocol   uint8
	id         uint64
	to         Account
	value      *big.Int
	calls      []call
}

var errCall = errors.New("the call cannot be decoded, or this test node does not have it")

// maxBatch is the most calls of a batch, as metadata says.
const maxBatch = 10922

// readCall reads a call as p numbers them.
func (p *program) readCall(r *scale.Reader, depth int) (c call) {
	at, number := r.U8(), r.U8()
	for name, pallet := range p.meta.pallets {
		if pallet.index == at {
			for each, index := range pallet.calls {
				if index == number {
					c.name = name + "." + each
				}
			}
		}
	}
	switch c.name {
	case "Ats.create":
		c.commitment, c.protocol = r.Hash(), r.U8()
	case "Ats.update":
		c.id, c.commitment, c.protocol = r.U64(), r.Hash(), r.U8()
	case "Ats.revoke":
		c.id = r.U64()
	case "System.remark":
		r.Bytes()
	case "Balances.transfer_keep_alive":
		if r.U8() != 0 {
			r.Fail(errCall)
		}
		c.to, c.value = Account(r.Hash()), r.CompactBig()
	case "Utility.batch", "Utility.batch_all", "Utility.force_batch":
		if depth > 4 {
			r.Fail(errCall)
		}
		for n := r.Count(2); n > 0 && r.Err() == nil; n-- {
			c.calls = append(c.calls, p.readCall(r, depth+1))
		}
	default:
		r.Fail(errCall)
	}
	return c
}

// weight returns the reference time of a call; the numbers are those of Melodie.
func (c call) weight() uint64 {
	switch c.name {
	case "Ats.create":
		return 436_000_000
	case "Ats.update":
		return 279_000_000
	case "Ats.revoke":
		return 6_496_000_000
	case "Balances.transfer_keep_alive":
		return 300_000_000
	case "System.remark":
		return 2_000_000
	}
	sum := uint64(4_825_907)
	for _, each := range c.calls {
		sum += each.weight() + 3_106_130
	}
	return sum
}

// proof returns the size of the proof of a call.
func (c call) proof() uint64 {
	if c.calls == nil {
		return 3694
	}
	sum := uint64(0)
	for _, each := range c.calls {
		sum += each.proof()
	}
	return sum
}

// weight and proof are those of the call and of the signed extensions, which an extrinsic has once.
func (x *extrinsic) weight() uint64 { return x.call.weight() + extensionWeight }
func (x *extrinsic) proof() uint64  { return x.call.proof() + extensionProof }

// Costs of Melodie: the weight of each extrinsic and of its signed extensions, the size of their proof, and
// what weight and bytes cost.
const (
	baseWeight      = 108_157_000
	extensionWeight = 298_002_000
	extensionProof  = 10695
	feePerByte      = 10_000_000
	maxWeight       = 1_500_000_000_000 // of the signed extrinsics of a block
	maxLength       = 3_932_160
	inherentTime    = 181_157_000
	inherentProof   = 1493
)

// fee returns what a transaction costs, without its tip.
func (x *extrinsic) fee() uint64 { return feeOf(uint64(len(x.raw)), x.weight()) }

func feeOf(length, weight uint64) uint64 {
	return length*feePerByte + (weight+baseWeight)*9245/100
}

// decode reads an extrinsic with its length.
func (p *program) decode(raw []byte) (*extrinsic, error) {
	r := scale.NewReader(raw)
	if n := r.Compact(); r.Err() != nil || n != uint64(r.Len()) {
		return nil, errors.New("the length is wrong")
	}
	x := &extrinsic{raw: raw, hash: blake2b.Sum256(raw)}
	if r.U8() != 0x84 || r.U8() != 0 {
		return nil, errors.New("not a signed extrinsic of version 4 by an account id")
	}
	x.signer = Account(r.Hash())
	if r.U8() != 1 {
		return nil, errors.New("the signature is not sr25519")
	}
	copy(x.signature[:], r.Take(64))
	from := r.Offset()
	for _, name := range p.meta.exts {
		switch name {
		case "CheckMortality":
			if first := r.U8(); first != 0 {
				e := uint64(first) | uint64(r.U8())<<8
				period := uint64(2) << (e & 15)
				x.era = era{period, (e >> 4) * max(period>>12, 1)}
				if period < 4 || x.era.phase >= period {
					return nil, errors.New("the era is wrong")
				}
			}
		case "CheckNonce":
			n := r.Compact()
			if n > 1<<32-1 {
				return nil, errors.New("the nonce is too large")
			}
			x.nonce = uint32(n)
		case "ChargeTransactionPayment":
			x.tip = r.Compact()
		case "CheckMetadataHash":
			if x.hashMode = r.U8(); x.hashMode > 1 {
				return nil, errors.New("the mode of CheckMetadataHash is wrong")
			}
		}
	}
	to := r.Offset()
	if r.Err() != nil {
		return nil, r.Err()
	}
	x.extra, x.callBytes = raw[from:to], raw[to:]
	x.call = p.readCall(r, 0)
	return x, r.End()
}

// at is where a transaction is looked at: on top of a block.
type at struct {
	prog    *program
	st      *state
	number  uint32 // of that block
	hash    Hash   // of that block
	genesis Hash
}

// valid is what validity says of a transaction that is.
type valid struct {
	requires  bool // the nonce before it
	longevity uint64
	priority  uint64
	payload   Hash // a hash of what was signed
}

// The priority of a transaction: a replacement needs a higher tip.
const lowest, tipPerPriority = 2724, 1_000_000

// validate checks a transaction as the runtime does. If known is the payload of an earlier
// call, the signature is not verified again.
func (a *at) validate(x *extrinsic, known Hash) (valid, error) {
	var v valid
	now := uint64(a.number) + 1
	birth := a.genesis
	v.longevity = 1<<64 - 1
	if x.era.period > 0 {
		n := x.era.birth(now)
		switch b := a.st.get(blockHashKey(uint32(n))); {
		case n == uint64(a.number):
			birth = a.hash
		case len(b) == 32 && n < now:
			birth = Hash(b)
		default:
			return v, invalidAncientBirthBlock
		}
		v.longevity = x.era.death(now) - now
	}
	payload := append(bytes.Clone(x.callBytes), x.extra...)
	for _, name := range a.prog.meta.exts {
		switch name {
		case "CheckSpecVersion":
			payload = append(payload, le32(a.prog.Spec)...)
		case "CheckTxVersion":
			payload = append(payload, le32(a.prog.Transaction)...)
		case "CheckGenesis":
			payload = append(payload, a.genesis[:]...)
		case "CheckMortality":
			payload = append(payload, birth[:]...)
		case "CheckMetadataHash":
			if x.hashMode == 1 { // the runtime was built without a hash
				return v, invalidCall
			}
			payload = append(payload, 0)
		}
	}
	v.payload = blake2b.Sum256(payload)
	if v.payload != known {
		if len(payload) > 256 {
			payload = v.payload[:]
		}
		if !verified(x.signer, x.signature, payload) {
			return v, invalidBadProof
		}
	}
	if x.signer == (Account{}) {
		return v, invalidBadSigner
	}
	who := a.st.account(x.signer)
	switch cost, over := bits.Add64(x.fee(), x.tip, 0); {
	case who.providers == 0:
		return v, invalidPayment
	case x.nonce < who.Nonce:
		return v, invalidStale
	case x.weight()+baseWeight > maxWeight || len(x.raw) > maxLength:
		return v, invalidExhaustsResources
	case over > 0 || cost > who.Free || who.Free-cost < a.prog.Rules.ExistentialDeposit:
		return v, invalidPayment
	}
	v.requires = x.nonce > who.Nonce
	v.priority = lowest + x.tip/tipPerPriority
	return v, nil
}

// verified says whether an sr25519 signature is right.
func verified(who Account, signature [64]byte, message []byte) bool {
	public, err := schnorrkel.NewPublicKey(who)
	if err != nil {
		return false
	}
	s := new(schnorrkel.Signature)
	if s.Decode(signature) != nil {
		return false
	}
	ok, err := public.Verify(s, schnorrkel.NewSigningContext([]byte("substrate"), message))
	return ok && err == nil
}

// encode returns a valid as SCALE.
func (v valid) encode(x *extrinsic) []byte {
	tag := func(nonce uint32) []byte { return scale.AppendBytes(nil, append(x.signer[:], le32(nonce)...)) }
	out := append([]byte{0}, le64(v.priority)...)
	if v.requires {
		out = append(append(out, 4), tag(x.nonce-1)...)
	} else {
		out = append(out, 0)
	}
	out = append(append(out, 4), tag(x.nonce)...)
	return append(append(out, le64(v.longevity)...), 1)
}
