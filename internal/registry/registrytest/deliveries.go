package registrytest

// deliveries: every version without a certificate has exactly one delivery, unless it waits
// for its time stamp or its work is erased. Every delivery has a version that needs it, or is
// for a warning about credits.
func (c *checker) deliveries() {
	type delivery struct{ work, org string }
	warnings := map[string]string{} // organizations, by id of the warning
	c.rows(`SELECT id, organization_id, level, balance FROM credit_warnings`, func(scan func(...any) error) error {
		var id, org string
		var level, balance int64
		err := scan(&id, &org, &level, &balance)
		if balance >= level {
			c.say("warning %s is about %d credits, at the level %d", id, balance, level)
		}
		warnings[id] = org
		return err
	})
	queued := map[string]delivery{} // by subject; the primary key allows one
	c.rows(`SELECT kind, subject, work_id, organization_id, attempts, last_error FROM deliveries`, func(scan func(...any) error) error {
		var d delivery
		var kind, subject, cause string
		var attempts int64
		err := scan(&kind, &subject, &d.work, &d.org, &attempts, &cause)
		if kind == "credits_low" {
			if warnings[subject] != d.org {
				c.say("the delivery of warning %s is of %s, the warning of %q", subject, d.org, warnings[subject])
			}
			return err
		}
		if kind == "webhook" { // see webhooks
			return err
		}
		if kind != "certificate" {
			c.say("the delivery of %s has kind %q", subject, kind)
		}
		if attempts == 0 && cause != "" {
			c.say("the certificate of transaction %s failed %d times, with %q", subject, attempts, cause)
		}
		queued[subject] = d
		return err
	})
	for _, v := range c.versions {
		w := c.works[v.work]
		due := v.certificate == "" && !v.stampDue && !w.redacted
		d, ok := queued[v.transaction]
		delete(queued, v.transaction)
		if ok != due {
			c.say("version %d of work %s needs a certificate: %t; it has a delivery: %t", v.number, v.work, due, ok)
		}
		if ok && (d.work != v.work || d.org != w.org) {
			c.say("the delivery for version %d of work %s is of %+v", v.number, v.work, d)
		}
	}
	for subject, d := range queued {
		c.say("a delivery for work %s has no version of transaction %s", d.work, subject)
	}
}

// webhooks: exactly the deliveries that wait are in the outbox. Every attempt has its delivery,
// which counts it. Every delivery has its endpoint. No row has an access code.
func (c *checker) webhooks() {
	for _, one := range []struct{ wrong, rows string }{
		{"waits, and is not in the outbox", `SELECT id FROM webhook_deliveries d WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM deliveries q WHERE q.kind = 'webhook' AND q.subject = d.id)`},
		{"is in the outbox, and does not wait", `SELECT subject FROM deliveries q WHERE kind = 'webhook' AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = q.subject AND d.state = 'waiting' AND q.work_id = '' AND d.organization_id = q.organization_id)`},
		{"has an attempt, and does not exist", `SELECT delivery_id FROM webhook_attempts a WHERE NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = a.delivery_id AND d.work_id = a.work_id)`},
		{"counts other attempts than it has", `SELECT id FROM webhook_deliveries d WHERE attempts <> (SELECT COUNT(*) FROM webhook_attempts a WHERE a.delivery_id = d.id)`},
		{"has no endpoint of its organization", `SELECT id FROM webhook_deliveries d WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.id = d.endpoint_id AND e.organization_id = d.organization_id)`},
		{"has an access code in its payload", `SELECT id FROM webhook_deliveries WHERE payload LIKE '%atc!_%' ESCAPE '!'`},
	} {
		c.rows(one.rows, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			c.say("the webhook delivery %s %s", id, one.wrong)
			return err
		})
	}
}
