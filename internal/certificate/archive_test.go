package certificate_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"timbre.example/internal/certificate"
)

// pdfObject is an object as qpdf shows it, with what a stream holds.
type pdfObject struct {
	dict map[string]any
	data []byte // unpacked; nil: no stream
}

// objects are all of a file, by their references.
func objects(t *testing.T, path string) (all map[string]pdfObject, trailer map[string]any) {
	t.Helper()
	run(t, "qpdf", "--check", path)
	out, err := exec.Command("qpdf", "--json=2", "--json-key=qpdf", "--json-stream-data=inline", "--decode-level=none", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		QPDF []map[string]struct {
			Value  any
			Stream struct {
				Dict map[string]any
				Data string
			}
		}
	}
	// The first member has other types.
	if err := json.Unmarshal(regexp.MustCompile(`(?s)"qpdf": \[\s*\{.*?\},`).ReplaceAll(out, []byte(`"qpdf": [`)), &file); err != nil {
		t.Fatal(err)
	}
	all = map[string]pdfObject{}
	for name, o := range file.QPDF[0] {
		value, _ := o.Value.(map[string]any)
		if name == "trailer" {
			trailer = value
			continue
		}
		x := pdfObject{dict: value}
		if o.Stream.Dict != nil {
			x.dict = o.Stream.Dict
			if x.data, err = base64.StdEncoding.DecodeString(o.Stream.Data); err != nil {
				t.Fatal(err)
			}
			if x.dict["/Filter"] == "/FlateDecode" {
				r, err := zlib.NewReader(bytes.NewReader(x.data))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if x.data, err = io.ReadAll(r); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		all[strings.TrimPrefix(name, "obj:")] = x
	}
	return all, trailer
}

// What PDF/A-3a (ISO 19005-3) asks of a file that has in it what ours have, rule by
// rule: no checker of it runs where these tests do.
func TestArchival(t *testing.T) {
	t.Parallel()
	_, cert, key := authority(t, "1", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	for name, in := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer, err := certificate.NewSigner(cert, key, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			all, trailer := objects(t, render(t, in, signer))
			rule := func(ok bool, format string, args ...any) {
				t.Helper()
				if !ok {
					t.Errorf(format, args...)
				}
			}
			get := func(ref any) pdfObject {
				t.Helper()
				s, _ := ref.(string)
				o, ok := all[s]
				rule(ok, "%v is no object", ref)
				return o
			}
			ids, _ := trailer["/ID"].([]any)
			rule(len(ids) == 2 && trailer["/Encrypt"] == nil, "6.1.3: trailer %v", trailer)

			root := get(trailer["/Root"]).dict
			for _, forbidden := range []string{"/OpenAction", "/AA", "/Requirements", "/NeedsRendering", "/OCProperties"} {
				rule(root[forbidden] == nil, "6.5, 6.6, 6.9: %s", forbidden)
			}
			metadata := get(root["/Metadata"])
			info := get(trailer["/Info"]).dict
			created := strings.TrimPrefix(fmt.Sprint(info["/CreationDate"]), "u:D:")
			rule(metadata.dict["/Filter"] == nil && metadata.dict["/Subtype"] == "/XML" && bytes.Contains(metadata.data, []byte(`pdfaid:part="3" pdfaid:conformance="A"`)), "6.6.2: metadata %v", metadata.dict)
			at := in.Issued.UTC()
			rule(created == at.Format("20060102150405Z") && bytes.Contains(metadata.data, []byte(`xmp:CreateDate="`+at.Format("2006-01-02T15:04:05Z")+`"`)), "6.6.2.3: created %s", created)
			intents, _ := root["/OutputIntents"].([]any)
			intent := get(intents[0]).dict
			profile := get(intent["/DestOutputProfile"])
			rule(len(intents) == 1 && intent["/S"] == "/GTS_PDFA1" && profile.dict["/N"] == 3.0 && len(profile.data) > 128 && string(profile.data[36:40]) == "acsp", "6.2.3: %v %v", intent, profile.dict)

			files, _ := root["/AF"].([]any)
			rule(len(files) == 1, "6.8: %v", root["/AF"])
			spec := get(files[0]).dict
			embedded, _ := spec["/EF"].(map[string]any)
			file := get(embedded["/F"])
			params, _ := file.dict["/Params"].(map[string]any)
			rule(spec["/AFRelationship"] == "/Data" && spec["/F"] == "u:evidence.json" && spec["/UF"] == spec["/F"] && file.dict["/Subtype"] == "/application/json" && params["/ModDate"] != nil, "6.8: %v %v", spec, file.dict)
			rule(bytes.Equal(file.data, in.Evidence), "the attachment is %q", file.data)

			structure := get(root["/StructTreeRoot"]).dict
			tree, _ := structure["/ParentTree"].(map[string]any)
			nums, _ := tree["/Nums"].([]any)
			parents := map[int]any{}
			for i := 0; i+1 < len(nums); i += 2 {
				key, _ := nums[i].(float64)
				parents[int(key)] = nums[i+1]
			}
			rule(root["/Lang"] == "u:"+cmp.Or(in.Language, "en"), "the language is %v", root["/Lang"])

			fonts, annotations := 0, 0
			wanted := 4 // the code, its address, the page that checks, the signature
			if strings.HasPrefix(name, "far") {
				wanted-- // an address that takes the width of the page
			}
			for ref, o := range all {
				rule(o.dict["/JS"] == nil && o.dict["/JavaScript"] == nil, "6.6.1: %s", ref)
				if o.data != nil {
					rule(o.dict["/F"] == nil && o.dict["/FFilter"] == nil && (o.dict["/Filter"] == nil || o.dict["/Filter"] == "/FlateDecode"), "6.1.7: %s %v", ref, o.dict)
				}
				switch {
				case o.dict["/Type"] == "/Annot":
					annotations++
					flags, _ := o.dict["/F"].(float64)
					rule(int(flags)&4 == 4 && int(flags)&(1|2|32|256) == 0 && o.dict["/CA"] == nil, "6.3.2: %s has flags %v", ref, flags)
					if o.dict["/Subtype"] != "/Link" { // what has an extent has an appearance
						appearance, _ := o.dict["/AP"].(map[string]any)
						form := get(appearance["/N"])
						rule(len(appearance) == 1 && form.dict["/Subtype"] == "/Form" && len(form.data) > 0, "6.3.3: %s has the appearance %v", ref, form.dict)
					}
					rule(o.dict["/Contents"] != nil || o.dict["/TU"] != nil, "%s says nothing of itself", ref)
					parent, _ := o.dict["/StructParent"].(float64)
					owner := get(parents[int(parent)]).dict
					kids := fmt.Sprint(owner["/K"])
					rule((owner["/S"] == "/Link" || owner["/S"] == "/Form") && strings.Contains(kids, "/OBJR") && strings.Contains(kids, ref), "%s has no place in the structure: %v", ref, owner)
				case o.dict["/Type"] == "/Font" && o.dict["/Subtype"] == "/Type0":
					fonts++
					rule(get(o.dict["/ToUnicode"]).data != nil && o.dict["/Encoding"] == "/Identity-H", "6.2.11: %s %v", ref, o.dict)
					inner, _ := o.dict["/DescendantFonts"].([]any)
					cid := get(inner[0]).dict
					file := get(get(cid["/FontDescriptor"]).dict["/FontFile3"])
					rule(len(inner) == 1 && cid["/Subtype"] == "/CIDFontType0" && file.dict["/Subtype"] == "/CIDFontType0C", "6.2.11: %s is %v", ref, cid)
					list, _ := cid["/W"].([]any)
					rule(len(list) == 2 && list[0] == 1.0, "6.2.11: %s has the widths %v", ref, list)
					widths, _ := list[1].([]any)
					for i, w := range programWidths(t, file.data)[1:] {
						rule(i < len(widths) && widths[i] == float64(w), "6.2.11.5: %s, code %d has the width %d in the font", ref, i+1, w)
					}
				case o.dict["/Type"] == "/Font":
					rule(o.dict["/Subtype"] == "/CIDFontType0", "6.2.11: %s is %v", ref, o.dict)
				case o.dict["/Type"] == "/Page":
					content := get(o.dict["/Contents"]).data
					opened := bytes.Count(content, []byte("BDC\n")) + bytes.Count(content, []byte("BMC\n"))
					rule(opened == bytes.Count(content, []byte("EMC\n")) && len(regexp.MustCompile(`(?m)^q `).FindAll(content, -1)) == len(regexp.MustCompile(`(?m)^Q$`).FindAll(content, -1)), "6.2.2: marks and states that do not end")
					if bad := regexp.MustCompile(`(?m) (g|G|k|K|cs|CS|sc|SC|scn|SCN|gs|sh|BI|ri|i)$`).Find(content); bad != nil {
						t.Errorf("6.2.4: the page uses%s", bad)
					}
					resources, _ := o.dict["/Resources"].(map[string]any)
					drawn, _ := resources["/XObject"].(map[string]any)
					rule(len(drawn) == bytes.Count(content, []byte(" Do\n")), "the page draws %d objects, and has %d", bytes.Count(content, []byte(" Do\n")), len(drawn))
					for name, ref := range drawn {
						x := get(ref)
						rule(x.dict["/Subtype"] == "/Image" && x.dict["/ColorSpace"] == "/DeviceRGB" && x.dict["/BitsPerComponent"] == 8.0 && x.dict["/Interpolate"] == nil && x.dict["/SMask"] == nil && x.dict["/Alternates"] == nil && x.dict["/OPI"] == nil,
							"6.2.8: %s is %v", name, x.dict)
						width, _ := x.dict["/Width"].(float64)
						height, _ := x.dict["/Height"].(float64)
						rule(len(x.data) == 3*int(width)*int(height), "6.2.8: %s has %d bytes", name, len(x.data))
					}
					rule(o.dict["/Group"] == nil && o.dict["/AA"] == nil, "6.2.10: %v", o.dict)
				}
			}
			rule(fonts == 1 && annotations == wanted, "%d fonts, %d annotations", fonts, annotations)
		})
	}
}

// programWidths are the widths of the glyphs of an embedded font, as its own commands say.
func programWidths(t *testing.T, font []byte) (widths []int) {
	t.Helper()
	list := func(at int) (all [][]byte, end int) {
		n := int(binary.BigEndian.Uint16(font[at:]))
		if n == 0 {
			return nil, at + 2
		}
		offset := func(i int) int { return int(binary.BigEndian.Uint32(font[at+3+4*i:])) }
		data := at + 2 + 4*(n+1)
		for i := range n {
			all = append(all, font[data+offset(i):data+offset(i+1)])
		}
		return all, data + offset(n)
	}
	_, at := list(4)
	top, _ := list(at)
	m := regexp.MustCompile(`(?s)\x1d(....)\x11`).FindSubmatch(top[0])
	if m == nil {
		t.Fatal("the font has no glyphs")
	}
	glyphs, _ := list(int(binary.BigEndian.Uint32(m[1])))
	for _, g := range glyphs {
		switch v := int(g[0]); {
		case v == 28:
			widths = append(widths, int(int16(binary.BigEndian.Uint16(g[1:]))))
		case v >= 247 && v <= 250:
			widths = append(widths, (v-247)<<8+int(g[1])+108)
		case v >= 32 && v <= 246:
			widths = append(widths, v-139)
		default:
			t.Fatalf("a glyph begins with %d", v)
		}
	}
	return widths
}

// structure is the text of a file as a program reads it that follows the structure, as screen
// readers do: a line for each part, with its role.
func structure(t *testing.T, path string) string {
	t.Helper()
	all, trailer := objects(t, path)
	get := func(ref any) map[string]any {
		s, _ := ref.(string)
		return all[s].dict
	}
	var content, unicodes []byte
	for _, o := range all {
		if o.dict["/Type"] == "/Page" {
			s, _ := o.dict["/Contents"].(string)
			content = all[s].data
		}
		if s, ok := o.dict["/ToUnicode"].(string); ok {
			unicodes = all[s].data
		}
	}
	decode := func(hexed []byte) string {
		b, err := hex.DecodeString(string(bytes.TrimPrefix(hexed, []byte("feff"))))
		if err != nil {
			t.Fatal(err)
		}
		var units []uint16
		for i := 0; i+1 < len(b); i += 2 {
			units = append(units, binary.BigEndian.Uint16(b[i:]))
		}
		return string(utf16.Decode(units))
	}
	texts := map[string]string{}
	for _, m := range regexp.MustCompile(`<([0-9a-f]{4})><([0-9a-f]+)>\n`).FindAllSubmatch(unicodes, -1) {
		texts[string(m[1])] = decode(m[2])
	}
	pieces := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)<</MCID (\d+)(?:/ActualText <([0-9a-f]+)>)?>>BDC\n(.*?)EMC`).FindAllSubmatch(content, -1) {
		said := decode(m[2])
		if m[2] == nil {
			for _, codes := range regexp.MustCompile(`<([0-9a-f]*)>`).FindAllSubmatch(m[3], -1) {
				for i := 0; i < len(codes[1]); i += 4 {
					said += texts[string(codes[1][i:i+4])]
				}
			}
		}
		pieces[string(m[1])] = said
	}
	root := get(get(get(trailer["/Root"])["/StructTreeRoot"])["/K"])
	parts, _ := root["/K"].([]any)
	var b strings.Builder
	var read func(element map[string]any)
	read = func(element map[string]any) {
		if actual, ok := element["/ActualText"].(string); ok {
			b.WriteString(strings.TrimPrefix(actual, "u:"))
			return
		}
		kids, _ := element["/K"].([]any)
		for _, k := range kids {
			switch k := k.(type) {
			case float64:
				b.WriteString(pieces[fmt.Sprint(k)])
			case string:
				read(get(k))
			}
		}
	}
	for _, part := range parts {
		element := get(part)
		role, _ := element["/S"].(string)
		fmt.Fprintf(&b, "%s:", strings.TrimPrefix(role, "/"))
		read(element)
		b.WriteString("\n")
	}
	return b.String()
}
