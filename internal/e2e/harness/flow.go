package harness

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is an answer that is not a success: the envelope.
type Refusal struct {
	Status    int            `json:"-"`
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details"`
	RequestID string         `json:"request_id"`
	// RetryAfter is the header, in seconds; 0 when it is missing.
	RetryAfter int `json:"-"`
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s (%s)", r.Status, r.Code, r.RequestID) }

// Result is how a transaction ended.
type Result struct {
	Success     bool   `json:"success"`
	TxHash      string `json:"tx_hash"`
	BlockNumber int64  `json:"block_number"`
	BlockHash   string `json:"block_hash"`
	AtsID       int64  `json:"ats_id"`
	WorkID      string `json:"work_id"`
	AccessCode  string `json:"access_code"`
	Error       string `json:"error"` // the message of a failure
	ErrorCode   string `json:"error_code"`
	RequestID   string `json:"request_id"`
}

// Song is one registration, as an integrator's page goes through it. The
// methods fill it in. Their errors are a *Refusal, or mean that no answer came.
type Song struct {
	Server *Server
	// Minter is where sessions are minted; nil: at Server.
	Minter *Server
	Title  string
	Audio  []byte
	// Code is the access code of the work that the song is a version of; "": it
	// is a work of its own. A version without Audio keeps the recording.
	Code string
	// User is the end-user who owns the work; "": no end-user. AtsID is the work of
	// which the song is a new version; 0: the song is a new work.
	User  string
	AtsID int64
	// HashOnly sends only the file hash and the size to the server, not the audio.
	HashOnly bool
	// Key is an API key, by which a backend registers the song; "": a session does.
	Key string
	// Language is what every call sends as Accept-Language.
	Language string
	// Client is how the calls reach the server, for one behind TLS; nil: directly.
	Client *http.Client

	Token         string
	JobID         string
	UploadURL     string
	WorkID        string
	Commitment    string
	Price         int64
	TransactionID string
	AccessCode    string // from the answer of confirm
	Result        *Result
}

// origin is a page that the demo's organization allows.
const origin = "http://localhost:3000"

var client = &http.Client{Timeout: Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// Mint gets a session, as the host's backend does.
func (s *Song) Mint(ctx context.Context) error {
	if s.Key != "" { // a backend needs no session
		s.Token = s.Key
		return nil
	}
	var out struct {
		Token string `json:"token"`
	}
	action := "register"
	if s.Code != "" || s.AtsID != 0 {
		action = "update_version"
	}
	at := *s
	at.Server = cmp.Or(s.Minter, s.Server)
	ask := map[string]any{"secret_key": s.Server.SecretKey, "action_type": action, "allowed_network": "testnet"}
	if s.User != "" {
		ask["external_user_ref"] = s.User
	}
	if s.HashOnly {
		ask["asset_storage"] = "none"
	}
	err := at.call(ctx, "POST", "/v1/sessions", ask, &out)
	s.Token = out.Token
	return err
}

// route is the path of a step.
func (s *Song) route(step string) string {
	if s.Code == "" && s.AtsID == 0 {
		return "/v1/works/" + step
	}
	if step == "init" && s.Audio != nil {
		step = "init-upload"
	}
	if s.AtsID != 0 {
		return fmt.Sprintf("/v1/works/%d/versions/%s", s.AtsID, step)
	}
	return "/v1/access/" + s.Code + "/versions/" + step
}

// Init begins the registration, or the update.
func (s *Song) Init(ctx context.Context) error {
	var out struct {
		JobID     string `json:"job_id"`
		UploadURL string `json:"upload_url"`
	}
	creator := map[string]any{"full_name": "Ada Example", "email": "ada@songs.example", "roles": map[string]bool{"author": true, "composer": true}}
	err := s.call(ctx, "POST", s.route("init"), map[string]any{"title": s.Title, "filename": "take.wav", "network": "testnet", "creators": []any{creator}}, &out)
	s.JobID, s.UploadURL = out.JobID, out.UploadURL
	return err
}

// Put uploads the audio, if there is any.
func (s *Song) Put(ctx context.Context) error {
	if s.Audio == nil || s.HashOnly {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, "PUT", s.UploadURL, bytes.NewReader(s.Audio))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "audio/wav")
	return s.answer(req, nil)
}

// PutParts uploads size bytes in parts, one after the other: piece returns the bytes of one
// part. Parts that the server has are not sent again.
func (s *Song) PutParts(ctx context.Context, size int64, piece func(from, size int64) io.Reader) error {
	var at struct {
		PartBytes int64 `json:"part_size_bytes"`
		Count     int   `json:"part_count"`
		Complete  bool
		Stored    []struct{ Number int }
		URLs      []struct {
			Number int
			Size   int64 `json:"size_bytes"`
			URL    string
		}
	}
	if err := s.call(ctx, "POST", s.route("parts"), map[string]any{"job_id": s.JobID, "size_bytes": size}, &at); err != nil {
		return err
	}
	stored := map[int]bool{}
	for _, p := range at.Stored {
		stored[p.Number] = true
	}
	for n := 1; n <= at.Count && !at.Complete; n++ {
		if stored[n] {
			continue
		}
		at.URLs = nil
		if err := s.call(ctx, "POST", s.route("parts"), map[string]any{"job_id": s.JobID, "numbers": []int{n}}, &at); err != nil {
			return err
		}
		u := at.URLs[0]
		req, err := http.NewRequestWithContext(ctx, "PUT", u.URL, piece(int64(n-1)*at.PartBytes, u.Size))
		if err != nil {
			return err
		}
		req.ContentLength = u.Size
		if err := s.answer(req, nil); err != nil {
			return err
		}
	}
	return s.call(ctx, "POST", s.route("parts/complete"), map[string]any{"job_id": s.JobID}, nil)
}

// Prepare gets the quote.
func (s *Song) Prepare(ctx context.Context) error {
	var out struct {
		WorkID     string `json:"work_id"`
		Commitment string `json:"commitment"`
		Price      int64  `json:"total_price_credits"`
	}
	ask := map[string]any{"job_id": s.JobID}
	if s.HashOnly {
		ask["media_sha256"], ask["size_bytes"] = fmt.Sprintf("0x%x", sha256.Sum256(s.Audio)), len(s.Audio)
	}
	err := s.call(ctx, "POST", s.route("prepare"), ask, &out)
	s.WorkID, s.Commitment, s.Price = out.WorkID, out.Commitment, out.Price
	return err
}

// Confirm accepts the quote. That it has been accepted already is what a client
// wanted whose first confirm got no answer.
func (s *Song) Confirm(ctx context.Context) error {
	var out struct {
		TransactionID string `json:"transaction_id"`
		AccessCode    string `json:"access_code"`
	}
	err := s.call(ctx, "POST", s.route("confirm"), map[string]any{"job_id": s.JobID}, &out)
	if r, ok := err.(*Refusal); ok && r.Code == "transaction.already_confirmed" {
		s.TransactionID, _ = r.Details["transaction_id"].(string)
		return nil
	}
	s.TransactionID, s.AccessCode = out.TransactionID, out.AccessCode
	return err
}

// Follow listens to the transaction's events until the last one, and then reads
// its result.
func (s *Song) Follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.Server.URL+"/v1/transactions/"+s.TransactionID+"/events", nil)
	if err != nil {
		return err
	}
	res, err := cmp.Or(s.Client, client).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refusal(res)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if event := strings.TrimPrefix(lines.Text(), "event: "); event == "completed" || event == "error" {
			return s.Status(ctx)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// Status reads the transaction once. Result stays nil until it has ended.
func (s *Song) Status(ctx context.Context) error {
	var out struct {
		Result *Result `json:"result"`
	}
	err := s.call(ctx, "GET", "/v1/transactions/"+s.TransactionID, nil, &out)
	s.Result = out.Result
	return err
}

func (s *Song) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.Server.URL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.Key == "" {
		req.Header.Set("Origin", origin)
		req.Header.Set("X-Site-Key", s.Server.SiteKey)
	}
	if s.Language != "" {
		req.Header.Set("Accept-Language", s.Language)
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	return s.answer(req, out)
}

func (s *Song) answer(req *http.Request, out any) error {
	res, err := cmp.Or(s.Client, client).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return refusal(res)
	}
	if out == nil {
		_, err := io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func refusal(res *http.Response) error {
	var e struct {
		Error Refusal `json:"error"`
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		return fmt.Errorf("%s without an envelope: %w: %.200s", res.Status, err, text)
	}
	e.Error.Status = res.StatusCode
	e.Error.RetryAfter, _ = strconv.Atoi(res.Header.Get("Retry-After"))
	return &e.Error
}

// WAV is a tenth of a second of sound; other seeds sound otherwise.
func WAV(seed int) []byte {
	const samples = 800
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], 36+2*samples)
	binary.LittleEndian.PutUint32(b[40:], 2*samples)
	for i := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(i*(seed+1)%251+seed))
	}
	return b
}

// Eventually asks again and again until ok says yes, and reports whether it did
// in time. It is for what gives no signal, such as another process's files.
func Eventually(ok func() bool) bool {
	limit := time.After(Timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}
