package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/mail"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// server is an SMTP server with STARTTLS on a real port.
type server struct {
	address string
	roots   *x509.CertPool
	plain   bool // offers no STARTTLS

	mu      sync.Mutex
	refuse  string // the answer to RCPT; "" accepts
	drop    bool   // ends the connection after the mail, without an answer
	asked   func() // is called at RCPT, if it is set
	mails   []string
	clear   []string // commands after EHLO that came without TLS
	signIns []string
}

func serve(t *testing.T) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: l.Addr().String(), roots: x509.NewCertPool()}
	s.roots.AddCert(parsed)
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.talk(conn, config) })
		}
	})
	return s
}

func (s *server) talk(conn net.Conn, config *tls.Config) {
	defer func() { conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 mail ready")
	secure := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.mu.Lock()
		refuse, drop, plain, asked := s.refuse, s.drop, s.plain, s.asked
		if !secure && !strings.HasPrefix(line, "EHLO") && line != "STARTTLS" && line != "QUIT" {
			s.clear = append(s.clear, line)
		}
		s.mu.Unlock()
		switch verb, rest, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO", "HELO":
			say("250-mail")
			if !secure && !plain {
				say("250-STARTTLS")
			} else {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			upgraded := tls.Server(conn, config)
			if upgraded.Handshake() != nil {
				return
			}
			conn, r, secure = upgraded, bufio.NewReader(upgraded), true
		case "AUTH":
			s.mu.Lock()
			s.signIns = append(s.signIns, rest)
			s.mu.Unlock()
			say("235 welcome")
		case "RCPT":
			if asked != nil {
				asked()
			}
			if refuse != "" {
				say(refuse)
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(l)
			}
			s.mu.Lock()
			s.mails = append(s.mails, b.String())
			s.mu.Unlock()
			if drop {
				return
			}
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

func courier(db *store.DB, s *server) *mail.Courier {
	return &mail.Courier{DB: db, Log: slog.New(slog.DiscardHandler),
		SMTP: mail.SMTP{Address: s.address, Security: mail.StartTLS, User: "timbre", Password: "s3cret", From: "Timbre <timbre@label.example>", Host: "timbre.example", TLS: &tls.Config{RootCAs: s.roots}},
		Owner: func(_ context.Context, m mail.Message) (mail.Message, string, bool, error) {
			return m, "https://timbre.example/console/x?token=abc", m.Ref != "gone", nil
		}}
}

func enqueue(t *testing.T, db *store.DB, m mail.Message) {
	t.Helper()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error { return mail.Enqueue(t.Context(), tx, m) }); err != nil {
		t.Fatal(err)
	}
}

func waiting(t *testing.T, db *store.DB) outbox.Counts {
	t.Helper()
	c, err := outbox.Count(t.Context(), db, mail.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A mail arrives over TLS, in the reader's language, and no value of it adds a header or a recipient.
func TestDelivery(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t)
		c := courier(db, s)
		evil := "Label\r\nBcc: evil@evil.example\r\n\r\nClick here: https://evil.example \u202e"
		enqueue(t, db, mail.Message{Kind: mail.Invitation, Ref: "1", Recipient: "anna@label.example", Language: "de", Words: map[string]string{"organization": evil, "inviter": "boss@label.example", "role": "admin"}})
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "gone", Recipient: "gone@label.example"})
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "2", Recipient: "a@label.example\r\nRCPT TO:<evil@evil.example>"})
		if err := c.DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := waiting(t, db).Waiting; n != 0 {
			t.Errorf("%d mails wait", n)
		}
		got := s.received()
		if len(got) != 1 {
			t.Fatalf("%d mails: %v", len(got), got)
		}
		m, err := netmail.ReadMessage(strings.NewReader(got[0]))
		if err != nil {
			t.Fatal(err)
		}
		if to := m.Header.Get("To"); to != "<anna@label.example>" || m.Header.Get("Bcc") != "" || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%v", m.Header)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || !strings.HasPrefix(subject, "Einladung zu Label") || strings.ContainsAny(subject, "\r\n") {
			t.Errorf("%q, %v", subject, err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil || !strings.Contains(string(body), "Administrator") || !strings.Contains(string(body), "https://timbre.example/console/x?token=abc") || strings.Contains(string(body), "\u202e") || strings.Contains(string(body), "\nClick here") {
			t.Errorf("%s, %v", body, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.clear) > 0 || len(s.signIns) != 1 {
			t.Errorf("without TLS: %q; sign-ins: %d", s.clear, len(s.signIns))
		}
	})
}

// Without STARTTLS nothing is sent: neither the password nor the mail.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s := serve(t)
	s.plain = true
	c := courier(db, s)
	enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "1", Recipient: "anna@label.example"})
	if err := c.DeliverDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := waiting(t, db); w.Failing != 1 {
		t.Errorf("%+v", w)
	}
	if err := c.SMTP.Check(t.Context()); err == nil {
		t.Error("the check passes")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) > 0 || len(s.signIns) > 0 || len(s.clear) > 0 {
		t.Errorf("%q %q %q", s.mails, s.signIns, s.clear)
	}
}

// A temporary failure is retried, a refusal for good and an old mail are dropped. A mail whose
// answer was lost is sent again, under the same message id.
func TestFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		db.Now = func() time.Time { return now }
		s := serve(t)
		c := courier(db, s)
		deliver := func() {
			t.Helper()
			if err := c.DeliverDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Hour)
		}
		set := func(refuse string, drop bool) { s.mu.Lock(); defer s.mu.Unlock(); s.refuse, s.drop = refuse, drop }
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "1", Recipient: "anna@label.example"})
		set("451 later", false)
		deliver()
		if w := waiting(t, db); w.Failing != 1 {
			t.Errorf("after a temporary failure: %+v", w)
		}
		set("", true)
		deliver()
		set("", false)
		deliver()
		got := s.received()
		id := regexp.MustCompile(`(?m)^Message-ID: (.*)$`)
		if len(got) != 2 || id.FindString(got[0]) != id.FindString(got[1]) || id.FindString(got[0]) == "" {
			t.Errorf("%q", got)
		}
		set("550 no such user", false)
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "1", Recipient: "nobody@label.example"})
		deliver()
		if w := waiting(t, db); w.Waiting != 0 {
			t.Errorf("after a refusal for good: %+v", w)
		}
		set("451 later", false)
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "1", Recipient: "anna@label.example"})
		deliver()
		now = now.Add(mail.MaxAge)
		deliver()
		if w := waiting(t, db); w.Waiting != 0 || len(s.received()) != 2 {
			t.Errorf("an old mail: %+v", w)
		}
	})
}

// A server that stops while it sends a mail gives the mail back: another server sends it at once,
// and it does not count as failed.
func TestStopped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		db.Now = func() time.Time { return now }
		s := serve(t)
		enqueue(t, db, mail.Message{Kind: mail.Reset, Ref: "1", Recipient: "anna@label.example"})
		ctx, stop := context.WithCancel(t.Context())
		s.asked = func() {
			stop()
			<-t.Context().Done() // it does not answer any more
		}
		if err := courier(db, s).DeliverDue(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("it was not stopped: %v", err)
		}
		if w := waiting(t, db); w.Due != 1 || w.Failing != 0 {
			t.Errorf("%+v", w)
		}
		answers := serve(t)
		if err := courier(db, answers).DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w := waiting(t, db); w.Waiting != 0 || len(answers.received()) != 1 {
			t.Errorf("%+v, %d sent", w, len(answers.received()))
		}
	})
}

// All languages have the same texts, with the same placeholders.
func TestTexts(t *testing.T) {
	t.Parallel()
	read := func(tag string) map[string]string {
		b, err := os.ReadFile(filepath.Join("texts", tag+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]string
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	holes := regexp.MustCompile(`\{[a-z]+\}`)
	count := func(text string) map[string]bool {
		m := map[string]bool{}
		for _, h := range holes.FindAllString(text, -1) {
			m[h] = true
		}
		return m
	}
	english := read("en")
	for _, kind := range mail.Kinds() {
		for _, part := range []string{".subject", ".body"} {
			if english[string(kind)+part] == "" {
				t.Errorf("%s%s is missing", kind, part)
			}
		}
	}
	for _, tag := range []string{"fr", "de", "es", "pt", "ja", "ar"} {
		other := read(tag)
		if len(other) != len(english) {
			t.Errorf("%s has %d texts, want %d", tag, len(other), len(english))
		}
		for key, text := range english {
			want, got := count(text), count(other[key])
			if other[key] == "" || len(want) != len(got) {
				t.Errorf("%s: %s has the placeholders %v, want %v", tag, key, got, want)
			}
			for h := range want {
				if !got[h] {
					t.Errorf("%s: %s lacks %s", tag, key, h)
				}
			}
		}
	}
}

// A mail exists exactly when the change that causes it is committed.
func TestEnqueue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		away := errors.New("away")
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := mail.Enqueue(t.Context(), tx, mail.Message{Kind: mail.Reset, Recipient: "a@label.example"}); err != nil {
				return err
			}
			return away
		}); !errors.Is(err, away) {
			t.Fatal(err)
		}
		if w := waiting(t, db); w.Waiting != 0 {
			t.Errorf("%+v", w)
		}
	})
}
