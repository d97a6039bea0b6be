package pdftest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kinds are the ways of encryption that [Encrypted] knows.
var Kinds = []string{"RC4 40", "RC4 128", "RC4 filter", "AES 128", "AES 256, revision 5", "AES 256", "AES 128, identity streams", "AES 256, identity strings"}

const padding = "\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a"

// writer encrypts objects. A nil writer does not.
type writer struct {
	key              []byte
	old              bool // a key for each object
	aes              bool
	streams, strings bool
	number           int    // of the encryption dictionary
	trailer          string // names it
}

// encryption returns the writer and the encryption dictionary for a user password. The other texts of the
// dictionary, such as the owner's, are not valid.
func encryption(kind, password string, number int) (*writer, string) {
	w := &writer{streams: true, strings: true, old: !strings.HasPrefix(kind, "AES 256"), aes: strings.HasPrefix(kind, "AES"), number: number}
	id := "0123456789abcdef"
	w.trailer = fmt.Sprintf("/Encrypt %d 0 R/ID[<%x><%x>]", number, id, id)
	owner := strings.Repeat("Oo", 24)
	head := "/Filter/Standard/P -44"
	if !w.old {
		return w, w.dictionary256(kind, password, owner, head)
	}
	size, revision, form := 16, 4, ""
	filters := func(method string) string {
		s := "StdCF"
		if strings.HasSuffix(kind, "identity streams") {
			s, w.streams = "Identity", false
		}
		return fmt.Sprintf("/V 4/R 4/Length 128/CF<</StdCF<</AuthEvent/DocOpen/CFM/%s/Length 16>>>>/StmF/%s/StrF/StdCF", method, s)
	}
	switch {
	case kind == "RC4 40":
		size, revision, form = 5, 2, "/V 1/R 2"
	case kind == "RC4 128":
		revision, form = 3, "/V 2/R 3/Length 128"
	case kind == "RC4 filter":
		form = filters("V2")
	default:
		form = filters("AESV2")
	}
	padded := (password + padding)[:32]
	sum := md5.Sum([]byte(padded + owner[:32] + "\xd4\xff\xff\xff" + id))
	if revision > 2 {
		for range 50 {
			sum = md5.Sum(sum[:size])
		}
	}
	w.key = bytes.Clone(sum[:size])
	user := by(rc4.NewCipher(w.key))([]byte(padding))
	if revision > 2 {
		sum := md5.Sum([]byte(padding + id))
		user = sum[:]
		for i := range byte(20) {
			user = by(rc4.NewCipher(xor(w.key, i)))(user)
		}
		user = append(user, make([]byte, 16)...)
	}
	return w, fmt.Sprintf("<<%s%s/O<%x>/U<%x>>>", head, form, owner[:32], user)
}

// by returns the function of a cipher.
func by(c *rc4.Cipher, err error) func([]byte) []byte {
	return func(data []byte) []byte {
		if err != nil {
			panic(err)
		}
		out := make([]byte, len(data))
		c.XORKeyStream(out, data)
		return out
	}
}

func xor(key []byte, with byte) []byte {
	out := bytes.Clone(key)
	for i := range out {
		out[i] ^= with
	}
	return out
}

// dictionary256 is the dictionary of the revisions 5 and 6.
func (w *writer) dictionary256(kind, password, owner, head string) string {
	revision := 6
	if strings.HasSuffix(kind, "5") {
		revision = 5
	}
	stream := "StdCF"
	strf := "StdCF"
	if strings.HasSuffix(kind, "identity strings") {
		strf, w.strings = "Identity", false
	}
	w.key = []byte("the key of the file, of 32 bytes")
	hash := func(salt string) []byte {
		sum := sha256.Sum256([]byte(password + salt))
		if revision == 5 {
			return sum[:]
		}
		return hardened(password, sum[:])
	}
	user := append(hash("salt one"), "salt onesalt two"...)
	wrapped := encryptCBC(hash("salt two"), make([]byte, 16), w.key)
	return fmt.Sprintf("<<%s/V 5/R %d/Length 256/CF<</StdCF<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>>>/StmF/%s/StrF/%s/O<%x>/OE<%x>/U<%x>/UE<%x>/Perms<%x>>>",
		head, revision, stream, strf, owner, owner[:32], user, wrapped, owner[:16])
}

// hardened is the hash of revision 6.
func hardened(password string, k []byte) []byte {
	for round := 0; ; round++ {
		text := encryptCBC(k[:16], k[16:32], bytes.Repeat(append([]byte(password), k...), 64))
		sum := 0
		for _, c := range text[:16] {
			sum += int(c) // 256 is 1 modulo 3
		}
		switch sum % 3 {
		case 0:
			s := sha256.Sum256(text)
			k = s[:]
		case 1:
			s := sha512.Sum384(text)
			k = s[:]
		case 2:
			s := sha512.Sum512(text)
			k = s[:]
		}
		if round >= 63 && int(text[len(text)-1]) <= round+1-32 {
			return k[:32]
		}
	}
}

func encryptCBC(key, iv, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(data))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	return out
}

// encrypt encrypts data of an object.
func (w *writer) encrypt(n int, data string) string {
	key := w.key
	if w.old {
		text := append(bytes.Clone(key), byte(n), byte(n>>8), byte(n>>16), 0, 0)
		if w.aes {
			text = append(text, "sAlT"...)
		}
		sum := md5.Sum(text)
		key = sum[:min(len(key)+5, 16)]
	}
	if !w.aes {
		return string(by(rc4.NewCipher(key))([]byte(data)))
	}
	pad := 16 - len(data)%16
	iv := md5.Sum(append([]byte{byte(n)}, data...))
	return string(iv[:]) + string(encryptCBC(key, iv[:], append([]byte(data), bytes.Repeat([]byte{byte(pad)}, pad)...)))
}

var (
	texts  = regexp.MustCompile(`\([^()\\]*\)|<(?:[0-9a-fA-F]{2})+>`)
	length = regexp.MustCompile(`/Length \d+`)
)

// object is an object with its strings and its data encrypted.
func (w *writer) object(n int, object string) string {
	if w == nil || n == w.number || strings.Contains(object, "/Type/XRef") {
		return object
	}
	head, data, stream := strings.Cut(object, ">>\nstream\n")
	if w.strings {
		head = texts.ReplaceAllStringFunc(head, func(s string) string {
			if s[0] == '(' {
				return fmt.Sprintf("<%x>", w.encrypt(n, s[1:len(s)-1]))
			}
			var b []byte
			_, _ = fmt.Sscanf(s, "<%x>", &b) // hexadecimal digits
			return fmt.Sprintf("<%x>", w.encrypt(n, string(b)))
		})
	}
	if !stream {
		return head
	}
	if w.streams && !strings.Contains(head, "/Crypt") {
		text, end, _ := strings.Cut(data, "\nendstream")
		text = w.encrypt(n, text)
		head = length.ReplaceAllString(head, fmt.Sprintf("/Length %d", len(text)))
		data = text + "\nendstream" + end
	}
	return head + ">>\nstream\n" + data
}

// EncryptedFile writes the objects with a kind of encryption. Everybody opens the file if the password is empty.
func (o Objects) EncryptedFile(kind, password string, packed bool) []byte {
	return o.encrypted(kind, password).file(packed)
}

// encrypted is the form of an encrypted file.
func (o Objects) encrypted(kind, password string) form {
	n := slices.Max(o.numbers()) + 1
	w, dictionary := encryption(kind, password, n)
	return form{objects: o.With(n, dictionary), writer: w, predictor: 12}
}
