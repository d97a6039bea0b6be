package integration

import (
	"fmt"
	"regexp"
	"strings"

	"timbre.example/internal/console/shell"
)

// colour is a colour of the widget that a site can set, with its default in the light scheme.
type colour struct{ Property, Default, Value string }

// colours are the properties of docs/theming.md that hold a colour. The form's fields have the names without --ats-.
var colours = []colour{
	{Property: "primary", Default: "#4b3fb5"},
	{Property: "text", Default: "#1d1b29"},
	{Property: "text-secondary", Default: "#514e63"},
	{Property: "background", Default: "#ffffff"},
	{Property: "background-secondary", Default: "#f6f5fb"},
	{Property: "border", Default: "#dcdae8"},
	{Property: "error", Default: "#b3261e"},
	{Property: "success", Default: "#17663c"},
	{Property: "warning", Default: "#7a5200"},
}

// schemes are the values of color-scheme, the default one first: the page's own.
var schemes = []string{"page", "light", "dark", "both"}

var schemeOf = map[string]string{"light": "light", "dark": "dark", "both": "light dark"}

// fonts are the families that the form offers, by the name of the option.
var fonts = []string{"page", "system", "serif", "rounded"}

var fontOf = map[string]string{"system": "system-ui, sans-serif", "serif": `Georgia, "Times New Roman", serif`, "rounded": `ui-rounded, "Nunito", system-ui, sans-serif`}

func themeFields() []shell.Field {
	var all []shell.Field
	for _, c := range colours {
		all = append(all, shell.Text(c.Property, 7))
	}
	return append(all, shell.Number("radius", 0, 40), shell.Choice("font", fonts...))
}

var hexColour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

type themeData struct {
	preview
	Colours        []colour
	Radius         string
	Font, Scheme   string
	Fonts, Schemes []option
	CSS            string
}

// option is an option of a list, with the CSS that it stands for.
type option struct {
	Name, CSS string
	Set       bool
}

func (p pages) theme(c *shell.Call) error {
	p.status(c)
	keys, err := p.keys(c)
	if err != nil {
		return err
	}
	data := themeData{Radius: c.Form.Text("radius"), Font: c.Form.Text("font"), Scheme: c.Form.Text("scheme")}
	if data.preview, err = p.preview(c, keys); err != nil {
		return err
	}
	for _, one := range colours {
		if one.Value = strings.ToLower(c.Form.Text(one.Property)); !hexColour.MatchString(one.Value) {
			one.Value = one.Default
		}
		data.Colours = append(data.Colours, one)
	}
	for _, name := range fonts {
		data.Fonts = append(data.Fonts, option{name, fontOf[name], name == data.Font})
	}
	for _, name := range schemes {
		data.Schemes = append(data.Schemes, option{name, schemeOf[name], name == data.Scheme})
	}
	data.CSS = css(data)
	return c.Render("theme", data)
}

// css returns the rules that a site copies. The script of the page writes the same text.
func css(d themeData) string {
	var b strings.Builder
	b.WriteString("ats-widget {\n")
	if s := schemeOf[d.Scheme]; s != "" {
		fmt.Fprintf(&b, "  color-scheme: %s;\n", s)
	}
	for _, c := range d.Colours {
		if c.Value != c.Default {
			fmt.Fprintf(&b, "  --ats-%s: %s;\n", c.Property, c.Value)
		}
	}
	if d.Radius != "" && strings.Trim(d.Radius, "0123456789") == "" {
		fmt.Fprintf(&b, "  --ats-radius: %spx;\n", d.Radius)
	}
	if f := fontOf[d.Font]; f != "" {
		fmt.Fprintf(&b, "  --ats-font-family: %s;\n", f)
	}
	b.WriteString("}\n")
	return b.String()
}
