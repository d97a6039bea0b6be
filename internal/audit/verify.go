package audit

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Head is the end of an organization's chain.
type Head struct {
	Organization string `json:"organization_id"` // "": the installation
	Entries      int64  `json:"entries"`
	Hash         string `json:"hash"` // of the last entry, in hex; "" without entries
}

// Heads reads the ends of the chains of all organizations, in the order of their ids: at most
// limit that come after the organization after. The installation's chain comes first; after is
// then nil.
func Heads(ctx context.Context, db *store.DB, after *string, limit int) (_ []Head, err error) {
	defer operation.Wrap(&err, "list the heads of the audit log")
	heads := []Head{}
	from := ""
	if after != nil {
		from = *after
	} else {
		h, err := db.Read().GetAuditHead(ctx, "")
		if err == nil {
			heads = append(heads, head(h))
		} else if !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	rows, err := db.Read().AuditHeads(ctx, query.AuditHeadsParams{After: from, Lim: int32(min(max(limit, 1), MaxPage))})
	for _, row := range rows {
		heads = append(heads, head(row))
	}
	return heads, err
}

func head(h query.AuditHead) Head {
	return Head{Organization: h.OrganizationID, Entries: h.Entries, Hash: hex.EncodeToString(h.Hash)}
}

// A Break is where a chain does not continue: an entry was changed, removed or inserted
// outside of Timbre.
type Break struct {
	Organization string
	Position     int64 // of the first entry that is wrong or missing
	What         string
}

func (b Break) Error() string {
	return fmt.Sprintf("audit log of organization %q, entry %d: %s", b.Organization, b.Position, b.What)
}

// Verify checks the chain of an organization from its first entry to its head, and returns the
// head. If earlier is a head from an earlier check, it must be part of the chain. The error is
// a [Break] if the chain is broken. Changes that happen meanwhile are not checked.
func Verify(ctx context.Context, db *store.DB, organization string, earlier *Head) (_ Head, err error) {
	defer operation.Wrap(&err, "verify the audit log of organization %q", organization)
	row, err := db.Read().GetAuditHead(ctx, organization)
	if errors.Is(err, sql.ErrNoRows) {
		row, err = query.AuditHead{OrganizationID: organization}, nil
	}
	if err != nil {
		return Head{}, err
	}
	end := head(row)
	broken := func(position int64, what string) (Head, error) { return end, Break{organization, position, what} }
	if earlier != nil && earlier.Entries > end.Entries {
		return broken(end.Entries+1, fmt.Sprintf("is missing: an earlier check found %d entries", earlier.Entries))
	}
	var hash []byte
	var position int64
	for position < end.Entries {
		rows, err := db.Read().AuditChain(ctx, query.AuditChainParams{OrganizationID: organization, After: position, Lim: window})
		if err != nil {
			return end, err
		}
		if len(rows) == 0 {
			return broken(position+1, "is missing")
		}
		for _, e := range rows {
			switch position++; {
			case position > end.Entries: // written meanwhile
				return end, nil
			case e.Position != position:
				return broken(position, "is missing")
			}
			if hash = chain(hash, e); !bytes.Equal(hash, e.Hash) {
				return broken(position, "was changed, or an entry before it")
			}
			if earlier != nil && earlier.Entries == position && earlier.Hash != hex.EncodeToString(hash) {
				return broken(position, "is not the entry that an earlier check found")
			}
		}
	}
	if !bytes.Equal(hash, row.Hash) {
		return broken(end.Entries, "is not the last one that was written")
	}
	return end, nil
}
