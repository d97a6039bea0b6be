package requestlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

const keep = 14 * 24 * time.Hour

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func at(t time.Time) string {
	return "req_" + ulid.MustNew(ulid.Timestamp(t), ulid.DefaultEntropy()).String()
}

func call(organization string, when time.Time, change func(*requestlog.Call)) requestlog.Call {
	c := requestlog.Call{
		Organization: organization, RequestID: at(when), Method: "POST", Route: "/v1/works/init", Status: 200, At: when.UTC().Truncate(time.Microsecond), Took: 1500 * time.Microsecond,
		Caller: requestlog.Caller{Kind: requestlog.Session, ID: "cpk_1", Session: "jti-1"}, Origin: "https://songs.example", AddressClass: requestlog.IPv4,
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestWhatIsRecordedIsRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, now := t.Context(), time.Now()
		l := requestlog.New(db, keep, quiet())
		mint := call("o1", now, func(c *requestlog.Call) { c.Route, c.Caller.Kind = "/v1/sessions", requestlog.Mint })
		begun := call("o1", now.Add(time.Second), func(c *requestlog.Call) { c.Job = "job-1" })
		upload := call("o1", now.Add(2*time.Second), func(c *requestlog.Call) { c.Job, c.Caller = "job-1", requestlog.Caller{Kind: requestlog.Upload} })
		refused := call("o1", now.Add(3*time.Second), func(c *requestlog.Call) {
			c.Status, c.Code, c.Reason, c.Caller.Session = 409, "registration.duplicate_title", "title: taken", "jti-2"
		})
		foreign := call("o2", now.Add(4*time.Second), func(c *requestlog.Call) { c.Job = "job-1" })
		for _, c := range []requestlog.Call{mint, begun, upload, refused, foreign, call("", now, nil)} {
			l.Record(c)
		}
		// The reading of a page by a member is not kept; its refusal is.
		page := func(c *requestlog.Call) { c.Method, c.Caller = "GET", requestlog.Caller{Kind: requestlog.Console} }
		l.Record(call("o3", now, page))
		l.Record(call("o3", now, func(c *requestlog.Call) { page(c); c.Code = "common.forbidden" }))
		if err := l.Write(ctx); err != nil {
			t.Fatal(err)
		}
		if written, dropped, waiting := l.Counts(); written != 6 || dropped != 0 || waiting != 0 {
			t.Errorf("%d written, %d dropped, %d waiting", written, dropped, waiting)
		}
		one, err := l.Get(ctx, "o1", " "+strings.ToLower(refused.RequestID)+"\n")
		if err != nil || one != refused {
			t.Errorf("read %+v, %v\nwant %+v", one, err, refused)
		}
		for _, id := range []string{foreign.RequestID, at(now), "req_", "", "req_81ARZ3NDEKTSV4RRFFQ69G5FAV", "x\x00"} {
			if c, err := l.Get(ctx, "o1", id); !errors.Is(err, fault.CodeCommonNotFound) {
				t.Errorf("%q: %+v, %v", id, c, err)
			}
		}
		story, err := l.Of(ctx, "o1", "jti-1", "job-1", "", "jti-1")
		if err != nil || len(story) != 3 || story[0] != mint || story[1] != begun || story[2] != upload {
			t.Errorf("story %+v, %v", story, err)
		}
		groups, err := l.Errors(ctx, "o1", now.Add(-time.Hour))
		if err != nil || len(groups) != 1 || groups[0] != (requestlog.Group{Code: refused.Code, Count: 1, Latest: refused.RequestID}) {
			t.Errorf("groups %+v, %v", groups, err)
		}
		if groups, err := l.Errors(ctx, "o1", now.Add(time.Hour)); err != nil || len(groups) != 0 {
			t.Errorf("later groups %+v, %v", groups, err)
		}
	})
}

func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, now := t.Context(), time.Now().Truncate(time.Millisecond)
		l := requestlog.New(db, keep, quiet())
		const n = 25
		for i := range n {
			l.Record(call("o1", now.Add(time.Duration(i)*time.Second), func(c *requestlog.Call) {
				if i%5 == 0 {
					c.Code = "work.not_found"
				}
			}))
			l.Record(call("o2", now.Add(time.Duration(i)*time.Second), nil))
		}
		if err := l.Write(ctx); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			code  string
			since time.Time
			want  int
		}{{"", time.Time{}, n}, {"work.not_found", time.Time{}, 5}, {"", now.Add(20 * time.Second), 5}, {"session.key_inactive", time.Time{}, 0}} {
			var got []requestlog.Call
			for before, more := "", true; more; {
				p, err := l.List(ctx, "o1", requestlog.Filter{Code: c.code, Since: c.since, Before: before, First: 4})
				if err != nil {
					t.Fatal(err)
				}
				got, more = append(got, p.Calls...), p.More
				if len(p.Calls) > 0 {
					before = p.Calls[len(p.Calls)-1].RequestID
				}
			}
			if len(got) != c.want {
				t.Errorf("%+v: %d calls", c, len(got))
			}
			for i, x := range got {
				if x.Organization != "o1" || i > 0 && x.RequestID >= got[i-1].RequestID {
					t.Errorf("call %d of %+v is %+v", i, c, x)
				}
			}
		}
		if _, err := l.List(ctx, "o1", requestlog.Filter{Before: "x"}); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("a cursor that is none: %v", err)
		}
	})
}

// A full buffer drops calls, counts them and says so once. Recording never waits for the
// database.
func TestFullBuffer(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	db := storetest.SQLite(t)
	l := requestlog.New(db, keep, slog.New(slog.NewTextHandler(&said, nil)))
	for range requestlog.Buffered + 7 {
		l.Record(call("o1", time.Now(), nil))
	}
	if _, dropped, waiting := l.Counts(); dropped != 7 || waiting != requestlog.Buffered {
		t.Fatalf("%d dropped, %d waiting", dropped, waiting)
	}
	for range 2 {
		if err := l.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if written, _, waiting := l.Counts(); written != requestlog.Buffered || waiting != 0 {
		t.Errorf("%d written, %d waiting", written, waiting)
	}
	if n := strings.Count(said.String(), "calls=7"); n != 1 {
		t.Errorf("said %q", said.String())
	}
}

// A write that fails keeps the calls. A write whose commit succeeded without being seen is
// repeated, and adds nothing.
func TestFailedWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := requestlog.New(db, keep, quiet())
		c := call("o1", time.Now(), nil)
		l.Record(c)
		ended, end := context.WithCancel(t.Context())
		end()
		if err := l.Write(ended); err == nil {
			t.Fatal("a write without a database succeeded")
		}
		if _, _, waiting := l.Counts(); waiting != 1 {
			t.Fatalf("%d waiting", waiting)
		}
		l.Record(c) // the same call once more, as after an unseen commit
		if err := l.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Record(c)
		if err := l.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, err := l.List(t.Context(), "o1", requestlog.Filter{First: 10}); err != nil || len(p.Calls) != 1 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// The calls that wait when a process ends are written.
func TestLastWrite(t *testing.T) {
	t.Parallel()
	l := requestlog.New(storetest.SQLite(t), keep, quiet())
	ctx, end := context.WithCancel(t.Context())
	end()
	l.Record(call("o1", time.Now(), nil))
	l.Run(ctx)
	if p, err := l.List(t.Context(), "o1", requestlog.Filter{First: 10}); err != nil || len(p.Calls) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, now := t.Context(), time.Now()
		l := requestlog.New(db, keep, quiet())
		for i := range 2300 {
			l.Record(call(fmt.Sprintf("o%d", i%2), now.Add(-keep-time.Minute), nil))
		}
		l.Record(call("o0", now.Add(-keep+time.Minute), nil))
		l.Record(call("o1", now, nil))
		if err := l.Write(ctx); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Sweep(ctx); err != nil || n != 2300 {
			t.Errorf("%d swept, %v", n, err)
		}
		for _, o := range []string{"o0", "o1"} {
			if p, err := l.List(ctx, o, requestlog.Filter{First: 10}); err != nil || len(p.Calls) != 1 {
				t.Errorf("%s: %+v, %v", o, p, err)
			}
		}
		// With the log switched off, nothing is recorded and everything goes.
		off := requestlog.New(db, 0, quiet())
		off.Record(call("o1", now, nil))
		if _, _, waiting := off.Counts(); waiting != 0 {
			t.Errorf("%d waiting", waiting)
		}
		db.Now = func() time.Time { return now.Add(time.Hour) }
		if n, err := off.Sweep(ctx); err != nil || n != 2 {
			t.Errorf("%d swept, %v", n, err)
		}
	})
}

// Texts of clients are bounded, and both databases accept them.
func TestTextsOfClients(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		l := requestlog.New(db, keep, quiet())
		for origin, want := range map[string]string{
			"https://songs.example": "https://songs.example", "http://[::1]:8080": "http://[::1]:8080", "null": "", "https://u:p@songs.example": "", "https://songs.example/path?token=x": "",
			"https://s\xffngs.example": "", "https://sóngs.example": "", "https://a\x00.example": "", "https://" + strings.Repeat("a", 300) + ".example": "", "": "",
		} {
			c := call("o1", time.Now(), func(c *requestlog.Call) { c.Origin, c.Reason = origin, strings.Repeat("\x00é", 300) })
			l.Record(c)
			if err := l.Write(ctx); err != nil {
				t.Fatalf("origin %q: %v", origin, err)
			}
			got, err := l.Get(ctx, "o1", c.RequestID)
			if err != nil || got.Origin != want || len(got.Reason) > 300 || strings.Trim(got.Reason, "é") != "" || got.Reason == "" {
				t.Errorf("origin %q: %q, reason %q, %v", origin, got.Origin, got.Reason, err)
			}
		}
	})
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "::/64": "loopback", "10.1.2.3": "private", "192.168.0.1": "private", "169.254.1.1": "private", "fd00::/64": "private", "fe80::/64": "private",
		"203.0.113.7": "ipv4", "2001:db8::/64": "ipv6", "::ffff:10.0.0.1": "private", "": "", "x": "",
	} {
		if got := requestlog.ClassOf(address); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}

// BenchmarkRecord is the cost that the log adds to a call, and BenchmarkWrite the cost of a row
// in the background.
func BenchmarkRecord(b *testing.B) {
	l := requestlog.New(storetest.SQLite(b), keep, quiet())
	c := call("o1", time.Now(), nil)
	for b.Loop() {
		l.Record(c)
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, open := range map[string]func() *store.DB{
		"sqlite":   func() *store.DB { return storetest.SQLite(b) },
		"postgres": func() *store.DB { return storetest.Open(b, storetest.PostgresURL(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			l := requestlog.New(open(), keep, quiet())
			now, n := time.Now(), 0
			for b.Loop() {
				l.Record(call("o1", now.Add(time.Duration(n)*time.Millisecond), func(c *requestlog.Call) { c.Job, c.Caller.Session = "j", fmt.Sprint(n/5) }))
				if n++; n%100 == 0 {
					if err := l.Write(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/row")
		})
	}
}
