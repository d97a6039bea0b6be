package integration

import (
	"embed"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/permission"
)

//go:embed all:templates texts
var files embed.FS

// Area returns the pages.
func Area(c Config) shell.Area {
	p := pages{c}
	read, manage, register := shell.To(permission.IntegrationRead), shell.To(permission.IntegrationManage), shell.To(permission.WorksRegister)
	return shell.Area{Name: "integration", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: homePath, Needs: read, Nav: shell.Nav{Order: 40, Icon: "plug"}, Handle: p.home, Fields: []shell.Field{shell.Text("test", 2000)}},
		{Method: "POST", Path: "/o/{org}/integration/widget", Name: "widget", Needs: manage, Handle: p.widget, Again: p.home, Fields: []shell.Field{
			shell.Hidden("widget", 3), shell.Hidden("revision", 20),
		}},
		{Method: "POST", Path: "/o/{org}/integration/keys", Name: "create", Needs: manage, Handle: p.create, Again: p.home, Fields: []shell.Field{
			shell.Text("label", 200), shell.Choice("kind", "test", "live"),
		}},
		{Method: "POST", Path: "/o/{org}/integration/origins", Name: "allow", Needs: manage, Handle: p.allow, Again: p.home, Fields: []shell.Field{shell.Text("origin", 300).Must()}},
		{Method: "POST", Path: "/o/{org}/integration/origins/remove", Name: "forbid", Needs: manage, Handle: p.forbid, Again: p.home, Fields: []shell.Field{shell.Hidden("origin", 300)}},

		{Method: "GET", Path: keyPath, Needs: read, Handle: p.key},
		{Method: "POST", Path: keyPath + "/label", Name: "label", Needs: manage, Handle: p.label, Again: p.key, Fields: []shell.Field{shell.Text("label", 200)}},
		{Method: "POST", Path: keyPath + "/state", Name: "state", Needs: manage, Handle: p.state, Again: p.key, Fields: []shell.Field{shell.Hidden("state", 8)}},
		{Method: "POST", Path: keyPath + "/rotate", Name: "rotate", Needs: manage, Handle: p.rotate, Again: p.key, Fields: []shell.Field{shell.Choice("overlap", overlaps...)}},
		{Method: "POST", Path: keyPath + "/remove", Name: "remove", Needs: manage, Handle: p.remove, Again: p.key, Fields: []shell.Field{shell.Check("sure").Must()}},

		{Method: "GET", Path: snippetPath, Needs: read, Handle: p.snippet, Fields: []shell.Field{shell.Text("key", 80)}},
		{Method: "GET", Path: themePath, Needs: read, Handle: p.theme, Fields: append(themeFields(), shell.Choice("scheme", schemes...))},
		{Method: "GET", Path: rehearsalPath, Needs: read, Handle: p.rehearsal, Fields: []shell.Field{shell.Text("code", 60), shell.Choice("mode", modes...)}},
		{Method: "POST", Path: "/o/{org}/integration/session", Name: "session", Needs: register, Handle: p.session, Fields: []shell.Field{
			shell.Hidden("key", 80), shell.Hidden("code", 60), shell.Hidden("mode", 10),
		}},
	}}
}
