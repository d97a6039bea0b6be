package manage

import (
	"strconv"
	"time"

	"timbre.example/internal/fault"
)

// The bounds of lists.
const (
	defaultPage = 50
	maxPage     = 100
)

// Paging are the parameters of a list. Its name is exported because huma ignores unexported
// embedded types.
type Paging struct {
	First string `query:"first" doc:"1 to 100; 50 when left out"`
	After string `query:"after" doc:"end_cursor of the page before"`
}

// first returns the size of the page.
func (p Paging) first(bad *fault.Refused) int {
	if p.First == "" {
		return defaultPage
	}
	n, err := strconv.Atoi(p.First)
	if err != nil || n < 1 || n > maxPage {
		bad.Refuse("first", "range", "Must be 1 to 100.")
		return defaultPage
	}
	return n
}

// wirePage says where the next page begins.
type wirePage struct {
	HasNextPage bool    `json:"has_next_page"`
	EndCursor   *string `json:"end_cursor" nullable:"true" doc:"after of the next page; null where there is none"`
}

// pageOf describes a page whose last item has a cursor; "" is an empty page.
func pageOf(more bool, last string) wirePage {
	p := wirePage{HasNextPage: more}
	if last != "" {
		p.EndCursor = &last
	}
	return p
}

// instant reads a time of a body or a query. A nil or empty text is no time.
func instant(bad *fault.Refused, field string, text *string) *time.Time {
	if text == nil || *text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		bad.Refuse(field, "date_time", "Must be a time as in RFC 3339, such as 2031-05-01T12:00:00Z.")
		return nil
	}
	return &t
}

// of returns the value of an optional member.
func of[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
