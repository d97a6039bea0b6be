package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// renderTS returns the catalogue for the widget. Types cost nothing in the bundle, so they have every code. Every
// visitor downloads the two tables, so they have only the codes that a browser can receive.
func renderTS(rows []row) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("// %s\n\n", generatedNote)
	p("import type { Key } from '../i18n/texts.js';\n\n")
	p("/**\n * How the widget reacts to a code.\n * @internal\n */\n")
	p("export type ErrorClass = \"refresh\" | \"disabled\" | \"failed\" | \"inline\" | \"client\";\n\n")
	p("/**\n * The part of the form that an inline code belongs to.\n * @internal\n */\n")
	p("export type ErrorStage = \"title\" | \"file\" | \"access_code\";\n\n")
	p("/**\n * A row of the catalogue: HTTP status (0 when raised in the browser), class, text, and the stage of inline codes.\n * @internal\n */\n")
	p("export interface ErrorRow {\n  readonly status: number;\n  readonly class: ErrorClass;\n  /** The text on the screen: codes that mean the same to a songwriter share one. */\n  readonly text: Key;\n  readonly stage?: ErrorStage;\n}\n\n")
	p("/** Every error code that the widget can report. */\nexport type AtsErrorCode =")
	for _, r := range rows {
		if r.browser() {
			p("\n  | %q", r.Code)
		}
	}
	p(";\n\n/** Every error code that a server can answer a page or a backend with, and those of the widget. */\nexport type ErrorCode =\n  | AtsErrorCode")
	for _, r := range rows {
		if !r.browser() {
			p("\n  | %q", r.Code)
		}
	}
	p(";\n\n")
	writeDetails(&b, rows)
	p("/**\n * Status, class and text of every code that a browser can meet.\n * @internal\n */\n")
	p("export const errorTable: Readonly<Record<AtsErrorCode, ErrorRow>> = {\n")
	for _, r := range rows {
		if !r.browser() {
			continue
		}
		p("  %q: { status: %d, class: %q, text: %q", r.Code, r.Status, r.Class, r.Screen)
		if r.Stage != "" {
			p(", stage: %q", r.Stage)
		}
		p(" },\n")
	}
	p("};\n\n/**\n * The English messages; {size_mb} and {max_mb} stand for sizes in megabytes of 1,048,576 bytes.\n * @internal\n */\n")
	p("export const errorMessages: Readonly<Record<AtsErrorCode, string>> = {\n")
	for _, r := range rows {
		if r.browser() {
			p("  %q: %s,\n", r.Code, tsString(r.Message))
		}
	}
	p("};\n")
	return b.Bytes()
}

// writeDetails writes the types of the details. Types add nothing to a bundle.
func writeDetails(b *bytes.Buffer, rows []row) {
	p := func(format string, args ...any) { fmt.Fprintf(b, format, args...) }
	p("/** One failure inside common.validation_failed. */\n")
	p("export interface FieldError {\n  field: string;\n  rule: string;\n  message: string;\n  /** The documented name that a misspelled member was meant to be. */\n  did_you_mean?: string;\n}\n\n")
	p("/** The details of the codes that have some; sizes in bytes, times RFC 3339. */\nexport interface ErrorDetails {\n")
	for _, r := range rows {
		if len(r.Details) == 0 {
			continue
		}
		p("  %q: {\n", r.Code)
		for _, d := range r.Details {
			mark := ""
			if d.Optional {
				mark = "?"
			}
			p("    /** %s */\n    %s%s: %s;\n", d.Meaning, d.Name, mark, tsTypes[d.Type])
		}
		p("  };\n")
	}
	p("}\n\n")
}

// renderClientTS returns the codes and their details for the TypeScript client. Types cost nothing in a bundle, so it has
// every code that a server sends.
func renderClientTS(rows []row) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n\n/** Every code that a server sends. */\nexport type ErrorCode =", generatedNote)
	sent := make([]row, 0, len(rows))
	for _, r := range rows {
		if r.Class != "client" {
			sent = append(sent, r)
			fmt.Fprintf(&b, "\n  | %q", r.Code)
		}
	}
	b.WriteString(";\n\n")
	writeDetails(&b, sent)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// browser reports whether a page can receive this code.
func (r row) browser() bool { return r.Class != "none" }

// tsString quotes s for TypeScript. It is a JSON string without the HTML escapes, which would only make it longer.
func tsString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
