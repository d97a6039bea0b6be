package blob

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"timbre.example/internal/fault"
)

// servePart receives a part.
func (d *Disk) servePart(w http.ResponseWriter, r *http.Request, g grant) {
	if r.ContentLength > g.max {
		d.refuse(w, r, tooLargePart(r.ContentLength, g))
		return
	}
	p, err := d.admit(r.Context(), g.key, fmt.Sprintf("%s.%s/%d", g.key, g.upload, g.part), r.ContentLength, g.max)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	err = d.storePart(w, r, g, p)
	p.end()
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	d.extendWrite(w, d.opts.IdleTimeout)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"size\":%d}\n", g.max)
}

func tooLargePart(size int64, g grant) error {
	return fault.RegistrationAudioTooLarge(size, g.max).With("part", g.part)
}

// storePart writes the body at its place in the file of the upload, and marks the part as
// stored. The mark of an earlier PUT goes first: while bytes change, the part is not stored.
func (d *Disk) storePart(w http.ResponseWriter, r *http.Request, g grant, p *put) error {
	dir, number := partsPath(g.key, g.upload), int(g.part)
	me, err := d.writers.enter(r.Context(), dir, number, http.NewResponseController(w))
	if err != nil { // the client has gone
		return brokenBody{err}
	}
	defer d.writers.leave(dir, number, me)
	data, lock, err := d.openPart(dir, number)
	if errors.Is(err, fs.ErrNotExist) { // complete, or aborted
		return fault.TransactionExpired("upload_url")
	} else if err != nil {
		return stageFailed(err)
	}
	defer data.Close()
	defer lock.Close()
	if err := d.unmark(dir, number); err != nil {
		return stageFailed(err)
	}

	to := io.NewOffsetWriter(data, g.offset)
	back := writeBack{f: data, begun: g.offset}
	size, err := d.pieces(w, r, &me.stopped, func(piece []byte, size int64) error {
		if size > g.max {
			return tooLargePart(size, g)
		}
		if err := p.writing(int64(len(piece))); err != nil {
			return err
		}
		if _, err := to.Write(piece); err != nil {
			return err
		}
		back.wrote(g.offset + size)
		return nil
	})
	if err == nil && size < g.max {
		err = brokenBody{io.ErrUnexpectedEOF}
	}
	if err == nil {
		err = data.Sync()
	}
	if err != nil {
		return stageFailed(err)
	}
	mark := dir + "/" + Part{Number: number, Size: size, Version: strings.ToLower(rand.Text())}.name()
	err = d.root.Rename(dir+"/"+strconv.Itoa(number)+"."+lockName, mark)
	if err == nil {
		err = d.syncDir(dir)
	}
	if errors.Is(err, fs.ErrNotExist) { // aborted meanwhile
		return fault.TransactionExpired("upload_url")
	} else if err != nil {
		return stageFailed(err)
	}
	if d.opts.LandPart == nil {
		return nil
	}
	parts, err := d.storedParts(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.TransactionExpired("upload_url")
	} else if err != nil {
		return err
	}
	var bytes int64
	for _, part := range parts {
		bytes += part.Size
	}
	if err := d.opts.LandPart(r.Context(), g.key, number, bytes); err != nil {
		_ = d.root.Remove(mark) // and if it stays, the job has ended and nothing completes it
		return err
	}
	return nil
}

// openPart opens the file of an upload and the lock of a part, and locks both. It returns
// fs.ErrNotExist when the upload is complete or aborted.
func (d *Disk) openPart(dir string, number int) (data, lock *os.File, err error) {
	if data, err = d.root.OpenFile(dir+"/"+dataName, os.O_WRONLY, 0); err != nil {
		return nil, nil, err
	}
	if err = share(data); err == nil || !errors.Is(err, errHeld) { // without locks, one process serves the folder
		err = d.current(data, dir+"/"+dataName)
	}
	name := dir + "/" + strconv.Itoa(number) + "." + lockName
	for err == nil {
		if lock, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			break
		}
		if err = hold(lock); err != nil && !errors.Is(err, errHeld) {
			err = nil
		}
		if err != nil {
			lock.Close()
			break
		}
		// Another PUT may have stored the part and so renamed the file.
		if d.current(lock, name) == nil {
			return data, lock, nil
		}
		lock.Close()
	}
	data.Close()
	if errors.Is(err, errHeld) { // by another process
		err = busy("uploads_in_flight")
	}
	return nil, nil, err
}

// unmark removes the marks of a part.
func (d *Disk) unmark(dir string, number int) error {
	parts, err := d.storedParts(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, p := range parts {
		if p.Number != number {
			continue
		}
		if err := d.root.Remove(dir + "/" + p.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return d.syncDir(dir)
}
