package substrate

import (
	"testing"
	"time"

	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A node that lost transactions gets them again a block later, long before everything is sent again.
func TestLostTransactions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const submit = "author_submitExtrinsic"
		c := start(t, node.Options{})
		n := open(t, db, c)
		steps(t, n)
		staged := stage(t, n, calls(4)...)
		broadcast(t, n, staged...)
		steps(t, n)
		again := func() {
			t.Helper()
			_ = n.step(t.Context(), false) // the connection can be lost
			steps(t, n)
		}
		before := c.Calls(submit)
		later(db, 7*time.Second)
		if again(); c.Calls(submit) != before {
			t.Errorf("what the node has in its pool was sent again: %d calls", c.Calls(submit)-before)
		}
		c.Restart()
		if again(); c.Pool() != len(staged) {
			t.Errorf("after a restart and a block the pool has %d transactions", c.Pool())
		}
		c.Restart()
		if again(); c.Pool() != 0 {
			t.Errorf("within a block %d transactions were sent again", c.Pool())
		}
		// The node does not say what it has: then the time counts.
		c.Inject(node.Fault{Method: "system_accountNextIndex", Code: -32601, Message: "Method not found"})
		later(db, 7*time.Second)
		if again(); c.Pool() != 0 {
			t.Errorf("without an answer %d transactions were sent again", c.Pool())
		}
		c.Heal()
		// A transaction that the node refused is not lost.
		c.Inject(node.Fault{Method: submit, Code: 1016, Message: "Immediately Dropped"})
		again()
		refused := c.Calls(submit)
		later(db, 7*time.Second)
		if again(); c.Calls(submit) != refused {
			t.Errorf("what the node refused was sent again: %d calls", c.Calls(submit)-refused)
		}
		c.Heal()
		later(db, time.Minute)
		again()
		c.Step(1)
		steps(t, n)
		find(t, n, staged...)
		anchored(t, c, len(staged))
		// On a block that is not final yet, nothing is lost.
		staged = stage(t, n, call(4), call(5))
		broadcast(t, n, staged...)
		steps(t, n)
		c.StallFinality(true)
		c.Step(1)
		before = c.Calls(submit)
		later(db, 7*time.Second)
		if again(); c.Calls(submit) != before {
			t.Errorf("what is on a block was sent again: %d calls", c.Calls(submit)-before)
		}
		c.StallFinality(false)
		c.Step(1)
		steps(t, n)
		find(t, n, staged...)
		anchored(t, c, 6)
	})
}
