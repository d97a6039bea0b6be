package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	gomodule "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// proxy writes the Go modules of the tree as a module proxy serves them, in one archive. `go install
// PATH/cmd/timbre@vVERSION` reads it from a folder (GOPROXY=file://…) or from any web server. The modules have the path
// that is given to the release, and require each other with its version: a module with a replace line cannot be installed.
func (r *release) proxy() error {
	text, err := os.ReadFile(filepath.Join(r.root, "go.mod"))
	if err != nil {
		return err
	}
	root, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return err
	}
	dirs := map[string]string{root.Module.Mod.Path: "."} // by the path in this tree
	for _, replaced := range root.Replace {
		if inside(replaced.New.Path) {
			dirs[replaced.Old.Path] = path.Clean(replaced.New.Path)
		}
	}
	tracked, err := r.git("ls-files", "-z")
	if err != nil {
		return err
	}
	rename := func(old string) string {
		if rest, ok := strings.CutPrefix(old, root.Module.Mod.Path); ok && (rest == "" || rest[0] == '/') {
			return r.module + rest
		}
		return old
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	var all []packed
	for _, old := range slices.Sorted(maps.Keys(dirs)) {
		files, err := r.served(gomodule.Version{Path: old, Version: "v" + r.version}, dirs[old], strings.Split(tracked, "\x00"), rename)
		if err != nil {
			return fmt.Errorf("module %s: %w", old, err)
		}
		all = append(all, files...)
	}
	if err := r.tar(z, all); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "timbre_"+r.version+"_goproxy.tar.gz"), out.Bytes(), 0o644)
}

// served returns the four files of one module in a proxy.
func (r *release) served(of gomodule.Version, dir string, tracked []string, rename func(string) string) ([]packed, error) {
	text, err := os.ReadFile(filepath.Join(r.root, dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	mod, err := r.required(text, rename)
	if err != nil {
		return nil, err
	}
	var files []zip.File
	for _, name := range tracked {
		inModule, ok := strings.CutPrefix(path.Clean("/"+name), path.Clean("/"+dir))
		if name == "" || !ok || dir != "." && inModule[0] != '/' {
			continue
		}
		f := file{name: strings.TrimPrefix(inModule, "/"), source: filepath.Join(r.root, filepath.FromSlash(name))}
		switch {
		case f.name == "go.mod":
			f.content = mod
		case strings.HasSuffix(name, ".go") && rename(of.Path) != of.Path:
			if f.content, err = imports(f.source, rename); err != nil {
				return nil, err
			}
		}
		files = append(files, f)
	}
	of.Path = rename(of.Path)
	var archive bytes.Buffer
	if err := zip.Create(&archive, of, files); err != nil {
		return nil, err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{of.Version, r.time})
	if err != nil {
		return nil, err
	}
	escaped, err := gomodule.EscapePath(of.Path)
	if err != nil {
		return nil, err
	}
	at := "goproxy/" + escaped + "/@v/"
	return []packed{
		{at + "list", []byte(of.Version + "\n"), 0o644},
		{at + of.Version + ".info", info, 0o644},
		{at + of.Version + ".mod", mod, 0o644},
		{at + of.Version + ".zip", archive.Bytes(), 0o644},
	}, nil
}

// required returns a go.mod for others: with the path and the version of the release, and without replace lines.
func (r *release) required(text []byte, rename func(string) string) ([]byte, error) {
	f, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return nil, err
	}
	var own []string
	for _, replaced := range f.Replace {
		if strings.HasPrefix(replaced.New.Path, ".") {
			own = append(own, replaced.Old.Path)
			continue
		}
		return nil, fmt.Errorf("%s is replaced by %s: go install refuses such a module", replaced.Old.Path, replaced.New.Path)
	}
	for _, old := range own {
		if err := f.DropReplace(old, ""); err != nil {
			return nil, err
		}
		if err := f.DropRequire(old); err != nil {
			return nil, err
		}
		if err := f.AddRequire(rename(old), "v"+r.version); err != nil {
			return nil, err
		}
	}
	if err := f.AddModuleStmt(rename(f.Module.Mod.Path)); err != nil {
		return nil, err
	}
	f.Cleanup()
	return f.Format()
}

// imports returns a Go file with the import paths of another module path.
func imports(name string, rename func(string) string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	from := 0
	for _, spec := range parsed.Imports {
		old, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		out.Write(text[from:set.Position(spec.Path.Pos()).Offset])
		out.WriteString(strconv.Quote(rename(old)))
		from = set.Position(spec.Path.End()).Offset
	}
	out.Write(text[from:])
	return out.Bytes(), nil
}

// A file is one file of a module: from the tree, or with its content changed.
type file struct {
	name, source string
	content      []byte // nil for the content of source
}

func (f file) Path() string { return f.name }

func (f file) Lstat() (os.FileInfo, error) {
	info, err := os.Lstat(f.source)
	if err != nil || f.content == nil {
		return info, err
	}
	return changed{info, int64(len(f.content))}, nil
}

func (f file) Open() (io.ReadCloser, error) {
	if f.content == nil {
		return os.Open(f.source)
	}
	return io.NopCloser(bytes.NewReader(f.content)), nil
}

// changed is the description of a file with changed content.
type changed struct {
	os.FileInfo
	size int64
}

func (c changed) Size() int64 { return c.size }
