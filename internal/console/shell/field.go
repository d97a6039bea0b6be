package shell

// Kind is what a field of a form holds.
type Kind int

// The kinds of fields.
const (
	kindText   Kind = iota // one line
	kindLines              // several lines
	kindSecret             // a password: never shown again
	kindNumber
	kindChoice // one of the options
	kindMany   // some of the options
	kindCheck  // yes or no
	kindFile
	kindHidden
)

// Field is one value of a form or of a query. Make one with the functions below.
type Field struct {
	Name string
	Kind Kind
	// Max is the largest number of characters, of bytes (a file), of values (many), or the largest number.
	// Min is the smallest number.
	Max, Min int64
	Options  []string
	Required bool
	// Complete is the HTML attribute autocomplete, and Input the type of the input, such as "email".
	Complete, Input string
	// Accept lists the types of a file.
	Accept string
	// Hint is the key of the hint; "": that of the field.
	Hint string
}

// Text is one line of at most most characters. White space around it is removed.
func Text(name string, most int64) Field { return Field{Name: name, Kind: kindText, Max: most} }

// Lines is a text of several lines, of at most most characters.
func Lines(name string, most int64) Field { return Field{Name: name, Kind: kindLines, Max: most} }

// Secret is a password. A form that is shown again does not have it.
func Secret(name string, most int64) Field { return Field{Name: name, Kind: kindSecret, Max: most} }

// Number is a whole number. [Input.Number] of an empty field is 0.
func Number(name string, least, most int64) Field {
	return Field{Name: name, Kind: kindNumber, Min: least, Max: most}
}

// Choice is one of some options. The first option is the default.
func Choice(name string, options ...string) Field {
	return Field{Name: name, Kind: kindChoice, Options: options, Max: 1}
}

// Many is any number of options.
func Many(name string, options ...string) Field {
	return Field{Name: name, Kind: kindMany, Options: options, Max: int64(len(options))}
}

// Check is yes or no.
func Check(name string) Field { return Field{Name: name, Kind: kindCheck, Max: 1} }

// Hidden is a value that the page itself put into the form, such as a revision.
func Hidden(name string, most int64) Field { return Field{Name: name, Kind: kindHidden, Max: most} }

// File is an uploaded file of at most most bytes. accept lists its types for the browser; the handler
// checks the bytes.
func File(name string, most int64, accept string) Field {
	return Field{Name: name, Kind: kindFile, Max: most, Accept: accept}
}

// Must makes a field required.
func (f Field) Must() Field { f.Required = true; return f }

// Hinted replaces the hint of a field by another text, such as one that follows a setting.
func (f Field) Hinted(key string) Field { f.Hint = key; return f }

// Auto sets autocomplete, such as "email" or "new-password".
func (f Field) Auto(value string) Field { f.Complete = value; return f }

// Type sets the type of the input, such as "email", "url", "search" or "date".
func (f Field) Type(value string) Field { f.Input = value; return f }

// IsHidden reports whether a field has no label.
func (f Field) IsHidden() bool { return f.Kind == kindHidden }
