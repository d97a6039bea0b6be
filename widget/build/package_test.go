package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackage makes the npm package, and asks the checkers of packages about the file that npm would publish: publint, and
// the one for types. Node imports every entry without a DOM.
func TestPackage(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(dir, "..", "node_modules", ".bin")
	if _, err := os.Stat(filepath.Join(tools, "publint")); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal("run npm ci: ", err)
		}
		t.Skip("run npm ci: ", err)
	}
	files, err := pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The folder of an app: the package, unpacked.
	app := t.TempDir()
	out := filepath.Join(app, "node_modules", "@timbre", "ats-widget")
	if _, err := update(out, files); err != nil {
		t.Fatal(err)
	}
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NO_COLOR=1", "FORCE_COLOR=0")
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(name), err, text)
		}
		return string(text)
	}
	tarball := filepath.Join(app, strings.TrimSpace(run(out, "npm", "pack", "--silent", "--pack-destination", app)))

	t.Run("contents", func(t *testing.T) {
		var packed []string
		for line := range strings.Lines(run(app, "tar", "tzf", tarball)) {
			packed = append(packed, strings.TrimPrefix(strings.TrimSpace(line), "package/"))
		}
		for name := range files {
			if !slices.Contains(packed, name) {
				t.Errorf("the package lacks %s", name)
			}
		}
		for _, name := range packed {
			if files[name] == nil {
				t.Errorf("the package has %s", name)
			}
		}
		// Bundlers find the worker by this form.
		found := 0
		for name, text := range files {
			if strings.HasPrefix(name, "dist/parts/") {
				found += strings.Count(string(text), `new Worker(new URL("../hash-worker.js", import.meta.url), { type: "module" })`)
			}
		}
		if found != 1 {
			t.Errorf("the worker is begun in %d places", found)
		}
		if strings.Contains(string(files["dist/hash-worker.js"]), "import ") {
			t.Error("the worker imports a file")
		}
	})
	t.Run("publint", func(t *testing.T) {
		run(app, filepath.Join(tools, "publint"), "run", tarball, "--strict")
	})
	t.Run("attw", func(t *testing.T) {
		// The package has no entry for require(): the profile leaves out what only CommonJS could use.
		run(app, filepath.Join(tools, "attw"), tarball, "--profile", "esm-only", "--format", "ascii")
	})
	t.Run("node", func(t *testing.T) {
		// React is the one of the repository.
		for _, name := range []string{"react", "react-dom", "scheduler"} {
			if err := os.Symlink(filepath.Join(dir, "..", "node_modules", name), filepath.Join(app, "node_modules", name)); err != nil {
				t.Fatal(err)
			}
		}
		script := `import * as all from '@timbre/ats-widget';
import '@timbre/ats-widget/define';
import '@timbre/ats-widget/vue';
import '@timbre/ats-widget/svelte';
import fr from '@timbre/ats-widget/locale/fr';
import { AtsWidget } from '@timbre/ats-widget/react';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
console.log(JSON.stringify({
  names: Object.keys(all), globals: [typeof customElements, typeof AtsWidgetComponent], french: fr['submit'] ?? Object.values(fr)[0],
  tag: renderToString(createElement(AtsWidget, { siteKey: 'cpk_1', atsUrl: 'https://ats.example', maxFileSize: 5, className: 'wide', 'data-x': 1, onReady() {}, getSession() {} })),
}));`
		if err := os.WriteFile(filepath.Join(app, "all.mjs"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Names, Globals []string
			French, Tag    string
		}
		if err := json.Unmarshal([]byte(run(app, "node", "all.mjs")), &got); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got.Names, " ") != "AtsEvent AtsWidget EVENT_NAMES keepSession version" || strings.Join(got.Globals, " ") != "undefined undefined" || got.French == "" {
			t.Errorf("%+v", got)
		}
		if want := `<ats-widget site-key="cpk_1" ats-url="https://ats.example" max-file-size="5" class="wide" data-x="1"></ats-widget>`; got.Tag != want {
			t.Errorf("drawn: %s", got.Tag)
		}
	})
}

// TestDescribed has every attribute, event, part and custom property with a description.
func TestDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../dist/custom-elements.json")
	if err != nil {
		t.Fatal(err)
	}
	type item struct{ Name, Description string }
	var manifest struct {
		SchemaVersion string
		Modules       []struct {
			Declarations []struct {
				TagName                                              string
				Attributes, Members, Events, CSSProperties, CSSParts []item
			}
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	d := manifest.Modules[0].Declarations[0]
	if manifest.SchemaVersion != "2.1.0" || d.TagName != "ats-widget" || len(d.Attributes) != 8 || len(d.Events) != 10 {
		t.Errorf("%s %s with %d attributes and %d events", manifest.SchemaVersion, d.TagName, len(d.Attributes), len(d.Events))
	}
	for _, x := range slices.Concat(d.Attributes, d.Members, d.Events, d.CSSProperties, d.CSSParts) {
		if x.Description == "" {
			t.Errorf("%s has no description", x.Name)
		}
	}
}
