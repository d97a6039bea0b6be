// Package certificate makes the PDF certificate of one version of a work: one
// page for a wall or a court. If the caller gives evidence, the PDF has it attached.
//
// The package has the layout of the page, its fonts, and the form of the file
// (PDF/A-3a and PDF/UA-1, signed when a key is given). It never reads a row or a clock, and never
// creates evidence. It shows every character of a name: a character that no font has
// is shown by its number. The same input gives the same bytes, except the signature.
package certificate

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/legible"
	"timbre.example/proof/pdf"
)

// Input is the whole content of a certificate. In titles and names, characters that are
// invisible or change the direction are shown by their numbers, such as ⟨U+202E⟩.
type Input struct {
	// Language is one of [Languages]: the language of the page. The evidence does not
	// depend on it.
	Language string
	Title    string
	Creators []Creator

	Registration int64 // the number on the network
	Version      int64
	Network      string    // its name
	Test         bool      // a test network: the whole page is marked
	At           time.Time // when the network made it final
	// Issued is the date of issue, also the date of the file; zero means At.
	Issued time.Time
	// Issuer is the name of the issuer, and Imprint more lines about the issuer: at
	// most two lines each. Registry is the registry's name. "" leaves a part out.
	Issuer, Imprint, Registry string
	// Logo is the issuer's picture, at the end of the issuer's line; nil: none.
	Logo *Logo

	File     File
	FileHash string // SHA-256
	// Unseen: the registry received only the file hash, not the recording.
	Unseen bool
	// Origin is the name of the log that the network is, and KeyFingerprint that of its key;
	// "": the network is not a log.
	Origin, KeyFingerprint string
	// Authority is the name of the time-stamp authority whose token of the commitment the
	// evidence has, BlockAuthority that of the token of the block; "": it has none.
	Authority, BlockAuthority string
	// Witnesses are the names of those whose cosignatures the evidence has. Unwitnessed: the
	// log has witnesses, and too few of them have cosigned yet.
	Witnesses   []string
	Unwitnessed bool
	Commitment  string
	Transaction string
	Block       int64

	// PublicURL is the address of the work's page, for the QR code: ASCII, at most
	// MaxURL bytes.
	PublicURL string
	// VerifyURL is the address of the page that checks certificates: ASCII, at most
	// MaxURL bytes. "": the certificate does not mention such a page.
	VerifyURL string
	// Evidence is the JSON to attach, unchanged; nil attaches nothing.
	Evidence []byte
	// Room is the place that the signature keeps for a time-stamp, in bytes: see
	// [Signed.WithToken].
	Room int
}

// File describes the recording's file. Zero values are not shown.
type File struct {
	Name     string
	Format   string // such as WAV
	Duration time.Duration
	Size     int64 // bytes
}

// Creator is one creator as they were registered.
type Creator struct {
	Name  string
	Roles []string // author, composer, arranger, adapter; any other is shown unchanged
	IPI   string
	ISNI  string
}

// MaxURL is the maximum length of an address, in bytes. The QR code of a longer address
// could not be read from paper.
const MaxURL = 450

// EvidenceName is the file name of the attached evidence.
const EvidenceName = pdf.EvidenceName

// Render is [RenderWithin] without a time limit.
func Render(in Input, signer *Signer) ([]byte, error) {
	return RenderWithin(context.Background(), in, signer)
}

// RenderWithin makes the certificate. With a nil signer it is unsigned. When ctx ends,
// RenderWithin returns the error of ctx after the current text, within milliseconds.
func RenderWithin(ctx context.Context, in Input, signer *Signer) (_ []byte, err error) {
	// Users choose titles, and the shaping library is complex. A text that makes it
	// panic must fail one certificate, not the server.
	defer func() {
		if broken := recover(); broken != nil {
			if late, ok := broken.(overtime); ok {
				err = fmt.Errorf("certificate: %w", late.error)
				return
			}
			err = fmt.Errorf("certificate: %v", broken)
		}
	}()
	if signer != nil {
		if err := signer.valid(); err != nil { // first, because waiting certificates are tried again every hour
			return nil, err
		}
	}
	if err := in.Logo.valid(); err != nil {
		return nil, err
	}
	in = in.visible()
	t := takeTypesetter(ctx)
	p := page{typesetter: t, embedded: embedded{typesetter: t}, words: wordsIn(in.Language), shaped: map[string]shown{}}
	if signer != nil {
		p.signer = legible.Shown(signer.name())
	}
	p.logo = in.Logo
	if err := p.compose(in); err != nil {
		return nil, err
	}
	var d document
	root, info, pageNo := d.reserve(), d.reserve(), d.reserve() // rootObject, infoObject, pageObject
	fonts := p.embedded.write(&d)
	content := d.stream(flate, p.packer.pack(p.content.Bytes()))
	pictures := ""
	if l := in.Logo; l != nil {
		pictures = fmt.Sprintf("/XObject<</Logo %d 0 R>>", d.stream(fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8%s", l.Width, l.Height, flate), p.packer.pack(l.Pixels)))
	}
	p.keep() // only after success: a panic may have left it damaged

	date := pdfTime(in.issued())
	attachment := "" // before the signature, because sign searches from the end
	if in.Evidence != nil {
		file := d.stream(fmt.Sprintf("/Type/EmbeddedFile/Subtype/application#2Fjson/Params<</ModDate(%s)/Size %d>>", date, len(in.Evidence)), in.Evidence)
		spec := d.add("<</Type/Filespec/F(%s)/UF(%s)/Desc %s/AFRelationship/Data/EF<</F %d 0 R/UF %d 0 R>>>>", EvidenceName, EvidenceName, text(p.evidence), file, file)
		attachment = fmt.Sprintf("/AF[%d 0 R]/Names<</EmbeddedFiles<</Names[(%s) %d 0 R]>>>>", spec, EvidenceName, spec)
	}

	// The structure: one document with its parts, in reading order. Links and the
	// signature are annotations and also parts. parents maps each annotation to its
	// part; entry 0 has the page's pieces.
	tree, document := d.reserve(), d.reserve()
	var parts, annotations []int
	parents := map[int]int{}
	annotate := func(part int, format string, args ...any) int {
		n := d.add(format+"/F %d/StructParent %d/P %d 0 R>>", append(args, 4, len(annotations)+1, pageNo)...)
		annotations = append(annotations, n)
		parents[len(annotations)] = part
		return n
	}
	owners := make([]int, p.pieces) // of pieces, by number
	for _, part := range p.parts {
		n := d.reserve()
		parts = append(parts, n)
		var kids strings.Builder
		owner := n
		if part.actual != "" && len(part.pieces) > 0 {
			owner = d.reserve()
			fmt.Fprintf(&kids, "%d 0 R ", owner)
		}
		var own strings.Builder
		for _, number := range part.pieces {
			owners[number] = owner
			fmt.Fprintf(&own, "%d ", number)
		}
		if owner == n {
			kids.WriteString(own.String())
		} else {
			d.set(owner, "<</Type/StructElem/S/Span/P %d 0 R/Pg %d 0 R/K[%s]/ActualText %s>>", n, pageNo, strings.TrimSpace(own.String()), text(part.actual))
		}
		if part.link != nil {
			inside := d.reserve()
			var all strings.Builder
			for _, rect := range part.link.rects {
				fmt.Fprintf(&all, "<</Type/OBJR/Obj %d 0 R>> ", annotate(inside, "<</Type/Annot/Subtype/Link/Border[0 0 0]/Rect[%s]/Contents %s/A<</S/URI/URI %s>>",
					rect, text(part.link.says), literal(part.link.url)))
			}
			// A figure has a description, and each of its links has one, too.
			d.set(inside, "<</Type/StructElem/S/Link/P %d 0 R/Pg %d 0 R/K[%s]>>", n, pageNo, strings.TrimSpace(all.String()))
			fmt.Fprintf(&kids, "%d 0 R ", inside)
		}
		alt := ""
		if part.alt != "" {
			alt = "/Alt " + text(part.alt)
		}
		d.set(n, "<</Type/StructElem/S/%s/P %d 0 R/Pg %d 0 R/K[%s]%s>>", part.role, document, pageNo, strings.TrimSpace(kids.String()), alt)
	}
	form := ""
	if signer != nil {
		part := d.reserve()
		parts = append(parts, part)
		field := annotate(part, "<</Type/Annot/Subtype/Widget/FT/Sig/T(Timbre)/TU %s/Ff 1/Rect[%s]/AP<</N %d 0 R>>/V %d 0 R",
			text(p.signed+" "+p.signer), p.field, d.stream(fmt.Sprintf("/Type/XObject/Subtype/Form/BBox[0 0 %s %s]/Resources<<>>", num(signedWidth), num(signedHeight)), box()), signer.reserve(&d, in.Room))
		d.set(part, "<</Type/StructElem/S/Form/P %d 0 R/Pg %d 0 R/Alt %s/K<</Type/OBJR/Obj %d 0 R>>>>", document, pageNo, text(p.signed+" "+p.signer), field)
		form = fmt.Sprintf("/AcroForm<</Fields[%d 0 R]/SigFlags 3>>", field)
	}
	d.set(document, "<</Type/StructElem/S/Document/P %d 0 R/K%s>>", tree, refs(parts))
	var nums strings.Builder
	for i := range annotations {
		fmt.Fprintf(&nums, " %d %d 0 R", i+1, parents[i+1])
	}
	d.set(tree, "<</Type/StructTreeRoot/K %d 0 R/ParentTree<</Nums[0 %s%s]>>/ParentTreeNextKey %d>>", document, refs(owners), nums.String(), len(annotations)+1)

	intent := d.add("<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)/Info(sRGB)/DestOutputProfile %d 0 R>>", d.stream("/N 3"+flate, packedRGB()))
	metadata := d.stream("/Type/Metadata/Subtype/XML", in.xmp())
	d.set(pageNo, "<</Type/Page/Parent %d 0 R/MediaBox[0 0 %s %s]/Resources<</Font<<%s>>%s%s>>/Contents %d 0 R/StructParents 0/Tabs/S/Annots%s>>",
		len(d.objects)+1, num(pageWidth), num(pageHeight), fonts, pictures, p.properties(), content, refs(annotations))
	author := ""
	if in.Issuer != "" {
		author = "/Author " + text(in.Issuer)
	}
	direction := ""
	if p.rtl {
		direction = "/Direction/R2L"
	}
	pages := d.add("<</Type/Pages/Kids[%d 0 R]/Count 1>>", pageNo)
	d.set(info, "<</Title %s%s/Producer(Timbre)/CreationDate(%s)/ModDate(%s)>>", text(in.documentTitle()), author, date, date)
	d.set(root, "<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/OutputIntents[%d 0 R]/MarkInfo<</Marked true>>/StructTreeRoot %d 0 R/Lang(%s)/ViewerPreferences<</DisplayDocTitle true%s>>%s%s>>",
		pages, metadata, intent, tree, in.language(), direction, attachment, form)
	out := d.bytes(root, info)
	if signer == nil {
		return out, nil
	}
	return signer.sign(out)
}

// visible returns the input with the shown form of titles and names: characters that are
// invisible or change the direction are replaced by their numbers. Otherwise a page could
// show something other than the registered bytes.
func (in Input) visible() Input {
	for _, s := range []*string{&in.Title, &in.Issuer, &in.Imprint, &in.Registry, &in.File.Name, &in.Authority, &in.BlockAuthority} {
		*s = legible.Shown(*s)
	}
	in.Creators = slices.Clone(in.Creators)
	for i := range in.Creators {
		in.Creators[i].Name = legible.Shown(in.Creators[i].Name)
	}
	return in
}

// box returns the frame around a signature.
func box() []byte {
	const line = 0.8
	var b bytes.Buffer
	b.WriteString(string(gold))
	for _, side := range [][4]float64{{0, 0, signedWidth, line}, {0, signedHeight - line, signedWidth, line}, {0, 0, line, signedHeight}, {signedWidth - line, 0, line, signedHeight}} {
		fmt.Fprintf(&b, "%s %s %s %s re\n", num(side[0]), num(side[1]), num(side[2]), num(side[3]))
	}
	b.WriteString("f\n")
	return b.Bytes()
}

func (in Input) documentTitle() string { return fmt.Sprintf(wordsIn(in.Language).document, in.Title) }

// language returns the language of the page.
func (in Input) language() string {
	if _, ok := catalogue[in.Language]; ok {
		return in.Language
	}
	return "en"
}

func (in Input) issued() time.Time {
	if in.Issued.IsZero() {
		return in.At
	}
	return in.Issued
}

func pdfTime(t time.Time) string { return t.UTC().Format("D:20060102150405Z") }

// literal returns an ASCII string in the syntax of PDF.
func literal(s string) string {
	return "(" + strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`).Replace(s) + ")"
}

// xmp returns the metadata for archives: the same data as in the information dictionary.
func (in Input) xmp() []byte {
	var title bytes.Buffer
	_ = xml.EscapeText(&title, []byte(in.documentTitle())) // to memory
	date := in.issued().UTC().Format("2006-01-02T15:04:05Z")
	var creator bytes.Buffer
	if in.Issuer != "" {
		creator.WriteString("<dc:creator><rdf:Seq><rdf:li>")
		_ = xml.EscapeText(&creator, []byte(in.Issuer))
		creator.WriteString("</rdf:li></rdf:Seq></dc:creator>")
	}
	return fmt.Appendf(nil, `<?xpacket begin="%s" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="3" pdfaid:conformance="A"/>
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#"><pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource"><pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema><pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI><pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category><pdfaProperty:description>part of ISO 14289</pdfaProperty:description></rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" pdf:Producer="Timbre"/>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="%s" xmp:ModifyDate="%s" xmp:MetadataDate="%s"/>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title>%s<dc:language><rdf:Bag><rdf:li>%s</rdf:li></rdf:Bag></dc:language></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>`, "\ufeff", date, date, date, title.Bytes(), creator.Bytes(), in.language())
}
