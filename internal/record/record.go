// Package record holds the values in the rows of jobs, transactions, works and versions that
// several rooms write and read. It decides nothing, and it changes no row.
package record

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The kinds of transaction, by their wire names: KindRegister makes a work, KindUpdate adds
// a version to one.
const (
	KindRegister = "register"
	KindUpdate   = "add_version"
)

// Media is the stored result of inspecting a file.
type Media struct {
	Size       int64         `json:"size"`
	Format     string        `json:"format,omitempty"`
	Duration   time.Duration `json:"duration_ns,omitempty"`
	SampleRate int           `json:"sample_rate,omitempty"`
	Channels   int           `json:"channels,omitempty"`
	Incomplete bool          `json:"incomplete_last_frame,omitempty"` // see media.Info
}

// Redacted returns work.not_found for a redacted work. Only the log and operators see that
// the work was redacted; clients do not.
func Redacted(w query.Work) error {
	if !w.RedactedAt.Valid {
		return nil
	}
	return fault.WorkNotFound().Because(fmt.Errorf("it was redacted on %s: its stored data is erased", store.Time(w.RedactedAt.Int64).Format(time.DateOnly)))
}

// Version reads a version of a work; version 0 is the latest. Without such a version it
// returns sql.ErrNoRows.
func Version(ctx context.Context, q *query.Queries, w query.Work, version int64) (_ query.Version, err error) {
	defer operation.Wrap(&err, "read version %d of work %s", version, w.ID)
	if version == 0 {
		version = w.LatestVersion
	}
	return q.GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: version})
}

// Hex returns the wire form of a hash.
func Hex(hash []byte) string { return "0x" + hex.EncodeToString(hash) }

// Encode returns the stored form of a plain struct, which cannot fail.
func Encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
