package main

import (
	"context"
	"time"

	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/outbound"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
)

// logs returns the networks that are built-in logs.
func (f serverFlags) logs() (all []network.Name) {
	for _, at := range f.addresses() {
		if at.URL == builtIn {
			all = append(all, at.Name)
		}
	}
	return all
}

// renewBefore is how long before the end of its certificates a token is renewed.
func (f serverFlags) renewBefore() time.Duration {
	if f.TSARenewBefore == 0 {
		return stamping.DefaultRenewBefore
	}
	return f.TSARenewBefore
}

// stamping returns what the registry needs to date blocks and to renew tokens.
func (f serverFlags) stamping() stamping.Config {
	c := stamping.Config{Timeout: f.LogTokenTimeout, RenewBefore: f.renewBefore(), AnchorEvery: f.LogAnchorEvery}
	if f.LogTokens {
		c.Tokens = f.logs()
	}
	if len(f.LogCalendars) > 0 {
		c.Proofs = f.logs()
		c.Calendars = &stamping.Calendars{Addresses: f.LogCalendars, Client: outbound.NewPolicy(f.LogCalendarAllow).Client(stamping.MaxCalendars, 1)}
	}
	return c
}

// countStamps reads which dates are missing.
func countStamps(ctx context.Context, db *store.DB, before time.Duration) (out metrics.Stamps, err error) {
	state, err := stamping.Status(ctx, db, before)
	if err != nil {
		return out, err
	}
	for _, b := range state.Blocks {
		out.Blocks = append(out.Blocks, metrics.BlockStamps{Network: b.Network, Kind: b.Kind, Waiting: b.Waiting, Pending: b.Pending})
	}
	out.RenewalsDue, out.RenewalsMissed, out.NextEnd = state.RenewalsDue, state.RenewalsMissed, state.NextEnd
	return out, nil
}
