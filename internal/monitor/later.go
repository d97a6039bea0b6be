package monitor

import (
	"context"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

// Later reads the newest checkpoint of a log and the proof that its tree continues that of the
// signed checkpoint older. source is the log's address, or a folder with a mirror of it. The
// proof is empty if both are of the same tree. Later returns a *[Fork] if the log signed two
// histories. keys and pages are as in [evidence.Options]; page is the key page that the source
// has, or one without text.
func Later(ctx context.Context, source string, keys []string, pages []evidence.KeyPage, older string) (signed string, proof tlog.TreeProof, page evidence.KeyPage, err error) {
	origin, _, _ := strings.Cut(older, "\n")
	n, err := ReadNewest(ctx, Source{Place: source}, origin, keys, pages)
	if err != nil {
		return "", nil, page, err
	}
	if proof, err = n.Continues(ctx, older); err != nil {
		return "", nil, page, err
	}
	return n.Signed, proof, n.Page, nil
}
