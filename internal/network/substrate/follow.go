package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/ss58"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// reminder is the time after which a failure that lasts is logged again, and refresh how often
// all accounts are read.
const (
	reminder = time.Minute
	refresh  = time.Minute
)

// Run follows the chain until ctx ends: it reads final blocks, signs void transactions again,
// and sends what is wanted. Any number of processes can run it on one database. The first
// error in a row is logged, and Run tries again with another node. A process without a signer
// does nothing.
func (n *Network) Run(ctx context.Context) {
	if len(n.accounts) == 0 {
		return
	}
	defer n.chain.client.Close()
	failures, logged := 0, time.Time{}
	for ctx.Err() == nil {
		err := n.follow(ctx, func() {
			if failures > 0 {
				n.config.Logger.InfoContext(ctx, "the chain can be reached again", "network", n.config.Network, "failures", failures)
			}
			failures = 0
		})
		if failures++; err != nil && ctx.Err() == nil && (failures == 1 || time.Since(logged) >= reminder) {
			logged = time.Now()
			n.config.Logger.ErrorContext(ctx, "the chain cannot be followed", "network", n.config.Network, "failures", failures, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(n.config.Poll, time.Second)):
		}
	}
}

// follow makes steps until one fails, or the connection ends.
func (n *Network) follow(ctx context.Context, succeeded func()) error {
	news, err := n.chain.client.Subscribe(ctx, "chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads")
	if err != nil {
		return err
	}
	defer news.Close()
	tick := time.NewTicker(n.config.Poll)
	defer tick.Stop()
	var read time.Time // when all accounts were read
	for {
		all := time.Since(read) >= refresh
		if err := n.step(ctx, all); err != nil {
			return err
		}
		if all {
			read = time.Now()
		}
		succeeded()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-news.News:
			if !open {
				return errors.New("the subscription to final blocks ended")
			}
			drain(news.News)
		case <-n.wake:
		case <-tick.C:
		}
	}
}

// drain reads what waits: one step looks at all final blocks.
func drain[T any](c <-chan T) {
	for {
		select {
		case _, open := <-c:
			if !open {
				return // the next read finds it closed again
			}
		default:
			return
		}
	}
}

// step brings the database to the newest final block, and sends what is wanted. all reads all
// accounts.
func (n *Network) step(ctx context.Context, all bool) error {
	rt, err := n.chain.runtimeAt(ctx, "")
	if err != nil {
		return err
	}
	head, err := n.chain.finalized(ctx)
	if err != nil {
		return err
	}
	row, err := n.begin(ctx, rt, head)
	if err != nil {
		return err
	}
	if err := rt.signing([32]byte(row.Genesis)).Check(); err != nil {
		return errors.Join(n.see(ctx, err.Error()), err)
	}
	if err := n.scan(ctx, rt, row, head, all || n.current.Load() == nil); err != nil {
		return err
	}
	n.current.Store(rt)
	if err := n.followSets(ctx, [32]byte(row.Genesis), head); err != nil {
		return err
	}
	if err := n.collect(ctx, head.number); err != nil {
		return err
	}
	if row, err = n.db.Read().GetSubstrateChain(ctx, n.name()); err != nil {
		return err
	}
	n.notice(row.Finals + row.Failures)
	again := n.signAgain(ctx, rt)
	why, err := n.send(ctx, rt)
	if err != nil {
		return errors.Join(again, err)
	}
	return errors.Join(again, n.see(ctx, why))
}

// see records that the chain answered, and why nothing can be anchored, or "".
func (n *Network) see(ctx context.Context, stopped string) error {
	return n.db.Tx(ctx, func(tx *store.Tx) error {
		return tx.SeeSubstrateChain(ctx, query.SeeSubstrateChainParams{Network: n.name(), Now: store.Micros(tx.Now), Stopped: stopped})
	})
}

// begin returns the chain's row. The first call creates it, with the accounts. It refuses a node
// of another chain, and one that has forgotten final blocks.
func (n *Network) begin(ctx context.Context, rt *runtime, head block) (query.SubstrateChain, error) {
	genesis, err := n.chain.hashAt(ctx, 0)
	if err != nil {
		return query.SubstrateChain{}, err
	}
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		b, err := n.chain.read(ctx, head.hash)
		if err != nil {
			return row, err
		}
		at, err := n.chain.time(ctx, rt.metadata, b)
		if err != nil {
			return row, err
		}
		err = n.db.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.InsertSubstrateChain(ctx, query.InsertSubstrateChainParams{
				Network: n.name(), Genesis: genesis[:], Number: head.number, Hash: head.hash[:], BlockAt: store.Micros(at), Now: store.Micros(tx.Now),
			})
			if err != nil {
				return err
			}
			row, err = tx.GetSubstrateChain(ctx, n.name())
			return err
		})
		if err != nil {
			return row, err
		}
	} else if err != nil {
		return row, err
	}
	if [32]byte(row.Genesis) != genesis {
		return row, errors.Join(n.see(ctx, errOtherChain.Error()), errOtherChain)
	}
	if n.current.Load() != nil {
		return row, nil
	}
	return row, n.db.Tx(ctx, func(tx *store.Tx) error {
		for i, public := range n.accounts {
			if err := tx.InsertSubstrateAccount(ctx, query.InsertSubstrateAccountParams{
				Network: n.name(), Account: public[:], Position: int64(i), Address: ss58.Address(public, rt.prefix),
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// scan reads the final blocks after row up to head. Without a transaction whose bytes can be on
// a block, it leaves blocks out: they were final before anything later is signed.
func (n *Network) scan(ctx context.Context, rt *runtime, row query.SubstrateChain, head block, all bool) error {
	if head.number < row.Number { // a node that is behind another one
		return nil
	}
	for number := row.Number; number < head.number; number = row.Number {
		open, err := n.open(ctx)
		if err != nil {
			return err
		}
		at, each := head.hash, anyValid(open)
		if each {
			if at, err = n.chain.hashAt(ctx, number+1); err != nil {
				return err
			}
		}
		b, err := n.chain.read(ctx, at)
		if err != nil {
			return err
		}
		if each && b.parent != rpc.Hex(row.Hash) {
			return fmt.Errorf("final block %d does not follow block %d, which was read as final: %w", b.number, number, errOtherChain)
		}
		if row, err = n.take(ctx, rt, row, b); err != nil {
			return err
		}
		if row.Number <= number {
			return fmt.Errorf("block %d was not recorded", b.number)
		}
	}
	if !all && !n.behind.Load() {
		return nil
	}
	if err := n.readAccounts(ctx, rt, row); err != nil {
		return err
	}
	n.behind.Store(false)
	return nil
}

// open returns the open calls, by the hash of the bytes of their transactions. Those of a batch are in
// its order.
func (n *Network) open(ctx context.Context) (map[[32]byte][]query.SubstrateTransaction, error) {
	rows, err := n.db.Read().ListOpenSubstrateTransactions(ctx, n.name())
	if err != nil {
		return nil, err
	}
	open := map[[32]byte][]query.SubstrateTransaction{}
	for _, r := range rows {
		open[[32]byte(r.SignedHash)] = append(open[[32]byte(r.SignedHash)], r)
	}
	return open, nil
}

// anyValid reports whether bytes of an open transaction can be on a block. After a restore of
// the database that may be so before they are wanted.
func anyValid(open map[[32]byte][]query.SubstrateTransaction) bool {
	for _, of := range open {
		if of[0].Nonce >= 0 {
			return true
		}
	}
	return false
}

// take records a final block: its results, and the accounts of its transactions in its state.
// It returns the chain's row, which another process can have moved further.
//
// The open transactions are read after the block. So bytes that another process signed after
// row was read are among them, if the block can have them.
func (n *Network) take(ctx context.Context, rt *runtime, row query.SubstrateChain, b block) (query.SubstrateChain, error) {
	open, err := n.open(ctx)
	if err != nil {
		return row, err
	}
	at, err := n.chain.time(ctx, rt.metadata, b)
	if err != nil {
		return row, err
	}
	results, err := n.results(ctx, b, open)
	if err != nil {
		return row, err
	}
	var publics [][32]byte
	for _, r := range results {
		if public := [32]byte(r.of.Account); !slices.Contains(publics, public) {
			publics = append(publics, public)
		}
	}
	accounts, err := n.chain.accounts(ctx, rt, b.hash, publics...)
	if discarded(err) {
		n.behind.Store(true) // they are read in a later state
	} else if err != nil {
		return row, err
	}
	n.crash("substrate.found")
	err = n.db.Tx(ctx, func(tx *store.Tx) error {
		var succeeded, failed int64
		var fees []paid
		for _, r := range results {
			fees = append(fees, r.paid)
			if r.again {
				continue
			}
			changed, err := tx.DecideSubstrateTransaction(ctx, query.DecideSubstrateTransactionParams{
				Network: n.name(), Hash: r.of.Hash, SignedHash: r.of.SignedHash, Now: store.Micros(tx.Now), Failure: r.failure, AtsID: r.atsID, Version: r.version, Block: b.number, Position: r.position,
				Fee: decimal(r.paid.fee), Tip: decimal(r.paid.tip),
			})
			if err != nil {
				return err
			}
			if changed == 0 {
				continue // another process was first; the claim below fails
			}
			if r.failure == "" {
				succeeded++
			} else {
				failed++
			}
		}
		moved, err := tx.AdvanceSubstrateChain(ctx, query.AdvanceSubstrateChainParams{
			Network: n.name(), Before: row.Number, Number: b.number, Hash: b.hash[:], BlockAt: store.Micros(at), Now: store.Micros(tx.Now), Finals: succeeded, Failures: failed,
		})
		if err != nil {
			return err
		}
		if moved == 0 {
			return errOvertaken
		}
		if err := n.addFees(ctx, tx, fees...); err != nil {
			return err
		}
		if len(results) > 0 {
			if err := tx.InsertSubstrateBlock(ctx, query.InsertSubstrateBlockParams{Network: n.name(), Number: b.number, Hash: b.hash[:], Header: b.header, CreatedAt: store.Micros(at)}); err != nil {
				return err
			}
		}
		for public, a := range accounts {
			if err := n.setAccount(ctx, tx, rt, public, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errOvertaken) {
		return row, err
	}
	n.crash("substrate.decided")
	return n.db.Read().GetSubstrateChain(ctx, n.name())
}

// errOvertaken is the error of a block that another process has recorded.
var errOvertaken = errors.New("another process has recorded the block")

func (n *Network) setAccount(ctx context.Context, tx *store.Tx, rt *runtime, public [32]byte, a account) error {
	return tx.SetSubstrateAccount(ctx, query.SetSubstrateAccountParams{
		Network: n.name(), Account: public[:], Nonce: a.nonce, Free: a.free.String(), Reserved: a.reserved.String(), Works: a.works, Capacity: rt.works,
	})
}

// readAccounts reads all accounts in the state of the newest block that was read.
func (n *Network) readAccounts(ctx context.Context, rt *runtime, row query.SubstrateChain) error {
	accounts, err := n.chain.accounts(ctx, rt, [32]byte(row.Hash), n.accounts...)
	if err != nil {
		return err
	}
	return n.db.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.GetSubstrateChain(ctx, n.name())
		if err != nil || now.Number != row.Number { // another process reads a newer state
			return err
		}
		for public, a := range accounts {
			if err := n.setAccount(ctx, tx, rt, public, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// results finds our transactions in a block, and what became of their calls.
func (n *Network) results(ctx context.Context, b block, open map[[32]byte][]query.SubstrateTransaction) ([]result, error) {
	var all []result
	var parts [][]result // of each transaction
	for i, x := range b.extrinsics {
		from := len(all)
		for _, of := range open[extrinsic.Hash(x)] {
			all = append(all, result{of: of, position: int64(i)})
		}
		if from < len(all) {
			parts = append(parts, all[from:len(all):len(all)])
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	rt, events, err := n.chain.events(ctx, b)
	if discarded(err) {
		return all, n.lookUp(ctx, b, all)
	}
	if err != nil {
		return nil, err
	}
	all = all[:0]
	for _, part := range parts {
		if part[0].of.Item == alone {
			err = part[0].read(rt, events)
		} else {
			err = readBatch(rt, events, part)
		}
		if err != nil {
			return nil, fmt.Errorf("extrinsic %d of block %d: %w", part[0].position, b.number, err)
		}
		all = append(all, part...)
	}
	return all, nil
}
