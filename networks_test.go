package timbre_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wiring is the only file outside of internal/network that names the built-in log. Other
// files use the interfaces of package network. So a second kind of network needs only a line
// in this file.
const wiring = "cmd/timbre/networks_log.go"

// keepers are packages that keep checkpoints of the logs of others: they use the place of
// checkpoints, and nothing of the built-in log.
var keepers = []string{"internal/monitor", "internal/witness"}

func TestOnlyTheWiringNamesTheLog(t *testing.T) {
	t.Parallel()
	named := false
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || path == "internal/network" || path != "." && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || testOnly(filepath.ToSlash(filepath.Dir(path))):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if name != module+"internal/network/log" && name != module+"internal/network/log/checkpoint" {
				continue
			}
			if path == wiring {
				named = true
				continue
			}
			if name == module+"internal/network/log/checkpoint" && slices.Contains(keepers, filepath.ToSlash(filepath.Dir(path))) {
				continue
			}
			if strings.HasPrefix(path, strings.TrimSuffix(wiring, ".go")+"_faults") {
				continue // the tests' build makes a network of the log that fails
			}
			t.Errorf("%s imports %s: only %s may. Other files use the interfaces of internal/network", path, name, wiring)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !named {
		t.Errorf("%s does not link the built-in log in", wiring)
	}
}
