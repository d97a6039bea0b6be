package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// tokens reads a JSON text as a list of tokens; nil if it is invalid.
func tokens(body []byte) (all []json.Token) {
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			return nil
		}
		all = append(all, token)
	}
}

// members counts the members of every object in a value that encoding/json made; duplicates
// count once.
func members(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		n = len(v)
		for _, one := range v {
			n += members(one)
		}
	case []any:
		for _, one := range v {
			n += members(one)
		}
	}
	return n
}

// written counts the members in a JSON text, by its colons outside of strings.
func written(body []byte) (n int) {
	quoted := false
	for at := 0; at < len(body); at++ {
		switch c := body[at]; {
		case quoted && c == '\\':
			at++
		case c == '"':
			quoted = !quoted
		case !quoted && c == ':':
			n++
		}
	}
	return n
}

// FuzzMembers: a strict body with correct names has each member once, and no member that its
// type does not have.
func FuzzMembers(f *testing.F) {
	for _, body := range []string{
		`{"secret_key":"csk_1","action_type":"register","allowed_network":"testnet"}`,
		`{"secret_key":"csk_1","secret_key":"csk_2"}`, `{"Secret_Key":"csk_1"}`, `{"allowed_atsid":1}`, `{"allowed_ats_id":null}`,
		`[{"action_type":1}]`, `{"action_type":{"a":1,"a":2}}`, `{"\u0061ction_type":"register","action_type":"access"}`, `{"ſecret_key":1}`, ``, `{`, `{} {}`,
	} {
		f.Add([]byte(body))
	}
	type mint struct {
		SecretKey      string  `json:"secret_key"`
		ActionType     string  `json:"action_type"`
		AllowedNetwork string  `json:"allowed_network"`
		AllowedAtsID   *int64  `json:"allowed_ats_id"`
		Rehearse       *string `json:"rehearse"`
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := decode(body, &mint{}, true)
		bad := append(found.misnamed, found.mistyped...)
		if len(bad) > 2*maxFaults {
			t.Fatalf("%d members are reported", len(bad))
		}
		for _, one := range bad {
			if one.Rule == "" || len(one.Field) > 500 {
				t.Fatalf("%+v", one)
			}
		}
		var read map[string]any
		if len(bad) > 0 || err != nil || json.Unmarshal(body, &read) != nil {
			return
		}
		// Members of values whose type is not an object are refused elsewhere.
		for name, v := range read {
			if _, ok := v.(map[string]any); ok {
				return
			}
			if _, ok := v.([]any); ok {
				return
			}
			if !documents(reflect.TypeFor[mint](), name) {
				t.Errorf("%s: %q is accepted", body, name)
			}
		}
		if got, want := members(read), written(body); got != want {
			t.Errorf("%s: %d members are read of %d", body, got, want)
		}
	})
}

func documents(t reflect.Type, name string) bool {
	for i := range t.NumField() {
		if known, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); known == name {
			return true
		}
	}
	return false
}

// FuzzText: a JSON body is valid text exactly when encoding/json reads it unchanged, without
// replacement characters.
func FuzzText(f *testing.F) {
	for _, body := range []string{`"é"`, `"\ud83d\ude80"`, `"\ud83d"`, `"\ude80\ud83d"`, "\"\xff\"", `"\\ud83d"`, `"\uD83Dx"`, `{"\ud800":1}`, `"\ud83d\\"`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) || bytes.Contains(body, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)) {
			return
		}
		replaced := false
		for _, token := range tokens(body) {
			if s, ok := token.(string); ok && strings.ContainsRune(s, '\ufffd') {
				replaced = true
			}
		}
		if text := isText(body); text == replaced {
			t.Errorf("%q is text: %v, and encoding/json replaces something: %v", body, text, replaced)
		}
	})
}

// FuzzAddress: no header of a client decides its address. The entry of the last proxy
// counts, whatever is to the left of it.
func FuzzAddress(f *testing.F) {
	for _, forwarded := range []string{"", "203.0.113.9", "1.2.3.4, 10.1.1.1", "unknown", "[2001:db8::1]:80", "::ffff:10.0.0.1", "fe80::1%eth0", ",,", "10.0.0.1,10.0.0.2"} {
		f.Add(forwarded)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	at := func(remote string, forwarded ...string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = forwarded
		return addressOf(r, proxies)
	}
	f.Fuzz(func(t *testing.T, forwarded string) {
		if got := at("198.51.100.7:999", forwarded); got != "198.51.100.7" {
			t.Errorf("%q of no proxy: %s", forwarded, got)
		}
		if got := at("10.9.9.9:999", forwarded, "203.0.113.9"); got != "203.0.113.9" {
			t.Errorf("%q before a proxy's entry: %s", forwarded, got)
		}
		if got := at("10.9.9.9:999", forwarded+", 10.2.2.2, 203.0.113.9:4711 "); forwarded != "" && got != "203.0.113.9" {
			t.Errorf("%q before two proxies' entries: %s", forwarded, got)
		}
		got := at("[::1]:999", forwarded)
		if _, err := netip.ParsePrefix(got); err != nil {
			if a, err := netip.ParseAddr(got); err != nil || !a.Is4() || a.Zone() != "" {
				t.Errorf("%q makes the address %q", forwarded, got)
			}
		}
	})
}
