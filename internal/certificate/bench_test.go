package certificate_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"testing"

	"timbre.example/internal/certificate"
)

// BenchmarkRender measures the cost of a certificate. The floor writes the bytes of the
// file, and compresses its compressed streams again.
func BenchmarkRender(b *testing.B) {
	for _, c := range []struct {
		name string
		in   certificate.Input
	}{
		{"two", cases()["two"]}, {"crowd", cases()["crowd"]}, {"scripts", cases()["scripts"]}, {"Chinese", cases()["title-Chinese"]},
	} {
		file, err := certificate.Render(c.in, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := certificate.Render(c.in, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(file)), "B/file")
		})
		b.Run(c.name+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			streams := unpacked(b, file)
			for b.Loop() {
				out := bytes.NewBuffer(make([]byte, 0, len(file)))
				w := zlib.NewWriter(out)
				for _, s := range streams {
					w.Reset(out)
					_, _ = w.Write(s)
					_ = w.Close()
				}
				_, _ = out.Write(file[:len(file)-min(out.Len(), len(file))])
			}
		})
	}
}

// unpacked are the packed streams of a file, as they were before.
func unpacked(tb testing.TB, file []byte) (all [][]byte) {
	tb.Helper()
	for {
		_, rest, ok := bytes.Cut(file, []byte("/Filter/FlateDecode/Length "))
		if !ok {
			return all
		}
		_, rest, _ = bytes.Cut(rest, []byte("stream\n"))
		r, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			tb.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		all, file = append(all, data), rest
	}
}
