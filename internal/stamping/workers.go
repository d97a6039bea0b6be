package stamping

import (
	"time"

	"timbre.example/internal/work"
)

// pollEvery is how often a worker looks for new blocks.
const pollEvery = time.Second

// renewEvery is the pause between two runs of renewals.
const renewEvery = time.Minute

// Workers returns what gets the dates: of blocks by the authority, by calendars and by chains, and
// the renewals.
func (s *Service) Workers() []*work.Worker {
	var all []*work.Worker
	if s.Stamp != nil {
		all = append(all,
			&work.Worker{Name: "block stamps", Step: s.StampDue, Every: pollEvery, Log: s.Log},
			&work.Worker{Name: "renewals", Step: s.RenewDue, Every: renewEvery, Log: s.Log})
	}
	if s.Calendars != nil {
		all = append(all, &work.Worker{Name: "calendars", Step: s.CalendarsDue, Every: pollEvery, Log: s.Log})
	}
	if len(s.Chains) > 0 {
		all = append(all, &work.Worker{Name: "anchors", Step: s.AnchorDue, Every: pollEvery, Log: s.Log})
	}
	return all
}
