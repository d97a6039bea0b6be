package registrytest

import "fmt"

// found: a work has words exactly while it is not erased, and each ended transaction is counted once.
// Records of a process of an older release wait for the worker.
func (c *checker) found() {
	words := map[string]int64{}
	c.rows(`SELECT work_id, COUNT(*) FROM work_words GROUP BY work_id`, func(scan func(...any) error) error {
		var work string
		var n int64
		err := scan(&work, &n)
		words[work] = n
		return err
	})
	worded := map[string]bool{}
	c.rows(`SELECT DISTINCT work_id FROM versions WHERE words > 0`, func(scan func(...any) error) error {
		var work string
		err := scan(&work)
		worded[work] = true
		return err
	})
	for id, w := range c.works {
		if w.redacted && words[id] > 0 {
			c.say("work %s is erased, and has %d words", id, words[id])
		}
		if !w.redacted && worded[id] && words[id] == 0 {
			c.say("work %s has no words", id)
		}
		delete(words, id)
	}
	for id, n := range words {
		c.say("%d words belong to work %s, which does not exist", n, id)
	}
	c.rows(`SELECT t.id, t.state, CAST((SELECT COUNT(*) FROM in_flight f WHERE f.transaction_id = t.id AND f.organization_id = t.organization_id AND f.network = t.network AND f.work_id = t.work_id
			AND f.state = t.state AND f.ats_id = t.ats_id AND f.created_at = t.created_at AND f.updated_at = t.updated_at) AS BIGINT),
		CAST((SELECT COUNT(*) FROM ended e WHERE e.organization_id = t.organization_id AND e.network = t.network AND e.state = t.state AND e.transaction_id = t.id
			AND e.ats_id = t.ats_id AND e.counted = t.counted AND e.ended_at = t.updated_at) AS BIGINT) FROM transactions t`, func(scan func(...any) error) error {
		var id, state string
		var moving, done int64
		err := scan(&id, &state, &moving, &done)
		if final := state == "final" || state == "failed"; final != (done == 1) || final != (moving == 0) {
			c.say("transaction %s is %s, and has %d rows in in_flight and %d in ended", id, state, moving, done)
		}
		return err
	})
	c.rows(`SELECT transaction_id FROM in_flight WHERE transaction_id NOT IN (SELECT id FROM transactions) UNION ALL SELECT transaction_id FROM ended WHERE transaction_id NOT IN (SELECT id FROM transactions)`, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		c.say("in_flight or ended has transaction %s, which does not exist", id)
		return err
	})
	ends := map[string]int64{}
	c.rows(`SELECT organization_id, network, test, kind, state, COUNT(*) FROM transactions WHERE counted GROUP BY organization_id, network, test, kind, state`, func(scan func(...any) error) error {
		var org, network, kind, state string
		var test bool
		var n int64
		err := scan(&org, &network, &test, &kind, &state, &n)
		if state != "final" && state != "failed" {
			c.say("%d transactions of organization %s are counted in the state %s", n, org, state)
		}
		ends[fmt.Sprint(org, network, test, kind, state == "final")] = n
		return err
	})
	c.rows(`SELECT organization_id, network, test, kind, code, CAST(SUM(count) AS BIGINT) FROM daily_counts GROUP BY organization_id, network, test, kind, code`, func(scan func(...any) error) error {
		var org, network, kind, code string
		var test bool
		var n int64
		err := scan(&org, &network, &test, &kind, &code, &n)
		key := fmt.Sprint(org, network, test, kind, code == "")
		if ends[key] != n {
			c.say("organization %s has %d ends of %s with the code %q on %s, and the days count %d", org, ends[key], kind, code, network, n)
		}
		delete(ends, key)
		return err
	})
	for key, n := range ends {
		c.say("%d ends of %s are on no day", n, key)
	}
}
