package lasting

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// publications requests what authorities publish, and keeps it for some minutes.
type publications struct {
	client *http.Client
	now    func() time.Time

	mu   sync.Mutex
	kept map[string]kept // by address and subject
}

// fetchTimeout is how long one request may take.
const fetchTimeout = 2 * time.Second

// A caller with less time than hurry does not ask an authority that failed within failurePause:
// so an authority that does not answer makes one certificate late, and not all.
const (
	hurry        = 10 * time.Second
	failurePause = time.Minute
)

// hurried reports whether the caller has little time.
func hurried(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < hurry
}

// keepFor is how long an answer is used for other certificates.
const keepFor = 10 * time.Minute

// maxKept is how many answers are kept; the oldest give way together.
const maxKept = 64

// kept is an answer that was verified, or why there was none.
type kept struct {
	answer []byte
	failed error
	until  time.Time
}

// get returns the answer of an address, which check accepts. It posts body if there is one.
// check returns when the answer ends; zero: never.
func (p *publications) get(ctx context.Context, address, about string, body []byte, kind string, most int64, check func([]byte) (time.Time, error)) ([]byte, error) {
	key := address + "\x00" + about
	now := p.now()
	p.mu.Lock()
	old, ok := p.kept[key]
	p.mu.Unlock()
	if ok && now.Before(old.until) && (old.failed == nil || hurried(ctx)) {
		return old.answer, old.failed
	}
	answer, err := p.fetch(ctx, address, body, kind, most)
	var end time.Time
	if err == nil {
		end, err = check(answer)
	}
	result := kept{answer: answer, until: now.Add(keepFor)}
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		result = kept{failed: fmt.Errorf("%s: %w", address, err), until: now.Add(failurePause)}
	case !end.IsZero() && end.Before(result.until):
		result.until = end
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= maxKept {
		clear(p.kept)
	}
	p.kept[key] = result
	return result.answer, result.failed
}

// fetch makes one request.
func (p *publications) fetch(ctx context.Context, address string, body []byte, kind string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("the address is not one of http or https")
	}
	q, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is not one of http or https")
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	res, err := p.client.Do(q)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the caller names the address
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %d", res.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(answer)) > most {
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	var one asn1.RawValue
	if rest, err := asn1.Unmarshal(answer, &one); err != nil || len(rest) > 0 {
		return nil, errors.New("the answer is not DER")
	}
	return answer, nil
}
