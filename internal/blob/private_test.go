package blob

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Other users of the machine cannot read an object, also if another program created the
// folders.
func TestFoldersAreShut(t *testing.T) {
	for mode, want := range map[os.FileMode]os.FileMode{0o755: 0o750, 0o777: 0o770, 0o700: 0o700, 0o770: 0o770} {
		dir := t.TempDir()
		for _, name := range []string{objectsDir, tempDir} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		d, err := NewDisk(dir, "http://localhost/blob", make([]byte, 16), Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{objectsDir, tempDir} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s of mode %o: %v, %v", name, mode, info.Mode(), err)
			}
		}
		if err := d.Put(t.Context(), "assets/x", []byte("x")); err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
