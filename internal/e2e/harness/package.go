package harness

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var packing struct {
	sync.Once
	tarball string
	err     error
}

// WidgetPackage is the path of the npm package of the widget as `npm pack` makes it, built once per test process. It
// needs Node.js, npm, and the packages of the repository (npm ci).
func WidgetPackage(t testing.TB) string {
	t.Helper()
	packing.Do(func() { packing.tarball, packing.err = packWidget() })
	if packing.err != nil {
		t.Fatal(packing.err)
	}
	return packing.tarball
}

func packWidget() (string, error) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "ats-widget")
	build := exec.Command("go", "run", "./widget/build", "-pack", out)
	build.Dir = filepath.Dir(strings.TrimSpace(string(gomod)))
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the package: %w\n%s", err, text)
	}
	pack := exec.Command("npm", "pack", "--silent", "--pack-destination", dir)
	pack.Dir = out
	name, err := pack.Output()
	if err != nil {
		return "", fmt.Errorf("npm pack: %w", err)
	}
	return filepath.Join(dir, strings.TrimSpace(string(name))), nil
}
