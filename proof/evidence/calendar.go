package evidence

import (
	"bytes"
	"fmt"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/internal/ots"
)

// CalendarPromise is the statement of an OpenTimestamps calendar that it will complete a proof.
type CalendarPromise struct {
	// Calendar is the address of the calendar, as the calendar gives it: not trusted.
	Calendar string
	// Digest is what the calendar is asked for: at most 4096 bytes.
	Digest []byte
}

// CalendarProof is what an OpenTimestamps proof has so far.
type CalendarProof struct {
	// Digest is what the proof is about.
	Digest commitment.Hash
	// Promises are those that are not kept yet. A proof of Bitcoin may still have some.
	Promises []CalendarPromise
	// Bitcoin: the proof leads to a block. [Verify] checks it.
	Bitcoin bool
}

// NewProof returns an OpenTimestamps file of a digest from the answers of one or more
// calendars (POST /digest). It refuses answers that are not a proof of the digest, and fails
// without an answer.
func NewProof(digest commitment.Hash, answers ...[]byte) ([]byte, error) {
	file, err := ots.File(digest, answers...)
	if err != nil {
		return nil, fmt.Errorf("evidence: an answer of a calendar: %w", err)
	}
	return file, nil
}

// ReadProof returns what an OpenTimestamps file has. It verifies no statement. The file may
// have 128 KiB.
func ReadProof(file []byte) (CalendarProof, error) {
	p, err := ots.Parse(file)
	if err != nil {
		return CalendarProof{}, fmt.Errorf("evidence: %w", err)
	}
	out := CalendarProof{Digest: p.Digest, Bitcoin: len(p.Bitcoin) > 0}
	for _, one := range p.Pending {
		out.Promises = append(out.Promises, CalendarPromise{one.Calendar, one.Digest})
	}
	return out, nil
}

// CompleteProof returns an OpenTimestamps file with the answer of a calendar (GET /timestamp)
// in the place of its promise.
func CompleteProof(file []byte, promise CalendarPromise, answer []byte) ([]byte, error) {
	p, err := ots.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	for _, one := range p.Pending {
		if one.Calendar != promise.Calendar || !bytes.Equal(one.Digest, promise.Digest) {
			continue
		}
		next, err := ots.Complete(file, one, answer)
		if err != nil {
			return nil, fmt.Errorf("evidence: an answer of a calendar: %w", err)
		}
		return next, nil
	}
	return nil, fmt.Errorf("evidence: the proof has no such promise: %w", ErrUnrelated)
}
