package pdf

import (
	"bytes"
	"compress/zlib"
	"io"
)

// unpack undoes one filter, for at most room bytes.
func (b *budget) unpack(filter any, parameters dictionary, data []byte, most int) []byte {
	cost, plain := 1, map[pdfName]func([]byte, *output) int{"ASCIIHexDecode": unhex, "ASCII85Decode": un85, "RunLengthDecode": unrun}
	name, _ := filter.(pdfName)
	decode := plain[name]
	switch {
	case name == "FlateDecode":
		cost, decode = 4, inflate // a byte of a code costs more than one of a text
	case name == "LZWDecode":
		cost, decode = 4, func(data []byte, out *output) int { return unLZW(data, parameters, out) }
	case decode == nil:
		refuse("filter")
	}
	b.step(cost * len(data))
	out := output{room: b.room(most)}
	end := decode(data, &out)
	// Only the end of a line may follow the data.
	if rest := string(data[end:]); rest != "" && rest != "\n" && rest != "\r" && rest != "\r\n" {
		refuse("stream")
	}
	b.step(len(out.data))
	if cost == 1 {
		return out.data
	}
	return b.unpredict(parameters, out.data)
}

// parameter returns a number, or its default.
func parameter(parameters dictionary, key pdfName, otherwise int) int {
	if v := parameters.get(key); v != nil {
		return number(v)
	}
	return otherwise
}

// output is what a filter writes.
type output struct {
	data []byte
	room int
}

// add writes bytes. It refuses more than there is room for.
func (o *output) add(more ...byte) {
	if len(o.data)+len(more) > o.room {
		refuse("size")
	}
	o.data = append(o.data, more...)
}

// inflate decompresses one zlib stream, and returns its end.
func inflate(data []byte, out *output) int {
	if len(data) < 2 || data[1]&0x20 != 0 { // a preset dictionary
		refuse("stream")
	}
	in := bytes.NewReader(data)
	z, err := zlib.NewReader(in)
	if err != nil {
		refuse("stream")
	}
	text, err := io.ReadAll(io.LimitReader(z, int64(out.room)+1))
	out.add(text...)
	if err != nil {
		refuse("stream")
	}
	return len(data) - in.Len()
}

// unLZW decompresses LZW with codes of 9 to 12 bits. The first code clears the table, and the last one ends the
// data. With EarlyChange, codes become longer one code earlier.
func unLZW(data []byte, parameters dictionary, out *output) int {
	early := parameter(parameters, "EarlyChange", 1)
	if early != 0 && early != 1 {
		refuse("filter")
	}
	const clear, end, first, most = 256, 257, 258, 4096
	// An entry is an earlier part of the output: the text of the code before it, and one byte more.
	var from, length [most]int
	at, held, bits := 0, 0, 0
	width, next, last, lastFrom := 9, first, -1, 0
	for begun := false; ; begun = true {
		for bits < width {
			if at == len(data) {
				refuse("stream")
			}
			held, bits, at = (held<<8|int(data[at]))&(1<<24-1), bits+8, at+1
		}
		bits -= width
		code := held >> bits & (1<<width - 1)
		switch {
		case code == end && begun:
			return at
		case code == clear:
			width, next, last = 9, first, -1
			continue
		case !begun || code == end:
			refuse("stream")
		}
		if last >= 0 { // the entry that this code completes
			if next == most {
				refuse("stream")
			}
			size := 1
			if last > end {
				size = length[last]
			}
			from[next], length[next] = lastFrom, size+1
			next++
		}
		lastFrom = len(out.data)
		switch {
		case code < clear:
			out.add(byte(code))
		case code < next:
			if len(out.data)+length[code] > out.room {
				refuse("size")
			}
			for i := range length[code] { // it may overlap what it writes
				out.add(out.data[from[code]+i])
			}
		default:
			refuse("stream")
		}
		last = code
		if next+early >= 1<<width && width < 12 {
			width++
		}
	}
}

// unhex reads hexadecimal digits up to ">".
func unhex(data []byte, out *output) int {
	half := -1
	for i, c := range data {
		n := digit(c)
		switch {
		case isWhite(c):
		case c == '>':
			if half >= 0 {
				out.add(byte(half << 4))
			}
			return i + 1
		case n < 0:
			refuse("stream")
		case half < 0:
			half = n
		default:
			out.add(byte(half<<4 | n))
			half = -1
		}
	}
	refuse("stream")
	return 0
}

// un85 reads groups of five digits to the base 85, up to "~>".
func un85(data []byte, out *output) int {
	value, count := 0, 0
	for i, c := range data {
		switch {
		case isWhite(c):
		case c == '~':
			if i+1 == len(data) || data[i+1] != '>' || count == 1 {
				refuse("stream")
			}
			if count > 0 {
				for range 5 - count {
					value = value*85 + 84
				}
				if value > 1<<32-1 {
					refuse("stream")
				}
				out.add([]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8)}[:count-1]...)
			}
			return i + 2
		case c == 'z' && count == 0:
			out.add(0, 0, 0, 0)
		case c < '!' || c > 'u':
			refuse("stream")
		default:
			value = value*85 + int(c-'!')
			if count++; count == 5 {
				if value > 1<<32-1 {
					refuse("stream")
				}
				out.add(byte(value>>24), byte(value>>16), byte(value>>8), byte(value))
				value, count = 0, 0
			}
		}
	}
	refuse("stream")
	return 0
}

// unrun reads runs up to the byte 128.
func unrun(data []byte, out *output) int {
	for at := 0; at < len(data); {
		n := int(data[at])
		at++
		switch {
		case n == 128:
			return at
		case n < 128:
			if len(data)-at < n+1 {
				refuse("stream")
			}
			out.add(data[at : at+n+1]...)
			at += n + 1
		default:
			if at == len(data) {
				refuse("stream")
			}
			out.add(bytes.Repeat(data[at:at+1], 257-n)...)
			at++
		}
	}
	refuse("stream")
	return 0
}

// unpredict undoes a predictor: a PNG one, or the TIFF one with components of a byte.
func (b *budget) unpredict(parameters dictionary, data []byte) []byte {
	predictor, columns := parameter(parameters, "Predictor", 1), parameter(parameters, "Columns", 1)
	colors, bits := parameter(parameters, "Colors", 1), parameter(parameters, "BitsPerComponent", 8)
	if predictor == 1 {
		return data
	}
	if colors < 1 || colors > 32 || columns < 1 || bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16 {
		refuse("filter")
	}
	pixel, row := (colors*bits+7)/8, (colors*bits*columns+7)/8
	tag := 1
	if predictor == 2 {
		tag = 0
	}
	if predictor == 2 && bits != 8 || predictor != 2 && (predictor < 10 || predictor > 15) || len(data)%(row+tag) != 0 {
		refuse("filter")
	}
	b.step(len(data))
	out := make([]byte, 0, len(data))
	for at := 0; at < len(data); at += row + tag {
		kind := byte(1)
		if tag == 1 {
			kind = data[at]
		}
		if kind > 4 {
			refuse("filter")
		}
		start := len(out)
		for i := range row {
			var left, above, corner byte
			if i >= pixel {
				left = out[start+i-pixel]
			}
			if start > 0 {
				above = out[start+i-row]
			}
			if i >= pixel && start > 0 {
				corner = out[start+i-row-pixel]
			}
			c := data[at+tag+i]
			switch kind {
			case 1:
				c += left
			case 2:
				c += above
			case 3:
				c += byte((int(left) + int(above)) / 2)
			case 4:
				c += paeth(left, above, corner)
			}
			out = append(out, c)
		}
	}
	return out
}

func paeth(left, above, corner byte) byte {
	distance := func(n byte) int {
		d := int(left) + int(above) - int(corner) - int(n)
		return max(d, -d)
	}
	if distance(left) <= distance(above) && distance(left) <= distance(corner) {
		return left
	} else if distance(above) <= distance(corner) {
		return above
	}
	return corner
}
