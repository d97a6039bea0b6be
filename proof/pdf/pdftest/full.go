package pdftest

import (
	"bytes"
	"fmt"
	"strings"
)

// Full are files of up to 8 MiB with as much of one thing as there is place for.
func Full() (all []Case) {
	good := Certificate("{}")
	const most = 8<<20 - 4096
	add := func(name, why string, pdf []byte) { all = append(all, Case{Name: name, PDF: pdf, Why: why}) }
	value := func(name, why, unit string) {
		add(name, why, good.With(7, "["+strings.Repeat(unit, most/len(unit))+"]").Swap(3, "/Resources<<>>", "/Resources 7 0 R").File())
	}
	value("lists", "work", "[]")
	value("dictionaries", "work", "<<>>")
	value("numbers", "work", "1 ")
	value("names", "work", "/")
	value("texts", "work", "()")
	value("references", "work", "9 0 R ")
	value("nothing", "work", "null ")
	add("keys", "work", good.With(7, "<<"+keys(most/8)+">>").Swap(3, "/Resources<<>>", "/Resources 7 0 R").File())
	add("one text", "none", good.With(7, "("+strings.Repeat("x", most)+")").Swap(3, "/Resources<<>>", "/Resources 7 0 R").Swap(5, "evidence", "another").Swap(5, "evidence", "another").Swap(1, "(evidence", "(another").File())
	add("entries", "work", bytes.Replace(good.File(), []byte("xref\n0 1\n"), []byte("xref\n1000 400000\n"+strings.Repeat("0000000000 00000 f \n", 400_000)+"0 1\n"), 1))
	rows := Pack(strings.Repeat("\x00", 7<<20))
	add("entries of a stream", "work", []byte(fmt.Sprintf("%%PDF-1.7\n1 0 obj\n%s\nendobj\nstartxref\n9\n%%%%EOF\n", Stream("/Type/XRef/W[1 0 0]/Size 7340032/Root 1 0 R/Filter/FlateDecode", rows))))
	for name, filter := range map[string]string{"runs": "RunLengthDecode", "LZW": "LZWDecode"} {
		data := strings.Repeat("\x81x", most/2)
		if filter == "LZWDecode" {
			data = LZW(strings.Repeat("x", 2<<20), 1)
		}
		add(name, "size", good.With(6, Stream("/Filter/"+filter, data)).File())
	}
	return all
}

func keys(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "/%05x 1", i)
	}
	return out.String()
}
