package node

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

// pool has the transactions that wait for a block, by hash and by account and nonce.
type pool struct {
	all map[Hash]*pooled
	of  map[Account]map[uint32]*pooled
}

func newPool() pool { return pool{map[Hash]*pooled{}, map[Account]map[uint32]*pooled{}} }

func (p *pool) add(tx *pooled) {
	p.all[tx.x.hash] = tx
	if p.of[tx.x.signer] == nil {
		p.of[tx.x.signer] = map[uint32]*pooled{}
	}
	p.of[tx.x.signer][tx.x.nonce] = tx
}

func (p *pool) remove(tx *pooled) {
	delete(p.all, tx.x.hash)
	delete(p.of[tx.x.signer], tx.x.nonce)
	if len(p.of[tx.x.signer]) == 0 {
		delete(p.of, tx.x.signer)
	}
}

// shown says whether a watcher has had a status before.
func (tx *pooled) shown() bool {
	for _, w := range tx.watchers {
		if !w.used {
			return false
		}
	}
	return true
}

func (tx *pooled) unwatch(c *conn, id string) {
	for i, w := range tx.watchers {
		if w.c == c && w.id == id {
			tx.watchers = append(tx.watchers[:i:i], tx.watchers[i+1:]...)
			return
		}
	}
}
