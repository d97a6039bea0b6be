package registrytest

import (
	"maps"
	"time"
)

// ledger checks four rules. Every transfer is two entries that cancel out, in the accounts
// of its kind. Balances are the sums of their entries. The held amount is the cost of the
// transactions in flight. Every ended transaction has settled its hold once, as its outcome
// requires.
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
	reached := map[account]map[int64]bool{} // the balances after entries
	c.rows(`SELECT transfer_id, account, amount, COALESCE(balance, 0) FROM ledger_entries`, func(scan func(...any) error) error {
		var id, name string
		var amount, after int64
		err := scan(&id, &name, &amount, &after)
		t, ok := transfers[id]
		if !ok {
			c.say("entry of an unknown transfer: %s", id)
			return err
		}
		t.entries[name] += amount
		a := account{t.org, name}
		sums[a] += amount
		if reached[a] == nil {
			reached[a] = map[int64]bool{}
		}
		reached[a][after] = true
		return err
	})
	c.rows(`SELECT organization_id, account, balance FROM ledger_accounts`, func(scan func(...any) error) error {
		var a account
		var balance int64
		err := scan(&a.org, &a.name, &balance)
		balances[a] = balance
		if a.name != "issued" && balance < 0 {
			c.say("account %s of %s has balance %d", a.name, a.org, balance)
		}
		return err
	})
	for a, sum := range sums {
		if balances[a] != sum {
			c.say("account %s of %s: balance %d, entries sum to %d", a.name, a.org, balances[a], sum)
		}
		if !reached[a][sum] {
			c.say("account %s of %s: no entry has the balance %d", a.name, a.org, sum)
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

// quotas: the counter of a month is the number of its transactions that did not fail.
func (c *checker) quotas() {
	type month struct {
		org    string
		number int64
		test   bool
	}
	counts := map[month]int64{}
	c.rows(`SELECT organization_id, test, created_at FROM transactions WHERE state <> 'failed'`, func(scan func(...any) error) error {
		var m month
		var at int64
		err := scan(&m.org, &m.test, &at)
		t := time.UnixMicro(at).UTC()
		m.number = int64(t.Year()-1970)*12 + int64(t.Month()) - 1
		counts[m]++
		return err
	})
	c.rows(`SELECT organization_id, month, test, count FROM quota_counters`, func(scan func(...any) error) error {
		var m month
		var n int64
		err := scan(&m.org, &m.number, &m.test, &n)
		if n != counts[m] {
			c.say("the quota of %s counts %d registrations in month %d, and there are %d", m.org, n, m.number, counts[m])
		}
		return err
	})
}
