package substrate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/storagekey"
)

// pallet is the name of the pallet that keeps works.
const pallet = "Ats"

// chain reads a chain through its nodes. It is safe for concurrent use.
type chain struct {
	client *rpc.Client

	mu       sync.Mutex
	runtimes map[version]*runtime
	newest   block // that was read last; its hash says what it is for ever
}

func newChain(endpoints []string, timeout time.Duration) *chain {
	return &chain{client: rpc.New(rpc.Config{Endpoints: endpoints, Timeout: timeout}), runtimes: map[version]*runtime{}}
}

// version identifies a runtime.
type version struct {
	SpecName           string `json:"specName"`
	SpecVersion        uint32 `json:"specVersion"`
	TransactionVersion uint32 `json:"transactionVersion"`
}

// runtime is what this package needs of one runtime of the chain.
type runtime struct {
	version
	metadata *metadata.Metadata
	// base and perVersion are what the chain keeps as a deposit for a work and for each version,
	// existential what must stay in an account.
	base, perVersion, existential *big.Int
	// works is how many works an account may own, versions how many versions a work may have.
	works, versions int64
	prefix          uint16 // of addresses
}

// signing returns what signatures for this runtime say.
func (r *runtime) signing(genesis [32]byte) extrinsic.Chain {
	return extrinsic.Chain{Genesis: genesis, SpecVersion: r.SpecVersion, TransactionVersion: r.TransactionVersion, Metadata: r.metadata}
}

// deposit is what the chain keeps for a call: of a new work, or of another version.
func (r *runtime) deposit(updates int64) *big.Int {
	if updates != 0 {
		return r.perVersion
	}
	return new(big.Int).Add(r.base, r.perVersion)
}

// maxRuntimes bounds the runtimes in memory. An upgrade needs two.
const maxRuntimes = 4

// runtimeAt returns the runtime at a block; "" is the best block.
func (c *chain) runtimeAt(ctx context.Context, at string) (*runtime, error) {
	var params []any
	if at != "" {
		params = []any{at}
	}
	var v version
	if err := c.client.Call(ctx, &v, "state_getRuntimeVersion", params...); err != nil {
		return nil, err
	}
	c.mu.Lock()
	known := c.runtimes[v]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	b, err := c.client.Bytes(ctx, "state_getMetadata", params...)
	if err != nil {
		return nil, err
	}
	r, err := readRuntime(v, b)
	if err != nil {
		return nil, fmt.Errorf("runtime %s %d: %w", v.SpecName, v.SpecVersion, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runtimes) >= maxRuntimes {
		clear(c.runtimes)
	}
	c.runtimes[v] = r
	return r, nil
}

func readRuntime(v version, b []byte) (*runtime, error) {
	m, err := metadata.Parse(b)
	if err != nil {
		return nil, err
	}
	r := &runtime{version: v, metadata: m}
	number := func(of, name string) *big.Int {
		p, e := m.Pallet(of)
		var c metadata.Constant
		if e == nil {
			c, e = p.Constant(name)
		}
		if err == nil {
			err = e
		}
		return c.Number()
	}
	r.base, r.perVersion, r.existential = number(pallet, "BaseDeposit"), number(pallet, "VersionDeposit"), number("Balances", "ExistentialDeposit")
	r.works, r.versions = number(pallet, "MaxAtsPerAccount").Int64(), number(pallet, "MaxVersionsPerAts").Int64()
	r.prefix = uint16(number("System", "SS58Prefix").Uint64())
	for name, want := range map[string][]string{"create": {"commitment", "protocol_version"}, "update": {"ats_id", "commitment", "protocol_version"}} {
		_, arguments, e := m.Call(pallet, name)
		var got []string
		for _, a := range arguments {
			got = append(got, a.Name)
		}
		if e == nil && !slices.Equal(got, want) {
			e = fmt.Errorf("the call %s.%s has the arguments %q, not %q", pallet, name, got, want)
		}
		if err == nil {
			err = e
		}
	}
	return r, err
}

// call returns the bytes of a call.
func (r *runtime) call(updates int64, commitment [32]byte, protocol uint8) ([]byte, error) {
	name := "create"
	if updates != 0 {
		name = "update"
	}
	b, _, err := r.metadata.Call(pallet, name)
	if err != nil {
		return nil, err
	}
	if updates != 0 {
		b = binary.LittleEndian.AppendUint64(b, uint64(updates))
	}
	return append(append(b, commitment[:]...), protocol), nil
}

// block is a block of the chain.
type block struct {
	number     int64
	hash       [32]byte
	parent     string
	header     []byte
	extrinsics [][]byte
}

// hashAt returns the hash of the block with a number. A missing block is an error.
func (c *chain) hashAt(ctx context.Context, number int64) ([32]byte, error) {
	b, err := c.client.Bytes(ctx, "chain_getBlockHash", number)
	if err == nil && len(b) != 32 {
		err = fmt.Errorf("the node has no block %d", number)
	}
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(b), nil
}

// finalized returns the newest final block, without its extrinsics.
func (c *chain) finalized(ctx context.Context) (block, error) {
	var at string
	if err := c.client.Call(ctx, &at, "chain_getFinalizedHead"); err != nil {
		return block{}, err
	}
	var h *header
	if err := c.client.Call(ctx, &h, "chain_getHeader", at); err != nil {
		return block{}, err
	}
	if h == nil {
		return block{}, errors.New("the node has no header of its final block")
	}
	return h.block(at)
}

// block returns the header as a block with a hash.
func (h header) block(hash string) (block, error) {
	coded, sum, err := h.encode()
	if err != nil {
		return block{}, err
	}
	number, err := h.number()
	if err != nil {
		return block{}, err
	}
	if rpc.Hex(sum[:]) != hash {
		return block{}, fmt.Errorf("the header of block %d has the hash %x, not %s", number, sum, hash)
	}
	return block{number: number, hash: sum, parent: h.ParentHash, header: coded}, nil
}

// read returns a block with its extrinsics. The one that was read last is not asked for again.
func (c *chain) read(ctx context.Context, hash [32]byte) (block, error) {
	c.mu.Lock()
	newest := c.newest
	c.mu.Unlock()
	if newest.hash == hash && len(newest.header) > 0 {
		return newest, nil
	}
	var answer *struct {
		Block struct {
			Header     header   `json:"header"`
			Extrinsics []string `json:"extrinsics"`
		} `json:"block"`
	}
	if err := c.client.Call(ctx, &answer, "chain_getBlock", rpc.Hex(hash[:])); err != nil {
		return block{}, err
	}
	if answer == nil {
		return block{}, fmt.Errorf("the node has no block %x", hash)
	}
	b, err := answer.Block.Header.block(rpc.Hex(hash[:]))
	if err != nil {
		return block{}, err
	}
	for _, text := range answer.Block.Extrinsics {
		x, err := rpc.Unhex(text)
		if err != nil {
			return block{}, fmt.Errorf("an extrinsic of block %d: %w", b.number, err)
		}
		b.extrinsics = append(b.extrinsics, x)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = b
	return b, nil
}

// stored returns a value of the state of a block; nil: it is missing.
func (c *chain) stored(ctx context.Context, m *metadata.Metadata, at [32]byte, of, entry string, keys ...[]byte) ([]byte, error) {
	key, err := storagekey.Key(m, of, entry, keys...)
	if err != nil {
		return nil, err
	}
	b, err := c.client.Bytes(ctx, "state_getStorage", rpc.Hex(key), rpc.Hex(at[:]))
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", of, entry, err)
	}
	return b, nil
}

// maxKeys is how many values of the state, or proofs of them, one request asks for. The keys of
// so many take 40 KB. A proof of so many has some hundred KB, of the 15 MB that nodes answer with.
const maxKeys = 256

// values returns values of the state of a block, by their keys, in few requests. A missing one
// has no entry.
func (c *chain) values(ctx context.Context, at [32]byte, keys [][]byte) (map[string][]byte, error) {
	all := make(map[string][]byte, len(keys))
	for some := range slices.Chunk(keys, maxKeys) {
		var answer []struct {
			Changes [][2]*string `json:"changes"`
		}
		if err := c.client.Call(ctx, &answer, "state_queryStorageAt", hexes(some), rpc.Hex(at[:])); err != nil {
			return nil, err
		}
		said := map[string]bool{}
		for _, a := range answer {
			for _, change := range a.Changes {
				if change[0] == nil {
					return nil, errors.New("state_queryStorageAt: a value without a key")
				}
				key, err := rpc.Unhex(*change[0])
				if err == nil && change[1] != nil {
					all[string(key)], err = rpc.Unhex(*change[1])
				}
				if err != nil {
					return nil, fmt.Errorf("state_queryStorageAt: %w", err)
				}
				said[string(key)] = true
			}
		}
		for _, key := range some { // the node must say that a value is missing
			if !said[string(key)] {
				return nil, fmt.Errorf("state_queryStorageAt: the node says nothing of the key %x", key)
			}
		}
	}
	return all, nil
}

// hexes are keys as nodes read them.
func hexes(keys [][]byte) (all []string) {
	for _, k := range keys {
		all = append(all, rpc.Hex(k))
	}
	return all
}

// time returns the time of a block: that of its first extrinsic, which its author adds.
func (c *chain) time(ctx context.Context, m *metadata.Metadata, b block) (time.Time, error) {
	set, _, err := m.Call("Timestamp", "set")
	if err != nil {
		return time.Time{}, err
	}
	for _, x := range b.extrinsics {
		if call, ok := extrinsic.Bare(x); ok && len(call) > 2 && [2]byte(call) == [2]byte(set) {
			r := scale.NewReader(call[2:])
			ms := r.Compact()
			return time.UnixMilli(int64(ms)).UTC(), r.End()
		}
	}
	now, err := c.stored(ctx, m, b.hash, "Timestamp", "Now")
	if err != nil {
		return time.Time{}, err
	}
	r := scale.NewReader(now)
	ms := r.U64()
	return time.UnixMilli(int64(ms)).UTC(), r.End()
}

// events reads the events of a block, and returns the runtime that executed it.
func (c *chain) events(ctx context.Context, b block) (*runtime, []metadata.Event, error) {
	rt, err := c.runtimeAt(ctx, b.parent)
	if err != nil {
		return nil, nil, err
	}
	coded, err := c.stored(ctx, rt.metadata, b.hash, "System", "Events")
	if err != nil {
		return nil, nil, err
	}
	events, err := rt.metadata.Events(coded)
	if err != nil {
		return nil, nil, fmt.Errorf("block %d: %w", b.number, err)
	}
	return rt, events, nil
}

// account is an account in the state of a block.
type account struct {
	nonce          int64
	free, reserved *big.Int
	works          int64
}

// accounts reads accounts in the state of a block.
func (c *chain) accounts(ctx context.Context, r *runtime, at [32]byte, publics ...[32]byte) (map[[32]byte]account, error) {
	var keys [][]byte
	for _, public := range publics {
		system, err := storagekey.Key(r.metadata, "System", "Account", public[:])
		if err != nil {
			return nil, err
		}
		owned, err := storagekey.Key(r.metadata, pallet, "OwnerIndex", public[:])
		if err != nil {
			return nil, err
		}
		keys = append(keys, system, owned)
	}
	values, err := c.values(ctx, at, keys)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	all := map[[32]byte]account{}
	for i, public := range publics {
		a, err := r.account(values[string(keys[2*i])], values[string(keys[2*i+1])])
		if err != nil {
			return nil, fmt.Errorf("account %x: %w", public, err)
		}
		all[public] = a
	}
	return all, nil
}

// account reads an account: its values of System.Account and of Ats.OwnerIndex.
func (r *runtime) account(b, ids []byte) (a account, err error) {
	a.free, a.reserved = new(big.Int), new(big.Int)
	if b != nil {
		system, err := r.metadata.Pallet("System")
		if err != nil {
			return a, err
		}
		entry, err := system.Storage("Account")
		if err != nil {
			return a, err
		}
		nonce, err := r.metadata.Member(entry.Value, b, "nonce")
		if err != nil {
			return a, err
		}
		free, err := r.metadata.Member(entry.Value, b, "data", "free")
		if err != nil {
			return a, err
		}
		reserved, err := r.metadata.Member(entry.Value, b, "data", "reserved")
		if err != nil {
			return a, err
		}
		a.nonce = scale.NewReader(nonce).Uint(len(nonce)).Int64()
		a.free, a.reserved = scale.NewReader(free).Uint(len(free)), scale.NewReader(reserved).Uint(len(reserved))
	}
	if ids == nil {
		return a, nil
	}
	list := scale.NewReader(ids)
	a.works = int64(list.Count(8))
	return a, list.Err()
}

// begun reports whether the chain has given out its number 0. The seam uses 0 for a new work.
func (c *chain) begun(ctx context.Context, r *runtime, at [32]byte) (bool, error) {
	b, err := c.stored(ctx, r.metadata, at, pallet, "NextAtsId")
	if err != nil || b == nil {
		return false, err
	}
	next := scale.NewReader(b)
	return next.U64() > 0, next.End()
}

// fee asks the runtime what a transaction costs beside its deposit.
func (c *chain) fee(ctx context.Context, signed []byte) (*big.Int, error) {
	b, err := c.client.Bytes(ctx, "state_call", "TransactionPaymentApi_query_info", rpc.Hex(binary.LittleEndian.AppendUint32(slices.Clone(signed), uint32(len(signed)))))
	if err != nil {
		return nil, err
	}
	r := scale.NewReader(b)
	r.Compact() // the weight: time and proof
	r.Compact()
	r.U8() // the class
	fee := r.U128()
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("the fee: %w", err)
	}
	return fee, nil
}

// invalid is why a runtime would not accept a transaction.
type invalid string

func (i invalid) Error() string { return "the chain would not accept the transaction: " + string(i) }

// The reasons in the order of the runtime's enum InvalidTransaction.
const (
	noFunds invalid = "Payment"
	stale   invalid = "Stale"
)

var invalids = []invalid{"Call", noFunds, "Future", stale, "BadProof", "AncientBirthBlock", "ExhaustsResources", "Custom", "BadMandatory", "MandatoryValidation", "BadSigner"}

// validate asks the runtime whether a transaction would be accepted in the block after at. The
// error is an invalid if not.
func (c *chain) validate(ctx context.Context, signed []byte, at [32]byte) error {
	const external = 2 // the transaction comes from outside of the node
	b, err := c.client.Bytes(ctx, "state_call", "TaggedTransactionQueue_validate_transaction", rpc.Hex(slices.Concat([]byte{external}, signed, at[:])), rpc.Hex(at[:]))
	if err != nil {
		return err
	}
	return validity(b)
}

// validity reads the answer of the runtime.
func validity(b []byte) error {
	r := scale.NewReader(b)
	if ok := r.U8(); r.Err() != nil || ok == 0 {
		return r.Err()
	}
	if unknown := r.U8(); unknown == 0 {
		if i := int(r.U8()); r.Err() == nil && i < len(invalids) {
			return invalids[i]
		}
	}
	return fmt.Errorf("the chain would not accept the transaction: %x", b)
}

// amount reads an amount of the database.
func amount(text string) *big.Int {
	v, ok := new(big.Int).SetString(strings.TrimSpace(text), 10)
	if !ok {
		return new(big.Int)
	}
	return v
}

// discarded reports whether a node has no state of a block any more.
func discarded(err error) bool {
	var refused *rpc.Error
	return errors.As(err, &refused) && strings.Contains(refused.Error()+string(refused.Data), "discarded")
}

// made is a version as the chain has it.
type made struct {
	place
	block      int64
	commitment [32]byte
}

// place is a version of a work, counted from 0.
type place struct{ atsID, version int64 }

// version reads a version of a work in the state of a block.
func (c *chain) version(ctx context.Context, r *runtime, at [32]byte, of place) (m made, found bool, err error) {
	b, err := c.stored(ctx, r.metadata, at, pallet, "AtsVersions", of.keys()...)
	if err != nil || b == nil {
		return m, false, err
	}
	m, err = r.made(of, b)
	return m, err == nil, err
}

// versions reads versions in the state of a block, in few requests. A missing one has no entry.
func (c *chain) versions(ctx context.Context, r *runtime, at [32]byte, places []place) (map[place]made, error) {
	keys := make([][]byte, len(places))
	for i, of := range places {
		var err error
		if keys[i], err = storagekey.Key(r.metadata, pallet, "AtsVersions", of.keys()...); err != nil {
			return nil, err
		}
	}
	values, err := c.values(ctx, at, keys)
	if err != nil {
		return nil, fmt.Errorf("%s.AtsVersions: %w", pallet, err)
	}
	all := map[place]made{}
	for i, of := range places {
		if b, found := values[string(keys[i])]; found {
			if all[of], err = r.made(of, b); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// keys are those of the version in the map AtsVersions.
func (p place) keys() [][]byte {
	return [][]byte{binary.LittleEndian.AppendUint64(nil, uint64(p.atsID)), binary.LittleEndian.AppendUint32(nil, uint32(p.version))}
}

// made reads the value of a version.
func (r *runtime) made(of place, b []byte) (m made, err error) {
	p, err := r.metadata.Pallet(pallet)
	if err != nil {
		return m, err
	}
	s, err := p.Storage("AtsVersions")
	if err != nil {
		return m, err
	}
	has, err := r.metadata.Member(s.Value, b, "commitment")
	if err == nil && len(has) != len(m.commitment) {
		err = fmt.Errorf("the commitment of work %d has %d bytes", of.atsID, len(has))
	}
	if err != nil {
		return m, err
	}
	in, err := r.metadata.Member(s.Value, b, "created_at")
	if err != nil {
		return m, err
	}
	return made{place: of, block: scale.NewReader(in).Uint(len(in)).Int64(), commitment: [32]byte(has)}, nil
}
