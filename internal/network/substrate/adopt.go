package substrate

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A database that was restored can lack bytes that were sent after its copy was made. The call
// of such a transaction is on the chain, and the database would sign it once more. So before
// bytes are sent for the first time, the works of our accounts that the database does not know
// are compared with them. A call that the chain has already is not sent.

// adoptNew takes the calls from due that the chain has already, and records where. It returns
// the others.
func (n *Network) adoptNew(ctx context.Context, rt *runtime, at query.SubstrateChain, due []query.SubstrateTransaction) (rest []query.SubstrateTransaction, err error) {
	var works []made
	read := false
	for _, row := range due {
		if row.SentAt != 0 {
			rest = append(rest, row)
			continue
		}
		if row.Updates == 0 && !read {
			if works, err = n.unknown(ctx, rt, [32]byte(at.Hash)); err != nil {
				return nil, err
			}
			read = true
		}
		of := works
		if row.Updates != 0 {
			if of, err = n.following(ctx, rt, [32]byte(at.Hash), row.Updates); err != nil {
				return nil, err
			}
		}
		adopted := false
		for i, m := range of {
			if m.commitment != [32]byte(row.Commitment) {
				continue
			}
			if adopted, err = n.adopt(ctx, rt, row, m); err != nil {
				return nil, err
			}
			if adopted && row.Updates == 0 {
				works = append(works[:i:i], works[i+1:]...)
			}
			break
		}
		if !adopted {
			rest = append(rest, row)
		}
	}
	return rest, nil
}

// unknown returns the works of our accounts that are in no row.
func (n *Network) unknown(ctx context.Context, rt *runtime, at [32]byte) (all []made, err error) {
	for _, public := range n.accounts {
		list, err := n.chain.stored(ctx, rt.metadata, at, pallet, "OwnerIndex", public[:])
		if err != nil {
			return nil, err
		}
		ids, err := readIDs(list)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if _, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: id}); err == nil {
				continue
			} else if !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
			m, found := n.foreign[id] // what the chain has never changes
			if !found {
				if m, found, err = n.chain.version(ctx, rt, at, id, 0); err != nil {
					return nil, err
				}
				if !found {
					continue
				}
				n.foreign[id] = m
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// following returns the version of a work after the newest one in a row, if the chain has it.
func (n *Network) following(ctx context.Context, rt *runtime, at [32]byte, atsID int64) ([]made, error) {
	work, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: atsID})
	if err != nil {
		return nil, err
	}
	m, found, err := n.chain.version(ctx, rt, at, atsID, work.Version)
	if err != nil || !found {
		return nil, err
	}
	return []made{m}, nil
}

// adopt records that the chain has the call of a row under other bytes. It reports false if the
// block has no such transaction of our accounts.
func (n *Network) adopt(ctx context.Context, rt *runtime, row query.SubstrateTransaction, m made) (bool, error) {
	hash, err := n.chain.hashAt(ctx, m.block)
	if err != nil {
		return false, err
	}
	b, err := n.chain.read(ctx, hash)
	if err != nil {
		return false, err
	}
	when, err := n.chain.time(ctx, rt.metadata, b)
	if err != nil {
		return false, err
	}
	call := append(bytes.Clone(row.Commitment), byte(row.Protocol))
	if row.Updates != 0 {
		call = append(binary.LittleEndian.AppendUint64(nil, uint64(row.Updates)), call...)
	}
	for i, x := range b.extrinsics {
		public, signed := extrinsic.Signer(x)
		if !signed || !n.ours(public) || !bytes.HasSuffix(x, call) {
			continue
		}
		if _, err := n.db.Read().GetSubstrateTransactionBySignedHash(ctx, query.GetSubstrateTransactionBySignedHashParams{Network: n.name(), Hash: hashOf(x)}); err == nil {
			continue // it is another row's
		} else if !errors.Is(err, sql.ErrNoRows) {
			return false, err
		}
		var took paid
		if _, events, err := n.chain.events(ctx, b); err == nil {
			took = paidFor(events, int64(i))
		} else if !discarded(err) {
			return false, err
		}
		var changed int64
		err := n.db.Tx(ctx, func(tx *store.Tx) (err error) {
			changed, err = tx.AdoptSubstrateTransaction(ctx, query.AdoptSubstrateTransactionParams{
				Network: n.name(), Before: row.SignedHash, Account: public[:], Signed: x, SignedHash: hashOf(x), Now: store.Micros(tx.Now),
				AtsID: m.atsID, Version: m.version + 1, Block: b.number, Position: int64(i),
				Fee: decimal(took.fee), Tip: decimal(took.tip),
			})
			if err != nil || changed == 0 {
				return err
			}
			if err := tx.InsertSubstrateBlock(ctx, query.InsertSubstrateBlockParams{Network: n.name(), Number: b.number, Hash: b.hash[:], Header: b.header, CreatedAt: store.Micros(when)}); err != nil {
				return err
			}
			if err := tx.CountSubstrateFinal(ctx, n.name()); err != nil {
				return err
			}
			return n.addFees(ctx, tx, took)
		})
		if err != nil {
			return false, fmt.Errorf("adopt work %d: %w", m.atsID, err)
		}
		n.config.Logger.WarnContext(ctx, "the chain has a transaction that this database does not know: it is taken over, and not sent again", "network", n.config.Network, "ats_id", m.atsID, "block", b.number)
		return true, nil
	}
	return false, nil
}

func hashOf(x []byte) []byte {
	h := extrinsic.Hash(x)
	return h[:]
}
