package monitor

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/proof/evidence"
)

// keysName is the file of the key page, in a log and in a folder.
const keysName = "keys"

// keptKeys is the newest key page of the log, and what is in the folder.
type keptKeys struct {
	page     evidence.KeyPage // Text is "" without one
	text     string           // in the folder
	verified int              // how many changes were compared with the tree
}

// load reads the page in the folder.
func (k *keptKeys) load(dir string) (err error) {
	if dir == "" {
		return nil
	}
	if k.text, err = checkpoint.Dir(dir).Load(context.Background(), keysName); err != nil || k.text == "" {
		return err
	}
	if k.page, err = evidence.ParseKeyPage(k.text); err != nil {
		err = fmt.Errorf("the kept %w", err)
	}
	return err
}

// ring returns the trusted keys.
func (k *keptKeys) ring(c Config) (evidence.Keyring, error) {
	pages := c.Pages
	if k.page.Text != "" {
		pages = append(pages[:len(pages):len(pages)], k.page)
	}
	return trust(append(c.Keys[:len(c.Keys):len(c.Keys)], c.Key), pages)
}

// trust returns a ring, or a Fork for pages that contradict each other.
func trust(keys []string, pages []evidence.KeyPage) (evidence.Keyring, error) {
	ring, err := evidence.NewKeyring(keys, pages)
	if fork := (*evidence.KeyFork)(nil); errors.As(err, &fork) {
		return ring, &Fork{fork.One, fork.Other, fork.Error()}
	}
	return ring, err
}

// keep stores the page in the folder.
func (k *keptKeys) keep(ctx context.Context, dir, text string) error {
	if dir == "" || text == k.text {
		return nil
	}
	if err := checkpoint.Dir(dir).Swap(ctx, keysName, k.text, text); err != nil {
		return err
	}
	k.text = text
	return nil
}

// readKeys reads the page that the log serves. A log of another program has none.
func (m *Monitor) readKeys(ctx context.Context) error {
	text, err := m.fetcher.ReadEndpoint(ctx, keysName)
	if err != nil {
		return ctx.Err() // a checkpoint with a new key then fails
	}
	page, err := evidence.ParseKeyPage(string(text))
	if err != nil {
		return fmt.Errorf("the log serves a key page that does not hold: %w", err)
	}
	if page.Origin != m.origin {
		return fmt.Errorf("the log serves the key page of another log: %q", page.Origin)
	}
	before := m.keys.page
	m.keys.page = page
	ring, err := m.keys.ring(m.config)
	if err == nil && before.Text != "" && !page.Continues(before) {
		m.keys.page = before
		if !before.Continues(page) { // an older one comes from a cache
			err = &Fork{before.Text, page.Text, "two key pages of the log contradict each other"}
		}
	}
	if err == nil && m.keys.page.Text == page.Text {
		m.ring = ring
	}
	return err
}

// changes compares the trees that the key page names with the log's.
func (m *Monitor) changes(ctx context.Context, page evidence.KeyPage, own string, tree tlog.Tree) error {
	for ; m.keys.verified < len(page.Changes); m.keys.verified++ {
		c := page.Changes[m.keys.verified]
		if c.After.N > tree.N {
			return nil // a later checkpoint shows it
		}
		if c.After.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, c.After.N, torchwood.TileHashReaderWithContext(ctx, tree, m.tiles))
		if err != nil {
			return fmt.Errorf("the tiles do not give the signed tree of %d entries: %w", tree.N, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, c.After.N, c.After.Hash); err != nil {
			return &Fork{page.Text, own, fmt.Sprintf("the key page names another tree of %d entries", c.After.N)}
		}
	}
	return nil
}
