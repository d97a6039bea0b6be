package explorer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/explorer"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// house is an explorer of one log, with a client that follows no redirects.
type house struct {
	t   *testing.T
	db  *store.DB
	log *log.Log
	url string
}

func open(t *testing.T, db *store.DB) house {
	t.Helper()
	l, err := log.Open(t.Context(), db, log.Config{
		Monotonic: func() time.Duration { return time.Duration(db.Now().UnixNano()) }, // tests set the clock
		Network:   network.Testnet, Origin: "timbre.example/log/testnet", Key: bytes.Repeat([]byte{7}, 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(explorer.New([]network.Network{l}, nil, func(w http.ResponseWriter, _ *http.Request, err error) {
		var f *fault.Error
		if errors.As(err, &f) && strings.HasSuffix(string(f.Code), "not_found") {
			http.Error(w, string(f.Code), http.StatusNotFound)
			return
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}))
	t.Cleanup(srv.Close)
	return house{t, db, l, srv.URL}
}

// add broadcasts n transactions. The first one updates the work updates. If block is
// true, it also makes a block of them.
func (h house) add(from, n int, updates int64, block bool) []network.Staged {
	h.t.Helper()
	var staged []network.Staged
	for i := range n {
		c := network.Call{ProtocolVersion: 1, Commitment: sha256.Sum256(fmt.Append(nil, from+i)), Nonce: fmt.Sprint(from + i)}
		if i == 0 {
			c.AtsID = updates
		}
		s, err := h.log.Stage(h.t.Context(), c)
		if err != nil {
			h.t.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := h.log.Broadcast(h.t.Context(), staged); err != nil {
		h.t.Fatal(err)
	}
	if block {
		if made, err := h.log.Sequence(h.t.Context()); !made || err != nil {
			h.t.Fatal(made, err)
		}
	}
	return staged
}

func (h house) get(path string) (*http.Response, string) {
	h.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, html.UnescapeString(string(body))
}

func tx(s network.Staged) string { return "/explorer/testnet/tx/0x" + hex.EncodeToString(s.Hash[:]) }

func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		if resp, body := h.get("/explorer/testnet"); resp.StatusCode != 200 || !strings.Contains(body, "still empty") {
			t.Errorf("an empty log: %d", resp.StatusCode)
		}
		first := h.add(0, 1, 0, true)
		second := h.add(1, 6, 1, true)
		third := h.add(7, 60, 0, true)
		refused := h.add(100, 1, 9000, true)
		waiting := h.add(101, 1, 0, false)
		for _, c := range []struct {
			path string
			want []string
		}{
			{"/explorer/testnet", []string{"67 entries", "3 blocks", "/explorer/testnet/block/3"}},
			{"/explorer/testnet?before=2", []string{"/explorer/testnet/block/1"}},
			{tx(first[0]), []string{"Verified", "Registration number 1, version 1", "the only entry", h.log.VerifierKey()[:30]}},
			{strings.Replace(tx(first[0]), "0x", "", 1), []string{"Verified"}},
			{strings.ToUpper(tx(first[0])[len("/explorer/testnet/tx/"):]), nil},
			{tx(second[0]), []string{"Verified", "Registration number 1, version 2", "Added version 2", "/log/testnet/tile/0/000.p/7", "/log/testnet/tile/entries/000.p/7"}},
			{tx(second[5]), []string{"Verified", "Registration number 6, version 1", "Registered a new work"}},
			{tx(third[59]), []string{"Verified", "Registration number 66, version 1"}},
			{tx(refused[0]), []string{"Refused", "work 9000 does not exist"}},
			{tx(waiting[0]), []string{"Waiting", "not in the log yet"}},
			{"/explorer/testnet/block/0", []string{"Verified", "it was empty"}},
			{"/explorer/testnet/block/1", []string{"Verified", "added 1 entry", tx(first[0])}},
			{"/explorer/testnet/block/2", []string{"Verified", "only adds to block 1", tx(second[3]), "Block 3 →"}},
			{"/explorer/testnet/block/3", []string{"Verified", "?from=57"}},
			{"/explorer/testnet/block/3?from=57", []string{tx(third[59])}},
		} {
			if c.want == nil {
				c.path = "/explorer/testnet/tx/" + c.path
			}
			resp, body := h.get(c.path)
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("%s: no %q in\n%s", c.path, want, body)
				}
			}
			if strings.Contains(body, "Failed: ") || strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s: %s", c.path, body)
			}
			policy := resp.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self';") {
				t.Errorf("%s: Content-Security-Policy %q", c.path, policy)
			}
			if m := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|https?://`).FindString(body); m != "" {
				t.Errorf("%s: %q in the page", c.path, m)
			}
			if !strings.Contains(body, `<aside class="ribbon" aria-label="Test network"><strong>Test network</strong>`) || regexp.MustCompile(`(?i)fingerprint`).MatchString(strings.ReplaceAll(body, "Key fingerprint", "")) {
				t.Errorf("%s: no ribbon, or another word for a commitment:\n%s", c.path, body)
			}
			icon := regexp.MustCompile(`rel="icon" type="image/svg\+xml" href="(/explorer/icon-[^"]+)"`).FindStringSubmatch(body)
			if resp, _ := h.get(icon[1]); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(policy, "img-src 'self'") {
				t.Errorf("%s: %d", icon[1], resp.StatusCode)
			}
			style := regexp.MustCompile(`href="(/explorer/style-[^"]+)"`).FindStringSubmatch(body)
			if resp, _ := h.get(style[1]); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("%s: %d", style[1], resp.StatusCode)
			}
		}
	})
}

func TestNotThere(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	good := h.add(0, 1, 0, true)[0]
	waiting := h.add(1, 1, 0, false)[0]
	unknown := "0x" + strings.Repeat("ab", 32)
	for path, want := range map[string]fault.Code{
		"/explorer/testnet/tx/" + unknown:                  fault.CodeTransactionNotFound,
		"/explorer/testnet/tx/" + unknown + "/leaf.txt":    fault.CodeTransactionNotFound,
		"/explorer/testnet/tx/0x12":                        fault.CodeTransactionNotFound,
		"/explorer/testnet/tx/0x0x" + unknown[4:]:          fault.CodeTransactionNotFound,
		"/explorer/testnet/tx/<script>":                    fault.CodeTransactionNotFound,
		"/explorer/testnet?q=nonsense":                     fault.CodeTransactionNotFound,
		"/explorer/mainnet":                                fault.CodeCommonNotFound,
		strings.Replace(tx(good), "testnet", "mainnet", 1): fault.CodeCommonNotFound,
		strings.Replace(tx(good), "testnet", "devnet", 1):  fault.CodeCommonNotFound,
		tx(good) + "/else":                                 fault.CodeCommonNotFound,
		tx(waiting) + "/leaf.txt":                          fault.CodeCommonNotFound,
		tx(waiting) + "/proof.txt":                         fault.CodeCommonNotFound,
		"/explorer/testnet/block/2":                        fault.CodeCommonNotFound,
		"/explorer/testnet/block/-1":                       fault.CodeCommonNotFound,
		"/explorer/testnet/block/01":                       fault.CodeCommonNotFound,
		"/explorer/testnet/block/99999999999999999999":     fault.CodeCommonNotFound,
		"/explorer/testnet/block/1?from=1":                 fault.CodeCommonNotFound,
		"/explorer/testnet/block/2/checkpoint.txt":         fault.CodeCommonNotFound,
		"/explorer/testnet?before=x":                       fault.CodeCommonNotFound,
		"/explorer":                                        fault.CodeCommonNotFound,
		"/explorer/style.css":                              fault.CodeCommonNotFound,
	} {
		if resp, body := h.get(path); resp.StatusCode != 404 || strings.TrimSpace(body) != string(want) {
			t.Errorf("%s: %d %s, want %s", path, resp.StatusCode, body, want)
		}
	}
	resp, err := http.Post(h.url+"/explorer/testnet", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

func TestSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		first := h.add(0, 1, 0, true)[0]  // registration 1, block 1
		h.add(1, 43, 0, true)             // registrations 2 to 44, block 2
		h.add(50, 1, 44, true)            // version 2 of 44, block 3
		waiting := h.add(60, 1, 0, false) // has no registration number yet
		commitment := func(i int) string { return fmt.Sprintf("0x%x", sha256.Sum256(fmt.Append(nil, i))) }
		hash := hex.EncodeToString(first.Hash[:])
		block2, err := h.log.Block(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		for q, want := range map[string]string{
			"44": "/w/testnet/44", "No. 44": "/w/testnet/44", "no 44": "/w/testnet/44", "NO.44": "/w/testnet/44", "ATS 44": "/w/testnet/44", "ats44": "/w/testnet/44", "#44": "/w/testnet/44", " # 44 ": "/w/testnet/44",
			"Registration number 44": "/w/testnet/44", "No. 44, version 2": "/w/testnet/44#v2", "N° 44, version 2": "/w/testnet/44#v2", "N.º 44, versión 2": "/w/testnet/44#v2", "Nr. 44, Version 1": "/w/testnet/44#v1",
			"No. 44、バージョン 2": "/w/testnet/44#v2", "رقم 44، الإصدار 2": "/w/testnet/44#v2", "No. 1": "/w/testnet/1", "#3": "/w/testnet/3",
			"block 3": "/explorer/testnet/block/3", "Block 2": "/explorer/testnet/block/2", "bloc 1": "/explorer/testnet/block/1", "block 0": "/explorer/testnet/block/0", "0": "/explorer/testnet/block/0",
			" " + hash: tx(first), "0x" + hash: tx(first), "0X" + strings.ToUpper(hash): tx(first), hash[:20] + "\n" + hash[20:]: tx(first),
			commitment(0): tx(first), strings.TrimPrefix(commitment(0), "0x"): tx(first), commitment(60): tx(waiting[0]),
			fmt.Sprintf("0x%x", block2.Hash):                         "/explorer/testnet/block/2",
			"https://songs.example/w/testnet/44":                     "/w/testnet/44",
			"https://songs.example/explorer/testnet/block/2?from=40": "/explorer/testnet/block/2",
		} {
			if resp, body := h.get("/explorer/testnet?q=" + url.QueryEscape(q)); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
				t.Errorf("%q: %d %s, want %s\n%.300s", q, resp.StatusCode, resp.Header.Get("Location"), want, body)
			}
		}
		// For a number of a registration and a block, both are offered, the registration first.
		resp, body := h.get("/explorer/testnet?q=1")
		if work, block := strings.Index(body, `<a href="/w/testnet/1">Registration number 1</a>`), strings.Index(body, `<a href="/explorer/testnet/block/1">Block 1</a>`); resp.StatusCode != 200 || work < 0 || block < work {
			t.Errorf("1: %d %s", resp.StatusCode, body)
		}
		// A commitment that was registered twice is shown twice.
		c := network.Call{ProtocolVersion: 1, Commitment: sha256.Sum256([]byte("0")), Nonce: "again"}
		again, err := h.log.Stage(t.Context(), c)
		if err == nil {
			err = h.log.Broadcast(t.Context(), []network.Staged{again})
		}
		if err != nil {
			t.Fatal(err)
		}
		resp, body = h.get("/explorer/testnet?q=" + commitment(0))
		if resp.StatusCode != 200 || !strings.Contains(body, `href="`+tx(first)+`">Registration number 1, version 1</a>`) || !strings.Contains(body, `href="`+tx(again)+`">Waiting`) {
			t.Errorf("a commitment of two: %d %s", resp.StatusCode, body)
		}
		for q, want := range map[string]fault.Code{
			"nonsense": fault.CodeTransactionNotFound, "No. 99": fault.CodeWorkNotFound, "99": fault.CodeWorkNotFound, "block 99": fault.CodeCommonNotFound, "No. 99999999999999999999": fault.CodeWorkNotFound,
			strings.Repeat("ab", 32): fault.CodeTransactionNotFound, strings.Repeat("7", 5000): fault.CodeTransactionNotFound,
		} {
			resp, body := h.ask("GET", "/explorer/testnet?q="+url.QueryEscape(q), "Accept", "application/json")
			if resp.StatusCode != 404 || strings.TrimSpace(body) != string(want) {
				t.Errorf("%.80q: %d %s, want %s", q, resp.StatusCode, body, want)
			}
			resp, body = h.ask("GET", "/explorer/testnet?q="+url.QueryEscape(q), "Accept", browserAccept)
			if resp.StatusCode != 404 || !strings.Contains(body, "<h1>No") || strings.Contains(body, "they are not public") != (q == strings.Repeat("ab", 32)) {
				t.Errorf("%.80q for people: %d %s", q, resp.StatusCode, body)
			}
		}
		if _, body := h.ask("GET", "/explorer/testnet?q="+url.QueryEscape("<b>\u202ex"), "Accept", browserAccept); strings.Contains(body, "<b>") || strings.Contains(body, "\u202e") {
			t.Errorf("the query is shown unescaped: %s", body)
		}
	})
}

// The log's files and a hash function are enough to prove an entry.
func TestFiles(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	h.add(0, 5, 0, true)
	staged := h.add(5, 6, 0, true)
	for i, s := range staged {
		_, leaf := h.get(tx(s) + "/leaf.txt")
		_, proof := h.get(tx(s) + "/proof.txt")
		_, checkpoint := h.get("/explorer/testnet/block/2/checkpoint.txt")
		if lines := strings.SplitAfterN(leaf, "\n", 6); sha256.Sum256([]byte(strings.Join(lines[:5], ""))) != s.Hash {
			t.Errorf("the first five lines are not the transaction: %q", leaf)
		}
		head, note, _ := strings.Cut(proof, "\n\n")
		if note != checkpoint {
			t.Errorf("the proof ends with %q, the checkpoint is %q", note, checkpoint)
		}
		lines := strings.Split(head, "\n")
		if lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != fmt.Sprint("index ", 5+i) {
			t.Errorf("proof %q", proof)
		}
		var p tlog.RecordProof
		for _, line := range lines[2:] {
			hash, err := tlog.ParseHash(line)
			if err != nil {
				t.Fatal(err)
			}
			p = append(p, hash)
		}
		root, err := tlog.ParseHash(strings.Split(checkpoint, "\n")[2])
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p, 11, root, int64(5+i), tlog.RecordHash([]byte(leaf))); err != nil {
			t.Errorf("entry %d: %v", 5+i, err)
		}
	}
}

// The page shows the proof step by step. The steps must lead to the root by plain
// hashing, for every shape of the tree.
func TestShownSteps(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	n := 0
	for _, size := range []int{1, 2, 3, 8, 13} {
		for i, s := range h.add(n, size, 0, true) {
			_, body := h.get(tx(s))
			root := regexp.MustCompile(`checkpoint: <code>([^<]+)</code>`).FindStringSubmatch(body)
			_, leaf := h.get(tx(s) + "/leaf.txt")
			at := tlog.RecordHash([]byte(leaf))
			for _, m := range regexp.MustCompile(`<li class="(left|right)">.*?<code>([0-9a-f]{64})</code>.*?<code class="result">([0-9a-f]{64})</code>`).FindAllStringSubmatch(body, -1) {
				sibling := tlog.Hash(decode(t, m[2]))
				if m[1] == "left" {
					at = tlog.NodeHash(sibling, at)
				} else {
					at = tlog.NodeHash(at, sibling)
				}
				if at != tlog.Hash(decode(t, m[3])) {
					t.Fatalf("entry %d of %d: a step gives %x, shown %s", n+i, n+size, at, m[3])
				}
			}
			if want, err := base64.StdEncoding.DecodeString(root[1]); err != nil || !bytes.Equal(want, at[:]) {
				t.Errorf("entry %d of %d: the steps lead to %x, the root is %s", n+i, n+size, at, root[1])
			}
			if !strings.Contains(body, "Verified") {
				t.Errorf("entry %d of %d is not verified", n+i, n+size)
			}
		}
		n += size
	}
}

func decode(t *testing.T, s string) (h [32]byte) {
	t.Helper()
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		t.Fatal(err)
	}
	return h
}

// A changed database is detected: the page does not say "verified".
func TestTampered(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(ctx context.Context, tx *store.Tx) error
	}{
		{"a neighbour's hash", func(ctx context.Context, tx *store.Tx) error {
			data, err := tx.GetLogTile(ctx, query.GetLogTileParams{Network: "testnet"})
			if err != nil {
				return err
			}
			data[32] ^= 1
			return tx.PutLogTile(ctx, query.PutLogTileParams{Network: "testnet", Data: data})
		}},
		{"a later block", func(ctx context.Context, tx *store.Tx) error {
			return tx.InsertLogBlock(ctx, query.InsertLogBlockParams{
				Network: "testnet", Number: 2, Hash: make([]byte, 32), FirstIdx: 3, Size: 3, Checkpoint: "forged\n3\n\n",
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, storetest.SQLite(t))
			s := h.add(0, 3, 0, true)[0]
			if err := h.db.Tx(t.Context(), func(tx *store.Tx) error { return c.tamper(t.Context(), tx) }); err != nil {
				t.Fatal(err)
			}
			path := tx(s)
			if c.name == "a later block" {
				path = "/explorer/testnet/block/2"
			}
			if resp, body := h.get(path); resp.StatusCode != 200 || !strings.Contains(body, "Could not be verified") || !strings.Contains(body, "Failed: ") {
				t.Errorf("%d:\n%s", resp.StatusCode, body)
			}
		})
	}
}
