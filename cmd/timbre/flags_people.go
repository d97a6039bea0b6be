package main

import (
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"timbre.example/internal/legible"
	mailer "timbre.example/internal/mail"
	"timbre.example/internal/openid"
)

// peopleFlags configure the sign-in to the console.
type peopleFlags struct {
	SignUp      bool          `env:"TIMBRE_SIGN_UP" help:"Let every person make an account and an organization, by a link that is sent to the e-mail address. It needs --smtp-address."`
	SessionLife time.Duration `env:"TIMBRE_SESSION_LIFE" example:"720h" default:"720h" placeholder:"TIME" help:"Longest life of a session of the console (default: ${default}, 30 days)."`
	SessionIdle time.Duration `env:"TIMBRE_SESSION_IDLE" example:"168h" default:"168h" placeholder:"TIME" help:"Time after which an unused session of the console ends (default: ${default}, 7 days)."`
	mailFlags
	openIDFlags
}

// mailFlags name the server that sends mails.
type mailFlags struct {
	SMTPAddress      string          `name:"smtp-address" env:"TIMBRE_SMTP_ADDRESS" example:"smtp.your-domain.example:587" placeholder:"HOST:PORT" help:"Mail server that sends invitations, links for new passwords and warnings. Without it, the console shows the link of an invitation to the person who invites, and timbre people reset makes links for new passwords."`
	SMTPSecurity     mailer.Security `name:"smtp-security" env:"TIMBRE_SMTP_SECURITY" example:"starttls" default:"starttls" enum:"starttls,tls,none" placeholder:"FORM" help:"starttls: TLS after the greeting, and nothing is sent without it; tls: TLS from the start; none: no TLS, only for a mail server on the same machine (default: ${default})."`
	SMTPUser         string          `name:"smtp-user" env:"TIMBRE_SMTP_USER" example:"timbre" placeholder:"NAME" help:"User name at the mail server."`
	SMTPPassword     string          `name:"smtp-password" secret:"all" env:"TIMBRE_SMTP_PASSWORD" example:"SECRET" placeholder:"SECRET" help:"Password at the mail server. Prefer the variable or the file, because the list of processes shows flags."`
	SMTPPasswordFile string          `name:"smtp-password-file" env:"TIMBRE_SMTP_PASSWORD_FILE" example:"/run/secrets/smtp" type:"path" placeholder:"FILE" help:"Read the password at the mail server from this file instead."`
	SMTPFrom         string          `name:"smtp-from" env:"TIMBRE_SMTP_FROM" example:"Timbre <timbre@your-domain.example>" placeholder:"ADDRESS" help:"Sender of the mails. Required with --smtp-address."`
}

// openIDFlags name an OpenID Connect provider.
type openIDFlags struct {
	OIDCIssuer           string `name:"oidc-issuer" env:"TIMBRE_OIDC_ISSUER" example:"https://login.your-domain.example" placeholder:"URL" help:"OpenID Connect provider that people can sign in at. Its redirect URL for this server is PUBLIC-URL/console/sign-in/openid/done."`
	OIDCClientID         string `name:"oidc-client-id" env:"TIMBRE_OIDC_CLIENT_ID" example:"timbre" placeholder:"ID" help:"Client id of this server at the provider. Required with --oidc-issuer."`
	OIDCClientSecret     string `name:"oidc-client-secret" secret:"all" env:"TIMBRE_OIDC_CLIENT_SECRET" example:"SECRET" placeholder:"SECRET" help:"Client secret at the provider. Prefer the variable or the file, because the list of processes shows flags."`
	OIDCClientSecretFile string `name:"oidc-client-secret-file" env:"TIMBRE_OIDC_CLIENT_SECRET_FILE" example:"/run/secrets/oidc" type:"path" placeholder:"FILE" help:"Read the client secret from this file instead."`
	OIDCName             string `name:"oidc-name" env:"TIMBRE_OIDC_NAME" example:"Your Company" placeholder:"NAME" help:"Name of the provider on the button: one line of at most 200 characters (default: the host of --oidc-issuer)."`
}

func (f peopleFlags) validate() error {
	if f.SessionLife < 0 || f.SessionLife > 365*24*time.Hour || f.SessionLife%time.Second != 0 {
		return wrongf("session-life", "must be from 1s to 8760h, in whole seconds")
	}
	if f.SessionIdle < 0 || f.SessionIdle > 365*24*time.Hour {
		return wrongf("session-idle", "must be from 1s to 8760h")
	}
	if f.SignUp && f.SMTPAddress == "" {
		return wrongf("sign-up", "needs --smtp-address: the link of a new account is sent to the e-mail address")
	}
	if _, err := f.smtp("timbre.example"); err != nil {
		return err
	}
	_, err := f.provider("https://timbre.example")
	return err
}

// fileOr returns a secret of a flag, or of the file that another flag names.
func fileOr(value, flag, what, path string) (string, error) {
	if path == "" {
		return value, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", wrongf(flag, "%s", plainly(err))
	}
	if _, err := guarded(flag, what, path); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// smtp returns the mail server, or nil without one. host is this server's name in mails.
func (f mailFlags) smtp(host string) (*mailer.SMTP, error) {
	if f.SMTPAddress == "" {
		return nil, nil
	}
	at, port, err := net.SplitHostPort(f.SMTPAddress)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || at == "" {
		return nil, wrongf("smtp-address", "must be HOST:PORT, such as smtp.your-domain.example:587")
	}
	if _, err := mail.ParseAddress(f.SMTPFrom); err != nil {
		return nil, wrongf("smtp-from", "must be an address, such as timbre@your-domain.example or Timbre <timbre@your-domain.example>")
	}
	password, err := fileOr(f.SMTPPassword, "smtp-password-file", "file with the mail server's password", f.SMTPPasswordFile)
	if err != nil {
		return nil, err
	}
	if (f.SMTPUser == "") != (password == "") {
		return nil, wrongf("smtp-user", "give both the user name and the password, or neither")
	}
	if f.SMTPSecurity == mailer.Plain && password != "" {
		return nil, wrongf("smtp-security", "none does not protect the password: use starttls or tls")
	}
	return &mailer.SMTP{Address: f.SMTPAddress, Security: f.SMTPSecurity, User: f.SMTPUser, Password: password, From: f.SMTPFrom, Host: host}, nil
}

// provider returns the OpenID provider, or nil without one.
func (f openIDFlags) provider(public string) (*openid.Provider, error) {
	if f.OIDCIssuer == "" {
		return nil, nil
	}
	u, err := url.Parse(f.OIDCIssuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && !local(u) {
		return nil, wrongf("oidc-issuer", "must be an https URL")
	}
	if f.OIDCClientID == "" {
		return nil, wrongf("oidc-client-id", "is missing")
	}
	if utf8.RuneCountInString(f.OIDCName) > 200 || legible.Shown(f.OIDCName) != f.OIDCName {
		return nil, wrongf("oidc-name", "must be one line of at most 200 characters")
	}
	secret, err := fileOr(f.OIDCClientSecret, "oidc-client-secret-file", "file with the client secret", f.OIDCClientSecretFile)
	if err != nil {
		return nil, err
	}
	name := f.OIDCName
	if name == "" {
		name = u.Host
	}
	return openid.New(openid.Config{Issuer: f.OIDCIssuer, ClientID: f.OIDCClientID, ClientSecret: secret, Name: name, RedirectURL: public + "/console/sign-in/openid/done"}), nil
}

// local reports whether a URL is on this machine.
func local(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
