package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
)

// Later reads the newest checkpoint of a log and the proof that its tree continues that of the
// signed checkpoint older. source is the log's address, or a folder with a mirror of it. The
// proof is empty if both are of the same tree. Later returns a *[Fork] if the log signed two
// histories. keys and pages are as in [evidence.Options]; page is the key page that the source
// has, or one without text.
func Later(ctx context.Context, source string, keys []string, pages []evidence.KeyPage, older string) (signed string, proof tlog.TreeProof, page evidence.KeyPage, err error) {
	defer operation.Wrap(&err, "read a later checkpoint from %s", source)
	origin, _, _ := strings.Cut(older, "\n")
	var from torchwood.TileReader
	if strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://") {
		from, err = fetch(source)
	} else {
		from, err = torchwood.NewTileFS(os.DirFS(source))
	}
	if err != nil {
		return "", nil, page, err
	}
	text, err := from.ReadEndpoint(ctx, keptName)
	if err != nil {
		return "", nil, page, err
	}
	if served, err := from.ReadEndpoint(ctx, keysName); err == nil { // a log of another program has none
		if page, err = evidence.ParseKeyPage(string(served)); err != nil {
			return "", nil, page, fmt.Errorf("the log serves a key page that does not hold: %w", err)
		}
		pages = append(pages[:len(pages):len(pages)], page)
	}
	ring, err := trust(keys, pages)
	if err != nil {
		return "", nil, page, err
	}
	before, _, err := ring.Open(older, origin)
	if err != nil {
		return "", nil, page, err
	}
	own, _, err := evidence.Split(string(text))
	if err != nil {
		return "", nil, page, fmt.Errorf("the checkpoint: %w", err)
	}
	tree, _, err := ring.Open(own, origin)
	if err != nil {
		return "", nil, page, fmt.Errorf("the checkpoint: %w", err)
	}
	switch {
	case tree.N < before.N:
		return "", nil, page, fmt.Errorf("the newest checkpoint has %d entries, fewer than that of the evidence (%d)", tree.N, before.N)
	case tree.N == before.N && tree.Hash != before.Hash:
		return "", nil, page, &Fork{older, own, "two trees of one size"}
	case tree.N == before.N:
		return string(text), tlog.TreeProof{}, page, nil
	case before.N == 0:
		return "", nil, page, errors.New("the checkpoint of the evidence has no entries")
	}
	proof, err = tlog.ProveTree(tree.N, before.N, torchwood.TileHashReaderWithContext(ctx, tree, from))
	if err != nil {
		return "", nil, page, fmt.Errorf("the tiles do not give the signed tree of %d entries: %w", tree.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
		return "", nil, page, &Fork{older, own, fmt.Sprintf("the tree of %d entries does not continue that of %d", tree.N, before.N)}
	}
	return string(text), proof, page, nil
}
