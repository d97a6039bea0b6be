package registrytest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"slices"

	"timbre.example/proof/evidence/leaf"
)

// network: every final transaction is on its network exactly once, and the network has no
// commitment that the registry does not know.
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
			c.say("commitment %x is on the network %d times, final here %d times and in flight %d times", k, n, ours[k], bound[k])
		}
	}
	for k, n := range ours {
		if anchored[k] == 0 {
			c.say("commitment %x is final here %d times and not on the network", k, n)
		}
	}
}

// log reads the built-in logs, and checks transactions against them.
func (c *checker) log() map[[32]byte]int {
	type place struct{ ats, version, block int64 }
	anchored, places := map[[32]byte]int{}, map[string]place{}
	c.rows(`SELECT tx_hash, body, idx, ats_id, version, block FROM log_entries WHERE failure = '' AND NOT lost`, func(scan func(...any) error) error {
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

// timestamps: a version that waits for a token has no token yet. It has no certificate
// either, since the certificate would contain the token. A token is about its version's
// commitment.
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
			c.say("the token of version %d of work %s has another commitment", v.number, v.work)
		}
	}
}

// files: the asset of every job and version that is or can be registered exists, with the
// bytes that were hashed. A version that names a certificate names its own, and the file
// exists.
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
			c.say("asset %s of job %s (%s) does not have the hashed bytes (%v)", j.asset, j.id, j.state, err)
		}
	}
	for _, v := range c.versions {
		if v.certificate == "" {
			continue
		}
		name := fmt.Sprintf("certificates/%s-%d", v.work, v.number)
		if old := fmt.Sprintf("certificates/%s/%d", v.work, v.number); v.certificate != name && v.certificate != old {
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
	c.strays()
}

// strays: every stored file is known to a row.
func (c *checker) strays() {
	known := map[string]bool{}
	for _, text := range []string{
		`SELECT upload_key FROM jobs`, `SELECT asset_key FROM jobs`, `SELECT asset_key FROM versions`, `SELECT object_key FROM erasures`,
		`SELECT 'certificates/' || work_id || '-' || CAST(version AS TEXT) FROM versions`, `SELECT certificate_key FROM versions`,
	} {
		c.rows(text, func(scan func(...any) error) error {
			var key string
			err := scan(&key)
			known[key] = true
			return err
		})
	}
	for _, folder := range []string{"uploads", "assets", "certificates"} {
		for o, err := range c.world.Blobs.List(c.ctx, folder) {
			if err != nil {
				c.say("listing %s: %v", folder, err)
			} else if !known[o.Key] {
				c.say("no row names the file %s, %d bytes", o.Key, o.Size)
			}
		}
	}
}
