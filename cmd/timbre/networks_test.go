package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/store"
	"timbre.example/proof/evidence"
)

const site = "https://songs.example"

// serving runs a server in this process until the test ends, with an organization and its
// live and test keys.
func serving(t *testing.T, f serverFlags) (s *server, live, test account.KeyPair) {
	t.Helper()
	s, err := newServer(t.Context(), f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	fail := func(err error) {
		if err != nil {
			s.close()
			t.Fatal(err)
		}
	}
	org, err := account.CreateOrganization(t.Context(), s.db, audit.CommandLine(), "Songs")
	fail(err)
	live, err = account.CreateKeys(t.Context(), s.db, audit.CommandLine(), org.ID, "", false)
	fail(err)
	test, err = account.CreateKeys(t.Context(), s.db, audit.CommandLine(), org.ID, "", true)
	fail(err)
	_, err = account.AddOrigin(t.Context(), s.db, audit.CommandLine(), org.ID, "songs.example")
	fail(err)
	fail(s.db.Tx(t.Context(), func(tx *store.Tx) error {
		return credits.Grant(t.Context(), tx, audit.CommandLine(), org.ID, 1000, "test")
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, live, test
}

// visit gets a page as a browser or as a program does.
func visit(t *testing.T, url, accept string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, html.UnescapeString(string(b))
}

// A second kind of network is one line of the wiring. A registration goes through the whole
// server on two networks of that kind: one that can be explored, and one that cannot.
func TestSecondKindOfNetwork(t *testing.T) { // not parallel: it adds to linked
	plain, browsed := networktest.New(network.Testnet), networktest.Browsed{Fake: networktest.New(network.Mainnet)}
	linked["fake"] = func(context.Context, serverFlags, networkDeps) (network.Kind, io.Closer, error) {
		return networktest.Kind{network.Testnet: plain, network.Mainnet: browsed}, nothing{}, nil
	}
	t.Cleanup(func() { delete(linked, "fake") })
	dir := t.TempDir()
	f := smallServer(dir)
	for _, text := range []string{"mainnet=fake:", "testnet=fake:"} {
		var at network.Address
		if err := at.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		f.Network = append(f.Network, at)
	}
	s, keys, _ := serving(t, f)

	type details struct {
		TxHash      string `json:"tx_hash"`
		AtsID       int64  `json:"ats_id"`
		BlockNumber int64  `json:"block_number"`
		ExplorerURL string `json:"explorer_url"`
		WorkURL     string `json:"work_url"`
	}
	results := map[network.Name]details{}
	for _, n := range network.Names() {
		_, _, id := registerOn(t, string(n), s.url, keys.SiteKey, keys.SecretKey, site, "Song on "+string(n))
		var tx struct{ Result details }
		if status, body := visit(t, s.url+"/v1/transactions/"+id, "application/json"); status != http.StatusOK || json.Unmarshal([]byte(body), &tx) != nil {
			t.Fatalf("%s: %d %s", n, status, body)
		}
		results[n] = tx.Result
		if status, body := visit(t, s.url+"/v1/stats?network="+string(n), ""); status != http.StatusOK || !strings.Contains(body, `"total_works":1`) {
			t.Errorf("%s: %d %s", n, status, body)
		}
	}

	on := results[network.Mainnet]
	for path, want := range map[string][]string{
		"/explorer/mainnet":                                       {"The public log", "1 entry in 1 block", browsed.VerifierKey(), "/explorer/testnet"},
		"/explorer/mainnet/block/1":                               {"Verified", "added 1 entry", on.TxHash},
		strings.TrimPrefix(on.ExplorerURL, s.url):                 {"Verified", "Registration number 1, version 1", browsed.Origin()},
		strings.TrimPrefix(on.WorkURL, s.url):                     {"Verified", "A registered work", on.TxHash},
		"/explorer/mainnet?q=1":                                   {"Registration number 1", "Block 1"},
		"/explorer/mainnet/tx/" + on.TxHash + "/proof.txt":        {"c2sp.org/tlog-proof@v1\nindex 0\n", browsed.Origin()},
		"/w/mainnet/1/badge.svg":                                  {"Registered with Timbre"},
		"/explorer/testnet":                                       {"The testnet", "no list of its entries", "Test network"},
		strings.TrimPrefix(results["testnet"].ExplorerURL, s.url): {"This transaction is final", "Registration number", results["testnet"].TxHash},
		"/verify": {browsed.VerifierKey()},
		"/readyz": {"ok"},
	} {
		status, body := visit(t, s.url+path, "text/html")
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
		for _, one := range want {
			if !strings.Contains(body, one) {
				t.Errorf("%s: no %q in\n%s", path, one, body)
			}
		}
		if path != "/verify" && (strings.Contains(body, "Could not be verified") || strings.Contains(body, `"/log/`)) {
			t.Errorf("%s: a failed check, or files that this network does not have:\n%s", path, body)
		}
	}
	// A network without an ability has a page that says so, and a code for programs.
	for _, path := range []string{"/w/testnet/1", "/w/testnet/1/badge.svg", "/explorer/testnet/block/1", "/explorer/testnet/tx/" + results["testnet"].TxHash + "/leaf.txt", "/log/mainnet/checkpoint"} {
		if status, body := visit(t, s.url+path, "application/json"); status != http.StatusNotFound || !strings.Contains(body, `"common.not_found"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := visit(t, s.url+"/w/testnet/1", "text/html"); status != http.StatusNotFound || !strings.Contains(body, "This server shows no works and blocks of the testnet") || !strings.Contains(body, `href="/verify"`) {
		t.Errorf("%d %s", status, body)
	}

	// The commands open the network by its URL, and the evidence has its proof.
	file := filepath.Join(dir, "evidence.json")
	command := []string{"works", "evidence", "1", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "-o", file}
	timbre(t, command...).refused(exitRefused, "mainnet: this database has no log yet")
	timbre(t, append(command, "--network-url", "testnet=fake:")...).refused(exitRefused, "its URL is missing")
	if wrote := timbre(t, append(command, "--network-url", "mainnet=fake:")...); wrote.code != exitDone {
		t.Fatal(wrote.err)
	}
	e, _, err := readEvidence(file)
	if err != nil || e.Log == nil || e.Log.Key != browsed.VerifierKey() || e.Network != (evidence.Network{Name: "mainnet", Kind: "log"}) {
		t.Errorf("%v: %+v", err, e.Network)
	}
	doctor := timbre(t, "doctor", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "--blob-url", f.BlobURL, "--public-url", "http://127.0.0.1:1", "--network", "testnet=fake:", "--log-checkpoint", "file:"+filepath.Join(dir, "none"))
	if !strings.Contains(doctor.out, "network testnet: this kind of network has no checks") || strings.Contains(doctor.out, "mainnet") || strings.Contains(doctor.out, "place of checkpoints") {
		t.Errorf("doctor: %s", doctor.out)
	}

	// A stopped network is seen.
	browsed.Stop("for a test")
	if status, body := visit(t, s.url+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, body)
	}
	for _, n := range []*networktest.Fake{plain, browsed.Fake} {
		if wrong := n.Violations(); len(wrong) > 0 {
			t.Errorf("%s: %q", n.Name(), wrong)
		}
	}
}

// A server can have one network alone, of either name.
func TestOneNetwork(t *testing.T) {
	t.Parallel()
	for only, other := range map[network.Name]network.Name{network.Mainnet: network.Testnet, network.Testnet: network.Mainnet} {
		f := smallServer(t.TempDir())
		f.Network = []network.Address{{Name: only, URL: builtIn}}
		s, live, test := serving(t, f)
		mint := func(key string, n network.Name) (int, string) {
			body := fmt.Sprintf(`{"secret_key":%q,"action_type":"register","allowed_network":%q}`, key, n)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/sessions", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", site)
			r.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(b)
		}
		if status, body := mint(live.SecretKey, other); status != http.StatusUnprocessableEntity || !strings.Contains(body, `"Must be `+string(only)+`."`) {
			t.Errorf("a session for %s at a server of %s: %d %s", other, only, status, body)
		}
		status, body := mint(test.SecretKey, only)
		if only == network.Mainnet && (status != http.StatusUnprocessableEntity || !strings.Contains(body, "This server has no test network")) || only == network.Testnet && status != http.StatusOK {
			t.Errorf("a test key at a server of %s: %d %s", only, status, body)
		}
		registerOn(t, string(only), s.url, live.SiteKey, live.SecretKey, site, "Alone")
		for path, want := range map[string]int{
			"/v1/stats": http.StatusOK, "/v1/stats?network=" + string(other): http.StatusUnprocessableEntity, "/w/" + string(only) + "/1": http.StatusOK, "/log/" + string(only) + "/checkpoint": http.StatusOK,
			"/explorer/" + string(other): http.StatusNotFound, "/w/" + string(other) + "/1": http.StatusNotFound, "/log/" + string(other) + "/checkpoint": http.StatusNotFound, "/readyz": http.StatusOK,
		} {
			if status, body := visit(t, s.url+path, "text/html"); status != want {
				t.Errorf("%s at a server of %s: %d, want %d: %s", path, only, status, want, body)
			}
		}
		if _, body := visit(t, s.url+"/v1/stats", ""); !strings.Contains(body, `"total_works":1`) {
			t.Errorf("the stats of the only network %s: %s", only, body)
		}
	}
}
