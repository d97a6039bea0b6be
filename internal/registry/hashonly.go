package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A hash-only job registers a recording that is never uploaded: hash and size are what the
// client declares. Format and duration are unknown, and nothing claims otherwise. All code
// for such jobs is in this file, apart from single lines in other steps.

// announce writes the client's description of its file into a job that brings a file.
func announce(job *query.InsertJobParams, c session.Caller, in Announced) error {
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
	job.MediaHash, job.Media = hash, mustJSON(m)
	return err
}

// declared checks the description of a file that is not uploaded: both hash and size are
// required.
func declared(in Announced, most int64) (hash []byte, m Media, err error) {
	var bad refusals
	if in.SHA256 == "" {
		bad.refuse("media_sha256", "required", "Required without an upload: send the SHA-256 of the file.")
	}
	if in.SizeBytes == 0 {
		bad.refuse("size_bytes", "required", "Required without an upload: send the size of the file.")
	}
	if err := bad.err(); err != nil {
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
	return hash, Media{Size: in.SizeBytes}, nil
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
func (r *Registry) Declare(ctx context.Context, c session.Caller, jobID string, in Announced) error {
	err := r.DB.Tx(ctx, func(tx *store.Tx) error {
		job, err := openJob(ctx, tx.Queries, c, jobID, tx.Now)
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
			set.MediaHash, set.Media = hash, mustJSON(m)
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
		r.reached("declare.committed")
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
	_, err := mediaOwner(ctx, tx.Queries, query.Job{OrganizationID: job.OrganizationID, Network: job.Network, WorkID: job.WorkID, ExternalUserRef: job.ExternalUserRef, Test: job.Test}, hash)
	return err
}
