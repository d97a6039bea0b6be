package certificate_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// written are names in the writings that people use, with ligatures from right to left, vowels
// that are drawn before their consonant, letters of two halves, and stacks.
var written = map[string]string{
	"Latin": "Zoë Åström-Nguyễn", "Latin, marks": "x̂ ŷ ẑ á̧", "Cyrillic": "Андрій Їжакевич", "Greek": "Ελευθέριος Ψαρράς", "Armenian": "Արամ Խաչատրյան", "Georgian": "გია ყანჩელი",
	"Arabic": "محمد صلاح عبد الوهاب", "Arabic, lam and alef": "صلاح سلام علاء غلام", "Arabic, vowels": "مُحَمَّدُ كِتَاب", "Urdu": "نصرت فتح علی خان", "Persian": "می‌خواهم نان‌ها",
	"Hebrew": "נעמי שמר", "Hebrew, points": "שָׁלוֹם עֲלֵיכֶם", "Yiddish": "ייִדיש קלעזמער", "Syriac": "ܣܘܪܝܝܐ ܐܦܪܝܡ", "N'Ko": "ߞߊߙߌߡ ߒߞߏ", "Samaritan": "ࠔࠌࠓࠉࠌ ࠏ", "Mandaic": "ࡌࡀࡍࡃࡀࡉࡀ",
	"Adlam": "𞤀𞤣𞤤𞤢𞤥 𞤆𞤵𞤤𞤢𞤪", "Rohingya": "𐴌𐴟𐴇𐴥𐴝𐴚𐴒𐴙𐴝",
	"Devanagari": "हिन्दी क्षितिज श्रीवास्तव", "Bengali": "রবীন্দ্রনাথ ঠাকুর কৌশিক", "Gujarati": "નરસિંહ મહેતા શ્રી કિશોર", "Gurmukhi": "ਗੁਰਦਾਸ ਮਾਨ ਸਿੰਘ ਸ੍ਰੀ", "Odia": "ଅକ୍ଷୟ ମହାନ୍ତି ଶ୍ରୀ କୋଣାର୍କ",
	"Tamil": "இளையராஜா கௌரி பெண்கள்", "Telugu": "త్యాగరాజ శ్రీ కృష్ణమూర్తి", "Kannada": "ಪುರಂದರ ದಾಸ ಶ್ರೀ ಕೃಷ್ಣ", "Malayalam": "യേശുദാസ് ശ്രീകുമാർ ക്ഷേത്രം", "Malayalam, joiners": "ക്‍ ൽ ന്‍", "Sinhala": "අමරදේව ශ්‍රී කොළඹ",
	"Thai": "เพลงไทย กำแพง ที่รัก น้ำ", "Lao": "ເພງລາວ ຄຳພູ ນ້ຳ", "Khmer": "ស៊ីន ស៊ីសាមុត ខ្មែរ ព្រះរាជា", "Burmese": "မြန်မာ ထီးဆိုင် ကြော်ငြာ ကျွန်တော်", "Tibetan": "བོད་ཡིག རྒྱ་གར ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ",
	"Ethiopic": "ሙላቱ አስታጥቄ", "Cherokee": "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "Inuktitut": "ᐃᓄᒃᑎᑐᑦ ᓄᓇᕗᑦ", "Mongolian": "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", "Tifinagh": "ⵜⴰⵎⴰⵣⵉⵖⵜ ⵉⴷⵉⵔ", "Vai": "ꕙꔤ ꖸꕊ", "Bamum": "ꚠꚡ ꛀꛁ", "Osage": "𐓏𐓘𐓻𐓘𐓻𐓟",
	"Javanese": "ꦗꦮ ꦏꦿꦺꦠ ꦱꦸꦫꦏꦂꦠ", "Balinese": "ᬩᬮᬶ ᬓ᭄ᬭᬶᬰ᭄ᬡ", "Sundanese": "ᮞᮥᮔ᮪ᮓ ᮊᮤᮛ", "Batak": "ᯅᯖᯂ᯲ ᯖᯬᯅ", "Buginese": "ᨅᨔ ᨕᨘᨁᨗ", "Tagalog": "ᜊᜌ᜔ᜊᜌᜒᜈ᜔", "Cham": "ꨌꩌ ꨚꨯꩃ", "Tai Tham": "ᨲ᩠ᩅᩫᨾᩮᩬᩥᨦ ᨠ᩶ᩣᨶ", "New Tai Lue": "ᦟᦲᧅ ᦷᦎ",
	"Ol Chiki": "ᱥᱟᱱᱛᱟᱲᱤ ᱯᱟᱹᱨᱥᱤ", "Meetei Mayek": "ꯃꯤꯇꯩ ꯃꯌꯦꯛ", "Limbu": "ᤕᤠᤰᤌᤢᤱ ᤐᤠᤴ", "Lepcha": "ᰛᰩᰵ ᰀᰪ", "Chakma": "𑄌𑄋𑄴𑄟𑄳𑄦 𑄇𑄧𑄗", "Newa": "𑐣𑐾𑐥𑐵𑐮 𑐨𑐵𑐲𑐵",
	"Chinese": "邓丽君 鄧麗君", "Japanese": "久石譲 さだまさし パール", "Korean": "조용필 뷁뙤", "Bopomofo": "ㄅㄆㄇ ㄈㄉ", "Yi": "ꆈꌠꁱꂷ", "Lisu": "ꓡꓲꓢꓴ ꓫꓵ",
	"Emoji": "Rocket 🚀 👨‍👩‍👧‍👦 ❤️‍🔥 song ☺️ 1️⃣ 🇫🇷", "Music": "𝄞 C♯ D♭ ♪♫", "Mathematical letters": "𝓛𝓸𝓿𝓮 𝕊𝕠𝕟𝕘", "No font": "A 𒀀𒀀 B", "An override": "\u202enonneL nhoJ",
}

// Three readers that share no code give each name as it was registered, once as the title and
// once as a name.
func TestEveryReaderGivesTheName(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join("..", "..", "node_modules", "pdfjs-dist")); err != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
		t.Skip("skipped without the readers of PDF (npm ci)")
	}
	dir := t.TempDir()
	var scripts, paths []string
	for script := range written {
		scripts = append(scripts, script)
	}
	slices.Sort(scripts)
	for i, script := range scripts {
		b := rendered(t, input(written[script], one(written[script])))
		paths = append(paths, filepath.Join(dir, string(rune('A'+i))+".pdf"))
		if err := os.WriteFile(paths[i], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("node", append([]string{filepath.Join("testdata", "readers.mjs")}, paths...)...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(bytes.NewReader(out))
	answers.Buffer(nil, 1<<20)
	for i, script := range scripts {
		if !answers.Scan() {
			t.Fatalf("%d answers for %d files", i, len(scripts))
		}
		var said map[string]string
		if err := json.Unmarshal(answers.Bytes(), &said); err != nil {
			t.Fatal(err)
		}
		// pdftotext puts its own marks around text from right to left.
		said["pdftotext"] = regexp.MustCompile("[\u202a-\u202c]").ReplaceAllString(run(t, "pdftotext", paths[i], "-"), "")
		want := strings.ReplaceAll(written[script], "\u202e", "⟨U+202E⟩")
		for reader, text := range said {
			if reader == "pdfium" { // it does not turn two marks on a letter, whose order means nothing
				text, want = norm.NFC.String(text), norm.NFC.String(want)
			}
			found := 0
			for line := range strings.Lines(text) {
				if strings.TrimRight(line, "\r\n") == want {
					found++
				}
			}
			if found != 2 {
				t.Errorf("%s: %s gives %+q %d times: %q", script, reader, want, found, text[:min(len(text), 200)])
			}
		}
	}
}
