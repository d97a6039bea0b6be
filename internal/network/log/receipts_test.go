package log_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// Blocks of a release without receipts have no signature for them. A process that makes blocks
// signs the newest one when it starts, and each new one. So the older entries have a receipt,
// too, in a later tree.
func TestReceiptsOfOlderBlocks(t *testing.T) {
	t.Parallel()
	for driver, url := range map[string]func(t *testing.T) string{
		"sqlite": func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"pgx":    func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(driver, func(t *testing.T) { receiptsOfOlderBlocks(t, driver, url(t)) })
	}
}

func receiptsOfOlderBlocks(t *testing.T, driver, url string) {
	db := storetest.Open(t, url)
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		url = "file:" + path + "?_pragma=busy_timeout(10000)"
	}
	raw, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	l := open(t, db)
	fill(t, l, 0, 3)
	fill(t, l, 3, 2)
	first := stage(t, l, call(0))[0].Hash
	forget := func() {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), "DELETE FROM log_receipts"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Receipt(t.Context(), first); !errors.Is(err, network.ErrNotFound) {
			t.Fatalf("no block has a signature: %v", err)
		}
	}
	signed := func(want int64) {
		t.Helper()
		row, err := db.Read().FirstLogReceipt(t.Context(), query.FirstLogReceiptParams{Network: string(l.Name()), Block: 0})
		if err != nil || row.Size != want {
			t.Errorf("the first tree with a signature has %d entries, want %d: %v", row.Size, want, err)
		}
		if _, err := l.Receipt(t.Context(), first); err != nil {
			t.Error(err)
		}
	}
	forget()
	fill(t, l, 5, 1)
	signed(6)
	forget()
	waiting := stage(t, l, call(6))
	broadcast(t, l, waiting...)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { l.Run(ctx) })
	for head := l.Head(); len(find(t, l, waiting...)) == 0; head = l.Head() {
		select {
		case <-head:
		case <-ctx.Done():
			t.Fatal("no block was made")
		}
	}
	signed(6) // the block before, and not that of the waiting entry
	if _, err := l.Receipt(t.Context(), [32]byte{1}); !errors.Is(err, network.ErrNotFound) {
		t.Errorf("an unknown transaction: %v", err)
	}
}
