package node

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

func (s *state) audit() error {
	var sum, held uint64
	deposits := map[Account]uint64{}
	owned := map[Account]int{}
	for id := range s.number(keyNext) {
		w, found := s.work(id)
		if !found {
			continue
		}
		deposits[w.owner] += w.deposit
		owned[w.owner]++
		for v := range w.versions {
			b := s.get(VersionKey(id, v))
			if len(b) != 53 && !w.listed || len(b) != 37 && w.listed {
				return fmt.Errorf("version %d of work %d has %d bytes", v, id, len(b))
			}
			deposits[w.owner] += versionDeposit(b)
		}
	}
	var wrong error
	prefix := key("System", "Account")
	s.top.walk(nil, func(path, _ []byte) bool {
		k := packed(path)
		if len(k) != len(prefix)+48 || string(k[:len(prefix)]) != string(prefix) {
			return true
		}
		a := Account(k[len(k)-32:])
		b := s.account(a)
		sum += b.Free + b.Held
		held += b.Held
		var holds uint64
		for _, h := range s.holds(a) {
			holds += h.amount
		}
		if holds != b.Held || deposits[a] != b.Held || len(s.owned(a)) != owned[a] {
			wrong = fmt.Errorf("account %x holds %d, its holds are %d, its deposits %d; it has %d works, its list %d", a, b.Held, holds, deposits[a], owned[a], len(s.owned(a)))
		}
		return true
	})
	if wrong != nil {
		return wrong
	}
	if total := s.number(keyIssuance); sum != total {
		return fmt.Errorf("the accounts have %d, of which %d is held; %d was issued", sum, held, total)
	}
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

// u128 is a balance as it is stored.
func u128(v uint64) []byte { return scale.AppendUint(nil, new(big.Int).SetUint64(v), 16) }

// Hash is a hash of 32 bytes: of a block, an extrinsic or a state.
type Hash [32]byte

// String returns 0x and hexadecimal digits.
func (h Hash) String() string { return hexed(h[:]) }

// Account is the public key of an account.
type Account [32]byte

// hexed returns b as JSON-RPC has bytes.
func hexed(b []byte) string { return "0x" + hex.EncodeToString(b) }

// unhexed reads bytes of JSON-RPC. As in a node, 0x may be missing.
func unhexed(s string) ([]byte, error) { return hex.DecodeString(strings.TrimPrefix(s, "0x")) }

// twox128 hashes the names of pallets and of their storage.
func twox128(name string) []byte {
	var out []byte
	for seed := range uint64(2) {
		h := xxhash.NewWithSeed(seed)
		_, _ = h.WriteString(name)
		out = binary.LittleEndian.AppendUint64(out, h.Sum64())
	}
	return out
}

// twox64 is the hash of a map with the hasher Twox64Concat, and b.
func twox64(b []byte) []byte {
	h := xxhash.NewWithSeed(0)
	_, _ = h.Write(b)
	return append(binary.LittleEndian.AppendUint64(nil, h.Sum64()), b...)
}

// blake128 is the hash of a map with the hasher Blake2_128Concat, and b.
func blake128(b []byte) []byte {
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic(err) // the size is right
	}
	_, _ = h.Write(b)
	return append(h.Sum(nil), b...)
}

// key returns the storage key of an item; each of maps is hashed already.
func key(pallet, item string, maps ...[]byte) []byte {
	k := append(twox128(pallet), twox128(item)...)
	for _, m := range maps {
		k = append(k, m...)
	}
	return k
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// VersionKey is the storage key of Ats.AtsVersions(id, version); versions begin at 0.
func VersionKey(id uint64, version uint32) []byte {
	return key("Ats", "AtsVersions", blake128(le64(id)), blake128(le32(version)))
}

// WorkKey is the storage key of Ats.AtsRegistry(id).
func WorkKey(id uint64) []byte { return key("Ats", "AtsRegistry", blake128(le64(id))) }

// The storage keys of the items that evidence proves besides a work.
var (
	NowKey            = key("Timestamp", "Now")
	SetIDKey          = key("Grandpa", "CurrentSetId")
	RuntimeUpgradeKey = key("System", "LastRuntimeUpgrade")
)

var (
	keyEvents      = key("System", "Events")
	keyNumber      = key("System", "Number")
	keyParent      = key("System", "ParentHash")
	keyDigest      = key("System", "Digest")
	keyCode        = []byte(":code")
	keyNext        = key("Ats", "NextAtsId")
	keyIssuance    = key("Balances", "TotalIssuance")
	keyAuthorities = key("Grandpa", "Authorities")
	keySlot        = key("Aura", "CurrentSlot")
	keySudo        = key("Sudo", "Key")
)

func accountKey(a Account) []byte       { return key("System", "Account", blake128(a[:])) }
func holdsKey(a Account) []byte         { return key("Balances", "Holds", blake128(a[:])) }
func ownerKey(a Account) []byte         { return key("Ats", "OwnerIndex", blake128(a[:])) }
func blockHashKey(number uint32) []byte { return key("System", "BlockHash", twox64(le32(number))) }

// state is the storage of one block while it is made. A copy is a snapshot.
type state struct{ top *vertex }

func (s *state) get(k []byte) []byte {
	v, _ := s.top.get(nibbles(k))
	return v
}

func (s *state) put(k, v []byte) { s.top = s.top.put(nibbles(k), v) }

func (s *state) remove(k []byte) { s.top = s.top.remove(nibbles(k)) }

// number reads a little-endian number of up to 8 bytes; a missing one is 0.
func (s *state) number(k []byte) uint64 {
	var whole [8]byte
	copy(whole[:], s.get(k))
	return binary.LittleEndian.Uint64(whole[:])
}

// Balance is what an account has, in 10⁻¹² of a coin.
type Balance struct {
	// Nonce is that of the next transaction.
	Nonce uint32
	// Free can be spent down to the existential deposit; Held is deposits.
	Free, Held uint64

	consumers, providers uint32
}

// account reads an account; one that is not there has no providers.
func (s *state) account(a Account) Balance {
	r := scale.NewReader(s.get(accountKey(a)))
	if r.Len() == 0 {
		return Balance{}
	}
	b := Balance{Nonce: r.U32(), consumers: r.U32(), providers: r.U32()}
	r.U32()
	b.Free, b.Held = r.U128().Uint64(), r.U128().Uint64()
	return b
}

func (s *state) setAccount(a Account, b Balance) {
	out := append(le32(b.Nonce), le32(b.consumers)...)
	out = append(append(out, le32(b.providers)...), 0, 0, 0, 0)
	out = append(append(out, u128(b.Free)...), u128(b.Held)...)
	out = append(out, make([]byte, 32)...)
	out[len(out)-1] = 0x80 // the flag of accounts that count consumers in the new way
	s.put(accountKey(a), out)
}

// hold is an amount that is held for one reason.
type hold struct {
	reason [2]byte
	amount uint64
}

func (s *state) holds(a Account) []hold {
	r := scale.NewReader(s.get(holdsKey(a)))
	if r.Len() == 0 {
		return nil
	}
	var all []hold
	for n := r.Count(18); n > 0; n-- {
		all = append(all, hold{[2]byte(r.Take(2)), r.U128().Uint64()})
	}
	return all
}

func (s *state) setHolds(a Account, all []hold) {
	if len(all) == 0 {
		s.remove(holdsKey(a))
		return
	}
	out := scale.AppendCompact(nil, uint64(len(all)))
	for _, h := range all {
		out = append(append(out, h.reason[:]...), u128(h.amount)...)
	}
	s.put(holdsKey(a), out)
}

// work is a value of Ats.AtsRegistry. A listed one has a list of deposits; here it is always
// one, of the owner, for the work and its versions.
type work struct {
	owner             Account
	created, versions uint32
	deposit           uint64
	listed            bool
}

func (s *state) work(id uint64) (w work, found bool) {
	v := s.get(WorkKey(id))
	r := scale.NewReader(v)
	if r.Len() == 0 {
		return work{}, false
	}
	w = work{owner: Account(r.Take(32)), created: r.U32(), versions: r.U32(), listed: r.Len() != 16}
	if w.listed {
		r.Compact()
		r.Take(32)
	}
	w.deposit = r.U128().Uint64()
	return w, true
}

func (s *state) setWork(id uint64, w work) {
	out := append(append(w.owner[:], le32(w.created)...), le32(w.versions)...)
	if w.listed {
		out = append(append(out, 4), w.owner[:]...)
	}
	s.put(WorkKey(id), append(out, u128(w.deposit)...))
}

// setVersion stores a version; deposit is nothing, or 16 bytes.
func (s *state) setVersion(id uint64, n uint32, commitment [32]byte, protocol uint8, block uint32, deposit []byte) {
	s.put(VersionKey(id, n), append(append(append(commitment[:], protocol), le32(block)...), deposit...))
}

// versionDeposit returns the deposit in a version's value, or 0.
func versionDeposit(v []byte) uint64 {
	if len(v) != 53 {
		return 0
	}
	return binary.LittleEndian.Uint64(v[37:])
}

// createdAt returns the block in a version's value.
func createdAt(v []byte) uint32 { return binary.LittleEndian.Uint32(v[33:]) }

// owned reads the ids of the works of an account.
func (s *state) owned(a Account) []uint64 {
	r := scale.NewReader(s.get(ownerKey(a)))
	if r.Len() == 0 {
		return nil
	}
	var ids []uint64
	for n := r.Count(8); n > 0; n-- {
		ids = append(ids, r.U64())
	}
	return ids
}

func (s *state) setOwned(a Account, ids []uint64) {
	if len(ids) == 0 {
		s.remove(ownerKey(a))
		return
	}
	out := scale.AppendCompact(nil, uint64(len(ids)))
	for _, id := range ids {
		out = append(out, le64(id)...)
	}
	s.put(ownerKey(a), out)
}
