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
