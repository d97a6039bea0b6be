package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"timbre.example/internal/store/storetest"
	"timbre.example/internal/webhook"
)

// What CheckURL accepts and refuses, and the stored form.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	public := webhook.New(webhook.Config{})
	local := webhook.New(webhook.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}})
	for _, c := range []struct{ text, public, local string }{ // a stored form, or a reason
		{"https://songs.example/hook?a=b", "https://songs.example/hook?a=b", "="},
		{"https://songs.example", "https://songs.example/", "="},
		{"HTTPS://Songs.Example:8443/A", "https://songs.example:8443/A", "="},
		{"https://songs.example./", "https://songs.example/", "="},
		{"https://bücher.example/x", "https://xn--bcher-kva.example/x", "="},
		{"https://раураl.example/", "https://xn--l-7sba6dbr.example/", "="}, // a homograph shows itself
		{"https://93.184.216.34/", "https://93.184.216.34/", "="},
		{"https://[2606:2800:220:1::1]:443/", "https://[2606:2800:220:1::1]:443/", "="},
		{"https://songs.example/ä", "https://songs.example/%C3%A4", "="},

		{"http://songs.example/", "scheme", "http://songs.example/"}, // its address decides at each attempt
		{"http://127.0.0.1:3000/hook", "address", "http://127.0.0.1:3000/hook"},
		{"http://localhost:3000/", "address", "http://localhost:3000/"},
		{"https://10.1.2.3:22/", "address", "https://10.1.2.3:22/"},
		{"https://[::ffff:127.0.0.1]/", "address", "https://[::ffff:127.0.0.1]/"},
		{"https://intranet/", "address", "https://intranet/"},
		{"https://printer.local/", "address", "https://printer.local/"},
		{"https://10.2.0.1/", "address", "address"},
		{"http://93.184.216.34/", "scheme", "scheme"},
		{"https://songs.example:22/", "address", "https://songs.example:22/"},
		{"https://93.184.216.34:25/", "address", "address"},
		{"https://169.254.169.254/latest/meta-data", "address", "address"},
		{"https://0.0.0.0/", "address", "address"},
		{"https://2130706433/", "address", "address"},
		{"https://0x7f.1/", "address", "address"},
		{"https://127.1/", "address", "address"},
		{"https://0177.0.0.1/", "address", "address"},
		{"https://songs.example.1/", "address", "address"},
		{"https://[::1]/", "address", "address"},
		{"https://[fe80::1%25eth0]/", "address", "address"},
		{"https://[64:ff9b::7f00:1]/", "address", "address"},

		{"", "scheme", "scheme"}, {"songs.example", "scheme", "scheme"}, {"//songs.example", "scheme", "scheme"}, {"ftp://songs.example/", "scheme", "scheme"},
		{"javascript:alert(1)", "malformed", "malformed"}, {"file:///etc/passwd", "scheme", "scheme"}, {"gopher://songs.example:70/_", "scheme", "scheme"},
		{"https://", "malformed", "malformed"}, {"https:///x", "malformed", "malformed"}, {"https://songs..example/", "malformed", "malformed"}, {"https://-/", "malformed", "malformed"},
		{"https://songs.example:/", "malformed", "malformed"}, {"https://songs.example:0/", "malformed", "malformed"}, {"https://songs.example:65536/", "malformed", "malformed"}, {"https://songs.example:0443/", "malformed", "malformed"},
		{"https://ada:secret@songs.example/", "credentials", "credentials"}, {"https://ada@songs.example/", "credentials", "credentials"}, {"https://@songs.example/", "credentials", "credentials"},
		{"https://songs.example/#top", "fragment", "fragment"}, {"https://songs.example/#", "fragment", "fragment"},
		{"https://songs.example/\x00", "malformed", "malformed"}, {"https://songs.example/a b", "malformed", "malformed"}, {"https://songs.example/\n", "malformed", "malformed"}, {"https://songs.example\\@127.0.0.1/", "malformed", "malformed"},
		{"https://songs.example/\xff", "malformed", "malformed"}, {"https://songs\u202e.example/", "malformed", "malformed"}, {"https://songs.example/\u200b", "malformed", "malformed"}, {" https://songs.example/", "malformed", "malformed"},
		{"https://" + strings.Repeat("a", 64) + ".example/", "malformed", "malformed"}, {"https://songs.example/" + strings.Repeat("a", 2048), "too_long", "too_long"}, {"https://songs.example/" + strings.Repeat("ä", 900), "too_long", "too_long"},
	} {
		for name, s := range map[string]*webhook.Service{"public": public, "local": local} {
			want := c.public
			if name == "local" && c.local != "=" {
				want = c.local
			}
			got, err := s.CheckURL(c.text)
			var wrong *webhook.InvalidURL
			if errors.As(err, &wrong) {
				got = wrong.Reason
			}
			if got != want {
				t.Errorf("%s: %q is %q, not %q (%v)", name, c.text, got, want, err)
			}
		}
	}
}

// Every special address is refused, in every form.
func TestAddresses(t *testing.T) {
	t.Parallel()
	public := webhook.New(webhook.Config{})
	local := webhook.New(webhook.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, text := range strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1
		198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::
		3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1`) {
		ip := netip.MustParseAddr(text)
		if public.Safe(ip) {
			t.Errorf("%s is allowed", text)
		}
		if got, want := local.Safe(ip), ip.Unmap().Is4() && ip.Unmap().IsLoopback(); got != want {
			t.Errorf("%s is allowed beside loopback: %t", text, got)
		}
	}
	for _, text := range []string{"93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8"} {
		if !public.Safe(netip.MustParseAddr(text)) {
			t.Errorf("%s is refused", text)
		}
	}
}

// names is a name server whose answers a test chooses.
func names(t *testing.T, answer func(name string, question int) [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var asked atomic.Int32
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q.Type == dnsmessage.TypeA {
				a := answer(strings.TrimSuffix(q.Name.String(), "."), int(asked.Add(1)))
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: a}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// Nothing reaches a private address by a name. That also holds for a name that changes its
// address between two look-ups, and with a proxy in the environment. The error does not show
// the address.
func TestRequestForgery(t *testing.T) {
	db := storetest.SQLite(t)
	hit := func() (*httptest.Server, *atomic.Int32) {
		var n atomic.Int32
		s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
		t.Cleanup(s.Close)
		return s, &n
	}
	secret, hits := hit()
	t.Setenv("HTTPS_PROXY", secret.URL)
	t.Setenv("HTTP_PROXY", secret.URL)
	roots := x509.NewCertPool()
	roots.AddCert(secret.Certificate())
	u, err := url.Parse(secret.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db)
	// A name that is public at the first look-up, and loopback at each later one.
	w.Service = webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Log: w.Log})
	rebinding := names(t, func(name string, question int) [4]byte {
		if name == "rebinding.example" && question%2 == 1 {
			return [4]byte{93, 184, 216, 34}
		}
		return [4]byte{127, 0, 0, 1}
	})
	w.Dial(rebinding, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	resolved := func(name string) (list []string) {
		list, err := rebinding.LookupHost(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, name := range []string{"inside.example", "rebinding.example"} {
		e, _ := w.endpoint("https://" + name + ":" + u.Port() + "/")
		if name == "rebinding.example" {
			for resolved(name)[0] != "93.184.216.34" { // who only checks before gets a public address
				continue
			}
		}
		if _, err := w.SendTest(t.Context(), w.org, e.ID, by); err != nil {
			t.Fatal(err)
		}
		w.drain()
		_, attempts := w.one(e.ID)
		if len(attempts) != 1 || attempts[0].Status != 0 || !strings.Contains(attempts[0].Error, "nothing is delivered") || strings.Contains(attempts[0].Error, "127.0.0.1") {
			t.Errorf("%s: %+v", name, attempts)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Fatalf("%d requests reached a private address", n)
	}
	// With the operator's permission the same request arrives.
	w.Service = webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Allow: loopback, Log: w.Log})
	w.Dial(rebinding, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	e, _ := w.endpoint("https://inside.example:" + u.Port() + "/")
	if _, err := w.SendTest(t.Context(), w.org, e.ID, by); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if d, attempts := w.one(e.ID); d.State != webhook.Delivered || hits.Load() != 1 {
		t.Errorf("allowed: %+v %+v", d, attempts)
	}
	// http to a name outside of the allowed networks is refused when it connects.
	w.Service = webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Allow: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, Log: w.Log})
	w.Dial(names(t, func(string, int) [4]byte { return [4]byte{93, 184, 216, 34} }), nil)
	e, _ = w.endpoint("http://plain.example/")
	if _, err := w.SendTest(t.Context(), w.org, e.ID, by); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if _, attempts := w.one(e.ID); len(attempts) != 1 || !strings.Contains(attempts[0].Error, "begins with http") {
		t.Errorf("%+v", attempts)
	}
}
