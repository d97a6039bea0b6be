package limit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a rate limit: Count calls in the time Per, and at most Burst calls at once. The
// zero Rate means no limit.
type Rate struct {
	Count int
	Per   time.Duration // whole seconds
	Burst int
}

const maxCount = 1_000_000

var errRate = errors.New(`must be a rate such as "300/1m,burst=100", or "off"`)

// UnmarshalText parses "300/1m,burst=100", or "off". Without a burst, the burst is the
// count.
func (r *Rate) UnmarshalText(text []byte) error {
	*r = Rate{}
	if string(text) == "off" {
		return nil
	}
	rate, burst, given := strings.Cut(string(text), ",burst=")
	count, per, _ := strings.Cut(rate, "/")
	var err error
	if r.Count, err = strconv.Atoi(count); err != nil {
		return errRate
	}
	if r.Per, err = time.ParseDuration(per); err != nil {
		return errRate
	}
	if r.Burst = r.Count; given {
		if r.Burst, err = strconv.Atoi(burst); err != nil {
			return errRate
		}
	}
	switch {
	case r.Count < 1, r.Count > maxCount, r.Burst < 1, r.Burst > maxCount:
		return fmt.Errorf("the count and the burst must be from 1 to %d", maxCount)
	case r.Per < time.Second, r.Per > time.Hour, r.Per%time.Second != 0:
		return errors.New("the time must be from 1s to 1h, in whole seconds")
	}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string {
	if r.Off() {
		return "off"
	}
	per := r.Per.String()
	if strings.HasSuffix(per, "m0s") { // write 1m, not 1m0s
		per = strings.TrimSuffix(strings.TrimSuffix(per, "0s"), "0m")
	}
	return fmt.Sprintf("%d/%s,burst=%d", r.Count, per, r.Burst)
}

// Off reports whether r means no limit.
func (r Rate) Off() bool { return r.Count == 0 }

// every returns the time of one call in whole microseconds, the stored unit. It rounds
// up, so the limit is never exceeded.
func (r Rate) every() time.Duration {
	us := (r.Per.Microseconds() + int64(r.Count) - 1) / int64(r.Count)
	return time.Duration(us) * time.Microsecond
}

// Headers returns the values of RateLimit-Policy and RateLimit after a call, in the form
// of the IETF draft: a quota for a window of seconds; then the calls that remain, and the
// seconds until all are available. The burst is our own parameter, because the draft has
// none. A budget without a limit has no headers.
func (b *Budget) Headers(s State) (policy, standing string) {
	if b == nil {
		return "", ""
	}
	return fmt.Sprintf(`"%s";q=%d;w=%d;timbre-burst=%d`, b.name, b.rate.Count, int(b.rate.Per/time.Second), b.rate.Burst),
		fmt.Sprintf(`"%s";r=%d;t=%d`, b.name, s.Left, int((s.Whole+time.Second-1)/time.Second))
}
