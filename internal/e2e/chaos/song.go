package chaos

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/commitment"
)

// Tenant is an organization with its keys.
type Tenant struct {
	ID, Name, SiteKey, SecretKey, APIKey string
}

// Front is what clients reach: addresses without a slash at their end, each perhaps a proxy.
type Front struct {
	Ats   []string // the processes that take works, in any order
	Mints []string // those that mint
	// Bucket says that uploads go to an S3 server.
	Bucket  bool
	Tenants []Tenant
}

// Song is one work that a client registers, and perhaps updates, until each is final.
type Song struct {
	caller
	Number int
	Title  string
	Tenant Tenant
	Front  *Front

	rng      *rand.Rand
	byKey    bool   // a backend registers it with an API key
	user     string // the end-user; empty without one
	hashOnly bool
	follow   string // how the client follows transactions

	// Parts are the work and its update.
	Parts []*Part
	// code is the access code of the work; atsID its number.
	code  string
	atsID int64
}

// Part is one version of a song, with all jobs that the client began for it.
type Part struct {
	Version    int
	Commitment [32]byte
	Audio      []byte // nil: the recording stays
	creators   []creator
	Jobs       []*Job
	// Final is the successful end that a client received.
	Final *harness.Result
}

// Job is what a client knows about one job.
type Job struct {
	Token string // of its session; "" is an API key
	JTI   string
	Key   string // its Idempotency-Key
	// Inits are the ends of its init calls, in their order; nil is a success.
	Inits []error
	ID    string // "" while no init succeeded
	url   string
	sent  bool // an upload succeeded
	// Work is the work that a quote named.
	Work     string
	Price    int64
	Confirms []error
	Code     string // the access code in the answer of a confirm
	// Transaction is the id in the answer of a confirm; Result its end.
	Transaction string
	Result      *harness.Result
}

type creator struct {
	FullName string          `json:"full_name"`
	Email    string          `json:"email"`
	Roles    map[string]bool `json:"roles"`
}

// NewSong decides by the seed and the number what song it is.
func NewSong(run *Run, front *Front, client *http.Client, seed uint64, n int) *Song {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := &Song{
		caller: caller{run: run, client: client, name: fmt.Sprintf("song %d", n)},
		Number: n, Title: fmt.Sprintf("Song %d of the storm", n), Front: front, rng: rng, Tenant: front.Tenants[rng.IntN(len(front.Tenants))],
		follow: []string{"socket", "events", "poll"}[rng.IntN(3)],
	}
	switch rng.IntN(10) {
	case 0, 1:
		s.byKey = true
	case 2, 3:
		s.user = fmt.Sprintf("user-%d", rng.IntN(10))
	case 4:
		s.hashOnly = true
	}
	s.addPart(harness.WAV(n))
	if rng.IntN(6) == 0 {
		var audio []byte
		if rng.IntN(2) == 0 {
			audio = harness.WAV(30_000 + n)
		}
		s.addPart(audio)
	}
	return s
}

func (s *Song) addPart(audio []byte) {
	p := &Part{Version: len(s.Parts) + 1, Audio: audio}
	person := fmt.Sprintf("Ada Example %d.%d", s.Number, p.Version)
	p.creators = []creator{{person, "ada@songs.example", map[string]bool{"author": true, "composer": true}}}
	heard := audio
	if heard == nil {
		heard = s.Parts[0].Audio
	}
	sum, err := commitment.Compute(s.Title, []commitment.Creator{{FullName: person, Email: "ada@songs.example", Roles: []commitment.Role{commitment.Author, commitment.Composer}}}, sha256.Sum256(heard))
	if err != nil {
		panic(err) // the song is valid
	}
	p.Commitment = sum.Hash
	s.Parts = append(s.Parts, p)
}

// History is every call of the song, one a line.
func (s *Song) History() string {
	lines := []string{fmt.Sprintf("%s of %s, by key: %t, user: %q, hash only: %t, followed by %s", s.name, s.Tenant.Name, s.byKey, s.user, s.hashOnly, s.follow)}
	for _, e := range s.history {
		lines = append(lines, "  "+e.String())
	}
	return strings.Join(lines, "\n")
}

// Register takes the song through all of its parts. It ends early only with ctx.
func (s *Song) Register(ctx context.Context) {
	for _, p := range s.Parts {
		for p.Final == nil && ctx.Err() == nil {
			j := &Job{}
			p.Jobs = append(p.Jobs, j)
			for _, step := range []func(context.Context, *Part, *Job) bool{s.begin, s.upload, s.quote, s.confirm, s.track} {
				if !step(ctx, p, j) {
					break
				}
				Wait(ctx, time.Duration(s.rng.Int64N(int64(thought))))
			}
		}
		if p.Final != nil {
			s.atsID = p.Final.AtsID
		}
	}
}

// thought is the longest time for which a client thinks between two steps, so that faults fall between
// them too.
const thought = 300 * time.Millisecond

// lie adds a broken promise with the history of the song's newest calls.
func (s *Song) lie(format string, args ...any) {
	s.run.Say("%s: %s", s.name, fmt.Sprintf(format, args...))
}

// ats is the address of one of the processes. A balancer chooses any.
func (s *Song) ats() string { return s.Front.Ats[s.rng.IntN(len(s.Front.Ats))] }

func (s *Song) header(j *Job) http.Header {
	if s.byKey {
		return backend(s.Tenant)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("Authorization", "Bearer "+j.Token)
	h.Set("X-Site-Key", s.Tenant.SiteKey)
	h.Set("Origin", "http://localhost:3000")
	return h
}

// backend is the header of a call by an organization's backend.
func backend(t Tenant) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + t.APIKey}}
}

// route is the path of a step of a part.
func (s *Song) route(p *Part, step string) string {
	switch {
	case p.Version == 1:
		return "/v1/works/" + step
	case s.user != "" || s.byKey:
		return fmt.Sprintf("/v1/works/%d/versions/%s", s.atsID, step)
	}
	return "/v1/access/" + s.code + "/versions/" + step
}

// passing says that the same call may succeed later, and waits for the time that the answer names.
func passing(ctx context.Context, err error) bool {
	switch code(err) {
	case "":
		pause(ctx, nil) // no answer came
		return true
	case "common.service_unavailable", "common.auth.backend_unavailable", "common.auth.jwks_unavailable", "transaction.store_unavailable",
		"common.rate_limited", "session.rate_limited", "idempotency.in_progress", "registration.insufficient_credits":
		pause(ctx, err)
		return true
	}
	return false
}

// begin mints a session and begins a job.
func (s *Song) begin(ctx context.Context, p *Part, j *Job) bool {
	if s.byKey {
		j.Key = fmt.Sprintf("song-%d-%d-%d", s.Number, p.Version, len(p.Jobs))
	} else if !s.mint(ctx, p, j) {
		return false
	}
	in := map[string]any{"creators": p.creators}
	step := "init"
	if p.Version == 1 {
		in["title"], in["network"] = s.Title, "testnet"
	} else if s.byKey {
		in["network"] = "testnet"
	}
	if p.Audio != nil {
		in["filename"] = "take.wav"
		if p.Version > 1 {
			step = "init-upload"
		}
	}
	if s.hashOnly && s.byKey {
		in["asset_storage"] = "none"
	}
	header := s.header(j)
	if j.Key != "" {
		header.Set("Idempotency-Key", j.Key)
	}
	for ctx.Err() == nil {
		var out struct {
			JobID     string `json:"job_id"`
			UploadURL string `json:"upload_url"`
		}
		err := s.do(ctx, "init", "POST", s.ats()+s.route(p, step), header, in, &out)
		j.Inits = append(j.Inits, err)
		if err == nil {
			if out.JobID == "" || p.Audio != nil && !s.hashOnly && out.UploadURL == "" {
				s.lie("init answered %+v", out)
			}
			j.ID, j.url = out.JobID, out.UploadURL
			return true
		}
		switch c := code(err); {
		case passing(ctx, err):
		case c == "session.invalid_token" || c == "common.auth.expired" || c == "common.auth.invalid_token":
			return false // another session begins another job
		default:
			s.lie("init of version %d was refused: %v %v", p.Version, err, err.(*harness.Refusal).Details)
			Wait(ctx, time.Second)
			return false
		}
	}
	return false
}

func (s *Song) mint(ctx context.Context, p *Part, j *Job) bool {
	in := map[string]any{"secret_key": s.Tenant.SecretKey, "action_type": "register", "allowed_network": "testnet"}
	if p.Version > 1 {
		in["action_type"] = "update_version"
	}
	if s.user != "" {
		in["external_user_ref"] = s.user
	}
	if s.hashOnly {
		in["asset_storage"] = "none"
	}
	for ctx.Err() == nil {
		var out struct{ Token string }
		err := s.do(ctx, "mint", "POST", s.Front.Mints[s.rng.IntN(len(s.Front.Mints))]+"/v1/sessions", http.Header{"Content-Type": {"application/json"}, "Origin": {"http://localhost:3000"}}, in, &out)
		if err == nil {
			j.Token, j.JTI = out.Token, jti(out.Token)
			return true
		}
		if !passing(ctx, err) {
			s.lie("mint was refused: %v", err)
			Wait(ctx, time.Second)
		}
	}
	return false
}

// jti reads the id of a token's session.
func jti(token string) string {
	var claims struct{ JTI string }
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &claims) // a token without an id has no job
		}
	}
	return claims.JTI
}

// upload sends the recording.
func (s *Song) upload(ctx context.Context, p *Part, j *Job) bool {
	if p.Audio == nil || s.hashOnly {
		return true
	}
	what := "put"
	if s.Front.Bucket {
		what = "bucket put"
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		err := s.do(ctx, what, "PUT", j.url, http.Header{"Content-Type": {"audio/wav"}}, p.Audio, nil)
		if err == nil {
			j.sent = true
			return true
		}
		pause(ctx, err)
		if failures%3 == 2 { // the URL may have expired
			var out struct {
				UploadURL string `json:"upload_url"`
			}
			err := s.do(ctx, "upload", "POST", s.ats()+s.route(p, "upload"), s.header(j), s.job(j), &out)
			switch {
			case err == nil:
				j.url = out.UploadURL
			case code(err) == "transaction.expired":
				return false
			case !passing(ctx, err):
				s.lie("another upload URL was refused: %v", err)
				return false
			}
		}
	}
	return false
}

// job is the body of a call that names a job.
func (s *Song) job(j *Job) map[string]any {
	in := map[string]any{"job_id": j.ID}
	if s.byKey {
		in["network"] = "testnet"
	}
	return in
}

// quote prepares the job, and compares the commitment with the client's own.
func (s *Song) quote(ctx context.Context, p *Part, j *Job) bool {
	in := s.job(j)
	if s.hashOnly && p.Audio != nil {
		in["media_sha256"], in["size_bytes"] = fmt.Sprintf("0x%x", sha256.Sum256(p.Audio)), len(p.Audio)
	}
	for ctx.Err() == nil {
		var out struct {
			WorkID     string `json:"work_id"`
			Commitment string
			Price      int64 `json:"total_price_credits"`
		}
		err := s.do(ctx, "prepare", "POST", s.ats()+s.route(p, "prepare"), s.header(j), in, &out)
		if err == nil {
			if out.Commitment != fmt.Sprintf("0x%x", p.Commitment) || out.WorkID == "" || out.Price <= 0 {
				s.lie("prepare of version %d answered %+v, the client computed the commitment %x", p.Version, out, p.Commitment)
			}
			j.Work, j.Price = out.WorkID, out.Price
			return true
		}
		if passing(ctx, err) {
			continue
		}
		if c := code(err); c != "transaction.expired" && c != "registration.dry_run_failed" {
			s.lie("prepare of version %d was refused after every step before it had succeeded: %v", p.Version, err)
			Wait(ctx, time.Second)
		}
		return false
	}
	return false
}

// confirm accepts the quote.
func (s *Song) confirm(ctx context.Context, p *Part, j *Job) bool {
	for ctx.Err() == nil {
		var out struct {
			TransactionID string `json:"transaction_id"`
			AccessCode    string `json:"access_code"`
		}
		err := s.do(ctx, "confirm", "POST", s.ats()+s.route(p, "confirm"), s.header(j), s.job(j), &out)
		j.Confirms = append(j.Confirms, err)
		if err == nil {
			j.Transaction, j.Code = out.TransactionID, out.AccessCode
			return true
		}
		switch c := code(err); {
		case c == "transaction.already_confirmed":
			j.Transaction, _ = err.(*harness.Refusal).Details["transaction_id"].(string)
			if !s.uncertain(j) {
				s.lie("confirm says %v, and no confirm before it had an unknown end", err)
			}
			return true
		case passing(ctx, err):
		case c == "transaction.expired":
			return s.quote(ctx, p, j) && s.confirm(ctx, p, j)
		default:
			s.lie("confirm of version %d was refused: %v", p.Version, err)
			Wait(ctx, time.Second)
			return false
		}
	}
	return false
}

// uncertain says that a confirm of the job may have been carried out without the client's knowledge.
func (s *Song) uncertain(j *Job) bool {
	for _, err := range j.Confirms {
		var r *harness.Refusal
		if err != nil && (!errors.As(err, &r) || unknown(r)) {
			return true
		}
	}
	return false
}

// track follows the transaction to its end.
func (s *Song) track(ctx context.Context, p *Part, j *Job) bool {
	for ctx.Err() == nil {
		switch s.follow {
		case "socket":
			s.listen(ctx, j, s.socket)
		case "events":
			s.listen(ctx, j, s.events)
		default:
			Wait(ctx, 200*time.Millisecond)
		}
		var out struct {
			IsComplete bool            `json:"is_complete"`
			Result     *harness.Result `json:"result"`
		}
		err := s.do(ctx, "status", "GET", s.ats()+"/v1/transactions/"+j.Transaction, nil, nil, &out)
		switch {
		case err != nil && !passing(ctx, err):
			s.lie("the status of a confirmed transaction: %v", err)
			Wait(ctx, time.Second)
		case err == nil && out.Result != nil:
			j.Result = out.Result
			s.ended(p, j)
			return true
		}
	}
	return false
}

// ended compares the end of a transaction with what the client knows.
func (s *Song) ended(p *Part, j *Job) {
	r := j.Result
	if !r.Success {
		if r.ErrorCode != "transaction.failed" {
			s.lie("transaction %s failed with %+v", j.Transaction, r)
		}
		s.run.Count("end failed")
		return
	}
	s.run.Count("end final")
	if r.WorkID != j.Work || r.AtsID == 0 || p.Version > 1 && r.AtsID != s.atsID {
		s.lie("transaction %s ended as %+v, the quote was for work %s with number %d", j.Transaction, r, j.Work, s.atsID)
	}
	if wants := p.Version == 1 && s.user == ""; wants && r.AccessCode == "" && j.Code == "" {
		s.lie("transaction %s has no access code", j.Transaction)
	}
	if j.Code != "" && r.AccessCode != "" && j.Code != r.AccessCode {
		s.lie("confirm of %s returned the access code %s, the result %s", j.Transaction, j.Code, r.AccessCode)
	}
	if p.Version == 1 {
		if s.code = r.AccessCode; s.code == "" {
			s.code = j.Code
		}
	}
	p.Final = r
}

// listen follows a stream for some seconds at most: a client polls when it hears nothing.
func (s *Song) listen(ctx context.Context, j *Job, stream func(context.Context, *Job) error) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	begun := s.run.Since()
	err := stream(ctx, j)
	s.history = append(s.history, exchange{begun, s.run.Since() - begun, s.follow, err})
	s.run.Count(s.follow + " " + outcome(err))
	if err != nil && ctx.Err() == nil {
		passing(ctx, err)
	}
}

// frame is one message of a stream.
type frame struct {
	Type, Step string
	Error      *harness.Refusal
}

// last judges a message; done says that the stream has nothing more to say.
func (s *Song) last(text []byte) (done bool, err error) {
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		return true, fmt.Errorf("a broken frame: %w", err)
	}
	switch {
	case f.Error != nil && f.Error.Code == "transaction.failed":
		return true, nil
	case f.Error != nil:
		if !strings.HasSuffix(f.Error.Code, "_unavailable") && f.Error.Code != "common.rate_limited" {
			s.lie("a stream says %v", f.Error)
		}
		return true, f.Error
	}
	return f.Step == "completed", nil
}

func (s *Song) socket(ctx context.Context, j *Job) error {
	conn, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.ats(), "http")+"/v1/ws/transactions/"+j.Transaction, &websocket.DialOptions{HTTPClient: s.client})
	if err != nil {
		if res != nil && res.StatusCode >= 400 && res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusTooManyRequests {
			s.lie("a socket was refused with %s", res.Status)
		}
		return err
	}
	defer conn.CloseNow()
	for {
		_, text, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			s.lie("a socket was closed cleanly before its last frame")
		}
		if err != nil {
			return err
		}
		if done, err := s.last(text); done {
			return err
		}
	}
}

func (s *Song) events(ctx context.Context, j *Job) error {
	req, err := http.NewRequestWithContext(ctx, "GET", s.ats()+"/v1/transactions/"+j.Transaction+"/events", nil)
	if err != nil {
		return err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("events: %s", res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if done, err := s.last([]byte(data)); done {
				return err
			}
		}
	}
	if lines.Err() != nil {
		return lines.Err()
	}
	return errors.New("the stream ended before its last event")
}
