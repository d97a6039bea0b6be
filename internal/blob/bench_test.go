package blob_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"timbre.example/internal/blob"
)

// BenchmarkPut measures a PUT over loopback HTTP against its floor: a plain synced copy
// of the same bytes (write, fsync, rename, fsync of the folder). The two take turns, so
// that a change of the disk's speed affects both. The metric of-floor is the rate of PUT
// divided by that of the floor.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{64 << 10, 5 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := serve(b, blob.Options{})
			body := bytes.Repeat([]byte("timbre"), size/6+1)[:size]
			u := s.presign(b, "bench/put", int64(size))
			floorDir := b.TempDir()
			// A bare open connection, so that the client costs only the sending.
			conn := dial(b, s, u, int64(size), false)
			conn.SetDeadline(time.Time{})
			answers := bufio.NewReader(conn)
			putOnce := func() {
				if _, err := conn.Write(body); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					b.Fatal(err)
				}
				if r := readReply(b, resp); r.status != http.StatusOK {
					b.Fatal(r)
				}
			}
			putOnce()
			var floor, own time.Duration
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				writeHead(b, conn, u, int64(size), false)
				putOnce()
				own += time.Since(start)
				b.StopTimer()
				start = time.Now()
				if err := syncedCopy(floorDir, body); err != nil {
					b.Fatal(err)
				}
				floor += time.Since(start)
				b.StartTimer()
				select {
				case <-s.done:
				default:
				}
			}
			b.ReportMetric(float64(floor)/float64(own), "of-floor")
			b.ReportMetric(float64(floor.Nanoseconds())/float64(b.N), "floor-ns/op")
		})
	}
}

func syncedCopy(dir string, body []byte) error {
	temp, name := filepath.Join(dir, "temp"), filepath.Join(dir, "object")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(body); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
