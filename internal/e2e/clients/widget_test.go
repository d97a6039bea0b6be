package clients_test

import (
	"path/filepath"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/e2e/browser"
	"timbre.example/web/i18n"
)

// widgetRunner builds the widget's flow as a program for Node.
func widgetRunner(t *testing.T) []string {
	t.Helper()
	hasNode(t)
	widget := absolute(t, "../../../widget")
	if !exists(filepath.Join(widget, "..", "node_modules", "lit")) {
		browser.Missing(t, "no lit: npm ci at the root installs it")
	}
	program := filepath.Join(t.TempDir(), "scenario.mjs")
	r := api.Build(api.BuildOptions{
		AbsWorkingDir: widget, EntryPoints: []string{filepath.Join(widget, "test", "scenario.ts")}, Outfile: program,
		Bundle: true, Write: true, Target: api.ES2022, Platform: api.PlatformNode, Format: api.FormatESModule, Conditions: []string{"default"},
		Define:  map[string]string{"__VERSION__": `"test"`, "__HERE__": "undefined"},
		Loader:  map[string]api.Loader{".css": api.LoaderText},
		Inject:  []string{filepath.Join(widget, "src", "lit.globals.ts")},
		Plugins: []api.Plugin{i18n.Plugin(filepath.Dir(widget))},
	})
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors[0].Text)
	}
	// Node 20 has WebSocket behind this flag; later versions ignore it.
	return []string{"node", "--experimental-websocket", program}
}
