package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"timbre.example/internal/certificate"
)

const digits = "0x5f1e93c07a4b2d8816f0e3a9c4d7b25561728394a5b6c7d8e9fa0b1c2d3e4f50"

func input(title string, creators ...certificate.Creator) certificate.Input {
	return certificate.Input{
		Title: title, Creators: creators, Registration: 1042, Version: 3, Network: "mainnet",
		At:     time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC),
		Issued: time.Date(2026, 3, 14, 15, 9, 31, 0, time.UTC), Issuer: "Example Records", Imprint: "Example Records GmbH, Hafenstraße 1, 20457 Hamburg, Germany", Registry: "Registry of Songs",
		File:     certificate.File{Name: "the night we met (final mix 3).wav", Format: "WAV", Duration: 225 * time.Second, Size: 40_055_123},
		FileHash: digits, Commitment: "0x" + strings.Repeat("0123456789abcdef", 4), Transaction: digits, Block: 88123,
		PublicURL: "https://timbre.example/w/mainnet/1042", VerifyURL: "https://timbre.example/verify", Evidence: []byte(`{"format":"example","title":"/ETSI.CAdES.detached/ByteRange[0 0"}`),
	}
}

func one(name string) certificate.Creator {
	return certificate.Creator{Name: name, Roles: []string{"composer", "author"}, IPI: "00123456789", ISNI: "000000012146438X"}
}

// scripts are names in every script that the certificate promises.
var scripts = map[string]string{
	"Latin": "Zoë Åström-Nguyễn", "Cyrillic": "Андрій Їжакевич", "Greek": "Ελευθέριος Ψαρράς", "Arabic": "محمد عبد الوهاب",
	"Hebrew": "נעמי שמר", "Devanagari": "क्षितिज श्रीवास्तव", "Chinese": "邓丽君 鄧麗君", "Japanese": "久石譲 さだまさし", "Korean": "조용필 뷁뙤",
	"Thai": "เพลงไทย", "Georgian": "გია ყანჩელი", "Armenian": "Արամ Խաչատրյան", "Bengali": "রবীন্দ্রনাথ ঠাকুর", "Tamil": "இளையராஜா", "Telugu": "త్యాగరాజ", "Ethiopic": "ሙላቱ አስታጥቄ",
}

func everyScript() (all []certificate.Creator) {
	for _, name := range []string{"Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Chinese", "Japanese", "Korean", "Thai", "Georgian", "Armenian", "Bengali", "Tamil", "Telugu", "Ethiopic"} {
		all = append(all, one(scripts[name]))
	}
	return all
}

func many(n int) (all []certificate.Creator) {
	for i := range n {
		c := one(fmt.Sprintf("Maximiliane von Hohenstein the %dth", i+1))
		if i%3 == 0 {
			c.Roles, c.ISNI = []string{"arranger"}, ""
		}
		all = append(all, c)
	}
	return all
}

// wide are n creators with the longest names that are taken.
func wide(n int) (all []certificate.Creator) {
	for i := range n {
		all = append(all, certificate.Creator{Name: fmt.Sprint(i+1) + strings.Repeat("M", 253), Roles: []string{"author", "composer", "arranger", "adapter"}, IPI: "00123456789", ISNI: "000000012146438X"})
	}
	return all
}

// cases are looked at (CERTIFICATE_OUT names a folder for them) as well as tested.
// gradient is a picture whose pixels all differ from their neighbours.
func gradient(width, height int) *certificate.Logo {
	l := &certificate.Logo{Width: width, Height: height}
	for y := range height {
		for x := range width {
			l.Pixels = append(l.Pixels, byte(255*x/width), byte(255*y/height), 160)
		}
	}
	return l
}

// The picture is in the file as it was given, once, and drawn beside the issuer's name.
func TestLogo(t *testing.T) {
	t.Parallel()
	in := cases()["logo"]
	path := render(t, in, nil)
	if out := run(t, "pdfimages", "-list", path); !regexp.MustCompile(`image\s+640\s+180\s+rgb\s+3\s+8`).MatchString(out) || strings.Count(out, "\n") != 3 {
		t.Errorf("the pictures of the file are:\n%s", out)
	}
	dir := t.TempDir()
	run(t, "pdfimages", "-png", path, filepath.Join(dir, "x"))
	b, err := os.ReadFile(filepath.Join(dir, "x-000.png"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for y := range 180 {
		for x := range 640 {
			r, g, b, _ := picture.At(x, y).RGBA()
			if got, want := []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}, in.Logo.Pixels[3*(y*640+x):][:3]; !bytes.Equal(got, want) {
				t.Fatalf("pixel %d, %d is %v, want %v", x, y, got, want)
			}
		}
	}
	for _, bad := range []*certificate.Logo{{}, {Width: 2, Height: 2, Pixels: make([]byte, 11)}, {Width: certificate.MaxLogo + 1, Height: 1, Pixels: make([]byte, 3*certificate.MaxLogo+3)}, {Width: -1, Height: -1, Pixels: make([]byte, 3)}} {
		in.Logo = bad
		if _, err := certificate.Render(in, nil); err == nil {
			t.Errorf("a picture of %d × %d pixels with %d bytes is taken", bad.Width, bad.Height, len(bad.Pixels))
		}
	}
}

func cases() map[string]certificate.Input {
	all := map[string]certificate.Input{
		"short":    input("Hey", one("Zoë Åström")),
		"two":      input("The Night We Met at the Station", one("Zoë Åström"), certificate.Creator{Name: "Sam Okafor", Roles: []string{"producer"}}),
		"long":     input(strings.TrimSpace(strings.Repeat("A song that never ends ", 9))[:200], one("Zoë Åström"), one("Sam Okafor"), one("Björk Guðmundsdóttir")),
		"unbroken": input(strings.Repeat("W", 200), certificate.Creator{Name: strings.Repeat("M", 255), Roles: []string{"composer"}}),
		"endless":  input(strings.TrimSpace(strings.Repeat("A song that never ends ", 22))[:500], many(127)...),
		"widest":   input(strings.Repeat("W", 200), wide(32)...),
		"crowd":    input(strings.TrimSpace(strings.Repeat("A song that never ends ", 9))[:200], many(32)...),
		"scripts":  input("Song of all · Песня · τραγούδι · أغنية · שיר · गीत · 歌曲 · うた · 노래", everyScript()...),
		"unknown":  input("Rocket 🚀 song", certificate.Creator{Name: "A 𒀀 B", Roles: []string{"composer"}}),
	}
	far := input("Far away", one("Zoë Åström"))
	far.PublicURL = "https://" + strings.Repeat("averylonglabelofahostofsongs.", 8) + "example/w/mainnet/1042"
	all["far"] = far
	far.PublicURL = "https://timbre.example/" + strings.Repeat("x", 405) + "/w/mainnet/1042"
	all["farthest"] = far
	marks := input("Z"+strings.Repeat("\u0301\u0302\u0323", 60), one("a"+strings.Repeat("\u0301", 254)))
	all["marks"] = marks
	test := input("Versuch", one("Zoë Åström"))
	test.Network, test.Test = "testnet", true
	all["testnet"] = test
	unseen := input("At home", one("Zoë Åström"))
	unseen.Unseen = true
	all["unseen"] = unseen
	logo := input("With a picture", one("Zoë Åström"))
	logo.Logo = gradient(640, 180)
	all["logo"] = logo
	logo = input("With a tall picture", one("Zoë Åström"))
	logo.Logo, logo.Issuer = gradient(90, 400), strings.Repeat("W", 200)
	all["logo-tall"] = logo
	for script, name := range scripts {
		all["title-"+script] = input(name, one(name))
	}
	return all
}

func rendered(t *testing.T, in certificate.Input, s ...*certificate.Signer) []byte {
	t.Helper()
	b, err := certificate.Render(in, append(s, nil)[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func render(t *testing.T, in certificate.Input, s *certificate.Signer) string {
	t.Helper()
	b := rendered(t, in, s)
	dir := os.Getenv("CERTIFICATE_OUT")
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".pdf")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
		t.Skipf("skipped without %s (apt-get install poppler-utils qpdf zbar-tools openssl)", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// plain leaves out what a reader adds to keep directions apart, and joins lines.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f {
			return -1
		}
		return r
	}, s)
	return norm.NFC.String(strings.Join(strings.Fields(s), " ")) // a reader may compose
}

func TestEveryWordCanBeFound(t *testing.T) {
	t.Parallel()
	for name, in := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := render(t, in, nil)
			text := plain(run(t, "pdftotext", path, "-"))
			together := strings.ReplaceAll(text, " ", "")
			printed := in.Creators
			if m := regexp.MustCompile(`and (\d+) more, all in the attached evidence`).FindStringSubmatch(text); m != nil {
				n, err := strconv.Atoi(m[1])
				if err != nil || name != "endless" && name != "widest" {
					t.Errorf("the page says %q", m[0])
				}
				printed = printed[:len(printed)-n]
			}
			if len(printed) < min(len(in.Creators), 6) {
				t.Errorf("%d creators are on the page", len(printed))
			}
			wanted := []string{"No. 1042, version 3", "14 March 2026, 15:09:26 UTC", in.Transaction, in.Commitment, in.FileHash, in.PublicURL}
			for _, c := range printed {
				wanted = append(wanted, strings.Fields(c.Name)...)
			}
			// A title may be broken anywhere into lines.
			wanted = append(wanted, strings.Fields(in.Title)...)
			if name == "marks" { // in no order that a reader would keep
				wanted = wanted[:6]
			}
			if strings.Contains(text, "has not seen the recording") != in.Unseen {
				t.Errorf("unseen is %t, the page says\n%s", in.Unseen, text)
			}
			if strings.Contains(text, "Syntax Warning") {
				t.Errorf("pdftotext says %s", text)
			}
			for _, w := range wanted {
				w = norm.NFC.String(w)
				if !strings.Contains(text, w) && !strings.Contains(together, strings.ReplaceAll(w, " ", "")) {
					t.Errorf("pdftotext does not find %q in\n%s", w, text)
				}
			}
			if pages := run(t, "pdfinfo", path); !regexp.MustCompile(`Pages: +1\n`).MatchString(pages) || !regexp.MustCompile(`Tagged: +yes`).MatchString(pages) {
				t.Errorf("pdfinfo says:\n%s", pages)
			}
			if out := run(t, "qpdf", "--check", path); !strings.Contains(out, "No syntax or stream encoding errors found") {
				t.Error(out)
			}
		})
	}
}

// A program that follows the structure, as screen readers do, finds every name in one
// piece and in reading order, also from right to left. It finds the parts of the page in
// their order.
func TestTheStructureReadsInOrder(t *testing.T) {
	t.Parallel()
	for name, in := range cases() {
		if name == "marks" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := norm.NFC.String(strings.ReplaceAll(structure(t, render(t, in, nil)), " ", ""))
			at := 0
			for _, want := range []string{"H1:Certificate of registration\n", "H2:" + in.Title + "\n", "P:" + in.Creators[0].Name + "\n", "P:" + in.Creators[min(len(in.Creators)-1, 5)].Name + "\n",
				"P:Registration number\nP:No. 1042, version 3\n", "P:Commitment\nP:" + in.Commitment + "\n", "P:This exact", "P:How to check this certificate\n"} {
				want = norm.NFC.String(strings.ReplaceAll(want, " ", ""))
				i := strings.Index(read[at:], want)
				if i < 0 {
					t.Fatalf("%q does not follow in\n%s", want, read[at:])
				}
				at += i
			}
		})
	}
}

// The QR code can be read from paper of a printer that is not a good one.
func TestTheCodeLeadsToThePage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"two", "far", "farthest"} {
		in := cases()[name]
		path := render(t, in, nil)
		run(t, "pdftoppm", "-r", "200", "-gray", "-png", "-singlefile", path, path)
		if out := run(t, "zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path+".png"); strings.TrimSpace(out) != in.PublicURL {
			t.Errorf("%s: the code says %q, not %q", name, out, in.PublicURL)
		}
	}
}

// A foreign reader finds every address in its code. The codes have every length, and
// each is drawn small and large.
func TestCodesOfEverySize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sizes := map[int]bool{}
	for n := 1; n <= certificate.MaxURL; n += 1 + n/6 {
		url := ("https://timbre.example/" + strings.Repeat("w-0.9~A/", certificate.MaxURL/8))[:n]
		rows, err := certificate.Squares(url)
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(rows)] = true
		for _, scale := range []int{2, 9} {
			const quiet = 4 // light squares around the code
			side := (len(rows) + 2*quiet) * scale
			picture := image.NewGray(image.Rect(0, 0, side, side))
			for y := range side {
				for x := range side {
					row, column := y/scale-quiet, x/scale-quiet
					dark := row >= 0 && row < len(rows) && column >= 0 && column < len(rows) && rows[row][column]
					if !dark {
						picture.SetGray(x, y, color.Gray{Y: 255})
					}
				}
			}
			path := filepath.Join(dir, "code.png")
			var b bytes.Buffer
			if err := png.Encode(&b, picture); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := run(t, "zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path); strings.TrimSuffix(out, "\n") != url {
				t.Errorf("%d characters, %d squares of %d pixels: the code says %q, not %q", n, len(rows), scale, out, url)
			}
		}
	}
	if len(sizes) < 10 || !sizes[21] {
		t.Errorf("only %d sizes of codes: %v", len(sizes), sizes)
	}
}

// However long the address is, nothing is written over it.
func TestTheAddressHasRoom(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"two", "far", "farthest"} {
		path := render(t, cases()[name], nil)
		boxes := run(t, "pdftotext", "-bbox", path, "-")
		ends, begins := 0.0, 0.0
		for _, m := range regexp.MustCompile(`yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">([^<]*)<`).FindAllStringSubmatch(boxes, -1) {
			top, _ := strconv.ParseFloat(m[1], 64)
			bottom, err := strconv.ParseFloat(m[2], 64)
			switch {
			case err != nil:
				t.Fatal(err)
			case strings.HasSuffix(m[3], "1042"):
				ends = max(ends, bottom)
			case m[3] == "This":
				begins = top
			}
		}
		if ends == 0 || begins < ends-2 { // a box is as high as the highest letter of the font
			t.Errorf("%s: the address ends at %.1f, what follows begins at %.1f", name, ends, begins)
		}
	}
	in := input("Too far", one("Zoë"))
	in.PublicURL = "https://timbre.example/" + strings.Repeat("x", certificate.MaxURL)
	if _, err := certificate.Render(in, nil); err == nil {
		t.Error("an address that cannot be read from paper is taken")
	}
}

func TestTheSameInputMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	for name, in := range cases() {
		first, err := certificate.Render(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		in.At = in.At.In(time.FixedZone("elsewhere", 7200))
		again, err := certificate.Render(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Errorf("%s: two renderings differ", name)
		}
		in.Title += "."
		if other, err := certificate.Render(in, nil); err != nil || bytes.Equal(first, other) {
			t.Errorf("%s: another title makes the same file (%v)", name, err)
		}
	}
}

// Anybody chooses a title.
func TestAnyTextIsTaken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom(nil, unicode.Arabic, unicode.Hebrew, unicode.Devanagari, unicode.Tamil, unicode.Hangul, unicode.Mn, unicode.Cf, unicode.Thai)))
		in := input(anything.Draw(t, "title"), certificate.Creator{Name: anything.Draw(t, "name"), Roles: rapid.SliceOfN(rapid.Just("author"), 0, 1).Draw(t, "roles")})
		if _, err := certificate.Render(in, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheEvidenceIsAttachedAsItIs(t *testing.T) {
	t.Parallel()
	in := input("A (song) \\ with <marks> & more", one("Zoë"))
	in.Evidence = []byte("{\"any\": \"bytes, \\u0000 endstream endobj\"}\n")
	path := render(t, in, nil)
	out := filepath.Join(t.TempDir(), "evidence.json")
	run(t, "pdfdetach", "-save", "1", "-o", out, path)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, in.Evidence) {
		t.Errorf("attached is %q (%v), want %q", got, err, in.Evidence)
	}
	// The page says what is handed on with the file.
	const stated = "This PDF contains the creators' e-mail addresses, in the attached file evidence.json."
	if text := run(t, "pdftotext", path, "-"); !strings.Contains(text, stated) {
		t.Errorf("the page says %s", text)
	}
	in.Evidence = nil
	if text := run(t, "pdftotext", render(t, in, nil), "-"); strings.Contains(text, "e-mail") {
		t.Errorf("without evidence the page says %s", text)
	}
	if out := run(t, "pdfdetach", "-list", render(t, in, nil)); !strings.Contains(out, "0 embedded files") {
		t.Errorf("nothing is attached as %s", out)
	}
	path = render(t, in, nil)
	meta := run(t, "pdfinfo", "-meta", path)
	if !strings.Contains(meta, `pdfaid:part="3" pdfaid:conformance="A"`) || !strings.Contains(meta, "&lt;marks&gt; &amp; more") {
		t.Errorf("metadata:\n%s", meta)
	}
	for d := xml.NewDecoder(strings.NewReader(meta)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the metadata is no XML: %v\n%s", err, meta)
		}
	}
	if info := run(t, "pdfinfo", path); !strings.Contains(info, `A (song) \ with <marks> & more`) {
		t.Errorf("pdfinfo:\n%s", info)
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// authority makes a certification authority and a certificate of it with openssl,
// as an operator would; kind is the arguments of genpkey.
func authority(t *testing.T, days string, kind ...string) (root string, cert, key []byte) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	root = file("root.pem")
	run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", file("root.key"), "-out", root, "-days", "2", "-subj", "/CN=Example authority")
	run(t, "openssl", append([]string{"genpkey", "-out", file("key")}, kind...)...)
	run(t, "openssl", "req", "-new", "-key", file("key"), "-out", file("csr"), "-subj", "/CN=Example Records")
	if err := os.WriteFile(file("ext"), []byte("keyUsage=critical,digitalSignature,nonRepudiation\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "openssl", "x509", "-req", "-in", file("csr"), "-CA", root, "-CAkey", file("root.key"), "-CAcreateserial", "-days", days, "-extfile", file("ext"), "-out", file("cert.pem"))
	var all [3][]byte
	for i, name := range []string{"cert.pem", "root.pem", "key"} {
		var err error
		if all[i], err = os.ReadFile(file(name)); err != nil {
			t.Fatal(err)
		}
	}
	return root, append(all[0], all[1]...), all[2]
}

// OpenSSL, a program that is not a PDF reader, accepts a signature under an authority.
// The signature has the attribute that PAdES requires, and not the time that it forbids.
func TestSignedByAnAuthority(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string][]string{
		"ecdsa": {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"rsa":   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, cert, key := authority(t, "1", kind...)
			signer, err := certificate.NewSigner(cert, key, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			path := render(t, input("Signed", one("Zoë Åström")), signer)
			if out := run(t, "pdfsig", path); !strings.Contains(out, "Signature is Valid") || !strings.Contains(out, "Example Records") {
				t.Errorf("pdfsig says:\n%s", out)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := regexp.MustCompile(`/M\(D:\d{14}Z\)/SubFilter/ETSI\.CAdES\.detached/ByteRange\[0+ (\d+) (\d+) (\d+)\]/Contents<([0-9a-f]+)>`).FindSubmatch(file)
			if m == nil {
				t.Fatal("no signature")
			}
			var n [3]int
			for i := range n {
				if n[i], err = strconv.Atoi(string(m[i+1])); err != nil {
					t.Fatal(err)
				}
			}
			if n[1]+n[2] != len(file) || n[1]-n[0] != len(m[4])+2 {
				t.Errorf("signed are %v of %d bytes", n, len(file))
			}
			cms, err := hex.DecodeString(string(m[4]))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for name, b := range map[string][]byte{"cms": cms, "content": slices.Concat(file[:n[0]], file[n[1]:])} {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := run(t, "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", filepath.Join(dir, "cms"), "-content", filepath.Join(dir, "content"),
				"-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out"))
			if !strings.Contains(out, "CAdES Verification successful") {
				t.Errorf("openssl says %s", out)
			}
			if out := run(t, "openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", filepath.Join(dir, "cms")); strings.Contains(out, "signingTime") || !strings.Contains(out, "id-smime-aa-signingCertificateV2") {
				t.Errorf("signed attributes:\n%s", out)
			}
		})
	}
}

// A signer that readers would reject is refused at the start of a server, not at its
// first signature. A certificate that expires later no longer signs.
func TestSignersThatAreRefused(t *testing.T) {
	t.Parallel()
	_, cert, key := authority(t, "1", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
	_, edCert, edKey := authority(t, "1", "-algorithm", "ED25519")
	_, shortCert, shortKey := authority(t, "1", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
	root, _, _ := authority(t, "1", "-algorithm", "ED25519")
	later := func() time.Time { return time.Now().Add(48 * time.Hour) }
	for name, c := range map[string]struct {
		cert, key []byte
		now       func() time.Time
	}{
		"nothing": {nil, nil, time.Now}, "a key of another": {cert, edKey, time.Now}, "ed25519": {edCert, edKey, time.Now},
		"short": {shortCert, shortKey, time.Now}, "ended": {cert, key, later}, "no key": {cert, cert, time.Now},
	} {
		if s, err := certificate.NewSigner(c.cert, c.key, c.now); err == nil {
			t.Errorf("%s is taken: %v", name, s)
		} else if len(c.key) > 0 && strings.Contains(err.Error(), strings.Split(string(c.key), "\n")[1]) {
			t.Errorf("%s: the error quotes a key: %v", name, err)
		}
	}
	rootPEM, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	rootKey, err := os.ReadFile(filepath.Join(filepath.Dir(root), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certificate.NewSigner(rootPEM, rootKey, time.Now); err != nil {
		t.Errorf("a certificate that names no use: %v", err)
	}
	now := time.Now
	s, err := certificate.NewSigner(cert, key, func() time.Time { return now() })
	if err != nil {
		t.Fatal(err)
	}
	now = later
	if _, err := certificate.Render(input("Late", one("Zoë")), s); err == nil {
		t.Error("signed with a certificate that has ended")
	}
}

func TestSignedIsValid(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Example Records"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true,
	}
	for name, k := range map[string]struct{ private, public any }{"ecdsa": {ec, &ec.PublicKey}, "rsa": {rs, &rs.PublicKey}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, err := x509.CreateCertificate(rand.Reader, template, template, k.public, k.private)
			if err != nil {
				t.Fatal(err)
			}
			key, err := x509.MarshalPKCS8PrivateKey(k.private)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := certificate.NewSigner(pemOf("CERTIFICATE", cert), pemOf("PRIVATE KEY", key), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			path := render(t, input("Signed", one("Zoë Åström")), signer)
			out := run(t, "pdfsig", "-nocert", path)
			for _, want := range []string{"Signature is Valid", "Total document signed", "ETSI.CAdES.detached"} {
				if !strings.Contains(out, want) {
					t.Errorf("pdfsig does not say %q:\n%s", want, out)
				}
			}
			if out := run(t, "qpdf", "--check", path); !strings.Contains(out, "No syntax or stream encoding errors found") {
				t.Error(out)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(b, []byte(`"format":"example"`)) + len(`"form`)
			b[at] ^= 1
			changed := filepath.Join(t.TempDir(), "changed.pdf")
			if err := os.WriteFile(changed, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if out := run(t, "pdfsig", "-nocert", changed); !strings.Contains(out, "Digest Mismatch") {
				t.Errorf("pdfsig accepts a changed attachment:\n%s", out)
			}
		})
	}
	if _, err := certificate.NewSigner([]byte("no"), []byte("no"), time.Now); err == nil {
		t.Error("what is no certificate is taken")
	}
}
