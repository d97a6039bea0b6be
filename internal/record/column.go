package record

import (
	"encoding/json"
	"fmt"

	"timbre.example/commitment"
	"timbre.example/internal/credits"
	"timbre.example/internal/store/query"
)

// column reads a column with JSON. The error of a corrupt column names the column and its
// row; the caller adds its operation.
func column(text string, into any, name, row string) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("column %s of %s is corrupt: %w", name, row, err)
	}
	return nil
}

func versionRow(v query.Version) string {
	return fmt.Sprintf("version %d of work %s", v.Version, v.WorkID)
}

// JobCreators reads the column jobs.creators.
func JobCreators(j query.Job) (list []commitment.Creator, err error) {
	err = column(j.Creators, &list, "jobs.creators", "job "+j.ID)
	return list, err
}

// JobMedia reads the column jobs.media.
func JobMedia(j query.Job) (m Media, err error) {
	err = column(j.Media, &m, "jobs.media", "job "+j.ID)
	return m, err
}

// TransactionSteps reads the column transactions.steps.
func TransactionSteps(t query.Transaction) (steps []Step, err error) {
	err = column(t.Steps, &steps, "transactions.steps", "transaction "+t.ID)
	return steps, err
}

// TransactionFailure reads the column transactions.failure of a failed transaction.
func TransactionFailure(t query.Transaction) (r Refusal, err error) {
	err = column(t.Failure, &r, "transactions.failure", "transaction "+t.ID)
	return r, err
}

// VersionCreators reads the column versions.creators.
func VersionCreators(v query.Version) (list []commitment.Creator, err error) {
	err = column(v.Creators, &list, "versions.creators", versionRow(v))
	return list, err
}

// VersionMedia reads the column versions.media.
func VersionMedia(v query.Version) (m Media, err error) {
	err = column(v.Media, &m, "versions.media", versionRow(v))
	return m, err
}

// VersionPrice reads the column versions.quote.
func VersionPrice(v query.Version) (q credits.Quote, err error) {
	err = column(v.Quote, &q, "versions.quote", versionRow(v))
	return q, err
}
