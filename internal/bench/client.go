package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"timbre.example/internal/apikey"
)

// origin is the page in the client's Origin header: one that the demo's
// organization allows.
const origin = "http://localhost:3000"

// client does what a host's backend and a browser do, over HTTP/1.1 with kept
// connections.
type client struct {
	*server
	network string
	http    *http.Client
	user    string // the end-user of new works; "": none
}

func (s *server) client(network string) *client {
	return &client{s, network, &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true, WriteBufferSize: 64 << 10,
	}}, ""}
}

// call posts JSON and reads JSON. A refusal is an error with its envelope.
func (c *client) call(ctx context.Context, path, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", origin)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("X-Site-Key", c.SiteKey)
	}
	return c.do(req, out)
}

func (c *client) do(req *http.Request, out any) error {
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, text)
	}
	return json.Unmarshal(text, out)
}

func (c *client) mint(ctx context.Context) (token string, err error) {
	var out struct{ Token string }
	err = c.call(ctx, "/v1/sessions", "", map[string]string{"secret_key": c.SecretKey, "action_type": "register", "allowed_network": c.network}, &out)
	return out.Token, err
}

type slot struct {
	JobID string `json:"job_id"`
	URL   string `json:"upload_url"`
}

func (c *client) init(ctx context.Context, token string) (s slot, err error) {
	work := map[string]any{
		"title": "Song " + rand.Text(), "filename": "song.wav", "network": c.network,
		"creators": []any{map[string]any{
			"full_name": "Ada Example", "email": "ada@example.org", "roles": map[string]bool{"author": true, "composer": true}, "ipi": "123456789",
		}},
	}
	if c.user != "" {
		work["external_user_ref"] = c.user
	}
	err = c.call(ctx, "/v1/works/init", token, work, &s)
	if rest, ok := strings.CutPrefix(s.URL, c.public); ok && c.public != "" { // what a load balancer would do
		s.URL = c.URL + rest
	}
	return s, err
}

func (c *client) put(ctx context.Context, url string, body io.Reader, size int64) error {
	req, err := http.NewRequestWithContext(ctx, "PUT", url, io.NopCloser(body))
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "audio/wav")
	var out struct{}
	return c.do(req, &out)
}

// putParts uploads a file in parts, four at a time.
func (c *client) putParts(ctx context.Context, token, job string, file []byte) error {
	type part struct {
		Number int
		Size   int64 `json:"size_bytes"`
		URL    string
	}
	var at struct {
		PartBytes int64 `json:"part_size_bytes"`
		Count     int   `json:"part_count"`
		URLs      []part
	}
	if err := c.call(ctx, "/v1/works/parts", token, map[string]any{"job_id": job, "size_bytes": len(file)}, &at); err != nil {
		return err
	}
	next := make(chan part)
	sending, ctx := errgroup.WithContext(ctx)
	for range 4 {
		sending.Go(func() error {
			for p := range next {
				from := int64(p.Number-1) * at.PartBytes
				if err := c.put(ctx, p.URL, bytes.NewReader(file[from:from+p.Size]), p.Size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sending.Go(func() error {
		defer close(next)
		for n := 1; n <= at.Count; n += 8 {
			var numbers []int
			for i := n; i <= min(n+7, at.Count); i++ {
				numbers = append(numbers, i)
			}
			if err := c.call(ctx, "/v1/works/parts", token, map[string]any{"job_id": job, "numbers": numbers}, &at); err != nil {
				return err
			}
			for _, p := range at.URLs {
				select {
				case next <- p:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	if err := sending.Wait(); err != nil {
		return err
	}
	return c.call(context.WithoutCancel(ctx), "/v1/works/parts/complete", token, map[string]any{"job_id": job}, &struct{}{})
}

func (c *client) prepare(ctx context.Context, token, job string) error {
	var out struct {
		Valid bool `json:"is_valid"`
	}
	err := c.call(ctx, "/v1/works/prepare", token, map[string]string{"job_id": job}, &out)
	if err == nil && !out.Valid {
		err = errors.New("prepare: the answer is not valid")
	}
	return err
}

// register takes a file from mint to confirm and returns its transaction.
func (c *client) register(ctx context.Context, file []byte) (transaction string, err error) {
	token, err := c.mint(ctx)
	if err != nil {
		return "", err
	}
	return c.registerWith(ctx, token, file)
}

// registerWith takes a file from init to confirm, with a session token or an API key.
func (c *client) registerWith(ctx context.Context, token string, file []byte) (transaction string, err error) {
	s, err := c.init(ctx, token)
	if err != nil {
		return "", err
	}
	if err := c.put(ctx, s.URL, bytes.NewReader(file), int64(len(file))); err != nil {
		return "", err
	}
	if err := c.prepare(ctx, token, s.JobID); err != nil {
		return "", err
	}
	var out struct {
		TransactionID string `json:"transaction_id"`
	}
	err = c.call(ctx, "/v1/works/confirm", token, map[string]string{"job_id": s.JobID}, &out)
	return out.TransactionID, err
}

// read makes a GET and checks the status of its answer.
func (c *client) read(ctx context.Context, path, token string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if !apikey.Like(token) {
		req.Header.Set("X-Site-Key", c.SiteKey)
		req.Header.Set("Origin", origin)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(new(json.RawMessage)); err != nil {
		return err
	}
	if res.StatusCode != status {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return nil
}

// final follows a transaction by server-sent events until it is final.
func (c *client) final(ctx context.Context, transaction string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", c.URL+"/v1/transactions/"+transaction+"/events", nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("events: %s", res.Status)
	}
	completed := false
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() { // to the end, so that the connection can be used again
		switch event, _ := strings.CutPrefix(lines.Text(), "event: "); event {
		case "completed":
			completed = true
		case "error":
			lines.Scan()
			return fmt.Errorf("the registration failed: %s", lines.Text())
		}
	}
	if !completed {
		return errors.Join(errors.New("events ended before the registration did"), lines.Err())
	}
	return nil
}

// wavHeader is the 44 bytes that make size bytes a WAV file: stereo, 16 bits,
// 44.1 kHz.
func wavHeader(size int64) []byte {
	h := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(size-8))...)
	h = append(h, "WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00"...)
	h = binary.LittleEndian.AppendUint32(h, 44100)
	h = binary.LittleEndian.AppendUint32(h, 44100*4)
	h = append(h, "\x04\x00\x10\x00data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(size-44))
}

// wav makes a file of size bytes of noise. The noise is the same each time and
// costs nothing while the clock runs; unique makes the file one of its kind.
func wav(size int) []byte {
	b := make([]byte, size)
	mathrand.NewChaCha8([32]byte{}).Read(b)
	copy(b, wavHeader(int64(size)))
	unique(b)
	return b
}

func unique(wav []byte) { rand.Read(wav[44:76]) }
