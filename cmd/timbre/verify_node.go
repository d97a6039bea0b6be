package main

import (
	"context"
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate"
	"timbre.example/proof/evidence"
)

// nodeFlags let the command ask a node of a chain.
type nodeFlags struct {
	RPC string `example:"ws://127.0.0.1:9944" name:"rpc" placeholder:"URLS" help:"Then ask a node of the chain (ws:// or wss://; several are separated by |, and the first that answers counts): whether it has the block as final, whether the chain's state has the commitment, and whether the work has later versions or was revoked. The address may be private. The verdict stays that of the files."`
}

// validate refuses a value that does not have the URLs of nodes.
func (f nodeFlags) validate() error {
	if f.RPC == "" {
		return nil
	}
	if err := substrate.CheckNodes(f.RPC); err != nil {
		return wrongf("rpc", "%s", err)
	}
	return nil
}

// ask asks the node about a document. It returns nil for a file without evidence.
func (f nodeFlags) ask(ctx context.Context, d document) *nodeAnswer {
	if d.judged == nil || d.Evidence == nil {
		return nil
	}
	e := *d.Evidence
	switch {
	case e.Substrate == nil:
		return &nodeAnswer{Result: notAsked, Why: "the network is a log: ask it with --online"}
	case !d.whole:
		return &nodeAnswer{Result: notAsked, Why: "a check of the evidence failed"}
	}
	said, err := substrate.Ask(ctx, f.RPC, e.AtsID, e.Block.Number)
	found := &nodeAnswer{Source: said.Node, Final: said.Final}
	if err != nil {
		found.Source, found.Result, found.Why = substrate.NodeNames(f.RPC), logUnread, plainly(err)
		return found
	}
	found.read(e, said)
	return found
}

// read compares an answer with evidence.
func (n *nodeAnswer) read(e evidence.Evidence, said substrate.Answer) {
	last := int64(len(said.Versions))
	switch {
	case said.Genesis != [32]byte(e.Substrate.Genesis):
		n.Result, n.Why = nodeOtherChain, fmt.Sprintf("its chain begins with block %x", said.Genesis)
	case e.Block.Number > said.Final:
		n.Result, n.Why = nodeBehind, fmt.Sprintf("its newest final block is %d, before block %d of the evidence", said.Final, e.Block.Number)
	case said.Block != [32]byte(e.Block.Hash):
		n.Result, n.Why = nodeContradicts, fmt.Sprintf("its final block %d is %x", e.Block.Number, said.Block)
	case last == 0 && said.Given:
		n.Result = nodeRevoked
	case last < e.Version:
		n.Result, n.Why = nodeContradicts, fmt.Sprintf("the work has %s there", plural64(last, "version", "versions"))
	case said.Versions[e.Version-1].Commitment != [32]byte(e.Commitment):
		n.Result, n.Why = nodeContradicts, fmt.Sprintf("version %d has the commitment %x there", e.Version, said.Versions[e.Version-1].Commitment)
	case said.Versions[e.Version-1].Block != e.Block.Number:
		n.Result, n.Why = nodeContradicts, fmt.Sprintf("block %d registered version %d there", said.Versions[e.Version-1].Block, e.Version)
	case last > e.Version:
		n.Result = someLater
	default:
		n.Result = noneLater
	}
	if n.Result != noneLater && n.Result != someLater {
		return
	}
	for i, v := range said.Versions {
		if number := int64(i) + 1; number != e.Version {
			n.Versions = append(n.Versions, nodeVersion{number, v.Block, fmt.Sprintf("0x%x", v.Commitment)})
		}
	}
}

// afterNode changes the outcome of a proved document by what the node says. The verdict stays.
func (d *document) afterNode(n *nodeAnswer) {
	d.Node = n
	if n == nil || d.outcome != proved || n.Result == noneLater {
		return
	}
	outcome, text := laterUnknown, "proved, but it is not known whether the work has later versions: "+n.Why
	switch n.Result {
	case nodeContradicts:
		outcome, text = forked, "the node and the evidence contradict each other: "+n.Why
	case nodeRevoked:
		outcome, text = revoked, "proved, and the work was revoked later"
	case someLater:
		outcome, text = laterVersion, fmt.Sprintf("proved, and the chain has a later version of the work: version %d", n.Versions[len(n.Versions)-1].Version)
	}
	d.outcome, d.Result, d.failure = outcome, outcome.result, errors.New(text)
	if d.File != "" {
		d.failure = fmt.Errorf("%s: %w", d.File, d.failure)
	}
}
