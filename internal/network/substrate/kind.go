package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/store"
)

// scheme begins the URL of such a network.
const scheme = "substrate"

// Kind opens Substrate chains by URL. It implements network.Kind and Kept. The
// fields with the same names as those of Config mean the same.
type Kind struct {
	DB       *store.DB
	Seed     *[sr25519.SeedSize]byte
	Accounts int
	Silence  time.Duration
	Logger   *slog.Logger
}

var _ interface {
	network.Kind
	network.Kept
} = (*Kind)(nil)

// Check implements network.Kind.
func (*Kind) Check(url string) error {
	_, err := parse(url)
	return err
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "wss" && u.Scheme != "ws" || u.Host == "" || u.Fragment != "" {
		return errors.New("must be " + scheme + ": and one or more URLs of nodes, ws://HOST or wss://HOST, separated by commas")
	}
	return nil
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
func (k *Kind) Open(_ context.Context, at network.Address) (network.Network, error) {
	n, err := Open(k.DB, Config{Network: at.Name, URL: at.URL, Seed: k.Seed, Accounts: k.Accounts, Silence: k.Silence, Logger: k.Logger})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return n, nil
}
