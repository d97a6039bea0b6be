package demo

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"timbre.example/internal/fault"
)

// sessions is the backend that every integrator writes: the page asks it for a
// token, it asks Timbre, and only it knows the secret key.
type sessions struct {
	api, secretKey string
	client         *http.Client
}

func (s *sessions) serve(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Action   string `json:"action_type"` // what the token may do
		Network  string `json:"network"`     // testnet or mainnet
		Rehearse string `json:"rehearse"`    // with a test key: the error to meet
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&ask); err != nil {
		return fault.CommonValidationFailed([]fault.Field{
			{Field: "body", Rule: "json", Message: "The body is not the documented JSON."},
		})
	}
	request := map[string]string{
		"secret_key":      s.secretKey,
		"action_type":     ask.Action,
		"allowed_network": ask.Network,
	}
	if user := signedIn(r); user != "" {
		request["external_user_ref"] = user // whose works they are
	}
	if ask.Rehearse != "" {
		request["rehearse"] = ask.Rehearse
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	mint, err := http.NewRequestWithContext(r.Context(), "POST", s.api+"/v1/sessions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	mint.Header.Set("Content-Type", "application/json")
	mint.Header.Set("Origin", r.Header.Get("Origin")) // the site that the widget stands on

	res, err := s.client.Do(mint)
	if err != nil {
		return fault.CommonServiceUnavailable(2 * time.Second).Because(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fault.CommonServiceUnavailable(2 * time.Second).Because(err)
	}
	// The token reaches the page as it is, and so does a refusal.
	for _, name := range []string{"Content-Type", "Link", "Retry-After", "X-Request-Id"} {
		if v := res.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(res.StatusCode)
	w.Write(answer)
	return nil
}

// signedIn is the visitor whom the site knows, or "". A real site looks into its
// own session here: a cookie that the page itself writes, as this one, could be
// anybody's.
func signedIn(r *http.Request) string {
	c, err := r.Cookie("demo_user")
	if err != nil {
		return ""
	}
	return c.Value
}
