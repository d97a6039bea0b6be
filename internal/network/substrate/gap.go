package substrate

import (
	"context"
	"errors"
	"math"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// taken says whether a node took a transaction, about a block ago or earlier.
func (n *Network) taken(row query.SubstrateTransaction) bool {
	return row.Wanted && row.SentAt != 0 && row.Answer == "" && n.db.Now().Sub(store.Time(row.SentAt)).Abs() >= n.config.Poll
}

// gap asks for the first nonce of an account that the node has neither on a block nor in its pool.
// Transactions that it took with this nonce or a later one are lost, as after a restart of the
// node. It is above all nonces if nothing is lost, or if the node does not say it.
//
// Only the time to send again depends on the answer. The same bytes may be sent at any time, so
// a wrong answer costs requests, and nothing else.
func (n *Network) gap(ctx context.Context, address string, open []query.SubstrateTransaction) (int64, error) {
	last := int64(-1)
	for _, row := range open {
		if n.taken(row) {
			last = max(last, row.Nonce)
		}
	}
	if last < 0 {
		return math.MaxInt64, nil
	}
	var next int64
	var refused *rpc.Error
	if err := n.chain.client.Call(ctx, &next, "system_accountNextIndex", address); errors.As(err, &refused) || err == nil && next > last {
		return math.MaxInt64, nil
	} else if err != nil {
		return 0, err
	}
	return next, nil
}
