package browser

import (
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
)

// Request is one that the page sent, and how many bytes its body had, but a file's.
type Request struct {
	Method, URL string
	Bytes       int
}

func (p *Page) startNetwork() {
	p.t.Helper()
	_, err := call(p, network.Enable, network.EnableParams{})
	p.must(err, "listen to the network")
}

func (p *Page) listenNetwork(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		r := Request{Method: e.Request.Method, URL: e.Request.URL}
		for _, part := range e.Request.PostDataEntries {
			r.Bytes += len(part.Bytes)
		}
		p.requests = append(p.requests, r)
	case *network.EventWebSocketCreated:
		p.requests = append(p.requests, Request{Method: "WEBSOCKET", URL: e.URL})
	case *fetch.EventRequestPaused:
		if p.hold != nil {
			p.hold.paused <- e
		}
	}
}

// Requests are those with the method and with part in their address; "" is any.
func (p *Page) Requests(method, part string) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Request
	for _, r := range p.requests {
		if (method == "" || r.Method == method) && strings.Contains(r.URL, part) {
			out = append(out, r)
		}
	}
	return out
}

// Slow limits uploads to so many bytes a second; 0 lifts the limit.
func (p *Page) Slow(bytesPerSecond float64) {
	p.t.Helper()
	c := &network.Conditions{DownloadThroughput: -1, UploadThroughput: bytesPerSecond}
	if bytesPerSecond == 0 {
		c.UploadThroughput = -1
	}
	_, err := call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{c}})
	p.must(err, "slow the network down")
}

// Offline takes the page's network away, or gives it back. The page receives the event.
func (p *Page) Offline(offline bool) {
	p.t.Helper()
	c := &network.Conditions{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}
	_, err := call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{c}})
	p.must(err, "take the network away")
	_, err = call(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1})
	p.must(err, "tell the page")
}

// Hold keeps requests back until they are answered or let go.
type Hold struct {
	p            *Page
	method, part string
	held         chan *fetch.EventRequestPaused
	paused       chan *fetch.EventRequestPaused
	done         chan struct{}
}

// Hold keeps back every request with the method ("" is any but a preflight) and
// with part in its address, until Release. There is one hold at a time.
func (p *Page) Hold(method, part string) *Hold {
	p.t.Helper()
	h := &Hold{
		p: p, method: method, part: part, done: make(chan struct{}),
		held: make(chan *fetch.EventRequestPaused, 64), paused: make(chan *fetch.EventRequestPaused, 64),
	}
	p.mu.Lock()
	p.hold = h
	p.mu.Unlock()
	go h.sort()
	_, err := call(p, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*" + part + "*"}}})
	p.must(err, "hold requests")
	// The page has new loaders by now, but knows it only once it was spoken to.
	p.Run("0")
	return h
}

// sort lets pass what is not to be held. It cannot do so where the events come
// in: there no command can be sent.
func (h *Hold) sort() {
	for {
		select {
		case e := <-h.paused:
			if e.Request.Method == h.method || h.method == "" && e.Request.Method != "OPTIONS" {
				h.held <- e
			} else if _, err := call(h.p, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID}); err != nil {
				return // the browser is gone
			}
		case <-h.done:
			return
		}
	}
}

// Await waits until a request is being held.
func (h *Hold) Await() *Held {
	h.p.t.Helper()
	select {
	case e := <-h.held:
		return &Held{h.p, e}
	case <-time.After(Timeout):
		h.p.t.Fatalf("no %s %s came%s", h.method, h.part, h.p.scene())
		return nil
	}
}

// Forget drops what is held: a page that was left has given it up.
func (h *Hold) Forget() {
	for {
		select {
		case <-h.held:
		default:
			return
		}
	}
}

// Release lets go what is held and holds nothing any more.
func (h *Hold) Release() {
	h.p.t.Helper()
	h.p.mu.Lock()
	h.p.hold = nil
	h.p.mu.Unlock()
	close(h.done)
	_, err := call(h.p, fetch.Disable, cdp.Empty{})
	h.p.must(err, "hold nothing")
}

// Held is one request that waits.
type Held struct {
	p *Page
	e *fetch.EventRequestPaused
}

// URL is where it goes.
func (x *Held) URL() string { return x.e.Request.URL }

// Go lets it go on.
func (x *Held) Go() {
	x.p.t.Helper()
	_, err := call(x.p, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: x.e.RequestID})
	x.p.must(err, "let %s go", x.e.Request.URL)
}

// Gone lets one go that the page may have given up in the meantime.
func (x *Held) Gone() {
	_, _ = call(x.p, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: x.e.RequestID})
}

// Answer answers it in the server's place, readable by every origin. Headers are
// "Name: value".
func (x *Held) Answer(status int, json string, headers ...string) {
	x.p.t.Helper()
	entries := []*fetch.HeaderEntry{
		{Name: "Content-Type", Value: "application/json"}, {Name: "Access-Control-Allow-Origin", Value: "*"}, {Name: "Access-Control-Expose-Headers", Value: "*"},
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		entries = append(entries, &fetch.HeaderEntry{Name: name, Value: value})
	}
	_, err := call(x.p, fetch.FulfillRequest, fetch.FulfillRequestParams{
		RequestID: x.e.RequestID, ResponseCode: int64(status), Body: []byte(json), ResponseHeaders: entries,
	})
	x.p.must(err, "answer %s", x.e.Request.URL)
}
