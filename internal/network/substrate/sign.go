package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Why signing twice is safe. Bytes are void if no final block has them, and one of these is
// true in the newest final block that was read:
//
//   - Their era has ended, so no later block can have them.
//   - Another transaction used their nonce, so no later block can have them.
//
// Both stay true for ever. Only then may other bytes take their place. Run reads every block
// from the one before the first signature, so no block can have them unseen.

// void reports whether the bytes of an open transaction can never be on a block. at is the
// newest block that was read, and nonce the account's in it or an earlier one.
func void(row query.SubstrateTransaction, at, nonce int64) bool {
	return row.Nonce < 0 || at+1 >= row.Ends || nonce > row.Nonce
}

// errNoRuntime is the error of a process that has not reached a node.
var errNoRuntime = errors.New("no node was reached yet")

// signed is a call with its signature.
type signed struct {
	account [32]byte
	nonce   int64
	ends    int64
	bytes   []byte
	hash    [32]byte
}

// Stage implements network.Network. The first call of a nonce signs and stores; later calls
// return what is stored.
func (n *Network) Stage(ctx context.Context, call network.Call) (network.Staged, error) {
	if err := check(call); err != nil {
		return network.Staged{}, err
	}
	if len(n.accounts) == 0 {
		return network.Staged{}, n.fail("stage", errors.New("this process has no signer"))
	}
	var staged network.Staged
	err := n.db.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.GetSubstrateTransaction(ctx, query.GetSubstrateTransactionParams{Network: n.name(), Call: callID(call.Nonce)})
		if err == nil {
			if row.Updates != call.AtsID || [32]byte(row.Commitment) != call.Commitment || row.Protocol != int64(call.ProtocolVersion) {
				return errors.New("another call has this nonce")
			}
			staged = network.Staged{Bytes: row.Signed, Hash: [32]byte(row.Hash)}
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rt := n.current.Load()
		if rt == nil {
			return errNoRuntime
		}
		by, err := n.signer(ctx, tx, call.AtsID, nil)
		if err != nil {
			return err
		}
		b, err := rt.call(call.AtsID, call.Commitment, call.ProtocolVersion)
		if err != nil {
			return err
		}
		var s signed
		if n.batching() {
			s = waiting(b, callID(call.Nonce))
			s.account = by
		} else if s, err = n.signCall(ctx, tx, rt, by, b); err != nil {
			return err
		}
		staged = network.Staged{Bytes: s.bytes, Hash: s.hash}
		return tx.InsertSubstrateTransaction(ctx, query.InsertSubstrateTransactionParams{
			Network: n.name(), Call: callID(call.Nonce), Hash: s.hash[:], Updates: call.AtsID, Commitment: call.Commitment[:], Protocol: int64(call.ProtocolVersion),
			Account: s.account[:], Nonce: s.nonce, Ends: s.ends, Signed: s.bytes,
		})
	})
	if err != nil {
		return network.Staged{}, n.fail("stage", err)
	}
	n.crash("substrate.staged")
	return staged, nil
}

// batching reports whether calls wait for others.
func (n *Network) batching() bool { return n.config.Batch > 1 }

// waiting is a call that has no bytes of a transaction yet. Its hash is unlike that of any other call.
func waiting(call []byte, id []byte) signed {
	b := slices.Concat(call, id)
	return signed{nonce: -1, bytes: b, hash: extrinsic.Hash(b)}
}

// signCall signs a call with an account, for the newest block that was read and with the smallest nonce that is free.
func (n *Network) signCall(ctx context.Context, tx *store.Tx, rt *runtime, by [32]byte, call []byte) (signed, error) {
	s := signed{account: by}
	if _, err := tx.LockSubstrateAccount(ctx, query.LockSubstrateAccountParams{Network: n.name(), Account: s.account[:]}); err != nil {
		return signed{}, err
	}
	kept, err := tx.GetSubstrateAccount(ctx, query.GetSubstrateAccountParams{Network: n.name(), Account: s.account[:]})
	if err != nil {
		return signed{}, err
	}
	used, err := tx.ListSubstrateNonces(ctx, query.ListSubstrateNoncesParams{Network: n.name(), Account: s.account[:]})
	if err != nil {
		return signed{}, err
	}
	s.nonce = kept.Nonce
	for _, taken := range used {
		if taken == s.nonce {
			s.nonce++
		}
	}
	at, err := tx.GetSubstrateChain(ctx, n.name())
	if err != nil {
		return signed{}, err
	}
	era := extrinsic.Era{Period: uint64(n.config.Period), Born: uint64(at.Number), Hash: [32]byte(at.Hash)}
	if s.bytes, err = n.signBy(ctx, rt, [32]byte(at.Genesis), by, call, era, uint64(s.nonce)); err != nil {
		return signed{}, err
	}
	s.ends, s.hash = int64(era.End()), extrinsic.Hash(s.bytes)
	return s, nil
}

// signBy asks the signer for the signature of a call.
func (n *Network) signBy(ctx context.Context, rt *runtime, genesis, account [32]byte, call []byte, era extrinsic.Era, nonce uint64) ([]byte, error) {
	return rt.signing(genesis).SignBy(account, func(payload []byte) ([sr25519.SignatureSize]byte, error) {
		return n.config.Signer.Sign(ctx, account, payload)
	}, call, era, nonce)
}

// signer chooses the account for a call: that of the work, or for a new work the account with
// the fewest open transactions that has room for it. A second signature is made by the account
// of the first, so that its nonces have no gap, except when that account is full.
func (n *Network) signer(ctx context.Context, tx *store.Tx, updates int64, instead *query.SubstrateTransaction) ([32]byte, error) {
	if updates != 0 {
		work, err := tx.SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: updates})
		if errors.Is(err, sql.ErrNoRows) {
			return [32]byte{}, fmt.Errorf("%w: work %d does not exist", network.ErrRefused, updates)
		} else if err != nil {
			return [32]byte{}, err
		}
		if !n.ours([32]byte(work.Account)) {
			return [32]byte{}, fmt.Errorf("the account %x of work %d is not one of the %d accounts of the signer", work.Account, updates, len(n.accounts))
		}
		return [32]byte(work.Account), nil
	}
	all, err := tx.ListSubstrateAccounts(ctx, n.name())
	if err != nil {
		return [32]byte{}, err
	}
	var best *query.ListSubstrateAccountsRow
	for i, a := range all {
		by := [32]byte(a.Account)
		ok := n.ours(by)
		if ok && instead != nil && [32]byte(instead.Account) == by && a.Works < a.Capacity {
			return by, nil
		}
		if ok && hasRoom(a) && (best == nil || better(a, *best)) {
			best = &all[i]
		}
	}
	if best == nil {
		return [32]byte{}, errFull
	}
	return [32]byte(best.Account), nil
}

// errFull is why no new work can be registered.
var errFull = errors.New("no account may own another work: give the server more accounts")

func hasRoom(a query.ListSubstrateAccountsRow) bool { return a.Works+a.Creating < a.Capacity }

// better reports whether a should sign before b: an account that can pay, and then the one
// with the fewest open transactions.
func better(a, b query.ListSubstrateAccountsRow) bool {
	if a.Low != b.Low {
		return !a.Low
	}
	return a.Open < b.Open
}

// read returns the newest block that was read, and the nonces of the accounts in it or earlier.
// The block is read first: an account can only be newer.
func (n *Network) read(ctx context.Context) (at query.SubstrateChain, nonces map[[32]byte]int64, err error) {
	err = n.db.Tx(ctx, func(tx *store.Tx) error {
		if at, err = tx.GetSubstrateChain(ctx, n.name()); err != nil {
			return err
		}
		accounts, err := tx.ListSubstrateAccounts(ctx, n.name())
		nonces = map[[32]byte]int64{}
		for _, a := range accounts {
			nonces[[32]byte(a.Account)] = a.Nonce
		}
		return err
	})
	return at, nonces, err
}

// trialLasts is for how long an answer counts.
const trialLasts = 5 * time.Second

// DryRun implements network.Network. It asks the database, and in a process with a signer also
// the runtime of the chain. It refuses another protocol version, a commitment of zeros, and an
// update of an unknown or full work.
func (n *Network) DryRun(ctx context.Context, call network.Call) error {
	if err := check(call); err != nil {
		return err
	}
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return n.fail("dry run", errors.New("no worker has reached the chain yet"))
	} else if err != nil {
		return n.fail("dry run", err)
	}
	if row.Stopped != "" {
		return n.fail("dry run", fmt.Errorf("%w: %s", network.ErrStopped, row.Stopped))
	}
	if err := n.silent(row); err != nil {
		return err
	}
	if call.AtsID != 0 {
		err := n.dryUpdate(ctx, call.AtsID)
		if err != nil {
			return n.fail("dry run", err)
		}
	}
	if rt := n.current.Load(); rt != nil && len(n.accounts) > 0 {
		if err := n.try(ctx, rt, row); err != nil {
			return n.fail("dry run", err)
		}
	}
	return nil
}

// dryUpdate refuses another version of an unknown or full work.
func (n *Network) dryUpdate(ctx context.Context, atsID int64) error {
	work, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: atsID})
	switch rt := n.current.Load(); {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: work %d does not exist", network.ErrRefused, atsID)
	case err == nil && rt != nil && work.Version >= rt.versions:
		return fmt.Errorf("%w: the chain keeps at most %d versions of a work", network.ErrRefused, rt.versions)
	}
	return err
}

// try asks the runtime whether it would accept a transaction of one of the accounts now.
func (n *Network) try(ctx context.Context, rt *runtime, at query.SubstrateChain) error {
	if last := n.tried.Load(); last != nil && n.db.Now().Sub(last.at).Abs() < trialLasts {
		return last.err
	}
	x, err := n.sample(ctx, rt, at, 0)
	if err == nil {
		err = n.chain.validate(ctx, x, [32]byte(at.Hash))
		switch why := invalid(""); {
		case errors.As(err, &why) && why == noFunds:
			err = fmt.Errorf("%w: an account cannot pay the fee of a transaction", network.ErrStopped)
		case errors.As(err, &why) && why == stale: // another program used the nonce; the next block tells
			err = nil
		}
	}
	if ctx.Err() == nil {
		n.tried.Store(&trial{at: n.db.Now(), err: err})
	}
	return err
}

// sample signs a call that is never sent, with the account that would sign now.
func (n *Network) sample(ctx context.Context, rt *runtime, at query.SubstrateChain, updates int64) ([]byte, error) {
	all, err := n.db.Read().ListSubstrateAccounts(ctx, n.name())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a query.ListSubstrateAccountsRow) bool { return !n.ours([32]byte(a.Account)) })
	if len(all) == 0 {
		return nil, errors.New("no account of the signer is known yet")
	}
	best := slices.MinFunc(all, func(a, b query.ListSubstrateAccountsRow) int {
		switch {
		case better(a, b):
			return -1
		case better(b, a):
			return 1
		}
		return 0
	})
	call, err := rt.call(updates, [32]byte{1}, ProtocolVersion)
	if err != nil {
		return nil, err
	}
	era := extrinsic.Era{Period: uint64(n.config.Period), Born: uint64(at.Number), Hash: [32]byte(at.Hash)}
	return n.signBy(ctx, rt, [32]byte(at.Genesis), [32]byte(best.Account), call, era, uint64(best.Nonce+best.Open))
}

// cost is what an account must have beside its existential deposit before a call is sent. Fees
// can rise between blocks, so it has the fee twice.
func cost(rt *runtime, fee *big.Int, updates int64) *big.Int {
	twice := new(big.Int).Lsh(fee, 1)
	return twice.Add(twice, rt.deposit(updates))
}
