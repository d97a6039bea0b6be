package stamping

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// Of is what Dates reads the dates of: a block, and the token of a commitment in it, which may
// be nil.
type Of struct {
	Network network.Name
	Block   int64
	Token   []byte
}

// Dates returns the attestations of each element, as they stand first in evidence: the token of
// the commitment, that of the block, each with its renewals behind it, and the OpenTimestamps
// proof of the block.
func Dates(ctx context.Context, db *store.DB, all []Of) (dates [][]evidence.Attestation, err error) {
	defer operation.Wrap(&err, "read the dates of blocks")
	blocks := make([][]query.BlockStampsRow, len(all))
	if err := db.Each(ctx, len(all), func(q *query.Queries, i int) (err error) {
		blocks[i], err = q.BlockStamps(ctx, query.BlockStampsParams{Network: string(all[i].Network), Block: all[i].Block})
		return err
	}); err != nil {
		return nil, err
	}
	// The chains of tokens, each with its renewals, all of them one step further at a time.
	var chains [][][]byte
	for i, one := range all {
		if len(one.Token) > 0 {
			chains = append(chains, [][]byte{one.Token})
		}
		for _, row := range blocks[i] {
			if row.Kind == kindToken {
				chains = append(chains, [][]byte{row.Content})
			}
		}
	}
	for range maxRenewals {
		next := make([][]byte, len(chains))
		if err := db.Each(ctx, len(chains), func(q *query.Queries, i int) error {
			sum := sha256.Sum256(chains[i][len(chains[i])-1])
			token, err := q.Renewal(ctx, sum[:])
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			next[i] = token
			return err
		}); err != nil {
			return nil, err
		}
		found := false
		for i, token := range next {
			if token != nil {
				chains[i], found = append(chains[i], token), true
			}
		}
		if !found {
			break
		}
	}
	dates = make([][]evidence.Attestation, len(all))
	add := func(i int, of evidence.Subject) {
		for _, token := range chains[0] {
			dates[i] = append(dates[i], evidence.Attestation{Kind: evidence.KindRFC3161, Of: of, Token: token})
			of = evidence.OfAttestation(len(dates[i]) - 1)
		}
		chains = chains[1:]
	}
	for i, one := range all {
		if len(one.Token) > 0 {
			add(i, evidence.OfCommitment)
		}
		for _, row := range blocks[i] {
			switch row.Kind {
			case kindToken:
				add(i, evidence.OfBlock)
			case kindProof:
				dates[i] = append(dates[i], evidence.Attestation{Kind: evidence.KindOpenTimestamps, Of: evidence.OfBlock, Proof: row.Content})
			}
		}
	}
	return dates, nil
}

// Handler serves the dates of a log below its path:
//
//	/<64 hex>.tst    the token of these 32 bytes: a block's hash, or the SHA-256 of a token
//	/<64 hex>.ots    the OpenTimestamps proof of a block's hash
//	/<64 hex>.json   the attestations of the first anchor that covers the block with this hash
//
// anchored reads the anchor; nil: the log has none.
// Every site may read everything. Errors go to refuse: fault.CommonNotFound if there is no such
// date yet, and the errors of the store unchanged.
func Handler(db *store.DB, n network.Name, path string, anchored func(ctx context.Context, block [32]byte) (*Anchored, error), refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		content, kind, err := file(r.Context(), db, n, anchored, r.Method, strings.TrimPrefix(r.URL.Path, path+"/"))
		if err != nil {
			if errors.Is(err, network.ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
				err = fault.CommonNotFound().Because(err)
			}
			refuse(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", map[string]string{kindToken: "application/timestamp-token", kindProof: "application/vnd.opentimestamps.v1", kindAnchor: "application/json"}[kind])
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", map[string]string{kindToken: "public, max-age=31536000, immutable", kindProof: "no-cache", kindAnchor: "no-cache"}[kind])
		h.Set("Content-Length", strconv.Itoa(len(content)))
		if r.Method != http.MethodHead {
			w.Write(content) // a client that disconnected is not an error
		}
	})
}

// file reads what is served under a name.
func file(ctx context.Context, db *store.DB, n network.Name, anchored func(context.Context, [32]byte) (*Anchored, error), method, name string) (content []byte, kind string, err error) {
	digits, ending, _ := strings.Cut(name, ".")
	kind = map[string]string{"tst": kindToken, "ots": kindProof, "json": kindAnchor}[ending]
	digest, err := hex.DecodeString(digits)
	if err != nil || len(digest) != sha256.Size || kind == "" || strings.ToLower(digits) != digits || method != http.MethodGet && method != http.MethodHead {
		return nil, "", network.ErrNotFound
	}
	if kind == kindAnchor {
		content, err = anchorFile(ctx, anchored, [32]byte(digest))
		return content, kind, err
	}
	content, err = db.Read().BlockStampOfDigest(ctx, query.BlockStampOfDigestParams{Network: string(n), Digest: digest, Kind: kind})
	if errors.Is(err, sql.ErrNoRows) && kind == kindToken {
		content, err = db.Read().Renewal(ctx, digest)
	}
	return content, kind, err
}

// anchorFile is the file of an anchor that covers a block.
func anchorFile(ctx context.Context, anchored func(context.Context, [32]byte) (*Anchored, error), block [32]byte) ([]byte, error) {
	if anchored == nil {
		return nil, network.ErrNotFound
	}
	a, err := anchored(ctx, block)
	if err == nil && a == nil {
		err = network.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	all, err := a.Attestations(block)
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
