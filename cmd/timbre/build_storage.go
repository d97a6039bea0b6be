package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"timbre.example/internal/blob"
	"timbre.example/internal/crash"
	"timbre.example/internal/network"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
)

// storage is what a process keeps, and the secret that all its keys come from.
type storage struct {
	opened
	db    *store.DB
	root  secret
	blobs blobStore // nil without the roles ats and worker
	space *space.Guard
}

// openStorage opens the database, and the store of uploads for the roles that need it.
func (f serverFlags) openStorage(ctx context.Context, at entrance, told telling) (st storage, err error) {
	st.space = f.space()
	if st.db, st.root, err = f.openDatabase(ctx, told); err != nil {
		return st, err
	}
	st.closes(st.db)
	if f.has(ats) || f.has(worker) {
		if st.blobs, err = f.openBlobs(at.url+"/blob", st.root.uploads(), blob.Options{Now: st.db.Now, Limits: f.uploads(), Space: st.space}); err != nil {
			return st, err
		}
		st.closes(st.blobs)
	}
	return st, nil
}

// openDatabase opens the database and reads its secret. It creates them only for a new
// registry, and only after the registry's name is known.
func (f serverFlags) openDatabase(ctx context.Context, told telling) (db *store.DB, root secret, err error) {
	defer func() {
		if err != nil && db != nil {
			db.Close()
			db = nil
		}
	}()
	dbURL, _, err := f.databaseFlag.url()
	if err != nil {
		return db, secret{}, err
	}
	path, onSQLite := strings.CutPrefix(dbURL, "sqlite:")
	if _, err := os.Stat(path); onSQLite && errors.Is(err, fs.ErrNotExist) {
		if err := f.named(); err != nil { // before the database file is created
			return db, secret{}, err
		}
	}
	if onSQLite {
		switch closed, err := tighten(path); {
		case err != nil:
			told.log.Warn("other users of this machine can read the database, and this user cannot change its mode", "error", err)
		case len(closed) > 0:
			told.log.Warn("other users of this machine could read the database: its mode was changed, now they cannot", "files", strings.Join(closed, " "))
		}
	}
	if db, err = f.databaseFlag.open(ctx, false); err != nil {
		return db, secret{}, err
	}
	db.Now = crash.Now()
	behind, err := db.Pending(ctx)
	if err != nil {
		return db, secret{}, err
	} else if behind < 0 {
		return db, secret{}, errAhead(-behind)
	}
	begun, err := f.begun(ctx, db)
	if err != nil {
		return db, secret{}, err
	}
	if !begun {
		if err := f.named(); err != nil {
			return db, secret{}, err
		}
	}
	root, err = readSecret(f.SecretFile, !begun && (f.trial || onSQLite))
	if err != nil {
		return db, secret{}, err
	}
	if err := root.serves(f.SecretFile, f.roles()); err != nil {
		return db, secret{}, err
	}
	if spare := root.spare(f.roles()); len(spare) > 0 {
		told.log.Warn("the secret file has keys that the roles of this process do not need: make a file with only the needed keys, see timbre secret derive --help", "not_needed", strings.Join(spare, ", "))
	}
	warning, err := guarded("secret-file", "secret file", f.SecretFile)
	if err != nil {
		return db, secret{}, err
	}
	if warning != "" {
		told.log.Warn(warning) //nolint:sloglint // the text says what to correct, as the same check does without a server
	}
	if err := db.Migrate(ctx); err != nil {
		return db, secret{}, err
	}
	if behind > 0 {
		told.events.Migrated(ctx, version, behind)
	}
	return db, root, nil
}

// named refuses to start a log without --public-url: the log's name is in every proof and
// cannot be changed.
func (f serverFlags) named() error {
	if f.PublicURL != "" || f.trial || !f.has(ats) && !f.has(worker) {
		return nil
	}
	return wrongf("public-url", "is required at the first start of a registry: the log takes the name of this host, which is in every proof and cannot be changed. To try Timbre on this machine only, give http://127.0.0.1:8080, or run `timbre demo`")
}

// begun reports whether a database has the network of a registry.
func (f serverFlags) begun(ctx context.Context, db *store.DB) (bool, error) {
	if empty, err := db.Empty(ctx); err != nil || empty {
		return false, err
	}
	kinds, closer, err := f.kinds(ctx, networkDeps{db: db})
	if err != nil {
		return false, err
	}
	defer closer.Close()
	return kinds.Begun(ctx, network.Names()...)
}
