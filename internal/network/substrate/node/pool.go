package node

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// pooled is a transaction that a node knows: it waits for a block, or for finality.
type pooled struct {
	x        *extrinsic
	payload  Hash // of the signature that was verified
	seq      int
	ready    bool
	till     uint64 // the first block in which it is too old
	priority uint64
	in       *block
	watchers []*subscription
}

// tell sends a status to everybody who watches the transaction.
func (tx *pooled) tell(status any) {
	for _, w := range tx.watchers {
		w.send(status)
	}
}

// bannedFor is for how many blocks a node refuses bytes that it has seen in a block.
const bannedFor = 300

// The errors of JSON-RPC that a submission can meet.
var (
	errBanned   = &rpcError{Code: 1012, Message: "Transaction is temporarily banned"}
	errNoRoom   = &rpcError{Code: 1016, Message: "Immediately Dropped", Data: "The transaction couldn't enter the pool because of the limit"}
	errBadCalls = "Verification Error: Runtime error: Execution failed: "
)

// refused is the error of JSON-RPC for a transaction that is not valid.
func (n *Node) refused(why error) *rpcError {
	var i invalid
	if !errors.As(why, &i) {
		return &rpcError{Code: 1002, Message: errBadCalls + why.Error(), Data: "RuntimeApi(\"Execution failed\")"}
	}
	if n.opts.Chopsticks {
		text, err := json.Marshal(map[string]any{"invalid": map[string]any{says[i][1]: nil}})
		if err != nil {
			panic(err) // a map of strings
		}
		return &rpcError{Code: 1010, Message: string(text)}
	}
	return &rpcError{Code: 1010, Message: "Invalid Transaction", Data: says[i][0]}
}

// head returns the best block as a place to look at transactions.
func (n *Node) head() *at {
	b := n.best()
	return &at{n.program(b.state), &state{b.state}, b.number, b.hash, n.chain[0].hash}
}

// submit takes a transaction into the pool.
func (n *Node) submit(raw []byte) (*pooled, error) {
	head := n.head()
	x, err := head.prog.decode(raw)
	if err != nil {
		return nil, n.refused(err)
	}
	if n.pool[x.hash] != nil {
		return nil, &rpcError{Code: 1013, Message: "Transaction Already Imported", Data: x.hash.String()}
	}
	if till, ok := n.banned[x.hash]; ok && till > head.number && !n.opts.Chopsticks {
		return nil, errBanned
	}
	v, err := head.validate(x, Hash{})
	if err != nil {
		return nil, n.refused(err)
	}
	if n.opts.PoolLimit > 0 && len(n.pool) >= n.opts.PoolLimit {
		return nil, errNoRoom
	}
	tx := &pooled{x: x, payload: v.payload, seq: n.seq, till: uint64(head.number) + 1 + v.longevity, priority: v.priority}
	if v.longevity == 1<<64-1 {
		tx.till = v.longevity
	}
	for hash, other := range n.pool {
		if other.x.signer != x.signer || other.x.nonce != x.nonce {
			continue
		}
		if other.priority >= tx.priority {
			return nil, &rpcError{Code: 1014, Message: fmt.Sprintf("Priority is too low: (%d vs %d)", tx.priority, other.priority), Data: "The transaction has too low priority to replace another transaction already in the pool."}
		}
		delete(n.pool, hash)
		other.tell(map[string]any{"usurped": x.hash.String()})
	}
	n.seq++
	n.pool[x.hash] = tx
	return tx, nil
}

// drop removes a transaction that is not valid any longer.
func (n *Node) drop(tx *pooled, _ error) {
	delete(n.pool, tx.x.hash)
	tx.tell(n.bare("invalid"))
}

// bare is a status without a value, as the dialect has it.
func (n *Node) bare(status string) any {
	if n.opts.Chopsticks {
		return map[string]any{status: nil}
	}
	return status
}

// refresh looks at the pool on top of the best block: transactions become ready or too old.
func (n *Node) refresh() {
	number := n.best().number
	st := &state{n.best().state}
	all := n.ordered()
	slices.SortStableFunc(all, func(a, b *pooled) int { return cmp.Compare(a.x.nonce, b.x.nonce) })
	next := map[Account]uint32{}
	for _, tx := range all {
		if _, ok := next[tx.x.signer]; !ok {
			next[tx.x.signer] = st.account(tx.x.signer).Nonce
		}
		switch {
		case tx.x.nonce < next[tx.x.signer], tx.till <= uint64(number)+1:
			n.drop(tx, invalidStale)
		case tx.x.nonce == next[tx.x.signer]:
			next[tx.x.signer]++
			if !tx.ready {
				tx.ready = true
				tx.tell(n.bare("ready"))
				tx.tell(map[string]any{"broadcast": []string{peer}})
			}
		case tx.ready || !tx.told():
			tx.ready = false
			tx.tell(n.bare("future"))
		}
	}
	for hash, till := range n.banned {
		if till <= number {
			delete(n.banned, hash)
		}
	}
}

// peer is the name of a peer that gets every transaction.
const peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"

// told says whether a watcher has had a status before.
func (tx *pooled) told() bool {
	for _, w := range tx.watchers {
		if !w.used {
			return false
		}
	}
	return true
}

// nextIndex returns the nonce after those of the state and of the ready transactions.
func (n *Node) nextIndex(a Account) uint32 {
	st := &state{n.best().state}
	next := st.account(a).Nonce
	for found := true; found; {
		found = false
		for _, tx := range n.pool {
			if tx.x.signer == a && tx.x.nonce == next && tx.ready {
				next++
				found = true
			}
		}
	}
	return next
}
