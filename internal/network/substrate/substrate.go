// Package substrate is a network that is a Substrate chain with the pallet Ats, such as
// Allfeat. It signs the calls of a registry with accounts of its own, sends them, and finds
// their results in final blocks.
//
// Each call has one row, with a transaction of its own or a place in one that several calls share.
// The bytes of the row are sent again
// until their result is found. They are replaced only when it is final that no block has them,
// and that no block can have them any more: see ADR 110, ADR 116, sign.go, batch.go and again.go.
//
// The sub-packages hold the coding, metadata, extrinsics, keys and connections. This package
// never trusts what a node says of a transaction that is not final. It does not know what a
// commitment commits to.
package substrate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/crash"
	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Config configures Open.
type Config struct {
	// Network is the name on the wire and in the database.
	Network network.Name
	// URL is the address of the network: substrate: and the URLs of nodes, separated by | or commas.
	URL string
	// Signer has the accounts that sign. nil: this process signs nothing, and connects to no
	// node.
	Signer Signer
	// Batch is how many works one transaction may have, up to MaxBatch; 0 and 1: each has its own.
	// See batch.go.
	Batch int
	// Period is for how many blocks a signature is valid: a power of two from 4 to 4096; 0
	// means 64.
	Period int
	// Resend is after what time a transaction is sent again that is on no final block; 0
	// means 30 seconds.
	Resend time.Duration
	// Poll is how often the chain is asked without its notifications; 0 means 6 seconds.
	Poll time.Duration
	// Silence is how long no worker may reach the chain before the network counts as not
	// answering; 0 means 90 seconds.
	Silence time.Duration
	// Timeout is how long a node may take for an answer; 0 means 30 seconds.
	Timeout time.Duration
	// Logger logs the errors of Run; nil means slog.Default.
	Logger *slog.Logger
}

// Signer has accounts, and signs with them. sr25519.Keys signs in this process, and
// signer.Remote asks another program. Implementations are safe for concurrent use.
type Signer interface {
	// Accounts are the public keys, in an order that stays. After a restart there can be more.
	Accounts() [][32]byte
	// Sign signs a message with one of the accounts. It is called inside of a transaction of
	// the database, so it takes at most a few seconds.
	Sign(ctx context.Context, account [32]byte, message []byte) ([sr25519.SignatureSize]byte, error)
}

// Network is one chain. It implements network.Network and is safe for concurrent use.
type Network struct {
	db     *store.DB
	config Config
	chain  *chain
	// accounts are those of the signer, in its order.
	accounts [][32]byte
	crash    func(point string)
	wake     chan struct{} // a transaction can be waiting

	// current is the runtime of the best block, and fee the price of one transaction; nil
	// before the first connection.
	current atomic.Pointer[runtime]
	fee     atomic.Pointer[big.Int]
	tried   atomic.Pointer[trial]
	token   *token         // of the chain; nil: not read. Only Run uses it
	foreign map[int64]made // works of our accounts in no row; only Run uses it
	behind  atomic.Bool    // accounts changed in a state that no node has any more
	lacking int64          // the first block since which a hand-off is missing; 0: none; only Run uses it

	mu   sync.Mutex
	head chan struct{} // closed and replaced when one of our transactions is final
	seen int64         // how many were
}

var _ interface {
	network.Network
	network.Runner
	network.Observed
	network.Funded
	network.Proving
	network.Priced
	network.Sharing
} = (*Network)(nil)

// alone is the item of a row whose transaction has its call alone.
const alone = -1

// ProtocolVersion is the one commitment protocol that this network anchors.
const ProtocolVersion = 1

// Open opens the network c.Network. It connects to nothing: Run does.
func Open(db *store.DB, c Config) (*Network, error) {
	if c.Period <= 0 {
		c.Period = 64
	}
	if c.Resend <= 0 {
		c.Resend = 30 * time.Second
	}
	if c.Poll <= 0 {
		c.Poll = 6 * time.Second
	}
	if c.Silence <= 0 {
		c.Silence = 90 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	endpoints, err := parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("substrate %s: the URL %w", c.Network, err)
	}
	n := &Network{
		db: db, config: c, chain: newChain(endpoints, c.Timeout), foreign: map[int64]made{},
		crash: crash.Points(), wake: make(chan struct{}, 1), head: make(chan struct{}),
	}
	if c.Signer != nil {
		n.accounts = c.Signer.Accounts()
	}
	return n, nil
}

// Name implements network.Network.
func (n *Network) Name() network.Name { return n.config.Network }

// Info implements network.Network.
func (n *Network) Info() network.Info {
	return network.Address{Name: n.config.Network, URL: n.config.URL}.Info()
}

func (n *Network) name() string { return string(n.config.Network) }

// ours reports whether the signer has an account.
func (n *Network) ours(account [32]byte) bool { return slices.Contains(n.accounts, account) }

// fail names the network and the operation in an error.
func (n *Network) fail(operation string, err error) error {
	return fmt.Errorf("substrate %s: %s: %w", n.config.Network, operation, err)
}

// check refuses calls that can be refused without reading anything.
func check(call network.Call) error {
	switch {
	case call.Nonce == "":
		return fmt.Errorf("%w: a transaction needs a nonce", network.ErrRefused)
	case call.ProtocolVersion != ProtocolVersion:
		return fmt.Errorf("%w: commitment protocol %d is unknown, must be %d", network.ErrRefused, call.ProtocolVersion, ProtocolVersion)
	case call.Commitment == [32]byte{}:
		return fmt.Errorf("%w: the commitment is all zeros", network.ErrRefused)
	case call.AtsID < 0:
		return fmt.Errorf("%w: work %d does not exist", network.ErrRefused, call.AtsID)
	}
	return nil
}

// Stopped implements network.Network.
func (n *Network) Stopped(ctx context.Context) error {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if err != nil || row.Stopped == "" {
		return nil // the database does not answer, or no worker has started
	}
	return n.fail("stopped", fmt.Errorf("%w: %s", network.ErrStopped, row.Stopped))
}

// Broadcast implements network.Network. It records in one transaction that the transactions
// are wanted. Run sends them.
func (n *Network) Broadcast(ctx context.Context, staged []network.Staged) error {
	var refused []error
	err := n.db.Tx(ctx, func(tx *store.Tx) error {
		refused = nil
		return tx.Each(len(staged), func(tx *store.Tx, i int) error {
			known, err := tx.WantSubstrateTransaction(ctx, query.WantSubstrateTransactionParams{Network: n.name(), Hash: staged[i].Hash[:]})
			if err == nil && known == 0 {
				refused = append(refused, fmt.Errorf("%w: transaction %x was not signed by this registry", network.ErrRefused, staged[i].Hash))
			}
			return err
		})
	})
	if err != nil {
		return n.fail("broadcast", err)
	}
	n.crash("substrate.wanted")
	select {
	case n.wake <- struct{}{}:
	default:
	}
	if len(refused) > 0 {
		return n.fail("broadcast", errors.Join(refused...))
	}
	return nil
}

// proofTakes is how long a transaction that is final waits for its proof. Then it is found without.
const proofTakes = 30 * time.Second

// Find implements network.Network. It finds a transaction when its proof is collected, so that
// its certificate has the proof.
func (n *Network) Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Receipt, error) {
	found := map[[32]byte]network.Receipt{}
	if len(hashes) == 0 {
		return found, nil
	}
	joined := make([]byte, 0, 32*len(hashes))
	for _, h := range hashes {
		joined = append(joined, h[:]...)
	}
	rows, err := n.db.Read().FindSubstrateTransactions(ctx, query.FindSubstrateTransactionsParams{Network: n.name(), Joined: joined, Count: int64(len(hashes)), Before: store.Micros(n.db.Now().Add(-proofTakes))})
	if err != nil {
		return nil, n.fail("find", err)
	}
	for _, row := range rows {
		r := network.Receipt{
			Hash: [32]byte(row.Hash), TxHash: [32]byte(row.SignedHash), AtsID: row.AtsID, Version: row.Version, BlockNumber: row.Block, BlockHash: [32]byte(row.BlockHash),
			Owner: row.Address, At: store.Time(row.BlockAt), Failure: row.Failure, Shared: row.Item != alone,
		}
		found[r.Hash] = r
	}
	return found, nil
}

// Head implements network.Network. While Run runs in this process, it notices the blocks that
// other processes read.
func (n *Network) Head() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.head
}

// notice wakes the readers up if more transactions are final than before.
func (n *Network) notice(finals int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if finals <= n.seen {
		return
	}
	n.seen = finals
	close(n.head)
	n.head = make(chan struct{})
}

// Status implements network.Observed. Blocks is the number of the newest block that was read.
func (n *Network) Status(ctx context.Context) (network.Status, error) {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return network.Status{}, nil
	} else if err != nil {
		return network.Status{}, n.fail("status", err)
	}
	return network.Status{
		Stopped: row.Stopped != "", Blocks: row.Number, Entries: row.Finals, Refused: row.Failures, SequencerAt: store.Time(row.SeenAt), BlockAt: store.Time(row.BlockAt),
	}, nil
}

// Accounts implements network.Funded.
func (n *Network) Accounts(ctx context.Context) (all []network.Account, err error) {
	rows, err := n.db.Read().ListSubstrateAccounts(ctx, n.name())
	if err != nil {
		return nil, n.fail("accounts", err)
	}
	at, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, n.fail("accounts", err)
	}
	position := map[string]int64{}
	for _, a := range rows {
		position[a.Address] = a.Position
		all = append(all, network.Account{Address: a.Address, Free: inTokens(at, a.Free), Reserved: inTokens(at, a.Reserved), Works: a.Works, Capacity: a.Capacity, Open: a.Open, Low: a.Low})
	}
	slices.SortFunc(all, func(a, b network.Account) int { return cmp.Compare(position[a.Address], position[b.Address]) })
	return all, nil
}

// Sequenced implements network.Observed: it returns an error if no worker has reached the chain
// recently.
func (n *Network) Sequenced(ctx context.Context) error {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return n.fail("worker", errors.New("no worker has reached the chain yet"))
	} else if err != nil {
		return n.fail("worker", err)
	}
	return n.silent(row)
}

func (n *Network) silent(row query.SubstrateChain) error {
	if since := n.db.Now().Sub(store.Time(row.SeenAt)); since.Abs() > n.config.Silence {
		return n.fail("worker", fmt.Errorf("no worker has reached the chain for %s", since.Round(time.Second)))
	}
	return nil
}

// callID is the key of a call's row. It does not reveal the transaction id.
func callID(nonce string) []byte {
	sum := sha256.Sum256([]byte(nonce))
	return sum[:]
}

// trial is the answer of the chain to a transaction that is not sent.
type trial struct {
	at  time.Time
	err error
}

// errOtherChain is the error of a node of another chain than the network's.
var errOtherChain = errors.New("the node belongs to another chain than the one that this network began with")
