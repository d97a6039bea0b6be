package node

import (
	"fmt"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// publish tells all subscribers of a kind.
func (n *Node) publish(kind string, what any) {
	if b, ok := what.(*block); ok {
		what = n.headerJSON(b)
	}
	for c := range n.conns {
		for _, s := range c.subs {
			if s.kind == kind {
				s.send(what)
			}
		}
	}
	if kind != newHeads {
		return
	}
	for c := range n.conns { // versions and values are published when they change
		for _, s := range c.subs {
			if s.kind == storageChanges {
				n.compare(s)
			}
			if s.kind == runtimeVersion && len(n.chain) > 1 && n.program(n.best().state) != n.program(n.before().state) {
				s.send(n.versionJSON(n.program(n.best().state)))
			}
		}
	}
}

// compare sends the watched values that are not as they were.
func (n *Node) compare(s *subscription) {
	changes := n.values(n.best(), s.keys)
	var out []any
	for _, pair := range changes {
		text := fmt.Sprint(pair[1])
		if old, ok := s.seen[pair[0].(string)]; !ok || old != text {
			s.seen[pair[0].(string)] = text
			out = append(out, pair)
		}
	}
	if out != nil {
		s.send(map[string]any{"block": n.best().hash.String(), "changes": out})
	}
}

// values returns pairs of keys and values, or null, as storage changes have them.
func (n *Node) values(b *block, keys []string) (out [][2]any) {
	for _, name := range keys {
		pair := [2]any{name, nil}
		if k, err := unhexed(name); err == nil {
			if v, found := b.state.get(nibbles(k)); found {
				pair[1] = hexed(v)
			}
		}
		out = append(out, pair)
	}
	return out
}

// open sends what new subscriptions have held back.
func (n *Node) open(c *conn) {
	for _, s := range c.subs {
		if !s.open {
			s.open = true
			for _, h := range s.held {
				s.send(h)
			}
			s.held = nil
		}
	}
}

// subscribe makes a subscription. Its notifications wait until open.
func (n *Node) subscribe(c *conn, kind string) *subscription {
	n.seq++
	sum := blake2b.Sum256(fmt.Appendf(nil, "%d", n.seq))
	s := &subscription{c: c, id: fmt.Sprintf("%x", sum[:8]), kind: kind}
	c.subs[s.id] = s
	return s
}

func (n *Node) headerJSON(b *block) map[string]any {
	logs := []string{}
	for _, l := range b.logs {
		logs = append(logs, hexed(l))
	}
	return map[string]any{
		"parentHash": b.parent.String(), "number": n.numberJSON(b.number), "stateRoot": b.stateRoot.String(),
		"extrinsicsRoot": b.extrinsicsRoot.String(), "digest": map[string]any{"logs": logs},
	}
}

// numbers is a list of bytes that JSON has as numbers, as nodes do in justifications.
func numbers(b []byte) []int {
	out := make([]int, len(b))
	for i, v := range b {
		out[i] = int(v)
	}
	return out
}

func (n *Node) blockJSON(b *block) map[string]any {
	body := []string{}
	for _, x := range b.body {
		body = append(body, hexed(x))
	}
	var kept any
	if b.justification != nil {
		kept = []any{[]any{numbers([]byte("FRNK")), numbers(b.justification)}}
	}
	return map[string]any{"block": map[string]any{"header": n.headerJSON(b), "extrinsics": body}, "justifications": kept}
}

func (n *Node) versionJSON(p *program) map[string]any {
	r := scale.NewReader(p.version)
	out := map[string]any{"specName": r.Text(), "implName": r.Text(), "authoringVersion": r.U32(), "specVersion": r.U32(), "implVersion": r.U32()}
	apis := []any{}
	for k := r.Count(12); k > 0; k-- {
		apis = append(apis, []any{hexed(r.Take(8)), r.U32()})
	}
	out["apis"], out["transactionVersion"], out["stateVersion"] = apis, r.U32(), r.U8()
	return out
}
