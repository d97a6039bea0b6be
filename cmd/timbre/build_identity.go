package main

import (
	"log/slog"

	"timbre.example/internal/apikey"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/limit"
	"timbre.example/internal/people"
	"timbre.example/internal/session"
	"timbre.example/internal/webhook"
	"timbre.example/internal/work"
)

// identity decides who calls, and how often.
type identity struct {
	opened
	requests *idempotency.Requests
	sessions *session.Service
	keys     *apikey.Service
	webhooks *webhook.Service // makes endpoints, and delivers nothing
	limits   *limit.Limits
	people   *people.Service // nil in a process without the console
}

// openIdentity builds the sessions. A process with the role organizations signs tokens; an
// ats without it verifies them with that process's keys.
func (f serverFlags) openIdentity(at entrance, st storage, log *slog.Logger) (who identity, err error) {
	prices, err := f.prices()
	if err != nil {
		return who, err
	}
	who.limits = limit.New(st.db, f.rates(), log)
	for _, w := range []*work.Worker{who.limits.Worker(), who.limits.Follow()} {
		if w != nil {
			who.runs(w.Run)
		}
	}
	who.requests = &idempotency.Requests{DB: st.db}
	who.runs(who.requests.Worker(log).Run)
	who.sessions = &session.Service{
		DB: st.db, MaxFileSize: f.MaxFileSize, Lifetime: f.LimitsToken, Networks: f.served(), MinimumCredits: session.Minimum(prices), Remember: f.SettingsMaxAge,
	}
	who.webhooks = webhook.New(f.webhooks(st))
	who.keys = &apikey.Service{DB: st.db, Networks: f.served(), MaxFileSize: f.MaxFileSize, Log: log, CheckURL: checkURL(who.webhooks), Endpoint: endpointOf(who.webhooks)}
	who.runs(who.keys.Run())
	if f.has(organizations) {
		if who.sessions.Tokens, err = session.NewTokens(st.root.key(purposeTokens), f.issuer(at.url), st.db.Now); err != nil {
			return who, err
		}
		who.runs(who.sessions.Worker(log).Run)
	}
	if f.verifiesElsewhere() {
		who.sessions.Issuer = session.NewIssuer(session.IssuerConfig{
			Name: f.issuer(at.url), URL: f.keySetURL(at.url), Refresh: f.JWKSRefresh, MaxAge: f.JWKSMaxAge, Now: st.db.Now, Log: log,
		})
		who.runs(who.sessions.Issuer.Worker().Run)
	}
	var more opened
	who.people, more, err = f.openPeople(who.limits, at, st, log)
	who.takes(more)
	return who, err
}
