package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A meter reads what a server and its database used since they started.
type meter struct {
	s  *server
	db *sql.DB
	// postgres is false for SQLite, whose work is the server's own.
	postgres bool
}

// usage is one reading.
type usage struct {
	server, database, clients time.Duration // processor time
	commits, wal, syncs       float64
	requests                  float64
	stored, certificates      float64 // bytes of the database; certificates that exist
}

func (m *meter) read(ctx context.Context) (u usage, err error) {
	u.server = m.s.processor()
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return u, err
	}
	u.clients = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	if err := m.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM versions WHERE certificate_key <> ''").Scan(&u.certificates); err != nil {
		return u, err
	}
	if m.postgres {
		var backend int
		// Only transactions that write are counted.
		err = m.db.QueryRowContext(ctx, `SELECT pg_backend_pid(), CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT),
			pg_current_wal_insert_lsn() - '0/0', (SELECT wal_sync FROM pg_stat_wal), pg_database_size(current_database())`).Scan(&backend, &u.commits, &u.wal, &u.syncs, &u.stored)
		if err == nil {
			u.database, err = family(backend)
		}
	} else {
		path := strings.TrimPrefix(m.s.DatabaseURL, "sqlite:")
		var commits int64
		if commits, err = walCommits(path + "-shm"); err == nil {
			u.commits = float64(commits)
			var info os.FileInfo
			if info, err = os.Stat(path); err == nil {
				u.stored = float64(info.Size())
			}
		}
	}
	if err != nil {
		return u, err
	}
	u.requests, err = m.scraped(ctx, `(?m)^timbre_requests_total\{[^}]*\} (\S+)$`)
	return u, err
}

// since is what was used between two readings, without what an idle server uses in so many
// seconds.
func (u usage) since(before, idle usage, seconds float64) usage {
	rest := func(after, before, idle float64) float64 { return max(0, after-before-idle*seconds) }
	cpu := func(after, before, idle time.Duration) time.Duration {
		return time.Duration(rest(float64(after), float64(before), float64(idle)))
	}
	return usage{
		server: cpu(u.server, before.server, idle.server), database: cpu(u.database, before.database, idle.database), clients: cpu(u.clients, before.clients, idle.clients),
		commits: rest(u.commits, before.commits, idle.commits), wal: rest(u.wal, before.wal, idle.wal), syncs: rest(u.syncs, before.syncs, idle.syncs),
		requests: rest(u.requests, before.requests, idle.requests), stored: rest(u.stored, before.stored, 0), certificates: rest(u.certificates, before.certificates, 0),
	}
}

// by is the share of one of n.
func (u usage) by(n float64) usage {
	return usage{
		server: time.Duration(float64(u.server) / n), database: time.Duration(float64(u.database) / n), clients: time.Duration(float64(u.clients) / n),
		commits: u.commits / n, wal: u.wal / n, syncs: u.syncs / n, requests: u.requests / n, stored: u.stored / n, certificates: u.certificates / n,
	}
}

// scraped is the sum of the metrics that match.
func (m *meter) scraped(ctx context.Context, pattern string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.s.URL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	for _, found := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		v, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// family is the processor time of a Postgres server: its living processes and those that
// have ended. pid is one of its processes.
func family(pid int) (time.Duration, error) {
	stat := func(pid int) (parent int, own, ended time.Duration, err error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, 0, 0, err
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		var n [4]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(fields[11+i], 10, 64)
		}
		parent, err = strconv.Atoi(fields[1])
		return parent, time.Duration(n[0]+n[1]) * 10 * time.Millisecond, time.Duration(n[2]+n[3]) * 10 * time.Millisecond, err
	}
	postmaster, _, _, err := stat(pid)
	if err != nil {
		return 0, err
	}
	_, sum, ended, err := stat(postmaster)
	if err != nil {
		return 0, err
	}
	sum += ended
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		// A process that ended meanwhile is counted by its parent.
		if parent, own, _, err := stat(child); err == nil && parent == postmaster {
			sum += own
		}
	}
	return sum, nil
}

// certified waits until every version has its certificate.
func (m *meter) certified(ctx context.Context) error {
	for {
		var waiting int
		if err := m.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM versions WHERE certificate_key = ''").Scan(&waiting); err != nil || waiting == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond): // the database gives no signal
		}
	}
}

// benchCost measures what one registration uses, in the units of docs/capacity.md. It has no
// floor: these are the inputs of the simulation in internal/bench/capacity.
//
// A registration with a small recording is measured until it is final, and its certificate
// by itself, after all are final. A larger recording gives the cost of each further MiB.
func benchCost(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "cost", func(s *server, engine string) error {
		m := &meter{s: s, postgres: engine == "Postgres"}
		var err error
		if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok {
			m.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
		} else {
			m.db, err = sql.Open("pgx", s.DatabaseURL)
		}
		if err != nil {
			return err
		}
		defer m.db.Close()
		c := s.client("testnet")
		put := func(what, unit string, v float64, note string) {
			b.add(row{What: what + ", " + engine, Unit: unit, Ours: v, Note: note})
		}
		n := sized(b, 400, 32)
		// The server also polls while it waits. This is subtracted, by time.
		var idle usage // a second
		// measure registers n recordings and returns what one used until it was final.
		measure := func(size, n int) (each usage, per float64, err error) {
			load := newLoad(c, size)
			before, err := m.read(ctx)
			if err != nil {
				return each, 0, err
			}
			begun := time.Now()
			err = together(ctx, clients, func(ctx context.Context, i int) error {
				for range n / clients {
					unique(load.files[i])
					id, err := c.register(ctx, load.files[i])
					if err == nil {
						err = c.final(ctx, id)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return each, 0, err
			}
			took := time.Since(begun).Seconds()
			after, err := m.read(ctx)
			done := float64(n / clients * clients)
			return after.since(before, idle, took).by(done), done / took, err
		}
		ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }

		if _, _, err := measure(4<<10, n/4); err != nil { // warms up
			return err
		}
		if err := m.certified(ctx); err != nil {
			return err
		}
		still, err := m.read(ctx)
		if err != nil {
			return err
		}
		pause := sized(b, 5*time.Second, 500*time.Millisecond)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		rested, err := m.read(ctx)
		if err != nil {
			return err
		}
		idle = rested.since(still, usage{}, 0).by(pause.Seconds())
		small, rate, err := measure(64<<10, n)
		if err != nil {
			return err
		}
		// The certificates that are left, alone.
		before, err := m.read(ctx)
		if err != nil {
			return err
		}
		begun := time.Now()
		if err := m.certified(ctx); err != nil {
			return err
		}
		took := time.Since(begun).Seconds()
		after, err := m.read(ctx)
		if err != nil {
			return err
		}
		left := after.certificates - before.certificates
		if left < 1 { // only a quick run has so few
			b.skip("cost, "+engine, "all certificates were made before one could be measured alone")
			return nil
		}
		certificate := after.since(before, idle, took).by(left)
		alone := small.certificates // certificates that were made meanwhile, for each registration
		large, _, err := measure(4<<20, n/2)
		if err != nil {
			return err
		}
		if err := m.certified(ctx); err != nil {
			return err
		}
		further := 4 - 1.0/16
		perMiB := (ms(large.server) - large.certificates*ms(certificate.server)) - (ms(small.server) - alone*ms(certificate.server))

		put("registration: processor of the server", "ms", ms(small.server)-alone*ms(certificate.server), fmt.Sprintf("until final, 64 KiB; %d of %d clients at %.0f a second", clients, clients, rate))
		put("registration: processor of the database", "ms", ms(small.database)-alone*ms(certificate.database), "all processes of Postgres; that of SQLite is the server's")
		put("registration: processor of the client", "ms", ms(small.clients), "the program that measures")
		put("registration: each further MiB", "ms", max(0, perMiB/further), "processor of the server: the PUT and the hash, uploads in a folder")
		put("registration: commits", "", small.commits-alone*certificate.commits, "")
		put("registration: write-ahead log", "bytes", small.wal-alone*certificate.wal, "0: not measured on SQLite")
		put("registration: syncs of the write-ahead log", "", small.syncs, "commits of 16 clients share them; 0: not measured on SQLite")
		put("registration: growth of the database", "bytes", small.stored, "with its certificate's row; vacuum and checkpoints may come later")
		put("registration: HTTP requests", "", small.requests, "without those to a bucket")
		put("certificate: processor of the server", "ms", ms(certificate.server), fmt.Sprintf("%.0f of them alone", left))
		put("certificate: processor of the database", "ms", ms(certificate.database), "")
		put("certificate: write-ahead log", "bytes", certificate.wal, "")
		put("idle: processor of the server", "ms", ms(idle.server), "a second")
		put("idle: processor of the database", "ms", ms(idle.database), "a second")
		size, count, err := folder(filepath.Join(s.dir, "blobs", "objects", "certificates"))
		if err != nil {
			return err
		}
		put("certificate: file", "bytes", size/count, "")

		// A read that everybody may make.
		reads := sized(b, 2000, 100)
		for _, page := range []struct{ what, path string }{{"a work's page", "/w/testnet/1"}, {"a hash tile of the log", "/log/testnet/tile/0/000"}} {
			before, err := m.read(ctx)
			if err != nil {
				return err
			}
			path := page.path
			if strings.Contains(path, "/tile/") { // a partial one, unless the log is large
				path += ".p/16"
			}
			err = together(ctx, clients, func(ctx context.Context, _ int) error {
				for range reads / clients {
					if err := page200(ctx, c, path); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			after, err := m.read(ctx)
			if err != nil {
				return err
			}
			done := float64(reads / clients * clients)
			put("read: "+page.what+", server", "ms", ms(after.server-before.server)/done, page.path)
			put("read: "+page.what+", database", "ms", ms(after.database-before.database)/done, page.path)
		}
		return nil
	})
}

// page200 reads a public page.
func page200(ctx context.Context, c *client, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return nil
}

// folder is the size of the files below dir in bytes, and their number.
func folder(dir string) (size, count float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size, count = size+float64(info.Size()), count+1
		}
		return err
	})
	return size, count, err
}
