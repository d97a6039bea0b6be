package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"timbre.example/internal/limit"
	"timbre.example/internal/mail"
	"timbre.example/internal/people"
)

// openPeople builds the sign-in to the console, and the delivery of mails, in a process that
// serves the console; elsewhere it returns nil.
func (f serverFlags) openPeople(limits *limit.Limits, at entrance, st storage, log *slog.Logger) (_ *people.Service, out opened, err error) {
	if !servesConsole(f.roles()) {
		return nil, out, nil
	}
	key := st.root.key(purposeConsole)
	if key == nil {
		log.Warn("the console is off: the secret file has no key for it. Derive the file again (timbre secret derive)", "file", f.SecretFile)
		return nil, out, nil
	}
	smtp, err := f.smtp(at.host)
	if err != nil {
		return nil, out, err
	}
	provider, err := f.provider(at.url)
	if err != nil {
		return nil, out, err
	}
	s, err := people.New(people.Config{
		DB: st.db, Key: key, Limits: limits, URL: at.url, Mail: smtp != nil, SignUp: f.SignUp, OpenID: provider, Log: log,
		SessionLife: f.SessionLife, SessionIdle: f.SessionIdle, Hashes: min(4, runtime.GOMAXPROCS(0)),
	})
	if err != nil {
		return nil, out, err
	}
	out.runs(s.Worker().Run)
	if smtp != nil {
		courier := &mail.Courier{DB: st.db, SMTP: *smtp, Owner: s.Prepare, Log: log}
		out.runs(courier.Worker().Run)
	}
	return s, out, nil
}

// printFirstLink prints the link that makes the first owner, while no person can sign in. It is not
// in the log, because it is a secret. s is nil in a process without the console.
func printFirstLink(ctx context.Context, s *people.Service, out io.Writer) error {
	if s == nil {
		return nil
	}
	token, err := s.FirstLink(ctx)
	if err != nil || token == "" {
		return err
	}
	_, err = fmt.Fprintf(out, "No person can sign in yet. Open this link to make the first owner. It works once, for %d hours, and each start makes a new one:\n%s\n",
		int(people.FirstLife.Hours()), s.LinkURL("/console/first", token))
	return err
}
