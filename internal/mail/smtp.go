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

// client makes a client for one connection.
func (s SMTP) client() (*gomail.Client, error) {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{}
	if s.TLS != nil {
		config = s.TLS.Clone()
	}
	config.ServerName, config.MinVersion = host, tls.VersionTLS12
	options := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(timeout), gomail.WithTLSConfig(config), gomail.WithoutNoop()}
	switch s.Security {
	case Implicit:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(host, options...)
}

// Check connects, signs in and sends nothing.
func (s SMTP) Check(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "connect to the mail server %s", s.Address)
	c, err := s.client()
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
	c, err := s.client()
	if err != nil {
		return err
	}
	err = c.DialAndSendWithContext(ctx, msg)
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w: code %d", ErrRefused, refused.ErrorCode())
	}
	return err
}
