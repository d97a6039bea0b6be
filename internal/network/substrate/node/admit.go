package node

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/blake2b"
)

// ordered returns the transactions of the pool in the order in which a block takes them:
// the highest tip first, then the first one that came.
func (n *Node) ordered() []*pooled {
	var all []*pooled
	for _, tx := range n.pool.all {
		all = append(all, tx)
	}
	slices.SortFunc(all, func(a, b *pooled) int {
		return cmp.Or(cmp.Compare(b.x.tip, a.x.tip), cmp.Compare(a.seq, b.seq))
	})
	return all
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
	var known *rpcError
	if errors.As(why, &known) {
		return known
	}
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
	return &rpcError{Code: 1010, Message: "Invalid Transaction", Data: i.Error()}
}

// admit reads a transaction, and checks it on top of a block.
func (n *Node) admit(b *block, raw []byte) (*extrinsic, valid, error) {
	prog := n.program(b.state)
	if prog.wasm != nil {
		return prog.ask(b, raw)
	}
	x, err := prog.decode(raw)
	if err != nil {
		return nil, valid{}, err
	}
	v, err := (&at{prog, &state{b.state}, b.number, b.hash, n.genesis}).validate(x, Hash{})
	return x, v, err
}

// submit takes a transaction into the pool.
func (n *Node) submit(raw []byte) (*pooled, error) {
	head := n.best()
	if hash := Hash(blake2b.Sum256(raw)); n.pool.all[hash] != nil {
		return nil, &rpcError{Code: 1013, Message: "Transaction Already Imported", Data: hash.String()}
	} else if till, ok := n.banned[hash]; ok && till > head.number && !n.opts.Chopsticks {
		return nil, errBanned
	}
	x, v, err := n.admit(head, raw)
	if err != nil {
		return nil, n.refused(err)
	}
	if n.opts.PoolLimit > 0 && len(n.pool.all) >= n.opts.PoolLimit {
		return nil, errNoRoom
	}
	tx := &pooled{x: x, payload: v.payload, seq: n.seq, till: uint64(head.number) + 1 + v.longevity, priority: v.priority}
	if v.longevity == 1<<64-1 {
		tx.till = v.longevity
	}
	if other := n.pool.of[x.signer][x.nonce]; other != nil {
		if other.priority >= tx.priority {
			return nil, &rpcError{Code: 1014, Message: fmt.Sprintf("Priority is too low: (%d vs %d)", tx.priority, other.priority), Data: "The transaction has too low priority to replace another transaction already in the pool."}
		}
		n.pool.remove(other)
		other.tell(map[string]any{"usurped": x.hash.String()})
	}
	n.seq++
	n.pool.add(tx)
	return tx, nil
}

// drop removes a transaction that is not valid any longer.
func (n *Node) drop(tx *pooled) {
	n.pool.remove(tx)
	tx.tell(n.bare("invalid"))
}

// refresh looks at the pool on top of the best block: transactions become ready or too old.
func (n *Node) refresh() {
	var first []*pooled // one of each account, in the order in which they came
	for _, of := range n.pool.of {
		for _, tx := range of {
			first = append(first, tx)
			break
		}
	}
	slices.SortFunc(first, func(a, b *pooled) int { return cmp.Compare(a.seq, b.seq) })
	for _, tx := range first {
		n.refreshOf(tx.x.signer)
	}
	for hash, till := range n.banned {
		if till <= n.best().number {
			delete(n.banned, hash)
		}
	}
}

// refreshOf is refresh for one account.
func (n *Node) refreshOf(a Account) {
	number := n.best().number
	next := (&state{n.best().state}).nonce(a)
	for _, nonce := range slices.Sorted(maps.Keys(n.pool.of[a])) {
		tx := n.pool.of[a][nonce]
		switch {
		case nonce < next, tx.till <= uint64(number)+1:
			n.drop(tx)
		case nonce == next:
			next++
			if !tx.ready {
				tx.ready = true
				tx.tell(n.bare("ready"))
				tx.tell(map[string]any{"broadcast": []string{peer}})
			}
		case tx.ready || !tx.shown():
			tx.ready = false
			tx.tell(n.bare("future"))
		}
	}
}

// peer is the name of a peer that gets every transaction.
const peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"

// nextIndex returns the nonce after those of the state and of the ready transactions.
func (n *Node) nextIndex(a Account) uint32 {
	next := (&state{n.best().state}).nonce(a)
	for of := n.pool.of[a]; of[next] != nil && of[next].ready; {
		next++
	}
	return next
}
