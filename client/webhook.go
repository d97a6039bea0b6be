package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// WebhookTolerance is the longest time between the timestamp of a webhook and the clock.
const WebhookTolerance = 5 * time.Minute

// MaxWebhook is the largest body of a webhook that [ReadWebhook] reads, in bytes.
const MaxWebhook = 1 << 20

// The errors of webhooks. [WebhookStatus] says how to answer.
var (
	// ErrWebhookBody says that the body is not as it was received: it is empty, or was read or parsed before.
	ErrWebhookBody = errors.New("the body of the webhook is empty, or was read before: verify the raw body, before anything parses it")
	// ErrWebhookHeader says that a header of the signature is missing or malformed.
	ErrWebhookHeader = errors.New("a header of the webhook's signature is missing or malformed")
	// ErrWebhookTime says that the timestamp is more than WebhookTolerance away from the clock.
	ErrWebhookTime = errors.New("the timestamp of the webhook is too far from this clock: the webhook is old, or a clock is wrong")
	// ErrWebhookSecret says that a secret is missing, or is not whsec_ and base64.
	ErrWebhookSecret = errors.New("the secret of webhooks is missing, or is not whsec_ and base64")
	// ErrWebhookLarge says that the body has more than MaxWebhook bytes.
	ErrWebhookLarge = fmt.Errorf("the body of the webhook has more than %d bytes", MaxWebhook)
	// ErrWebhookSignature says that no signature matches a secret. The body may have been parsed and written again.
	ErrWebhookSignature = errors.New("no signature of the webhook matches: the secret is another one, or these are not the bytes that were received")
)

// Event is a webhook whose signature was verified. Members that its kind does not have are empty.
type Event struct {
	// ID is the same for all attempts of a delivery: remember it for 30 days, and do not act on it twice.
	ID string `json:"-"`
	// Kind is work_registered, work_updated, work_failed, credits_low or test. New kinds can come: ignore them.
	Kind            string    `json:"event"`
	OrganizationID  string    `json:"organization_id"`
	TransactionID   string    `json:"transaction_id"`
	APIKeyID        string    `json:"api_key_id"`
	ExternalUserRef string    `json:"external_user_ref"`
	Network         Network   `json:"network"`
	AtsID           int64     `json:"ats_id"`
	TxHash          string    `json:"tx_hash"`
	BlockNumber     int64     `json:"block_number"`
	BlockHash       string    `json:"block_hash"`
	ExplorerURL     string    `json:"explorer_url"`
	FinalizedAt     time.Time `json:"finalized_at"`
	// AccessCode opens the work, so store it like a password.
	AccessCode string `json:"access_code"`
	// Reason and FailedAt are those of work_failed.
	Reason   string    `json:"reason"`
	FailedAt time.Time `json:"failed_at"`
	// Available and Level are credits, and At is the time, of credits_low.
	Available  int64     `json:"available"`
	Level      int64     `json:"level"`
	EndpointID string    `json:"endpoint_id"`
	At         time.Time `json:"at"`
	// Raw is the verified body.
	Raw json.RawMessage `json:"-"`
}

// VerifyWebhook checks the signature of a webhook and returns its event. body has the bytes as they were received. secrets are
// those of the endpoint (whsec_…). During a rotation give both: as two texts, or as one with a space between them. The error
// is one of the ErrWebhook errors, or says that the signed body is not an event.
func VerifyWebhook(body []byte, header http.Header, secrets ...string) (*Event, error) {
	return verifyWebhook(body, header, time.Now(), secrets)
}

func verifyWebhook(body []byte, header http.Header, now time.Time, secrets []string) (*Event, error) {
	var keys [][]byte
	for _, s := range strings.Fields(strings.Join(secrets, " ")) {
		text, ok := strings.CutPrefix(s, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) == 0 {
			return nil, ErrWebhookSecret
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return nil, ErrWebhookSecret
	}
	if len(body) == 0 {
		return nil, ErrWebhookBody
	}
	id, stamp, given := header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || given == "" || err != nil || len(stamp) > 12 || unix < 0 {
		return nil, ErrWebhookHeader
	}
	if away := now.Sub(time.Unix(unix, 0)); away > WebhookTolerance || away < -WebhookTolerance {
		return nil, ErrWebhookTime
	}
	if !signed(body, id, stamp, given, keys) {
		return nil, ErrWebhookSignature
	}
	e := &Event{ID: id, Raw: body}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("the signed body of the webhook is not an event: %w", err)
	}
	return e, nil
}

// signed reports whether one of the signatures is that of one of the keys.
func signed(body []byte, id, stamp, given string, keys [][]byte) bool {
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, stamp)
		mac.Write(body)
		want := mac.Sum(nil)
		for _, one := range strings.Fields(given) {
			text, isV1 := strings.CutPrefix(one, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			ok = isV1 && err == nil && hmac.Equal(got, want) || ok
		}
	}
	return ok
}

var errWebhookCut = errors.New("the body of the webhook did not arrive whole")

// ReadWebhook reads the body of a request, at most MaxWebhook bytes, and verifies it as [VerifyWebhook] does. It fails with
// ErrWebhookBody if something has read or parsed the body before.
func ReadWebhook(r *http.Request, secrets ...string) (*Event, error) {
	if r.Form != nil || r.PostForm != nil || r.MultipartForm != nil || r.Body == nil {
		return nil, ErrWebhookBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxWebhook+1))
	switch {
	case err != nil && len(body) == 0:
		return nil, fmt.Errorf("%w (%w)", ErrWebhookBody, err) // net/http: the body was closed
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errWebhookCut, err)
	case len(body) > MaxWebhook:
		return nil, ErrWebhookLarge
	case r.ContentLength >= 0 && int64(len(body)) != r.ContentLength:
		return nil, ErrWebhookBody
	}
	return VerifyWebhook(body, r.Header, secrets...)
}

// WebhookStatus returns the status to answer a webhook with: 200 without an error; 400 for a delivery to refuse and 413 for one
// that is too large. The server does not send these again. It does after 408, for a body that did not arrive whole, and 500, for
// a mistake of the receiver ([ErrWebhookBody] and [ErrWebhookSecret]).
func WebhookStatus(err error) int {
	var larger *http.MaxBytesError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrWebhookLarge), errors.As(err, &larger):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errWebhookCut):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrWebhookBody), errors.Is(err, ErrWebhookSecret):
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
