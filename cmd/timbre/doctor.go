package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/store"
)

type doctorCmd struct {
	serverFlags
	JSON bool `help:"Print JSON."`
}

// finding is one thing that was looked at.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

func (c *doctorCmd) Run(o *output) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var all []finding
	look := func(check string, err error, found, remedy string) {
		f := finding{Check: check, OK: err == nil, Found: found}
		if err != nil {
			f.Found, f.Remedy = err.Error(), remedy
		}
		all = append(all, f)
	}
	look("configuration", c.validate(), "complete", "Correct the flag or environment variable that is named.")
	root, err := readSecret(c.SecretFile, false)
	look("secret", err, "32 bytes", "Start the server once on SQLite, which makes it, or make one as said.")
	if st, err := os.Stat(c.SecretFile); err == nil {
		err = nil
		if st.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("the secret file has mode %o", st.Mode().Perm())
		}
		look("secret's permissions", err, "this user alone", "chmod 600 the file.")
	}
	c.blobs(look)
	db, err := c.existing(ctx)
	look("database", err, "answers", "Check that the database runs and that the URL is right; `timbre migrate` makes a new one.")
	if err == nil {
		defer db.Close()
		c.database(ctx, db, root, look)
	}
	failed := 0
	for _, f := range all {
		if !f.OK {
			failed++
		}
	}
	if err := o.print(c.JSON, all, func(w io.Writer) {
		for _, f := range all {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(w, "%s  %s: %s\n", mark, f.Check, f.Found)
			if f.Remedy != "" {
				fmt.Fprintf(w, "      → %s\n", f.Remedy)
			}
		}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(all))
	}
	return nil
}

func (c *doctorCmd) database(ctx context.Context, db *store.DB, root secret, look func(check string, err error, found, remedy string)) {
	pending, err := db.Pending(ctx)
	if err == nil && pending > 0 {
		err = fmt.Errorf("%d migrations behind this release", pending)
	}
	look("schema", err, "up to date", "Run `timbre migrate`.")
	if err != nil {
		return
	}
	// The two clocks meet in one question, so only a large difference means
	// something.
	skew, err := db.ClockSkew(ctx)
	if err == nil && (skew > time.Second || skew < -time.Second) {
		err = fmt.Errorf("the database's clock differs by %s", skew.Round(time.Millisecond))
	}
	look("clock", err, "agrees with the database's", "Let both machines follow a time server.")
	if root == nil {
		return
	}
	for _, name := range []network.Name{network.Testnet, network.Mainnet} {
		row, err := db.Read().GetLog(ctx, string(name))
		if errors.Is(err, sql.ErrNoRows) {
			look("network "+string(name), nil, "not begun yet", "")
			continue
		}
		if err == nil {
			_, err = netlog.Open(ctx, db, netlog.Config{Network: name, Origin: row.Origin, Key: root.key("log " + string(name))})
		}
		found := fmt.Sprintf("%s, %d entries, signed with this secret", row.Origin, row.Size)
		look("network "+string(name), err, found, "A log goes on only with the secret that began it: restore that secret file.")
	}
}

// existing opens the database, and makes none: who looks leaves nothing behind.
func (c *doctorCmd) existing(ctx context.Context) (*store.DB, error) {
	url, err := c.url()
	if err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
	}
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := db.Ping(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// blobs writes and removes a file where the store is.
func (c *doctorCmd) blobs(look func(check string, err error, found, remedy string)) {
	dir, ok := strings.CutPrefix(c.BlobURL, "file:")
	if !ok || dir == "" { // told with the configuration
		return
	}
	const remedy = "Make the directory writable for this user, and see that the disk is not full."
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		name := filepath.Join(dir, ".doctor")
		err = errors.Join(os.WriteFile(name, []byte("x"), 0o600), os.Remove(name))
	}
	found := "writable"
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%s is not writable: %w", dir, err)
	}
	look("object store", err, found, remedy)
}
