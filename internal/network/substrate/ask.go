package substrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
)

// The bounds of Ask: the time for one request and for all, the nodes, and the versions that are read.
const askEach, askTime, askNodes, askVersions = 10 * time.Second, time.Minute, 8, 1000

// Answer is what a node says of a work, in the state of its newest final block.
type Answer struct {
	// Node names the node that answered.
	Node string
	// Genesis is the hash of the chain's first block.
	Genesis [32]byte
	// Final is the number of the newest final block, and Block the hash of the block that was
	// asked about. Block is zero if it is later than Final.
	Final int64
	Block [32]byte
	// Versions are the versions of the work, from the first one. A chain without the work has
	// none. Given: the chain gave out the work's number.
	Versions []AnswerVersion
	Given    bool
}

// AnswerVersion is a version as the chain's state has it.
type AnswerVersion struct {
	// Block is the number of the block that registered it.
	Block      int64
	Commitment [32]byte
}

// CheckNodes returns an error unless the text has the URLs of nodes, as Ask takes them.
func CheckNodes(urls string) error {
	all := strings.Split(urls, separator)
	for _, url := range all {
		if checkEndpoint(url) != nil || strings.Contains(url, ",") || len(all) > askNodes {
			return fmt.Errorf("must be the URL of a node, ws://HOST or wss://HOST, or up to %d of them, separated by %s", askNodes, separator)
		}
	}
	return nil
}

// NodeNames names the nodes of URLs without what may be secret in them.
func NodeNames(urls string) string {
	var names []string
	for url := range strings.SplitSeq(urls, separator) {
		names = append(names, rpc.Host(url))
	}
	return strings.Join(names, ", ")
}

// Ask asks a node about the block with a number, and about a work. Of several nodes, whose URLs are
// separated by |, it asks one after another until one answers everything. It takes at most a
// minute, which the nodes share equally, and reads at most 1,000 versions. The addresses may be private.
func Ask(ctx context.Context, urls string, id, number int64) (Answer, error) {
	var errs []error
	all := strings.Split(urls, separator)
	for _, url := range all {
		a, err := askOne(ctx, url, id, number, askTime/time.Duration(len(all)))
		if err == nil {
			return a, nil
		}
		errs = append(errs, fmt.Errorf("ask %s: %w", rpc.Host(url), err))
	}
	return Answer{}, errors.Join(errs...)
}

func askOne(ctx context.Context, url string, id, number int64, within time.Duration) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	c := newChain([]string{url}, askEach)
	defer c.client.Close()
	a, err := c.ask(ctx, id, number)
	a.Node = rpc.Host(url)
	return a, err
}

func (c *chain) ask(ctx context.Context, id, number int64) (a Answer, err error) {
	if a.Genesis, err = c.hashAt(ctx, 0); err != nil {
		return a, err
	}
	head, err := c.finalized(ctx)
	if err != nil {
		return a, err
	}
	if a.Final = head.number; number <= head.number {
		if a.Block, err = c.hashAt(ctx, number); err != nil {
			return a, err
		}
	}
	rt, err := c.runtimeAt(ctx, rpc.Hex(head.hash[:]))
	if err != nil {
		return a, err
	}
	next, err := c.stored(ctx, rt.metadata, head.hash, pallet, "NextAtsId")
	if err != nil {
		return a, err
	}
	if next != nil {
		r := scale.NewReader(next)
		a.Given = r.U64() > uint64(id)
		if err := r.End(); err != nil {
			return a, fmt.Errorf("%s.NextAtsId: %w", pallet, err)
		}
	}
	for v := range int64(askVersions) {
		m, found, err := c.version(ctx, rt, head.hash, place{id, v})
		if err != nil {
			return a, err
		}
		if !found {
			break
		}
		a.Versions = append(a.Versions, AnswerVersion{m.block, m.commitment})
	}
	return a, nil
}
