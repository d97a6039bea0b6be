package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const hook = `{"event":"work_registered","transaction_id":"t","organization_id":"o","api_key_id":null,"external_user_ref":null,"network":"testnet","ats_id":7,"access_code":"atc_1","finalized_at":"2026-03-01T12:11:30Z"}`

func sign(body, secret string, at time.Time) http.Header {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, "evt_1."+stamp+"."+body)
	h := http.Header{}
	h.Set("webhook-id", "evt_1")
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

const secret, other = "whsec_c2VjcmV0", "whsec_b3RoZXI="

func TestVerifyWebhook(t *testing.T) {
	now := time.Now()
	e, err := VerifyWebhook([]byte(hook), sign(hook, secret, now), other, secret)
	if err != nil {
		t.Fatal(err)
	}
	if e.ID != "evt_1" || e.Kind != "work_registered" || e.AtsID != 7 || e.AccessCode != "atc_1" || e.APIKeyID != "" || string(e.Raw) != hook || e.FinalizedAt.Year() != 2026 {
		t.Errorf("%+v", e)
	}
	for name, c := range map[string]struct {
		body   string
		change func(h http.Header)
		at     time.Time
		want   error
	}{
		"another body":     {strings.Replace(hook, "7", "8", 1), nil, now, ErrWebhookSignature},
		"written again":    {strings.ReplaceAll(hook, ":", ": "), nil, now, ErrWebhookSignature},
		"empty":            {"", nil, now, ErrWebhookBody},
		"old":              {hook, nil, now.Add(-6 * time.Minute), ErrWebhookTime},
		"of the future":    {hook, nil, now.Add(6 * time.Minute), ErrWebhookTime},
		"no id":            {hook, func(h http.Header) { h.Del("webhook-id") }, now, ErrWebhookHeader},
		"another id":       {hook, func(h http.Header) { h.Set("webhook-id", "evt_2") }, now, ErrWebhookSignature},
		"no timestamp":     {hook, func(h http.Header) { h.Del("webhook-timestamp") }, now, ErrWebhookHeader},
		"a long timestamp": {hook, func(h http.Header) { h.Set("webhook-timestamp", "1"+strings.Repeat("0", 18)) }, now, ErrWebhookHeader},
		"no signature":     {hook, func(h http.Header) { h.Del("webhook-signature") }, now, ErrWebhookHeader},
		"another version":  {hook, func(h http.Header) { h.Set("webhook-signature", "v2"+h.Get("webhook-signature")[2:]) }, now, ErrWebhookSignature},
	} {
		h := sign(hook, secret, c.at)
		if c.change != nil {
			c.change(h)
		}
		if _, err := VerifyWebhook([]byte(c.body), h, secret); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, secrets := range [][]string{nil, {""}, {" "}, {"whsec_"}, {"whsec_%"}, {"c2VjcmV0"}, {secret + " csk_1"}} {
		if _, err := VerifyWebhook([]byte(hook), sign(hook, secret, now), secrets...); !errors.Is(err, ErrWebhookSecret) || WebhookStatus(err) != 500 {
			t.Errorf("%q: %v", secrets, err)
		}
	}
	two := sign(hook, secret, now)
	two.Set("webhook-signature", sign(hook, other, now).Get("webhook-signature")+" "+two.Get("webhook-signature"))
	for _, secrets := range [][]string{{secret}, {other}, {secret, other}, {other + " " + secret + "\n"}} {
		if _, err := VerifyWebhook([]byte(hook), two, secrets...); err != nil {
			t.Errorf("%q: %v", secrets, err)
		}
	}
}

// ReadWebhook reports a body that something has read or parsed before, on a real server.
func TestReadWebhook(t *testing.T) {
	var before func(r *http.Request)
	var got error
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if before != nil {
			before(r)
		}
		_, got = ReadWebhook(r, secret)
	}))
	defer s.Close()
	for name, c := range map[string]struct {
		before func(r *http.Request)
		body   string
		want   error
	}{
		"as it came": {nil, hook, nil},
		"read":       {func(r *http.Request) { io.ReadAll(r.Body) }, hook, ErrWebhookBody},
		"a byte":     {func(r *http.Request) { io.ReadFull(r.Body, make([]byte, 1)) }, hook, ErrWebhookBody},
		"closed":     {func(r *http.Request) { r.Body.Close() }, hook, ErrWebhookBody},
		"parsed":     {func(r *http.Request) { r.ParseForm() }, hook, ErrWebhookBody},
		"empty":      {nil, "", ErrWebhookBody},
	} {
		before = c.before
		req, err := http.NewRequest("POST", s.URL, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range sign(hook, secret, time.Now()) {
			req.Header[k] = v
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if !errors.Is(got, c.want) || c.want == nil && got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", MaxWebhook+1)))
	if _, err := ReadWebhook(r, secret); !errors.Is(err, ErrWebhookLarge) || WebhookStatus(err) != 413 {
		t.Error(err)
	}
	// A handler that has a smaller limit of its own.
	r = httptest.NewRequest("POST", "/", strings.NewReader(hook))
	r.Body = http.MaxBytesReader(nil, r.Body, 10)
	if _, err := ReadWebhook(r, secret); WebhookStatus(err) != 413 {
		t.Error(err)
	}
	// A connection that is too slow, or breaks: the server must send the event again.
	r = httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(hook[:10]), failing{os.ErrDeadlineExceeded}))
	if _, err := ReadWebhook(r, secret); !errors.Is(err, os.ErrDeadlineExceeded) || WebhookStatus(err) != 408 {
		t.Errorf("%v: %d", err, WebhookStatus(err))
	}
	for err, want := range map[error]int{nil: 200, ErrWebhookBody: 500, ErrWebhookHeader: 400, ErrWebhookTime: 400, ErrWebhookSignature: 400} {
		if got := WebhookStatus(err); got != want {
			t.Errorf("%v: %d", err, got)
		}
	}
}
