package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes/scheme"
)

const chart = "../../deploy/helm/timbre"

// least are the values without which the chart refuses to render.
func least() map[string]any {
	return map[string]any{"image": map[string]any{"tag": "1.2.3"}, "publicURL": "https://timbre.your-domain.example", "store": "s3://songs?endpoint=https://s3.your-domain.example"}
}

// variants are values that change what is rendered.
func variants() map[string]map[string]any {
	all := map[string]map[string]any{"least": least()}
	with := func(name string, more map[string]any) {
		values := least()
		for k, v := range more {
			values[k] = v
		}
		all[name] = values
	}
	with("without options", map[string]any{
		"secrets": map[string]any{"store": ""}, "metrics": map[string]any{"enabled": false}, "ingress": map[string]any{"enabled": false},
		"networkPolicy": map[string]any{"enabled": false}, "podDisruptionBudget": map[string]any{"enabled": false}, "leaveSeconds": 0,
	})
	with("with options", map[string]any{
		"settings":         map[string]any{"TIMBRE_TSA_URL": "https://tsa.example", "TIMBRE_LIMITS_FOLLOWERS": 20000, "TIMBRE_MAX_FILE_SIZE": 1048576000},
		"imagePullSecrets": []any{map[string]any{"name": "registry"}}, "priorityClassName": "high", "nodeSelector": map[string]any{"disk": "ssd"},
		"tolerations": []any{map[string]any{"key": "music", "operator": "Exists"}}, "podAnnotations": map[string]any{"a": "b"},
		"serviceAccount": map[string]any{"annotations": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/timbre"}},
		"metrics":        map[string]any{"hosts": "metrics.example"}, "ingress": map[string]any{"tlsSecret": "", "className": ""},
		"networkPolicy": map[string]any{"workerEgress": []any{map[string]any{"ports": []any{map[string]any{"protocol": "TCP", "port": 465}}}}},
	})
	return all
}

// Helm finds nothing to complain about, neither an error nor a warning.
func TestLint(t *testing.T) {
	version := &common.KubeVersion{Version: "v1.33.0", Major: "1", Minor: "33"}
	for name, values := range variants() {
		for _, m := range lint.RunAll(chart, values, "songs", lint.WithKubeVersion(version)).Messages {
			if m.Severity > 1 { // 1 is a recommendation, such as an icon
				t.Errorf("%s: %s", name, m)
			}
		}
	}
	wrong := least()
	wrong["publicURL"] = "no address"
	found := false
	for _, m := range lint.RunAll(chart, wrong, "songs", lint.WithKubeVersion(version)).Messages {
		found = found || m.Severity > 1
	}
	if !found {
		t.Error("lint accepts an invalid public URL")
	}
}

// render returns all objects of the chart. Each is read strictly, as by the server: an
// unknown field is an error.
func render(t *testing.T, release string, values map[string]any) (all []runtime.Object) {
	t.Helper()
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	caps := *common.DefaultCapabilities
	caps.KubeVersion = common.KubeVersion{Version: "v1.33.0", Major: "1", Minor: "33"}
	top, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: release, Namespace: "songs", Revision: 1, IsInstall: true}, &caps)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{Strict: true}.RenderWithContext(t.Context(), c, top)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, one := range regexp.MustCompile(`(?m)^---\s*$`).Split(text, -1) {
			if len(bytes.TrimSpace(regexp.MustCompile(`(?m)^#.*$`).ReplaceAll([]byte(one), nil))) == 0 {
				continue
			}
			o, _, err := decoder.Decode([]byte(one), nil, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, one)
			}
			all = append(all, o)
		}
	}
	return all
}

// A pod of a Deployment or a Job.
type pod struct {
	name     string
	role     string // of a server
	meta     metav1.ObjectMeta
	spec     corev1.PodSpec
	selector *metav1.LabelSelector
}

func pods(all []runtime.Object) (out []pod) {
	for _, o := range all {
		switch o := o.(type) {
		case *appsv1.Deployment:
			out = append(out, pod{o.Name, o.Labels["app.kubernetes.io/component"], o.Spec.Template.ObjectMeta, o.Spec.Template.Spec, o.Spec.Selector})
		case *batchv1.Job:
			out = append(out, pod{o.Name, "", o.Spec.Template.ObjectMeta, o.Spec.Template.Spec, nil})
		}
	}
	return out
}

func selects(t *testing.T, s *metav1.LabelSelector, in map[string]string) bool {
	t.Helper()
	compiled, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Matches(labels.Set(in))
}

// binary is the program, built from this tree.
var binary = sync.OnceValues(func() (string, error) {
	out := filepath.Join(os.TempDir(), "timbre-deploy-test-"+strconv.Itoa(os.Getpid()))
	build := exec.Command("go", "build", "-o", out, "./cmd/timbre")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(text), Err: err}
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.Remove(path)
	}
	os.Exit(code)
}

// accepted runs `timbre doctor` with the arguments and variables of a server, and fails the
// test unless the configuration is valid. Files and services of the cluster do not exist
// here, so the other checks may fail.
func accepted(t *testing.T, name string, args []string, env map[string]string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	known, err := exec.CommandContext(t.Context(), path, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"doctor", "--json"}, args[1:]...)...)
	cmd.Dir = t.TempDir()
	database := filepath.Join(cmd.Dir, "database")
	if err := os.WriteFile(database, []byte("sqlite:none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, value := range env {
		if strings.HasPrefix(key, "TIMBRE_") && !bytes.Contains(known, []byte("$"+key)) {
			t.Errorf("%s: timbre serve has no variable %s", name, key)
		}
		if strings.HasSuffix(key, "_FILE") && key != "TIMBRE_SECRET_FILE" { // what the cluster mounts
			value = database
		}
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	out, _ := cmd.Output()
	var checks []struct {
		Check, Found string
		OK           bool
	}
	if err := json.Unmarshal(out, &checks); err != nil || len(checks) == 0 || checks[0].Check != "configuration" || !checks[0].OK {
		t.Errorf("%s: doctor: %v %s", name, err, out)
	}
}

func TestChart(t *testing.T) {
	drain, grace := drainOfServer(t), int64(0)
	for name, values := range variants() {
		t.Run(name, func(t *testing.T) {
			all := render(t, "songs", values)
			found := pods(all)
			if len(found) != 5 {
				t.Fatalf("%d kinds of pods, want a deployment for each role, one for the console, and a job", len(found))
			}
			for _, p := range found {
				checkPod(t, p)
				if p.role == "" {
					continue
				}
				if p.selector == nil || !selects(t, p.selector, p.meta.Labels) {
					t.Errorf("%s does not select its own pods", p.name)
				}
				grace = *p.spec.TerminationGracePeriodSeconds
				leave := int64(0)
				if c := p.spec.Containers[0]; c.Lifecycle != nil {
					leave = c.Lifecycle.PreStop.Sleep.Seconds
				}
				if grace < leave+drain+10 {
					t.Errorf("%s is killed after %d s, but may need %d s to leave and %d s to drain", p.name, grace, leave, drain)
				}
				c := p.spec.Containers[0]
				env := map[string]string{}
				for _, e := range c.Env {
					env[e.Name] = e.Value
					if e.ValueFrom != nil {
						env[e.Name] = "from-a-secret"
					}
				}
				accepted(t, p.name, c.Args, env)
			}
			others(t, all, found)
		})
	}
	if t.Failed() {
		return
	}
	// Values that are wrong are refused before anything is rendered.
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []func(v map[string]any){
		func(v map[string]any) { delete(v, "image") },
		func(v map[string]any) { v["publicURL"] = "timbre.example" },
		func(v map[string]any) { v["publicURL"] = "https://timbre.example/path" },
		func(v map[string]any) { v["store"] = "file:/data" },
		func(v map[string]any) { v["settings"] = map[string]any{"PATH": "/"} },
		func(v map[string]any) { v["rolls"] = 1 },
		func(v map[string]any) { v["terminationGracePeriodSeconds"] = 5 },
	} {
		values := least()
		wrong(values)
		if _, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "songs"}, nil); err == nil {
			t.Errorf("%v is accepted", values)
		}
	}
}

// checkPod checks what every pod of the chart promises.
func checkPod(t *testing.T, p pod) {
	t.Helper()
	if len(p.name) > 50 || len(validation.IsDNS1123Label(p.name)) > 0 {
		t.Errorf("%s is no name for every kind of object", p.name)
	}
	s := p.spec.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser != 65532 || s.FSGroup == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: pod security %+v", p.name, s)
	}
	if p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken {
		t.Errorf("%s has a token of the cluster", p.name)
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range p.spec.Volumes {
		volumes[v.Name] = v
	}
	for _, c := range p.spec.Containers {
		s := c.SecurityContext
		if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: container security %+v", p.name, s)
		}
		if c.Image != "timbre:1.2.3" || c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: image %s, resources %+v", p.name, c.Image, c.Resources)
		}
		for _, e := range c.Env {
			if e.Value != "" && regexp.MustCompile(`(?i)(_KEY|PASSWORD|SECRET)$`).MatchString(e.Name) {
				t.Errorf("%s: the secret %s is written into the pod", p.name, e.Name)
			}
		}
		files := map[string]bool{}
		for _, m := range c.VolumeMounts {
			v, ok := volumes[m.Name]
			if !ok {
				t.Errorf("%s mounts %s, which does not exist", p.name, m.Name)
			}
			if v.Projected == nil {
				continue
			}
			// A mode with group or others would be refused by timbre, or be wider than needed.
			if *v.Projected.DefaultMode != 0o400 || !m.ReadOnly {
				t.Errorf("%s: secrets have the mode %o", p.name, *v.Projected.DefaultMode)
			}
			for _, source := range v.Projected.Sources {
				for _, item := range source.Secret.Items {
					files[m.MountPath+"/"+item.Path] = true
					if strings.HasSuffix(item.Path, "keys") && item.Key != p.role {
						t.Errorf("%s has the keys of %s", p.name, item.Key)
					}
				}
			}
		}
		for _, e := range c.Env {
			if strings.HasSuffix(e.Name, "_FILE") && !files[e.Value] {
				t.Errorf("%s: %s=%s, and no secret has this path", p.name, e.Name, e.Value)
			}
			delete(files, e.Value)
		}
		if len(files) > 0 {
			t.Errorf("%s does not use %v", p.name, files)
		}
		if p.role == "" {
			continue
		}
		ports := map[string]int32{}
		for _, port := range c.Ports {
			ports[port.Name] = port.ContainerPort
		}
		if c.StartupProbe == nil || c.ReadinessProbe == nil || c.LivenessProbe == nil {
			t.Fatalf("%s has no probes", p.name)
		}
		if c.LivenessProbe.HTTPGet != nil {
			t.Errorf("%s is restarted when its database is down", p.name)
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe} {
			if ports[probe.HTTPGet.Port.StrVal] != 8080 {
				t.Errorf("%s: a probe of port %s", p.name, probe.HTTPGet.Port.StrVal)
			}
		}
	}
}

// others checks the objects that refer to pods.
func others(t *testing.T, all []runtime.Object, found []pod) {
	t.Helper()
	services := map[string]*corev1.Service{}
	accounts := map[string]bool{}
	covered := map[string]int{}
	selected := func(s *metav1.LabelSelector) (roles []string) {
		for _, p := range found {
			if selects(t, s, p.meta.Labels) {
				roles = append(roles, p.role)
			}
		}
		return roles
	}
	for _, o := range all {
		switch o := o.(type) {
		case *corev1.Service:
			services[o.Name] = o
			if roles := selected(&metav1.LabelSelector{MatchLabels: o.Spec.Selector}); len(roles) != 1 || !strings.HasSuffix(o.Name, "-"+roles[0]) {
				t.Errorf("the service %s selects %v", o.Name, roles)
			}
		case *corev1.ServiceAccount:
			accounts[o.Name] = true
		case *policyv1.PodDisruptionBudget:
			if roles := selected(o.Spec.Selector); len(roles) != 1 {
				t.Errorf("the budget %s selects %v", o.Name, roles)
			}
			covered["budget"]++
		case *networkingv1.NetworkPolicy:
			if roles := selected(&o.Spec.PodSelector); len(roles) != 1 || len(o.Spec.PolicyTypes) != 2 || len(o.Spec.Egress) == 0 {
				t.Errorf("the policy %s selects %v, types %v", o.Name, roles, o.Spec.PolicyTypes)
			}
			for _, rule := range o.Spec.Ingress {
				if len(rule.From) == 0 {
					t.Errorf("the policy %s lets everybody in", o.Name)
				}
			}
			covered["policy"]++
		case *batchv1.Job:
			if !strings.Contains(o.Annotations["helm.sh/hook"], "pre-upgrade") || !strings.Contains(o.Annotations["helm.sh/hook"], "pre-install") || o.Spec.Template.Spec.ServiceAccountName != "" {
				t.Errorf("the job needs what does not exist before the installation: %v", o.Annotations)
			}
		}
	}
	for kind, n := range covered {
		if n != 4 {
			t.Errorf("%d of 4 deployments have a %s", n, kind)
		}
	}
	for _, p := range found {
		if p.role != "" && !accounts[p.spec.ServiceAccountName] {
			t.Errorf("%s: no account %s", p.name, p.spec.ServiceAccountName)
		}
		for _, e := range p.spec.Containers[0].Env {
			if e.Name == "TIMBRE_ISSUER_URL" && (services["songs-timbre-organizations"] == nil || e.Value != "http://songs-timbre-organizations:8080") {
				t.Errorf("%s: the issuer is %s", p.name, e.Value)
			}
		}
	}
	for _, o := range all {
		ingress, ok := o.(*networkingv1.Ingress)
		if !ok {
			continue
		}
		routed := map[string]string{}
		for _, path := range ingress.Spec.Rules[0].HTTP.Paths {
			if services[path.Backend.Service.Name] == nil {
				t.Errorf("the ingress names the service %s", path.Backend.Service.Name)
			}
			if *path.PathType != networkingv1.PathTypePrefix {
				t.Errorf("%s has the type %s", path.Path, *path.PathType)
			}
			routed[path.Path] = path.Backend.Service.Name
		}
		// The table of paths in docs/operating.md. `go test ./cmd/timbre -run Paths` compares it
		// with the routes of each process.
		document, err := os.ReadFile("../../docs/operating.md")
		if err != nil {
			t.Fatal(err)
		}
		_, table, ok := strings.Cut(string(document), "| roles of the process | paths |\n|---|---|\n")
		if table, _, _ = strings.Cut(table, "\n\n"); !ok {
			t.Fatal("docs/operating.md has no table of paths")
		}
		for row := range strings.Lines(table) {
			named := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1)
			for _, path := range named[1:] {
				to := named[0][1]
				if to == "organizations,ats" {
					to = "console"
				}
				if routed[path[1]] != "songs-timbre-"+to {
					t.Errorf("%s goes to %q, and docs/operating.md names %s", path[1], routed[path[1]], to)
				}
				delete(routed, path[1])
			}
		}
		if len(routed) != 0 {
			t.Errorf("further paths %v", routed)
		}
	}
}

// drainOfServer is the time in seconds that a server takes to stop: it drains, and gives its requests their time.
func drainOfServer(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("../../cmd/timbre/serve.go")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^const requestTime = (\d+) \* time\.Second$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("serve.go has no time for requests")
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n + 5 // the default of --drain-time
}
