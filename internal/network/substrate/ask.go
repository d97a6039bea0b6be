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

// The bounds of Ask: the time for one request and for all, and the versions that are read.
const askEach, askTime, askVersions = 10 * time.Second, time.Minute, 1000

// Answer is what a node says of a work, in the state of its newest final block.
type Answer struct {
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

// CheckNode returns an error unless the text is the URL of a node, as Ask takes it.
func CheckNode(url string) error {
	if checkEndpoint(url) != nil || strings.ContainsAny(url, ","+separator) {
		return errors.New("must be the URL of one node, ws://HOST or wss://HOST")
	}
	return nil
}

// NodeName names the node of a URL without what may be secret in it.
func NodeName(url string) string { return rpc.Host(url) }

// Ask asks a node about the block with a number, and about a work. It takes at most a minute, and
// reads at most 1,000 versions. The address of the node may be private.
func Ask(ctx context.Context, url string, id, number int64) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c := newChain([]string{url}, askEach)
	defer c.client.Close()
	a, err := c.ask(ctx, id, number)
	if err != nil {
		return a, fmt.Errorf("ask %s: %w", NodeName(url), err)
	}
	return a, nil
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
