package store

import (
	"context"
	"fmt"
	"strings"

	"timbre.example/internal/operation"
	"timbre.example/internal/store/query"
)

// insertAttempts has the text of InsertWebhookAttempts for each number of rows, the largest
// first. A connection prepares each text once.
var insertAttempts = []struct {
	rows int
	text string
}{{64, insertAttemptsText(64)}, {8, insertAttemptsText(8)}, {1, insertAttemptsText(1)}}

func insertAttemptsText(rows int) string {
	var text strings.Builder
	text.WriteString("-- name: InsertWebhookAttempts :exec\nINSERT INTO webhook_attempts (delivery_id, number, url, started_at, duration, status, headers, body, error, work_id) VALUES ")
	const columns = 10
	for row := range rows {
		if row > 0 {
			text.WriteString(", ")
		}
		for column := range columns {
			fmt.Fprintf(&text, "%s$%d", map[bool]string{true: "(", false: ", "}[column == 0], row*columns+column+1)
		}
		text.WriteString(")")
	}
	return text.String()
}

// InsertWebhookAttempts inserts attempts, up to 64 with one statement: sqlc has no statement
// with a variable number of rows. The delivery of each attempt has counted it before, in the
// same transaction: so the delivery's row is locked, and the number is free.
func (tx *Tx) InsertWebhookAttempts(ctx context.Context, all []query.WebhookAttempt) (err error) {
	defer operation.Wrap(&err, "insert %d attempts of webhooks", len(all))
	for _, size := range insertAttempts {
		for len(all) >= size.rows {
			args := make([]any, 0, 10*size.rows)
			for _, a := range all[:size.rows] {
				args = append(args, a.DeliveryID, a.Number, a.Url, a.StartedAt, a.Duration, a.Status, a.Headers, a.Body, a.Error, a.WorkID)
			}
			if _, err := tx.db.Exec(ctx, size.text, args...); err != nil {
				return err
			}
			all = all[size.rows:]
		}
	}
	return nil
}
