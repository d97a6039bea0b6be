// Package signin is the pages for people without a session: sign-in with its second step, new passwords,
// invitations, sign-up, and the first owner. It decides nothing about a sign-in: package people does.
package signin

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
	var (
		email  = shell.Text("email", 254).Must().Type("email").Auto("username")
		secret = shell.Secret("password", 1024).Must().Auto("new-password")
		token  = shell.Hidden("token", 100)
		next   = shell.Hidden("next", 1000)
		name   = shell.Text("name", 100).Auto("name")
		label  = shell.Text("organization", 200).Must().Auto("organization")
		proofs = []shell.Field{shell.Hidden("ceremony", 8000), shell.Hidden("answer", 16000), next}
		anyone = shell.Anyone()
	)
	get := func(path string, handle func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "GET", Path: path, Needs: anyone, Handle: handle, Fields: fields}
	}
	post := func(name, path string, handle, again func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "POST", Path: path, Name: name, Needs: anyone, Handle: handle, Again: again, Fields: fields}
	}
	return shell.Area{Name: "signin", Files: files, Pages: []shell.Page{
		get("/sign-in", p.show, next),
		post("sign_in", "/sign-in", p.signIn, p.show, email, shell.Secret("password", 1024).Must().Auto("current-password"), next),
		post("passkey", "/sign-in/passkey", p.passkey, p.show, proofs...),
		get("/sign-in/second", p.showSecond, next),
		post("second", "/sign-in/second", p.second, p.showSecond, shell.Text("code", 100).Must().Auto("one-time-code"), next),
		post("second_passkey", "/sign-in/second/passkey", p.secondPasskey, p.showSecond, proofs...),
		get("/sign-in/openid", p.openID, next),
		get("/sign-in/openid/done", p.openIDDone),
		{Method: "POST", Path: "/sign-out", Name: "sign_out", Needs: shell.SignedIn(), Handle: p.signOut},
		get("/recover", p.showRecover),
		post("recover", "/recover", p.recover, p.showRecover, email),
		get("/reset", p.showReset, token),
		post("reset", "/reset", p.reset, p.showReset, token, secret),
		get("/email", p.showEmail, token),
		post("email", "/email", p.confirmEmail, p.showEmail, token),
		get("/invitation", p.showInvitation, token),
		{Method: "POST", Path: "/invitation/accept", Name: "join", Needs: shell.SignedIn(), Handle: p.join, Again: p.showInvitation, Fields: []shell.Field{token}},
		post("register", "/invitation", p.register, p.showInvitation, token, name, secret),
		get("/sign-up", p.showSignUp),
		post("sign_up", "/sign-up", p.signUp, p.showSignUp, email),
		get("/sign-up/link", p.showNew, token),
		post("new_account", "/sign-up/link", p.newAccount, p.showNew, token, name, secret, label),
		get("/first", p.showFirst, token),
		post("first", "/first", p.first, p.showFirst, token, email, name, secret, label),
	}}
}
