package certificate_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

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

// What PDF/A-3b (ISO 19005-3) asks of a file that has in it what ours have, rule by
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
			rule(metadata.dict["/Filter"] == nil && metadata.dict["/Subtype"] == "/XML" && bytes.Contains(metadata.data, []byte(`pdfaid:part="3" pdfaid:conformance="B"`)), "6.6.2: metadata %v", metadata.dict)
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
				case o.dict["/Type"] == "/Font":
					fonts++
					rule(o.dict["/Subtype"] == "/Type3" && get(o.dict["/ToUnicode"]).data != nil, "6.2.11: %s %v", ref, o.dict)
					widths, _ := o.dict["/Widths"].([]any)
					procs, _ := o.dict["/CharProcs"].(map[string]any)
					last, _ := o.dict["/LastChar"].(float64)
					rule(len(widths) == int(last) && len(procs) == len(widths), "6.2.11: %s has %d widths, %d glyphs", ref, len(widths), len(procs))
					for i, w := range widths {
						proc := get(procs[fmt.Sprintf("/g%d", i+1)]).data
						rule(bytes.HasPrefix(proc, fmt.Appendf(nil, "%v 0 ", w)) && bytes.Contains(proc, []byte(" d1\n")), "6.2.11.5: %s, glyph %d of width %v is %.30q", ref, i+1, w, proc)
					}
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
			rule(fonts > 0 && annotations == wanted, "%d fonts, %d annotations", fonts, annotations)
		})
	}
}
