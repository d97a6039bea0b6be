package deploy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const compose = "../../deploy/compose/compose.yaml"

// Compose's loader accepts the file, and timbre its settings. (internal/e2e starts the
// same processes without containers.)
func TestCompose(t *testing.T) {
	load := func(env ...string) (*types.Project, error) {
		options, err := cli.NewProjectOptions([]string{compose}, cli.WithEnv(env), cli.WithInterpolation(true), cli.WithResolvedPaths(true))
		if err != nil {
			t.Fatal(err)
		}
		return options.LoadProject(t.Context())
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "docs/deploy.md") {
		t.Errorf("without the names of the hosts: %v", err)
	}
	project, err := load("TIMBRE_HOST=timbre.your-domain.example", "TIMBRE_STORE_HOST=store.your-domain.example")
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	checked := regexp.MustCompile(`(?m)^HEALTHCHECK .*CMD \["/usr/bin/timbre", "health"\]$`).Match(dockerfile)
	if !checked {
		t.Error("the image does not check itself")
	}
	drain := time.Duration(drainOfServer(t)) * time.Second
	processes := map[string]int{}
	for name, s := range project.Services {
		for before, how := range s.DependsOn {
			of := project.Services[before]
			healthy := of.HealthCheck != nil && !of.HealthCheck.Disable || of.HealthCheck == nil && of.Image == "timbre"
			if how.Condition == types.ServiceConditionHealthy && !healthy {
				t.Errorf("%s waits for the health of %s, which is never checked", name, before)
			}
		}
		if len(s.Ports) > 0 && name != "balancer" {
			t.Errorf("%s is reached without TLS", name)
		}
		if s.Image != "timbre" {
			if tag := regexp.MustCompile(`:v?\d+(\.\d+)*$`).FindString(s.Image); tag == "" {
				t.Errorf("%s: the image %s has no version", name, s.Image)
			}
			continue
		}
		processes[name] = max(1, replicas(s))
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < drain+10*time.Second {
			t.Errorf("%s is killed after %v, and drains for %s", name, s.StopGracePeriod, drain)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged || s.User != "" {
			t.Errorf("%s may change its image, or has rights that it does not need", name)
		}
		secrets := map[string]bool{}
		for _, secret := range s.Secrets {
			secrets["/run/secrets/"+secret.Source] = true
			if _, ok := project.Secrets[secret.Source]; !ok {
				t.Errorf("%s: no secret %s", name, secret.Source)
			}
		}
		env := map[string]string{"TIMBRE_LISTEN": "0.0.0.0:8080"}
		for key, value := range s.Environment {
			env[key] = *value
			if strings.HasSuffix(key, "_FILE") && !secrets[*value] {
				t.Errorf("%s: %s=%s is not mounted", name, key, *value)
			}
		}
		if name != "migrate" {
			accepted(t, name, s.Command, env)
		}
		for _, dir := range s.Tmpfs {
			if !strings.HasPrefix(dir, "/tmp:") || !strings.Contains(dir, "uid=65532") {
				t.Errorf("%s: %s", name, dir)
			}
		}
	}
	if want := map[string]int{"migrate": 1, "worker": 2, "organizations": 1, "console": 1, "ats": 2}; len(processes) != len(want) || processes["ats"] != 2 || processes["worker"] != 2 {
		t.Errorf("processes %v, want %v", processes, want)
	}
	balancer := project.Services["balancer"]
	if balancer.StopGracePeriod == nil || time.Duration(*balancer.StopGracePeriod) < drain {
		t.Error("the balancer is killed before the processes behind it have drained")
	}
}

func replicas(s types.ServiceConfig) int {
	if s.Deploy == nil || s.Deploy.Replicas == nil {
		return 1
	}
	return *s.Deploy.Replicas
}
