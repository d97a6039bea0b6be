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
// histories.
func Later(ctx context.Context, source, key, older string) (signed string, proof tlog.TreeProof, err error) {
	defer operation.Wrap(&err, "read a later checkpoint from %s", source)
	origin, _, _ := strings.Cut(key, "+")
	before, err := evidence.OpenCheckpoint(older, origin, key)
	if err != nil {
		return "", nil, err
	}
	var from torchwood.TileReader
	if strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://") {
		from, err = fetch(source)
	} else {
		from, err = torchwood.NewTileFS(os.DirFS(source))
	}
	if err != nil {
		return "", nil, err
	}
	text, err := from.ReadEndpoint(ctx, keptName)
	if err != nil {
		return "", nil, err
	}
	own, _, err := evidence.Split(string(text))
	if err != nil {
		return "", nil, fmt.Errorf("the checkpoint: %w", err)
	}
	tree, err := evidence.OpenCheckpoint(own, origin, key)
	if err != nil {
		return "", nil, fmt.Errorf("the checkpoint: %w", err)
	}
	switch {
	case tree.N < before.N:
		return "", nil, fmt.Errorf("the newest checkpoint has %d entries, fewer than that of the evidence (%d)", tree.N, before.N)
	case tree.N == before.N && tree.Hash != before.Hash:
		return "", nil, &Fork{older, own, "two trees of one size"}
	case tree.N == before.N:
		return string(text), tlog.TreeProof{}, nil
	case before.N == 0:
		return "", nil, errors.New("the checkpoint of the evidence has no entries")
	}
	proof, err = tlog.ProveTree(tree.N, before.N, torchwood.TileHashReaderWithContext(ctx, tree, from))
	if err != nil {
		return "", nil, fmt.Errorf("the tiles do not give the signed tree of %d entries: %w", tree.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
		return "", nil, &Fork{older, own, fmt.Sprintf("the tree of %d entries does not continue that of %d", tree.N, before.N)}
	}
	return string(text), proof, nil
}
