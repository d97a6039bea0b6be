package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sign sets the headers of one attempt. All secrets sign, the newest first.
//
//	X-Allfeat-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "<t>.<body>">[,v1=…]
//	webhook-signature: v1,<base64 HMAC-SHA256 of "<id>.<t>.<body>">[ v1,…]
func sign(h http.Header, secrets []Secret, id string, at time.Time, body []byte) {
	t := strconv.FormatInt(at.Unix(), 10)
	allfeat, standard := []string{"t=" + t}, []string{}
	for _, s := range secrets {
		allfeat = append(allfeat, "v1="+hex.EncodeToString(mac(s, body, t, ".")))
		standard = append(standard, "v1,"+base64.StdEncoding.EncodeToString(mac(s, body, id, ".", t, ".")))
	}
	h.Set("X-Allfeat-Timestamp", t)
	h.Set("X-Allfeat-Signature", strings.Join(allfeat, ","))
	// Standard Webhooks writes its names in small letters. HTTP compares them without case.
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", t)
	h.Set("Webhook-Signature", strings.Join(standard, " "))
}

// mac signs a body after some short parts.
func mac(s Secret, body []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, s)
	for _, p := range parts {
		m.Write([]byte(p))
	}
	m.Write(body)
	return m.Sum(nil)
}
