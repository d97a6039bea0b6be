package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/coder/websocket"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/wasm"
)

// readLimit is the longest message that a node reads.
const readLimit = 15 << 20

// ServeHTTP serves JSON-RPC over a WebSocket, or one call as a POST.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		http.Error(w, "the node is down", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		var q request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, readLimit)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n.mu.Lock()
		a, after := n.answer(nil, &q)
		if after != nil {
			after()
		}
		n.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	ws.SetReadLimit(readLimit)
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{ws: ws, cancel: cancel, wake: make(chan struct{}, 1), subs: map[string]*subscription{}}
	n.mu.Lock()
	if n.down {
		cancel()
	} else {
		n.conns[c] = true
	}
	n.mu.Unlock()
	go c.write(ctx)
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			break
		}
		var q request
		if json.Unmarshal(b, &q) != nil {
			c.push(map[string]any{"jsonrpc": "2.0", "id": nil, "error": &rpcError{Code: -32700, Message: "Parse error"}})
			continue
		}
		n.handle(ctx, c, &q)
	}
	n.mu.Lock()
	n.forget(c)
	n.mu.Unlock()
	cancel()
	_ = ws.CloseNow()
}

// request is one call.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// handle answers one call of a connection, with the faults that are set.
func (n *Node) handle(ctx context.Context, c *conn, q *request) {
	n.mu.Lock()
	f := meet(n.faults, q.Method)
	n.mu.Unlock()
	serve := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.conns[c] {
			return
		}
		if f != nil && f.Drop == DropBefore {
			n.forget(c)
			c.cancel()
			return
		}
		if f != nil && f.Code != 0 {
			c.push(map[string]any{"jsonrpc": "2.0", "id": q.ID, "error": &rpcError{Code: f.Code, Message: f.Message}})
			return
		}
		a, after := n.answer(c, q)
		if f != nil && f.Drop == DropAfter {
			n.forget(c)
			c.cancel()
		} else {
			if n.opts.NotifyFirst {
				n.open(c)
			}
			c.push(a)
		}
		if after != nil {
			after()
		}
		n.open(c)
	}
	if f == nil || f.Wait == nil {
		serve()
		return
	}
	go func() { // other calls of the connection go on
		select {
		case <-f.Wait:
			serve()
		case <-ctx.Done():
		}
	}()
}

// answer answers a call. The caller runs after when the answer is sent.
func (n *Node) answer(c *conn, q *request) (_ any, after func()) {
	n.calls[q.Method]++
	result, after, err := n.call(c, q)
	if err == nil {
		return map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": result}, after
	}
	var e *rpcError
	if !errors.As(err, &e) {
		e = &rpcError{Code: -32602, Message: "Invalid params", Data: err.Error()}
	}
	return map[string]any{"jsonrpc": "2.0", "id": q.ID, "error": e}, nil
}

// arguments read the parameters of a call; the first error stays.
type arguments struct {
	all []json.RawMessage
	err error
}

func (a *arguments) has(i int) bool {
	return i < len(a.all) && string(a.all[i]) != "null"
}

func (a *arguments) read(i int, into any) {
	if a.err == nil && !a.has(i) {
		a.err = fmt.Errorf("parameter %d is missing", i)
	}
	if a.err == nil {
		a.err = json.Unmarshal(a.all[i], into)
	}
}

func (a *arguments) text(i int) (s string) {
	a.read(i, &s)
	return s
}

func (a *arguments) bytes(i int) []byte {
	s := a.text(i)
	if a.err != nil {
		return nil
	}
	b, err := unhexed(s)
	if err != nil {
		a.err = err
	}
	return b
}

// blockAt reads the hash of a block; without one it is the best block.
func (n *Node) blockAt(a *arguments, i int) *block {
	if !a.has(i) {
		return n.best()
	}
	h := a.bytes(i)
	if a.err == nil && len(h) != 32 {
		a.err = errors.New("a hash has 32 bytes")
	}
	if a.err != nil {
		return nil
	}
	return n.blocks[Hash(h)]
}

// stateAt is blockAt for calls that need the block's state.
func (n *Node) stateAt(a *arguments, i int) *block {
	b := n.blockAt(a, i)
	switch {
	case a.err != nil:
	case b == nil:
		a.err = &rpcError{Code: 4003, Message: "Client error: UnknownBlock: Header was not found in the database: " + a.text(i)}
	case b.state == nil:
		a.err = &rpcError{Code: 4003, Message: "Client error: UnknownBlock: State already discarded for " + b.hash.String()}
	}
	return b
}

// methods are the names that rpc_methods returns.
var methods = []string{
	"author_pendingExtrinsics", "author_submitAndWatchExtrinsic", "author_submitExtrinsic", "author_unwatchExtrinsic",
	"chain_getBlock", "chain_getBlockHash", "chain_getFinalizedHead", "chain_getHeader", "chain_subscribeAllHeads", "chain_subscribeFinalizedHeads",
	"chain_subscribeNewHeads", "chain_unsubscribeAllHeads", "chain_unsubscribeFinalizedHeads", "chain_unsubscribeNewHeads", "grandpa_proveFinality",
	"grandpa_subscribeJustifications", "grandpa_unsubscribeJustifications", "payment_queryInfo", "rpc_methods", "state_call",
	"state_getKeysPaged", "state_getMetadata", "state_getReadProof", "state_getRuntimeVersion", "state_getStorage",
	"state_getStorageAt", "state_getStorageHash", "state_queryStorageAt", "state_subscribeRuntimeVersion", "state_subscribeStorage",
	"state_unsubscribeRuntimeVersion", "state_unsubscribeStorage", "system_accountNextIndex",
	"system_chain", "system_health", "system_name", "system_properties", "system_version",
}

// call runs a method.
func (n *Node) call(c *conn, q *request) (result any, after func(), err error) {
	a := &arguments{all: q.Params}
	done := func(v any) (any, func(), error) { return v, nil, a.err }
	switch q.Method {
	case "rpc_methods":
		return done(map[string]any{"methods": methods})
	case "system_chain":
		if s := n.opts.Spec; s != nil {
			return done(s.Name)
		}
		return done("Timbre Test Chain")
	case "system_name":
		return done("Timbre Test Node")
	case "system_version":
		return done("1.0.0")
	case "system_health":
		return done(map[string]any{"peers": 3, "isSyncing": false, "shouldHavePeers": true})
	case "system_properties":
		if s := n.opts.Spec; s != nil && s.Properties != nil {
			return done(s.Properties)
		}
		return done(map[string]any{"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "MEL"})
	case "system_accountNextIndex":
		who, err := ss58(a.text(0))
		if a.err == nil {
			a.err = err
		}
		return done(n.nextIndex(who))

	case "chain_getBlockHash":
		return n.blockHashes(a)
	case "chain_getFinalizedHead":
		return done(n.final.hash.String())
	case "chain_getHeader", "chain_getBlock":
		b := n.blockAt(a, 0)
		switch {
		case b == nil:
			return done(nil)
		case q.Method == "chain_getHeader":
			return done(n.headerJSON(b))
		}
		return done(n.blockJSON(b))

	case "state_getMetadata":
		if b := n.stateAt(a, 0); a.err == nil {
			return done(hexed(n.program(b.state).blobs[14]))
		}
		return done(nil)
	case "state_getRuntimeVersion":
		if b := n.stateAt(a, 0); a.err == nil {
			return done(n.versionJSON(n.program(b.state)))
		}
		return done(nil)
	case "state_getStorage", "state_getStorageAt", "state_getStorageHash":
		k, b := a.bytes(0), n.stateAt(a, 1)
		if a.err != nil {
			return done(nil)
		}
		v, found := b.state.get(nibbles(k))
		switch {
		case !found:
			return done(nil)
		case q.Method == "state_getStorageHash":
			return done(Hash(blake2b.Sum256(v)).String())
		}
		return done(hexed(v))
	case "state_queryStorageAt":
		var keys []string
		a.read(0, &keys)
		b := n.stateAt(a, 1)
		if a.err != nil {
			return done(nil)
		}
		return done([]any{map[string]any{"block": b.hash.String(), "changes": n.values(b, keys)}})
	case "state_getKeysPaged":
		return n.keysPaged(a)
	case "state_getReadProof":
		var names []string
		a.read(0, &names)
		b := n.stateAt(a, 1)
		var keys [][]byte
		for _, name := range names {
			k, err := unhexed(name)
			if a.err == nil {
				a.err = err
			}
			keys = append(keys, k)
		}
		if a.err != nil {
			return done(nil)
		}
		proof := []string{}
		for _, p := range b.state.prove(1, keys...) {
			proof = append(proof, hexed(p))
		}
		return done(map[string]any{"at": b.hash.String(), "proof": proof})
	case "state_call":
		name, in, b := a.text(0), a.bytes(1), n.stateAt(a, 2)
		if a.err != nil {
			return done(nil)
		}
		out, err := n.runtimeCall(b, name, in)
		if err != nil {
			return nil, nil, err
		}
		return done(hexed(out))
	case "payment_queryInfo":
		raw, b := a.bytes(0), n.stateAt(a, 1)
		if a.err != nil {
			return done(nil)
		}
		if p := n.program(b.state); p.wasm != nil {
			v, err := p.paymentInfo(b, raw)
			return v, nil, err
		}
		x, err := n.program(b.state).decode(raw)
		if err != nil {
			return nil, nil, &rpcError{Code: 9001, Message: "Unable to decode extrinsic: " + err.Error()}
		}
		if n.opts.Chopsticks {
			return done(hexed(dispatchInfo(x, uint64(len(raw)))))
		}
		return done(map[string]any{
			"weight": map[string]any{"ref_time": x.weight(), "proof_size": x.proof()}, "class": "normal", "partialFee": strconv.FormatUint(x.fee(), 10),
		})

	case "author_pendingExtrinsics":
		all := []string{}
		for _, tx := range n.ordered() {
			if tx.ready {
				all = append(all, hexed(tx.x.raw))
			}
		}
		return done(all)
	case "author_submitExtrinsic", "author_submitAndWatchExtrinsic":
		raw := a.bytes(0)
		if a.err != nil {
			return done(nil)
		}
		tx, err := n.submit(raw)
		if err != nil {
			return nil, nil, err
		}
		var id any = tx.x.hash.String()
		if q.Method == "author_submitAndWatchExtrinsic" && c != nil {
			s := n.subscribe(c, updates)
			tx.watchers = append(tx.watchers, s)
			id = s.id
		}
		n.refreshOf(tx.x.signer)
		return id, func() {
			if n.opts.Auto && tx.ready {
				n.step()
			}
		}, nil

	case "dev_setStorage":
		if n.opts.Spec == nil {
			break
		}
		return n.setStorage(a)

	case "grandpa_proveFinality":
		return n.proveFinality(a)

	case "chain_subscribeNewHeads", "chain_subscribeNewHead", "chain_subscribeAllHeads", "chain_subscribeFinalizedHeads", "grandpa_subscribeJustifications", "state_subscribeRuntimeVersion", "state_subscribeStorage":
		if c == nil {
			return nil, nil, &rpcError{Code: -32601, Message: "Method not found"}
		}
		switch q.Method {
		case "chain_subscribeFinalizedHeads":
			s := n.subscribe(c, finalizedHeads)
			s.send(n.headerJSON(n.final))
			return done(s.id)
		case "grandpa_subscribeJustifications":
			return done(n.subscribe(c, justifications).id)
		case "state_subscribeStorage":
			var keys []string
			if a.read(0, &keys); a.err != nil {
				return done(nil)
			}
			s := n.subscribe(c, storageChanges)
			s.keys, s.seen = keys, map[string]string{}
			n.compare(s)
			return done(s.id)
		case "state_subscribeRuntimeVersion":
			s := n.subscribe(c, runtimeVersion)
			s.send(n.versionJSON(n.program(n.best().state)))
			return done(s.id)
		}
		kind := newHeads
		if q.Method == "chain_subscribeAllHeads" {
			kind = allHeads
		}
		s := n.subscribe(c, kind)
		s.send(n.headerJSON(n.best()))
		return done(s.id)
	case "chain_unsubscribeNewHeads", "chain_unsubscribeNewHead", "chain_unsubscribeAllHeads", "chain_unsubscribeFinalizedHeads", "grandpa_unsubscribeJustifications", "state_unsubscribeRuntimeVersion", "state_unsubscribeStorage", "author_unwatchExtrinsic":
		if c == nil {
			return nil, nil, &rpcError{Code: -32601, Message: "Method not found"}
		}
		id := a.text(0)
		_, found := c.subs[id]
		delete(c.subs, id)
		for _, tx := range n.pool.all {
			tx.unwatch(c, id)
		}
		for _, tx := range n.included {
			tx.unwatch(c, id)
		}
		return done(found)
	}
	return nil, nil, &rpcError{Code: -32601, Message: "Method not found"}
}

// blockHashes answers chain_getBlockHash: one number, several, or none for the best block.
func (n *Node) blockHashes(a *arguments) (any, func(), error) {
	if !a.has(0) {
		return n.best().hash.String(), nil, nil
	}
	one := func(raw json.RawMessage) (any, error) {
		var number uint64
		if err := json.Unmarshal(raw, &number); err != nil {
			var s string
			if json.Unmarshal(raw, &s) != nil || len(s) < 3 {
				return nil, err
			}
			if number, err = strconv.ParseUint(s[2:], 16, 64); err != nil {
				return nil, err
			}
		}
		if number >= uint64(len(n.chain)) {
			return nil, nil
		}
		return n.chain[number].hash.String(), nil
	}
	var several []json.RawMessage
	if json.Unmarshal(a.all[0], &several) != nil {
		h, err := one(a.all[0])
		return h, nil, err
	}
	out := []any{}
	for _, raw := range several {
		h, err := one(raw)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, h)
	}
	return out, nil, nil
}

// maxPage is the most keys that a node returns at once.
const maxPage = 1000

func (n *Node) keysPaged(a *arguments) (any, func(), error) {
	var prefix, start []byte
	if a.has(0) {
		prefix = a.bytes(0)
	}
	var count int
	a.read(1, &count)
	if a.has(2) {
		start = a.bytes(2)
	}
	b := n.stateAt(a, 3)
	if a.err != nil {
		return nil, nil, a.err
	}
	if count > maxPage {
		return nil, nil, &rpcError{Code: 4002, Message: fmt.Sprintf("count exceeds maximum value. value: %d, max: %d", count, maxPage)}
	}
	keys := []string{}
	b.state.walk(nil, func(path, _ []byte) bool {
		if len(path)%2 == 0 {
			if k := packed(path); bytes.HasPrefix(k, prefix) && (start == nil || bytes.Compare(k, start) > 0) {
				keys = append(keys, hexed(k))
			}
		}
		return len(keys) < count
	})
	return keys, nil, nil
}

// runtimeCall runs a function of the runtime.
func (n *Node) runtimeCall(b *block, name string, in []byte) ([]byte, error) {
	prog := n.program(b.state)
	bad := func(err error) error {
		return &rpcError{Code: 4003, Message: "Client error: Execution failed: Execution aborted due to trap: " + err.Error()}
	}
	if prog.wasm != nil {
		out, err := prog.call(&layers{state: state{b.state}}, name, in)
		switch {
		case errors.Is(err, wasm.ErrNoFunction):
			return nil, noFunction(name)
		case err != nil:
			return nil, bad(err)
		}
		return out, nil
	}
	r := scale.NewReader(in)
	switch name {
	case "Core_version":
		return prog.version, nil
	case "Metadata_metadata":
		return scale.AppendBytes(nil, prog.blobs[14]), nil
	case "Metadata_metadata_versions":
		out := scale.AppendCompact(nil, uint64(len(prog.blobs)))
		for _, v := range slices.Sorted(maps.Keys(prog.blobs)) {
			out = append(out, le32(v)...)
		}
		return out, nil
	case "Metadata_metadata_at_version":
		v := r.U32()
		if r.End() != nil {
			return nil, bad(r.End())
		}
		if blob := prog.blobs[v]; blob != nil {
			return scale.AppendBytes([]byte{1}, blob), nil
		}
		return []byte{0}, nil
	case "GrandpaApi_grandpa_authorities":
		v, _ := b.state.get(nibbles(keyAuthorities))
		return v, nil
	case "GrandpaApi_current_set_id":
		return le64((&state{b.state}).number(SetIDKey)), nil
	case "AccountNonceApi_account_nonce":
		who := Account(r.Hash())
		if r.End() != nil {
			return nil, bad(r.End())
		}
		return le32((&state{b.state}).account(who).Nonce), nil
	case "TransactionPaymentApi_query_info":
		if len(in) < 4 {
			return nil, bad(scale.ErrShort)
		}
		x, err := prog.decode(in[:len(in)-4])
		if err != nil {
			return nil, bad(err)
		}
		return dispatchInfo(x, uint64(binary.LittleEndian.Uint32(in[len(in)-4:]))), nil
	case "TaggedTransactionQueue_validate_transaction":
		if len(in) < 33 {
			return nil, bad(scale.ErrShort)
		}
		x, err := prog.decode(in[1 : len(in)-32])
		if err != nil {
			return nil, bad(err)
		}
		v, err := (&at{prog, &state{b.state}, b.number, b.hash, n.genesis}).validate(x, Hash{})
		var i invalid
		if errors.As(err, &i) {
			return []byte{1, 0, byte(i)}, nil
		}
		return v.encode(x), nil
	}
	return nil, noFunction(name)
}

func noFunction(name string) *rpcError {
	return &rpcError{Code: 4003, Message: "Client error: Execution failed: Other: Exported method " + name + " is not found"}
}

// proveFinality answers grandpa_proveFinality.
func (n *Node) proveFinality(a *arguments) (any, func(), error) {
	var number uint32
	a.read(0, &number)
	if a.err != nil {
		return nil, nil, a.err
	}
	if number > n.final.number {
		return nil, nil, &rpcError{Code: 2, Message: fmt.Sprintf("Cannot prove finality of block %d: it is not final yet", number)}
	}
	target, justification := n.newestAt, n.newest
	for _, last := range n.last {
		if number <= last {
			target = n.chain[last]
			justification = target.justification
			break
		}
	}
	if justification == nil {
		return nil, nil, nil
	}
	out := scale.AppendBytes(bytes.Clone(target.hash[:]), justification)
	var headers [][]byte
	for i := number + 1; i <= target.number; i++ {
		headers = append(headers, n.chain[i].header)
	}
	out = scale.AppendCompact(out, uint64(len(headers)))
	for _, h := range headers {
		out = append(out, h...)
	}
	return hexed(out), nil, nil
}

// setStorage answers dev_setStorage: it changes storage, and makes a block that has the change. A null
// value removes a key.
func (n *Node) setStorage(a *arguments) (any, func(), error) {
	var pairs [][2]*string
	a.read(0, &pairs)
	if a.err != nil {
		return nil, nil, a.err
	}
	st := &state{n.best().state}
	for i, p := range pairs {
		if p[0] == nil {
			return nil, nil, fmt.Errorf("entry %d has no key", i)
		}
		k, err := unhexed(*p[0])
		if err != nil {
			return nil, nil, fmt.Errorf("the key of entry %d: %w", i, err)
		}
		if p[1] == nil {
			st.remove(k)
			continue
		}
		v, err := unhexed(*p[1])
		if err != nil {
			return nil, nil, fmt.Errorf("the value of entry %d: %w", i, err)
		}
		st.put(k, v)
	}
	parent := n.best()
	changed := *parent
	changed.state = st.top
	b, in, out := n.build(&changed, n.ordered(), false)
	n.include(b, in, out)
	return b.hash.String(), nil, nil
}
