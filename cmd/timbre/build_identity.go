package main

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/limit"
	"timbre.example/internal/session"
	"timbre.example/internal/work"
)

// identity decides who calls, and how often.
type identity struct {
	opened
	sessions *session.Service
	limits   *limit.Limits
}

// openIdentity builds the sessions. A process with the role organizations signs tokens; an
// ats without it verifies them with that process's keys.
func (f serverFlags) openIdentity(at entrance, st storage, log *slog.Logger) (who identity, err error) {
	prices, err := f.prices()
	if err != nil {
		return who, err
	}
	who.limits = limit.New(st.db, f.rates(), log)
	who.runs(who.limits.Run)
	who.sessions = &session.Service{
		DB: st.db, MaxFileSize: f.MaxFileSize, Lifetime: f.LimitsToken, Networks: f.served(), MinimumCredits: session.Minimum(prices),
	}
	if f.has(organizations) {
		if who.sessions.Tokens, err = session.NewTokens(st.root.key(purposeTokens), f.issuer(at.url), st.db.Now); err != nil {
			return who, err
		}
		sweep := work.Worker{Name: "sessions", Every: time.Hour, Log: log, Step: func(ctx context.Context) error {
			_, err := who.sessions.Sweep(ctx)
			return err
		}}
		who.runs(sweep.Run)
	}
	if f.verifiesElsewhere() {
		who.sessions.Issuer = session.NewIssuer(session.IssuerConfig{
			Name: f.issuer(at.url), URL: f.keySetURL(at.url), Refresh: f.JWKSRefresh, MaxAge: f.JWKSMaxAge, Now: st.db.Now, Log: log,
		})
		who.runs(who.sessions.Issuer.Run)
	}
	return who, nil
}
