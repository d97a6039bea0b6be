package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"strconv"
)

// A method is how a crypt filter encrypts.
type method int

const (
	identity method = iota
	methodRC4
	methodAES128
	methodAES256
)

// cipherer decrypts the strings and streams of a file with an empty user password.
type cipherer struct {
	key              []byte
	filters          map[pdfName]method
	streams, strings method
}

// padding completes a password to 32 bytes.
const padding = "\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a"

// newCipherer reads an encryption dictionary, whose values are no references. id is the first part of the file's
// identifier.
func newCipherer(b *budget, d dictionary, id pdfString) *cipherer {
	version, revision := number(d.get("V")), number(d.get("R"))
	legacy := version == 1 || version == 2
	if d.get("Filter") != pdfName("Standard") || !(legacy && (revision == 2 || revision == 3)) && !(version == 4 && revision == 4) && !(version == 5 && (revision == 5 || revision == 6)) {
		refuse("encryption")
	}
	c := &cipherer{}
	bits := 40
	if legacy {
		c.streams, c.strings = methodRC4, methodRC4
		if v := d.get("Length"); v != nil && version == 2 {
			bits = number(v)
		}
		if bits < 40 || bits > 128 || bits%8 != 0 || revision == 2 && bits != 40 {
			refuse("encryption")
		}
	} else {
		bits = 128
		if v := d.get("Length"); v != nil && version == 4 && number(v) != 128 {
			refuse("encryption")
		}
		c.readFilters(d, version)
	}
	if version == 5 {
		c.key = key256(b, d, revision)
	} else {
		c.key = key128(d, id, revision, bits/8)
	}
	return c
}

// readFilters reads the crypt filters.
func (c *cipherer) readFilters(d dictionary, version int) {
	c.filters = map[pdfName]method{}
	filters, ok := d.get("CF").(dictionary)
	if !ok && d.get("CF") != nil {
		refuse("encryption")
	}
	for _, one := range filters {
		filter, ok := one.value.(dictionary)
		m := identity
		switch filter.get("CFM") {
		case pdfName("V2"):
			m = methodRC4
		case pdfName("AESV2"):
			m = methodAES128
		case pdfName("AESV3"):
			m = methodAES256
		}
		length := number(filter.get("Length")) // programs write it in bytes or bits
		if !ok || m == identity || (m == methodAES256) != (version == 5) || m == methodRC4 && filter.get("Length") != nil && length != 16 && length != 128 {
			refuse("encryption")
		}
		c.filters[one.key] = m
	}
	c.filters["Identity"] = identity
	named := func(key pdfName, otherwise method) method {
		v := d.get(key)
		if v == nil {
			return otherwise
		}
		return c.method(v)
	}
	c.streams, c.strings = named("StmF", identity), named("StrF", identity)
	// Some readers decrypt attachments as other streams.
	if named("EFF", c.streams) != c.streams {
		refuse("encryption")
	}
}

// method returns that of a crypt filter.
func (c *cipherer) method(name any) method {
	key, ok := name.(pdfName)
	m, known := c.filters[key]
	if !ok || !known {
		refuse("encryption")
	}
	return m
}

// head returns the first n bytes of a string of the encryption dictionary.
func head(d dictionary, key pdfName, n int) []byte {
	s, _ := d.get(key).(pdfString)
	if len(s) < n {
		refuse("encryption")
	}
	return []byte(s[:n])
}

// key128 returns the key of the revisions 2 to 4.
func key128(d dictionary, id pdfString, revision, size int) []byte {
	owner, user := head(d, "O", 32), head(d, "U", 32)
	p, ok := d.get("P").(pdfNumber)
	permissions, err := strconv.ParseInt(string(p), 10, 64)
	if !ok || err != nil || p[0] == '+' || permissions < -1<<31 || permissions >= 1<<32 {
		refuse("encryption")
	}
	text := append([]byte(padding), owner...)
	text = append(text, byte(permissions), byte(permissions>>8), byte(permissions>>16), byte(permissions>>24))
	text = append(text, id...)
	if revision == 4 && d.get("EncryptMetadata") == pdfWord("false") {
		text = append(text, 0xff, 0xff, 0xff, 0xff)
	}
	sum := md5.Sum(text)
	if revision > 2 {
		for range 50 {
			sum = md5.Sum(sum[:size])
		}
	}
	key := sum[:size:size]
	var want []byte
	if revision == 2 {
		want = unRC4(key, []byte(padding))
	} else {
		sum := md5.Sum(append([]byte(padding), id...))
		want = sum[:]
		for i := range 20 {
			step := bytes.Clone(key)
			for k := range step {
				step[k] ^= byte(i)
			}
			want = unRC4(step, want)
		}
	}
	if !bytes.Equal(user[:len(want)], want) {
		refuse("password")
	}
	return key
}

// key256 returns the key of the revisions 5 and 6.
func key256(b *budget, d dictionary, revision int) []byte {
	user, wrapped := head(d, "U", 48), head(d, "UE", 32)
	sum := func(salt []byte) []byte {
		b.step(len(salt))
		first := sha256.Sum256(salt)
		if revision == 5 {
			return first[:]
		}
		return harden(b, first[:])
	}
	if !bytes.Equal(sum(user[32:40]), user[:32]) {
		refuse("password")
	}
	return cbc(sum(user[40:48]), make([]byte, 16), wrapped)
}

// harden is the hash of revision 6 for an empty password.
func harden(b *budget, k []byte) []byte {
	for i := 1; ; i++ {
		text := bytes.Repeat(k, 64)
		b.step(len(text))
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			refuse("encryption")
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(text, text)
		rest := 0
		for _, c := range text[:16] {
			rest += int(c)
		}
		switch rest % 3 {
		case 0:
			s := sha256.Sum256(text)
			k = s[:]
		case 1:
			s := sha512.Sum384(text)
			k = s[:]
		default:
			s := sha512.Sum512(text)
			k = s[:]
		}
		if i >= 64 && int(text[len(text)-1]) <= i-32 {
			return k[:32]
		}
	}
}

// decrypt returns data of an object. ok is false if the data are not encrypted as the method says.
func (c *cipherer) decrypt(m method, of reference, data []byte) (_ []byte, ok bool) {
	if m == identity {
		return data, true
	}
	key := c.key
	if m != methodAES256 {
		n, g := of.number, of.generation
		text := append(bytes.Clone(key), byte(n), byte(n>>8), byte(n>>16), byte(g), byte(g>>8))
		if m == methodAES128 {
			text = append(text, "sAlT"...)
		}
		sum := md5.Sum(text)
		key = sum[:min(len(key)+5, 16)]
	}
	if m == methodRC4 {
		return unRC4(key, data), true
	}
	if len(data) == 0 { // many programs do not encrypt an empty text
		return data, true
	}
	if len(data) < 32 || len(data)%16 != 0 {
		return nil, false
	}
	out := cbc(key, data[:16], data[16:])
	pad := int(out[len(out)-1])
	if pad < 1 || pad > 16 || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, false
	}
	return out[:len(out)-pad], true
}

func unRC4(key, data []byte) []byte {
	c, err := rc4.NewCipher(key)
	if err != nil {
		refuse("encryption")
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}

// cbc decrypts AES in whole blocks.
func cbc(key, iv, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		refuse("encryption")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	return out
}
