package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// benchRegister measures `timbre register` of a folder against the bench's own clients: the command hashes each file, keeps a
// journal, and shares the machine with the server as the clients do.
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
	songs := sized(b, 100, 4)
	load := newLoad(s.client("testnet"), size)
	turn := sized(b, 5*time.Second, 300*time.Millisecond)
	if _, _, err := load.run(ctx, turn/5); err != nil { // warms up
		return err
	}
	var most int64 // memory of the command
	round := 0
	o, f, ratio, err := pairs(sized(b, 5, 1), func() (float64, error) {
		round++
		folder := filepath.Join(dir, fmt.Sprint("songs-", round))
		if err := os.Mkdir(folder, 0o700); err != nil {
			return 0, err
		}
		defer os.RemoveAll(folder)
		file := wav(size)
		for i := range songs {
			unique(file)
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("round %d song %d.wav", round, i)), file, 0o600); err != nil {
				return 0, err
			}
		}
		cmd := exec.CommandContext(ctx, b.binary, "register", folder, "--url", s.URL, "--network", "testnet", "--title-from-name",
			"--creator", "Ada Example <ada@example.org>", "--roles", "author,composer", "--parallel", fmt.Sprint(clients))
		cmd.Env = append(os.Environ(), "TIMBRE_API_KEY="+s.APIKey)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		took, err := timed(cmd.Run)
		if err != nil {
			return 0, fmt.Errorf("timbre register: %w\n%s", err, said.String())
		}
		most = max(most, peakOf(cmd.ProcessState))
		return float64(songs) / took, nil
	}, func() (float64, error) {
		perSecond, _, err := load.run(ctx, turn)
		return perSecond, err
	})
	if err != nil {
		return err
	}
	b.add(row{
		What: "timbre register of 5 MB, SQLite", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.9),
		Note: fmt.Sprintf("folders of %d files, with hashes and a journal; floor: the bench's %d clients; the command's memory at most %d MiB", songs, clients, most>>20),
	})
	return nil
}

// peakOf is the most memory that an ended process had, in bytes, as Linux counts it.
func peakOf(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return int64(u.Maxrss) << 10
	}
	return 0
}
