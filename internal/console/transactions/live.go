package transactions

import (
	"time"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/web"
)

// live sends an event whenever the newest attempts of the organization have changed. The event has no
// data: the page loads its list again, in its language and with its filters. The stream ends with the
// visitor's session, and with the membership.
func (p pages) live(c *shell.Call) error {
	changed, leave, err := p.hub.enter(c.Organization(), c.Visitor.Person.ID)
	if err != nil {
		return err
	}
	defer leave()
	e, err := web.StartEvents(c.W)
	if err != nil {
		return nil // the browser has left
	}
	beat, end := time.NewTicker(check), time.NewTimer(liveLonger)
	defer beat.Stop()
	defer end.Stop()
	for {
		select {
		case <-changed:
			err = e.Send(0, "changed", struct{}{})
		case <-beat.C:
			if c.Still() != nil { // signed out, or no member any more
				_ = e.Send(0, "ended", struct{}{})
				return nil
			}
			err = e.Beat()
		case <-end.C:
			return nil
		case <-c.Context().Done():
			return nil
		case <-p.Stopping:
			return nil
		}
		if err != nil {
			return nil
		}
	}
}

// check is the time between two checks of the visitor's session.
const check = 5 * time.Second
