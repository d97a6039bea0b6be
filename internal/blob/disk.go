package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/space"
)

const (
	objectsDir = "objects"
	tempDir    = "tmp"
	partsDir   = "parts"
	// suffix ends every object's file name. A key segment cannot contain a dot, so the
	// object "a" and the folder of "a/b" never have the same name.
	suffix = ".blob"
	// On systems without file locks, the store cannot see whether another process still
	// writes a temporary file. There it deletes only files older than staleAfter, which is
	// far longer than any upload (Options.UploadTimeout).
	staleAfter = 24 * time.Hour
)

// Options configure a Disk. The zero value of every field means its default.
type Options struct {
	// RenderError writes err, a *fault.Error, as the response: the store decides what is
	// refused, the API how the error is rendered. nil writes the status alone.
	RenderError func(w http.ResponseWriter, r *http.Request, err error)
	// Now is the clock for the expiry of URLs; time.Now by default.
	Now func() time.Time
	// IdleTimeout ends an upload that receives no byte for this time; 60 s by default.
	IdleTimeout time.Duration
	// UploadTimeout ends an upload or download that takes longer; the default and the
	// maximum are LongestUpload.
	UploadTimeout time.Duration
	// DiscardBytes is the largest body over the limit that is read to its end: a browser
	// sends the whole body before it reads the answer. The default is 1 GiB, or twice the
	// limit if that is more. A longer body is refused at once.
	DiscardBytes int64
	// DrainBytes and DrainTimeout bound how many bytes of a refused body are read and
	// dropped, and for how long. So the error reaches a client that sends everything
	// before it reads. The defaults are 64 MiB and 10 s.
	DrainBytes   int64
	DrainTimeout time.Duration

	// Limits bound the uploads at the same time.
	Limits Limits
	// Space is checked before a PUT and while it writes; nil allows everything.
	Space *space.Guard
	// Admit returns the owner of the upload under a key, before a byte of a PUT is read;
	// its error refuses the PUT. Land is called with the number of bytes when all have
	// arrived, before the object is visible; its error deletes the upload. LandPart is called
	// when a part is stored, with its number and the number of bytes in all stored parts of the upload; its error
	// deletes the part. nil allows everything.
	Admit    func(ctx context.Context, key string) (Owner, error)
	Land     func(ctx context.Context, key string, size int64) error
	LandPart func(ctx context.Context, key string, number int, bytes int64) error
}

// Disk is a Store in a folder of a local file system, and the HTTP handler of the URLs it
// signs. A visible object is complete and synced to disk.
//
// A complete upload is renamed into place. Objects are never changed in place, so readers
// and hard links keep their bytes. Folders are never removed: choose keys with few
// different prefixes.
type Disk struct {
	*signer
	root *os.Root
	opts Options
	// dirs is locked while folders are created and synced. So a folder that another
	// goroutine sees survives a crash.
	dirs sync.Mutex
	// live has the temporary files of this process.
	live    sync.Map
	running running
	writers writers
}

// Receiver decides about the uploads that a Disk receives.
type Receiver interface {
	// Uploading is Options.Admit, and Uploaded is Options.Land.
	Uploading(ctx context.Context, key string) (Owner, error)
	Uploaded(ctx context.Context, key string, size int64) error
	// UploadedPart is Options.LandPart.
	UploadedPart(ctx context.Context, key string, number int, bytes int64) error
}

// Handler returns the handler of the URLs that d signs. It replaces Options.RenderError,
// Admit, Land and LandPart: in a server, all of them are made after the store. Call it once,
// before the first request.
func (d *Disk) Handler(receiver Receiver, render func(http.ResponseWriter, *http.Request, error)) http.Handler {
	d.opts.RenderError, d.opts.Admit, d.opts.Land, d.opts.LandPart = render, receiver.Uploading, receiver.Uploaded, receiver.UploadedPart
	return d
}

var _ Store = (*Disk)(nil)

// NewDisk opens the store in dir, which it creates if missing. dir must be on one file
// system. NewDisk also removes temporary files of earlier processes. Browsers reach
// ServeHTTP at baseURL. key has at least 16 bytes and signs the URLs; every process that
// serves or signs for this folder needs the same key.
func NewDisk(dir, baseURL string, key []byte, opts Options) (_ *Disk, err error) {
	defer operation.Wrap(&err, "blob: open the blob directory %s", dir)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	setDefault(&opts.IdleTimeout, 60*time.Second)
	setDefault(&opts.UploadTimeout, LongestUpload)
	setDefault(&opts.DiscardBytes, 1<<30)
	setDefault(&opts.DrainBytes, 64<<20)
	setDefault(&opts.DrainTimeout, 10*time.Second)
	setDefault(&opts.Limits.MinRate, 8<<10)
	setDefault(&opts.Limits.RateWindow, 2*time.Minute)
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
	d := &Disk{signer: s, root: root, opts: opts, running: running{places: map[string]int{}, groups: map[string]tally{}}}
	err = errors.Join(d.makeDir(objectsDir), d.makeDir(tempDir), d.makeDir(partsDir))
	if err == nil {
		d.shut(objectsDir)
		d.shut(tempDir)
		d.shut(partsDir)
		_, err = d.Sweep(context.Background())
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

// Close closes the folder. Nothing else may be called after it.
func (d *Disk) Close() error { return d.root.Close() }

// PresignPut implements Store.
func (d *Disk) PresignPut(_ context.Context, up Upload) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign an upload URL of %s", up.Key)
	if err := validKey(up.Key); err != nil {
		return "", err
	}
	if up.MaxBytes < 1 {
		return "", fmt.Errorf("blob: upload cap of %d bytes", up.MaxBytes)
	}
	return d.url(grant{method: http.MethodPut, key: up.Key, expires: ceilUnix(up.Expires), max: up.MaxBytes}), nil
}

// PresignGet implements Store. It removes characters that a file name must not have.
func (d *Disk) PresignGet(_ context.Context, key string, as File, expires time.Time) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign a download URL of %s", key)
	if err := validKey(key); err != nil {
		return "", err
	}
	return d.url(grant{method: http.MethodGet, key: key, expires: ceilUnix(expires), filename: safeFilename(as.Name), mediaType: as.Type}), nil
}

// Put implements Store.
func (d *Disk) Put(ctx context.Context, key string, data []byte) (err error) {
	defer operation.Wrap(&err, "blob: put %s", key)
	if err := errors.Join(ctx.Err(), validKey(key)); err != nil {
		return err
	}
	return d.make(key, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	}, nil)
}

// Open implements Store. The reader is an *os.File, so it can also seek.
func (d *Disk) Open(ctx context.Context, key string) (_ io.ReadCloser, _ Info, err error) {
	defer operation.Wrap(&err, "blob: open %s", key)
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

// Stat implements Store.
func (d *Disk) Stat(ctx context.Context, key string) (_ Info, err error) {
	defer operation.Wrap(&err, "blob: stat %s", key)
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	f, st, err := d.open(key)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	size, err := size(f, st)
	return Info{Size: size, Version: fmt.Sprintf("%d-%d-%d", st.Size(), st.ModTime().UnixNano(), inode(st))}, err
}

// oversize is the text that replaces a body over the limit. A client can upload this text
// itself; then its own file is refused for its size, and nothing else happens.
func oversize(size int64) string {
	return "timbre: not kept, over the cap, bytes: " + strconv.FormatInt(size, 10) + "\n"
}

// size returns the size of an object, or of the body that oversize replaced.
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

// Copy implements Store. It makes a hard link if the file system supports links, which
// takes no space.
func (d *Disk) Copy(ctx context.Context, src, dst string, most int64) (err error) {
	defer operation.Wrap(&err, "blob: copy %s to %s", src, dst)
	if err := errors.Join(ctx.Err(), validKey(src), validKey(dst)); err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := d.link(src, dst, most)
		// Possible reasons: the object is missing; a PUT replaced it while the kernel
		// linked it, and the new one can be linked; another process removed the link as a
		// stale file; or the folder for temporary files is missing, which does not
		// change.
		if errors.Is(err, fs.ErrNotExist) && try < 100 {
			if _, statErr := d.root.Lstat(objectPath(src)); errors.Is(statErr, fs.ErrNotExist) {
				return ErrNotFound
			}
			continue
		}
		switch {
		case err == nil || errors.As(err, new(TooLarge)):
			return err
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("blob: copy: %w", err)
		}
		return d.copyBytes(ctx, src, dst, most)
	}
}

// link makes dst another name of src, unless src is larger than most.
func (d *Disk) link(src, dst string, most int64) error {
	temp := d.tempPath()
	defer d.live.Delete(temp)
	if err := d.root.Link(objectPath(src), temp); err != nil {
		return err
	}
	f, err := d.root.Open(temp)
	if err == nil {
		err = fits(f, most)
		f.Close()
	}
	if err != nil {
		d.root.Remove(temp)
		return err
	}
	return d.publish(temp, dst)
}

// fits returns TooLarge for an object of more than most bytes.
func fits(f *os.File, most int64) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	n, err := size(f, st)
	if err == nil && n > most {
		err = TooLarge{n}
	}
	return err
}

// copyBytes copies src if it cannot be linked: on a file system without links, or for a
// file with the largest number of links.
func (d *Disk) copyBytes(ctx context.Context, src, dst string, most int64) error {
	f, st, err := d.open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fits(f, most); err != nil {
		return err
	}
	claim, err := d.opts.Space.Claim(st.Size())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	defer claim.End()
	return d.make(dst, func(to *os.File) error {
		const chunk = 16 << 20
		for {
			if err := errors.Join(ctx.Err(), claim.Writing(chunk)); err != nil {
				return err
			}
			if _, err := io.CopyN(to, f, chunk); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}, nil)
}

// Delete implements Store. After it returns, a crash does not restore the object.
func (d *Disk) Delete(ctx context.Context, key string) (err error) {
	defer operation.Wrap(&err, "blob: delete %s", key)
	if err := errors.Join(ctx.Err(), validKey(key)); err != nil {
		return err
	}
	name := objectPath(key)
	err = d.root.Remove(name)
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

// tempPath returns a new name for a temporary file of this process. d.live.Delete
// unregisters it.
func (d *Disk) tempPath() string {
	temp := tempDir + "/" + strings.ToLower(rand.Text())
	d.live.Store(temp, true)
	return temp
}

// make stores as key what write puts into a file. It syncs the file and then calls ready.
// If write or ready fails, nothing stays.
func (d *Disk) make(key string, write func(*os.File) error, ready func() error) error {
	temp := d.tempPath()
	defer d.live.Delete(temp)
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return stageFailed(err)
	}
	// The file stays open until it has its name: until then its lock shows that it does
	// not belong to a killed process.
	defer f.Close()
	_ = hold(f) // without locks, its age decides
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err == nil && ready != nil {
		err = ready()
	}
	if err != nil {
		d.root.Remove(temp)
		return stageFailed(err)
	}
	return d.publish(temp, key)
}

func stageFailed(err error) error {
	if isFull(err) || errors.Is(err, space.ErrLow) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("blob: stage: %w", err)
}

// publish makes the staged file the object key, atomically and durably. It always removes
// the temporary name.
func (d *Disk) publish(temp, key string) error {
	name := objectPath(key)
	err := d.makeDir(path.Dir(name))
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	// Renaming one hard link onto another of the same file does nothing, and both stay.
	// So the temporary name is also removed after success.
	if rm := d.root.Remove(temp); err == nil && !errors.Is(rm, fs.ErrNotExist) {
		err = rm
	}
	if err == nil {
		err = d.syncDir(path.Dir(name))
	}
	if isFull(err) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("blob: publish: %w", err)
	}
	return nil
}

// shut makes a folder private to this user. A folder that was restored from a backup can
// be readable by others, with readable files in it. It does not change the group's
// permissions, which an administrator chose, or a folder of another user.
func (d *Disk) shut(dir string) {
	if info, err := d.root.Stat(dir); err == nil && info.Mode().Perm()&0o007 != 0 {
		_ = d.root.Chmod(dir, info.Mode().Perm()&^0o007)
	}
}

// makeDir creates dir and its parents, and syncs each into its own parent.
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

// Sweep implements Store: it removes unfinished files of killed processes.
func (d *Disk) Sweep(ctx context.Context) (removed int, err error) {
	defer operation.Wrap(&err, "blob: sweep the store")
	f, err := d.root.Open(tempDir)
	if err != nil {
		return removed, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return removed, err
	}
	before := d.opts.Now().Add(-staleAfter)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		temp := tempDir + "/" + e.Name()
		if _, own := d.live.Load(temp); own {
			continue
		}
		left, err := d.left(temp, before)
		if err == nil && left {
			if err = d.root.Remove(temp); err == nil {
				removed++
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // or a running process finished it
			return removed, err
		}
	}
	return removed, nil
}

// errHeld is an error of hold.
var errHeld = errors.New("blob: another process has locked the file")

// left reports whether no process writes a temporary file any more.
func (d *Disk) left(temp string, before time.Time) (bool, error) {
	f, err := d.root.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	switch err := hold(f); {
	case err == nil:
		return true, nil
	case errors.Is(err, errHeld):
		return false, nil
	}
	st, err := f.Stat()
	return err == nil && st.ModTime().Before(before), err
}

// List implements Store.
func (d *Disk) List(ctx context.Context, under string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		dir := path.Join(objectsDir, under)
		err := fs.WalkDir(d.root.FS(), dir, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // there was no object yet, or it was removed meanwhile
				return nil
			}
			if err = errors.Join(err, ctx.Err()); err != nil || !e.Type().IsRegular() || !strings.HasSuffix(name, suffix) {
				return err
			}
			key := strings.TrimSuffix(strings.TrimPrefix(name, objectsDir+"/"), suffix)
			if validKey(key) != nil { // a file of another program
				return nil
			}
			f, st, err := d.open(key)
			if errors.Is(err, ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			n, err := size(f, st)
			f.Close()
			if err == nil && !yield(Object{Key: key, Size: n, Modified: st.ModTime()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(Object{}, fmt.Errorf("blob: list: %w", err))
		}
	}
}
