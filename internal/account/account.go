// Package account has the customers of a registry: organizations with their settings, the
// key pairs of their integrations, and the origins of their sites. A key pair is live or
// test. The command line, the API and every page for members read and change accounts here.
//
// Secret keys are stored as hashes and shown once. Every refusal is a catalogued error. The
// package does not know who is calling: its callers decide who may change an account. It
// has no sessions and no balances.
package account
