package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"timbre.example/widget"
)

// benchWidget weighs what a page loads, as the server sends it to a browser that takes brotli.
func benchWidget(_ context.Context, b *bench) error {
	sum := 0
	for _, part := range []struct {
		files []string
		what  string
		most  float64
	}{
		{[]string{"ats-widget.iife.js"}, "before a person touches the widget", 12.288},
		{[]string{"ats-widget-rest.js", "ats-widget-file.js"}, "for one registration, that included", 32.768},
	} {
		for _, name := range part.files {
			n := len(widget.Packed(name, "br"))
			if n == 0 {
				return fmt.Errorf("%s is not packed: run `go run ./widget/build`", name)
			}
			sum += n
		}
		b.add(row{What: "widget, brotli", Unit: "KB", Ours: float64(sum) / 1000, Goal: oursAtMost(part.most), Note: part.what})
	}
	return nil
}

// benchStart measures the idle binary: its size, its start time, and the memory
// and processor time that it uses without requests.
func benchStart(ctx context.Context, b *bench) error {
	st, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.add(row{What: "binary size", Unit: "MB", Ours: float64(st.Size()) / 1e6, Note: "stripped, static, widget and demo inside"})
	dir := filepath.Join(b.dir, "start")
	version := func() (float64, error) {
		return timed(func() error { return exec.CommandContext(ctx, b.binary, "--version").Run() })
	}
	var first, idle float64
	again := func() (float64, error) {
		s, err := b.start(ctx, dir, time.Second, "")
		if err != nil {
			return 0, err
		}
		if idle == 0 {
			// A second's rest: nothing happens that could be waited for.
			select {
			case <-time.After(sized(b, 5*time.Second, time.Second)):
			case <-ctx.Done():
			}
			if now, _, err := s.memory(); err == nil {
				idle = float64(now) / mib
			}
		}
		return s.ready.Seconds() * 1000, s.stop()
	}
	if first, err = again(); err != nil {
		return err
	}
	ours, floor, ratio, err := pairs(sized(b, 9, 2), again, func() (float64, error) { v, err := version(); return v * 1000, err })
	if err != nil {
		return err
	}
	b.add(row{What: "start to ready, SQLite", Unit: "ms", Ours: ours, Floor: floor, Ratio: ratio, Note: fmt.Sprintf("exec to 200 of /healthz; floor: timbre --version; at first start, which makes the database, %.0f ms", first)})
	if idle == 0 {
		b.skip("idle memory", "needs /proc")
		return nil
	}
	b.add(row{What: "idle memory, SQLite demo", Unit: "MiB", Ours: idle, Note: "resident, a few seconds after its first start"})
	return nil
}

// benchPrepare measures the one pass over an upload against hashing alone.
func benchPrepare(ctx context.Context, b *bench) error {
	size := sized(b, int64(500*mib), 20*mib)
	what := fmt.Sprintf("prepare of %d MB", size/mib)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		b.skip(what, "openssl is not installed")
		return nil
	}
	path := filepath.Join(b.dir, "prepare.wav")
	if err := noiseFile(path, size); err != nil {
		return err
	}
	defer os.Remove(path)
	s, err := b.start(ctx, filepath.Join(b.dir, "prepare"), blockTime, "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	token, err := c.mint(ctx)
	if err != nil {
		return err
	}
	to, err := c.init(ctx, token)
	if err != nil {
		return err
	}
	var growth float64
	ours := func() (float64, error) {
		// After a new upload, prepare reads the file again.
		f, err := os.Open(path)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if err := c.put(ctx, to.URL, f, size); err != nil {
			return 0, err
		}
		before, _, _ := s.memory()
		s.resetPeak()
		took, err := timed(func() error { return c.prepare(ctx, token, to.JobID) })
		if _, peak, merr := s.memory(); merr == nil {
			growth = max(growth, float64(peak-before)/mib)
		}
		return took * 1000, err
	}
	floor := func() (float64, error) {
		took, err := timed(func() error { return exec.CommandContext(ctx, openssl, "dgst", "-sha256", path).Run() })
		return took * 1000, err
	}
	if _, err := floor(); err != nil { // brings the file into memory
		return err
	}
	o, f, ratio, err := pairs(sized(b, 7, 2), ours, floor)
	if err != nil {
		return err
	}
	b.add(row{What: what, Unit: "ms", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtMost(1.3), Note: "whole HTTP call on a WAV file; floor: openssl dgst -sha256; both files in the page cache"})
	b.add(row{What: what + ": memory growth", Unit: "MiB", Ours: growth, Goal: oursAtMost(32), Note: "highest of all rounds: peak resident during the call less resident before it"})
	return nil
}

func noiseFile(path string, size int64) error {
	chunk := wav(4 * mib)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(wavHeader(size))
	for left := size - 44; left > 0 && err == nil; left -= int64(len(chunk)) {
		unique(chunk)
		_, err = f.Write(chunk[:min(left, int64(len(chunk)))])
	}
	return errors.Join(err, f.Close())
}

// benchPut measures uploads against writing the same bytes to the same disk
// just as durably.
func benchPut(ctx context.Context, b *bench) error {
	s, err := b.start(ctx, filepath.Join(b.dir, "put"), blockTime, "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	dir := filepath.Join(b.dir, "put", "floor")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, x := range []struct {
		what        string
		size        int
		full, quick int // pairs
		goal        float64
	}{{"64 KiB", 64 << 10, 400, 20, 0.7}, {"5 MB", 5 << 20, 60, 4, 0.75}, {"100 MB", 100 << 20, 9, 1, 0.95}} {
		token, err := c.mint(ctx)
		if err != nil {
			return err
		}
		to, err := c.init(ctx, token)
		if err != nil {
			return err
		}
		u, err := newUploader(ctx, to.URL)
		if err != nil {
			return err
		}
		body := wav(x.size)
		perSecond := func(f func() error) func() (float64, error) {
			return func() (float64, error) {
				took, err := timed(f)
				return float64(x.size) / 1e6 / took, err
			}
		}
		ours, floor := perSecond(func() error { return u.put(body) }), perSecond(func() error { return syncedCopy(dir, body) })
		if _, _, _, err = pairs(1, ours, floor); err == nil { // the first makes folders and connections
			var o, f, ratio float64
			if o, f, ratio, err = pairs(sized(b, x.full, x.quick), ours, floor); err == nil {
				b.add(row{What: "PUT of " + x.what, Unit: "MB/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(x.goal), Note: "one client, one kept connection; floor: write, fsync, rename, fsync of the folder"})
			}
		}
		if err = errors.Join(err, u.conn.Close()); err != nil {
			return err
		}
	}
	return nil
}

// benchParts measures an upload of 500 MB in parts against one PUT of the same bytes to the
// same server.
func benchParts(ctx context.Context, b *bench) error {
	s, err := b.start(ctx, filepath.Join(b.dir, "parts"), blockTime, "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	size := 500 << 20
	if b.quick {
		size = 40 << 20
	}
	body := wav(size)
	begin := func() (token string, to slot, err error) {
		if token, err = c.mint(ctx); err != nil {
			return "", to, err
		}
		to, err = c.init(ctx, token)
		return token, to, err
	}
	// The uploads of a round are removed, so that the disk need not hold all rounds.
	rate := func(took float64, err error) (float64, error) {
		files, globErr := filepath.Glob(filepath.Join(b.dir, "parts", "blobs", "objects", "uploads", "*"))
		err = errors.Join(err, globErr)
		for _, name := range files {
			err = errors.Join(err, os.Remove(name))
		}
		return float64(size) / 1e6 / took, err
	}
	for _, x := range []struct {
		what, note string
		then       func(ctx context.Context, token, job string) error
		goal       bool
	}{
		{"upload of 500 MB in parts", "without prepare; the server reads the parts for their hash meanwhile, the floor does not", func(context.Context, string, string) error { return nil }, true},
		{"… until the price", "with prepare, which reads the file of the floor", c.prepare, false},
	} {
		ours := func() (float64, error) {
			token, to, err := begin()
			if err != nil {
				return 0, err
			}
			return rate(timed(func() error {
				if err := c.putParts(ctx, token, to.JobID, body); err != nil {
					return err
				}
				return x.then(ctx, token, to.JobID)
			}))
		}
		floor := func() (float64, error) {
			token, to, err := begin()
			if err != nil {
				return 0, err
			}
			return rate(timed(func() error {
				if err := c.put(ctx, to.URL, bytes.NewReader(body), int64(size)); err != nil {
					return err
				}
				return x.then(ctx, token, to.JobID)
			}))
		}
		unique(body)
		o, f, ratio, err := pairs(sized(b, 5, 1), ours, floor)
		if err != nil {
			return err
		}
		r := row{What: x.what, Unit: "MB/s", Ours: o, Floor: f, Ratio: ratio, Note: "4 parts at a time; floor: one PUT of the same bytes to the same server; " + x.note}
		if x.goal {
			r.Goal = ratioAtLeast(0.8)
		}
		b.add(r)
	}
	return nil
}

// uploader PUTs on a bare connection, so that the client costs what sending
// costs.
type uploader struct {
	conn    net.Conn
	answers *bufio.Reader
	url     *neturl.URL
}

func newUploader(ctx context.Context, to string) (*uploader, error) {
	u, err := neturl.Parse(to)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &uploader{conn, bufio.NewReader(conn), u}, nil
}

func (u *uploader) put(body []byte) error {
	if err := u.conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return err
	}
	head := fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n", u.url.RequestURI(), u.url.Host, len(body))
	both := net.Buffers{head, body}
	if _, err := both.WriteTo(u.conn); err != nil {
		return err
	}
	res, err := http.ReadResponse(u.answers, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT: %s: %s", res.Status, text)
	}
	return err
}
