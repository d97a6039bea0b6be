package log

import (
	"errors"
	"fmt"
	"testing"
)

// A bundle is read and packed once. The cache stays within its bound, for any number of
// requested bundles.
func TestBundlesAreKept(t *testing.T) {
	t.Parallel()
	var b bundles
	made := 0
	get := func(path string) bundle {
		one, err := b.get(path, func() (bundle, error) {
			made++
			return bundle{make([]byte, keptBytes/8), make([]byte, 100)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	for range 3 {
		if one := get("tile/entries/000"); len(one.plain) != keptBytes/8 || len(one.zipped) != 100 {
			t.Fatal(len(one.plain), len(one.zipped))
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
	for i := range 100 {
		get(fmt.Sprintf("tile/entries/%03d", i))
		get("tile/entries/000") // requested all the time
	}
	if held := len(b.recent) + len(b.before); held > 18 || made != 100 {
		t.Errorf("%d of an eighth each are held, %d were made", held, made)
	}
	broken := errors.New("the database is away")
	if _, err := b.get("x", func() (bundle, error) { return bundle{}, broken }); err != broken {
		t.Error(err)
	}
	if _, kept := b.recent["x"]; kept {
		t.Error("a failure is kept")
	}
}
