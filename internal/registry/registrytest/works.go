package registrytest

import (
	"encoding/hex"
	"encoding/json"
	"strings"
)

// jobsAndTransactions: a job is confirmed exactly when its transaction exists, and both
// agree. Each state has the fields that it needs.
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
			c.say("job %s (%s) started from version %d", id, j.kind, j.base)
		}
		swept := j.asset == "" && (t.state == "failed" || j.reuses() || j.hashOnly)
		if c.works[j.work].redacted {
			if j.personal+j.titleKey+j.ref+j.asset != "{}" || len(j.media) > 0 || j.state == "open" || j.state == "prepared" {
				c.say("job %s of a redacted work still has data: %+v", id, j)
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
			RequestID string `json:"request_id"` // in rows of the first releases; now only the column request_id has it
		}
		if t.state == "failed" {
			if err := json.Unmarshal([]byte(t.failure), &body); err != nil || body.Code != "transaction.failed" || t.request == "" || body.RequestID != "" && body.RequestID != t.request {
				c.say("transaction %s failed with %q, confirmed by %s", id, t.failure, t.request)
			}
		} else if t.failure != "" {
			c.say("transaction %s is %s with failure %q", id, t.state, t.failure)
		}
	}
}

// worksAndVersions: every version has one final transaction, and every final transaction has
// one version. The versions of a work are numbered from 1 without a gap, except for versions
// whose record a repair of the log marks as lost.
func (c *checker) worksAndVersions() {
	count := map[string]int64{}
	lost := c.lost()
	of := map[string]bool{}
	var before version
	for _, v := range c.versions {
		count[v.work]++
		of[v.transaction] = true
		base := count[v.work] - 1
		for w := c.works[v.work]; lost[place{w.network, w.ats, count[v.work]}]; {
			count[v.work]++
		}
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
			c.say("version %d of a redacted work still has data: %+v", v.number, v)
		}
		asset, kept := j.asset, !j.hashOnly && !w.redacted
		if j.reuses() && before.work == v.work && string(before.media) == string(v.media) {
			asset, kept = before.asset, before.asset != ""
		}
		if v.asset != asset || string(v.media) != string(j.media) || kept != (v.asset != "") || j.base != base {
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
			c.say("redacted work %s still has data: %+v", id, w)
		}
		if !w.redacted && (w.ref == "") != (len(w.code) == 32) {
			c.say("work %s belongs to %q and its access code has a hash of %d bytes", id, w.ref, len(w.code))
		}
	}
}

// place is a version of a work in a log.
type place struct {
	network string
	ats     int64
	version int64
}

// lost returns the versions that a repair put back into a log without their record.
func (c *checker) lost() map[place]bool {
	all := map[place]bool{}
	c.rows(`SELECT network, ats_id, version FROM log_entries WHERE lost`, func(scan func(...any) error) error {
		var p place
		err := scan(&p.network, &p.ats, &p.version)
		all[p] = true
		return err
	})
	return all
}

// claims: every transaction in flight and every registration has claimed its audio and its
// title, and there are no other claims.
func (c *checker) claims() {
	owners := map[string]bool{} // works that may have claims
	for id, j := range c.jobs {
		if t := c.transactions[id]; j.state != "confirmed" || t.state == "failed" || c.works[j.work].redacted {
			continue
		}
		owners[j.work] = true
		k, ok := c.media[strings.Join([]string{j.org, j.scope(), hex.EncodeToString(j.media)}, "\x00")]
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
		if k, ok := c.titles[strings.Join([]string{j.org, j.scope(), j.ref, j.titleKey}, "\x00")]; !ok || k.work != j.work {
			c.say("job %s has not claimed its title: work %q has", id, k.work)
		}
	}
	for _, k := range c.media {
		if !owners[k.work] {
			c.say("audio %s is claimed by work %s, which is neither registered nor in flight", k.key, k.work)
		}
	}
	for _, k := range c.titles {
		if !owners[k.work] {
			c.say("title %q is claimed by work %s, which is neither registered nor in flight", k.key, k.work)
		}
	}
}

// codes: a work with an access code of generation n has n replaced codes, and no code opens
// two works.
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

// sessions: each session begins one job.
func (c *checker) sessions() {
	spent := map[string]string{}
	c.rows(`SELECT jti, job_id FROM sessions WHERE job_id IS NOT NULL`, func(scan func(...any) error) error {
		var jti, jobID string
		err := scan(&jti, &jobID)
		spent[jti] = jobID
		// The rows of expired jobs are swept before their sessions.
		if j, ok := c.jobs[jobID]; ok && j.sessionID != jti {
			c.say("session %s was spent on job %s, which is of session %s", jti, jobID, j.sessionID)
		}
		return err
	})
	first := map[string]string{}
	for id, j := range c.jobs {
		if j.sessionID == "" { // of an API key: see keys
			continue
		}
		if other, ok := first[j.sessionID]; ok {
			c.say("session %s began jobs %s and %s", j.sessionID, other, id)
		}
		first[j.sessionID] = id
	}
}

// keys: a session or an API key began each job, not both. The key is of the job's organization,
// and is a test key exactly for a test job. The transaction has the same key. No organization
// has more than ten live keys.
func (c *checker) keys() {
	c.rows(`SELECT j.id FROM jobs j LEFT JOIN api_keys k ON k.id = j.api_key_id
		WHERE (j.session_jti = '') = (j.api_key_id = '') OR j.api_key_id <> '' AND (k.id IS NULL OR k.organization_id <> j.organization_id OR k.test <> j.test)
		UNION SELECT t.id FROM transactions t JOIN jobs j ON j.id = t.id WHERE t.api_key_id <> j.api_key_id`, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		c.say("job %s has another caller than a session or a key of its organization", id)
		return err
	})
	c.rows(`SELECT organization_id FROM api_keys WHERE revoked_at IS NULL AND expires_at IS NULL GROUP BY organization_id HAVING COUNT(*) > 10`, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		c.say("organization %s has more than ten live API keys", id)
		return err
	})
}
