package api

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/intake"
	"timbre.example/internal/record"
	"timbre.example/internal/works"
	"timbre.example/proof/commitment"
)

// The structs of this package are the wire contract. Their tags only describe it: huma checks
// no body and no parameter, and unknown members are ignored, except in a mint. The registry and the sessions know the rules: they
// trim the values and report every missing or invalid field.

type wireRoles struct {
	_        struct{} `additionalProperties:"true"`
	Author   bool     `json:"author" required:"false"`
	Composer bool     `json:"composer" required:"false"`
	Arranger bool     `json:"arranger" required:"false"`
	Adapter  bool     `json:"adapter" required:"false"`
}

type wireCreator struct {
	_        struct{}  `additionalProperties:"true"`
	FullName string    `json:"full_name" minLength:"1" doc:"At most 255 characters"`
	Email    string    `json:"email" minLength:"3" doc:"At most 255 characters"`
	Roles    wireRoles `json:"roles" doc:"At least one is true"`
	IPI      *string   `json:"ipi" required:"false" nullable:"true" doc:"1 to 11 digits"`
	ISNI     *string   `json:"isni" required:"false" nullable:"true" doc:"15 digits and a digit or X"`
}

func creators(in []wireCreator) []intake.Creator {
	out := make([]intake.Creator, len(in))
	for i, c := range in {
		k := intake.Creator{FullName: c.FullName, Email: c.Email}
		for _, r := range []struct {
			on   bool
			role commitment.Role
		}{{c.Roles.Author, commitment.Author}, {c.Roles.Composer, commitment.Composer}, {c.Roles.Arranger, commitment.Arranger}, {c.Roles.Adapter, commitment.Adapter}} {
			if r.on {
				k.Roles = append(k.Roles, r.role)
			}
		}
		if c.IPI != nil {
			k.IPI = *c.IPI
		}
		if c.ISNI != nil {
			k.ISNI = *c.ISNI
		}
		out[i] = k
	}
	return out
}

// LanguageHeader is the language of the certificate that a job makes. Its name is exported
// because huma ignores unexported embedded types.
type LanguageHeader struct {
	Language string `header:"Accept-Language" required:"false" doc:"Preferred languages of the certificate: the best match of en, fr, es, de, pt, ja and ar; English by default"`
}

// storedCreator is a creator as the registry returns it: roles by their wire names.
type storedCreator struct {
	FullName string   `json:"full_name"`
	Email    string   `json:"email"`
	Roles    []string `json:"roles" doc:"author, composer, arranger, adapter"`
	IPI      *string  `json:"ipi,omitempty"`
	ISNI     *string  `json:"isni,omitempty"`
}

func stored(in []commitment.Creator) []storedCreator {
	out := make([]storedCreator, len(in))
	for i, c := range in {
		out[i] = storedCreator{FullName: c.FullName, Email: c.Email, Roles: []string{}, IPI: c.IPI, ISNI: c.ISNI}
		for _, r := range c.Roles {
			out[i].Roles = append(out[i].Roles, r.String())
		}
	}
	return out
}

type wireVersion struct {
	Version         int64     `json:"version"`
	Commitment      string    `json:"commitment" doc:"0x and 64 hex digits, like all hashes here"`
	AssetFilename   string    `json:"asset_filename"`
	RegisteredBlock int64     `json:"registered_at_block"`
	RegisteredAt    time.Time `json:"registered_at"`
	MediaHash       string    `json:"media_hash"`
	MerkleRoot      string    `json:"merkle_root"`
	BlockHash       string    `json:"block_hash"`
	TxHash          string    `json:"tx_hash"`
	Fee             int64     `json:"fee_credits" doc:"The whole price of the version"`
	StorageFee      int64     `json:"storage_fee_credits" doc:"The part of fee_credits for storage"`
}

func versionsOf(in []works.OwnVersion) []wireVersion {
	out := make([]wireVersion, len(in))
	for i, v := range in {
		out[i] = wireVersion{
			Version: v.Version, Commitment: record.Hex(v.Commitment), AssetFilename: v.Filename, RegisteredBlock: v.BlockNumber, RegisteredAt: v.RegisteredAt,
			MediaHash: record.Hex(v.MediaHash), MerkleRoot: record.Hex(v.MerkleRoot), BlockHash: record.Hex(v.BlockHash), TxHash: record.Hex(v.TxHash),
			Fee: v.Price.Total, StorageFee: v.Price.StorageFee,
		}
	}
	return out
}

// version reads a version number in a path. An invalid one is -1, which matches no version:
// 0 would be the latest.
func version(text string) int64 {
	if n := number(text); n != 0 {
		return n
	}
	return -1
}

// parseID reads a UUID in its usual form, in either case.
func parseID(text string) (id string, ok bool) {
	return strings.ToLower(text), len(text) == 36 && uuid.Validate(text) == nil
}
