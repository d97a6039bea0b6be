package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
)

// devnetCmd runs a chain for people who develop against one.
type devnetCmd struct {
	Spec              string        `example:"spec.json" required:"" type:"path" placeholder:"FILE" help:"Raw chain spec of the network whose runtime runs: JSON of up to 64 MiB, with the first state and the code."`
	Listen            string        `example:"127.0.0.1:9944" default:"127.0.0.1:9944" placeholder:"ADDR" help:"Address to listen on; port 0 takes a free port (default: ${default})."`
	BlockTime         time.Duration `example:"2s" default:"6s" placeholder:"TIME" help:"Time between blocks, from 10ms; 0: a block as soon as there is a transaction. In the chain's own clock, blocks are at least 6 s apart (default: ${default})."`
	Fund              []string      `example:"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY=500" placeholder:"ACCOUNT=TOKENS" help:"Give an account tokens in the first block; repeat the flag for another account. ACCOUNT is an SS58 address or 64 hex digits, and TOKENS a number with a point, such as 0.5."`
	SubstrateSeedFile string        `example:"data/seed" type:"path" placeholder:"FILE" help:"Give the accounts of this seed 100,000 tokens each: the file of 'timbre serve --substrate-seed-file'."`
	SubstrateAccounts int           `example:"4" default:"1" placeholder:"NUMBER" help:"How many accounts of the seed get tokens, from 1 to 256 (default: ${default})."`
}

// Help says what the chain is, and what it is not.
func (devnetCmd) Help() string {
	return `The real runtime of a network runs in this process, from its chain spec: with its own rules,
fees and deposits. The state, the read proofs and the votes of finality are true, so
evidence from this chain verifies. Only its authorities are this command's own, with keys
that everybody knows. A stop loses the chain.

It is for development and tests. It has one node, keeps all blocks in memory, and serves
the calls that Timbre needs, and dev_setStorage.`
}

// seedTokens is what each account of a seed gets.
const seedTokens = "100000"

// leastBlockTime keeps the process from making blocks all the time.
const leastBlockTime = 10 * time.Millisecond

func (c *devnetCmd) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx, o)
}

// run runs the chain until the context ends.
func (c *devnetCmd) run(ctx context.Context, o *output) error {
	if err := c.validate(); err != nil {
		return err
	}
	spec, err := c.readSpec()
	if err != nil {
		return err
	}
	endowed, err := c.endowed(spec.Decimals())
	if err != nil {
		return err
	}
	n, err := node.Open(node.Options{Spec: spec, Listen: c.Listen, Endowed: endowed, Auto: c.BlockTime == 0, Clock: time.Now, Genesis: time.Now(), PruneAfter: math.MaxUint32})
	switch {
	case errors.Is(err, node.ErrSpec):
		return wrongf("spec", "%s", err)
	case err != nil:
		return wrongf("listen", "%s", plainly(err))
	}
	defer n.Close()
	if err := o.write(func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "The chain %s listens on %s\ngenesis %s\nUse it: timbre serve --network testnet=substrate:%s --substrate-seed-file FILE\n", cmp.Or(spec.Name, "without a name"), n.URL, n.Genesis(), n.URL)
		return err
	}); err != nil {
		return err
	}
	n.Step(1) // a block with a time of its own
	if c.BlockTime == 0 {
		<-ctx.Done()
		return nil
	}
	next := time.NewTicker(c.BlockTime)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			n.Step(1)
		}
	}
}

func (c *devnetCmd) validate() error {
	if err := hostAndPort("listen", c.Listen); err != nil {
		return err
	}
	if c.BlockTime != 0 && c.BlockTime < leastBlockTime {
		return wrongf("block-time", "must be 0, or from %s", leastBlockTime)
	}
	if c.SubstrateAccounts < 1 || c.SubstrateAccounts > maxAccounts {
		return wrongf("substrate-accounts", "must be from 1 to %d", maxAccounts)
	}
	return nil
}

func (c *devnetCmd) readSpec() (*node.Spec, error) {
	f, err := os.Open(c.Spec)
	if err != nil {
		return nil, wrongf("spec", "cannot read the chain spec %s: %s", c.Spec, plainly(err))
	}
	defer func() { _ = f.Close() }()
	spec, err := node.ReadSpec(f)
	if err != nil {
		return nil, wrongf("spec", "%s: %s", c.Spec, err)
	}
	return spec, nil
}

// endowed returns what accounts have in the first block, in the smallest unit.
func (c *devnetCmd) endowed(decimals int) (map[node.Account]uint64, error) {
	all := map[node.Account]uint64{}
	for _, one := range c.Fund {
		name, tokens, _ := strings.Cut(one, "=")
		a, err := node.ParseAddress(name)
		if err != nil {
			return nil, wrongf("fund", "%q begins with no account: it needs ACCOUNT=TOKENS", one)
		}
		if all[a], err = smallest(tokens, decimals); err != nil {
			return nil, wrongf("fund", "%q: %s", one, err)
		}
	}
	seed, err := readSeed(c.SubstrateSeedFile)
	if seed == nil || err != nil {
		return all, err
	}
	for i := range c.SubstrateAccounts {
		pair, err := sr25519.Numbered(*seed, uint64(i))
		if err != nil {
			return nil, err
		}
		if all[node.Account(pair.Public())], err = smallest(seedTokens, decimals); err != nil {
			return nil, wrongf("spec", "a token of this chain has too many digits after the point: %d", decimals)
		}
	}
	return all, nil
}

// smallest returns an amount of tokens in the chain's smallest unit.
func smallest(tokens string, decimals int) (uint64, error) {
	bad := fmt.Errorf("TOKENS must be a number of up to %d digits after the point", decimals)
	whole, part, _ := strings.Cut(tokens, ".")
	if whole == "" || len(part) > decimals || len(tokens) > 80 || strings.Trim(whole+part, "0123456789") != "" {
		return 0, bad
	}
	amount, ok := new(big.Int).SetString(whole+part+strings.Repeat("0", decimals-len(part)), 10)
	if !ok {
		return 0, bad
	}
	if !amount.IsUint64() {
		return 0, fmt.Errorf("TOKENS must be less than 2⁶⁴ of the smallest unit, of which a token has 10^%d", decimals)
	}
	return amount.Uint64(), nil
}
