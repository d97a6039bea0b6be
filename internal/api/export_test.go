package api

// CountsAsked returns how often the database was queried for the counts of stats.
func (a *API) CountsAsked() int { return a.counts.asked }
