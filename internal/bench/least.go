package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// least is the least server that keeps the promises of a registration: the same calls and
// bodies, signed tokens, files that are synced before their name, and a durable transaction of
// one round trip for each step. A block is one transaction for all that wait. It has no limits,
// no history, no proofs and no refusals. It serves from this process, which also has the clients.
type least struct {
	pool    *pgxpool.Pool
	dir     string
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	http    *http.Server
	url     string
	stop    context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	queue   []string
	waiting map[string]chan struct{} // closed when the song is final
	wake    chan struct{}
}

const leastSchema = `
CREATE SCHEMA least;
CREATE TABLE least.sessions (jti TEXT PRIMARY KEY, job_id TEXT, expires_at BIGINT NOT NULL);
CREATE TABLE least.jobs (id TEXT PRIMARY KEY, title TEXT NOT NULL, creators TEXT NOT NULL, state TEXT NOT NULL, hash BYTEA) WITH (fillfactor = 60);
CREATE TABLE least.titles (title TEXT PRIMARY KEY, job_id TEXT NOT NULL);
CREATE TABLE least.recordings (hash BYTEA PRIMARY KEY, job_id TEXT NOT NULL);
CREATE TABLE least.works (number BIGINT PRIMARY KEY, job_id TEXT NOT NULL, title TEXT NOT NULL, creators TEXT NOT NULL, hash BYTEA NOT NULL, leaf BYTEA NOT NULL, block BIGINT NOT NULL);
CREATE TABLE least.blocks (number BIGINT PRIMARY KEY, note TEXT NOT NULL);`

// startLeast starts it on the Postgres of another server, in a schema of its own.
func startLeast(ctx context.Context, database, dir string) (*least, error) {
	l := &least{dir: filepath.Join(dir, "least"), waiting: map[string]chan struct{}{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns = clients
	if l.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	if _, err := l.pool.Exec(ctx, leastSchema); err != nil {
		return nil, err
	}
	if l.public, l.private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.url = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	for path, f := range map[string]func(*http.Request, map[string]any) (any, error){
		"POST /v1/sessions": l.mint, "POST /v1/works/init": l.init, "POST /v1/works/prepare": l.prepare, "POST /v1/works/confirm": l.confirm,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			var in map[string]any
			err := json.NewDecoder(r.Body).Decode(&in)
			var out any
			if err == nil {
				out, err = f(r, in)
			}
			answer(w, out, err)
		})
	}
	mux.HandleFunc("PUT /blob/{id}", func(w http.ResponseWriter, r *http.Request) { answer(w, struct{}{}, l.put(r)) })
	mux.HandleFunc("GET /v1/transactions/{id}/events", l.events)
	l.http = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	var working context.Context
	working, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { _ = l.http.Serve(listener) }()
	go l.blocks(working)
	return l, nil
}

func (l *least) close() error {
	l.stop()
	<-l.done
	err := l.http.Close()
	l.pool.Close()
	return err
}

// client calls the least server as the others are called.
func (l *least) client() *client {
	return (&server{URL: l.url, SiteKey: "site", SecretKey: strings.Repeat("a", 64)}).client("testnet")
}

func answer(w http.ResponseWriter, out any, err error) {
	text, jerr := json.Marshal(out)
	if err = errors.Join(err, jerr); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func (l *least) mint(r *http.Request, in map[string]any) (any, error) {
	_ = sha256.Sum256(fmt.Append(nil, in["secret_key"]))
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(5 * time.Minute).UnixMicro()
	claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"jti":%q,"iss":%q,"aud":"timbre-widget","sub":"organization","exp":%d,"act":"register","net":"testnet"}`, id, l.url, until))
	token := claims + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(l.private, []byte(claims)))
	_, err = l.pool.Exec(r.Context(), "INSERT INTO least.sessions (jti, expires_at) VALUES ($1, $2)", id.String(), until)
	return map[string]any{"token": token, "expires_in": 300}, err
}

// session verifies the token of a call.
func (l *least) session(r *http.Request) (string, error) {
	claims, signature, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !ed25519.Verify(l.public, []byte(claims), raw) {
		return "", errors.Join(errors.New("the token is not signed"), err)
	}
	text, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil {
		return "", err
	}
	var c struct{ Jti string }
	err = json.Unmarshal(text, &c)
	return c.Jti, err
}

// send runs statements in one round trip, as one transaction. Each changes one row.
func (l *least) send(ctx context.Context, b *pgx.Batch) error {
	answers := l.pool.SendBatch(ctx, b)
	var err error
	for range b.Len() {
		tag, one := answers.Exec()
		if err = errors.Join(err, one); one == nil && tag.RowsAffected() == 0 {
			err = errors.Join(err, errors.New("no row was changed"))
		}
	}
	return errors.Join(err, answers.Close())
}

func (l *least) init(r *http.Request, in map[string]any) (any, error) {
	jti, err := l.session(r)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	creators, err := json.Marshal(in["creators"])
	if err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	b.Queue("UPDATE least.sessions SET job_id = $1 WHERE jti = $2 AND job_id IS NULL AND expires_at > $3", id.String(), jti, time.Now().UnixMicro())
	b.Queue("INSERT INTO least.jobs (id, title, creators, state) SELECT $1, $2, $3, 'open' WHERE NOT EXISTS (SELECT 1 FROM least.titles WHERE title = $2)", id.String(), in["title"], string(creators))
	return map[string]any{"job_id": id.String(), "upload_url": l.url + "/blob/" + id.String()}, l.send(r.Context(), b)
}

func (l *least) put(r *http.Request) error {
	at := filepath.Join(l.dir, filepath.Base(r.PathValue("id")))
	f, err := os.Create(at + ".part")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = io.Copy(f, r.Body); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(at+".part", at)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (l *least) prepare(r *http.Request, in map[string]any) (any, error) {
	if _, err := l.session(r); err != nil {
		return nil, err
	}
	job, _ := in["job_id"].(string)
	f, err := os.Open(filepath.Join(l.dir, filepath.Base(job)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	b.Queue("UPDATE least.jobs SET state = 'prepared', hash = $2 WHERE id = $1 AND state = 'open'", job, h.Sum(nil))
	return map[string]any{"job_id": job, "is_valid": true, "media_hash": hex.EncodeToString(h.Sum(nil)), "total_price_credits": 0}, l.send(r.Context(), b)
}

func (l *least) confirm(r *http.Request, in map[string]any) (any, error) {
	if _, err := l.session(r); err != nil {
		return nil, err
	}
	job, _ := in["job_id"].(string)
	b := &pgx.Batch{}
	b.Queue("UPDATE least.jobs SET state = 'confirmed' WHERE id = $1 AND state = 'prepared'", job)
	b.Queue("INSERT INTO least.titles SELECT title, id FROM least.jobs WHERE id = $1", job)
	b.Queue("INSERT INTO least.recordings SELECT hash, id FROM least.jobs WHERE id = $1", job)
	if err := l.send(r.Context(), b); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.queue, l.waiting[job] = append(l.queue, job), make(chan struct{})
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return map[string]any{"transaction_id": job, "status_url": l.url + "/v1/transactions/" + job, "access_code": "atc_" + job}, nil
}

func (l *least) events(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	final := l.waiting[r.PathValue("id")]
	l.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 2000\n\nid: 1\nevent: update\ndata: {\"type\":\"update\",\"step\":\"validating\"}\n\n")
	_ = http.NewResponseController(w).Flush()
	if final != nil {
		select {
		case <-final:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, "id: 2\nevent: completed\ndata: {\"type\":\"update\",\"step\":\"completed\"}\n\n")
}

// blocks makes a block of what waits, at least blockTime after the one before.
func (l *least) blocks(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(blockTime)
	defer tick.Stop()
	var size, number int64
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		l.mu.Lock()
		jobs := l.queue
		l.queue = nil
		l.mu.Unlock()
		if len(jobs) > 0 {
			leaves, root := make([][]byte, len(jobs)), [32]byte{}
			for i, job := range jobs {
				leaves[i] = fmt.Appendf(nil, "leaf\nwork %d\nversion 1\nblock %d\nnonce %x\n", size+int64(i), number, sha256.Sum256([]byte(job)))
				root = sha256.Sum256(append(root[:], leaves[i]...))
			}
			b := &pgx.Batch{}
			b.Queue("INSERT INTO least.works (number, job_id, title, creators, hash, leaf, block) SELECT $1 + u.i - 1, j.id, j.title, j.creators, j.hash, u.leaf, $4 FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS u(id, leaf, i) JOIN least.jobs j ON j.id = u.id", size, jobs, leaves, number)
			b.Queue("INSERT INTO least.blocks VALUES ($1, $2)", number, base64.StdEncoding.EncodeToString(ed25519.Sign(l.private, root[:])))
			if err := l.send(ctx, b); err != nil {
				fmt.Fprintln(os.Stderr, "least server:", err)
				return
			}
			size, number = size+int64(len(jobs)), number+1
		}
		l.mu.Lock()
		for _, job := range jobs {
			close(l.waiting[job])
			delete(l.waiting, job)
		}
		l.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
