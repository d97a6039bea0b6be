package pdf

// Trouble is the reason why [Read] returns no evidence, in the words of the page /verify: the keys of
// proof/evidence/words.json that begin with trouble_.
type Trouble string

// The troubles.
const (
	None      Trouble = "noAttachment"    // no evidence is attached
	Many      Trouble = "manyAttachments" // two different evidence files are attached
	Encrypted Trouble = "encrypted"       // the file opens only with a password or a key
	Broken    Trouble = "broken"          // the tables or the objects have a fault
	TooLarge  Trouble = "tooLarge"        // the file exceeds a limit
	Unsure    Trouble = "unsure"          // another PDF reader may see another attachment
)

// Refusal is the error of [Read].
type Refusal struct {
	Trouble Trouble
	// Why names the rule of docs/pdf.md that the file breaks, such as "table": see reasons.
	Why string
	// Where is the part of the file that breaks the rule: "startxref", "xref OFFSET", "object NUMBER", two
	// objects, or "" for the whole file.
	Where string
}

// Error returns the reason and the place, in English.
func (r *Refusal) Error() string {
	if r.Where == "" {
		return reasons[r.Why].text
	}
	return r.Where + ": " + reasons[r.Why].text
}

// reasons explain the values of [Refusal.Why].
var reasons = map[string]struct {
	trouble Trouble
	text    string
}{
	"none":       {None, "the catalog lists no attachment named " + EvidenceName},
	"many":       {Many, "more than one attachment is named " + EvidenceName + ", and they differ"},
	"password":   {Encrypted, "the file opens only with a password"},
	"encryption": {Encrypted, "the file is encrypted in a way that is not read here"},
	"header":     {Broken, "the file does not have %PDF- within its first 1024 bytes"},
	"end":        {Broken, "the file does not end with startxref and %%EOF"},
	"table":      {Broken, "a cross-reference table or stream has a fault"},
	"object":     {Broken, "an object is not where the table says"},
	"value":      {Broken, "a value is not written as PDF writes values"},
	"stream":     {Broken, "a stream has a wrong length, or its data have a fault"},
	"loop":       {Broken, "references form a cycle"},
	"size":       {TooLarge, "the file or its attachment is too large"},
	"depth":      {TooLarge, "values are nested too deeply"},
	"work":       {TooLarge, "the file takes too much work to read"},
	"hybrid":     {Unsure, "two cross-reference tables for two kinds of readers name different places"},
	"name":       {Unsure, "an attachment has two names"},
	"filter":     {Unsure, "a stream is packed in a way that is not read here"},
}

// refuse panics to stop reading. [Read] returns the refusal.
func refuse(why string) { panic(&Refusal{Trouble: reasons[why].trouble, Why: why}) }
