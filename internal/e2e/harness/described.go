package harness

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/openapi/openapitest"
)

// Every exchange of a test with a server is compared with that server's own description,
// whatever client of net/http makes it. A difference fails the test.

// plain makes calls that are not compared.
var plain = http.DefaultTransport

func init() {
	described.servers, described.checkers = map[string]*server{}, map[[sha256.Size]byte]func() (*openapitest.Checker, error){}
	http.DefaultTransport = comparing{plain}
	client.Transport = comparing{client.Transport}
}

// described are the running servers of this build, by their hosts.
var described struct {
	sync.Mutex
	servers map[string]*server
	// checkers are shared by servers whose descriptions differ only in the address. Making one
	// takes seconds, so it happens outside of the lock.
	checkers map[[sha256.Size]byte]func() (*openapitest.Checker, error)
}

type server struct {
	t       testing.TB
	mu      sync.Mutex
	checker *openapitest.Checker
}

// describe begins to compare the exchanges with a server of this build, until the end of the
// test. The server answers already: a browser of the test must not wait for the checker.
func (s *Server) describe() {
	if s.options.Binary != "" {
		return // an older release describes less
	}
	d := &server{t: s.t}
	d.check(s.addr)
	described.Lock()
	defer described.Unlock()
	described.servers[s.addr] = d
	s.t.Cleanup(func() {
		described.Lock()
		defer described.Unlock()
		delete(described.servers, s.addr)
	})
}

// check returns the checker of a server; nil while the server does not answer.
func (d *server) check(host string) *openapitest.Checker {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.checker != nil {
		return d.checker
	}
	text, err := fetch("http://" + host + "/openapi.json")
	if err != nil {
		return nil // it is down, and is asked again
	}
	key := sha256.Sum256([]byte(strings.ReplaceAll(string(text), host, "")))
	described.Lock()
	made := described.checkers[key]
	if made == nil {
		made = sync.OnceValues(func() (*openapitest.Checker, error) { return openapitest.New(text) })
		described.checkers[key] = made
	}
	described.Unlock()
	checker, err := made()
	if err != nil {
		d.t.Errorf("the description of %s: %v", host, err)
		return nil
	}
	d.checker = checker
	return checker
}

func fetch(url string) ([]byte, error) {
	res, err := (&http.Client{Transport: plain, Timeout: Timeout}).Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return text, err
}

// comparing is a transport that compares the exchanges with described servers.
type comparing struct{ next http.RoundTripper }

func (c comparing) RoundTrip(req *http.Request) (*http.Response, error) {
	described.Lock()
	d := described.servers[req.URL.Host]
	described.Unlock()
	if d == nil || !openapitest.Covers(req.URL.Path) {
		return c.next.RoundTrip(req)
	}
	checker := d.check(req.URL.Host)
	if checker == nil {
		return c.next.RoundTrip(req)
	}
	return checker.Transport(d.t, c.next).RoundTrip(req)
}

// CloseIdleConnections is for http.Client.
func (c comparing) CloseIdleConnections() {
	if next, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
