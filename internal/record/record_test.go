package record_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/store/query"
)

// Rows of the first releases have the text of each step, and a whole error body. Both are
// read, and their texts are not.
func TestRowsOfEarlierReleases(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	steps, err := record.TransactionSteps(query.Transaction{ID: "t", Steps: `[{"step":"validating","progress":5,"description":"Checking the registration.","timestamp":"2026-03-01T12:00:00Z"},
		{"step":"failed","progress":100,"description":"The registration did not go through.","timestamp":"2026-03-01T12:00:00Z"}]`})
	if want := []record.Step{{Code: record.StepValidating, At: at}, {Code: record.StepFailed, At: at}}; err != nil || !reflect.DeepEqual(steps, want) {
		t.Errorf("%+v, %v", steps, err)
	}
	r, err := record.TransactionFailure(query.Transaction{ID: "t", Failure: `{"code":"transaction.failed","message":"A text that has changed since.","details":{"reason":"bad origin"},"request_id":"req_1"}`})
	if err != nil || r.Code != fault.CodeTransactionFailed || !reflect.DeepEqual(r.Details, map[string]any{"reason": "bad origin"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if body := r.Err().Envelope("req_2").Error; body.Message != fault.TransactionFailed("").Message() || body.RequestID != "req_2" || body.Details["reason"] != "bad origin" {
		t.Errorf("rendered as %+v", body)
	}
}

// Stored values have no text for people: only codes, details and times.
func TestStoredWithoutTexts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := record.AppendSteps([]record.Step{{Code: record.StepValidating, At: at}}, at, record.StepPreparing, record.StepSigning)
	if want := `[{"step":"validating","timestamp":"2026-03-01T12:00:00Z"},{"step":"preparing_transaction","timestamp":"2026-03-01T12:00:00Z"},{"step":"signing","timestamp":"2026-03-01T12:00:00Z"}]`; got != want {
		t.Errorf("stored %s", got)
	}
	if got, want := record.Encode(record.RefusalOf(fault.TransactionFailed("bad origin"))), `{"code":"transaction.failed","details":{"reason":"bad origin"}}`; got != want {
		t.Errorf("stored %s", got)
	}
}

// A corrupt column is named, with its row.
func TestCorruptColumn(t *testing.T) {
	t.Parallel()
	const bad = `{"cut`
	job, tx, version := query.Job{ID: "j1", Creators: bad, Media: bad}, query.Transaction{ID: "t1", Steps: bad, Failure: bad}, query.Version{WorkID: "w1", Version: 2, Creators: bad, Media: bad, Quote: bad}
	errs := map[string]error{}
	_, errs["jobs.creators of job j1"] = record.JobCreators(job)
	_, errs["jobs.media of job j1"] = record.JobMedia(job)
	_, errs["transactions.steps of transaction t1"] = record.TransactionSteps(tx)
	_, errs["transactions.failure of transaction t1"] = record.TransactionFailure(tx)
	_, errs["versions.creators of version 2 of work w1"] = record.VersionCreators(version)
	_, errs["versions.media of version 2 of work w1"] = record.VersionMedia(version)
	_, errs["versions.quote of version 2 of work w1"] = record.VersionPrice(version)
	for want, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "column "+want+" is corrupt") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
