package demo

import (
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"sync"
	"time"
)

// hooks is a receiver of webhooks that shows what arrived. The name in its path says how it
// answers: ok accepts, flaky fails every second time, broken refuses for good, and gone
// disables its endpoint.
type hooks struct {
	style   string // URL of the style
	mu      sync.Mutex
	arrived []arrival // the newest first
	count   int
}

type arrival struct {
	At            time.Time
	Name, ID      string
	Event, Signed string
	Status        int
	Body          string
}

// The bounds of what the receiver reads and keeps.
const (
	maxHook  = 64 << 10 // bytes of one body
	maxHooks = 50       // arrivals
)

func (h *hooks) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var event struct{ Event string }
	_ = json.Unmarshal(body, &event)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	status := map[string]int{"ok": http.StatusOK, "flaky": http.StatusOK, "broken": http.StatusBadRequest, "gone": http.StatusGone}[r.PathValue("name")]
	if r.PathValue("name") == "flaky" && h.count%2 == 1 {
		status = http.StatusServiceUnavailable
	}
	if status == 0 {
		status = http.StatusNotFound
	}
	h.arrived = append([]arrival{{time.Now().UTC(), r.PathValue("name"), r.Header.Get("webhook-id"), event.Event, r.Header.Get("webhook-signature"), status, shown(body)}}, h.arrived...)
	h.arrived = h.arrived[:min(len(h.arrived), maxHooks)]
	w.WriteHeader(status)
}

// shown is a body as the page shows it. An access code opens a work, and anyone who reaches the
// demo can open the page, so the code is masked. A body that is not a JSON object is not shown.
func shown(body []byte) string {
	var event map[string]any
	if json.Unmarshal(body, &event) != nil {
		return "(not a JSON object)"
	}
	if code, ok := event["access_code"]; ok && code != nil {
		event["access_code"] = "••••••••"
	}
	text, err := json.MarshalIndent(event, "", "  ")
	if err != nil {
		return "(not a JSON object)"
	}
	return string(text)
}

var hooksPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Received webhooks · Timbre demo</title><link rel="stylesheet" href="{{.Style}}"></head>
<body class="hooks"><main><h1>Received webhooks</h1>
<p>The demo's receiver shows the last {{.Most}} deliveries since its start. <a href="/demo/hooks">Load again</a>, or go <a href="/demo/">to the demo</a>.</p>
{{range .Arrived}}<section><h2>{{.Event}}</h2>
<p>{{.At.Format "2006-01-02 15:04:05"}} UTC, at <code>{{.Name}}</code>, answered with {{.Status}}. Id <code>{{.ID}}</code>, signature <code>{{.Signed}}</code></p>
<pre tabindex="0"><code>{{.Body}}</code></pre></section>
{{else}}<p>Nothing has arrived yet. Register a song, or send a test event from the console.</p>
{{end}}</main></body></html>
`))

func (h *hooks) show(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
	w.Header().Set("Cache-Control", "no-store")
	_ = hooksPage.Execute(w, map[string]any{"Arrived": h.arrived, "Most": maxHooks, "Style": h.style})
}
