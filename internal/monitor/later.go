package monitor

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// Later reads the newest checkpoint of a log and the proof that its tree continues that of the
// signed checkpoint older. source is the log's address, or a folder with a mirror of it. The
// proof is empty if both are of the same tree. Later returns a *[Fork] if the log signed two
// histories.
func Later(ctx context.Context, source, key, older string) (signed string, proof tlog.TreeProof, err error) {
	n, err := ReadNewest(ctx, Source{Place: source}, key)
	if err != nil {
		return "", nil, err
	}
	if proof, err = n.Continues(ctx, older); err != nil {
		return "", nil, err
	}
	return n.Signed, proof, nil
}
