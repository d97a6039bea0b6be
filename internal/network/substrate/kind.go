package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Kind opens Substrate chains by URL. It implements network.Kind, Kept and Examined.
// The fields with the same names as those of Config mean the same.
type Kind struct {
	DB *store.DB
	// Signer returns what signs in this process. It can ask another program. nil: nothing signs.
	Signer  func(ctx context.Context) (Signer, error)
	Batch   int
	Silence time.Duration
	Logger  *slog.Logger
}

var _ interface {
	network.Kind
	network.Kept
	network.Examined
} = (*Kind)(nil)

// Check implements network.Kind.
func (*Kind) Check(url string) error {
	_, err := parse(url)
	return err
}

// Begun implements network.Kept.
func (k *Kind) Begun(ctx context.Context, n network.Name) (bool, error) {
	_, err := k.DB.Read().GetSubstrateChain(ctx, string(n))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if behind, e := k.DB.Pending(ctx); err != nil && e == nil && behind > 0 { // an older schema has no such network
		return false, nil
	}
	return err == nil, err
}

// Open implements network.Kind. It connects to nothing.
func (k *Kind) Open(ctx context.Context, at network.Address) (network.Network, error) {
	by, err := k.signer(ctx)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	n, err := Open(k.DB, Config{Network: at.Name, URL: at.URL, Signer: by, Batch: k.Batch, Silence: k.Silence, Logger: k.Logger})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return n, nil
}

func (k *Kind) signer(ctx context.Context) (Signer, error) {
	if k.Signer == nil {
		return nil, nil
	}
	return k.Signer(ctx)
}

// Examine implements network.Examined. A process with a signer also asks the chain: whether it
// is the chain of this database, and whether this release can sign for its runtime.
func (k *Kind) Examine(ctx context.Context, at network.Address, report func(network.Finding)) {
	name := string(at.Name)
	row, err := k.DB.Read().GetSubstrateChain(ctx, name)
	begun := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		report(network.Finding{Check: "network " + name, Err: err})
		return
	}
	by, err := k.signer(ctx)
	if err != nil { // without it, the rest can be examined
		report(network.Finding{Check: "signer for " + name, Err: err, Remedy: "Start the signer, and check --substrate-signer and its token."})
	}
	n, err := Open(k.DB, Config{Network: at.Name, URL: at.URL, Signer: by, Silence: k.Silence, Timeout: 10 * time.Second, Logger: k.Logger})
	if err != nil {
		report(network.Finding{Check: "network " + name, Err: err})
		return
	}
	defer n.chain.client.Close()
	if len(n.accounts) > 0 {
		found, err := n.examine(ctx, row, begun)
		report(network.Finding{Check: "chain of " + name, Err: err, Found: found, Remedy: "Check the URL of the network and that its nodes run. A network keeps the chain with which it began."})
	}
	if !begun {
		report(network.Finding{Check: "network " + name, Found: "not started yet"})
		return
	}
	if len(n.accounts) == 0 {
		report(network.Finding{Check: "worker for " + name, Err: n.Sequenced(ctx), Found: "alive", Remedy: "Start a process with the role worker on this database."})
	}
	report(network.Finding{Check: "network " + name, Err: n.Stopped(ctx), Found: fmt.Sprintf("block %d was read, transactions: %d, failures: %d, fees: %s", row.Number, row.Finals, row.Failures, inTokens(row, row.Fees)), Remedy: "See docs/chain.md, Accounts and funds."})
	accounts, err := n.Accounts(ctx)
	if err != nil {
		report(network.Finding{Check: "accounts of " + name, Err: err})
	}
	for _, a := range accounts {
		f := network.Finding{Check: "account of " + name, Found: fmt.Sprintf("%s owns %d of %d works, and has %s free", a.Address, a.Works, a.Capacity, a.Free), Remedy: "Send funds to this address."}
		if a.Low {
			f.Err = fmt.Errorf("%s cannot pay for another work: it has %s free", a.Address, a.Free)
		}
		report(f)
	}
}

// examine asks the chain, and says what it is.
func (n *Network) examine(ctx context.Context, row query.SubstrateChain, begun bool) (string, error) {
	rt, err := n.chain.runtimeAt(ctx, "")
	if err != nil {
		return "", err
	}
	genesis, err := n.chain.hashAt(ctx, 0)
	if err != nil {
		return "", err
	}
	if begun && [32]byte(row.Genesis) != genesis {
		return "", errOtherChain
	}
	return fmt.Sprintf("%s, version %d, first block %x", rt.SpecName, rt.SpecVersion, genesis), rt.signing(genesis).Check()
}
