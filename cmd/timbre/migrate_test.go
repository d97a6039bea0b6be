package main

import (
	"bytes"
	"path/filepath"
	"testing"
)

// A new database has no index that only the release before uses, so --retire drops none.
func TestMigrateRetire(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "timbre.db")
	for _, want := range []string{"\"dropped\": []", "\"applied\": 0"} {
		var out, errs bytes.Buffer
		if code := run([]string{"migrate", "--retire", "--json", "--database-url", database}, &out, &errs); code != exitDone || !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("exit %d, %s%s", code, out.String(), errs.String())
		}
	}
}
