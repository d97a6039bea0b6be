// Package shell is the frame of the console: it finds the page of a request, checks who may
// open the page, reads its form, and renders its answer. It has the layout, forms, paging,
// charts, texts and errors that all pages share. It knows no organization's data, and no page
// reads or changes anything through it.
//
// # How to write a page
//
// A group of pages is a package below internal/console. Its function returns one [Area]: the
// files templates/*.html and texts/{en,fr,de,es,pt,ja,ar}.json, and the table of its pages.
//
//	//go:embed templates texts
//	var files embed.FS
//
//	func Area(keys *apikey.Service) shell.Area {
//		p := pages{keys}
//		return shell.Area{Name: "apikeys", Files: files, Pages: []shell.Page{
//			{Method: "GET", Path: "/o/{org}/api-keys", Needs: shell.To(permission.KeysRead), Handle: p.list,
//				Fields: []shell.Field{shell.Text("q", 100)}, Nav: shell.Nav{Order: 60, Icon: "key"}},
//			{Method: "POST", Path: "/o/{org}/api-keys", Needs: shell.To(permission.KeysManage), Name: "create",
//				Fields: []shell.Field{shell.Text("name", 100).Must(), shell.Many("scopes", scopes...)},
//				Handle: p.create, Again: p.list},
//		}}
//	}
//
//	func (p pages) list(c *shell.Call) error {
//		keys, err := p.keys.List(c.Context(), c.Organization(), c.Form.Text("q"), c.After(), 51)
//		if err != nil {
//			return err
//		}
//		rows, list := shell.Window(c, keys, 50, func(k apikey.Key) string { return k.ID })
//		return c.Render("list", struct { // templates/list.html
//			Keys []apikey.Key
//			shell.List
//		}{rows, list})
//	}
//
//	func (p pages) create(c *shell.Call) error {
//		key, err := p.keys.Create(c.Context(), c.Actor(), c.Organization(), c.Form.Text("name"), c.Form.All("scopes"))
//		if err != nil {
//			return err // a refusal of the catalogue returns to the form, with everything that was typed
//		}
//		return c.Redirect("/o/{org}/api-keys", shell.Say("created", "name", key.Name), shell.Reveal("secret", key.Secret))
//	}
//
// The path, the permission, the fields and the CSRF token are checked before Handle runs.
// Another organization's id in the path is answered as not found; an id further on is checked by
// the query of the page, which takes [Call.Organization].
//
// A template file defines "title" and "main". Its dot is a [View]: the page's own data is .Data.
//
//	{{define "title"}}{{.T "title"}}{{end}}
//	{{define "main"}}
//	{{range .Data.Keys}}<p>{{.Name}} {{$.Time .CreatedAt}}</p>{{else}}{{$.Empty "empty"}}{{end}}
//	{{$.Pager .Data.List}}
//	{{with .Form "create"}}{{.Open}}{{.Field "name"}}{{.Field "scopes"}}{{.Submit}}{{.Close}}{{end}}
//	{{end}}
//
// Texts are looked up in the area, then in the shell: "nav" (the title of the navigation), "create.name" and
// "create.name.hint" (a field's label and hint), "create.scopes.works:read" (an option), "create.submit" (the button),
// "empty" and "empty.hint" (an empty list), "created" (a message). {name} is a placeholder. [shelltest.Area] checks
// them in all languages.
package shell
