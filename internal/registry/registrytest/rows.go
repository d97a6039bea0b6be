package registrytest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
)

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
	titles       map[string]claim // by organization, scope, end-user and title
	media        map[string]claim // by organization, scope and hash
}

type job struct {
	id, org, kind, network, ref, state, work, titleKey, asset string
	media, commitment                                         []byte
	total, base                                               int64
	sessionID                                                 string
	hashOnly, test                                            bool
	personal                                                  string
}

// reuses reports whether the job keeps the recording of the version on which it began.
func (j job) reuses() bool { return j.kind == "add_version" && j.asset == "" && !j.hashOnly }

// scope returns the scope in which the claims of a job are unique.
func (j job) scope() string {
	if j.test {
		return j.network + "/test"
	}
	return j.network
}

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

// rows runs a query and calls scan for every row.
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
	c.rows(`SELECT id, organization_id, kind, network, external_user_ref, state, work_id, title_key, asset_key, media_hash, commitment, total_credits, session_jti, base_version, hash_only, test,
		title || creators || filename || language || reading || CASE WHEN length(declared_hash) > 0 OR length(merkle_root) > 0 THEN 'a hash' ELSE '' END || media FROM jobs`, func(scan func(...any) error) error {
		var j job
		err := scan(&j.id, &j.org, &j.kind, &j.network, &j.ref, &j.state, &j.work, &j.titleKey, &j.asset, &j.media, &j.commitment, &j.total, &j.sessionID, &j.base, &j.hashOnly, &j.test, &j.personal)
		c.jobs[j.id] = j
		return err
	})
	c.rows(`SELECT id, organization_id, network, kind, state, work_id, ats_id, version, commitment, total_credits, staged, tx_hash, block_number, block_hash, steps, failure, request_id FROM transactions`, func(scan func(...any) error) error {
		var t transaction
		err := scan(&t.id, &t.org, &t.network, &t.kind, &t.state, &t.work, &t.ats, &t.version, &t.commitment, &t.total, &t.staged, &t.hash, &t.block, &t.blockHash, &t.steps, &t.failure, &t.request)
		c.transactions[t.id] = t
		return err
	})
	c.rows(`SELECT id, organization_id, network, external_user_ref, ats_id, latest_version, access_code_hash, redacted_at IS NOT NULL, title || title_key || CASE WHEN access_code_issued_at > 0 THEN 'a code' ELSE '' END FROM works`, func(scan func(...any) error) error {
		var w work
		err := scan(&w.id, &w.org, &w.network, &w.ref, &w.ats, &w.latest, &w.code, &w.redacted, &w.personal)
		c.works[w.id] = w
		return err
	})
	c.rows(`SELECT work_id, transaction_id, asset_key, quote, certificate_key, timestamp_until > 0, version, block_number, commitment, media_hash, tx_hash, block_hash,
		creators || filename || asset_key || certificate_key || language || CASE WHEN length(merkle_root) > 0 THEN 'a hash' ELSE '' END || media FROM versions ORDER BY work_id, version`, func(scan func(...any) error) error {
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
