package pdftest

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
)

// Case is a PDF and what every reader has to say of it.
type Case struct {
	Name string
	PDF  []byte
	// Why the file is refused, as certificate.Refusal names it; "" when its evidence
	// is taken out.
	Why string
	// Evidence is that of the PDF: the first or the second that Cases was given.
	Evidence string
	Changed  bool
}

// Cases are made of two different evidences.
func Cases(first, second string) []Case { return append(Small(first, second), large(first)...) }

// Small are the cases that are files of some kilobytes, made of two different
// evidences.
func Small(first, second string) (all []Case) {
	good := Certificate(first)
	file := good.File()
	other := Stream("/Type/EmbeddedFile", second)
	add := func(name string, pdf []byte, why string) {
		c := Case{Name: name, PDF: pdf, Why: why}
		if why == "" {
			c.Evidence = first
		}
		all = append(all, c)
	}
	say := func(name, evidence string, changed bool, pdf []byte) {
		all = append(all, Case{Name: name, PDF: pdf, Evidence: evidence, Changed: changed})
	}
	text := func(old, with string) []byte {
		if !bytes.Contains(file, []byte(old)) {
			panic("pdftest: no " + old)
		}
		return bytes.Replace(file, []byte(old), []byte(with), 1)
	}
	// same is text with as many bytes as before, so that every offset holds.
	same := func(old, with string) []byte {
		if len(old) != len(with) {
			panic("pdftest: other length: " + with)
		}
		return text(old, with)
	}

	add("as it was issued", file, "")
	add("packed evidence", good.With(6, Flate("/Type/EmbeddedFile", first)).File(), "")
	add("a list of one filter", good.With(6, Stream("/Filter[/FlateDecode]", Pack(first))).File(), "")
	add("an empty list of filters", good.With(6, Stream("/Filter[]", first)).File(), "")
	add("the length in another object", good.With(6, fmt.Sprintf("<</Length 7 0 R>>\nstream\n%s\nendstream", first)).With(7, fmt.Sprint(len(first))).File(), "")
	add("an object stream", good.PackedFile(1), "")
	for predictor := 10; predictor <= 14; predictor++ {
		add(fmt.Sprintf("predictor %d", predictor), good.PackedFile(predictor), "")
	}
	add("evidence in an object stream", good.With(6, "<<>>").PackedFile(12), "object")
	// Filters.
	filtered := func(name, filter, data, why string) {
		add(name, good.With(6, Stream(filter, data)).File(), why)
	}
	const pixels = "/Columns 5/Colors 3/BitsPerComponent 4"
	long := strings.Repeat(first, 1+40_000/len(first))
	for len(long)%8 > 0 {
		long += " "
	}
	filtered("the TIFF predictor", "/Filter/FlateDecode/DecodeParms<</Predictor 2>>", Pack(first[:1]), "")
	all[len(all)-1].Evidence = first[:1]
	filtered("the TIFF predictor of half bytes", "/Filter/FlateDecode/DecodeParms<</Predictor 2/BitsPerComponent 4>>", Pack(first), "filter")
	say("the TIFF predictor with two colors", long, false, good.With(6, Stream("/Filter/FlateDecode/DecodeParms<</Predictor 2/Columns 4/Colors 2>>", Pack(differences(long, 8, 2)))).File())
	say("a predictor of pixels of twelve bits", long, false, good.With(6, Stream("/Filter/FlateDecode/DecodeParms<</Predictor 15"+pixels+">>", Pack(Predicted(long, 8, 2)))).File())
	filtered("a predictor with half a row", "/Filter/FlateDecode/DecodeParms<</Predictor 15"+pixels+">>", Pack("\x001234567"), "filter")
	filtered("a predictor that is not known", "/Filter/FlateDecode/DecodeParms<</Predictor 3>>", Pack(first), "filter")
	filtered("two filters", "/Filter[/FlateDecode/FlateDecode]", Pack(Pack(first)), "")
	filtered("hexadecimal digits", "/Filter/ASCIIHexDecode", fmt.Sprintf("%X\n>", first), "")
	filtered("an odd hexadecimal digit", "/Filter/ASCIIHexDecode", fmt.Sprintf("%x7>", first), "")
	all[len(all)-1].Evidence = first + "p"
	filtered("hexadecimal digits without an end", "/Filter/ASCIIHexDecode", fmt.Sprintf("%x", first), "stream")
	filtered("hexadecimal digits with another sign", "/Filter/ASCIIHexDecode", fmt.Sprintf("%xg>", first), "stream")
	filtered("more behind hexadecimal digits", "/Filter/ASCIIHexDecode", fmt.Sprintf("%x>00", first), "stream")
	for n := range 5 {
		filtered(fmt.Sprint("to the base 85, ", n), "/Filter/ASCII85Decode", Base85(first+"\x00\x00\x00\x00"+first[:n]), "")
		all[len(all)-1].Evidence = first + "\x00\x00\x00\x00" + first[:n]
	}
	filtered("to the base 85, too much", "/Filter/ASCII85Decode", "uuuuu~>", "stream")
	filtered("to the base 85, one digit", "/Filter/ASCII85Decode", "!!!!!!~>", "stream")
	filtered("to the base 85, z in a group", "/Filter/ASCII85Decode", "!z!!!!~>", "stream")
	filtered("to the base 85, half an end", "/Filter/ASCII85Decode", "!!!!!~", "stream")
	say("runs", first+"aaaa", false, good.With(6, Stream("/Filter/RunLengthDecode", Runs(first)+"\xfda\x80\n")).File())
	filtered("runs without an end", "/Filter/RunLengthDecode", Runs(first), "stream")
	filtered("a run that is cut", "/Filter/RunLengthDecode", "\x05a", "stream")
	for early := range 2 {
		say(fmt.Sprint("LZW, early change ", early), long, false, good.With(6, Stream(fmt.Sprintf("/Filter/LZWDecode/DecodeParms<</EarlyChange %d>>", early), LZW(long, early))).File())
	}
	say("LZW with a predictor", long, false, good.With(6, Stream("/Filter[/LZWDecode]/DecodeParms[<</Predictor 12"+pixels+">>]", LZW(Predicted(long, 8, 2), 1))).File())
	filtered("LZW that does not clear its table", "/Filter/LZWDecode", LZW(first, 1)[1:], "stream")
	filtered("LZW without an end", "/Filter/LZWDecode", LZW(first, 1)[:len(first)/2], "stream")
	filtered("LZW with another early change", "/Filter/LZWDecode/DecodeParms<</EarlyChange 2>>", LZW(first, 1), "filter")
	filtered("all filters", "/Filter[/ASCIIHexDecode/ASCII85Decode/RunLengthDecode/LZWDecode/FlateDecode]/DecodeParms[null null null<</EarlyChange 0>>null]",
		fmt.Sprintf("%x>", Base85(Runs(LZW(Pack(first), 0))+"\x80")), "")
	filtered("nine filters", "/Filter["+strings.Repeat("/ASCIIHexDecode", 9)+"]", ">", "filter")
	filtered("a filter by its short name", "/Filter/Fl", Pack(first), "filter")
	filtered("a filter of pictures", "/Filter/DCTDecode", first, "filter")
	filtered("parameters of a list for one filter", "/Filter/FlateDecode/DecodeParms[<</Predictor 1>>]", Pack(first), "filter")
	filtered("parameters of one filter for a list", "/Filter[/FlateDecode]/DecodeParms<</Predictor 1>>", Pack(first), "filter")
	filtered("parameters under an old name", "/Filter/FlateDecode/DP<</Predictor 1>>", Pack(first), "filter")
	filtered("parameters elsewhere", "/Filter/FlateDecode/DecodeParms<</Predictor 5 0 R>>", Pack(first), "filter")
	filtered("no encryption", "/Filter[/Crypt]", first, "")
	filtered("no encryption, by name", "/Filter[/Crypt/FlateDecode]/DecodeParms[<</Name/Identity>>null]", Pack(first), "")
	filtered("another encryption", "/Filter/Crypt/DecodeParms<</Name/StdCF>>", first, "filter")
	filtered("an encryption behind another filter", "/Filter[/FlateDecode/Crypt]", Pack(first), "filter")

	// White space, comments, names and strings.
	for name, white := range map[string]string{"form feed": "\f", "NUL": "\x00", "tab": "\t", "return": "\r"} {
		add(name+" in the head of an object", same("5 0 obj", "5"+white+"0"+white+"obj"), "")
		// Of a reader that does not know it, the first object is the second's.
		add(name+" where another object could begin", bytes.Replace(Update(good.With(6, other).File(), Objects{6: Stream("", first)}, ""), []byte("\n6 0 obj\n"), []byte("\n6"+white+"0"+white+"obj\n"), 2), "")
		all[len(all)-1].Changed = true
	}
	add("vertical tab behind a name", good.With(6, Stream("/Filter\v/FlateDecode", Pack(first))).File(), "value")
	add("an entry without the end of its line", text(" n \ntrailer", " n  trailer"), "table")
	add("entries of other lengths", bytes.ReplaceAll(file, []byte(" n \n"), []byte(" n\n")), "table")
	add("entries with the other end of a line", bytes.ReplaceAll(file, []byte(" n \n"), []byte(" n\r\n")), "")
	add("a comment in a dictionary", good.Swap(5, "/F(", "%)>> /EF\n/F(").File(), "")
	add("a comment between the words of a reference", good.Swap(1, "[5 0 R]", "[5 %\r0%R\nR]").File(), "")
	add("a name with a number", good.Swap(5, "/EF", "/#45#46").Swap(1, "/EmbeddedFiles", "/Embedded#46iles").File(), "")
	add("a name with half a number", good.Swap(5, "/EF", "/X#4/EF").File(), "value")
	add("a name with NUL", good.Swap(5, "/EF", "/X#00 1/EF").File(), "value")
	add("a key twice", good.Swap(5, "/EF", "/UF(evidence.json)/EF").File(), "value")
	add("a key twice, written otherwise", good.Swap(5, "/EF", "/#55F(evidence.json)/EF").File(), "value")
	add("a name in octal", good.Swap(5, "/F(evidence.json)", `/F(\145vi\
dence\056json)`).File(), "")
	add("a name in hexadecimal", good.Swap(5, "/F(evidence.json)", "/F<65 76 69\n64656e63652e6a736f6e>").File(), "")
	add("a name in UTF-16", good.Swap(5, "/UF(evidence.json)", "/UF<feff0065007600690064 0065006e00630065002e006a0073006f006e>").File(), "")
	add("a name in UTF-16, the other order", good.Swap(5, "/UF(evidence.json)", "/UF<fffe65007600690064 0065006e00630065002e006a0073006f006e00>").File(), "")
	add("a name in UTF-8", good.Swap(5, "/UF(evidence.json)", "/UF(\xef\xbb\xbfevidence.json)").File(), "")
	add("half a character in UTF-16", good.Swap(5, "/UF(evidence.json)", "/UF<feff00>").File(), "value")
	add("a hexadecimal string with another sign", good.Swap(5, "/F(evidence.json)", "/F<6g>").File(), "value")
	add("a string without its end", good.Swap(5, "/F(evidence.json)", "/F(evidence.json").File(), "value")
	add("a name elsewhere", good.Swap(5, "/F(evidence.json)", "/F 8 0 R").With(8, "(evidence.json)").File(), "")
	add("an invalid number", good.Swap(3, "842", "8e2").File(), "value")
	add("an invalid word", good.Swap(3, "842", "nul").File(), "value")
	add("two values in one object", good.With(2, good[2]+" 1").File(), "object")
	add("an object that is a reference", good.With(7, "2 0 R").Swap(1, "2 0 R", "7 0 R").File(), "object")
	add("an object without its end", text("/Count 1>>\nendobj", "/Count 1>>\nxendob"), "value")

	// Which attachment.
	add("not attached", good.Swap(1, "/AF[5 0 R]/Names<</EmbeddedFiles<</Names[(evidence.json) 5 0 R]>>>>", "").File(), "none")
	add("only associated", good.Swap(1, "/Names<</EmbeddedFiles<</Names[(evidence.json) 5 0 R]>>>>", "").File(), "none")
	add("another name", good.Swap(5, "/F(evidence.json)/UF(evidence.json)", "/F(Evidence.json)/UF(evidence.json )").Swap(1, "(evidence", "(other").File(), "none")
	add("another name in the list", good.Swap(1, "(evidence", "(the evidence").File(), "")
	add("two names for one file", good.Swap(5, "/F(evidence", "/F(other").File(), "name")
	add("another file under the name", good.Swap(5, "/F(evidence.json)/UF(evidence.json)", "/F(a.json)/UF(a.json)").With(7, good[5]).Swap(1, "/AF[5 0 R]", "/AF[7 0 R]").File(), "name")
	add("one name", good.Swap(5, "/F(evidence.json)", "").File(), "")
	add("another file beside it", good.Swap(1, "[(evidence.json) 5 0 R]", "[(a.txt) 8 0 R(evidence.json) 5 0 R]").
		With(8, "<</Type/Filespec/F(a.txt)/UF(a.txt)/EF<</F 7 0 R>>>>").With(7, Stream("", "{\"evidence\":1}")).File(), "")
	two := func(where Objects) []byte {
		return where.With(7, other).With(8, strings.ReplaceAll(good[5], "6 0 R", "7 0 R")).File()
	}
	add("two in the list", two(good.Swap(1, "[(evidence.json) 5 0 R]", "[(evidence.json) 5 0 R(evidence.json) 8 0 R]")), "many")
	add("another one associated", two(good.Swap(1, "/AF[5 0 R]", "/AF[8 0 R]")), "many")
	add("another one of the page", two(good.Swap(3, "/Type/Page", "/Type/Page/AF[8 0 R]")), "many")
	add("another one in an annotation", two(good.Swap(3, "/Annots[]", "/Annots[<</Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS 8 0 R>>]")), "many")
	add("another one that nothing leads to", two(good), "")
	add("two contents of one file", good.With(7, other).Swap(5, "/UF 6 0 R", "/UF 7 0 R").File(), "many")
	add("the same one twice", good.With(7, good[6]).With(8, strings.ReplaceAll(good[5], "6 0 R", "7 0 R")).Swap(1, "/AF[5 0 R]", "/AF[8 0 R]").File(), "")
	add("a tree", good.Swap(1, "<</Names[(evidence.json) 5 0 R]>>", "<</Kids[8 0 R 9 0 R]>>").With(8, "<</Limits[(a)(b)]/Names[]>>").With(9, "<</Limits[(e)(f)]/Names[(evidence.json) 5 0 R]>>").File(), "")
	add("a tree with a loop", good.Swap(1, "<</Names[(evidence.json) 5 0 R]>>", " 8 0 R").With(8, "<</Kids[8 0 R]/Names[(evidence.json) 5 0 R]>>").File(), "loop")
	add("a tree with a loop of two", good.Swap(1, "<</Names[(evidence.json) 5 0 R]>>", " 8 0 R").With(8, "<</Kids[9 0 R]>>").With(9, "<</Kids[8 0 R]/Names[(evidence.json) 5 0 R]>>").File(), "loop")
	add("a file elsewhere", good.Swap(6, "/Type", "/F(other.json)/Type").File(), "stream")
	add("only the other entry of a file", good.Swap(5, "/F 6 0 R/", "/").File(), "object")
	add("a list with a number for a name", good.Swap(1, "[(evidence.json) 5 0 R]", "[1 5 0 R]").File(), "value")
	add("no file", good.Swap(5, "/EF<</F 6 0 R/UF 6 0 R>>", "/EF<</F 7 0 R>>").File(), "object")

	// Streams.
	add("endstream in the data", Certificate(strings.Replace(first, "{", "{\nendstream\nendobj\n", 1)).File(), "")
	all[len(all)-1].Evidence = strings.Replace(first, "{", "{\nendstream\nendobj\n", 1)
	length := fmt.Sprintf("/Length %d", len(first))
	add("a length too short", good.Swap(6, length, "/Length 7").File(), "stream")
	add("a length too long", good.Swap(6, length, fmt.Sprintf("/Length %d", len(first)+30)).File(), "stream")
	add("a length beyond the file", good.Swap(6, length, "/Length 9999999").File(), "stream")
	add("a length below zero", good.Swap(6, length, "/Length -1").File(), "stream")
	add("no length", good.Swap(6, length, "").File(), "stream")
	add("a length that is the stream's own", good.Swap(6, length, "/Length 6 0 R").File(), "loop")
	add("spaces behind the word stream", good.Swap(6, ">>\nstream\n", ">>\nstream \n").File(), "stream")
	add("a return behind the word stream", good.Swap(6, ">>\nstream\n", ">>\nstream\r").File(), "stream")
	add("both behind the word stream", good.Swap(6, ">>\nstream\n", ">>\nstream\r\n").File(), "")
	add("the end of a line behind packed data", good.With(6, Stream("/Filter/FlateDecode", Pack(first)+"\r\n")).File(), "")
	add("more behind packed data", good.With(6, Stream("/Filter/FlateDecode", Pack(first)+"\n ")).File(), "stream")
	add("packed data that are cut", good.With(6, Stream("/Filter/FlateDecode", Pack(first)[:len(Pack(first))-1])).File(), "stream")
	add("packed data with another sum", good.With(6, Stream("/Filter/FlateDecode", Pack(first)[:len(Pack(first))-1]+"\x01")).File(), "stream")
	add("packed data that cannot be unpacked", good.With(6, Stream("/Filter/FlateDecode", first)).File(), "stream")
	add("spaces before the filter", good.With(6, Stream("/Filter"+strings.Repeat(" ", 4070)+"/FlateDecode", Pack(first))).File(), "")

	// Tables and revisions.
	say("attachment replaced", second, true, Update(file, Objects{6: other}, ""))
	say("attachment replaced in an object stream", second, true, Update(good.PackedFile(12), Objects{6: other}, ""))
	add("attachment deleted", Update(file, Objects{6: ""}, ""), "object")
	say("page replaced", first, true, Update(file, Objects{3: strings.Replace(good[3], "/Contents 4 0 R", "/Contents 9 0 R", 1), 9: Stream("", "0 0 99 99 re f")}, ""))
	say("what the page shows replaced", first, true, Update(file, Objects{4: Stream("", "0 0 99 99 re f")}, ""))
	say("another page in front", first, true, Update(file, Objects{2: "<</Type/Pages/Kids[9 0 R 3 0 R]/Count 2>>", 9: good[3]}, ""))
	say("another catalog", first, true, Update(file, Objects{9: strings.Replace(good[1], "2 0 R", "10 0 R", 1), 10: "<</Type/Pages/Kids[3 0 R]/Count 1>>"}, "/X 1"))
	all[len(all)-1].PDF = bytes.Replace(all[len(all)-1].PDF, []byte("/Root 1 0 R/X 1"), []byte("/Root 9 0 R/X 1"), 1)
	say("a note on the page", first, true, Update(file, Objects{3: strings.Replace(good[3], "/Annots[]", "/Annots[9 0 R]", 1), 9: "<</Type/Annot/Subtype/FreeText/Rect[0 0 99 99]/Contents(Mallory)>>"}, ""))
	about := good.With(7, "<</Title(Song)/ModDate(D:2026)>>")
	named := bytes.Replace(about.File(), []byte("/Root 1 0 R"), []byte("/Root 1 0 R/Info 7 0 R"), 1)
	say("the date of change", first, false, Update(named, Objects{7: "<</Title(Song)/ModDate(D:2027)/Producer(Another)>>"}, "/Info 7 0 R"))
	say("another title of the document", first, true, Update(named, Objects{7: "<</Title(Another)/ModDate(D:2027)>>"}, "/Info 7 0 R"))
	say("no title of the document", first, true, Update(named, Objects{8: "1"}, ""))
	say("layers", first, true, Update(file, Objects{1: strings.Replace(good[1], "/AF", "/OCProperties<</D<<>>/OCGs[]>>/AF", 1)}, ""))
	say("the same object again", first, false, Update(file, Objects{4: good[4]}, ""))
	say("validation data", first, false, Update(file, Objects{1: strings.Replace(good[1], "/AF", "/DSS<</Certs[9 0 R]>>/AF", 1), 9: Stream("", "DER")}, ""))
	stamp := func(rect string) Objects {
		return Objects{
			1:  strings.Replace(good[1], "/AF", "/AcroForm<</Fields[9 0 R]/SigFlags 3>>/AF", 1),
			3:  strings.Replace(good[3], "/Annots[]", "/Annots[9 0 R]", 1),
			9:  "<</Type/Annot/Subtype/Widget/FT/Sig/T(Stamp)/F 132/P 3 0 R/Rect" + rect + "/V 10 0 R>>",
			10: "<</Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161/ByteRange[0 1 2 3]/Contents<00>>>",
		}
	}
	say("a time-stamp of the document", first, false, Update(file, stamp("[0 0 0 0]"), ""))
	say("a signature that can be seen", first, true, Update(file, stamp("[0 0 99 99]"), ""))
	say("a time-stamp with a picture", first, true, Update(file, stamp("[0 0 0 0]/AP<</N 4 0 R>>"), ""))
	say("two time-stamps and a page", first, true, Update(Update(file, stamp("[0 0 0 0]"), ""), Objects{4: Stream("", "")}, ""))
	// A signature that lasts: validation data, then a time-stamp over them (PAdES B-LTA).
	data := strings.Replace(good[1], "/AF", "/DSS<</Certs[11 0 R]/OCSPs[11 0 R]>>/Extensions<</ESIC<</BaseVersion/1.7/ExtensionLevel 5>>>>/AF", 1)
	valid := Update(file, Objects{1: data, 11: Stream("", "DER")}, "")
	lasting := stamp("[0 0 0 0]")
	lasting[1] = strings.Replace(data, "/AF", "/AcroForm<</Fields[9 0 R]/SigFlags 3>>/AF", 1)
	say("validation data and a time-stamp over them", first, false, Update(valid, lasting, ""))
	say("validation data and another page", first, true, Update(valid, Objects{4: Stream("", "0 0 99 99 re f")}, ""))
	lasting[4] = Stream("", "0 0 99 99 re f")
	say("a time-stamp over another page", first, true, Update(valid, lasting, ""))
	lasting[4], lasting[6] = good[4], other
	say("a time-stamp over another evidence", second, true, Update(valid, lasting, ""))
	add("validation data instead of the attachment", Update(file, Objects{1: "<</Type/Catalog/Pages 2 0 R/DSS<<>>>>"}, ""), "none")
	add("a loop of tables", loop(good), "loop")
	add("a table that is its own", []byte("%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1/Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF\n"), "loop")
	many := file
	for range 70 {
		many = Update(many, Objects{7: "1"}, "")
	}
	add("too many tables", many, "table")
	add("an offset beside the object", same(fmt.Sprintf("%010d 00000 n", bytes.Index(file, []byte("6 0 obj"))), fmt.Sprintf("%010d 00000 n", bytes.Index(file, []byte("6 0 obj"))+1)), "object")
	add("an offset of another object", same(fmt.Sprintf("%010d 00000 n", bytes.Index(file, []byte("6 0 obj"))), fmt.Sprintf("%010d 00000 n", bytes.Index(file, []byte("4 0 obj")))), "object")
	add("another generation", same("6 0 obj", "6 1 obj"), "object")
	add("a reference to another generation", good.Swap(5, "/F 6 0 R", "/F 6 1 R").Swap(5, "/UF 6 0 R", "/UF 6 1 R").File(), "object")
	add("a reference to two generations", good.Swap(3, "/Annots[]", "/Annots[]/X 5 1 R").File(), "object")
	add("a table under the number of another object", bytes.Replace(good.PackedFile(12), []byte("\n8 0 obj"), []byte("\n1 0 obj"), 1), "table")
	add("an entry twice", text("trailer", "6 1\n0000000015 00000 n \ntrailer"), "table")
	add("more entries than stated", text("/Size 100", "/Size 6"), "table")
	add("a smaller size later", bytes.Replace(Update(file, Objects{4: good[4]}, ""), []byte("/Size 100/Root 1 0 R/Prev"), []byte("/Size 5/Root 1 0 R/Prev"), 1), "table")
	add("no size", text("/Size 100", ""), "table")
	add("a trailer that names a missing object", text("/Root 1 0 R", "/Root 1 0 R/Info 9 0 R"), "object")
	add("no root", text("/Root 1 0 R", ""), "table")
	say("a hybrid file", first, true, good.HybridFile("")) // of its older revision nothing is attached
	for name, why := range map[string]string{"another place": "hybrid", "no stream": "object", "no place": "table"} {
		add("a hybrid file, "+name, good.HybridFile(name), why)
	}
	say("a hybrid file and another revision", second, true, Update(good.HybridFile(""), Objects{6: other}, ""))
	for _, kind := range Kinds {
		for how, packed := range map[string]bool{"": false, ", packed": true} {
			add("encrypted, "+kind+how, good.EncryptedFile(kind, "", packed), "")
			add("encrypted with a password, "+kind+how, good.EncryptedFile(kind, "user", packed), "password")
		}
		f := good.encrypted(kind, "")
		say("encrypted and replaced, "+kind, second, true, f.update(f.file(false), Objects{6: other}, ""))
		clear := f
		clear.writer = nil
		add("no longer encrypted, "+kind, clear.update(f.file(false), Objects{6: other}, ""), "encryption")
	}
	secret := func(name, kind, old, with, why string) {
		f := good.encrypted(kind, "")
		f.objects = f.objects.Swap(f.writer.number, old, with)
		add(name, f.file(false), why)
	}
	secret("encrypted by another handler", "AES 256", "/Standard", "/Adobe.PubSec", "encryption")
	secret("encrypted by another version", "RC4 128", "/V 2", "/V 3", "encryption")
	secret("encrypted by another revision", "RC4 128", "/R 3", "/R 4", "encryption")
	secret("encrypted with a key of another length", "AES 128", "/Length 128", "/Length 40", "encryption")
	secret("encrypted by a filter that is missing", "AES 128", "/StmF/StdCF", "/StmF/Other", "encryption")
	secret("attachments encrypted in another way", "AES 128", "/StmF/StdCF", "/StmF/Identity/EFF/StdCF", "encryption")
	secret("encrypted by no method", "AES 128", "/CFM/AESV2", "/CFM/None", "encryption")
	secret("encrypted with other permissions", "RC4 128", "/P -44", "/P -45", "password")
	secret("permissions without a sign", "RC4 128", "/P -44", "/P 4294967252", "")
	secret("permissions that are too large", "RC4 128", "/P -44", "/P 4294967296", "encryption")
	secret("encrypted without a text of the user", "AES 256", "/U<", "/X<", "encryption")
	secret("encrypted with half a key of the owner", "AES 256", "/OE<", "/OE<00>/X<", "encryption")
	secret("encrypted with half a key", "AES 256", "/UE<", "/UE<00>/X<", "encryption")
	for _, kind := range []string{"AES 128", "AES 256"} {
		f := good.encrypted(kind, "")
		f.objects = f.objects.With(6, Stream("/Type/EmbeddedFile/Filter/Crypt", first))
		add("evidence that is not encrypted, "+kind, f.file(false), "")
		f.objects = f.objects.With(6, strings.Replace(f.objects[6], "/Filter/Crypt", "/Filter[/Crypt]/DecodeParms[<</Name/StdCF>>]", 1))
		add("evidence that is not encrypted as it says, "+kind, f.file(false), "stream")
		f.objects = f.objects.With(6, Stream("/Type/Metadata", first))
		add("evidence with the type of other data, "+kind, f.file(false), "object")
		f = good.encrypted(kind, "")
		f.objects = f.objects.Swap(5, "/F(evidence.json)", "/F(evidence\\.json)")
		add("a name that is not encrypted, "+kind, f.file(false), "value")
		f = good.encrypted(kind, "")
		f.objects = f.objects.Swap(3, "/Annots[]", "/Annots[(not\\encrypted)]")
		add("a text that is not encrypted, "+kind, f.file(false), "")
	}
	add("a wrong startxref", text("startxref\n", "startxref\n1"), "table")
	add("no startxref", text("startxref", "startxxxx"), "end")
	add("no end", text("%%EOF\n", ""), "end")
	add("an end without a new line", text("%%EOF\n", "%%EOF"), "")
	add("more than one end", text("startxref", "%%EOF\n%%EOF\nstartxref"), "")
	add("lines behind the end", append(bytes.Clone(file), "\r\n\r\n\x00"...), "")
	add("junk behind the end", append(bytes.Clone(file), "<html>"...), "end")
	add("an object behind the end", append(bytes.Clone(file), "6 0 obj\n"+other+"\nendobj\n"...), "end")
	add("another object that no table names", text("xref\n0 1", "6 0 obj\n"+other+"\nendobj\nxref\n0 1"), "table")
	add("another object that no table names, in its place", unnamed(good, other), "")
	add("the same file twice in one", append(bytes.Clone(file), file...), "") // offsets are those of the first
	add("something in front", append([]byte("junk\n"), file...), "")
	add("as much as is allowed in front", append(bytes.Repeat([]byte{'%'}, 1019), file...), "")
	add("too much in front", append(bytes.Repeat([]byte{'%'}, 1020), file...), "header")
	add("another header in front", append([]byte("%PDF-1.4\n"), file...), "table")
	add("offsets from the beginning, not from the header", form{objects: good}.appendTo([]byte("junk\n"+header), "/Root 1 0 R", -1), "object")
	add("another version", same("%PDF-1.7", "%PDF-2.0"), "")
	add("nothing but a mark", []byte("%PDF-1.7\n"), "end")
	add("cut in the middle", file[:len(file)/2], "end")

	return all
}

// large are the cases that would be much work.
func large(first string) (all []Case) {
	good := Certificate(first)
	file := good.File()
	add := func(name string, pdf []byte, why string) {
		c := Case{Name: name, PDF: pdf, Why: why}
		if why == "" {
			c.Evidence = first
		}
		all = append(all, c)
	}
	add("values nested deeply", good.With(7, strings.Repeat("[", 300)+strings.Repeat("]", 300)).Swap(3, "/Resources<<>>", "/Resources 7 0 R").File(), "depth")
	add("nested as deeply as is read", good.With(7, strings.Repeat("[", 60)+strings.Repeat("]", 60)).Swap(3, "/Resources<<>>", "/Resources 7 0 R").File(), "")
	bomb := Pack(strings.Repeat(" ", 64<<20))
	add("evidence that unpacks without end", good.With(6, Stream("/Filter/FlateDecode", bomb)).File(), "size")
	add("a table that unpacks without end", []byte(fmt.Sprintf("%%PDF-1.7\n1 0 obj\n%s\nendobj\nstartxref\n9\n%%%%EOF\n", Stream("/Type/XRef/W[1 3 2]/Size 9/Root 1 0 R/Filter/FlateDecode", bomb))), "size")
	add("the same object from many places", refs(good, 4000, 20_000), "")
	add("many file specifications", specifications(good, 65), "work")
	add("as many file specifications as are read", specifications(good, 63), "")
	add("thousands of small packed streams", streams(good, 5000), "")
	add("objects in each other", nested(), "work")
	add("a chain of lengths", lengths(good), "depth")
	add("too large", append(append(bytes.Clone(file[:9]), bytes.Repeat([]byte("%\n"), 4<<20)...), file[9:]...), "size")
	return all
}

// loop is a file of two tables, each of which names the other as the one before.
func loop(o Objects) []byte {
	file := form{objects: o}.appendTo([]byte(header), "/Root 1 0 R/Prev 0000000000", -1)
	file = Update(file, Objects{7: "1"}, "")
	return bytes.Replace(file, []byte("/Prev 0000000000"), fmt.Appendf(nil, "/Prev %010d", start(file)), 1)
}

// unnamed has a second object 6 between two others, which no table names.
func unnamed(o Objects, other string) []byte {
	return o.With(4, o[4]+"\nendobj\n6 0 obj\n"+other).File()
}

// refs has a list with the same object n times.
func refs(o Objects, n, size int) []byte {
	return o.With(7, "["+strings.Repeat("8 0 R ", n)+"]").With(8, "("+strings.Repeat("x", size)+")").Swap(3, "/Resources<<>>", "/Resources 7 0 R").File()
}

func specifications(o Objects, n int) []byte {
	var list strings.Builder
	for i := range n {
		o = o.With(100+i, fmt.Sprintf("<</F(%d)/EF<</F 6 0 R>>>>", i))
		fmt.Fprintf(&list, "%d 0 R ", 100+i)
	}
	return o.Swap(1, "/AF[", "/AF["+list.String()).File()
}

func streams(o Objects, n int) []byte {
	var list strings.Builder
	o = maps.Clone(o)
	packed := Flate("", "{")
	for i := range n {
		o[100+i] = packed
		fmt.Fprintf(&list, "%d 0 R ", 100+i)
	}
	return o.Swap(3, "/Resources<<>>", "/Resources["+list.String()+"]").File()
}

// nested has objects that each have the rest of the file as a comment.
func nested() []byte {
	const n = 4000
	var body, table, list strings.Builder
	body.WriteString(header)
	at := func() int { return body.Len() }
	catalog := at()
	for i := range n {
		fmt.Fprintf(&list, "%d 0 R ", i+2)
	}
	fmt.Fprintf(&body, "1 0 obj\n<</X[%s]>>\nendobj\n", list.String())
	fmt.Fprintf(&table, "0000000000 65535 f \n%010d 00000 n \n", catalog)
	for i := range n {
		fmt.Fprintf(&table, "%010d 00000 n \n", at())
		fmt.Fprintf(&body, "%d 0 obj%%", i+2)
	}
	body.WriteString("\nnull endobj\n")
	return fmt.Appendf(nil, "%sxref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", body.String(), n+2, table.String(), n+2, at())
}

// lengths is a stream whose length is that of another, and so on.
func lengths(o Objects) []byte {
	for i := range 100 {
		o = o.With(100+i, fmt.Sprintf("<</Length %d 0 R>>\nstream\n\nendstream", 101+i))
	}
	return o.With(200, "0").Swap(3, "4 0 R", "100 0 R").File()
}
