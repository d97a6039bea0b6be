package shell

import "html/template"

// icons are the pictures of the console: paths on a grid of 24, drawn with a line of 1.75.
var icons = map[string]string{
	"overview": `<path d="M4 13.5 12 5l8 8.5"/><path d="M6.5 11.5V19h11v-7.5"/><path d="M10.5 19v-4h3v4"/>`,
	"works":    `<path d="M9 18V6l10-2v12"/><circle cx="6.5" cy="18" r="2.5"/><circle cx="16.5" cy="16" r="2.5"/>`,
	"list":     `<path d="M9 6.5h11M9 12h11M9 17.5h11"/><path d="M4.5 6.5h.01M4.5 12h.01M4.5 17.5h.01"/>`,
	"plug":     `<path d="M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0zM12 17v4"/>`,
	"credits":  `<ellipse cx="12" cy="6.5" rx="7" ry="3"/><path d="M5 6.5v5.5c0 1.7 3.1 3 7 3s7-1.3 7-3V6.5M5 12v5.5c0 1.7 3.1 3 7 3s7-1.3 7-3V12"/>`,
	"key":      `<circle cx="8" cy="15.5" r="4"/><path d="m11 12.5 8-8M16 7.5l2.5 2.5M13.5 10l2 2"/>`,
	"webhook":  `<circle cx="12" cy="6.5" r="2.5"/><circle cx="5.5" cy="17" r="2.5"/><circle cx="18.5" cy="17" r="2.5"/><path d="m10.8 8.7-4 6.2M13.2 8.7l4 6.2M8 17h8"/>`,
	"settings": `<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>`,
	"people":   `<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 19.5c.6-3.4 3.2-5.5 6.5-5.5s5.9 2.1 6.5 5.500M15.5 5.300a3.5 3.5 0 0 1 0 6.400M18 14.600c2 .8 3.2 2.5 3.5 4.9"/>`,
	"audit":    `<path d="M6 3.500h9l3.5 3.500v13.500H6z"/><path d="M14.5 3.500V7.500h4M9 12h6M9 16h6"/>`,
	"operator": `<rect x="4" y="4.5" width="16" height="6" rx="1.5"/><rect x="4" y="13.5" width="16" height="6" rx="1.5"/><path d="M7.5 7.500h.01M7.5 16.500h.01"/>`,
	"account":  `<circle cx="12" cy="8.5" r="4"/><path d="M4.5 20.500c.7-4 3.7-6 7.5-6s6.8 2 7.5 6"/>`,
	"leave":    `<path d="M10 4.500H5.500v15H10M14.5 8l4 4-4 4M18 12h-8.5"/>`,
	"menu":     `<path d="M4 7h16M4 12h16M4 17h16"/>`,
	"search":   `<circle cx="11" cy="11" r="6"/><path d="m15.5 15.5 4.5 4.5"/>`,
	"copy":     `<rect x="8.5" y="8.5" width="11" height="11" rx="2"/><path d="M15.5 8.500V6.500a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>`,
	"check":    `<path d="m5 12.5 4.5 4.500L19 7.5"/>`,
	"warning":  `<path d="M12 4 2.8 19.500h18.400z"/><path d="M12 10v4.500M12 17h.01"/>`,
	"error":    `<circle cx="12" cy="12" r="8.5"/><path d="M12 7.500v5.500M12 16.200h.01"/>`,
	"info":     `<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.500M12 7.800h.01"/>`,
	"plus":     `<path d="M12 5v14M5 12h14"/>`,
	"forward":  `<path d="m9.5 6 6 6-6 6"/>`,
	"back":     `<path d="m14.5 6-6 6 6 6"/>`,
	"down":     `<path d="m6 9.5 6 6 6-6"/>`,
	"download": `<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.500M5 19.500h14"/>`,
	"external": `<path d="M13.5 4.500h6v6M19.5 4.500l-9 9M10 6.500H5.500v12h12V14"/>`,
	"empty":    `<path d="M4 13.5 6.5 5h11l2.5 8.500v5.500H4z"/><path d="M4 13.500h5l1 2.500h4l1-2.500h5"/>`,
	"lock":     `<rect x="5.5" y="10.5" width="13" height="9.5" rx="2"/><path d="M8.5 10.500V8a3.5 3.5 0 0 1 7 0v2.5"/>`,
	"trash":    `<path d="M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.2 10.500v6M13.8 10.500v6"/>`,
	"clock":    `<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5.300l3.5 2"/>`,
	"shield":   `<path d="M12 3.5 19 6v5.500c0 4.3-2.8 7.5-7 9-4.2-1.5-7-4.7-7-9V6z"/><path d="m9 12 2.2 2.200L15.2 10"/>`,
	"globe":    `<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.500c2.5 2.3 3.7 5.2 3.7 8.500s-1.2 6.2-3.7 8.500c-2.5-2.3-3.7-5.2-3.7-8.500s1.2-6.2 3.7-8.500z"/>`,
}

// mirrored icons point in the direction of reading.
var mirrored = map[string]bool{"forward": true, "back": true, "leave": true, "external": true, "list": true}

// icon returns an icon as SVG, which screen readers skip. An unknown name has no icon.
func icon(name string) template.HTML {
	class := "icon"
	if mirrored[name] {
		class += " turned"
	}
	paths, ok := icons[name]
	if !ok {
		return ""
	}
	return template.HTML(`<svg class="` + class + `" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">` + paths + `</svg>`)
}

// mark is the picture of Timbre.
const mark = template.HTML(`<svg class="mark" viewBox="0 0 24 24" width="26" height="26" aria-hidden="true" focusable="false"><path d="M3 12h2l1.5-5 2.5 11 3-15 3 17 2.5-11 1.5 3h2"/></svg>`)
