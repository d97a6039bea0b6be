package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"timbre.example/internal/search"
	"timbre.example/internal/store"
)

// sites starts two servers on one kind of database, with few and with many works, and several deliveries for each work. done
// stops them. It returns none where the database is not available.
func (b *bench) sites(ctx context.Context, what string, e engine, few, many, deliveries int) (all []*site, done func() error, err error) {
	var stops []func() error
	done = func() error {
		var failed []error
		for _, stop := range stops {
			failed = append(failed, stop())
		}
		return errors.Join(failed...)
	}
	for _, works := range []int{few, many} {
		url, err := e.url()
		if err != nil {
			b.skip(what+", "+e.name, err.Error())
			return nil, done, nil
		}
		dir, err := os.MkdirTemp(b.dir, "console-")
		if err != nil {
			return nil, done, err
		}
		stops = append(stops, func() error { return os.RemoveAll(dir) })
		s, err := b.start(ctx, dir, time.Second, url)
		if err != nil {
			return nil, done, err
		}
		if err := s.stop(); err != nil {
			return nil, done, err
		}
		f := &filled{works: works, deliveries: deliveries, postgres: url != ""}
		if err := f.fill(ctx, s); err != nil {
			return nil, done, fmt.Errorf("fill: %w", err)
		}
		if s, err = b.start(ctx, dir, time.Second, url); err != nil {
			return nil, done, err
		}
		stops = append([]func() error{s.stop}, stops...)
		all = append(all, &site{server: s, filled: f, http: &http.Client{Timeout: time.Minute}})
	}
	return all, done, nil
}

// consoleOn measures on one database.
func (b *bench) consoleOn(ctx context.Context, e engine, few, many int) (err error) {
	sites, done, err := b.sites(ctx, "console pages", e, few, many, 10)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil || sites == nil {
		return err
	}
	return b.pagesOf(ctx, e, sites, sized(b, 100, 3))
}

// pagesOf measures each page of the console, on both sites in turns.
func (b *bench) pagesOf(ctx context.Context, e engine, sites []*site, n int) error {
	small, large := sites[0], sites[1]
	pages := large.pages()
	for i, page := range pages {
		var ours, floor []float64
		for k := range n + 5 {
			for _, s := range sites {
				took, err := timed(func() error { return s.open(ctx, s.pages()[i].path) })
				if err != nil {
					return fmt.Errorf("%s: %w: %s", page.name, err, s.said())
				}
				switch {
				case k < 5: // to warm up
				case s == large:
					ours = append(ours, took*1000)
				default:
					floor = append(floor, took*1000)
				}
			}
		}
		b.add(row{
			What: fmt.Sprintf("console, %s: %s", page.name, e.name), Unit: "ms", Ours: quantile(ours, 0.99), Floor: quantile(floor, 0.99), Goal: ratioAtMost(1.5),
			Note: fmt.Sprintf("p99; p50 %s and %s ms; %d works and %d deliveries, floor: %d and %d", number(median(ours)), number(median(floor)), large.works, large.deliveries*large.works, small.works, small.deliveries*small.works),
		})
	}
	return nil
}

// site is a server with a signed-in owner.
type site struct {
	*server
	*filled
	http *http.Client
}

type consolePage struct{ name, path string }

func (s *site) pages() []consolePage {
	latest := s.id("w", s.works)
	return []consolePage{
		{"overview", "/overview"}, {"overview of 90 days", "/overview?days=90"},
		{"works", "/works"}, {"works, a word that all have", "/works?q=harbour"}, {"works, two words", "/works?q=harbour+tune7"}, {"works, a word that none has", "/works?q=zanzibar"},
		{"a work", "/works/" + latest},
		{"transactions", "/transactions"}, {"transactions, failed", "/transactions?status=failed"}, {"transactions, a number", "/transactions?q=%23" + fmt.Sprint(firstNumber+s.works)},
		{"transactions, an id", "/transactions?q=" + s.id("t", s.works)}, {"a transaction", "/transactions/" + s.id("t", s.works)}, {"calls", "/transactions/calls"}, {"calls, one code", "/transactions/calls?code=common.validation_failed"},
		{"credits", "/credits"}, {"credits, captures", "/credits?kind=capture"}, {"credits, one transaction", "/credits?transaction=" + s.id("t", s.works)}, {"holds", "/credits/holds"},
		{"webhooks", "/webhooks"}, {"deliveries", "/webhooks/" + s.endpoint}, {"deliveries, failed", "/webhooks/" + s.endpoint + "?state=failed"},
		{"deliveries, failed, one event", "/webhooks/" + s.endpoint + "?state=failed&event=work_registered"}, {"a delivery", "/webhooks/" + s.endpoint + "/deliveries/" + s.id("d", s.deliveries*s.works)},
		{"API keys", "/api-keys"}, {"integration", "/integration"}, {"settings", "/settings"}, {"people", "/people"},
		{"audit", "/audit"}, {"audit, one action", "/audit?action=origin.added"}, {"audit, one subject", "/audit?subject=origin-0"},
	}
}

// open loads a page completely.
func (s *site) open(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/console/o/"+s.Org+path, nil)
	if err != nil {
		return err
	}
	req.AddCookie(&http.Cookie{Name: "timbre_session", Value: s.token})
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || bytes.Contains(body, []byte(`name="password"`))) {
		return fmt.Errorf("%s answers %s: %.300s", path, res.Status, body)
	}
	return err
}

// firstNumber is before the registration numbers of the filled works.
const firstNumber = 1_000_000_000

// titles is how many titles the works have.
const titles = 16

// filled is what the rows in a database have in common.
type filled struct {
	works      int
	deliveries int // of each work
	postgres   bool
	start      int64 // of the first work, in milliseconds
	step       int64 // between two deliveries, in microseconds
	endpoint   string
	token      string
}

// id is the UUIDv7 of the i-th row of a kind, from 1.
func (f *filled) id(kind string, i int) string {
	ms := f.start + int64(i)*f.span(kind)/1000
	return fmt.Sprintf("%08x-%04x-7%03x-8000-%012x", ms>>16, ms&0xffff, kind[0], i)
}

// cursor is the place of the i-th work in a list of works.
func (f *filled) cursor(i int) string {
	at := (f.start + int64(i)*f.span("t")/1000) * 1000
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", at, f.id("w", i)))
}

func (f *filled) span(kind string) int64 {
	if kind == "d" {
		return f.step
	}
	return f.step * int64(f.deliveries)
}

// sqlID is id in SQL, of the row i.
func (f *filled) sqlID(kind, i string) string {
	ms := f.sqlMillis(kind, i)
	if f.postgres {
		return fmt.Sprintf("lpad(to_hex(%[1]s >> 16), 8, '0') || '-' || lpad(to_hex(%[1]s & 65535), 4, '0') || '-7%03[2]x-8000-' || lpad(to_hex(CAST(%[3]s AS BIGINT)), 12, '0')", ms, kind[0], i)
	}
	return fmt.Sprintf("printf('%%08x-%%04x-7%03x-8000-%%012x', %s >> 16, %[2]s & 65535, %s)", kind[0], ms, i)
}

func (f *filled) sqlMillis(kind, i string) string {
	return fmt.Sprintf("(CAST(%d AS BIGINT) + CAST(%s AS BIGINT) * %d / 1000)", f.start, i, f.span(kind))
}

// sqlULID is a request id of the row i.
func (f *filled) sqlULID(i string) string {
	text := "'req_'"
	for shift := 45; shift >= 0; shift -= 5 {
		text += fmt.Sprintf(" || substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', CAST(((%s >> %d) & 31) + 1 AS INTEGER), 1)", f.sqlMillis("t", i), shift)
	}
	return text + " || substr('0000000000000000' || CAST(" + i + " AS TEXT), -16)"
}

// fill writes the works of four days, and a session of an owner.
func (f *filled) fill(ctx context.Context, s *server) (err error) {
	driver, source := "sqlite", strings.TrimPrefix(s.DatabaseURL, "sqlite:")
	if f.postgres {
		driver, source = "pgx", s.DatabaseURL
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	now := time.Now()
	const days = 4
	f.start, f.step = now.AddDate(0, 0, -days).UnixMilli(), max(1, int64(days)*86_400_000_000/int64(f.deliveries*f.works)-1)
	f.token = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	var person string
	if err := db.QueryRowContext(ctx, "SELECT person_id FROM memberships WHERE organization_id = $1 AND role = 'owner'", s.Org).Scan(&person); err != nil {
		return fmt.Errorf("the demo's owner: %w", err)
	}
	hash, us := sha256.Sum256([]byte(f.token)), now.UnixMicro()
	if _, err := db.ExecContext(ctx, "INSERT INTO person_sessions (hash, id, person_id, created_at, seen_at, expires_at, proved_at, address, agent) VALUES ($1, $2, $3, $4, $4, $5, $4, '', '')",
		hash[:], f.id("s", 1), person, us, us+86_400_000_000); err != nil {
		return err
	}
	f.endpoint = f.id("e", 1)
	if _, err := db.ExecContext(ctx, "INSERT INTO webhook_endpoints (id, organization_id, url, events, secret, previous_secret, disabled_at, disabled_reason, created_at, updated_at) VALUES ($1, $2, 'https://songs.example/hook', 'work_registered work_updated', $3, $3, $4, 'manual', $4, $4)",
		f.endpoint, s.Org, []byte{}, us); err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	// SQLite plans without statistics in a server, so it has none here.
	blob, lastly := "x'00'", []string{"PRAGMA wal_checkpoint(TRUNCATE)"}
	bytesOf := func(text string) string { return "CAST(" + text + " AS BLOB)" }
	if f.postgres {
		blob, bytesOf = `'\x00'::bytea`, func(text string) string { return "decode(md5(" + text + "), 'hex')" }
		lastly = []string{"VACUUM ANALYZE"}
	}
	numbers := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
	}
	org := "'" + s.Org + "'"
	modulo := func(m int) string { return fmt.Sprintf("(i - i / %d * %[1]d)", m) }
	w, t, at := f.sqlID("w", "i"), f.sqlID("t", "i"), f.sqlMillis("t", "i")+" * 1000"
	of := fmt.Sprintf("((i + %d) / %d)", f.deliveries-1, f.deliveries) // the work of a delivery
	user := "CASE WHEN " + modulo(20) + " = 0 THEN 'big' ELSE 'user-' || CAST(i / 10 AS TEXT) END"
	title := "'Harbour Tune' || CAST(" + modulo(titles) + " AS TEXT)"
	failing := "CASE WHEN " + modulo(20) + " = 0 THEN 'failed' ELSE 'final' END"
	all := []string{
		"INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, latest_version, created_at, updated_at) " + numbers(f.works) +
			fmt.Sprintf("SELECT %s, %s, 'testnet', %d + i, 'ats1', %s, lower(%[4]s), %[6]s, 1, %[5]s, %[5]s FROM n", w, org, firstNumber, title, at, user),
		"INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at, organization_id, certificate_key, words) " + numbers(f.works) +
			fmt.Sprintf(`SELECT %s, 1, %s, %s, %[3]s, '{}', %[4]s, '[{"full_name":"Ann Example","email":"ann@example.com","roles":["author"]}]', 'song.wav', 'assets/x', '{}', %[3]s, 1, %[4]s, %s, %s, 'certificates/x', %d FROM n`,
				w, t, bytesOf("CAST(i AS TEXT)"), blob, at, org, search.Rule),
		"INSERT INTO jobs (id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at) " + numbers(f.works) +
			fmt.Sprintf("SELECT %[1]s, %[2]s, %[1]s, 'register', 'testnet', %[6]s, 'confirmed', %[3]s, %[4]s, '', '[]', '', 0, 0, %[5]s, %[5]s FROM n", t, org, w, title, at, user),
		"INSERT INTO transactions (id, organization_id, network, kind, state, work_id, ats_id, version, commitment, total_credits, steps, failure, request_id, created_at, updated_at, counted) " + numbers(f.works) +
			fmt.Sprintf(`SELECT %s, %s, 'testnet', 'register', %s, %s, %d + i, 1, %s, 10, '[]', '{"code":"transaction.failed","details":{"reason":"timeout"}}', '', %s, %[7]s, TRUE FROM n`, t, org, failing, w, firstNumber, blob, at),
		"INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id) " + numbers(f.works) + fmt.Sprintf("SELECT %s, 'testnet', %s, 'harbour tune ' || CAST(i AS TEXT), %s FROM n", org, user, w),
		"INSERT INTO media_claims (organization_id, network, media_hash, work_id) " + numbers(f.works) + fmt.Sprintf("SELECT %s, 'testnet', %s, %s FROM n", org, bytesOf("CAST(i AS TEXT)"), w),
		"INSERT INTO sessions (jti, organization_id, site_key, job_id, expires_at) " + numbers(f.works) + fmt.Sprintf("SELECT %s, %s, '%s', %s, %d FROM n", f.sqlID("j", "i"), org, s.SiteKey, t, us),
		fmt.Sprintf("UPDATE organizations SET quota = 1000000000 WHERE id = %s", org),
		"INSERT INTO ledger_transfers (id, organization_id, kind, transaction_id, created_at) " + numbers(f.works) + fmt.Sprintf("SELECT %s, %s, 'hold', %s, %s FROM n", f.sqlID("h", "i"), org, t, at),
		"INSERT INTO ledger_transfers (id, organization_id, kind, transaction_id, created_at) " + numbers(f.works) + fmt.Sprintf("SELECT %s, %s, 'capture', %s, %s FROM n", f.sqlID("k", "i"), org, t, at),
		"INSERT INTO ledger_entries (transfer_id, account, amount, balance) " + numbers(f.works) + "SELECT " + f.sqlID("h", "i") + ", 'available', -10, 1000 FROM n",
		"INSERT INTO ledger_entries (transfer_id, account, amount, balance) " + numbers(f.works) + "SELECT " + f.sqlID("h", "i") + ", 'held', 10, 10 FROM n",
		"INSERT INTO ledger_entries (transfer_id, account, amount, balance) " + numbers(f.works) + "SELECT " + f.sqlID("k", "i") + ", 'held', -10, 0 FROM n",
		"INSERT INTO ledger_entries (transfer_id, account, amount, balance) " + numbers(f.works) + "SELECT " + f.sqlID("k", "i") + ", 'spent', 10, i FROM n",
		"INSERT INTO webhook_deliveries (id, organization_id, endpoint_id, event, transaction_id, work_id, payload, state, attempts, last_status, created_at, ended_at) " + numbers(f.deliveries*f.works) +
			fmt.Sprintf("SELECT %s, %s, '%s', CASE WHEN %s < 9 THEN 'work_registered' ELSE 'work_updated' END, %s, %s, '{}', CASE WHEN %s = 0 THEN 'failed' ELSE 'delivered' END, 1, 200, %s, %[8]s FROM n",
				f.sqlID("d", "i"), org, f.endpoint, modulo(10), f.sqlID("t", of), f.sqlID("w", of), modulo(50), f.sqlMillis("d", "i")+" * 1000"),
		"INSERT INTO webhook_attempts (work_id, delivery_id, number, url, started_at, duration, status, headers, body, error) " + numbers(f.works) +
			fmt.Sprintf("SELECT %s, %s, 1, 'https://songs.example/hook', %s, 1000, 200, '[]', 'ok', '' FROM n", w, f.sqlID("d", fmt.Sprintf("i * %d", f.deliveries)), at),
		"INSERT INTO requests (organization_id, request_id, correlation_id, job_id, method, route, status, code, reason, caller_kind, caller, origin, address_class, took, created_at) " + numbers(f.works) +
			fmt.Sprintf("SELECT %s, %s, %s, %[3]s, 'POST', '/v1/works/init', CASE WHEN %[4]s = 0 THEN 400 ELSE 200 END, CASE WHEN %[4]s = 0 THEN 'common.validation_failed' ELSE '' END, '', 'session', '', '', 'ipv4', 1000, %s FROM n", org, f.sqlULID("i"), t, modulo(20), at),
		"INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, actor_name, request_id, action, subject, changes, created_at) " + numbers(f.works) +
			fmt.Sprintf("SELECT %s, %s, 'person', 'p' || CAST(%s AS TEXT), 'ann@example.com', '', CASE WHEN %[3]s = 0 THEN 'origin.added' ELSE 'origin.removed' END, 'origin-' || CAST(%[3]s AS TEXT), '[]', %[4]s FROM n", f.sqlID("a", "i"), org, modulo(max(1, f.works/100)), at), // a hundred of each
		"INSERT INTO daily_counts (organization_id, day, network, test, kind, code, reason, count, credits) " + numbers(365) + fmt.Sprintf("SELECT %s, %d - i, 'testnet', FALSE, 'register', '', '', %d, 1000 FROM n", org, us/86_400_000_000, 1+f.works/days),
	}
	for _, text := range all {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%.60s: %w", text, err)
		}
	}
	if err := f.words(ctx, s); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO work_words (key, work_id) "+numbers(f.works)+
		fmt.Sprintf("SELECT k.key, %s FROM n JOIN work_words k ON k.work_id = %s WHERE i > %d", w, f.sqlID("w", "(1 + "+strings.ReplaceAll(modulo(titles), "i", "(i - 1)")+")"), titles)); err != nil {
		return fmt.Errorf("words: %w", err)
	}
	for _, text := range lastly {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// words adds the words of one work of each title. Works with the same title have the same words.
func (f *filled) words(ctx context.Context, s *server) (err error) {
	db, err := store.Open(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Tx(ctx, func(tx *store.Tx) error {
		for i := 1; i <= min(titles, f.works); i++ {
			if err := search.Add(ctx, tx, search.Entry{
				Organization: s.Org, Work: f.id("w", i), Scope: search.Scope{Network: "testnet"}, Version: 1, Title: fmt.Sprintf("Harbour Tune%d", i%titles), Reference: "user",
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// said is the end of the server's log.
func (s *site) said() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1500):])
}
