package evidence_test

import (
	"strings"
	"testing"

	"timbre.example/proof/evidence"
)

// forked is the work in another history of its log, which has the same key.
func forked(change func(w *work)) work {
	w := song
	change(&w)
	return w
}

func TestCompare(t *testing.T) {
	t.Parallel()
	longer := forked(func(w *work) { w.size = 1001 })
	shown := must(song.logged().Extend(song.later(1001)))
	further := must(song.logged().Extend(song.later(1300)))
	same := must(longer.logged().Extend(longer.later(1300)))
	foreign := forked(func(w *work) { w.seed = [32]byte{9} })
	damaged := song.logged()
	damaged.Log.Proof[0][0] ^= 1
	for name, c := range map[string]struct {
		a, b evidence.Evidence
		want evidence.Relation
		why  string
	}{
		"the same twice":                  {song.logged(), song.logged(), evidence.SameHistory, ""},
		"one creator":                     {song.logged(), must(song.logged().Redact(1)), evidence.SameHistory, ""},
		"a longer tree":                   {song.logged(), longer.logged(), evidence.NoContradiction, ""},
		"a longer tree, shown":            {shown, longer.logged(), evidence.SameHistory, ""},
		"a later checkpoint of both":      {further, same, evidence.SameHistory, ""},
		"another song in the same place":  {song.logged(), forked(func(w *work) { w.title = "Other" }).logged(), evidence.Contradiction, "the entries 618 to 618 of both"},
		"the number in another place":     {song.logged(), forked(func(w *work) { w.index, w.size = 900, 1200 }).logged(), evidence.Contradiction, "of both histories differ"},
		"another song, a longer tree":     {song.logged(), forked(func(w *work) { w.title, w.size = "Other", 1001 }).logged(), evidence.Contradiction, "618"},
		"a later checkpoint of a fork":    {further, must(longer.logged().Extend(forked(func(w *work) { w.title, w.size = "Other", 1001 }).later(1300))), evidence.NoContradiction, ""},
		"another log":                     {song.logged(), foreign.logged(), evidence.OtherLogs, ""},
		"a chain":                         {song.logged(), song.chained(), evidence.OtherLogs, ""},
		"a document that does not hold":   {song.logged(), damaged, evidence.OtherLogs, ""},
		"the number behind a later block": {song.logged(), forked(func(w *work) { w.index = 619 }).logged(), evidence.Contradiction, ""},
	} {
		for _, pair := range [][2]evidence.Evidence{{c.a, c.b}, {c.b, c.a}} {
			got := evidence.Compare(pair[0], pair[1], nil)
			if got.Relation != c.want || !strings.Contains(got.Why, c.why) || (got.Why != "") != (c.want == evidence.Contradiction) {
				t.Errorf("%s: %+v, want %s", name, got, c.want)
			}
			for i, signed := range got.Checkpoints {
				if c.want != evidence.Contradiction {
					continue
				}
				if _, err := evidence.OpenCheckpoint(signed, logName, song.key()); err != nil {
					t.Errorf("%s: checkpoint %d: %v", name, i, err)
				}
			}
		}
	}
	// The log's key is the caller's.
	if got := evidence.Compare(song.logged(), song.logged(), []string{foreign.key()}); got.Relation != evidence.OtherLogs {
		t.Errorf("%+v", got)
	}
}

// The entries of one history follow from each other, whatever trees they are in.
func TestCompareEntries(t *testing.T) {
	t.Parallel()
	// A tree of two entries in which both are of the same version: no hash contradicts.
	one, other := song.pair()
	got := evidence.Compare(one, other, nil)
	if got.Relation != evidence.Contradiction || !strings.Contains(got.Why, "version 2 of work 17 stands behind version 2") || got.Checkpoints[0] != one.Log.Checkpoint {
		t.Errorf("%+v", got)
	}
}
