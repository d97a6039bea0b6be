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
)

// Coin is one coin in the smallest unit; deposits, fees and balances are in that unit.
const Coin uint64 = 1_000_000_000_000

// Rules are the constants of a runtime that tests change. Metadata has them, too, but for
// the last.
type Rules struct {
	// BaseDeposit is held for a work, and VersionDeposit for each of its versions.
	BaseDeposit, VersionDeposit uint64
	// ExistentialDeposit is what an account must keep.
	ExistentialDeposit uint64
	// MaxVersionsPerAts and MaxAtsPerAccount limit versions and works.
	MaxVersionsPerAts, MaxAtsPerAccount uint32
	// ExtrinsicsPerBlock limits the signed extrinsics of a block; 0 leaves weight and length
	// alone.
	ExtrinsicsPerBlock int
}

// Runtime is one version of the chain's program.
type Runtime struct {
	// Spec and Transaction are the version numbers that signatures cover.
	Spec, Transaction uint32
	// Moved gives the pallet Ats another index, and exchanges the numbers of create and
	// revoke, of their events, and of two errors. A client that keeps numbers is wrong there.
	Moved bool
	// Listed is the pallet Ats as from spec version 201 on: a work has a list of deposits, a
	// version none, and events name an operator, who is nobody here. The calls on behalf of
	// others are missing.
	Listed bool
	// Rules are its constants.
	Rules Rules
}

// Melodie is the runtime of the public test network with its real metadata.
func Melodie() Runtime {
	return Runtime{Spec: 100, Transaction: 1, Rules: Rules{
		BaseDeposit: 10 * Coin, VersionDeposit: Coin, ExistentialDeposit: Coin / 10, MaxVersionsPerAts: 100, MaxAtsPerAccount: 1000,
	}}
}

// Melodie201 is a later runtime of the same network with its real metadata, as it is published:
// without the pallets that are nobody's business. It answers version 14, made from that, and 16.
func Melodie201() Runtime {
	r := Melodie()
	r.Spec, r.Transaction, r.Listed, r.Rules.BaseDeposit = 201, 2, true, 5*Coin
	return r
}

// Next is a runtime that follows r: both of its numbers grow, and the numbers of the pallet
// Ats move.
func (r Runtime) Next() Runtime {
	r.Spec++
	r.Transaction++
	r.Moved = !r.Moved
	return r
}

// specName is the name of the runtime in its version.
const specName = "allfeat-melodie-3"

// program is a runtime that is ready to run.
type program struct {
	Runtime

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

// code is what stands at :code in place of a program.
func (r Runtime) code() []byte {
	return fmt.Appendf(nil, "test runtime %d", r.Spec)
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
func (i invalid) Error() string { return says[i][0] }

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
		return 734_002_000
	case "Ats.update":
		return 577_002_000
	case "Ats.revoke":
		return 6_794_002_000
	case "Balances.transfer_keep_alive":
		return 300_000_000
	case "System.remark":
		return 2_000_000
	}
	sum := uint64(7_000_000)
	for _, each := range c.calls {
		sum += each.weight() + 4_000_000
	}
	return sum
}

// Costs of Melodie: each extrinsic's weight besides its call, the size of its proof, and
// what weight and bytes cost.
const (
	baseWeight    = 108_157_000
	proofSize     = 14389
	feePerByte    = 10_000_000
	maxWeight     = 1_500_000_000_000 // of the signed extrinsics of a block
	maxLength     = 3_932_160
	inherentTime  = 181_157_000
	inherentProof = 1493
)

// fee returns what a transaction costs, without its tip.
func (x *extrinsic) fee() uint64 { return feeOf(uint64(len(x.raw)), x.call.weight()) }

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
	case x.call.weight()+baseWeight > maxWeight || len(x.raw) > maxLength:
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

// failure is a DispatchError, as SCALE.
type failure []byte

// run is a block while it is made.
type run struct {
	at
	block  uint32
	author Account
	events [][]byte
	phase  []byte
	index  uint32 // of the extrinsic that runs
	made   map[made]uint32
}

// emit appends an event.
func (b *run) emit(pallet, event string, data ...[]byte) {
	p := b.prog.meta.pallets[pallet]
	if p == nil { // metadata is published without it
		return
	}
	e := append(bytes.Clone(b.phase), p.index, p.events[event])
	for _, d := range data {
		e = append(e, d...)
	}
	b.events = append(b.events, append(e, 0))
}

func (b *run) module(pallet, name string) failure {
	p := b.prog.meta.pallets[pallet]
	return failure{3, p.index, p.errors[name], 0, 0, 0}
}

var noFunds = failure{7, 0} // Token.FundsUnavailable

func weights(time, proof uint64, class byte) []byte {
	return append(scale.AppendCompact(scale.AppendCompact(nil, time), proof), class, 0)
}

// apply runs a valid transaction: it takes the fee in any case.
func (b *run) apply(x *extrinsic, index uint32) {
	b.index, b.phase = index, append([]byte{0}, le32(index)...)
	cost := x.fee() + x.tip
	who := b.st.account(x.signer)
	who.Nonce++
	who.Free -= cost
	b.st.setAccount(x.signer, who)
	b.emit("Balances", "Withdraw", x.signer[:], u128(cost))

	refusal := b.layer(func() failure { return b.dispatch(x.signer, x.call) })
	author := b.st.account(b.author)
	author.Free += cost
	b.st.setAccount(b.author, author)
	b.emit("Balances", "Deposit", b.author[:], u128(cost))
	b.emit("TransactionPayment", "TransactionFeePaid", x.signer[:], u128(cost), u128(x.tip))
	info := weights(x.call.weight()+baseWeight, proofSize, 0)
	if refusal != nil {
		b.emit("System", "ExtrinsicFailed", refusal, info)
	} else {
		b.emit("System", "ExtrinsicSuccess", info)
	}
}

// layer runs f, and undoes everything if f fails.
func (b *run) layer(f func() failure) failure {
	st, n := *b.st, len(b.events)
	refusal := f()
	if refusal != nil {
		*b.st, b.events = st, b.events[:n]
	}
	return refusal
}

func (b *run) dispatch(who Account, c call) failure {
	switch c.name {
	case "System.remark":
		return nil
	case "Ats.create":
		return b.create(who, c)
	case "Ats.update":
		return b.update(who, c)
	case "Ats.revoke":
		return b.revoke(who, c)
	case "Balances.transfer_keep_alive":
		return b.transfer(who, c)
	}
	if len(c.calls) > maxBatch {
		return b.module("Utility", "TooManyCalls")
	}
	failed := false
	for i, each := range c.calls {
		refusal := b.layer(func() failure { return b.dispatch(who, each) })
		switch {
		case refusal == nil:
			b.emit("Utility", "ItemCompleted")
		case c.name == "Utility.batch":
			b.emit("Utility", "BatchInterrupted", le32(uint32(i)), refusal)
			return nil
		case c.name == "Utility.batch_all":
			return refusal
		default:
			failed = true
			b.emit("Utility", "ItemFailed", refusal)
		}
	}
	if failed {
		b.emit("Utility", "BatchCompletedWithErrors")
	} else {
		b.emit("Utility", "BatchCompleted")
	}
	return nil
}

// The reasons of holds of the pallet Ats. A Listed runtime has the first one alone.
const (
	holdWork byte = iota
	holdVersion
)

// operator is the end of events in a Listed runtime: no operator.
func (b *run) operator() []byte {
	if b.prog.Listed {
		return []byte{0}
	}
	return nil
}

// hold moves free money into a hold; the existential deposit stays free.
func (b *run) hold(who Account, reason byte, amount uint64) failure {
	a := b.st.account(who)
	if a.Free < amount || a.Free-amount < b.prog.Rules.ExistentialDeposit {
		return noFunds
	}
	all := b.st.holds(who)
	if len(all) == 0 {
		a.consumers++
	}
	a.Free -= amount
	a.Held += amount
	id := [2]byte{b.prog.meta.pallets["Ats"].index, reason}
	found := false
	for i := range all {
		if all[i].reason[1] == reason {
			all[i] = hold{id, all[i].amount + amount}
			found = true
		}
	}
	if !found {
		all = append(all, hold{id, amount})
	}
	b.st.setAccount(who, a)
	b.st.setHolds(who, all)
	b.emit("Balances", "Held", id[:], who[:], u128(amount))
	return nil
}

// release moves held money back.
func (b *run) release(who Account, reason byte, amount uint64) {
	a := b.st.account(who)
	a.Free += amount
	a.Held -= amount
	id := [2]byte{b.prog.meta.pallets["Ats"].index, reason}
	var left []hold
	for _, h := range b.st.holds(who) {
		if h.reason[1] == reason {
			h = hold{id, h.amount - amount}
		}
		if h.amount > 0 {
			left = append(left, h)
		}
	}
	if len(left) == 0 {
		a.consumers--
	}
	b.st.setAccount(who, a)
	b.st.setHolds(who, left)
	b.emit("Balances", "Released", id[:], who[:], u128(amount))
}

func (b *run) create(who Account, c call) failure {
	owned := b.st.owned(who)
	switch {
	case c.protocol == 0:
		return b.module("Ats", "InvalidProtocolVersion")
	case len(owned) >= int(b.prog.Rules.MaxAtsPerAccount):
		return b.module("Ats", "MaxAtsPerAccountReached")
	}
	rules := b.prog.Rules
	w := work{owner: who, created: b.block, versions: 1, deposit: rules.BaseDeposit}
	if b.prog.Listed {
		w.listed, w.deposit = true, rules.BaseDeposit+rules.VersionDeposit
		if f := b.hold(who, holdWork, w.deposit); f != nil {
			return f
		}
	} else {
		if f := b.hold(who, holdWork, rules.BaseDeposit); f != nil {
			return f
		}
		if f := b.hold(who, holdVersion, rules.VersionDeposit); f != nil {
			return f
		}
	}
	id := b.st.number(keyNext)
	b.st.put(keyNext, le64(id+1))
	b.st.setWork(id, w)
	b.made[made{id, 0}] = b.index
	b.st.setVersion(id, 0, c.commitment, c.protocol, b.block, b.versionDeposit())
	b.st.setOwned(who, append(owned, id))
	b.emit("Ats", "AtsCreated", le64(id), who[:], c.commitment[:], []byte{c.protocol}, b.operator())
	return nil
}

// versionDeposit is what the state of a version says of its deposit: nothing if Listed.
func (b *run) versionDeposit() []byte {
	if b.prog.Listed {
		return nil
	}
	return u128(b.prog.Rules.VersionDeposit)
}

func (b *run) update(who Account, c call) failure {
	w, found := b.st.work(c.id)
	switch {
	case c.protocol == 0:
		return b.module("Ats", "InvalidProtocolVersion")
	case !found:
		return b.module("Ats", "AtsNotFound")
	case w.owner != who:
		return b.module("Ats", "NotOwner")
	case w.versions >= b.prog.Rules.MaxVersionsPerAts:
		return b.module("Ats", "MaxVersionsReached")
	}
	reason := holdVersion
	if b.prog.Listed {
		reason = holdWork
		w.deposit += b.prog.Rules.VersionDeposit
	}
	if f := b.hold(who, reason, b.prog.Rules.VersionDeposit); f != nil {
		return f
	}
	n := w.versions
	w.versions++
	b.st.setWork(c.id, w)
	b.made[made{c.id, n}] = b.index
	b.st.setVersion(c.id, n, c.commitment, c.protocol, b.block, b.versionDeposit())
	b.emit("Ats", "AtsUpdated", le64(c.id), le32(n), c.commitment[:], []byte{c.protocol}, b.operator())
	return nil
}

func (b *run) revoke(who Account, c call) failure {
	w, found := b.st.work(c.id)
	switch {
	case !found:
		return b.module("Ats", "AtsNotFound")
	case w.owner != who:
		return b.module("Ats", "NotOwner")
	}
	for n := range w.versions {
		k := VersionKey(c.id, n)
		if d := versionDeposit(b.st.get(k)); d > 0 {
			b.release(who, holdVersion, d)
		}
		b.st.remove(k)
	}
	b.release(who, holdWork, w.deposit)
	b.st.remove(WorkKey(c.id))
	var left []uint64
	for _, id := range b.st.owned(who) {
		if id != c.id {
			left = append(left, id)
		}
	}
	b.st.setOwned(who, left)
	b.emit("Ats", "AtsRevoked", le64(c.id), who[:], b.operator())
	return nil
}

func (b *run) transfer(who Account, c call) failure {
	from := b.st.account(who)
	if !c.value.IsUint64() || from.Free < c.value.Uint64() || from.Free-c.value.Uint64() < b.prog.Rules.ExistentialDeposit {
		return noFunds
	}
	value := c.value.Uint64()
	from.Free -= value
	b.st.setAccount(who, from)
	to := b.st.account(c.to)
	if to.providers == 0 {
		if value < b.prog.Rules.ExistentialDeposit {
			return failure{7, 2} // Token.BelowMinimum
		}
		to.providers = 1
		b.emit("System", "NewAccount", c.to[:])
		b.emit("Balances", "Endowed", c.to[:], u128(value))
	}
	to.Free += value
	b.st.setAccount(c.to, to)
	b.emit("Balances", "Transfer", who[:], c.to[:], u128(value))
	return nil
}

// migrate changes the state to that of a Listed runtime, in its first block.
func (s *state) migrate() {
	for id := range s.number(keyNext) {
		w, found := s.work(id)
		if !found || w.listed {
			continue
		}
		for n := range w.versions {
			k := VersionKey(id, n)
			v := s.get(k)
			w.deposit += versionDeposit(v)
			s.put(k, v[:37])
		}
		w.listed = true
		s.setWork(id, w)
		all := s.holds(w.owner)
		for _, h := range all[1:] {
			all[0].amount += h.amount
		}
		s.setHolds(w.owner, all[:1])
	}
}
