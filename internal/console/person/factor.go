package person

import (
	"errors"
	"html/template"
	"strconv"
	"strings"

	qr "github.com/piglig/go-qr"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
)

func (p pages) showFactor(c *shell.Call) error {
	if err := p.people.Fresh(c.Visitor.Session); err != nil {
		return proved(c, err, "/account/second-factor")
	}
	var e people.Enrolment
	var err error
	if kept := c.Form.Text("enrolment"); kept != "" { // the form is shown again: the app has the secret already
		e, err = p.people.ResumeTOTP(c.Visitor.Person, kept)
	} else {
		e, err = p.people.BeginTOTP(c.Visitor.Person)
	}
	if err != nil {
		return err
	}
	picture, err := picture(e.URL)
	if err != nil {
		return err
	}
	c.Store("factor", "enrolment", e.Sealed)
	return c.Render("factor", struct {
		people.Enrolment
		Picture template.HTML
	}{e, picture})
}

func (p pages) enable(c *shell.Call) error {
	codes, err := p.people.ConfirmTOTP(c.Context(), c.Visitor.Session, c.Form.Text("enrolment"), c.Form.Text("code"), c.Client())
	if errors.Is(err, people.ErrCode) {
		c.Form.Fail("code", "code")
		return nil
	}
	if err != nil {
		return proved(c, err, "/account/second-factor")
	}
	return c.Redirect(account, reveal("factor.on", codes)...)
}

// picture draws a QR code as SVG, dark on light in every theme, because readers need that.
func picture(text string) (template.HTML, error) {
	code, err := qr.EncodeText(text, qr.Low)
	if err != nil {
		return "", err
	}
	const margin = 4
	size := strconv.Itoa(code.Size() + 2*margin)
	var path strings.Builder
	for y := range code.Size() {
		for x := range code.Size() {
			if code.Module(x, y) {
				path.WriteString("M" + strconv.Itoa(x+margin) + " " + strconv.Itoa(y+margin) + "h1v1h-1z")
			}
		}
	}
	return template.HTML(`<svg class="qr" viewBox="0 0 ` + size + ` ` + size + `" width="220" height="220" role="img" aria-label="QR" shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/><path fill="#000" d="` + path.String() + `"/></svg>`), nil
}
