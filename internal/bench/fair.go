package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

// benchFair measures how five visitors of one organization slow down the quotes of
// another. The visitors upload files without sound and request quotes in a loop.
func benchFair(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "fair", func(s *server, engine string) error {
		hostile, normal := s.client("testnet"), s.client("testnet")
		other, err := s.organization(ctx)
		if err != nil {
			return err
		}
		normal.server = other
		frames, err := os.ReadFile(filepath.Join(b.root, "internal/media/testdata/bare-cbr.mp3"))
		if err != nil {
			return err
		}
		size := sized(b, 200*mib, 8*mib)
		junk := append(frames, bytes.Repeat([]byte("\xff\xfb\x90\x64\xff\xf3\x18\xc0"), size/8)...)
		file := wav(4096)
		// One quote of a small file, without its upload: milliseconds.
		quote := func() (float64, error) {
			unique(file)
			token, job, err := normal.uploaded(ctx, file)
			if err != nil {
				return 0, err
			}
			took, err := timed(func() error { return normal.prepare(ctx, token, job) })
			return took * 1000, err
		}
		quotes := func(n int) (float64, error) {
			var all []float64
			for range n {
				v, err := quote()
				if err != nil {
					return 0, err
				}
				all = append(all, v)
			}
			return median(all), nil
		}
		n := sized(b, 15, 3)
		o, f, ratio, err := pairs(sized(b, 5, 1), func() (ms float64, err error) {
			attack, end := context.WithCancel(ctx)
			var wg sync.WaitGroup
			begun := make(chan error, 5)
			for range 5 {
				wg.Go(func() {
					token, job, err := hostile.uploaded(ctx, junk)
					begun <- err
					for err == nil && attack.Err() == nil {
						if e := hostile.prepare(attack, token, job); e == nil {
							err = errors.New("junk was accepted")
						}
					}
				})
			}
			defer wg.Wait()
			defer end()
			for range 5 {
				if err := <-begun; err != nil {
					return 0, err
				}
			}
			return quotes(n)
		}, func() (float64, error) { return quotes(n) })
		if err != nil {
			return err
		}
		b.add(row{
			What: "a quote beside five hostile visitors, " + engine, Unit: "ms", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtMost(10),
			Note: fmt.Sprintf("prepare of 4 KiB of one organization while five sessions of another ask for quotes of %d MB without sound, without pause; floor: the same without the five sessions. All share the processors", size/mib),
		})
		return nil
	})
}

// uploaded takes a file through its upload.
func (c *client) uploaded(ctx context.Context, file []byte) (token, job string, err error) {
	if token, err = c.mint(ctx); err != nil {
		return "", "", err
	}
	s, err := c.init(ctx, token)
	if err == nil {
		err = c.put(ctx, s.URL, bytes.NewReader(file), int64(len(file)))
	}
	return token, s.JobID, err
}

// organization is the server as another organization than the demo's uses it.
func (s *server) organization(ctx context.Context) (*server, error) {
	db, err := store.Open(ctx, s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	org, err := account.CreateOrganization(ctx, db, audit.CommandLine(), "Another")
	if err != nil {
		return nil, err
	}
	keys, err := account.CreateKeys(ctx, db, audit.CommandLine(), org.ID, "", false)
	if err != nil {
		return nil, err
	}
	if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), org.ID, origin); err != nil {
		return nil, err
	}
	other := *s
	other.Org, other.SiteKey, other.SecretKey = org.ID, keys.SiteKey, keys.SecretKey
	return &other, nil
}
