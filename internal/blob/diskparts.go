package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/operation"
)

// An upload in parts has the folder parts/KEY.ID. Its file "data" becomes the object: every
// part is written at its own place in it, so nothing is copied at the end, and the bytes
// need their space once. For each part that is stored, the folder has an empty file
// NUMBER.SIZE.TOKEN, which is made after the bytes are synced. The token differs for each
// PUT.
//
// A PUT of a part holds two locks, which end with its process: NUMBER.lock for itself, and a
// shared one of "data". CompleteParts needs "data" for itself. So no late PUT writes into an
// object that readers see. On a system without file locks, this holds within one process.

const (
	dataName = "data"
	lockName = "lock"
)

func partsPath(key, id string) string { return partsDir + "/" + key + "." + id }

// BeginParts implements Store.
func (d *Disk) BeginParts(ctx context.Context, key string) (id string, err error) {
	defer operation.Wrap(&err, "blob: begin an upload of %s in parts", key)
	if err := errors.Join(ctx.Err(), validKey(key)); err != nil {
		return "", err
	}
	id = newID(d.opts.Now())
	dir := partsPath(key, id)
	if err := d.makeDir(dir); err != nil {
		return "", stageFailed(err)
	}
	f, err := d.root.OpenFile(dir+"/"+dataName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), d.syncDir(dir))
	}
	if err != nil {
		_ = d.root.RemoveAll(dir) // the sweep removes what is left
		return "", stageFailed(err)
	}
	return id, nil
}

// PresignPart implements Store.
func (d *Disk) PresignPart(_ context.Context, m Multipart, number int, expires time.Time) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign a URL of part %d of %s", number, m.Key)
	if err := m.valid(); err != nil {
		return "", err
	}
	if m.SizeOf(number) == 0 {
		return "", fmt.Errorf("blob: there are %d parts", m.Count())
	}
	return d.url(grant{
		method: http.MethodPut, key: m.Key, expires: ceilUnix(expires), max: m.SizeOf(number), upload: m.ID, part: int64(number), offset: m.offset(number),
	}), nil
}

// storedPart reads the name of the file that a stored part has.
func storedPart(name string) (p Part, ok bool) {
	words := strings.Split(name, ".")
	if len(words) != 3 {
		return p, false
	}
	number, err := strconv.Atoi(words[0])
	size, sizeErr := strconv.ParseInt(words[1], 10, 64)
	return Part{Number: number, Size: size, Version: words[2]}, err == nil && sizeErr == nil
}

func (p Part) name() string { return fmt.Sprintf("%d.%d.%s", p.Number, p.Size, p.Version) }

// storedParts returns the stored parts in the folder of an upload, by number.
func (d *Disk) storedParts(dir string) ([]Part, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, name := range names {
		if p, ok := storedPart(name); ok {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b Part) int { return a.Number - b.Number })
	return parts, nil
}

// ListParts implements Store.
func (d *Disk) ListParts(ctx context.Context, m Multipart) (_ []Part, err error) {
	defer operation.Wrap(&err, "blob: list the parts of %s", m.Key)
	if err := errors.Join(ctx.Err(), m.valid()); err != nil {
		return nil, err
	}
	dir := partsPath(m.Key, m.ID)
	if _, err := d.root.Stat(dir + "/" + dataName); err != nil {
		return nil, missing(err)
	}
	parts, err := d.storedParts(dir)
	return parts, missing(err)
}

// missing is ErrNotFound for a file that does not exist.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// OpenPart implements Store.
func (d *Disk) OpenPart(ctx context.Context, m Multipart, number int) (_ io.ReadCloser, _ Part, err error) {
	defer operation.Wrap(&err, "blob: open part %d of %s", number, m.Key)
	parts, err := d.ListParts(ctx, m)
	if err != nil {
		return nil, Part{}, err
	}
	i := slices.IndexFunc(parts, func(p Part) bool { return p.Number == number })
	if i < 0 {
		return nil, Part{}, ErrNotFound
	}
	f, err := d.root.Open(partsPath(m.Key, m.ID) + "/" + dataName)
	if err != nil {
		return nil, Part{}, missing(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, m.offset(number), parts[i].Size), f}, parts[i], nil
}

// CompleteParts implements Store: the file of the parts becomes the object.
func (d *Disk) CompleteParts(ctx context.Context, m Multipart) (_ []Part, err error) {
	defer operation.Wrap(&err, "blob: complete %s", m.Key)
	if err := errors.Join(ctx.Err(), m.valid()); err != nil {
		return nil, err
	}
	dir := partsPath(m.Key, m.ID)
	data, err := d.ownData(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := d.Stat(ctx, m.Key); err != nil {
			return nil, err
		} else if info.Size != m.Size {
			return nil, ErrNotFound
		}
		_ = d.root.RemoveAll(dir) // a killed process may have left it; the sweep removes it too
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer data.Close()
	parts, err := d.storedParts(dir)
	if err == nil {
		err = m.check(parts)
	}
	if err != nil {
		return nil, err
	}
	if st, err := data.Stat(); err != nil || st.Size() != m.Size {
		return nil, fmt.Errorf("blob: the parts of %d bytes have a file of another size (%v)", m.Size, err)
	}
	name := objectPath(m.Key)
	err = d.makeDir(path.Dir(name))
	if err == nil {
		err = d.root.Rename(dir+"/"+dataName, name)
	}
	if err == nil {
		err = d.syncDir(path.Dir(name))
	}
	if err != nil {
		return nil, stageFailed(err)
	}
	_ = d.root.RemoveAll(dir)
	return parts, nil
}

// ownData opens the file of an upload alone. Running PUTs of its parts end first:
// they are late copies of parts that are stored.
func (d *Disk) ownData(dir string) (*os.File, error) {
	for try := 0; ; try++ {
		f, err := d.root.OpenFile(dir+"/"+dataName, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		switch err := hold(f); {
		case errors.Is(err, errHeld) && try == 0:
			f.Close()
			d.writers.endAll(dir)
			continue
		case errors.Is(err, errHeld): // by another process
			f.Close()
			return nil, busy("uploads_in_flight")
		case err != nil: // no locks on this system
			d.writers.endAll(dir)
		}
		if err := d.current(f, dir+"/"+dataName); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

// current returns fs.ErrNotExist when name is not the file f any more.
func (d *Disk) current(f *os.File, name string) error {
	now, err := d.root.Stat(name)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !os.SameFile(st, now) {
		err = fs.ErrNotExist
	}
	return err
}

// AbortParts implements Store. The bytes of a PUT that is still running go with its file.
func (d *Disk) AbortParts(ctx context.Context, m Multipart) (err error) {
	defer operation.Wrap(&err, "blob: abort the upload of %s", m.Key)
	if err := errors.Join(ctx.Err(), validKey(m.Key)); err != nil {
		return err
	}
	if !validID(m.ID) { // of another store
		return nil
	}
	dir := partsPath(m.Key, m.ID)
	if err := d.root.RemoveAll(dir); err != nil {
		return err
	}
	d.writers.endAll(dir)
	if err := d.syncDir(path.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// UnfinishedParts implements Store.
func (d *Disk) UnfinishedParts(ctx context.Context, under string) iter.Seq2[Unfinished, error] {
	return func(yield func(Unfinished, error) bool) {
		entries, err := fs.ReadDir(d.root.FS(), partsDir+"/"+under)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(Unfinished{}, fmt.Errorf("blob: list: %w", err))
			return
		}
		for _, e := range entries {
			name, id, _ := strings.Cut(e.Name(), ".")
			u := Unfinished{Key: under + "/" + name, ID: id}
			if !e.IsDir() || !validID(id) || validKey(u.Key) != nil { // of another program
				continue
			}
			u.Begun = begunAt(id)
			parts, err := d.storedParts(partsPath(u.Key, id))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			for _, p := range parts {
				u.Bytes += p.Size
			}
			if err = errors.Join(err, ctx.Err()); !yield(u, err) || err != nil {
				return
			}
		}
	}
}
