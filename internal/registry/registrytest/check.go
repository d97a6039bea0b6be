// Package registrytest says whether a database is one that a registry may leave
// behind: money, claims, jobs, transactions, works and files that agree.
//
// It reads a database as it stands, in one snapshot, with SQL of its own, so
// that it shares no mistake with the code that wrote it. It may look at a
// database in use. It never writes.
package registrytest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver
	_ "modernc.org/sqlite"             // the "sqlite" driver

	"timbre.example/internal/blob"
	"timbre.example/internal/network/log/leaf"
)

// World is what there is to look at.
type World struct {
	// DatabaseURL as store.Open takes it.
	DatabaseURL string
	// Blobs holds the files of versions and of prepared jobs; nil: not checked.
	Blobs blob.Store
	// Anchored says how often each commitment is on the networks. Nil: the
	// built-in logs in the same database are asked.
	Anchored map[[32]byte]int
	// InFlight allows transactions that have not ended.
	InFlight bool
}

// Check fails the test for everything that is wrong.
func Check(t testing.TB, w World) {
	t.Helper()
	wrong, err := Problems(context.WithoutCancel(t.Context()), w)
	if err != nil {
		t.Errorf("looking at the database: %v", err)
	}
	for _, text := range wrong {
		t.Error("invariant: " + text)
	}
}

// Problems lists what is wrong, in words; none when everything agrees.
func Problems(ctx context.Context, w World) ([]string, error) {
	db, err := Open(w.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var opts *sql.TxOptions // one transaction sees one state on SQLite in any case
	if !strings.HasPrefix(w.DatabaseURL, "sqlite:") {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	c := &checker{ctx: ctx, tx: tx, world: w}
	c.read()
	if c.err != nil {
		return nil, c.err
	}
	c.ledger()
	c.jobsAndTransactions()
	c.worksAndVersions()
	c.claims()
	c.codes()
	c.sessions()
	c.timestamps()
	c.network()
	c.files()
	return c.wrong, c.err
}

// Open opens a database for reading, with a URL as store.Open takes it, for
// tests that count rows of their own.
func Open(url string) (*sql.DB, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	}
	return sql.Open("pgx", url)
}

type checker struct {
	ctx   context.Context
	tx    *sql.Tx
	world World
	wrong []string
	err   error

	jobs         map[string]job
	transactions map[string]transaction
	works        map[string]work
	versions     []version
	titles       map[string]claim // by scope and title
	media        map[string]claim // by scope and hash
}

type job struct {
	id, org, kind, network, ref, state, work, titleKey, asset string
	media, commitment                                         []byte
	total, base                                               int64
	sessionID                                                 string
	hashOnly                                                  bool
	personal                                                  string
}

// reuses says that the job's recording is that of the version it was begun on.
func (j job) reuses() bool { return j.kind == "add_version" && j.asset == "" && !j.hashOnly }

type transaction struct {
	id, org, network, kind, state, work string
	ats, version                        int64
	commitment                          []byte
	total                               int64
	staged, hash                        []byte
	block                               int64
	blockHash                           []byte
	steps, failure, request             string
}

func (t transaction) live() bool { return t.state != "final" && t.state != "failed" }

type work struct {
	id, org, network, ref string
	ats, latest           int64
	code                  []byte
	redacted              bool
	personal              string
}

type version struct {
	work, transaction, asset, quote, certificate string
	stampDue                                     bool
	number, block                                int64
	commitment, media, hash, blockHash           []byte
	personal                                     string
}

type claim struct{ org, network, ref, key, work string }

func (c *checker) say(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// rows runs a query and hands every row to scan.
func (c *checker) rows(text string, scan func(scan func(...any) error) error) {
	if c.err != nil {
		return
	}
	rows, err := c.tx.QueryContext(c.ctx, text)
	if err != nil {
		c.err = fmt.Errorf("%s: %w", text, err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			c.err = fmt.Errorf("%s: %w", text, err)
			return
		}
	}
	c.err = rows.Err()
}

func (c *checker) read() {
	c.jobs, c.transactions, c.works = map[string]job{}, map[string]transaction{}, map[string]work{}
	c.titles, c.media = map[string]claim{}, map[string]claim{}
	c.rows(`SELECT id, organization_id, kind, network, external_user_ref, state, work_id, title_key, asset_key, media_hash, commitment, total_credits, session_jti, base_version, hash_only,
		title || creators || filename || media FROM jobs`, func(scan func(...any) error) error {
		var j job
		err := scan(&j.id, &j.org, &j.kind, &j.network, &j.ref, &j.state, &j.work, &j.titleKey, &j.asset, &j.media, &j.commitment, &j.total, &j.sessionID, &j.base, &j.hashOnly, &j.personal)
		c.jobs[j.id] = j
		return err
	})
	c.rows(`SELECT id, organization_id, network, kind, state, work_id, ats_id, version, commitment, total_credits, staged, tx_hash, block_number, block_hash, steps, failure, request_id FROM transactions`, func(scan func(...any) error) error {
		var t transaction
		err := scan(&t.id, &t.org, &t.network, &t.kind, &t.state, &t.work, &t.ats, &t.version, &t.commitment, &t.total, &t.staged, &t.hash, &t.block, &t.blockHash, &t.steps, &t.failure, &t.request)
		c.transactions[t.id] = t
		return err
	})
	c.rows(`SELECT id, organization_id, network, external_user_ref, ats_id, latest_version, access_code_hash, redacted_at IS NOT NULL, title || title_key FROM works`, func(scan func(...any) error) error {
		var w work
		err := scan(&w.id, &w.org, &w.network, &w.ref, &w.ats, &w.latest, &w.code, &w.redacted, &w.personal)
		c.works[w.id] = w
		return err
	})
	c.rows(`SELECT work_id, transaction_id, asset_key, quote, certificate_key, timestamp_until > 0, version, block_number, commitment, media_hash, tx_hash, block_hash,
		creators || filename || asset_key || certificate_key || media FROM versions ORDER BY work_id, version`, func(scan func(...any) error) error {
		var v version
		err := scan(&v.work, &v.transaction, &v.asset, &v.quote, &v.certificate, &v.stampDue, &v.number, &v.block, &v.commitment, &v.media, &v.hash, &v.blockHash, &v.personal)
		c.versions = append(c.versions, v)
		return err
	})
	c.rows(`SELECT organization_id, network, external_user_ref, title_key, work_id FROM title_claims`, func(scan func(...any) error) error {
		var k claim
		err := scan(&k.org, &k.network, &k.ref, &k.key, &k.work)
		c.titles[strings.Join([]string{k.org, k.network, k.ref, k.key}, "\x00")] = k
		return err
	})
	c.rows(`SELECT organization_id, network, media_hash, work_id FROM media_claims`, func(scan func(...any) error) error {
		var k claim
		var hash []byte
		err := scan(&k.org, &k.network, &hash, &k.work)
		k.key = hex.EncodeToString(hash)
		c.media[strings.Join([]string{k.org, k.network, k.key}, "\x00")] = k
		return err
	})
}

// ledger: every transfer is two entries that cancel out, of the accounts that
// its kind names; balances are the sums of entries; what is held is what
// transactions in flight will cost; every ended transaction has settled its
// hold, once, by its outcome.
func (c *checker) ledger() {
	type transfer struct {
		org, kind, transaction string
		entries                map[string]int64
	}
	transfers := map[string]transfer{}
	c.rows(`SELECT id, organization_id, kind, transaction_id FROM ledger_transfers`, func(scan func(...any) error) error {
		var id string
		t := transfer{entries: map[string]int64{}}
		err := scan(&id, &t.org, &t.kind, &t.transaction)
		transfers[id] = t
		return err
	})
	type account struct{ org, name string }
	sums, balances, held := map[account]int64{}, map[account]int64{}, map[string]int64{}
	c.rows(`SELECT transfer_id, account, amount FROM ledger_entries`, func(scan func(...any) error) error {
		var id, name string
		var amount int64
		err := scan(&id, &name, &amount)
		t, ok := transfers[id]
		if !ok {
			c.say("an entry of no transfer: %s", id)
			return err
		}
		t.entries[name] += amount
		sums[account{t.org, name}] += amount
		return err
	})
	c.rows(`SELECT organization_id, account, balance FROM ledger_accounts`, func(scan func(...any) error) error {
		var a account
		var balance int64
		err := scan(&a.org, &a.name, &balance)
		balances[a] = balance
		if a.name != "issued" && balance < 0 {
			c.say("account %s of %s is at %d", a.name, a.org, balance)
		}
		return err
	})
	for a, sum := range sums {
		if balances[a] != sum {
			c.say("account %s of %s: balance %d, entries sum to %d", a.name, a.org, balances[a], sum)
		}
	}
	for a, balance := range balances {
		if _, ok := sums[a]; !ok && balance != 0 {
			c.say("account %s of %s: balance %d without entries", a.name, a.org, balance)
		}
	}
	sides := map[string][2]string{"grant": {"issued", "available"}, "hold": {"available", "held"}, "capture": {"held", "spent"}, "release": {"held", "available"}}
	settled := map[string]map[string]int64{} // by transaction and kind
	for id, t := range transfers {
		from, to := sides[t.kind][0], sides[t.kind][1]
		if len(t.entries) != 2 || t.entries[from] >= 0 || t.entries[from]+t.entries[to] != 0 {
			c.say("transfer %s (%s) has entries %v", id, t.kind, t.entries)
		}
		if (t.kind == "grant") != (t.transaction == "") {
			c.say("transfer %s (%s) is for transaction %q", id, t.kind, t.transaction)
		}
		if t.transaction == "" {
			continue
		}
		if owner, ok := c.transactions[t.transaction]; !ok || owner.org != t.org {
			c.say("transfer %s (%s) is for transaction %s, which %s does not have", id, t.kind, t.transaction, t.org)
		}
		if settled[t.transaction] == nil {
			settled[t.transaction] = map[string]int64{}
		}
		settled[t.transaction][t.kind] += t.entries[to]
	}
	for id, t := range c.transactions {
		want := map[string]int64{}
		if t.total > 0 {
			want["hold"] = t.total
			switch t.state {
			case "final":
				want["capture"] = t.total
			case "failed":
				want["release"] = t.total
			default:
				held[t.org] += t.total
			}
		}
		if got := settled[id]; !maps.Equal(got, want) {
			c.say("transaction %s (%s, %d credits) has transfers %v, not %v", id, t.state, t.total, got, want)
		}
	}
	for a, balance := range balances {
		if a.name == "held" && balance != held[a.org] {
			c.say("%s has %d held, its transactions in flight cost %d", a.org, balance, held[a.org])
		}
	}
}

// jobsAndTransactions: a job is confirmed exactly when its transaction exists,
// and they say the same; each state has what it needs.
func (c *checker) jobsAndTransactions() {
	for id, j := range c.jobs {
		t, ok := c.transactions[id]
		if ok != (j.state == "confirmed") {
			c.say("job %s is %s, it has a transaction: %t", id, j.state, ok)
		}
		if ok && (t.org != j.org || t.kind != j.kind || t.network != j.network || t.work != j.work || t.total != j.total || string(t.commitment) != string(j.commitment)) {
			c.say("job and transaction %s differ: %+v, %+v", id, j, t)
		}
		if (j.kind == "add_version") != (j.base > 0) {
			c.say("job %s (%s) was begun on version %d", id, j.kind, j.base)
		}
		swept := j.asset == "" && (t.state == "failed" || j.reuses() || j.hashOnly)
		if c.works[j.work].redacted {
			if j.personal+j.titleKey+j.ref+j.asset != "{}" || len(j.media) > 0 || j.state == "open" || j.state == "prepared" {
				c.say("job %s of a redacted work still holds something: %+v", id, j)
			}
			continue
		}
		if (j.state == "prepared" || j.state == "confirmed") && (len(j.commitment) != 32 || len(j.media) != 32 && t.state != "failed" || j.asset == "" && !swept) {
			c.say("job %s is %s without commitment, hash or asset", id, j.state)
		}
	}
	inFlight := map[string]string{} // by work
	for id, t := range c.transactions {
		if other, ok := inFlight[t.work]; ok && t.live() {
			c.say("work %s has transactions %s and %s in flight", t.work, other, id)
		} else if t.live() {
			inFlight[t.work] = id
		}
		if _, ok := c.jobs[id]; !ok {
			c.say("transaction %s has no job", id)
		}
		if t.live() && !c.world.InFlight {
			c.say("transaction %s is still %s", id, t.state)
		}
		var steps []struct {
			Step string `json:"step"`
		}
		if err := json.Unmarshal([]byte(t.steps), &steps); err != nil || len(steps) == 0 {
			c.say("transaction %s has steps %q", id, t.steps)
			continue
		}
		last := map[string]string{"confirmed": "validating", "staged": "signing", "broadcast": "confirming", "final": "completed", "failed": "failed"}[t.state]
		if steps[len(steps)-1].Step != last {
			c.say("transaction %s is %s, its last step %s", id, t.state, steps[len(steps)-1].Step)
		}
		seen := map[string]bool{}
		for _, s := range steps {
			if seen[s.Step] {
				c.say("transaction %s has step %s twice", id, s.Step)
			}
			seen[s.Step] = true
		}
		if t.state != "confirmed" && t.state != "failed" && (len(t.staged) == 0 || len(t.hash) != 32) {
			c.say("transaction %s is %s and has no staged bytes", id, t.state)
		}
		var body struct {
			Code      string `json:"code"`
			RequestID string `json:"request_id"`
		}
		if t.state == "failed" {
			if err := json.Unmarshal([]byte(t.failure), &body); err != nil || body.Code != "transaction.failed" || body.RequestID == "" || body.RequestID != t.request {
				c.say("transaction %s failed with %q, confirmed by %s", id, t.failure, t.request)
			}
		} else if t.failure != "" {
			c.say("transaction %s is %s with failure %q", id, t.state, t.failure)
		}
	}
}

// worksAndVersions: every version has one final transaction, every final
// transaction one version, every work its versions from 1 without a gap.
func (c *checker) worksAndVersions() {
	count := map[string]int64{}
	of := map[string]bool{}
	var before version
	for _, v := range c.versions {
		count[v.work]++
		of[v.transaction] = true
		if v.number != count[v.work] {
			c.say("work %s has version %d in place %d", v.work, v.number, count[v.work])
		}
		t, ok := c.transactions[v.transaction]
		w, known := c.works[v.work]
		j := c.jobs[v.transaction]
		if !ok || !known || t.state != "final" || t.work != v.work || t.version != v.number || t.ats != w.ats || t.org != w.org || t.network != w.network ||
			t.block != v.block || v.block < 1 || string(t.hash) != string(v.hash) || string(t.commitment) != string(v.commitment) || string(t.blockHash) != string(v.blockHash) {
			c.say("version %d of work %s and its transaction differ: %+v, %+v, %+v", v.number, v.work, v, t, w)
		}
		if w.redacted && (v.personal != "{}" || len(v.media) > 0) {
			c.say("version %d of a redacted work still holds something: %+v", v.number, v)
		}
		asset, kept := j.asset, !j.hashOnly && !w.redacted
		if j.reuses() && before.work == v.work && string(before.media) == string(v.media) {
			asset, kept = before.asset, before.asset != ""
		}
		if v.asset != asset || string(v.media) != string(j.media) || kept != (v.asset != "") || j.base != v.number-1 {
			c.say("version %d of work %s and its job differ: %+v, %+v", v.number, v.work, v, j)
		}
		if w.ref != "" && j.ref != w.ref {
			c.say("version %d of a work of %q was made by %q", v.number, w.ref, j.ref)
		}
		before = v
		var quote struct {
			Total int64 `json:"total"`
		}
		if err := json.Unmarshal([]byte(v.quote), &quote); err != nil || quote.Total != t.total {
			c.say("version %d of work %s was quoted %s and cost %d", v.number, v.work, v.quote, t.total)
		}
	}
	for id, t := range c.transactions {
		if t.state == "final" && !of[id] {
			c.say("transaction %s is final and has no version", id)
		}
	}
	for id, w := range c.works {
		if count[id] == 0 || w.latest != count[id] {
			c.say("work %s has %d versions, the latest is %d", id, count[id], w.latest)
		}
		if w.redacted && w.personal+w.ref+string(w.code) != "" {
			c.say("redacted work %s still holds something: %+v", id, w)
		}
		if !w.redacted && (w.ref == "") != (len(w.code) == 32) {
			c.say("work %s belongs to %q and its access code has a hash of %d bytes", id, w.ref, len(w.code))
		}
	}
}

// claims: whatever is in flight or registered has claimed its audio and its
// title, and nothing else has claimed any.
func (c *checker) claims() {
	owners := map[string]bool{} // works that may hold claims
	for id, j := range c.jobs {
		if t := c.transactions[id]; j.state != "confirmed" || t.state == "failed" || c.works[j.work].redacted {
			continue
		}
		owners[j.work] = true
		k, ok := c.media[strings.Join([]string{j.org, j.network, hex.EncodeToString(j.media)}, "\x00")]
		if !ok || k.work != j.work {
			c.say("job %s has not claimed its audio: work %s has", id, k.work)
		}
	}
	duplicates := map[string]bool{}
	c.rows(`SELECT id, duplicate_titles FROM organizations`, func(scan func(...any) error) error {
		var id string
		var allow bool
		err := scan(&id, &allow)
		duplicates[id] = allow
		return err
	})
	for id, j := range c.jobs {
		if !owners[j.work] || duplicates[j.org] || j.state != "confirmed" || j.kind != "register" || c.works[j.work].redacted {
			continue
		}
		if k, ok := c.titles[strings.Join([]string{j.org, j.network, j.ref, j.titleKey}, "\x00")]; !ok || k.work != j.work {
			c.say("job %s has not claimed its title: work %q has", id, k.work)
		}
	}
	for _, k := range c.media {
		if !owners[k.work] {
			c.say("audio %s is claimed by work %s, which is neither registered nor on its way", k.key, k.work)
		}
	}
	for _, k := range c.titles {
		if !owners[k.work] {
			c.say("title %q is claimed by work %s, which is neither registered nor on its way", k.key, k.work)
		}
	}
}

// codes: a work that was given its n-th further access code has n that were
// replaced, and no code opens two works.
func (c *checker) codes() {
	opens := map[string]string{}
	for id, w := range c.works {
		if len(w.code) > 0 {
			opens[string(w.code)] = id
		}
	}
	replaced := map[string]int64{}
	c.rows(`SELECT hash, work_id FROM replaced_access_codes`, func(scan func(...any) error) error {
		var hash []byte
		var id string
		err := scan(&hash, &id)
		replaced[id]++
		if other, ok := opens[string(hash)]; ok {
			c.say("a code of work %s that was replaced opens work %s", id, other)
		}
		return err
	})
	c.rows(`SELECT id, access_code_generation FROM works`, func(scan func(...any) error) error {
		var id string
		var generation int64
		err := scan(&id, &generation)
		if replaced[id] != generation {
			c.say("work %s has the access code of generation %d, %d were replaced", id, generation, replaced[id])
		}
		return err
	})
}

// sessions: one session begins one job.
func (c *checker) sessions() {
	spent := map[string]string{}
	c.rows(`SELECT jti, job_id FROM sessions WHERE job_id IS NOT NULL`, func(scan func(...any) error) error {
		var jti, jobID string
		err := scan(&jti, &jobID)
		spent[jti] = jobID
		// The rows of jobs that came to nothing are swept before their sessions.
		if j, ok := c.jobs[jobID]; ok && j.sessionID != jti {
			c.say("session %s was spent on job %s, which is of session %s", jti, jobID, j.sessionID)
		}
		return err
	})
	first := map[string]string{}
	for id, j := range c.jobs {
		if other, ok := first[j.sessionID]; ok {
			c.say("session %s began jobs %s and %s", j.sessionID, other, id)
		}
		first[j.sessionID] = id
	}
}

// network: what we say is on a network is there exactly once, and nothing of
// ours is there that we do not know of.
func (c *checker) network() {
	anchored := c.world.Anchored
	if anchored == nil {
		anchored = c.log()
	}
	ours := map[[32]byte]int{}
	bound := map[[32]byte]int{}
	for _, t := range c.transactions {
		k := [32]byte(t.commitment)
		switch t.state {
		case "final":
			ours[k]++
		case "confirmed", "staged", "broadcast":
			bound[k]++
		}
	}
	for k, n := range anchored {
		if n < ours[k] || n > ours[k]+bound[k] {
			c.say("commitment %x is on the network %d times, is final here %d times and on its way %d times", k, n, ours[k], bound[k])
		}
	}
	for k, n := range ours {
		if anchored[k] == 0 {
			c.say("commitment %x is final here %d times and not on the network", k, n)
		}
	}
}

// log reads the built-in logs, and checks receipts against them.
func (c *checker) log() map[[32]byte]int {
	type place struct{ ats, version, block int64 }
	anchored, places := map[[32]byte]int{}, map[string]place{}
	c.rows(`SELECT tx_hash, body, idx, ats_id, version, block FROM log_entries WHERE failure = ''`, func(scan func(...any) error) error {
		var hash, body []byte
		var idx sql.NullInt64
		var p place
		if err := scan(&hash, &body, &idx, &p.ats, &p.version, &p.block); err != nil {
			return err
		}
		t, err := leaf.ParseTransaction(body)
		if err != nil {
			return err
		}
		anchored[t.Commitment]++
		if idx.Valid {
			places[string(hash)] = p
		}
		return nil
	})
	for id, t := range c.transactions {
		if p, ok := places[string(t.hash)]; t.state == "final" && (!ok || p != place{t.ats, t.version, t.block}) {
			c.say("transaction %s is final as %d.%d in block %d; the log has %+v (%t)", id, t.ats, t.version, t.block, p, ok)
		}
	}
	return anchored
}

// timestamps: a version that waits for a token has neither that nor a certificate,
// which would have to hold it, and a token is about its version's commitment.
func (c *checker) timestamps() {
	type place struct {
		work    string
		version int64
	}
	tokens := map[place][]byte{}
	c.rows(`SELECT work_id, version, token FROM timestamps`, func(scan func(...any) error) error {
		var p place
		var token []byte
		err := scan(&p.work, &p.version, &token)
		tokens[p] = token
		return err
	})
	for _, v := range c.versions {
		token, stamped := tokens[place{v.work, v.number}]
		if v.stampDue && (stamped || v.certificate != "") {
			c.say("version %d of work %s waits for a token and has one (%t), or the certificate %q", v.number, v.work, stamped, v.certificate)
		}
		if stamped && !bytes.Contains(token, v.commitment) {
			c.say("the token of version %d of work %s is about something else", v.number, v.work)
		}
	}
}

// files: the asset of whatever can still be or has been registered is there,
// with the bytes that were hashed; a version that names a certificate names its
// own, and that is there.
func (c *checker) files() {
	if c.world.Blobs == nil || c.err != nil {
		return
	}
	jobs := slices.SortedFunc(maps.Values(c.jobs), func(a, b job) int { return cmp.Compare(a.id, b.id) })
	for _, j := range jobs {
		if j.state != "prepared" && j.state != "confirmed" || c.transactions[j.id].state == "failed" || j.reuses() || j.hashOnly || c.works[j.work].redacted {
			continue
		}
		r, _, err := c.world.Blobs.Open(c.ctx, j.asset)
		if err != nil {
			c.say("asset %s of job %s (%s): %v", j.asset, j.id, j.state, err)
			continue
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		r.Close()
		if err != nil || string(h.Sum(nil)) != string(j.media) {
			c.say("asset %s of job %s (%s) has not the bytes that were hashed (%v)", j.asset, j.id, j.state, err)
		}
	}
	for _, v := range c.versions {
		if v.certificate == "" {
			continue
		}
		if want := fmt.Sprintf("certificates/%s/%d", v.work, v.number); v.certificate != want {
			c.say("version %d of work %s names the certificate %s", v.number, v.work, v.certificate)
		}
		r, info, err := c.world.Blobs.Open(c.ctx, v.certificate)
		if err != nil || info.Size == 0 {
			c.say("certificate %s: %d bytes, %v", v.certificate, info.Size, err)
		}
		if err == nil {
			r.Close()
		}
	}
}
