package timbre_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/jsonschema/v6"

	"timbre.example/proof/evidence"
)

// The JSON Schema of evidence accepts every document that the package accepts, and refuses
// most of what is malformed. Both read the golden files of all releases and the shared cases.
func TestEvidenceSchema(t *testing.T) {
	t.Parallel()
	const dir = "proof/evidence/testdata/"
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	parse := func(text []byte) (any, error) { return jsonschema.UnmarshalJSON(bytes.NewReader(text)) }
	described, err := parse(read("proof/evidence/schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", described); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(text []byte) error {
		v, err := parse(text)
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}
	golden, err := filepath.Glob(dir + "v*/*.json")
	if err != nil || len(golden) < 9 {
		t.Fatalf("%d golden files, %v", len(golden), err)
	}
	for _, path := range append(golden, dir+"fork.json") {
		text := read(path)
		if err := fits(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		// Without any of its members, wherever it stands, a document fits only if the package
		// accepts it, too.
		var whole map[string]any
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatal(err)
		}
		eachLeftOut(whole, func(name string) {
			less, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			optional := []string{"filename", "duration", "ipi", "isni", "cosignatures", "attestations", "rfc3161", "says",
				"extrinsic_proof", "state_proof", "finality", "headers", "hand_offs"}
			if strings.HasSuffix(path, "anchored.json") { // an anchor has both
				optional = slices.DeleteFunc(optional, func(name string) bool { return name == "state_proof" || name == "finality" })
			}
			if err := fits(less); (err == nil) != slices.Contains(optional, name) {
				t.Errorf("%s without %s: %v", path, name, err)
			}
		})
	}
	var cases []struct {
		Name, Of  string
		Replace   [][2]string
		Malformed bool
	}
	if err := json.Unmarshal(read(dir+"cases.json"), &cases); err != nil {
		t.Fatal(err)
	}
	malformed, refused := 0, 0
	for _, x := range cases {
		of := x.Of
		if of == "" {
			of = "full.json"
		}
		if !strings.Contains(of, "/") {
			of = "v1/" + of
		}
		text := string(read(dir + of))
		for _, r := range x.Replace {
			text = strings.Replace(text, r[0], r[1], 1)
		}
		_, decoded := evidence.Decode(strings.NewReader(text))
		err := fits([]byte(text))
		switch {
		case decoded == nil && err != nil:
			t.Errorf("%s: the schema refuses it: %v", x.Name, err)
		case x.Malformed:
			malformed++
			if err != nil {
				refused++
			}
		}
	}
	// The rest is about order, repeated members and the encoding of values, as the schema says.
	if malformed < 100 || refused*2 < malformed {
		t.Errorf("the schema refuses %d of %d malformed documents", refused, malformed)
	}
	t.Logf("the schema refuses %d of %d malformed documents", refused, malformed)
}

// eachLeftOut calls f once for each member of v and of the objects in v, with the member left out.
func eachLeftOut(v any, f func(name string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			delete(v, name)
			f(name)
			v[name] = member
			eachLeftOut(member, f)
		}
	case []any:
		for _, item := range v {
			eachLeftOut(item, f)
		}
	}
}
