package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"timbre.example/internal/operation"
)

// Security is how a connection to the SMTP server is protected.
type Security string

// The values.
const (
	StartTLS Security = "starttls" // TLS after the greeting; without it nothing is sent
	Implicit Security = "tls"      // TLS from the first byte
	Plain    Security = "none"     // for a server on the same machine
)

// SMTP sends mails to one server.
type SMTP struct {
	Address        string // host:port
	Security       Security
	User, Password string // both "" without a sign-in
	From           string // the sender: "name@example.com" or "Name <name@example.com>"
	// Host is the name of the server in the texts, and in message ids.
	Host string
	// TLS replaces the default configuration, in tests.
	TLS *tls.Config
}

// timeout is how long one mail may take.
const timeout = 30 * time.Second

// client makes a client for one connection. close closes the connection also where the client leaves it
// open, after a failed greeting.
func (s SMTP) client() (_ *gomail.Client, close func(), err error) {
	var conn net.Conn
	close = func() {
		if conn != nil {
			_ = conn.Close() // it may be closed already
		}
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		conn, err = (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, address)
		return conn, err
	}
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, close, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, close, err
	}
	options := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(timeout), gomail.WithTLSConfig(s.config()), gomail.WithoutNoop()}
	switch s.Security {
	case Implicit: // the library dials itself: only then it knows that the connection is encrypted
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithDialContextFunc(dial))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(dial))
	}
	if s.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	c, err := gomail.NewClient(host, options...)
	return c, close, err
}

// config is the TLS configuration: the certificate must be valid for the server's name.
func (s SMTP) config() *tls.Config {
	config := &tls.Config{}
	if s.TLS != nil {
		config = s.TLS.Clone()
	}
	config.ServerName, _, _ = net.SplitHostPort(s.Address)
	config.MinVersion = tls.VersionTLS12
	return config
}

// Check connects, signs in and sends nothing.
func (s SMTP) Check(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "connect to the mail server %s", s.Address)
	c, close, err := s.client()
	defer close()
	if err != nil {
		return err
	}
	if err := c.DialWithContext(ctx); err != nil {
		return err
	}
	return c.Close()
}

// ErrRefused is the error of a mail that the server refuses for good, such as for an unknown
// address.
var ErrRefused = errors.New("mail: the server refuses the mail for good")

// send sends one mail. id is the same for all attempts, so that a reader can drop a second copy.
func (s SMTP) send(ctx context.Context, id string, m Message, link string) error {
	to, err := mail.ParseAddress(m.Recipient)
	if err != nil || to.Address != m.Recipient {
		return fmt.Errorf("%w: the recipient is not one address", ErrRefused)
	}
	subject, body := compose(m, s.Host, link)
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(s.From); err != nil {
		return err
	}
	msg.ToMailAddress(to)
	msg.Subject(subject)
	msg.SetMessageIDWithValue(id + "@" + s.Host)
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, body)
	c, close, err := s.client()
	if err != nil {
		close()
		return err
	}
	// The library notices the end of ctx only while it connects. A connection that is left ends
	// with its process, or after the timeout.
	sent := make(chan error, 1)
	go func() {
		defer close()
		sent <- c.DialAndSendWithContext(ctx, msg)
	}()
	select {
	case err = <-sent:
	case <-ctx.Done():
		return ctx.Err()
	}
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w: code %d", ErrRefused, refused.ErrorCode())
	}
	return err
}
