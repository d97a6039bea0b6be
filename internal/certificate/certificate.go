// Package certificate makes the PDF certificate of one version of a work: one
// page to hang on a wall or to show to a court, with the evidence attached where
// its caller has some.
//
// It holds how the page looks, the fonts for it, and the form of the file
// (PDF/A-3b, signed when a key is given). It never reads a row or a clock, never
// decides what the evidence says, and never shows a name as less than it is: a
// character that no font has is named. The same input makes the same bytes,
// apart from the signature.
package certificate

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Input is everything that a certificate says.
type Input struct {
	Title    string
	Creators []Creator

	Registration int64 // the number on the network
	Version      int64
	Network      string
	At           time.Time // when the network sealed it

	Fingerprint string // of the recording
	// Unseen: the registry was given that and not the recording.
	Unseen      bool
	Commitment  string
	Transaction string
	Block       int64

	// PublicURL is the page of the work, which the QR code leads to: ASCII, at most
	// MaxURL bytes.
	PublicURL string
	// Evidence is the JSON that is attached, as it is; nil attaches nothing.
	Evidence []byte
}

// Creator is one creator as they were registered.
type Creator struct {
	Name  string
	Roles []string
	IPI   string
	ISNI  string
}

// MaxURL is how long an address can be: the squares of its code can still be read
// from paper.
const MaxURL = 450

// EvidenceName is the attachment's.
const EvidenceName = "evidence.json"

// Render makes the certificate. A nil signer leaves it unsigned.
func Render(in Input, signer *Signer) (_ []byte, err error) {
	// Anybody chooses a title, and a shaper is a large machine: a text that
	// breaks it must cost one certificate and not the server.
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("certificate: %v", broken)
		}
	}()
	if signer != nil {
		if err := signer.valid(); err != nil { // before the work for nothing, each hour for each that waits
			return nil, err
		}
	}
	p := page{typesetter: takeTypesetter()}
	link, err := p.compose(in)
	if err != nil {
		return nil, err
	}
	var d document
	root, info, pageNo := d.reserve(), d.reserve(), d.reserve()
	fonts := p.glyphs.write(p.typesetter, &d)
	content := d.stream(flate, p.packer.pack(p.content.Bytes()))
	p.keep() // not one that something broke in

	// The structure: one document of parts, in reading order.
	tree, whole := d.reserve(), d.reserve()
	var parts []int
	owners := make([]int, p.pieces) // of pieces, by number
	for _, part := range p.parts {
		n := d.reserve()
		parts = append(parts, n)
		var kids strings.Builder
		for _, piece := range part.pieces {
			owners[piece.number] = n
			if piece.span {
				owners[piece.number] = d.add("<</Type/StructElem/S/Span/P %d 0 R/Pg %d 0 R/K %d/ActualText %s>>", n, pageNo, piece.number, text(piece.actual))
				fmt.Fprintf(&kids, "%d 0 R ", owners[piece.number])
			} else {
				fmt.Fprintf(&kids, "%d ", piece.number)
			}
		}
		alt := ""
		if part.alt != "" {
			alt = "/Alt " + text(part.alt)
		}
		d.set(n, "<</Type/StructElem/S/%s/P %d 0 R/Pg %d 0 R/K[%s]%s>>", part.role, whole, pageNo, strings.TrimSpace(kids.String()), alt)
	}
	d.set(whole, "<</Type/StructElem/S/Document/P %d 0 R/K%s>>", tree, refs(parts))
	d.set(tree, "<</Type/StructTreeRoot/K %d 0 R/ParentTree<</Nums[0 %s]>>/ParentTreeNextKey 1>>", whole, refs(owners))

	date := pdfTime(in.At)
	attachment := ""
	if in.Evidence != nil {
		file := d.stream(fmt.Sprintf("/Type/EmbeddedFile/Subtype/application#2Fjson/Params<</ModDate(%s)/Size %d>>", date, len(in.Evidence)), in.Evidence)
		spec := d.add("<</Type/Filespec/F(%s)/UF(%s)/Desc(The evidence of this registration)/AFRelationship/Data/EF<</F %d 0 R/UF %d 0 R>>>>", EvidenceName, EvidenceName, file, file)
		attachment = fmt.Sprintf("/AF[%d 0 R]/Names<</EmbeddedFiles<</Names[(%s) %d 0 R]>>>>", spec, EvidenceName, spec)
	}
	intent := d.add("<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)/Info(sRGB)/DestOutputProfile %d 0 R>>", d.stream("/N 3"+flate, packedRGB()))
	metadata := d.stream("/Type/Metadata/Subtype/XML", in.xmp())
	annotations := []int{d.add("<</Type/Annot/Subtype/Link/F 4/Border[0 0 0]/Rect[%s]/Contents %s/A<</S/URI/URI %s>>>>",
		link, text("The page of this work"), literal(in.PublicURL))}
	form := ""
	if signer != nil {
		field := d.add("<</Type/Annot/Subtype/Widget/FT/Sig/T(Timbre)/F 132/Rect[0 0 0 0]/P %d 0 R/V %d 0 R>>", pageNo, signer.reserve(&d))
		annotations = append(annotations, field)
		form = fmt.Sprintf("/AcroForm<</Fields[%d 0 R]/SigFlags 3>>", field)
	}
	d.set(pageNo, "<</Type/Page/Parent %d 0 R/MediaBox[0 0 %s %s]/Resources<</Font<<%s>>>>/Contents %d 0 R/StructParents 0/Tabs/S/Annots%s>>",
		len(d.objects)+1, num(pageWidth), num(pageHeight), fonts, content, refs(annotations))
	pages := d.add("<</Type/Pages/Kids[%d 0 R]/Count 1>>", pageNo)
	d.set(info, "<</Title %s/Producer(Timbre)/CreationDate(%s)/ModDate(%s)>>", text(in.documentTitle()), date, date)
	d.set(root, "<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/OutputIntents[%d 0 R]/MarkInfo<</Marked true>>/StructTreeRoot %d 0 R/Lang(en)/ViewerPreferences<</DisplayDocTitle true>>%s%s>>",
		pages, metadata, intent, tree, attachment, form)
	out := d.bytes(root, info)
	if signer == nil {
		return out, nil
	}
	return signer.sign(out)
}

func (in Input) documentTitle() string { return "Certificate of registration: " + in.Title }

func pdfTime(t time.Time) string { return t.UTC().Format("D:20060102150405Z") }

// literal is an ASCII string as PDF writes it.
func literal(s string) string {
	return "(" + strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`).Replace(s) + ")"
}

// xmp is what archives read: the same facts as the document's information.
func (in Input) xmp() []byte {
	var title bytes.Buffer
	_ = xml.EscapeText(&title, []byte(in.documentTitle())) // to memory
	date := in.At.UTC().Format("2006-01-02T15:04:05Z")
	return fmt.Appendf(nil, `<?xpacket begin="%s" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="3" pdfaid:conformance="B"/>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" pdf:Producer="Timbre"/>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="%s" xmp:ModifyDate="%s" xmp:MetadataDate="%s"/>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>`, "\ufeff", date, date, date, title.Bytes())
}
