package legible_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"timbre.example/internal/legible"
)

// The titles in a line look the same to a reader.
func TestTheSameTitle(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{
			"Love Song", "love song", "LOVE SONG", " Love  Song ", "Love\u00a0Song", "Love\u2003Song", "Love\u3000Song", "Love \u200bSong", "Love\u2060 Song", "\ufeffLove Song", "Lo\u00adve Song", "Love Song\u3164",
			"Love\u3164Song", "Love\uffa0Song", "Love\u2800Song", "Love\u115fSong", "Lo\u034fve Song", "Love \u200eSong", "\u202eLove Song\u202c", "Love\ufe0f Song", "Love Song\U000e0041",
			"L\u043eve Song", "L\u043eve S\u043eng", "L\u043e\u03bde Song", "Lοve Song", "Lоvе Sоng", "L\u0585ve Song", "ＬＯＶＥ Ｓｏｎｇ", "𝐋𝐨𝐯𝐞 𝑆𝑜𝑛𝑔", "Ⓛove Song", "Ꮮove Song", "ꓡove Song", "Love Sonɡ", "LОVE SONG",
		},
		{"Such a Night", "Such а Night", "Ѕuch a Night", "Such α Night", "Ѕuсһ а Night"},
		{"Моя песня", "моя Песня", "Mоя песня", "Моя пecня", "МОЯ ПЕСНЯ", "МОЯ ПECHЯ"},
		{"Песня о море", "Песня o море", "Песня ο море"},
		{"Ελλάδα", "ΕΛΛΆΔΑ", "Eλλάδα", "Ελλάδa\u200b"},
		{"Café", "Cafe\u0301", "CAFÉ", "Саfé", "Caf\u0435\u0301"},
		{"Don't", "Don’t", "Donʼt", "Don‘t", "Don`t", "Don´t"},
		{"One – Two", "One - Two", "one — two", "One\u00a0‑ Two"},
		{"ﬁre", "fire", "FIRE"},
		{"Straße", "STRASSE"},
		{"ｱｲ", "アイ"},
		{"한글", "한글"},
		{"می‌خواهم", "میخواهم"},
		{"Sunset ❤️", "Sunset ❤"},
		{"辻\U000e0100", "辻"},
	} {
		want := legible.Key(same[0])
		for _, title := range same {
			if got := legible.Key(title); got != want {
				t.Errorf("%+q has the key %+q, %+q has %+q", same[0], want, title, got)
			}
		}
	}
}

// Titles that look different have different keys.
func TestOtherTitles(t *testing.T) {
	t.Parallel()
	for _, titles := range [][]string{
		{"СОН", "COH", "ΣΟΗ"}, {"Сон", "Coh"}, {"НЕТ", "HET"}, {"ТОМ", "TOM"}, {"Рок", "Pok"}, {"Мост", "Moct"}, {"ВОР", "BOP"}, {"ΑΒ", "AB", "АВ"}, {"ΤΟ", "TO", "ТО"},
		{"Love 1", "Love l", "Love I", "Love 2"}, {"Area 0", "Area O"}, {"Corn", "Com"}, {"vv", "w"}, {"cl", "d"}, {"5", "S"}, {"Kapı", "Kapi"}, {"Ångström", "Angstrom"}, {"Mañana", "Manana"},
		{"へ", "ペ"}, {"がく", "かく"}, {"東京", "東亰"}, {"山", "川"}, {"夜曲", "夜想曲"}, {"пісня", "песня"}, {"Мир", "Мiра"}, {"все", "всё"},
		{"🏴", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"}, {"👨‍👩‍👧", "👨👩👧"}, {"🇫🇷", "🇩🇪"},
		{"عشق", "عشق ۲"}, {"Love", "Love!", "Love?"}, {"Песня", "Песню"}, {"Ψυχή", "Ψυχές"}, {"DJка", "DJко"},
	} {
		keys := map[string]string{}
		for _, title := range titles {
			key := legible.Key(title)
			if other, ok := keys[key]; ok {
				t.Errorf("%+q and %+q have the key %+q", other, title, key)
			}
			keys[key] = title
		}
	}
}

// Keys are used in searches, too, so the key of a key must be the same key. No text may
// be shown as an empty text.
func TestAnyText(t *testing.T) {
	t.Parallel()
	letters := rapid.SampledFrom([]rune("aeIlоОсСнНяЯοΟψ 1-’´\u00a0\u0301\u0345\u200b\u200d\u200c\u202e\u2800\u3164\ufe0f\u20e3\u0336\u06db\u0130ﬃ❤🏴\U000e0067\U000e007f\U0001d159\ue000ᄀ가ｶﾞمᠠ\u180eक"))
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringOf(letters), rapid.String()).Draw(t, "text")
		key := legible.Key(s)
		if again := legible.Key(key); again != key {
			t.Fatalf("%+q: %+q, then %+q", s, key, again)
		}
		if shown := legible.Shown(s); legible.Blank(shown) && strings.TrimSpace(s) != "" {
			t.Fatalf("%+q is shown as an empty text", s)
		}
		if kind, _, _ := legible.First(legible.Shown(s)); kind != legible.Fine {
			t.Fatalf("%+q: the shown text has a %s", s, kind)
		}
	})
}
