package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"timbre.example/internal/access"
	"timbre.example/internal/claims"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Announced is a client's description of its file before the upload. The upload is compared
// with it. In a hash-only job it is all that is known.
type Announced struct {
	// SizeBytes is the file's size, or 0 when the client does not know it.
	SizeBytes int64
	// SHA256 is the file's hash in hex, with or without 0x, or "".
	SHA256 string
}

// announce writes the client's description of its file into a job that brings a file.
func announce(job *query.InsertJobParams, c access.Caller, in Announced) error {
	job.HashOnly = c.HashOnly
	if in.SHA256 == "" || !c.HashOnly {
		// Without the hash, prepare returns both fields as missing.
		if err := checkSize(in.SizeBytes, c.MaxFileSize); err != nil || in.SHA256 == "" {
			return err
		}
		hash, err := parseHash(in.SHA256)
		job.DeclaredHash = hash
		return err
	}
	hash, m, err := declared(in, c.MaxFileSize)
	job.MediaHash, job.Media = hash, record.Encode(m)
	return err
}

// declared checks the description of a file that is not uploaded: both hash and size are
// required.
func declared(in Announced, most int64) (hash []byte, m record.Media, err error) {
	var bad fault.Refused
	if in.SHA256 == "" {
		bad.Refuse("media_sha256", "required", "Required without an upload: send the SHA-256 of the file.")
	}
	if in.SizeBytes == 0 {
		bad.Refuse("size_bytes", "required", "Required without an upload: send the size of the file.")
	}
	if err := bad.Err(); err != nil {
		return nil, m, err
	}
	if err := checkSize(in.SizeBytes, most); err != nil {
		return nil, m, err
	}
	if hash, err = parseHash(in.SHA256); err != nil {
		return nil, m, err
	}
	if [32]byte(hash) == sha256.Sum256(nil) {
		return nil, m, fault.RegistrationAudioEmpty()
	}
	return hash, record.Media{Size: in.SizeBytes}, nil
}

// checkSize refuses an invalid size before the upload; 0 means unknown.
func checkSize(size, most int64) error {
	switch {
	case size < 0:
		return fault.CommonValidationFailed([]fault.Field{{Field: "size_bytes", Rule: "min", Message: "Must not be negative."}})
	case size > most:
		return fault.RegistrationAudioTooLarge(size, most)
	}
	return nil
}

func parseHash(text string) ([]byte, error) {
	hash, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(hash) != sha256.Size {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "media_sha256", Rule: "sha256", Message: "Must be 0x and 64 hex digits."}})
	}
	return hash, nil
}

// Declare stores the client's description of its file, instead of an upload or before it.
// Like an upload, it may be repeated until the job is confirmed; the last one counts.
func (s *Service) Declare(ctx context.Context, m access.Maker, jobID string, in Announced) (err error) {
	defer operation.Wrap(&err, "declare the file hash of job %s", jobID)
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		job, err := openJob(ctx, tx.Queries, m, jobID, tx.Now)
		if err != nil {
			return err
		}
		set := query.DeclareMediaParams{DeclaredHash: job.DeclaredHash, MediaHash: job.MediaHash, Media: job.Media, Now: store.Micros(tx.Now), ID: jobID}
		switch {
		case job.HashOnly:
			hash, m, err := declared(in, job.MaxBytes)
			if err != nil {
				return err
			}
			set.MediaHash, set.Media = hash, record.Encode(m)
		case in.SHA256 == "": // the upload has a size
			return nil
		default:
			if set.DeclaredHash, err = parseHash(in.SHA256); err != nil {
				return err
			}
		}
		n, err := tx.DeclareMedia(ctx, set)
		if err == nil && n == 0 {
			return changedMeanwhile(ctx, tx, jobID)
		}
		return err
	})
	if err == nil {
		s.Reached("declare.committed")
	}
	return err
}

// announcedOwner refuses audio of another work before anything is uploaded. This check only
// saves an upload: prepare and confirm decide.
func announcedOwner(ctx context.Context, tx *store.Tx, job query.InsertJobParams) error {
	hash := job.DeclaredHash
	if job.HashOnly {
		hash = job.MediaHash
	}
	if len(hash) == 0 {
		return nil
	}
	_, err := claims.Recording(ctx, tx.Queries, asJob(job), hash)
	return err
}
