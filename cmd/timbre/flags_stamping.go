package main

import (
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/stamping"
)

// stampingFlags configure the dates of blocks by others, and the renewal of tokens.
type stampingFlags struct {
	LogTokens        bool              `env:"TIMBRE_LOG_TOKENS" example:"true" default:"true" help:"Request one token for each block of the built-in logs too, from the authority of --tsa-url (default: ${default})."`
	LogTokenTimeout  time.Duration     `env:"TIMBRE_LOG_TOKEN_TIMEOUT" example:"1m" default:"1m" placeholder:"TIME" help:"How long a certificate waits for the token of its block, at most 1h. Then it is made without it; 0s does not wait (default: ${default})."`
	LogCalendars     []string          `env:"TIMBRE_LOG_CALENDARS" example:"https://calendar.example" placeholder:"URLS" help:"OpenTimestamps calendars that receive the hash of each block, at most 8, separated by commas. Their proofs lead to blocks of Bitcoin, some hours later. Without it, no calendar is asked."`
	LogCalendarAllow proxies           `env:"TIMBRE_LOG_CALENDAR_ALLOW" example:"10.1.0.0/16,127.0.0.0/8" placeholder:"CIDRS" help:"Networks in which calendars may be beside public addresses, separated by commas. Calendars there may use http and any port. Without this flag, a calendar needs https and a public address."`
	LogAnchors       []network.Address `env:"TIMBRE_LOG_ANCHORS" example:"mainnet=substrate:wss://node.example" placeholder:"NAME=URL" help:"Chain on which the newest block of the log NAME is registered now and then, for all works before it; repeat the flag for another log. The URL is as in --network, and the accounts are those of --substrate-seed-file or --substrate-signer. Without it, no block is anchored."`
	LogAnchorEvery   time.Duration     `env:"TIMBRE_LOG_ANCHOR_EVERY" example:"1h" default:"1h" placeholder:"TIME" help:"Pause between two anchors of a log, from 1m to 168h. Without a new block none is made (default: ${default})."`
	TSARenewBefore   time.Duration     `name:"tsa-renew-before" env:"TIMBRE_TSA_RENEW_BEFORE" example:"2160h" default:"2160h" placeholder:"TIME" help:"How long before the end of the authority's certificates each kept token is renewed: another token that holds it. At least 1h (default: ${default}, 90 days)."`
}

// validateStamping checks the flags without a connection.
func (f stampingFlags) validateStamping() error {
	if f.LogTokenTimeout < 0 || f.LogTokenTimeout > time.Hour {
		return wrongf("log-token-timeout", "must be between 0s and 1h")
	}
	if f.TSARenewBefore != 0 && f.TSARenewBefore < time.Hour {
		return wrongf("tsa-renew-before", "must be at least 1h")
	}
	if len(f.LogCalendars) > stamping.MaxCalendars {
		return wrongf("log-calendars", "must be at most %d addresses", stamping.MaxCalendars)
	}
	for _, one := range f.LogCalendars {
		if err := stamping.CheckCalendar(one); err != nil {
			return wrongf("log-calendars", "%s", err)
		}
	}
	return nil
}
