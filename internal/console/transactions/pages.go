package transactions

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/permission"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
	"timbre.example/internal/webhook"
)

const (
	// recent is the time for which the list counts errors.
	recent = 7 * 24 * time.Hour
	// groups is the largest number of codes that the list shows.
	groups = 6
)

// group is the recent errors of one code.
type group struct {
	requestlog.Group
	Message, Remedy string
	More            bool // there are more than Count
}

type listData struct {
	Attempts []story.Attempt
	shell.List
	Errors []group
	Live   bool
	Newest *story.Attempt
	Days   int64
}

func (p pages) list(c *shell.Call) error {
	text := c.Form.Text("q")
	if _, err := requestlog.ParseID(text); err == nil {
		if _, err := p.Stories.Read(c.Context(), c.Organization(), text); err == nil {
			return c.Redirect(storyPathOf(c, text))
		} else if !errors.Is(err, fault.CodeTransactionNotFound) {
			return err
		}
	}
	filter := story.Filter{Text: text, Status: story.Status(c.Form.Text("status")), Network: network.Name(c.Form.Text("network")), Before: c.After(), First: perPage}
	filter.Since = day(c.Form, "since", 0)
	filter.Until = day(c.Form, "until", 24*time.Hour)
	if !c.Form.OK() {
		c.Status(http.StatusUnprocessableEntity)
		return c.Render("list", listData{})
	}
	page, err := p.Stories.List(c.Context(), c.Organization(), filter)
	if errors.Is(err, fault.CodeCommonValidationFailed) { // a cursor that no page has written
		page, err = story.Page{}, nil
	}
	if err != nil {
		return err
	}
	data := listData{Attempts: page.Attempts, Days: int64(p.Requests.Keep() / (24 * time.Hour))}
	if page.More {
		data.Next = next(c, listPath, page.Next, "q", "status", "network", "since", "until")
	}
	if c.After() != "" {
		data.First = next(c, listPath, "", "q", "status", "network", "since", "until")
	}
	// The first page without a search is live.
	if data.Live = c.After() == "" && text == "" && filter.Since.IsZero() && filter.Until.IsZero(); data.Live {
		if data.Errors, err = p.errors(c); err != nil {
			return err
		}
	}
	if len(page.Attempts) > 0 {
		data.Newest = &page.Attempts[0]
	}
	return c.Render("list", data)
}

// storyPathOf returns the path of a story whose id is not yet in the path of the call.
func storyPathOf(c *shell.Call, id string) string {
	c.R.SetPathValue("id", id)
	return storyPath
}

// errors returns the codes of the recent refusals, the most frequent one first.
func (p pages) errors(c *shell.Call) ([]group, error) {
	all, err := p.Requests.Errors(c.Context(), c.Organization(), c.Now.Add(-recent))
	if err != nil {
		return nil, err
	}
	var out []group
	for _, g := range all[:min(len(all), groups)] {
		entry, _ := fault.Lookup(fault.Code(g.Code))
		out = append(out, group{Group: g, Message: general(entry.Message), Remedy: plain(entry.Action), More: g.Count >= requestlog.MaxCount})
	}
	return out, nil
}

// day reads a date of a filter. An invalid one is a problem of its field.
func day(f *shell.Input, name string, plus time.Duration) time.Time {
	text := f.Text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		f.Fail(name, "invalid")
		return time.Time{}
	}
	return t.Add(plus)
}

// next returns the address of the page of a list that begins after the cursor, with its filters. Without a
// cursor it is the page with the newest rows.
func next(c *shell.Call, path, cursor string, fields ...string) string {
	q := url.Values{}
	if cursor != "" {
		q.Set("after", cursor)
	}
	for _, name := range fields {
		if v := c.Form.Text(name); v != "" {
			q.Set(name, v)
		}
	}
	return strings.TrimSuffix(c.Address(path)+"?"+q.Encode(), "?")
}

type callsData struct {
	Calls []requestlog.Call
	shell.List
	Code, Message, Remedy string
	Days                  int64
}

func (p pages) calls(c *shell.Call) error {
	code := c.Form.Text("code")
	since := day(c.Form, "since", 0)
	if !c.Form.OK() {
		c.Status(http.StatusUnprocessableEntity)
		return c.Render("calls", callsData{})
	}
	page, err := p.Requests.List(c.Context(), c.Organization(), requestlog.Filter{Code: code, Since: since, Before: c.After(), First: perPage})
	if errors.Is(err, fault.CodeCommonValidationFailed) {
		page, err = requestlog.Page{}, nil
	}
	if err != nil {
		return err
	}
	data := callsData{Calls: page.Calls, Days: int64(p.Requests.Keep() / (24 * time.Hour))}
	if entry, ok := fault.Lookup(fault.Code(code)); ok {
		data.Code, data.Message, data.Remedy = code, general(entry.Message), plain(entry.Action)
	}
	if page.More {
		data.Next = next(c, callsPath, page.Calls[len(page.Calls)-1].RequestID, "code", "since")
	}
	if c.After() != "" {
		data.First = next(c, callsPath, "", "code", "since")
	}
	return c.Render("calls", data)
}

type storyData struct {
	story.Story
	Lines []line
	// Refused is the last refusal, with its message and remedy in English.
	Refused, Message, Remedy, Reason string
	// Next is the key of what a person must do next, and To the page where to do it.
	Next, To    string
	ExplorerURL string
	// OnItsPage is the transaction in the chain's own explorer, or "".
	OnItsPage  string
	Deliveries []webhook.Delivery
	Live       bool
	FullID     bool
	Days       int64
	ID         string
}

func (p pages) story(c *shell.Call) error {
	s, err := p.Stories.Read(c.Context(), c.Organization(), c.Path("id"))
	data := storyData{Story: s, Days: int64(p.Requests.Keep() / (24 * time.Hour)), FullID: c.May(permission.WorksUpdate)}
	if errors.Is(err, fault.CodeTransactionNotFound) {
		c.Status(http.StatusNotFound)
		return c.Render("absent", data)
	}
	if err != nil {
		return err
	}
	data.Lines = lines(s, p.PublicURL, data.FullID)
	if data.ID = s.FirstCall(); s.Attempt != nil {
		data.ID = s.Attempt.Short()
		data.Live = s.Attempt.Status == story.Running || s.Attempt.Status == story.Begun
	}
	refused := s.Refused()
	if refused != "" {
		entry, _ := fault.Lookup(refused)
		data.Refused, data.Message, data.Remedy = string(refused), general(entry.Message), plain(entry.Action)
		if s.Failure != nil {
			data.Reason, _ = s.Failure.Details["reason"].(string)
			data.Message = s.Failure.Message()
		}
	}
	data.Next, data.To = advice(s)
	if data.To != "" {
		data.To = c.Address(data.To)
	}
	if s.Confirmed != "" && p.Webhooks != nil && c.May(permission.WebhooksRead) {
		if data.Deliveries, err = p.Webhooks.DeliveriesOfTransaction(c.Context(), c.Organization(), s.Attempt.ID); err != nil {
			return err
		}
	}
	if s.Registration != nil {
		data.ExplorerURL = p.ExplorerURL(s.Attempt.Network, s.Registration.TxHash)
		data.OnItsPage = p.Elsewhere.Of(s.Attempt.Network).Transaction(s.Registration.Block, s.Registration.BlockHash, s.Registration.Final)
	}
	return c.Render("story", data)
}
