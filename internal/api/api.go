// Package api is the HTTP API of the widget and of hosts' backends: its routes, their wire
// shapes, their guards and budgets, and rehearsals.
//
// Handlers return errors and never write them; package web renders them. The package decides
// nothing about works, sessions or credits: it translates.
package api

import (
	"timbre.example/internal/apikey"
	"timbre.example/internal/limit"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// Config configures the API. Every field is required unless noted. A nil Registry or nil
// Tokens leaves out the routes of that role: they answer common.not_found.
type Config struct {
	// Web is the router that the API adds its routes to.
	Web *web.Router
	// Sessions whose Tokens are nil do not mint.
	Sessions *session.Service
	// Keys checks API keys.
	Keys *apikey.Service
	// Registry is nil in a process that serves no works.
	Registry *registry.Registry
	Limits   *limit.Limits
	// SupportedFormats are the audio formats that /v1/stats lists.
	SupportedFormats []string
	// PartsFrom is the size in bytes from which the widget uploads in parts; 0: never.
	PartsFrom int64
}

// API has the handlers of all routes.
type API struct {
	Config
	counts    counts
	followers *followers
}

func (a *API) mints() bool { return a.Sessions.Tokens != nil }
func (a *API) works() bool { return a.Registry != nil }
