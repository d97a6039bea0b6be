package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.yaml.in/yaml/v3"

	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

// composed is deploy/compose/compose.yaml, as far as this test starts it.
type composed struct {
	Services map[string]struct {
		Image, Entrypoint any
		Command           []string
		Environment       map[string]string
		Secrets           []string
		Deploy            struct{ Replicas int }
		DependsOn         map[string]struct{ Condition string } `yaml:"depends_on"`
		Grace             string                                `yaml:"stop_grace_period"`
	}
	Secrets map[string]struct{ File string }
}

// The names of the registry and of its store in this test. Its client reaches both at the
// balancer.
const (
	registryHost = "timbre.your-domain.example"
	storeHost    = "store.your-domain.example"
)

// deployed is the registry of compose.yaml, without containers: the same programs with the
// same arguments, settings and files. Only addresses and paths are replaced.
type deployed struct {
	t        *testing.T
	dir      string
	binary   string
	file     composed
	replaced *strings.Replacer
	listens  map[string][]string // addresses of each service
	running  map[string][]*process
}

// process is one process of a service.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	said   lockedLog
	grace  time.Duration
}

type lockedLog struct {
	sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.Lock()
	defer l.Unlock()
	return l.text.String()
}

// readComposed reads the file as Compose does, with the variables of its environment.
func readComposed(t *testing.T) (file composed) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{"TIMBRE_HOST": registryHost, "TIMBRE_STORE_HOST": storeHost}
	filled := regexp.MustCompile(`\$\{(\w+)(:[?-][^}]*)?\}`).ReplaceAllStringFunc(string(text), func(use string) string {
		name := regexp.MustCompile(`\w+`).FindString(use)
		if value, ok := set[name]; ok {
			return value
		}
		if _, value, ok := strings.Cut(strings.TrimSuffix(use, "}"), ":-"); ok {
			return value
		}
		t.Fatalf("compose.yaml uses %s, which nothing sets", use)
		return ""
	})
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(filled, "$$", "$")), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// start starts a process of a service, and returns when it is healthy.
func (d *deployed) start(service string, n int) {
	d.t.Helper()
	s := d.file.Services[service]
	name, args := d.binary, []string{}
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + d.t.TempDir()}
	if service == "store" {
		name, args = "/bin/sh", []string{"-c"}
	} else {
		// Those of the Dockerfile.
		env = append(env, "TIMBRE_LISTEN="+d.listens[service][n])
	}
	for key, value := range s.Environment {
		env = append(env, key+"="+d.replaced.Replace(value))
	}
	for _, arg := range s.Command {
		args = append(args, d.replaced.Replace(arg))
	}
	// A process sees no other secrets than those of its service.
	for use := range strings.FieldsSeq(regexp.MustCompile(`[^\w./-]`).ReplaceAllString(fmt.Sprint(s.Command, s.Environment), " ")) {
		if secret, ok := strings.CutPrefix(use, "/run/secrets/"); ok && !slices.Contains(s.Secrets, secret) {
			d.t.Errorf("%s reads the secret %s, and does not have it", service, secret)
		}
	}
	grace, err := time.ParseDuration(s.Grace)
	if err != nil {
		d.t.Fatalf("%s: stop_grace_period: %v", service, err)
	}
	p := &process{cmd: exec.Command(name, args...), exited: make(chan struct{}), grace: grace}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = env, d.t.TempDir(), &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	d.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if d.t.Failed() {
			d.t.Logf("%s %d:\n%s", service, n, p.said.String())
		}
	})
	if old := d.running[service]; n < len(old) {
		old[n] = p
	} else {
		d.running[service] = append(old, p)
	}
	if service == "migrate" {
		<-p.exited
		if !p.cmd.ProcessState.Success() {
			d.t.Fatalf("migrate ended with %v: %s", p.cmd.ProcessState, p.said.String())
		}
		return
	}
	if !harness.Eventually(func() bool {
		select {
		case <-p.exited:
			return true
		default:
		}
		if service == "store" {
			res, err := http.Get("http://" + d.listens[service][n] + "/health")
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == http.StatusOK
		}
		health := exec.CommandContext(d.t.Context(), d.binary, "health")
		health.Env = env
		return health.Run() == nil
	}) {
		d.t.Fatalf("%s does not become healthy", service)
	}
	select {
	case <-p.exited:
		d.t.Fatalf("%s ended with %v: %s", service, p.cmd.ProcessState, p.said.String())
	default:
	}
}

// stop ends a process as Compose does, and fails the test if the process would be killed.
func (d *deployed) stop(service string, n int) {
	d.t.Helper()
	p := d.running[service][n]
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-p.exited:
		if !p.cmd.ProcessState.Success() {
			d.t.Errorf("%s ended with %v", service, p.cmd.ProcessState)
		}
	case <-time.After(p.grace):
		d.t.Fatalf("%s did not end in %s", service, p.grace)
	}
}

// startDeployed prepares the secrets, and starts everything in the order of depends_on.
func startDeployed(t *testing.T) *deployed {
	t.Helper()
	nginx := program(t, "nginx")
	d := &deployed{t: t, dir: t.TempDir(), binary: harness.Binary(t, ""), file: readComposed(t), listens: map[string][]string{}, running: map[string][]*process{}}
	if out, err := exec.CommandContext(t.Context(), "cp", "-R", "../../deploy/compose/.", d.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prepare := exec.CommandContext(t.Context(), filepath.Join(d.dir, "prepare"))
	prepare.Env = append(os.Environ(), "TIMBRE="+d.binary)
	if out, err := prepare.CombinedOutput(); err != nil {
		t.Fatalf("prepare: %v: %s", err, out)
	}
	// In a container each secret has its own name below /run/secrets.
	for name, at := range d.file.Secrets {
		if at.File != "./secrets/"+name {
			t.Fatalf("the secret %s is the file %s", name, at.File)
		}
	}
	database := storetest.EmptyPostgresURL(t)
	secret := filepath.Join(d.dir, "secrets", "database-url")
	if text, err := os.ReadFile(secret); err != nil || !regexp.MustCompile(`^postgres://timbre:[0-9a-f]{48}@database/timbre\?sslmode=disable$`).Match(text) {
		t.Fatalf("database-url %q, %v", text, err)
	}
	if err := os.WriteFile(secret, []byte(database), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range d.file.Services {
		for range max(1, s.Deploy.Replicas) {
			d.listens[name] = append(d.listens[name], harness.FreeAddress(t))
		}
	}
	objects, meta := filepath.Join(d.dir, "objects"), filepath.Join(d.dir, "meta")
	if err := os.Mkdir(meta, 0o700); err != nil {
		t.Fatal(err)
	}
	d.replaced = strings.NewReplacer(
		"http://organizations:8080", "http://"+d.listens["organizations"][0], "http://store:7070", "http://"+d.listens["store"][0],
		"/run/secrets/", d.dir+"/secrets/", "172.30.0.0/24", "127.0.0.1/32",
		// The program and its folder. Some file systems of tests have no extended attributes.
		"/app/versitygw", s3test.Program(t), ":7070", d.listens["store"][0], "posix /data", "posix --sidecar "+meta+" "+objects, "/data/", objects+"/",
	)
	done := map[string]bool{"database": true, "balancer": true}
	var begin func(name string)
	begin = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		for before := range d.file.Services[name].DependsOn {
			if _, ok := d.file.Services[before]; !ok {
				t.Fatalf("%s depends on %s, which does not exist", name, before)
			}
			begin(before)
		}
		for n := range d.listens[name] {
			d.start(name, n)
		}
	}
	for name := range d.file.Services["balancer"].DependsOn {
		begin(name)
	}
	for name := range d.file.Services {
		if !done[name] {
			t.Errorf("the balancer does not depend on %s", name)
		}
	}
	d.balance(nginx)
	return d
}

// balance starts nginx with the template, filled in as its image does it.
func (d *deployed) balance(nginx string) {
	d.t.Helper()
	template, err := os.ReadFile(filepath.Join(d.dir, "nginx.conf.template"))
	if err != nil {
		d.t.Fatal(err)
	}
	text := string(template)
	swap := func(old, with string) {
		d.t.Helper()
		if !strings.Contains(text, old) {
			d.t.Fatalf("nginx.conf.template has no %q", old)
		}
		text = strings.ReplaceAll(text, old, with)
	}
	swap("${TIMBRE_HOST}", registryHost)
	swap("${TIMBRE_STORE_HOST}", storeHost)
	// Only a name server and nginx 1.27 resolve names again.
	swap("resolver 127.0.0.11 valid=5s ipv6=off;\n", "")
	swap(" resolve ", " ")
	for name, port := range map[string]string{"ats": "8080", "console": "8080", "organizations": "8080", "store": "7070"} {
		swap("server "+name+":"+port+" max_fails=0;", "server "+strings.Join(d.listens[name], " max_fails=0; server ")+" max_fails=0;")
	}
	plain := harness.FreeAddress(d.t)
	swap("listen 80;", "listen "+plain+";")
	swap("listen 443 ssl", "listen "+d.listens["balancer"][0]+" ssl")
	swap("/etc/nginx/tls/", filepath.Join(d.dir, "tls")+"/")
	conf := "pid " + d.dir + "/pid; error_log stderr; daemon off; worker_processes 1;\nevents {}\nhttp {\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + d.dir + "/" + kind + ";\n"
	}
	if os.Geteuid() == 0 {
		conf = "user root;\n" + conf
	}
	path := filepath.Join(d.dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf+text+"}\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	authority(d.t, filepath.Join(d.dir, "tls"), registryHost, storeHost)
	proxy := exec.Command(nginx, "-c", path)
	var said lockedLog
	proxy.Stderr = &said
	if err := proxy.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		proxy.Process.Signal(syscall.SIGTERM)
		proxy.Wait()
		if d.t.Failed() {
			d.t.Logf("nginx:\n%s", said.String())
		}
	})
	if !harness.Eventually(func() bool {
		conn, err := net.Dial("tcp", d.listens["balancer"][0])
		if err == nil {
			conn.Close()
		}
		return err == nil
	}) {
		d.t.Fatal("nginx does not start")
	}
	if text := said.String(); strings.Contains(text, "[warn]") || strings.Contains(text, "[emerg]") {
		d.t.Errorf("nginx: %s", text)
	}
}

// client reaches the registry and its store at the balancer, from an address of its own,
// and trusts only the authority of the test.
func (d *deployed) client() *http.Client {
	return proxied(d.t, d.listens["balancer"][0], filepath.Join(d.dir, "tls"))
}

// proxied is a client that reaches every name at one address with TLS.
func proxied(t *testing.T, at, tlsDir string) *http.Client {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(tlsDir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, at)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: harness.Timeout, Transport: transport}
}

// authority makes a certificate authority, ca.pem, and a certificate of the hosts by it.
func authority(t *testing.T, dir string, hosts ...string) {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v: %s", args[0], err, out)
		}
	}
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem")
	run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN="+hosts[0], "-addext", "subjectAltName=DNS:"+strings.Join(hosts, ",DNS:"), "-keyout", "privkey.pem", "-out", "request.pem")
	run("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "1", "-copy_extensions", "copy", "-out", "leaf.pem")
	leaf, err := os.ReadFile(filepath.Join(dir, "leaf.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fullchain.pem"), leaf, 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is the path of a program that scripts/deps installs.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("TIMBRE_TEST_ALL") != "" {
		t.Fatalf("no %s: run scripts/deps", name)
	}
	t.Skipf("skipped without %s: run scripts/deps", name)
	return ""
}

// watch follows a transaction on a WebSocket until its last frame.
func watch(ctx context.Context, c *http.Client, url, id string) (last string, err error) {
	// The timeout of the client is that of one request, and a socket is longer.
	conn, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(url, "https")+"/v1/ws/transactions/"+id, &websocket.DialOptions{HTTPClient: &http.Client{Transport: c.Transport}})
	if err != nil {
		return "", err
	}
	defer conn.CloseNow()
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return last, err
		}
		last = string(frame)
		var f struct{ Type, Step string }
		if err := json.Unmarshal(frame, &f); err != nil {
			return last, err
		}
		if f.Step == "completed" || f.Type == "error" {
			return last, nil
		}
	}
}

// opensConsole opens the sign-in page of the console with its files. Then it opens the page of the
// first owner, by the link that the process has printed.
func opensConsole(t *testing.T, c *http.Client, url, printed string) {
	t.Helper()
	get := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := c.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, page := get("/console/")
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/console/sign-in" || !strings.Contains(page, `type="password"`) {
		t.Fatalf("the console is %s at %s:\n%s", res.Status, res.Request.URL, page)
	}
	files := regexp.MustCompile(`(?:href|src)="(/console/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(files) < 2 {
		t.Errorf("the sign-in page has %d files", len(files))
	}
	for _, file := range files {
		if res, body := get(file[1]); res.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s is %s", file[1], res.Status)
		}
	}
	link := regexp.MustCompile(regexp.QuoteMeta(url) + `(/console/first\?token=\S+)`).FindStringSubmatch(printed)
	if link == nil {
		t.Fatalf("the process with the console printed no link of the first owner:\n%s", printed)
	}
	if res, page := get(link[1]); res.StatusCode != http.StatusOK || !strings.Contains(page, `type="password"`) {
		t.Errorf("the link of the first owner is %s:\n%s", res.Status, page)
	}
	// The description is that of a process with all routes.
	if _, described := get("/v1/openapi.json"); !strings.Contains(described, `"/v1/works/init"`) || !strings.Contains(described, `"/v1/webhooks"`) || !strings.Contains(described, `"/v1/members"`) {
		t.Error("the description of the API lacks routes")
	}
}

// The registry of deploy/compose runs without containers: registrations through its
// balancer with TLS and a WebSocket, while each of its processes is replaced.
func TestComposedRegistry(t *testing.T) {
	t.Parallel()
	d := startDeployed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	database, err := os.ReadFile(filepath.Join(d.dir, "secrets", "database-url"))
	if err != nil {
		t.Fatal(err)
	}
	at := &harness.Server{URL: "https://" + registryHost}
	var org struct{ ID string }
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	run := func(into any, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, d.binary, append(args, "--json", "--database-url", string(database))...)
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, into)
		}
		if err != nil {
			t.Fatalf("timbre %s: %v %s", args[0], err, out)
		}
	}
	run(&org, "org", "create", "A label")
	run(&keys, "keys", "create", org.ID)
	run(new(any), "origins", "add", org.ID, "http://localhost:3000")
	run(new(any), "credits", "grant", org.ID, "1000")
	at.SiteKey, at.SecretKey = keys.SiteKey, keys.SecretKey
	client := d.client()
	n := 0
	register := func(meanwhile func()) {
		t.Helper()
		n++
		song := &harness.Song{Server: at, Client: client, Title: fmt.Sprint("Song ", n), Audio: harness.WAV(n)}
		for i, step := range []func(context.Context) error{song.Mint, song.Init, song.Put, song.Prepare, song.Confirm} {
			if err := step(ctx); err != nil {
				t.Fatalf("song %d, step %d: %v", n, i+1, err)
			}
		}
		if !strings.HasPrefix(song.UploadURL, "https://"+storeHost+"/") {
			t.Fatalf("the upload goes to %s", song.UploadURL)
		}
		meanwhile()
		if last, err := watch(ctx, client, at.URL, song.TransactionID); err != nil || !strings.Contains(last, `"step":"completed"`) {
			t.Fatalf("song %d: %v, the last frame is %s", n, err, last)
		}
	}
	register(func() {})
	for service, all := range d.listens {
		if service == "database" || service == "store" || service == "migrate" || service == "balancer" {
			continue
		}
		for i := range all {
			// The process before its restart, the others meanwhile, and the new one.
			register(func() { d.stop(service, i) })
			if service != "organizations" { // there is one, so no session starts without it
				register(func() {})
			}
			d.start(service, i)
		}
	}
	register(func() {})
	// A worker without power: the other one continues.
	register(func() { d.running["worker"][0].cmd.Process.Kill() })

	// The address of the client reaches the server's log, and not that of the balancer.
	res, err := client.Get(at.URL + "/v1/transactions/00000000-0000-7000-8000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if !harness.Eventually(func() bool {
		return slices.ContainsFunc(d.running["ats"], func(p *process) bool { return strings.Contains(p.said.String(), `"client":"127.0.0.2"`) })
	}) {
		t.Error("no ats logs the address of the client")
	}
	opensConsole(t, client, at.URL, d.running["console"][0].said.String())

	// Nothing was buffered on the balancer's disk.
	for _, kind := range []string{"client_body", "proxy"} {
		if err := filepath.WalkDir(filepath.Join(d.dir, kind), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				t.Errorf("nginx buffers %s", path)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	registrytest.Check(t, registrytest.World{DatabaseURL: string(database)})
}
