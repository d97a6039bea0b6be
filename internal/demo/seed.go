package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Seed registers the demo's works on the network mainnet, so that the pages of the console
// show something: works with creators in several scripts, a second version, works of
// end-users, and refused calls of several codes. It uses the public API with an API key, as
// a backend does. A work that is there already is kept, so Seed may run again.
func Seed(ctx context.Context, api, key string) error {
	s := seeder{api: api, key: key, client: &http.Client{Timeout: 30 * time.Second}}
	for i, w := range seeds {
		if err := s.register(ctx, i, w); err != nil {
			return fmt.Errorf("demo: register %q: %w", w.title, err)
		}
	}
	return s.refusals(ctx)
}

// seed is a work of the demo.
type seed struct {
	title, creator, user, sample string
}

var seeds = []seed{
	{"Porch Light, live", "Ada Example", "", samples[0].File},
	{"夜の港", "山田 花子", "user-7", samples[1].File},
	{"ليل المدينة", "ليلى مثال", "user-7", samples[2].File},
	{"Белые ночи", "Анна Пример", "", samples[3].File},
	{"Été à Brest", "Élodie Exemple", "user-12", samples[0].File},
	{"서울의 봄", "김예시", "user-12", samples[1].File},
}

type seeder struct {
	api, key string
	client   *http.Client
}

// answer is what the seeder reads of an answer.
type answer struct {
	JobID         string `json:"job_id"`
	UploadURL     string `json:"upload_url"`
	TransactionID string `json:"transaction_id"`
	IsComplete    bool   `json:"is_complete"`
	Result        struct {
		AtsID int64 `json:"ats_id"`
	} `json:"result"`
	Error struct{ Code string } `json:"error"`
}

func (s seeder) call(ctx context.Context, method, path string, body any) (a answer, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.api+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	return a, json.NewDecoder(res.Body).Decode(&a)
}

// register registers a work, and adds a second version to the first one.
func (s seeder) register(ctx context.Context, number int, w seed) error {
	creators := []any{map[string]any{"full_name": w.creator, "email": "creator@songs.example", "roles": map[string]bool{"author": true, "composer": true}}}
	body := map[string]any{"title": w.title, "creators": creators, "filename": w.sample, "network": "mainnet"}
	if w.user != "" {
		body["external_user_ref"] = w.user
	}
	audio, err := sample(w.sample, fmt.Sprint("seed", number))
	if err != nil {
		return err
	}
	done, err := s.walk(ctx, "/v1/works", "init", body, audio)
	if err != nil || done.Result.AtsID == 0 || number > 0 {
		return err
	}
	audio, err = sample(w.sample, "seednext")
	if err != nil {
		return err
	}
	creators = append(creators, map[string]any{"full_name": "Ben Example", "email": "ben@songs.example", "roles": map[string]bool{"arranger": true}})
	_, err = s.walk(ctx, fmt.Sprintf("/v1/works/%d/versions", done.Result.AtsID), "init-upload", map[string]any{"creators": creators, "filename": w.sample, "network": "mainnet"}, audio)
	return err
}

// there are the codes of a work that is there already.
var there = []string{"registration.duplicate_title", "work.already_registered"}

// walk makes the calls of a registration, until the network has it.
func (s seeder) walk(ctx context.Context, at, begin string, body map[string]any, audio []byte) (a answer, err error) {
	begun, err := s.call(ctx, "POST", at+"/"+begin, body)
	if err != nil || slices.Contains(there, begun.Error.Code) {
		return a, err
	}
	if begun.UploadURL == "" {
		return a, fmt.Errorf("init: %s", begun.Error.Code)
	}
	put, err := http.NewRequestWithContext(ctx, "PUT", begun.UploadURL, bytes.NewReader(audio))
	if err != nil {
		return a, err
	}
	res, err := s.client.Do(put)
	if err != nil {
		return a, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	job := map[string]any{"job_id": begun.JobID, "network": "mainnet"}
	for _, step := range []string{"/prepare", "/confirm"} {
		if a, err = s.call(ctx, "POST", at+step, job); err != nil || slices.Contains(there, a.Error.Code) {
			return answer{}, err
		}
		if a.Error.Code != "" {
			return a, fmt.Errorf("%s: %s", step, a.Error.Code)
		}
	}
	id, tick := a.TransactionID, time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for {
		if a, err = s.call(ctx, "GET", "/v1/transactions/"+id, nil); err != nil || a.IsComplete {
			return a, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return a, ctx.Err()
		}
	}
}

// refusals makes calls that the server refuses.
func (s seeder) refusals(ctx context.Context) error {
	creators := []any{map[string]any{"full_name": "Ada Example", "email": "ada@songs.example", "roles": map[string]bool{"author": true}}}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v1/works/init", map[string]any{"title": seeds[0].title, "creators": creators, "filename": "again.wav", "network": "mainnet"}},
		{"POST", "/v1/works/init", map[string]any{"title": "", "creators": creators, "filename": "song.wav", "network": "mainnet"}},
		{"POST", "/v1/works/init", map[string]any{"title": "Too large", "creators": creators, "filename": "song.wav", "network": "mainnet", "size_bytes": int64(1) << 40}},
		{"GET", "/v1/works/999999?network=mainnet", nil},
		{"POST", "/v1/works/prepare", map[string]any{"job_id": "0190a0e6-2f5c-7000-8000-00000000a001"}},
	} {
		if _, err := s.call(ctx, c.method, c.path, c.body); err != nil {
			return fmt.Errorf("demo: %s %s: %w", c.method, c.path, err)
		}
	}
	return nil
}
