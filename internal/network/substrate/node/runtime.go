package node

import (
	"bytes"

	"timbre.example/internal/network/substrate/scale"
)

// made is a version that a block registered; its value is the index of the extrinsic.
type made struct {
	id      uint64
	version uint32
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
	info := weights(x.weight()+baseWeight, x.proof(), 0)
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
