package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	objectsDir = "objects"
	tempDir    = "tmp"
	// suffix ends every object's file name. No key segment can hold a dot, so
	// the object "a" and the folder of "a/b" never want the same name.
	suffix = ".blob"
	// staleAfter is far beyond any upload (Options.UploadTimeout), so that a
	// second process on the same folder keeps its own temporary files.
	staleAfter = 24 * time.Hour
)

// Options tune a Disk. The zero value of every field but RenderError means its default.
type Options struct {
	// RenderError writes err, a *fault.Error, as the response. Required: the
	// store decides what is refused, the API how a refusal looks.
	RenderError func(w http.ResponseWriter, r *http.Request, err error)
	// Now is the clock that URLs expire by; time.Now by default.
	Now func() time.Time
	// IdleTimeout ends an upload of which no byte came for so long; 60 s by default.
	IdleTimeout time.Duration
	// UploadTimeout ends any upload or download that lasts so long; LongestUpload by default, and at most.
	UploadTimeout time.Duration
	// DiscardBytes is how long a body may be that is over its cap and is read to
	// its end all the same: a browser reads no answer before it has sent
	// everything. It is 1 GiB by default, and twice the cap where that is more. A
	// longer body is refused outright.
	DiscardBytes int64
	// DrainBytes and DrainTimeout bound how much of a refused body is read and
	// thrown away, and for how long, so that the refusal reaches a client that
	// sends everything before it reads; 64 MiB and 10 s by default.
	DrainBytes   int64
	DrainTimeout time.Duration
}

// Disk is a Store in a folder of a local file system, and the HTTP handler of
// the URLs it signs. An object that is visible is complete and synced to disk.
//
// A complete upload is renamed into place; objects are never changed where they
// lie, so readers and hard links keep the bytes they began with. Folders, once
// made, stay: choose keys with few distinct prefixes.
type Disk struct {
	*signer
	root *os.Root
	opts Options
	// dirs is held while folders are made and synced, so that whoever sees a
	// folder there can rely on it to outlast a crash.
	dirs sync.Mutex
}

var _ Store = (*Disk)(nil)

// NewDisk opens the store in dir, which is made if missing and must lie within
// one file system, and removes temporary files older than 24 hours. baseURL is
// where browsers reach ServeHTTP; key, of at least 16 bytes, signs the URLs:
// every process that serves or signs for this folder needs the same one.
func NewDisk(dir, baseURL string, key []byte, opts Options) (*Disk, error) {
	if opts.RenderError == nil {
		return nil, errors.New("blob: Options.RenderError is required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	setDefault(&opts.IdleTimeout, 60*time.Second)
	setDefault(&opts.UploadTimeout, LongestUpload)
	setDefault(&opts.DiscardBytes, 1<<30)
	setDefault(&opts.DrainBytes, 64<<20)
	setDefault(&opts.DrainTimeout, 10*time.Second)
	opts.UploadTimeout = min(opts.UploadTimeout, LongestUpload)
	s, err := newSigner(baseURL, key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	d := &Disk{signer: s, root: root, opts: opts}
	err = errors.Join(d.makeDir(objectsDir), d.makeDir(tempDir))
	if err == nil {
		d.shut(objectsDir)
		d.shut(tempDir)
		err = d.sweep()
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("blob: %w", err)
	}
	return d, nil
}

func setDefault[T time.Duration | int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Close lets go of the folder. Nothing else may be called after it.
func (d *Disk) Close() error { return d.root.Close() }

// PresignPut implements Store.
func (d *Disk) PresignPut(_ context.Context, up Upload) (string, error) {
	if err := validKey(up.Key); err != nil {
		return "", err
	}
	if up.MaxBytes < 1 {
		return "", fmt.Errorf("blob: upload cap of %d bytes", up.MaxBytes)
	}
	return d.url(grant{method: http.MethodPut, key: up.Key, expires: ceilUnix(up.Expires), max: up.MaxBytes}), nil
}

// PresignGet implements Store. Characters that a file name must not have are
// taken out of it first.
func (d *Disk) PresignGet(_ context.Context, key string, as File, expires time.Time) (string, error) {
	if err := validKey(key); err != nil {
		return "", err
	}
	return d.url(grant{method: http.MethodGet, key: key, expires: ceilUnix(expires), filename: safeFilename(as.Name), mediaType: as.Type}), nil
}

// Put implements Store.
func (d *Disk) Put(ctx context.Context, key string, data []byte) error {
	if err := errors.Join(ctx.Err(), validKey(key)); err != nil {
		return err
	}
	temp, err := d.stage(func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return d.publish(temp, key)
}

// Open implements Store. The reader is an *os.File: it seeks as well.
func (d *Disk) Open(ctx context.Context, key string) (io.ReadCloser, Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, Info{}, err
	}
	f, st, err := d.open(key)
	if err != nil {
		return nil, Info{}, err
	}
	size, err := size(f, st)
	if err != nil {
		f.Close()
		return nil, Info{}, err
	}
	return f, Info{Size: size}, nil
}

// oversize is what is kept of a body that was over its cap. A client may upload
// this text itself: then its own file is refused for its size, and nothing more.
func oversize(size int64) string {
	return "timbre: not kept, over the cap, bytes: " + strconv.FormatInt(size, 10) + "\n"
}

// size is that of an object, or that of the body of which only this was kept.
func size(f *os.File, st fs.FileInfo) (int64, error) {
	if st.Size() > int64(len(oversize(math.MaxInt64))) {
		return st.Size(), nil
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, st.Size()))
	if err != nil {
		return 0, fmt.Errorf("blob: open: %w", err)
	}
	words := strings.Fields(string(text))
	if len(words) > 0 {
		if n, err := strconv.ParseInt(words[len(words)-1], 10, 64); err == nil && oversize(n) == string(text) {
			return n, nil
		}
	}
	return st.Size(), nil
}

func (d *Disk) open(key string) (*os.File, fs.FileInfo, error) {
	if err := validKey(key); err != nil {
		return nil, nil, err
	}
	f, err := d.root.Open(objectPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNotFound
	} else if err != nil {
		return nil, nil, fmt.Errorf("blob: open: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("blob: open %s: %w", key, err)
	}
	return f, st, nil
}

// Copy implements Store: a hard link where the file system has them, which
// costs no bytes however large the object is.
func (d *Disk) Copy(ctx context.Context, src, dst string) error {
	if err := errors.Join(ctx.Err(), validKey(src), validKey(dst)); err != nil {
		return err
	}
	temp := tempPath()
	err := d.root.Link(objectPath(src), temp)
	for try := 0; try < 100 && errors.Is(err, fs.ErrNotExist); try++ {
		// The object is missing; or a PUT replaced it between the kernel's
		// finding it and linking it, and the new one is there to be linked; or
		// the folder for temporary files is missing, which stays so.
		if _, statErr := d.root.Lstat(objectPath(src)); errors.Is(statErr, fs.ErrNotExist) {
			return ErrNotFound
		}
		err = d.root.Link(objectPath(src), temp)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("blob: copy: %w", err)
	case err != nil:
		if temp, err = d.copyBytes(ctx, src); err != nil {
			return err
		}
	}
	return d.publish(temp, dst)
}

// copyBytes stages a copy of src where it cannot be linked: a file system
// without links, or a file that has as many as it may.
func (d *Disk) copyBytes(ctx context.Context, src string) (temp string, err error) {
	f, _, err := d.open(src)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return d.stage(func(to *os.File) error {
		const chunk = 64 << 20
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := io.CopyN(to, f, chunk); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
}

// Delete implements Store. Once it returns, the object does not come back with
// a crash.
func (d *Disk) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), validKey(key)); err != nil {
		return err
	}
	name := objectPath(key)
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = d.syncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("blob: delete: %w", err)
	}
	return nil
}

func objectPath(key string) string { return objectsDir + "/" + key + suffix }

func tempPath() string { return tempDir + "/" + strings.ToLower(rand.Text()) }

// stage makes a temporary file with what write puts there, synced. Nothing is
// left of it when write fails.
func (d *Disk) stage(write func(*os.File) error) (string, error) {
	temp := tempPath()
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("blob: stage: %w", err)
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		d.root.Remove(temp)
		return "", fmt.Errorf("blob: stage: %w", err)
	}
	return temp, nil
}

// publish makes the staged file the object key, atomically and durably. The
// temporary name is gone in any case.
func (d *Disk) publish(temp, key string) error {
	name := objectPath(key)
	err := d.makeDir(path.Dir(name))
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	// Renaming one hard link onto another of the same file does nothing and
	// leaves both; so the temporary name is removed after success, too.
	if rm := d.root.Remove(temp); err == nil && !errors.Is(rm, fs.ErrNotExist) {
		err = rm
	}
	if err == nil {
		err = d.syncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("blob: publish: %w", err)
	}
	return nil
}

// makeDir makes dir and its parents, each synced into its own parent.
// shut closes a folder to other users of this machine. One that was restored from a
// backup may be open to them, with files in it that are. A group that may enter was
// chosen by somebody; a folder of another user is left to its owner.
func (d *Disk) shut(dir string) {
	if info, err := d.root.Stat(dir); err == nil && info.Mode().Perm()&0o007 != 0 {
		_ = d.root.Chmod(dir, info.Mode().Perm()&^0o007)
	}
}

func (d *Disk) makeDir(dir string) error {
	d.dirs.Lock()
	defer d.dirs.Unlock()
	if _, err := d.root.Stat(dir); err == nil {
		return nil
	}
	parent := "."
	for seg := range strings.SplitSeq(dir, "/") {
		child := path.Join(parent, seg)
		err := d.root.Mkdir(child, 0o700)
		if err == nil {
			err = d.syncDir(parent)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		parent = child
	}
	return nil
}

func (d *Disk) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// sweep removes what a killed process left half written.
func (d *Disk) sweep() error {
	f, err := d.root.Open(tempDir)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	before := d.opts.Now().Add(-staleAfter)
	for _, e := range entries {
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // a live process finished it
		}
		if err == nil && st.ModTime().Before(before) {
			err = d.root.Remove(tempDir + "/" + e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
