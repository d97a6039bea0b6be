package search

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/commitment"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Don't Stop (Live) ’98": "dont stop live 98",
		"Ça ira, Éléonore":      "ca ira eleonore",
		"STRASSE straße":        "strasse strasse",
		"Ærøskøbing":            "aeroskobing",
		"ΟΔΟΣ":                  "οδοσ",
		"ada+x@songs.example":   "ada x songs example",
		"夜に":                    "夜に に",
		"Love愛":                 "love 愛",
		"  \u200b —":            "",
		"الحُبّ":                "الحب",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

// FuzzWords: every word of a text is found by itself, by its beginning, and in any other capitals.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"Lullaby", "Don't Stop (Live)", "夜に駆ける", "الحُبّ", "ẞ ſ İ ı", "a\x00\xff", "Ωμέγα", "한국어 노래", "e\u0301"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		has := words(text)
		if len(has) > maxWords {
			t.Errorf("%d words", len(has))
		}
		for _, term := range terms(text) {
			if !slices.ContainsFunc(has, func(w string) bool { return matches(w, term) }) {
				t.Errorf("%q has the words %q, and is not found by %q", text, has, term)
			}
			if !slices.ContainsFunc(has, func(w string) bool { return slices.Contains(beginnings(w), longest(term)) }) {
				t.Errorf("%q: no word of %q has the key of %q", text, has, term)
			}
		}
	})
}

// shelf adds works to a database, the oldest first.
type shelf struct {
	t   *testing.T
	db  *store.DB
	n   int64
	ids map[string]string // by title
}

func (s *shelf) add(org string, scope Scope, title, reference string, names ...string) {
	s.t.Helper()
	s.n++
	id, err := uuid.NewV7()
	if err != nil {
		s.t.Fatal(err)
	}
	var creators []commitment.Creator
	for _, n := range names {
		creators = append(creators, commitment.Creator{FullName: n, Email: "x@songs.test", Roles: []commitment.Role{commitment.Author}})
	}
	hash := make([]byte, 32)
	hash[0], hash[1] = byte(s.n), 0xab
	ctx := s.t.Context()
	if err := s.db.Tx(ctx, func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		if err := tx.InsertWork(ctx, query.InsertWorkParams{ID: id.String(), OrganizationID: org, Network: scope.Network, AtsID: s.n, Title: title, ExternalUserRef: reference, Test: scope.Test, Now: now}); err != nil {
			return err
		}
		if err := tx.InsertJob(ctx, query.InsertJobParams{ID: "job-" + id.String(), OrganizationID: org, Network: scope.Network, Kind: "register", WorkID: id.String(), Title: title, Creators: encode(s.t, creators), Media: "{}", Test: scope.Test, Now: now}); err != nil {
			return err
		}
		if _, err := tx.PrepareJob(ctx, query.PrepareJobParams{ID: "job-" + id.String(), Seen: now, Now: now, MediaHash: hash, Media: "{}", MerkleRoot: hash, Commitment: hash, Quote: "{}", AssetKey: "assets/x"}); err != nil {
			return err
		}
		return tx.InsertVersion(ctx, query.InsertVersionParams{TransactionID: "job-" + id.String(), Version: 1, TxHash: hash, BlockHash: hash, Now: now})
	}); err != nil {
		s.t.Fatal(err)
	}
	s.ids[title] = id.String()
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Works are found by what people type, in one's own organization, and no longer after their erasure.
func TestFind(t *testing.T) {
	t.Parallel()
	live, testKeys := Scope{"mainnet", false}, Scope{"testnet", true}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := &shelf{t: t, db: db, ids: map[string]string{}}
		s.add("o1", live, "Lullaby for Zoë", "user-42", "Ada Example")
		s.add("o1", live, "Harbour Lights", "user-7", "Bo Marker", "Ada Exarcho")
		s.add("o1", testKeys, "Lullaby in Test", "user-42", "Cy Tester")
		s.add("o2", live, "Lullaby of Another", "user-42", "Ada Example")
		s.add("o1", live, "夜に駆ける", "", "作者 名前")
		s.add("o1", live, "1984", "", "Eric B")
		if err := Backfill(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		find := func(text string, scopes ...Scope) string {
			t.Helper()
			if len(scopes) == 0 {
				scopes = []Scope{live, testKeys}
			}
			f, err := Find(t.Context(), db, Question{Organization: "o1", Scopes: scopes, Text: text, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			var titles []string
			for _, w := range f.Works {
				titles = append(titles, w.Title)
			}
			return strings.Join(titles, " | ")
		}
		for text, want := range map[string]string{
			"":                       "1984 | 夜に駆ける | Lullaby in Test | Harbour Lights | Lullaby for Zoë",
			"lull":                   "Lullaby in Test | Lullaby for Zoë",
			"LULLABY zoe":            "Lullaby for Zoë",
			"ada exa":                "Harbour Lights | Lullaby for Zoë",
			"ada example":            "Lullaby for Zoë",
			"ada harbour":            "Harbour Lights",
			"lullabys":               "",
			"駆け":                     "夜に駆ける",
			"夜":                      "夜に駆ける",
			"user-42":                "Lullaby in Test | Lullaby for Zoë",
			"4":                      "",
			"2":                      "Harbour Lights",
			"#1":                     "Lullaby for Zoë",
			"1984":                   "1984",
			"in":                     "Lullaby in Test",
			"i":                      "",
			"—":                      "",
			"songs.test":             "1984 | 夜に駆ける | Lullaby in Test | Harbour Lights | Lullaby for Zoë",
			"02ab0000000000000000":   "Harbour Lights",
			"0x02AB0000000000000000": "Harbour Lights",
			"04ab0000000000000000":   "", // another organization's
			"02ab0000000000000001":   "",
			hex.EncodeToString(append([]byte{1, 0xab}, make([]byte, 30)...)): "Lullaby for Zoë",
			"%":    "",
			"lu%":  "",
			"\x00": "",
		} {
			if got := find(text); got != want {
				t.Errorf("%q finds %q, not %q", text, got, want)
			}
		}
		if got := find("lullaby", live); got != "Lullaby for Zoë" {
			t.Errorf("on the live network: %q", got)
		}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return Remove(t.Context(), tx, s.ids["Lullaby for Zoë"]) }); err != nil {
			t.Fatal(err)
		}
		if got := find("zoe"); got != "" {
			t.Errorf("after its erasure: %q", got)
		}
	})
}

// Each work of a list is on exactly one page, forwards and backwards, with and without a search.
func TestPages(t *testing.T) {
	t.Parallel()
	scopes := []Scope{{"mainnet", false}, {"testnet", true}, {"testnet", false}}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := &shelf{t: t, db: db, ids: map[string]string{}}
		var want []string
		for i := range 53 {
			title := fmt.Sprintf("Song %d", i)
			s.add("o1", scopes[i*i%3], title, "", "Ada Example")
			want = append(want, title)
		}
		slices.Reverse(want)
		if err := Backfill(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "song", "example ada song"} {
			for _, limit := range []int{1, 7, 53, 60} {
				var got, pages []string
				q := Question{Organization: "o1", Scopes: scopes, Text: text, Limit: limit}
				for {
					f, err := Find(t.Context(), db, q)
					if err != nil {
						t.Fatal(err)
					}
					for _, w := range f.Works {
						got = append(got, w.Title)
					}
					pages = append(pages, f.Works[0].Title)
					if (f.Before == "") != (len(pages) == 1) {
						t.Errorf("page %d: the page before is %q", len(pages), f.Before)
					}
					if f.After == "" {
						// And back again.
						for n := len(pages) - 2; n >= 0; n-- {
							if f, err = Find(t.Context(), db, Question{Organization: "o1", Scopes: scopes, Text: text, Limit: limit, Before: f.Before}); err != nil {
								t.Fatal(err)
							}
							if len(f.Works) != limit || f.Works[0].Title != pages[n] || f.After == "" || (f.Before == "") != (n == 0) {
								t.Fatalf("%q, pages of %d: back on page %d: %d works, first %q, not %q; before %q, after %q", text, limit, n, len(f.Works), f.Works[0].Title, pages[n], f.Before, f.After)
							}
						}
						break
					}
					q.After = f.After
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q, pages of %d: %q", text, limit, got)
				}
			}
		}
	})
}

// A word that hardly any work has ends a page after a bounded number of works, and the next pages find it.
func TestRareWord(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s := &shelf{t: t, db: db, ids: map[string]string{}}
	s.add("o1", Scope{"mainnet", false}, "Lullabinth", "", "Ada")
	for i := range maxRead + 100 {
		s.add("o1", Scope{"mainnet", false}, fmt.Sprintf("Lullaby %d", i), "", "Ada")
	}
	if err := Backfill(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	q := Question{Organization: "o1", Scopes: []Scope{{"mainnet", false}}, Text: "lullabi", Limit: 10}
	f, err := Find(t.Context(), db, q)
	if err != nil || !f.Partial || len(f.Works) != 0 || f.After == "" {
		t.Fatalf("%+v, %v", f, err)
	}
	q.After = f.After
	if f, err = Find(t.Context(), db, q); err != nil || len(f.Works) != 1 || f.Partial || f.After != "" {
		t.Fatalf("%+v, %v", f, err)
	}
}
