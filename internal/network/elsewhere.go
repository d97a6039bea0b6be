package network

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Elsewhere says where a chain's own explorer shows a block or a transaction: the value of the
// flag --network-explorer. The zero value is nowhere.
type Elsewhere struct {
	Name Name
	// template is a URL with placeholders.
	template string
}

// maxElsewhere bounds a template, in bytes.
const maxElsewhere = 500

// The placeholders of a template.
const (
	placeBlock     = "{block}"      // the block's number
	placeBlockHash = "{block_hash}" // its hash
	placeTx        = "{tx_hash}"    // the hash of the transaction
)

// placeholder matches everything that looks like a placeholder.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// UnmarshalText reads NAME=TEMPLATE. The template is a URL with http or https, of at most 500
// bytes. It has at least one of {block}, {block_hash} and {tx_hash} behind its host.
func (e *Elsewhere) UnmarshalText(text []byte) error {
	name, template, ok := strings.Cut(string(text), "=")
	if !ok || template == "" {
		return errors.New("must be NAME=URL")
	}
	if !Name(name).Valid() {
		return fmt.Errorf("the name must be %s", joined(Names(), "or"))
	}
	if len(template) > maxElsewhere {
		return fmt.Errorf("the URL has more than %d bytes", maxElsewhere)
	}
	if strings.ContainsFunc(template, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`|", r) }) {
		return errors.New("the URL has a character that no URL has")
	}
	found := placeholder.FindAllString(template, -1)
	for _, one := range found {
		if one != placeBlock && one != placeBlockHash && one != placeTx {
			return fmt.Errorf("the placeholder %s is unknown: use %s, %s or %s", one, placeBlock, placeBlockHash, placeTx)
		}
	}
	filled := placeholder.ReplaceAllString(template, "0")
	u, err := url.Parse(filled)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(filled, "{}") {
		return errors.New("the URL must be https://HOST/… or http://HOST/…, without a user")
	}
	if len(found) == 0 || !strings.HasPrefix(template, u.Scheme+"://"+u.Host) {
		return fmt.Errorf("the URL needs %s, %s or %s behind its host", placeBlock, placeBlockHash, placeTx)
	}
	*e = Elsewhere{Name(name), template}
	return nil
}

// String returns NAME=TEMPLATE.
func (e Elsewhere) String() string { return string(e.Name) + "=" + e.template }

// Transaction returns the URL of a transaction that is final in a block, or "" without a template.
func (e Elsewhere) Transaction(block int64, blockHash, txHash [32]byte) string {
	return e.fill(block, blockHash, fmt.Sprintf("0x%x", txHash))
}

// Block returns the URL of a block, or "" if the template needs a transaction.
func (e Elsewhere) Block(number int64, hash [32]byte) string {
	if strings.Contains(e.template, placeTx) {
		return ""
	}
	return e.fill(number, hash, "")
}

func (e Elsewhere) fill(block int64, blockHash [32]byte, txHash string) string {
	return strings.NewReplacer(placeBlock, strconv.FormatInt(block, 10), placeBlockHash, fmt.Sprintf("0x%x", blockHash), placeTx, txHash).Replace(e.template)
}

// Elsewheres are those of a server. A network without one is nowhere else.
type Elsewheres []Elsewhere

// Of returns that of a network.
func (all Elsewheres) Of(n Name) Elsewhere {
	for _, e := range all {
		if e.Name == n {
			return e
		}
	}
	return Elsewhere{}
}
