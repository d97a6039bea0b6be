// Command golang runs one scenario of client/testdata/scenario.json with the Go client: golang NAME. It prints one JSON
// object for each step, and judges nothing.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"timbre.example/client"
)

// step is a step of a scenario.
type step struct {
	Do          string
	Title       string
	File        string
	Ref         string      `json:"external_user_ref"`
	AtsID       json.Number `json:"ats_id"`
	WorkID      string      `json:"work_id"`
	SecretKey   string      `json:"secret_key"`
	Origin      string
	Rehearse    client.Code
	RefusePrice bool `json:"refuse_price"`
	Abort       bool
	State       string
	SaveAs      string `json:"save_as"`
	Parsed      bool
	Change      string
	OlderSecret bool `json:"older_secret"`
	Save        []string
}

// runner carries out the steps of a scenario.
type runner struct {
	creators []client.Creator
	saved    map[string]string
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "golang:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	text, err := os.ReadFile(os.Getenv("SCENARIO"))
	if err != nil {
		return err
	}
	var all struct {
		Creators []struct {
			FullName string `json:"full_name"`
			Email    string
			Roles    map[client.Role]bool
		}
		Scenarios []struct {
			Name  string
			Steps []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	r := &runner{saved: map[string]string{}}
	for _, c := range all.Creators {
		one := client.Creator{FullName: c.FullName, Email: c.Email}
		for role := range c.Roles {
			one.Roles = append(one.Roles, role)
		}
		r.creators = append(r.creators, one)
	}
	for _, s := range all.Scenarios {
		if s.Name != os.Args[1] {
			continue
		}
		for _, raw := range s.Steps {
			saw, err := r.step(ctx, raw)
			if err != nil {
				return err
			}
			line, err := json.Marshal(saw)
			if err != nil {
				return err
			}
			fmt.Println(string(line))
		}
	}
	return nil
}

var name = regexp.MustCompile(`\$(\w+)`)

// step carries out one step, and keeps what it saves.
func (r *runner) step(ctx context.Context, raw []byte) (map[string]any, error) {
	filled := name.ReplaceAllFunc(raw, func(n []byte) []byte {
		value, ok := r.saved[string(n[1:])]
		if !ok {
			value = os.Getenv(string(n[1:]))
		}
		quoted, _ := json.Marshal(value) // a string always encodes
		return bytes.Trim(quoted, `"`)
	})
	var s step
	if err := json.Unmarshal(filled, &s); err != nil {
		return nil, err
	}
	saw, err := r.do(ctx, s)
	if err != nil {
		if saw = refused(err); saw == nil {
			return nil, err
		}
	}
	for _, n := range s.Save {
		if r.saved[n] = fmt.Sprint(saw[n]); n == "state" {
			text, err := json.Marshal(saw[n])
			if err != nil {
				return nil, err
			}
			r.saved[n] = base64.StdEncoding.EncodeToString(text)
		}
	}
	return saw, nil
}

var errDear = errors.New("too dear")

// refused is what a refusal is seen as; nil: no scenario expects it.
func refused(err error) map[string]any {
	var e *client.Error
	if errors.As(err, &e) {
		var details map[string]any
		if e.Details(&details) != nil {
			return nil
		}
		return map[string]any{"error": e.Code, "details": details}
	}
	for seen, target := range map[string]error{
		"price_refused": errDear, "parsed_body": client.ErrWebhookBody, "signature": client.ErrWebhookSignature,
		"timestamp": client.ErrWebhookTime, "missing_header": client.ErrWebhookHeader,
	} {
		if errors.Is(err, target) {
			return map[string]any{"error": seen}
		}
	}
	return nil
}

// seen turns a value of the client into what the API says.
func seen(v any, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	err = json.Unmarshal(text, &out)
	for member, value := range out {
		if value == "" {
			delete(out, member)
		}
	}
	return out, err
}

func (r *runner) do(ctx context.Context, s step) (map[string]any, error) {
	config := client.Config{URL: os.Getenv("SERVER"), APIKey: os.Getenv("API_KEY"), SecretKey: s.SecretKey, Origin: os.Getenv("ORIGIN")}
	if s.Rehearse != "" {
		config.APIKey = os.Getenv("TEST_API_KEY")
	}
	if s.Origin != "" {
		config.Origin = s.Origin
	}
	c, err := client.New(config)
	if err != nil {
		return nil, err
	}
	id, _ := s.AtsID.Int64() // 0: the step has none
	switch s.Do {
	case "mint":
		return seen(c.Mint(ctx, client.Mint{Network: client.Testnet}))
	case "register":
		return r.register(ctx, c, s)
	case "update":
		u := client.Update{AtsID: id, Network: client.Testnet, Creators: r.creators}
		if s.File != "" {
			rec, err := recording(s.File)
			if err != nil {
				return nil, err
			}
			u.Recording = &rec
		}
		return seen(c.Update(ctx, u, client.Options{Rehearse: s.Rehearse}))
	case "list":
		titles := []string{}
		for w, err := range c.Works(ctx, client.WorksQuery{ExternalUserRef: s.Ref, Page: 1}) {
			if err != nil {
				return nil, err
			}
			titles = append(titles, w.Title)
		}
		return map[string]any{"titles": titles}, nil
	case "work":
		return seen(c.Work(ctx, client.Testnet, id))
	case "versions":
		list, err := c.Versions(ctx, client.Testnet, id)
		numbers := []int64{}
		for _, v := range list {
			numbers = append(numbers, v.Version)
		}
		return map[string]any{"versions": numbers}, err
	case "creators":
		list, err := c.Creators(ctx, client.Testnet, id, 1)
		names := []string{}
		for _, one := range list {
			names = append(names, one.FullName)
		}
		return map[string]any{"names": names}, err
	case "certificate":
		var b bytes.Buffer
		err := c.Certificate(ctx, s.WorkID, 1, &b)
		return map[string]any{"begins": string(b.Bytes()[:min(5, b.Len())])}, err
	case "evidence":
		text, err := c.Evidence(ctx, client.Testnet, id, 1)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(os.Getenv("FILES"), s.SaveAs), text, 0o600); err != nil {
			return nil, err
		}
		return seen(json.RawMessage(text), nil)
	case "webhook":
		return webhook(s)
	}
	return nil, fmt.Errorf("unknown step %q", s.Do)
}

func recording(file string) (client.Recording, error) {
	text, err := os.ReadFile(filepath.Join(os.Getenv("FILES"), file))
	return client.Recording{Name: file, Size: int64(len(text)), Bytes: bytes.NewReader(text)}, err
}

func (r *runner) register(ctx context.Context, c *client.Client, s step) (map[string]any, error) {
	rec, err := recording(s.File)
	if err != nil {
		return nil, err
	}
	o := client.Options{Rehearse: s.Rehearse}
	if s.RefusePrice {
		o.Accept = func(context.Context, client.Quote) error { return errDear }
	}
	if s.State != "" {
		text, err := base64.StdEncoding.DecodeString(s.State)
		if err == nil {
			err = json.Unmarshal(text, &o.State)
		}
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var kept client.State
	if s.Abort {
		o.Parallel = 1
		o.Save = func(st client.State) error { kept = st; return nil }
		o.Progress = func(p client.Progress) {
			if p.Step == client.StepUpload && p.Sent > 8<<20 { // the second part began
				cancel()
			}
		}
	}
	result, err := c.Register(ctx, rec, client.Song{Title: s.Title, Creators: r.creators, Network: client.Testnet, ExternalUserRef: s.Ref}, o)
	if s.Abort && errors.Is(err, context.Canceled) {
		return map[string]any{"aborted": true, "state": kept}, nil
	}
	return seen(result, err)
}

// webhook verifies the delivery in the folder, after the change that the step asks for.
func webhook(s step) (map[string]any, error) {
	var d struct {
		Body, Secret string
		Headers      map[string]string
	}
	text, err := os.ReadFile(filepath.Join(os.Getenv("FILES"), "delivery.json"))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return nil, err
	}
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of another endpoint"))
	secrets := []string{d.Secret}
	switch {
	case s.OlderSecret:
		secrets = []string{other, d.Secret}
	case s.Change == "secret":
		secrets = []string{other}
	case s.Change == "body":
		d.Body += " "
	case s.Change == "header":
		delete(d.Headers, "webhook-signature")
	case s.Change == "time":
		d.Headers["webhook-timestamp"] = strconv.FormatInt(time.Now().Add(-10*time.Minute).Unix(), 10)
	}
	req, err := http.NewRequest(http.MethodPost, "/webhook", strings.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	for header, value := range d.Headers {
		req.Header.Set(header, value)
	}
	if s.Parsed {
		if err := req.ParseForm(); err != nil {
			return nil, err
		}
	}
	e, err := client.ReadWebhook(req, secrets...)
	if err != nil {
		return nil, err
	}
	return map[string]any{"event": e.Kind, "id": e.ID}, nil
}
