package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"timbre.example/internal/fault"
)

func TestEveryCodeIsThere(t *testing.T) {
	data, err := os.ReadFile("catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Code    fault.Code
		Status  int
		Class   fault.Class
		Message string
		Seed    bool
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	seeds := 0
	for _, r := range rows {
		if r.Seed {
			seeds++
		}
		entry, ok := fault.Lookup(r.Code)
		if !ok {
			t.Errorf("%s is not in the table", r.Code)
			continue
		}
		if entry.Code != r.Code || entry.Status != r.Status || entry.Class != r.Class || entry.Message != r.Message {
			t.Errorf("%s: the table has %+v", r.Code, entry)
		}
	}
	if len(rows) != 52 || len(fault.All()) != 52 || seeds != 35 {
		t.Errorf("%d rows, %d in the table, %d seeds; want 52, 52, 35", len(rows), len(fault.All()), seeds)
	}
	if _, ok := fault.Lookup("no.such_code"); ok {
		t.Error("Lookup found a code that does not exist")
	}
}

func TestAllIsTheCallersOwn(t *testing.T) {
	fault.All()[0].Status = 200
	if fault.All()[0].Status == 200 {
		t.Error("a caller changed the catalogue")
	}
}

func TestEnvelope(t *testing.T) {
	zone := time.FixedZone("", 3600)
	tests := []struct {
		name  string
		err   *fault.Error
		want  string
		retry int
	}{
		{"plain", fault.CommonNotFound(),
			`{"error":{"code":"common.not_found","message":"Resource not found.","request_id":"req_1"}}`, 0},
		{"sizes", fault.RegistrationAudioTooLarge(537_100_000, 524_288_000),
			`{"error":{"code":"registration.audio_too_large","message":"The asset file is too large (512.3 MB). Max: 500 MB.","details":{"max_bytes":524288000,"size_bytes":537100000},"request_id":"req_1"}}`, 0},
		{"fields", fault.CommonValidationFailed([]fault.Field{{Field: "title", Rule: "required", Message: "A title is required."}}),
			`{"error":{"code":"common.validation_failed","message":"Submitted data invalid.","details":{"fields":[{"field":"title","rule":"required","message":"A title is required."}]},"request_id":"req_1"}}`, 0},
		{"no fields is a list", fault.CommonValidationFailed(nil),
			`{"error":{"code":"common.validation_failed","message":"Submitted data invalid.","details":{"fields":[]},"request_id":"req_1"}}`, 0},
		{"no formats is a list", fault.RegistrationInvalidAudioFormat("text/plain", nil),
			`{"error":{"code":"registration.invalid_audio_format","message":"Audio format not supported.","details":{"detected":"text/plain","supported":[]},"request_id":"req_1"}}`, 0},
		{"times are UTC", fault.CommonQuotaExceeded(5, 5, time.Date(2030, 1, 1, 1, 0, 0, 0, zone)),
			`{"error":{"code":"common.quota_exceeded","message":"Quota reached.","details":{"limit":5,"resets_at":"2030-01-01T00:00:00Z","used":5},"request_id":"req_1"}}`, 0},
		{"optional given", fault.WorkAlreadyRegistered().With("ats_id", 7),
			`{"error":{"code":"work.already_registered","message":"Work already registered.","details":{"ats_id":7},"request_id":"req_1"}}`, 0},
		{"optional left out", fault.WorkAlreadyRegistered(),
			`{"error":{"code":"work.already_registered","message":"Work already registered.","request_id":"req_1"}}`, 0},
		{"undeclared is kept back", fault.WorkNotFound().With("owner", "somebody else"),
			`{"error":{"code":"work.not_found","message":"Work not found.","request_id":"req_1"}}`, 0},
		{"cause is kept back", fault.TransactionStoreUnavailable(1500 * time.Millisecond).Because(errors.New("dial secret-host")),
			`{"error":{"code":"transaction.store_unavailable","message":"Transaction service unavailable.","request_id":"req_1"}}`, 2},
		{"retry at most 60", fault.CommonRateLimited(time.Hour),
			`{"error":{"code":"common.rate_limited","message":"Too many requests.","request_id":"req_1"}}`, 60},
		{"retry at least 1", fault.CommonServiceUnavailable(0),
			`{"error":{"code":"common.service_unavailable","message":"Service temporarily unavailable.","request_id":"req_1"}}`, 1},
		{"uncatalogued", &fault.Error{Code: "made.up", Details: map[string]any{"x": 1}},
			`{"error":{"code":"common.internal","message":"An unexpected error occurred.","request_id":"req_1"}}`, 0},
		{"browser's own", &fault.Error{Code: fault.CodeWidgetUploadError},
			`{"error":{"code":"common.internal","message":"An unexpected error occurred.","request_id":"req_1"}}`, 0},
		{"unmarshalable detail", fault.WorkAlreadyRegistered().With("ats_id", make(chan int)),
			`{"error":{"code":"work.already_registered","message":"Work already registered.","request_id":"req_1"}}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(tt.err.MarshalEnvelope("req_1"))); diff != "" {
				t.Error(diff)
			}
			if got := tt.err.RetryAfterSeconds(); got != tt.retry {
				t.Errorf("Retry-After %d, want %d", got, tt.retry)
			}
			if s := tt.err.Status(); s < 400 || s > 599 {
				t.Errorf("status %d", s)
			}
		})
	}
}

func TestMessageSizes(t *testing.T) {
	tests := []struct {
		size, max int64
		want      string
	}{
		{537_200_000, 524_288_000, "(512.4 MB). Max: 500 MB."},
		{600 << 20, 500 << 20, "(600 MB). Max: 500 MB."},
		{524_288_001, 524_288_000, "(500.1 MB). Max: 500 MB."},
		{104_900_000, 104_850_000, "(100.1 MB). Max: 99.9 MB."},
		{1_049_000, 1_048_999, "(1.1 MB). Max: 1 MB."},
		{20_000, 10_000, "(0.02 MB). Max: 0.009 MB."},
		{1, 0, "(0.1 MB). Max: 0 MB."},
	}
	for _, tt := range tests {
		want := "The asset file is too large " + tt.want
		if got := fault.RegistrationAudioTooLarge(tt.size, tt.max).Message(); got != want {
			t.Errorf("%d of %d: %q, want %q", tt.size, tt.max, got, want)
		}
	}
	if got := (&fault.Error{Code: fault.CodeRegistrationAudioTooLarge}).Message(); strings.Contains(got, "{") {
		t.Errorf("a placeholder is left in %q", got)
	}
}

func TestMessageSizesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 5_000_000_000).Draw(t, "limit")
		size := limit + rapid.OneOf(rapid.Int64Range(1, 200_000), rapid.Int64Range(1, 5_000_000_000)).Draw(t, "excess")
		var shownSize, shownMax float64
		message := fault.RegistrationAudioTooLarge(size, limit).Message()
		if _, err := fmt.Sscanf(message, "The asset file is too large (%f MB). Max: %f MB.", &shownSize, &shownMax); err != nil {
			t.Fatalf("%q: %v", message, err)
		}
		if shownSize <= shownMax {
			t.Errorf("%d of %d is shown as %v of %v", size, limit, shownSize, shownMax)
		}
		if d := shownSize - float64(size)/(1<<20); d > 0.1001 || d < -0.0001 {
			t.Errorf("%d is shown as %v", size, shownSize)
		}
		if d := shownMax - float64(limit)/(1<<20); d > 0.0001 || d < -0.1001 {
			t.Errorf("%d is shown as %v", limit, shownMax)
		}
		if strings.Contains(message, ".0 ") {
			t.Errorf("a trailing .0 in %q", message)
		}
	})
}

func TestFrom(t *testing.T) {
	refusal := fault.WorkNotFound()
	secret := errors.New("pq: password authentication failed for user timbre")
	tests := []struct {
		name string
		err  error
		want fault.Code
	}{
		{"itself", refusal, fault.CodeWorkNotFound},
		{"wrapped", fmt.Errorf("read work 7: %w", refusal), fault.CodeWorkNotFound},
		{"joined", errors.Join(secret, refusal), fault.CodeWorkNotFound},
		{"with a deadline as its cause", refusal.Because(context.DeadlineExceeded), fault.CodeWorkNotFound},
		{"unknown", secret, fault.CodeCommonInternal},
		{"cancelled", fmt.Errorf("query: %w", context.Canceled), fault.CodeCommonServiceUnavailable},
		{"too late", context.DeadlineExceeded, fault.CodeCommonServiceUnavailable},
		{"bare code", fault.CodeWorkNotFound, fault.CodeCommonInternal},
		{"uncatalogued", &fault.Error{Code: "made.up"}, fault.CodeCommonInternal},
		{"browser's own", &fault.Error{Code: fault.CodeWidgetNetworkError}, fault.CodeCommonInternal},
		{"nil of our type", (*fault.Error)(nil), fault.CodeCommonInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fault.From(tt.err)
			if got.Code != tt.want || !errors.Is(got, tt.want) {
				t.Errorf("code %s, want %s", got.Code, tt.want)
			}
			if !errors.Is(got, tt.err) {
				t.Error("the original error is gone from the chain")
			}
			if !strings.Contains(got.Error(), tt.err.Error()) {
				t.Errorf("the log line %q does not have %q", got.Error(), tt.err)
			}
			if body := string(got.MarshalEnvelope("r")); strings.Contains(body, "password") || strings.Contains(body, "work 7") {
				t.Errorf("inner text in %s", body)
			}
		})
	}
	if fault.From(nil) != nil {
		t.Error("From(nil) is not nil")
	}
	if fault.From(refusal) != refusal {
		t.Error("From copied an error that needed no copy")
	}
}

// The body depends only on the code and the declared details, for every inner error and every wrapping.
func TestFromNeverLeaks(t *testing.T) {
	entries := fault.All()
	rapid.Check(t, func(t *rapid.T) {
		inner := "SECRET" + rapid.String().Draw(t, "inner")
		err := error(errors.New(inner))
		for range rapid.IntRange(0, 4).Draw(t, "wraps") {
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				err = fmt.Errorf("SECRET step: %w", err)
			case 1:
				err = errors.Join(errors.New("SECRET sibling"), err)
			case 2:
				err = (&fault.Error{Code: rapid.SampledFrom(entries).Draw(t, "entry").Code}).Because(err)
			case 3:
				err = fault.CommonInternal().Because(err).With("trace", inner)
			}
		}
		got := fault.From(err)
		if body := string(got.MarshalEnvelope("req_1")); strings.Contains(body, "SECRET") {
			t.Fatalf("inner text in %s", body)
		}
		if !strings.Contains(got.Error(), inner) {
			t.Fatalf("the log line lost the cause: %q", got.Error())
		}
		if _, ok := fault.Lookup(got.Code); !ok || got.Status() == 0 {
			t.Fatalf("uncatalogued %q, %d", got.Code, got.Status())
		}
	})
}

func TestMethodsNeverChangeTheirReceiver(t *testing.T) {
	shared := fault.WorkAlreadyRegistered()
	withID := shared.With("ats_id", int64(1))
	_ = withID.With("ats_id", int64(2))
	_ = shared.Because(errors.New("x"))
	if shared.Details != nil || errors.Unwrap(shared) != nil || withID.Details["ats_id"] != int64(1) {
		t.Errorf("changed: %+v, %+v", shared, withID)
	}
}

// TestExamples: an example has every detail of its code, in the type that a constructor takes.
func TestExamples(t *testing.T) {
	for _, entry := range fault.All() {
		e := fault.Example(entry.Code)
		if e.Code != entry.Code || len(e.Details) != len(entry.Details) {
			t.Errorf("%s: %+v", entry.Code, e)
		}
		for _, d := range entry.Details {
			types := map[string]string{"int": "int64", "string": "string", "uuid": "string", "strings": "[]string", "time": "time.Time", "fields": "[]fault.Field"}
			if got := fmt.Sprintf("%T", e.Details[d.Name]); got != types[d.Type] {
				t.Errorf("%s: the example of %s is a %s", entry.Code, d.Name, got)
			}
		}
		if want := map[bool]int{true: 2}[entry.RetryAfter]; e.RetryAfterSeconds() != want {
			t.Errorf("%s: Retry-After %d, want %d", entry.Code, e.RetryAfterSeconds(), want)
		}
		if entry.Seed && entry.Rehearse == "" {
			t.Errorf("%s is part of the first catalogue and cannot be rehearsed", entry.Code)
		}
	}
	if got := fault.Example("made.up").Envelope("r").Error.Code; got != fault.CodeCommonInternal {
		t.Errorf("an unknown code is answered as %s", got)
	}
}

// This package returns each example of the documentation for that code and those details.
func TestDocumentedExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range fault.All() {
		_, section, found := strings.Cut(string(page), "\n<a id=\""+string(entry.Code)+"\"></a>\n")
		if !found {
			t.Errorf("%s is not documented", entry.Code)
			continue
		}
		section, _, _ = strings.Cut(section, "\n<a id=")
		_, example, found := strings.Cut(section, "\nThe body:\n\n```json\n")
		if found != (entry.Status != 0) {
			t.Errorf("%s: example %t, status %d", entry.Code, found, entry.Status)
		}
		if !found {
			continue
		}
		example, _, _ = strings.Cut(example, "```")
		var documented fault.Envelope
		if err := json.Unmarshal([]byte(example), &documented); err != nil {
			t.Errorf("%s: %v", entry.Code, err)
			continue
		}
		var answered fault.Envelope // as a client reads it
		if err := json.Unmarshal(fault.Example(entry.Code).MarshalEnvelope(documented.Error.RequestID), &answered); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(documented, answered); diff != "" {
			t.Errorf("%s: %s", entry.Code, diff)
		}
		if len(documented.Error.Details) != len(entry.Details) {
			t.Errorf("%s: the example shows %d of %d details", entry.Code, len(documented.Error.Details), len(entry.Details))
		}
	}
}
