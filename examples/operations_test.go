package examples_test

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifests reads the documents of a file.
func manifests[T any](t *testing.T, path string) (all []T) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(read(t, path)))
	for {
		var one T
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// only is the one document of a file.
func only[T any](t *testing.T, path string) T {
	t.Helper()
	all := manifests[T](t, path)
	if len(all) != 1 {
		t.Fatalf("%s has %d documents", path, len(all))
	}
	return all[0]
}

// variable is one that a container gets.
type variable struct {
	Name      string `yaml:"name"`
	Value     string `yaml:"value"`
	ValueFrom struct {
		SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
	} `yaml:"valueFrom"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type deployment struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"selector"`
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []struct {
					Env          []variable `yaml:"env"`
					Command      []string   `yaml:"command"` // takes the place of an entrypoint, as args do not
					Ports        []port     `yaml:"ports"`
					Startup      probe      `yaml:"startupProbe"`
					Readiness    probe      `yaml:"readinessProbe"`
					Liveness     probe      `yaml:"livenessProbe"`
					VolumeMounts []struct {
						Name      string `yaml:"name"`
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				} `yaml:"containers"`
				Volumes []struct {
					Name      string                 `yaml:"name"`
					ConfigMap struct{ Name string }  `yaml:"configMap"`
					EmptyDir  map[string]interface{} `yaml:"emptyDir"`
				} `yaml:"volumes"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type port struct {
	Name          string `yaml:"name"`
	ContainerPort string `yaml:"containerPort"`
	TargetPort    string `yaml:"targetPort"`
}

func named(ports []port, name string) port {
	i := slices.IndexFunc(ports, func(p port) bool { return p.Name == name })
	if i < 0 {
		return port{}
	}
	return ports[i]
}

// What a pod gets is what the Caddyfile asks for, and its ports are those of the probes and of the Service.
func TestKubernetesManifestsFitTheCaddyfile(t *testing.T) {
	t.Parallel()
	caddyfile := read(t, "kubernetes/Caddyfile")
	spec := only[deployment](t, "kubernetes/deployment.yaml").Spec
	pod := spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	for _, m := range regexp.MustCompile(`\{env\.(\w+)\}`).FindAllStringSubmatch(caddyfile, -1) {
		i := slices.IndexFunc(c.Env, func(v variable) bool { return v.Name == m[1] })
		if i < 0 || c.Env[i].Value != "" || c.Env[i].ValueFrom.SecretKeyRef.Key != m[1] {
			t.Errorf("%s does not come from a Secret", m[1])
		} else if !strings.Contains(read(t, "kubernetes/README.md"), c.Env[i].ValueFrom.SecretKeyRef.Name) {
			t.Errorf("nobody says how to make the Secret of %s", m[1])
		}
	}
	for _, one := range []probe{c.Startup, c.Readiness, c.Liveness} {
		number := named(c.Ports, one.HTTPGet.Port).ContainerPort
		if number == "" || !strings.Contains(caddyfile, "\n:"+number+" {\n\trespond "+one.HTTPGet.Path+" 200\n") {
			t.Errorf("no site answers the probe %+v", one)
		}
	}
	service := only[struct {
		Spec struct {
			Selector map[string]string `yaml:"selector"`
			Ports    []port            `yaml:"ports"`
		} `yaml:"spec"`
	}](t, "kubernetes/service.yaml").Spec
	for key, value := range service.Selector {
		if spec.Template.Metadata.Labels[key] != value || spec.Selector.MatchLabels[key] != value {
			t.Errorf("the pods have no label %s: %s", key, value)
		}
	}
	if len(service.Ports) != 1 || !strings.Contains(caddyfile, "\n:"+named(c.Ports, service.Ports[0].TargetPort).ContainerPort+" {\n\tauth0_oidc") {
		t.Errorf("the Service %+v leads to no protected site", service)
	}
}

// kustomize makes the ConfigMap of the very Caddyfile that is tested, and the pod runs it.
func TestKubernetesRunsTheCaddyfileOfTheExample(t *testing.T) {
	t.Parallel()
	k := only[struct {
		Resources  []string `yaml:"resources"`
		ConfigMaps []struct {
			Name  string   `yaml:"name"`
			Files []string `yaml:"files"`
		} `yaml:"configMapGenerator"`
	}](t, "kubernetes/kustomization.yaml")
	for _, path := range k.Resources {
		only[map[string]any](t, "kubernetes/"+path)
	}
	if len(k.Resources) != 2 || len(k.ConfigMaps) != 1 || !slices.Equal(k.ConfigMaps[0].Files, []string{"Caddyfile"}) {
		t.Fatalf("the kustomization is %+v", k)
	}
	pod := only[deployment](t, "kubernetes/deployment.yaml").Spec.Template.Spec
	for _, volume := range pod.Volumes {
		for _, mount := range pod.Containers[0].VolumeMounts {
			if volume.ConfigMap.Name == k.ConfigMaps[0].Name && mount.Name == volume.Name {
				if command := pod.Containers[0].Command; !slices.Equal(command, []string{"caddy", "run", "--config", mount.MountPath + "/Caddyfile"}) {
					t.Errorf("the command is %q", command)
				}
				return
			}
		}
	}
	t.Error("the ConfigMap is not mounted")
}

// A flag of Caddy's own unit would write the environment into the journal.
func TestSystemdUnitHasTheCredentialOfTheCaddyfileAndShowsNoEnvironment(t *testing.T) {
	t.Parallel()
	unit, caddyfile := read(t, "systemd/auth0.conf"), read(t, "systemd/Caddyfile")
	credential := regexp.MustCompile(`(?m)^LoadCredential=(\w+):/`).FindStringSubmatch(unit)
	if credential == nil || !strings.Contains(caddyfile, "{file.{$CREDENTIALS_DIRECTORY:/run/credentials/caddy.service}/"+credential[1]+"}") {
		t.Errorf("the Caddyfile does not read the credential %q", credential)
	}
	if !strings.Contains(unit, "\nExecStart=\nExecStart=") || regexp.MustCompile(`(?m)^ExecStart=.*--environ`).MatchString(unit) {
		t.Error("the environment is shown")
	}
	if strings.Contains(read(t, "systemd/auth0.env"), "SECRET") {
		t.Error("a secret is in the environment")
	}
}
