package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// Source is where a log is read.
type Source struct {
	// Place is the log's address, or a folder with a mirror of the log.
	Place string
	// Transport makes the requests, and decides which addresses may be reached; nil means
	// http.DefaultTransport.
	Transport http.RoundTripper
}

// isAddress reports whether the source is read over HTTP.
func (s Source) isAddress() bool {
	return strings.HasPrefix(s.Place, "https://") || strings.HasPrefix(s.Place, "http://")
}

// Newest is the newest state of a log that a source has. One goroutine uses it.
type Newest struct {
	// Signed is the checkpoint with all its cosignatures.
	Signed string

	// Page is the key page that the source has; without Text if it has none.
	Page evidence.KeyPage

	own    string // with the log's signature alone
	origin string
	ring   evidence.Keyring
	tree   tlog.Tree
	from   torchwood.TileReader
}

// maxCheckpoint bounds a checkpoint with its cosignatures, in bytes.
const maxCheckpoint = 64 << 10

// ReadNewest reads the newest checkpoint of the log with this origin, and the key page of the
// log. keys and pages are as in [evidence.Options]. It asks once, so that a log that cannot be
// reached is known soon. It returns a *[Fork] if the log's key page excludes the checkpoint.
func ReadNewest(ctx context.Context, source Source, origin string, keys []string, pages []evidence.KeyPage) (_ *Newest, err error) {
	defer operation.Wrap(&err, "read a later checkpoint from %s", source.Place)
	n := &Newest{origin: origin}
	if source.isAddress() {
		transport := source.Transport
		if transport == nil {
			transport = http.DefaultTransport
		}
		client := &http.Client{Timeout: timeout, Transport: bounded{transport}}
		if n.from, err = fetch(source.Place, client); err != nil {
			return nil, err
		}
		n.Signed, err = once(ctx, client, strings.TrimSuffix(source.Place, "/")+"/"+keptName)
	} else {
		if n.from, err = torchwood.NewTileFS(os.DirFS(source.Place)); err != nil {
			return nil, err
		}
		var text []byte
		text, err = n.from.ReadEndpoint(ctx, keptName)
		n.Signed = string(text)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("the folder has no checkpoint")
		}
	}
	if err != nil {
		return nil, err
	}
	// After the checkpoint, so that the page is not older. A log of another program has none.
	if served, err := n.from.ReadEndpoint(ctx, keysName); err == nil {
		if n.Page, err = evidence.ParseKeyPage(string(served)); err != nil {
			return nil, fmt.Errorf("the log serves a key page that does not hold: %w", err)
		}
		pages = append(pages[:len(pages):len(pages)], n.Page)
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if n.ring, err = trust(keys, pages); err != nil {
		return nil, err
	}
	if n.own, _, err = evidence.Split(n.Signed); err == nil {
		n.tree, err = n.open(n.own)
	}
	if err != nil {
		return nil, fmt.Errorf("the checkpoint: %w", err)
	}
	return n, nil
}

// open verifies a checkpoint of the log. It returns a *[Fork] if the key page excludes it.
func (n *Newest) open(signed string) (tlog.Tree, error) {
	tree, _, err := n.ring.Open(signed, n.origin)
	if conflict := (*evidence.KeyConflict)(nil); errors.As(err, &conflict) {
		page, _ := n.ring.Page(n.origin)
		return tree, &Fork{page.Text, signed, conflict.Why}
	}
	return tree, err
}

// once makes one request.
func once(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the log answers with status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxCheckpoint+1))
	if err == nil && len(text) > maxCheckpoint {
		err = fmt.Errorf("the checkpoint is larger than %d bytes", maxCheckpoint)
	}
	return string(text), err
}

// Size returns the number of entries.
func (n *Newest) Size() int64 { return n.tree.N }

// Witnessed reports whether enough witnesses of the policy have cosigned the checkpoint.
func (n *Newest) Witnessed(p *evidence.Policy) (bool, error) {
	own, cosignatures, err := evidence.Split(n.Signed)
	if err != nil {
		return false, err
	}
	text, _, _ := strings.Cut(own, "\n\n")
	seen, err := p.Witnessed(text+"\n", cosignatures)
	return err == nil && seen.Met, err
}

// Shorter is the error for a source that has fewer entries than a checkpoint that the log
// signed before: an older copy, or a database that went back.
type Shorter struct{ Size, Known int64 }

func (s *Shorter) Error() string {
	return fmt.Sprintf("the newest checkpoint has %d entries, fewer than that of the evidence (%d)", s.Size, s.Known)
}

// Continues returns the proof that the newest tree continues that of the signed checkpoint
// older. The proof is empty if both are of the same tree. Continues returns a *[Fork] if the
// log signed two histories, and a *[Shorter] if the newest tree has fewer entries.
func (n *Newest) Continues(ctx context.Context, older string) (proof tlog.TreeProof, err error) {
	before, err := n.open(older)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the checkpoint of the evidence: %w", err)
	case n.tree.N < before.N:
		return nil, &Shorter{n.tree.N, before.N}
	case n.tree.N == before.N && n.tree.Hash != before.Hash:
		return nil, &Fork{older, n.own, "two trees of one size"}
	case n.tree.N == before.N:
		return tlog.TreeProof{}, nil
	case before.N == 0:
		return nil, errors.New("the checkpoint of the evidence has no entries")
	}
	proof, err = tlog.ProveTree(n.tree.N, before.N, torchwood.TileHashReaderWithContext(ctx, n.tree, n.from))
	if err != nil {
		return nil, fmt.Errorf("the tiles do not give the signed tree of %d entries: %w", n.tree.N, err)
	}
	if err := tlog.CheckTree(proof, n.tree.N, n.tree.Hash, before.N, before.Hash); err != nil {
		return nil, &Fork{older, n.own, fmt.Sprintf("the tree of %d entries does not continue that of %d", n.tree.N, before.N)}
	}
	return proof, nil
}

// Version is one version of a work in the log.
type Version struct {
	Version, Index, Block int64
	At                    time.Time
	Hash                  [32]byte // of the transaction
	Commitment            [32]byte
}

// History is what a log has beside one version of a work.
type History struct {
	// Later and Earlier are the other versions of the work, in their order.
	Later, Earlier []Version
	// To is the number of entries from the beginning up to the last one that was read after
	// the version: fewer than those of the log if the limit was reached. Last is the time of
	// that entry; zero if none follows the version.
	To   int64
	Last time.Time
	// From is the index of the first entry that was read before the version. Earlier lacks
	// versions if the limit was reached.
	From int64
	// Read is the number of entries that were read.
	Read int64
}

// batch is the number of entries that the client reads together.
const batch = 50 * torchwood.TileWidth

// Versions reads the other versions of the work that has the given version at an index,
// each entry with its proof in the newest tree. The entry at the index must be known to be
// this version: Continues proves it. Versions reads at most limit entries, the later ones
// first. It stops reading backwards at the first version. An entry that breaks the rules of
// the log is a *[Broken].
func (n *Newest) Versions(ctx context.Context, work, version, index, limit int64) (h History, err error) {
	defer operation.Wrap(&err, "read the versions of work %d", work)
	h.To, h.From = index+1, index
	next := version + 1
	if err := n.entries(ctx, index+1, min(n.tree.N, index+1+limit), func(i int64, e leaf.Leaf) error {
		h.To, h.Last, h.Read = i+1, e.At, h.Read+1
		if e.AtsID != work {
			return nil
		}
		if e.Version != next {
			return &Broken{i, fmt.Sprintf("it is version %d of work %d, after version %d", e.Version, work, next-1)}
		}
		h.Later, next = append(h.Later, found(i, e)), next+1
		return nil
	}); err != nil {
		return h, err
	}
	for wanted := version - 1; wanted > 0 && h.From > 0 && h.Read < limit; {
		to := h.From
		from := max(0, to-min(batch, limit-h.Read))
		if from > 0 && to-from == batch { // whole tiles, so that none is read twice
			from = (from + torchwood.TileWidth - 1) / torchwood.TileWidth * torchwood.TileWidth
		}
		var some []Version
		if err := n.entries(ctx, from, to, func(i int64, e leaf.Leaf) error {
			h.Read++
			if e.AtsID == work {
				some = append(some, found(i, e))
			}
			return nil
		}); err != nil {
			return h, err
		}
		for i := len(some) - 1; i >= 0; i-- {
			if some[i].Version != wanted {
				return h, &Broken{some[i].Index, fmt.Sprintf("it is version %d of work %d, before version %d", some[i].Version, work, wanted+1)}
			}
			wanted--
		}
		h.From, h.Earlier = from, append(some, h.Earlier...)
		if from == 0 && wanted > 0 {
			return h, &Broken{index, fmt.Sprintf("it is version %d of work %d, and version %d is not before it", version, work, wanted)}
		}
	}
	return h, nil
}

func found(i int64, e leaf.Leaf) Version {
	return Version{e.Version, i, e.Block, e.At, e.Hash(), e.Commitment}
}

// entries calls each for the entries [from, to), in their order.
func (n *Newest) entries(ctx context.Context, from, to int64, each func(int64, leaf.Leaf) error) error {
	if from >= to {
		return nil
	}
	client, err := torchwood.NewClient(n.from)
	if err != nil {
		return err
	}
	next := from
	for i, text := range client.AllEntries(ctx, n.tree, from) {
		entry, err := leaf.ParseLeaf(text)
		if err != nil {
			return &Broken{i, err.Error()}
		}
		if err := each(i, entry); err != nil {
			return err
		}
		if next = i + 1; next == to {
			return nil
		}
	}
	if err := client.Err(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%d of %d entries were read", next-from, to-from)
}
