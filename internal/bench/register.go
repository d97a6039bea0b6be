package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// benchRegister measures `timbre register` of a folder against the bench's own clients, which register as many songs: the
// command reads and hashes each file and keeps a journal, and shares the machine with the server as the clients do.
func benchRegister(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp(b.dir, "register-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := b.start(ctx, filepath.Join(dir, "server"), blockTime, "")
	if err != nil {
		return err
	}
	defer s.stop()
	const size = 5 << 20
	n := sized(b, b.songs, 4)
	load := newLoad(s.client("testnet"), size)
	if _, _, err := load.run(ctx, sized(b, time.Second, 100*time.Millisecond)); err != nil { // warms up
		return err
	}
	folder := filepath.Join(dir, "songs")
	var most int64                                    // memory of the command
	var hashing []float64                             // clients that hash their songs, too
	var command, ownServer, own, server time.Duration // processor times
	o, f, ratio, err := pairs(sized(b, b.rounds, 1), func() (float64, error) {
		if err := b.writeSongs(folder, n, size); err != nil {
			return 0, err
		}
		if err := b.forgetRecordings(s); err != nil {
			return 0, err
		}
		before := s.processor()
		took, peak, used, err := b.registerFolder(ctx, s, folder)
		most, command, ownServer = max(most, peak), command+used, ownServer+s.processor()-before
		return float64(n) / took, err
	}, func() (float64, error) {
		if err := b.forgetRecordings(s); err != nil {
			return 0, err
		}
		before, mine := s.processor(), processorOf()
		took, err := timed(func() error { return load.count(ctx, n, false) })
		if err != nil {
			return 0, err
		}
		own, server = own+processorOf()-mine, server+s.processor()-before
		if err := b.forgetRecordings(s); err != nil {
			return 0, err
		}
		tookToo, err := timed(func() error { return load.count(ctx, n, true) })
		hashing = append(hashing, float64(n)/tookToo)
		return float64(n) / took, err
	})
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(n*sized(b, b.rounds, 1)) }
	b.add(row{
		What: "timbre register of 5 MB, SQLite", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.9),
		Note: fmt.Sprintf("a folder of %d files, with hashes and a journal; floor: the bench's %d clients with as many songs; processor time of a song: the command %.1f ms and the server %.1f, the clients %.1f and the server %.1f; the command's memory at most %d MiB",
			n, clients, each(command), each(ownServer), each(own), each(server), most/mib),
	})
	b.add(row{
		What: "… and clients that hash, too", Unit: "/s", Ours: o, Floor: median(hashing),
		Note: "floor: the clients also compute the SHA-256 of each song, which the command sends and compares",
	})
	return nil
}

// benchRegisterMany compares the memory of the command for many small files with that for a few.
func benchRegisterMany(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp(b.dir, "register-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := b.start(ctx, filepath.Join(dir, "server"), blockTime, "")
	if err != nil {
		return err
	}
	defer s.stop()
	var peaks [2]float64
	few, many := sized(b, 100, 4), sized(b, 10_000, 8)
	var took float64
	for i, n := range []int{few, many} {
		folder := filepath.Join(dir, fmt.Sprint("small-", n))
		err := b.writeSongs(folder, n, 8<<10)
		if err != nil {
			return err
		}
		var peak int64
		if took, peak, _, err = b.registerFolder(ctx, s, folder); err != nil {
			return err
		}
		peaks[i] = float64(peak) / mib
	}
	b.add(row{
		What: fmt.Sprintf("timbre register: memory for %d files", many), Unit: "MiB", Ours: peaks[1], Floor: peaks[0],
		Note: fmt.Sprintf("peak resident; floor: the same for %d files; files of 8 KiB, %.0f a second", few, float64(many)/took),
	})
	return nil
}

// writeSongs makes the files of a folder new ones: a few bytes of each change, so that little is written to the disk when the
// clock starts. Earlier writes are on the disk then, and the journal is gone.
func (b *bench) writeSongs(folder string, n, size int) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(folder, "timbre-register.testnet.journal")); err != nil {
		return err
	}
	song := wav(size)
	round := time.Now().UnixNano()
	old, err := filepath.Glob(filepath.Join(folder, "*.wav"))
	if err != nil {
		return err
	}
	for i := range n {
		unique(song)
		// The title is the name of the file, and no title is registered twice.
		path := filepath.Join(folder, fmt.Sprintf("round %d song %d.wav", round, i))
		if i < len(old) {
			if err := os.Rename(old[i], path); err != nil {
				return err
			}
			if err := change(path, song[44:76], 44); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, song, 0o600); err != nil {
			return err
		}
	}
	b.settle()
	return nil
}

// settle waits until the disk has nothing to write.
func (b *bench) settle() {
	if !b.quick {
		syscall.Sync()
	}
}

// change writes some bytes of a file.
func change(path string, text []byte, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(text, at); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// forgetRecordings makes room on the disk: it removes the recordings of works that are final, which no call of the bench
// reads, and waits until the disk has nothing to write.
func (b *bench) forgetRecordings(s *server) error {
	// An upload is one more name of its recording for some minutes.
	assets, err := filepath.Glob(filepath.Join(s.dir, "blobs", "objects", "assets", "*", "*"))
	if err != nil {
		return err
	}
	uploads, err := filepath.Glob(filepath.Join(s.dir, "blobs", "objects", "uploads", "*"))
	if err != nil {
		return err
	}
	for _, path := range append(assets, uploads...) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	b.settle()
	return nil
}

// processorOf returns how much processor time this process has used.
func processorOf() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// registerFolder runs the command for a folder. It returns the seconds, the peak of its memory in bytes, and its processor time.
func (b *bench) registerFolder(ctx context.Context, s *server, folder string) (took float64, peak int64, used time.Duration, err error) {
	cmd := exec.CommandContext(ctx, b.binary, "register", folder, "--url", s.URL, "--network", "testnet", "--title-from-name",
		"--creator", "Ada Example <ada@example.org>", "--roles", "author,composer", "--parallel", fmt.Sprint(clients))
	cmd.Env = append(os.Environ(), "TIMBRE_API_KEY="+s.APIKey)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	took, err = timed(func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan struct{})
		var watching sync.WaitGroup
		// The usage of an ended process includes the memory of its parent before exec. So its peak is read while it runs.
		watching.Go(func() {
			t := time.NewTicker(20 * time.Millisecond)
			defer t.Stop()
			for {
				if _, now, err := memoryOf(cmd.Process.Pid); err == nil {
					peak = max(peak, now)
				}
				select {
				case <-t.C:
				case <-ended:
					return
				}
			}
		})
		err := cmd.Wait()
		close(ended)
		watching.Wait()
		return err
	})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("timbre register: %w\n%s", err, said.String())
	}
	return took, peak, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// count registers n songs with all clients, and returns when the last one is final. With hash, they hash each song first.
func (l *load) count(ctx context.Context, n int, hash bool) error {
	var begun atomic.Int64
	slots := make(chan struct{}, followers)
	return together(ctx, clients, func(ctx context.Context, i int) error {
		var waiting sync.WaitGroup
		defer waiting.Wait()
		failed := make(chan error, 1)
		for begun.Add(1) <= int64(n) {
			unique(l.files[i])
			if hash {
				_ = sha256.Sum256(l.files[i])
			}
			id, err := l.c.register(ctx, l.files[i])
			if err != nil {
				return err
			}
			slots <- struct{}{}
			waiting.Go(func() {
				defer func() { <-slots }()
				if err := l.c.final(ctx, id); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		waiting.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	})
}
