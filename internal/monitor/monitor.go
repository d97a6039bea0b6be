// Package monitor reads a transparency log as anyone can, over HTTP, and checks what its
// operator promises: each checkpoint continues the one before, and the entries follow the
// rules of docs/log.md.
//
// It keeps the newest checkpoint in a folder, and the tiles of the log if it mirrors the log.
// It needs no database and no secret. It never says that a log is right beyond what it read:
// an operator can show other readers another history, which witnesses or the comparison of
// two checkpoints reveal.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// Config configures Open.
type Config struct {
	// URL is the address of the log, such as https://songs.example/log/mainnet.
	URL string
	// Key is a verifier key of the log that the reader saved. Its name is the log's origin.
	Key string
	// Keys are more keys of the log that the reader trusts, and Pages key pages of it, from any
	// source. The monitor also reads the page that the log serves. A page counts if its chain
	// has a trusted key.
	Keys  []string
	Pages []evidence.KeyPage
	// Policy is the policy of witnesses, or nil: a checkpoint must then have the log's
	// signature alone.
	Policy *evidence.Policy
	// Dir is the folder that keeps the newest checkpoint; "" keeps nothing. It must exist.
	Dir string
	// Mirror also keeps the tiles and bundles in Dir, under the paths of the log.
	Mirror bool
	// Tolerance is how far the time of a block may be in the future; 0 means five minutes.
	Tolerance time.Duration
	// Now is the clock for Tolerance; nil means the system's.
	Now func() time.Time
}

// Monitor follows one log. One goroutine uses it.
type Monitor struct {
	config  Config
	origin  string
	ring    evidence.Keyring
	keys    keptKeys
	fetcher *torchwood.TileFetcher
	client  *torchwood.Client
	tiles   torchwood.TileReader
	seen    tlog.Tree // whose entries were checked
	state   state
}

// Open returns a monitor, which has read nothing yet.
func Open(c Config) (_ *Monitor, err error) {
	defer operation.Wrap(&err, "open the monitor of %s", c.URL)
	origin, _, ok := strings.Cut(c.Key, "+")
	if !ok {
		return nil, errors.New("the key is not a verifier key")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Tolerance == 0 {
		c.Tolerance = 5 * time.Minute
	}
	fetcher, err := fetch(c.URL, &http.Client{Timeout: timeout, Transport: bounded{http.DefaultTransport}})
	if err != nil {
		return nil, err
	}
	m := &Monitor{config: c, origin: origin, fetcher: fetcher, tiles: fetcher, state: newState()}
	if c.Mirror {
		if m.tiles, err = newMirror(fetcher, c.Dir); err != nil {
			return nil, err
		}
	}
	if m.client, err = torchwood.NewClient(m.tiles); err != nil {
		return nil, err
	}
	if err := m.keys.load(c.Dir); err != nil {
		return nil, err
	}
	m.ring, err = m.trusted()
	return m, err
}

// Fork is the error for two signed texts of the log that contradict each other: checkpoints of
// which one does not continue the other, or a key page and a checkpoint or another page. Both
// together prove that the log cheated: publish them.
type Fork struct {
	Older, Newer string
	Why          string
}

func (f *Fork) Error() string {
	return "the log has two histories: " + f.Why
}

// Broken is the error for an entry that breaks the rules of the log, although the log signed
// it.
type Broken struct {
	Index int64
	Why   string
}

func (b *Broken) Error() string { return fmt.Sprintf("entry %d: %s", b.Index, b.Why) }

// Report is what Check found.
type Report struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   string    `json:"root"`
	New    int64     `json:"new_entries"`
	Works  int64     `json:"works"`
	Last   time.Time `json:"last_time,omitzero"`
	// Key is the verifier key that signed the checkpoint. Ended: the log has ended, and all of
	// its entries were read.
	Key   string `json:"key"`
	Ended bool   `json:"ended"`
	// Witnesses are the names of the policy's witnesses that cosigned the checkpoint.
	Witnesses []string `json:"witnesses,omitempty"`
}

// Check reads the newest checkpoint, proves that it continues the kept one, checks the
// entries that were not checked yet, and keeps the checkpoint. It returns a *[Fork] or a
// *[Broken] for what the log must not do, and another error for what may pass.
func (m *Monitor) Check(ctx context.Context) (_ Report, err error) {
	defer operation.Wrap(&err, "check the log %s", m.config.URL)
	signed, err := m.fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return Report{}, err
	}
	own, cosignatures, err := evidence.Split(string(signed))
	if err != nil {
		return Report{}, fmt.Errorf("the checkpoint: %w", err)
	}
	if err := m.readKeys(ctx); err != nil { // after the checkpoint: it is not older then
		return Report{}, err
	}
	tree, key, err := m.ring.Open(own, m.origin)
	page, _ := m.ring.Page(m.origin)
	if conflict := (*evidence.KeyConflict)(nil); errors.As(err, &conflict) {
		return Report{}, &Fork{page.Text, own, conflict.Why}
	} else if err != nil {
		return Report{}, fmt.Errorf("the checkpoint: %w", err)
	}
	report := Report{Origin: m.origin, Size: tree.N, Root: tree.Hash.String(), Key: key}
	if m.config.Policy != nil {
		text, _, _ := strings.Cut(own, "\n\n")
		seen, err := m.config.Policy.Witnessed(text+"\n", cosignatures)
		if err != nil {
			return Report{}, fmt.Errorf("the checkpoint: %w", err)
		}
		if !seen.Met {
			return Report{}, errors.New("too few of the policy's witnesses have cosigned the checkpoint")
		}
		report.Witnesses = seen.Names
	}
	kept, err := m.kept(ctx)
	if err != nil {
		return Report{}, err
	}
	// Cosignatures are kept, too: a mirror serves them, and they prove who saw a fork.
	newest := string(signed)
	if len(newest) > checkpoint.MaxSize {
		newest = own
	}
	if err := m.continues(ctx, kept, newest, tree); err != nil {
		return Report{}, err
	}
	if report.New, err = m.entries(ctx, tree); err != nil {
		return Report{}, err
	}
	if err := m.changes(ctx, page, own, tree); err != nil {
		return Report{}, err
	}
	if last, ended := page.Ended(); ended && tree.N < last.N {
		return Report{}, fmt.Errorf("the log serves an older checkpoint (%d entries) than that of its end (%d)", tree.N, last.N)
	} else if ended {
		report.Ended = true
	}
	if m.config.Mirror {
		if err := complete(ctx, tree, m.tiles); err != nil {
			return Report{}, err
		}
	}
	report.Works, report.Last = m.state.next-1, m.state.last
	if err := m.keys.keep(ctx, m.config.Dir, page.Text); err != nil {
		return Report{}, err
	}
	if newest == kept || m.config.Dir == "" {
		return report, nil
	}
	return report, checkpoint.Dir(m.config.Dir).Swap(ctx, keptName, kept, newest)
}

// keptName is the file of the newest checkpoint.
const keptName = "checkpoint"

// kept returns the checkpoint that was kept; "" without one.
func (m *Monitor) kept(ctx context.Context) (string, error) {
	if m.config.Dir == "" {
		return "", nil
	}
	return checkpoint.Dir(m.config.Dir).Load(ctx, keptName)
}

// continues returns a Fork unless the tree of newer continues that of the kept checkpoint,
// or the kept one continues newer's: a cache may serve an older checkpoint for a while.
func (m *Monitor) continues(ctx context.Context, kept, newer string, tree tlog.Tree) error {
	if kept == "" || kept == newer {
		return nil
	}
	before, _, err := m.ring.Open(kept, m.origin)
	if err != nil {
		return fmt.Errorf("the kept checkpoint: %w", err)
	}
	small, large, olderText, newerText := before, tree, kept, newer
	if small.N > large.N {
		small, large, olderText, newerText = large, small, newer, kept
	}
	if small.N == large.N {
		if small.Hash != large.Hash {
			return &Fork{olderText, newerText, "two trees of one size"}
		}
		return nil
	}
	if small.N > 0 {
		// The proof is made of tiles that are authenticated against the larger tree. So it can
		// fail only if the smaller tree is not part of the larger one.
		proof, err := tlog.ProveTree(large.N, small.N, torchwood.TileHashReaderWithContext(ctx, large, m.tiles))
		if err != nil {
			return fmt.Errorf("the tiles do not give the signed tree of %d entries: %w", large.N, err)
		}
		if err := tlog.CheckTree(proof, large.N, large.Hash, small.N, small.Hash); err != nil {
			return &Fork{olderText, newerText, fmt.Sprintf("the tree of %d entries does not continue that of %d", large.N, small.N)}
		}
	}
	if before.N > tree.N {
		return fmt.Errorf("the log serves an older checkpoint (%d entries) than the kept one (%d): a cache, or a database that went back", tree.N, before.N)
	}
	return nil
}

// trusted returns the trusted keys.
func (m *Monitor) trusted() (evidence.Keyring, error) {
	keys, pages := m.config.Keys, m.config.Pages
	if m.keys.page.Text != "" {
		pages = append(pages[:len(pages):len(pages)], m.keys.page)
	}
	return trust(append(keys[:len(keys):len(keys)], m.config.Key), pages)
}

// trust returns a ring, or a Fork for pages that contradict each other.
func trust(keys []string, pages []evidence.KeyPage) (evidence.Keyring, error) {
	ring, err := evidence.NewKeyring(keys, pages)
	if fork := (*evidence.KeyFork)(nil); errors.As(err, &fork) {
		return ring, &Fork{fork.One, fork.Other, fork.Error()}
	}
	return ring, err
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
	ring, err := m.trusted()
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

// entries checks the entries of the tree that were not checked yet, and counts them.
func (m *Monitor) entries(ctx context.Context, tree tlog.Tree) (int64, error) {
	from := m.seen.N
	for i, text := range m.client.AllEntries(ctx, tree, from) {
		entry, err := leaf.ParseLeaf(text)
		if err == nil {
			err = m.state.add(entry)
		}
		if err == nil && entry.At.After(m.config.Now().Add(m.config.Tolerance)) {
			err = fmt.Errorf("its time %s is in the future", entry.At.Format(time.RFC3339))
		}
		if err != nil {
			return 0, &Broken{i, err.Error()}
		}
		m.seen.N = i + 1
	}
	if err := m.client.Err(); err != nil {
		return 0, err
	}
	if m.seen.N != tree.N {
		return 0, fmt.Errorf("%d of %d entries were read", m.seen.N, tree.N)
	}
	m.seen = tree
	return tree.N - from, nil
}

// state is what the entries so far say. Numbers of works count from 1, versions from 1 within
// a work, and blocks from 1; times do not decrease.
type state struct {
	next     int64 // the number of the next work
	versions map[int64]int64
	block    int64
	last     time.Time
}

func newState() state { return state{next: 1, versions: map[int64]int64{}} }

// add returns an error if the entry does not follow from those before.
func (s *state) add(e leaf.Leaf) error {
	switch {
	case e.Updates == 0 && e.AtsID != s.next:
		return fmt.Errorf("it has the number %d, the next one is %d", e.AtsID, s.next)
	case e.Updates != 0 && e.AtsID >= s.next:
		return fmt.Errorf("it updates work %d, which does not exist", e.AtsID)
	case e.Version != s.version(e.AtsID)+1:
		return fmt.Errorf("it is version %d of work %d, after version %d", e.Version, e.AtsID, s.version(e.AtsID))
	case e.Block != s.block && e.Block != s.block+1:
		return fmt.Errorf("it is in block %d, after block %d", e.Block, s.block)
	case e.Block == s.block && !e.At.Equal(s.last):
		return fmt.Errorf("it has another time than the rest of block %d", e.Block)
	case e.At.Before(s.last):
		return fmt.Errorf("its time %s is before that of block %d", e.At.Format(time.RFC3339Nano), s.block)
	}
	if e.Updates == 0 {
		s.next++
	}
	if e.Version > 1 { // most works have one version, and need no memory
		s.versions[e.AtsID] = e.Version
	}
	s.block, s.last = e.Block, e.At
	return nil
}

// version returns the newest version of a work; 0 if it does not exist.
func (s *state) version(work int64) int64 {
	if v, updated := s.versions[work]; updated {
		return v
	}
	if work < s.next {
		return 1
	}
	return 0
}

// WriteKey writes the log's key beside a mirror, so that the folder can be served as the log.
func (m *Monitor) WriteKey() error {
	return os.WriteFile(filepath.Join(m.config.Dir, "key"), []byte(m.config.Key+"\n"), 0o600)
}
