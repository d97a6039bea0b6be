package certificate_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"timbre.example/internal/certificate"
	"timbre.example/proof/pdf"
)

// text is what a program reads that follows the structure of the page, as screen
// readers do: a line for each part.
func text(t *testing.T, in certificate.Input, s *certificate.Signer) string {
	t.Helper()
	return readOut(t, render(t, in, s))
}

func readOut(t *testing.T, path string) string {
	t.Helper()
	text := regexp.MustCompile(`(?m)^[A-Z]\w*:`).ReplaceAllString(structure(t, path), "")
	return norm.NFC.String(strings.ReplaceAll(text, "\u00a0", " "))
}

// In each language the page says all that it says in English, the fonts have every
// character of it, and the evidence is the same.
func TestEveryLanguage(t *testing.T) {
	t.Parallel()
	for language, want := range map[string][]string{
		"en": {"Certificate of registration", "Registration number\nNo. 1042, version 3", "14 March 2026, 15:09:26 UTC", "WAV audio · 3:45 · 38.2 MB", "Music, Lyrics", "File hash (SHA-256)", "Page 1 of 1", "mainnet, block 88123"},
		"fr": {"Certificat de dépôt", "N° 1042, version 3", "14 mars 2026, 15:09:26 UTC", "audio WAV · 3:45 · 38,2 Mo", "Musique, Paroles", "Hachage du fichier (SHA-256)", "Page 1 sur 1", "mainnet, bloc 88123"},
		"es": {"Certificado de registro", "N.º 1042, versión 3", "14 de marzo de 2026, 15:09:26 UTC", "audio WAV · 3:45 · 38,2 MB", "Música, Letra", "Hash del archivo (SHA-256)", "Página 1 de 1", "mainnet, bloque 88123"},
		"de": {"Registrierungszertifikat", "Nr. 1042, Version 3", "14. März 2026, 15:09:26 UTC", "WAV-Audio · 3:45 · 38,2 MB", "Musik, Text", "Datei-Hash (SHA-256)", "Seite 1 von 1", "mainnet, Block 88123"},
		"pt": {"Certificado de registro", "N.º 1042, versão 3", "14 de março de 2026, 15:09:26 UTC", "áudio WAV · 3:45 · 38,2 MB", "Música, Letra", "Hash do arquivo (SHA-256)", "Página 1 de 1", "mainnet, bloco 88123"},
		"ja": {"登録証明書", "No. 1042、バージョン 3", "2026年3月14日 15:09:26 UTC", "WAV 音声 · 3:45 · 38.2 MB", "作曲、作詞", "ファイルのハッシュ値 (SHA-256)", "1 / 1 ページ", "mainnet、ブロック 88123"},
		"ar": {"شهادة تسجيل", "رقم التسجيل", "مارس", "15:09:26", "38.2", "اللحن، الكلمات", "SHA-256", "1042"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			in := input("The Night We Met", one("Zoë Åström"))
			in.Language, in.Authority, in.Origin, in.KeyFingerprint = language, "CN=Example Time", "log.example/mainnet", "0123 4567 89ab cdef 0123 4567 89ab cdef"
			in.Witnesses = []string{"witness.label.example/w", strings.Repeat("w", 60), "c", "d", "e"}
			got := text(t, in, nil)
			for _, w := range append(want, "https://timbre.example/verify", "Example Records", "Hafenstraße 1, 20457 Hamburg", "Registry of Songs", "the night we met (final mix 3).wav", "evidence.json", "RFC 3161", "CN=Example Time", "log.example/mainnet", "0123 4567 89ab cdef 0123 4567 89ab cdef", "witness.label.example/w", "+2") {
				if !strings.Contains(got, w) && !strings.Contains(strings.ReplaceAll(got, " ", ""), strings.ReplaceAll(w, " ", "")) {
					t.Errorf("the page does not say %q:\n%s", w, got)
				}
			}
			for _, wrong := range []string{"U+", "composer", "%!"} {
				if strings.Contains(got, wrong) {
					t.Errorf("the page says %q:\n%s", wrong, got)
				}
			}
			in.Unwitnessed = true
			if few := text(t, in, nil); strings.Contains(few, "witness.label") || few == got {
				t.Errorf("too few witnesses:\n%s", few)
			}
			path := render(t, in, nil)
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(file, []byte("/Lang("+language+")")) || !bytes.Contains(file, []byte("<dc:language><rdf:Bag><rdf:li>"+language+"<")) {
				t.Error("the file names another language")
			}
			if attached, err := pdf.Read(file); err != nil || !bytes.Equal(attached.Evidence, in.Evidence) {
				t.Errorf("attached is %q (%v)", attached.Evidence, err)
			}
			if info := run(t, "pdfinfo", path); !regexp.MustCompile(`Pages: +1\n`).MatchString(info) || !regexp.MustCompile(`Author: +Example Records\n`).MatchString(info) {
				t.Errorf("pdfinfo says:\n%s", info)
			}
		})
	}
	if got := text(t, func() certificate.Input { in := input("A", one("B")); in.Language = "tlh"; return in }(), nil); !strings.Contains(got, "Certificate of registration") {
		t.Errorf("in a language that there is not: %s", got)
	}
}

// places are where words stand: the left and right edge and the top of each.
func places(t *testing.T, path string) map[string][3]float64 {
	t.Helper()
	all := map[string][3]float64{}
	for _, m := range regexp.MustCompile(`xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="[\d.]+">([^<]*)<`).FindAllStringSubmatch(run(t, "pdftotext", "-bbox", path, "-"), -1) {
		var n [3]float64
		for i, s := range []string{m[1], m[3], m[2]} {
			n[i], _ = strconv.ParseFloat(s, 64)
		}
		all[m[4]] = n
	}
	return all
}

// An Arabic page is laid out from right to left: values are left of their names,
// and the code is at the left.
func TestFromRightToLeft(t *testing.T) {
	t.Parallel()
	in := input("أغنية", one("محمد"))
	const page = 595.28
	for language, mirrored := range map[string]bool{"en": false, "ar": true} {
		in.Language = language
		found := places(t, render(t, in, nil))
		hash, code := found[in.Commitment], found["https://timbre.example/"]
		if hash == ([3]float64{}) || code == ([3]float64{}) {
			t.Fatalf("%s: not found in %v", language, found)
		}
		if hashRight, codeLeft := hash[1] > page/2 && hash[0] > page/4, code[1] < page/2; codeLeft != mirrored || hashRight != mirrored {
			t.Errorf("%s: the commitment is at %v, the code at %v", language, hash, code)
		}
	}
}

func TestTestNetworkIsAcrossThePage(t *testing.T) {
	t.Parallel()
	for _, language := range certificate.Languages() {
		in := input("Trial", one("Zoë"))
		in.Language = language
		for _, network := range []string{"mainnet", "testnet"} {
			in.Network, in.Test = network, network == "testnet"
			all, trailer := objects(t, render(t, in, nil))
			_ = trailer
			rose := false // the colour of the watermark
			for _, o := range all {
				rose = rose || bytes.Contains(o.data, []byte("\n0.975 0.885 0.870 rg\n"))
			}
			if rose != (network == "testnet") {
				t.Errorf("%s, %s: the watermark is there: %t", language, network, rose)
			}
		}
	}
	in := input("Trial", one("Zoë"))
	const ribbon = "TEST NETWORK · Registered on a test network, for trying out. This is not a real registration."
	if got := text(t, in, nil); strings.Contains(got, "TEST") {
		t.Errorf("on the mainnet the page says %s", got)
	}
	in.Network, in.Test = "testnet", true
	if got := text(t, in, nil); !strings.HasPrefix(strings.TrimSpace(got), ribbon) {
		t.Errorf("on the test network the page says %s", got)
	}
}

// Emoji are drawn, a sequence as the one picture that it is, and copied as
// themselves. A space after one is as wide as any.
func TestEmoji(t *testing.T) {
	t.Parallel()
	for _, title := range []string{"👨‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍🎤", "🇫🇷", "❤️‍🔥", "1️⃣", "🚀", "☺️", "👍🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"} {
		in := input("Z"+title+" Z", one("Zoë"))
		path := render(t, in, nil)
		if got := readOut(t, path); strings.Contains(got, "U+") || !strings.Contains(strings.ReplaceAll(got, " ", ""), "Z"+title+"Z") {
			t.Errorf("%s is copied as %q", title, got)
		}
		in.Title = "Z🚀 Z"
		// Poppler gives a joiner within a sequence some width.
		if a, b := span(t, path), span(t, render(t, in, nil)); a > b*1.17 || a < b*0.9 {
			t.Errorf("%s takes %.1f points, one emoji %.1f", title, a, b)
		}
	}
}

// span is the width of the second heading, which is the title.
func span(t *testing.T, path string) float64 {
	t.Helper()
	least, most := 1000.0, 0.0
	for _, m := range regexp.MustCompile(`xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">([^<]*)<`).FindAllStringSubmatch(run(t, "pdftotext", "-bbox", path, "-"), -1) {
		from, _ := strconv.ParseFloat(m[1], 64)
		top, _ := strconv.ParseFloat(m[2], 64)
		to, _ := strconv.ParseFloat(m[3], 64)
		bottom, _ := strconv.ParseFloat(m[4], 64)
		if bottom-top > 35 && top > 140 {
			least, most = min(least, from), max(most, to)
		}
	}
	return most - least
}

// Characters that change the direction are shown by their numbers, so a page never shows
// a text other than the registered one.
func TestMarksAreNamed(t *testing.T) {
	t.Parallel()
	in := input("song \u202eevol ym fo\u202c gnos", one("Zoë\u2067 x"))
	in.File.Name, in.Issuer, in.Creators[0].Name = "a\u200fb\u0007.wav", "R\u2028S", "Zoë\u2067 x"
	path := render(t, in, nil)
	got := readOut(t, path) + run(t, "pdftotext", path, "-")
	for _, want := range []string{"⟨U+202E⟩evol ym", "⟨U+202C⟩", "Zoë⟨U+2067⟩ x", "a⟨U+200F⟩b⟨U+0007⟩.wav", "R⟨U+2028⟩S"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if strings.ContainsAny(got, "\u202e\u202c\u2067\u200f\u0007\u2028") {
		t.Errorf("the page has a mark: %q", got)
	}
	if info := run(t, "pdfinfo", path); !strings.Contains(info, "song ⟨U+202E⟩evol") {
		t.Errorf("pdfinfo says:\n%s", info)
	}
}

// Invisible characters in older registrations are shown by their numbers, too. So no name
// is empty, and different names look different.
func TestBlanksAreNamed(t *testing.T) {
	t.Parallel()
	in := input("Love\u200bSong\u3164", one("\u3164"))
	in.Creators = []certificate.Creator{one("\u3164"), one("\u034f"), one("\u115f\u1160"), one("\u2800"), one("\U0001d159"), one("\ufe0f"), one("\U000e0041"), one("\u0301"), one("Zo\u00adë\ue000")}
	path := render(t, in, nil)
	got := readOut(t, path) + run(t, "pdftotext", path, "-")
	for _, want := range []string{"Love⟨U+200B⟩Song⟨U+3164⟩", "⟨U+034F⟩", "⟨U+115F⟩⟨U+1160⟩", "⟨U+2800⟩", "⟨U+1D159⟩", "⟨U+FE0F⟩", "⟨U+E0041⟩", "⟨U+0301⟩", "Zo⟨U+00AD⟩ë⟨U+E000⟩"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
}

// A title that nearly fits is set a little smaller, and one that is broken has
// lines of about one length.
func TestTitlesBreakWell(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{
		"Love Theme (from Wesnoth)":                            "Love Theme (from Wesnoth)\n",
		"Love Theme for Two Violins (from Battle for Wesnoth)": "Love Theme for Two Violins\n(from Battle for Wesnoth)\n",
		"夜明けの駅で会いましょう、雨の降る日に、あの古い時計の下で":                        "夜明けの駅で会いましょう、雨の\n降る日に、あの古い時計の下で\n",
	} {
		if got := run(t, "pdftotext", render(t, input(title, one("Zoë")), nil), "-"); !strings.Contains(got, want) {
			t.Errorf("%q is set as %q", title, got[:min(len(got), 200)])
		}
	}
}

// The content of a signature is on the page. Its field is visible and does not cover
// text.
func TestSignatureIsOnThePage(t *testing.T) {
	t.Parallel()
	_, cert, key := authority(t, "1", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	signer, err := certificate.NewSigner(cert, key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range certificate.Languages() {
		in := input("Signed", one("Zoë"))
		in.Language = language
		path := render(t, in, signer)
		all, _ := objects(t, path)
		var rect []any
		for _, o := range all {
			if o.dict["/Subtype"] == "/Widget" {
				rect, _ = o.dict["/Rect"].([]any)
			}
		}
		if len(rect) != 4 {
			t.Fatalf("%s: the field is at %v", language, rect)
		}
		var n [4]float64
		for i := range n {
			n[i], _ = rect[i].(float64)
		}
		if n[0] < 26 || n[1] < 26 || n[2] > 595.28-26 || n[2]-n[0] < 100 || n[3]-n[1] < 30 {
			t.Errorf("%s: the field is at %v", language, n)
		}
		name := places(t, path)["Records"]
		if got := plain(run(t, "pdftotext", path, "-")); !strings.Contains(got, "Example Records") || name[0] == 0 {
			t.Errorf("%s: the page says %s", language, got)
		}
	}
	if got := text(t, input("Signed", one("Zoë")), signer); !strings.Contains(got, "Digitally signed by\nExample Records\nA PDF reader checks the signature.") {
		t.Errorf("the page says %s", got)
	}
	if got := text(t, input("Not signed", one("Zoë")), nil); strings.Contains(got, "igned by") {
		t.Errorf("unsigned the page says %s", got)
	}
}

// The certificate states only true things: a token of an authority, a name, a date of issue.
func TestOnlyWhatIsSo(t *testing.T) {
	t.Parallel()
	in := input("Bare", one("Zoë"))
	if got := text(t, in, nil); strings.Contains(got, "RFC 3161") {
		t.Errorf("without a token the page says %s", got)
	}
	in.Issued, in.Issuer, in.Imprint, in.Registry, in.File, in.VerifyURL = time.Time{}, "", "", "", certificate.File{}, ""
	got := text(t, in, nil)
	for _, absent := range []string{"fingerprint", "Issued by", "Certificate issued", "Registry ", "File ", "How to check", "audio"} {
		if strings.Contains(strings.ReplaceAll(got, "File hash", ""), absent) {
			t.Errorf("the page says %q:\n%s", absent, got)
		}
	}
	in = input("Sizes", one("Zoë"))
	for want, f := range map[string]certificate.File{
		"0:01 · 1 kB":               {Name: "a", Duration: 200 * time.Millisecond, Size: 3},
		"1:01:05 · 500 MB":          {Name: "a", Duration: 3665 * time.Second, Size: 524_288_000},
		"FLAC audio · 59:59 · 2 MB": {Name: "a", Format: "FLAC", Duration: 3599 * time.Second, Size: 2 << 20},
	} {
		in.File = f
		if got := text(t, in, nil); !strings.Contains(got, want) {
			t.Errorf("%+v: the page says %s", f, got)
		}
	}
	in.File.Name, in.Issuer = strings.Repeat("abc ", 60)+"end.wav", strings.Repeat("W", 200)
	if got := text(t, in, nil); !strings.Contains(got, "end.wav") || !strings.Contains(got, "…") {
		t.Errorf("a long name: %s", got)
	}
	if long := fmt.Sprintf("https://timbre.example/%s/verify", strings.Repeat("x", certificate.MaxURL)); long != "" {
		in.VerifyURL = long
		if _, err := certificate.Render(in, nil); err == nil {
			t.Error("an address that is too long is taken")
		}
	}
}
