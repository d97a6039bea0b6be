package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Action is what a session may do.
type Action string

// The actions of sessions.
const (
	ActionRegister Action = "register"
	ActionUpdate   Action = "update_version"
	ActionAccess   Action = "access"
)

// Mint asks for a session for the browser of one end-user.
type Mint struct {
	// Action is ActionRegister if it is empty.
	Action Action
	// Network is required.
	Network Network
	// ExternalUserRef is the host's own id of the end-user, 1 to 255 bytes; empty: none.
	ExternalUserRef string
	// AtsID is the only work that the session may use; 0: every one.
	AtsID int64
	// MaxFileSize lowers the largest size of a file, in bytes; 0: the server's.
	MaxFileSize int64
	// HashOnly keeps the recordings of this session in the browser.
	HashOnly bool
	// Rehearse is an error code to provoke, with a test key.
	Rehearse Code
}

// Session is what a page gives to the widget. The token is a secret of this end-user.
type Session struct {
	Token string `json:"token"`
	// ExpiresIn is in seconds.
	ExpiresIn int `json:"expires_in"`
}

// Lifetime is ExpiresIn as a duration.
func (s Session) Lifetime() time.Duration { return time.Duration(s.ExpiresIn) * time.Second }

// ForPage returns the status and the JSON body that a backend answers its page with, after a [Client.Mint] that failed: what
// the server refused, unchanged, so that the widget explains it. Without an answer of the server, the status is 502 and the
// code is common.service_unavailable.
func ForPage(err error) (status int, body []byte) {
	type refusal struct {
		Code      Code                       `json:"code"`
		Message   string                     `json:"message"`
		Details   map[string]json.RawMessage `json:"details,omitempty"`
		RequestID string                     `json:"request_id,omitempty"`
	}
	status, told := http.StatusBadGateway, refusal{Code: CodeCommonServiceUnavailable, Message: "The registry cannot be reached."}
	var e *Error
	if errors.As(err, &e) && e.Code != "" && e.Status >= 400 {
		status, told = e.Status, refusal{e.Code, e.Message, e.details, e.RequestID}
	}
	body, err = json.Marshal(map[string]refusal{"error": told})
	if err != nil { // the details came from JSON
		panic(err)
	}
	return status, body
}

// Mint makes a session for the widget, with [Config.SecretKey] and [Config.Origin]. A page waits for it: give the context a
// timeout of about ten seconds, and [Config.Wait] a negative value. Otherwise the refusal of a busy server is waited for, and
// the end of the context is the error.
func (c *Client) Mint(ctx context.Context, m Mint) (*Session, error) {
	if c.config.SecretKey == "" || c.config.Origin == "" {
		return nil, errors.New("client: Mint needs Config.SecretKey and Config.Origin")
	}
	if m.Action == "" {
		m.Action = ActionRegister
	}
	in := mintBody{
		SecretKey: c.config.SecretKey, ActionType: string(m.Action), AllowedNetwork: string(m.Network), AllowedAtsID: m.AtsID,
		ExternalUserRef: m.ExternalUserRef, MaxFileSize: m.MaxFileSize, AssetStorage: Options{HashOnly: m.HashOnly}.storage(), Rehearse: string(m.Rehearse),
	}
	var s Session
	if err := c.decode(ctx, request{operation: opMint, in: in, header: http.Header{"Origin": {c.config.Origin}}}, &s); err != nil {
		return nil, err
	}
	if s.Token == "" {
		return nil, fmt.Errorf("%s: %w", opMint.name(), errAnother)
	}
	return &s, nil
}

// Revoke says which sessions of the key pair end. Exactly one member is set.
type Revoke struct {
	// ExternalUserRef ends all sessions of this end-user.
	ExternalUserRef string `json:"external_user_ref,omitempty"`
	// SessionID ends one session: the jti of its token.
	SessionID string `json:"session_id,omitempty"`
	// Token ends the session of this token.
	Token string `json:"token,omitempty"`
}

// Revoke ends sessions, from their next call on, with [Config.SecretKey]. It returns how many it ended: none, if they are
// unknown or had ended before.
func (c *Client) Revoke(ctx context.Context, r Revoke) (int, error) {
	if c.config.SecretKey == "" {
		return 0, errors.New("client: Revoke needs Config.SecretKey")
	}
	var done revoked
	err := c.decode(ctx, request{operation: opRevoke, in: revokeBody{c.config.SecretKey, r}}, &done)
	return done.Revoked, err
}
