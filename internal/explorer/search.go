package explorer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
)

// maxSearch is the maximum length of a query, in bytes. A complete copied address
// fits.
const maxSearch = 600

// The words that people write before the number of a registration, a block and a
// version, in the languages of certificates.
const (
	registrationWords = `ats|registration(?:\s+number)?|number|no|nr|n[°ºo]|n\.º|nº|№|#|registernummer|numéro(?:\s+de\s+dépôt)?|número(?:\s+de\s+registr?o)?|登録番号|رقم(?:\s+التسجيل)?`
	blockWords        = `block|bloc|bloque|bloco|ブロック|الكتلة`
	versionWords      = `version|versión|versão|バージョン|الإصدار|v`
)

// anyNetwork matches the name of a network.
var anyNetwork = func() string {
	var all []string
	for _, n := range network.Names() {
		all = append(all, regexp.QuoteMeta(string(n)))
	}
	return "(?:" + strings.Join(all, "|") + ")"
}()

var (
	registrationText = regexp.MustCompile(`(?i)^(?:` + registrationWords + `)[\s.:#]*(\d+)(?:[\s,،、·]*(?:` + versionWords + `)\s*(\d+))?$`)
	blockText        = regexp.MustCompile(`(?i)^(?:` + blockWords + `)[\s:#]*(\d+)$`)
	numberText       = regexp.MustCompile(`^\d+$`)
	grouping         = regexp.MustCompile(`(\d)[,.'’\x{00a0}\x{202f}](\d{3})\b`)
	addressText      = regexp.MustCompile(`(?:` + paths.Works + anyNetwork + `/\d+|` + paths.Explorer + anyNetwork + `/(?:tx/0x[0-9a-f]{64}|block/\d+))/?(?:[?#].*)?$`)
)

// found is one result of a search: its path and a description.
type found struct{ Path, What, More string }

// search returns everything in a log that text names. Registrations come first,
// because a number on a certificate is a registration number. The error is a fault
// that says what was not found.
func (x *explorer) search(ctx context.Context, l network.Browsable, text string) ([]found, error) {
	if len(text) > maxSearch {
		return nil, fault.TransactionNotFound()
	}
	if path := addressText.FindString(text); path != "" { // copied from a browser or read from a QR code
		if u, err := url.Parse(path); err == nil {
			return []found{{Path: strings.TrimSuffix(u.Path, "/")}}, nil
		}
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Bidi_Control) }), " ")
	text = legible.Clean(text) // a copied text may have invisible characters
	for grouping.MatchString(text) {
		text = grouping.ReplaceAllString(text, "$1$2")
	}
	if m := registrationText.FindStringSubmatch(text); m != nil {
		all, err := registration(ctx, l, m[1])
		if err == nil && len(all) == 0 {
			err = fault.WorkNotFound()
		}
		if len(all) == 1 && m[2] != "" {
			all[0].Path += "#v" + m[2]
		}
		return all, err
	}
	if m := blockText.FindStringSubmatch(text); m != nil {
		all, err := block(ctx, l, m[1])
		if err == nil && len(all) == 0 {
			err = fault.CommonNotFound()
		}
		return all, err
	}
	if numberText.MatchString(text) {
		all, err := registration(ctx, l, text)
		if err != nil {
			return nil, err
		}
		blocks, err := block(ctx, l, text)
		if all = append(all, blocks...); err == nil && len(all) == 0 {
			err = fault.WorkNotFound()
		}
		return all, err
	}
	// A hash that is copied from paper may have line breaks.
	if h, ok := parseHash(strings.ReplaceAll(text, " ", "")); ok {
		return hashed(ctx, l, h)
	}
	return nil, fault.TransactionNotFound()
}

func registration(ctx context.Context, l network.Browsable, digits string) ([]found, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return nil, nil
	}
	last, err := l.LastVersion(ctx, n)
	if errors.Is(err, network.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	latest, err := l.Versions(ctx, n, last-1, 1)
	if err != nil || len(latest) == 0 {
		return nil, err
	}
	more := "1 version, registered on " + day(latest[0].At)
	if last > 1 {
		more = count(last) + " versions, the latest registered on " + day(latest[0].At)
	}
	return []found{{paths.Work(l.Name(), n), "Registration number " + strconv.FormatInt(n, 10), more}}, nil
}

func block(ctx context.Context, l network.Browsable, digits string) ([]found, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return nil, nil
	}
	b, err := l.Block(ctx, n)
	if errors.Is(err, network.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return []found{{paths.Block(l.Name(), n), "Block " + count(n), made(l) + day(b.At)}}, nil
}

// made is what happened to a block at its time.
func made(l network.Browsable) string {
	if _, ok := l.(network.Chained); ok {
		return "of "
	}
	return "signed on "
}

// hashed finds a transaction, a commitment or a block by its hash.
func hashed(ctx context.Context, l network.Browsable, h [32]byte) ([]found, error) {
	if e, err := l.Entry(ctx, h); err == nil {
		if e.Shared && e.Hash != h {
			return calls(ctx, l, h)
		}
		return []found{{Path: paths.Transaction(l.Name(), prefixed(e.Receipt.Own()))}}, nil
	} else if !errors.Is(err, network.ErrNotFound) {
		return nil, err
	}
	same, err := l.WithCommitment(ctx, h, perPage)
	if err != nil {
		return nil, err
	}
	if len(same) > 0 {
		return list(l, same), nil
	}
	n, err := l.BlockWithHash(ctx, h)
	if errors.Is(err, network.ErrNotFound) {
		return nil, fault.TransactionNotFound()
	} else if err != nil {
		return nil, err
	}
	return []found{{Path: paths.Block(l.Name(), n)}}, nil
}

// calls finds the works of this registry that share a transaction.
func calls(ctx context.Context, l network.Browsable, h [32]byte) ([]found, error) {
	shared, ok := l.(network.Sharing)
	if !ok {
		return nil, nil
	}
	all, err := shared.Calls(ctx, h, maxCalls)
	return list(l, all), err
}

// maxCalls is how many works of one transaction are listed: as many as one can have.
const maxCalls = 200

// list are entries as results.
func list(l network.Browsable, entries []network.Entry) (all []found) {
	for _, e := range entries {
		what, more := "Waiting for its block", ""
		if !e.ReceivedAt.IsZero() {
			more = "received on " + day(e.ReceivedAt)
		}
		if e.Failure != "" {
			what = "Refused"
		} else if e.Index >= 0 {
			what, more = "Registration number "+strconv.FormatInt(e.AtsID, 10)+", version "+strconv.FormatInt(e.Version, 10), "registered on "+day(e.At)
		}
		all = append(all, found{paths.Transaction(l.Name(), prefixed(e.Receipt.Own())), what, more})
	}
	return all
}

// answer redirects to the only result of a search, or lists the results.
func (x *explorer) answer(w http.ResponseWriter, r *http.Request, l network.Browsable, text string) error {
	all, err := x.search(r.Context(), l, text)
	if err != nil {
		return err
	}
	if len(all) == 1 {
		http.Redirect(w, r, all[0].Path, http.StatusSeeOther)
		return nil
	}
	return x.render(w, r, "found", struct {
		base
		Query string
		Found []found
	}{x.base(l, "Search"), legible.Shown(legible.Clean(text)), all})
}

// searched describes a query without results, for the page that helps the person.
type searched struct {
	Text string
	Hash bool // the text is 32 bytes in hexadecimal, so perhaps a file hash
	// Elsewhere is another network, where the same text may have results.
	Elsewhere network.Name
}

func (x *explorer) notFound(r *http.Request, at network.Name) searched {
	// Remove characters that are invisible or change the direction of the sentence.
	s := searched{Text: legible.Shown(legible.Clean(strings.TrimSpace(r.URL.Query().Get("q"))))}
	if len(s.Text) > maxSearch {
		s.Text = ""
	}
	_, s.Hash = parseHash(strings.Join(strings.Fields(s.Text), ""))
	for _, n := range x.networks {
		if _, ok := n.(network.Browsable); ok && n.Name() != at {
			s.Elsewhere = n.Name()
		}
	}
	return s
}
