package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Network names where a work is registered.
type Network string

// The networks of a server. The test network proves nothing, and mainnet costs credits.
const (
	Testnet Network = "testnet"
	Mainnet Network = "mainnet"
)

// Role is what a creator did.
type Role string

// The roles of creators: Lyrics, Music, Arrangement and Adaptation, as people read them.
const (
	Author   Role = "author"
	Composer Role = "composer"
	Arranger Role = "arranger"
	Adapter  Role = "adapter"
)

// Creator is one person of a song.
type Creator struct {
	// FullName and Email have 1 to 255 characters each.
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	// Roles has at least one role.
	Roles []Role `json:"roles"`
	// IPI has 1 to 11 digits, and ISNI 15 digits and then a digit or X. Both may be empty.
	IPI  string `json:"ipi,omitempty"`
	ISNI string `json:"isni,omitempty"`
}

func wire(list []Creator) []wireCreator {
	out := make([]wireCreator, len(list))
	for i, c := range list {
		out[i] = wireCreator{c.FullName, c.Email, make(map[string]bool, len(c.Roles)), c.IPI, c.ISNI}
		for _, r := range c.Roles {
			out[i].Roles[string(r)] = true
		}
	}
	return out
}

// Song describes a new work.
type Song struct {
	// Title has 1 to 200 characters.
	Title string
	// Creators are 1 to 32.
	Creators []Creator
	// Network is required.
	Network Network
	// ExternalUserRef is the host's own id of the end-user, 1 to 255 bytes. Without it the work belongs to the organization,
	// and has an access code.
	ExternalUserRef string
	// Language chooses the language of the certificate, as Accept-Language; empty: English.
	Language string
}

// Recording is the file of a work: bytes that can be read again, such as an *os.File.
type Recording struct {
	// Name is the name of the file, 1 to 255 characters.
	Name string
	// Size is in bytes.
	Size int64
	// Bytes is read at several places at once.
	Bytes io.ReaderAt
	// SHA256 is the hash of the bytes, if it is known already: 64 hex digits, with or without 0x before them. If it is empty, the
	// client computes it.
	SHA256 string
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// Hash returns the SHA-256 of the bytes in hex. It reads them once, in pieces.
func (r Recording) Hash() (string, error) { return r.hash(context.Background()) }

func (r Recording) hash(ctx context.Context) (string, error) {
	h := sha256.New()
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	n, err := io.CopyBuffer(h, until{ctx, io.NewSectionReader(r.Bytes, 0, r.Size)}, *b)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("read the recording: %w", err)
	}
	if n != r.Size {
		return "", fmt.Errorf("the recording has %d bytes, and %d were expected: it changed", n, r.Size)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// until reads until its context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func (r *Recording) complete(ctx context.Context) (err error) {
	switch {
	case r.Bytes == nil || r.Name == "":
		return errors.New("client: a Recording needs Name and Bytes")
	case r.SHA256 == "":
		r.SHA256, err = r.hash(ctx)
	}
	r.SHA256 = strings.ToLower(strings.TrimPrefix(r.SHA256, "0x")) // as a quote has it
	return err
}

// Quote is the price of a registration, before it is accepted. All prices are whole credits, and Total is the sum of the
// others.
type Quote struct {
	JobID      string    `json:"job_id"`
	WorkID     string    `json:"work_id"`
	Commitment string    `json:"commitment"`
	NetworkFee int64     `json:"network_fee_credits"`
	Deposit    int64     `json:"total_deposit_credits"`
	ServiceFee int64     `json:"service_fee_credits"`
	StorageFee int64     `json:"storage_fee_credits"`
	Total      int64     `json:"total_price_credits"`
	ExpiresAt  time.Time `json:"expires_at"`
	MediaHash  string    `json:"media_hash"`
	SizeBytes  int64     `json:"size_bytes"`
	// Format, Seconds and SampleRate (in Hz) are those of the recording; empty with [Options.HashOnly].
	Format     string  `json:"format"`
	Seconds    float64 `json:"duration_seconds"`
	SampleRate int     `json:"sample_rate"`
	// Incomplete says that the file ends inside a frame. The song may be truncated, and is accepted.
	Incomplete bool `json:"incomplete_last_frame"`
}

// Result is a version that is final.
type Result struct {
	TransactionID string    `json:"-"`
	TxHash        string    `json:"tx_hash"`
	BlockNumber   int64     `json:"block_number"`
	BlockHash     string    `json:"block_hash"`
	RegisteredAt  time.Time `json:"registered_at"`
	// AtsID is the registration number of the work, and WorkID its UUID, for downloads.
	AtsID       int64  `json:"ats_id"`
	WorkID      string `json:"work_id"`
	ExplorerURL string `json:"explorer_url"`
	WorkURL     string `json:"work_url"`
	// AccessCode opens a work without an end-user. It is a secret, and the server shows it only for an hour.
	AccessCode string `json:"access_code"`
}

// Step is a part of a registration that takes time.
type Step string

// The steps, in their order.
const (
	StepHash    Step = "hash"    // the client computes the SHA-256 of the recording
	StepInit    Step = "init"    // the server learns what is registered
	StepUpload  Step = "upload"  // the recording is sent
	StepPrepare Step = "prepare" // the server reads it, and quotes
	StepConfirm Step = "confirm" // the price is accepted
	StepFollow  Step = "follow"  // the network makes the work final
	StepDone    Step = "done"
)

// Progress is what a registration does now.
type Progress struct {
	Step Step
	// Sent and Size are bytes, for StepUpload. Parts that are sent again are not counted twice.
	Sent, Size int64
}

// State is what a registration needs to continue in another process. It has an access code, which is a secret, once the
// registration is confirmed. Store it as JSON, and give it back with the same song and the same options: the server registers
// what it received first. After [CodeTransactionFailed] begin with an empty one.
type State struct {
	// IdempotencyKey makes a repeated init the same one: 1 to 200 printable ASCII characters. Without one, Register makes a
	// random key. After a job has expired, the key gets a dot and another random text at its end.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	JobID          string `json:"job_id,omitempty"`
	TransactionID  string `json:"transaction_id,omitempty"`
	AccessCode     string `json:"access_code,omitempty"`
}

// Options change how a registration is made. The zero value registers at any price.
type Options struct {
	// Accept sees the price before it is accepted. An error refuses it, and is the error of the call.
	Accept func(ctx context.Context, q Quote) error
	// Progress is called with each change, by one goroutine at a time. It must return soon, and must not panic: it runs in
	// goroutines of the client, too, and their panics end the program.
	Progress func(Progress)
	// State continues a registration that was interrupted; the zero value begins one.
	State State
	// Save stores the state before each step that needs it later. Its error ends the registration.
	Save func(State) error
	// HashOnly registers the hash of the recording: the bytes stay here.
	HashOnly bool
	// Parallel is the number of parts of one file that are sent at once; 0: 4.
	Parallel int
	// Rehearse is an error code to provoke, with a test key: see docs/api.md.
	Rehearse Code
}
