// Package person is the pages of a person's own account, and the choice of an organization. It decides
// nothing about accounts: package people does.
package person

import (
	"embed"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
)

//go:embed templates texts
var files embed.FS

// Area returns the pages.
func Area(s *people.Service) shell.Area {
	p := pages{s}
	mine := shell.SignedIn()
	get := func(path string, handle func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "GET", Path: path, Needs: mine, Handle: handle, Fields: fields}
	}
	post := func(name, path string, handle, again func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "POST", Path: path, Name: name, Needs: mine, Handle: handle, Again: again, Fields: fields}
	}
	named := func(page shell.Page, order int, name, icon string) shell.Page {
		page.Nav, page.Name = shell.Nav{Order: order, Icon: icon}, name
		return page
	}
	ceremony, answer := shell.Hidden("ceremony", 8000), shell.Hidden("answer", 16000)
	next := shell.Hidden("next", 1000)
	return shell.Area{Name: "person", Files: files, Pages: []shell.Page{
		get("/", p.home),
		named(get("/organizations", p.organizations), 10, "organizations", "list"),
		post("organization", "/organizations", p.create, p.organizations, shell.Text("name", 200).Must()),
		named(get("/account", p.account), 20, "account", "account"),
		post("profile", "/account", p.change, p.account, shell.Text("name", 100).Auto("name"), shell.Choice("language", append([]string{""}, people.Languages()...)...), shell.Hidden("revision", 20)),
		post("email", "/account/email", p.askEmail, p.account, shell.Text("email", 254).Must().Type("email").Auto("email")),
		post("delete", "/account/delete", p.delete, p.account, shell.Text("email", 254).Must().Type("email").Auto("off")),
		post("password", "/account/password", p.password, p.account, shell.Secret("current", 1024).Must().Auto("current-password"), shell.Secret("password", 1024).Must().Auto("new-password")),
		post("password_set", "/account/password/set", p.password, p.account, shell.Secret("password", 1024).Must().Auto("new-password")),
		post("passkey", "/account/passkeys", p.addPasskey, p.account, shell.Text("name", 100).Must(), ceremony, answer),
		post("passkey_remove", "/account/passkeys/remove", p.removePasskey, p.account, shell.Hidden("id", 400)),
		post("session_end", "/account/sessions/{session}/end", p.endSession, nil),
		post("sessions_end", "/account/sessions/end", p.endSessions, nil),
		post("disconnect", "/account/openid/disconnect", p.disconnect, p.account, shell.Hidden("issuer", 500)),
		get("/account/second-factor", p.showFactor),
		post("factor", "/account/second-factor", p.enable, p.showFactor, shell.Hidden("enrolment", 400), shell.Text("code", 20).Must().Auto("one-time-code")),
		post("factor_off", "/account/second-factor/off", p.disable, p.account),
		post("codes", "/account/second-factor/codes", p.newCodes, p.account),
		get("/account/prove", p.showProve, next),
		post("prove", "/account/prove", p.prove, p.showProve, shell.Secret("secret", 1024).Must().Auto("current-password"), next),
		post("prove_passkey", "/account/prove/passkey", p.provePasskey, p.showProve, ceremony, answer, next),
	}}
}
