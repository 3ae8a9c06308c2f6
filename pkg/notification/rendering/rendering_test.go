package rendering_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a flag of the test

func target() rendering.Target {
	return rendering.Target{Namespace: "monitoring", Image: "notification-manager:v0.1.0"}
}

func read(t *testing.T, path string) *notificationv2beta2.NotificationManager {
	t.Helper()

	text, err := os.ReadFile(path) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatal(err)
	}

	made := &notificationv2beta2.NotificationManager{}
	if err := yaml.UnmarshalStrict(text, made); err != nil {
		t.Fatal(err)
	}

	made.UID = "uid"

	return made
}

// printed is a result as a reader would compare it.
func printed(t *testing.T, result rendering.Result) []byte {
	t.Helper()

	var out bytes.Buffer

	for _, finding := range result.Findings {
		out.WriteString("# " + string(finding.Reason) + ": " + finding.String() + "\n")
	}

	for _, child := range result.Children {
		text, err := yaml.Marshal(child)
		if err != nil {
			t.Fatal(err)
		}

		out.WriteString("---\n")
		out.Write(text)
	}

	return out.Bytes()
}

func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatal(inputs, err)
	}

	for _, input := range inputs {
		t.Run(filepath.Base(input), func(t *testing.T) {
			got := printed(t, rendering.Render(read(t, input), target()))
			golden := strings.Replace(input, ".in.", ".out.", 1)

			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}

			want, err := os.ReadFile(golden) //nolint:gosec // a file of the test
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func manager(change func(*notificationv2beta2.NotificationManagerSpec)) *notificationv2beta2.NotificationManager {
	made := &notificationv2beta2.NotificationManager{}
	made.Name, made.UID = "nm", "uid"
	change(&made.Spec)

	return made
}

func part(raw string) *notificationv2beta2.PodPart {
	return &notificationv2beta2.PodPart{RawExtension: runtime.RawExtension{Raw: []byte(raw)}}
}

func TestFindings(t *testing.T) {
	type spec = notificationv2beta2.NotificationManagerSpec

	replicas, policy := notificationv2beta2.Number(3), "Sometimes"
	image := "reg.io/kubesphere/notification-manager:v2.3.0"

	tests := map[string]struct {
		change func(*spec)
		field  string
		reason rendering.Reason
		breaks bool
	}{
		"affinity of another form": {
			change: func(s *spec) { s.Affinity = part(`{"nodeAffinity":[]}`) },
			field:  "spec.affinity", reason: rendering.Invalid, breaks: true,
		},
		"no JSON": {
			change: func(s *spec) { s.Resources = part(`{`) },
			field:  "spec.resources", reason: rendering.Invalid, breaks: true,
		},
		"nothing": {
			change: func(s *spec) { s.SecurityContext = part(``) },
			field:  "spec.securityContext", reason: rendering.Invalid, breaks: true,
		},
		"no quantity": {
			change: func(s *spec) { s.Resources = part(`{"limits":{"cpu":"much"}}`) },
			field:  "spec.resources", reason: rendering.Invalid, breaks: true,
		},
		"a field of tomorrow": {
			change: func(s *spec) { s.Tolerations = []notificationv2beta2.PodPart{*part(`{"later":1}`)} },
			field:  "spec.tolerations[0]", reason: rendering.UnknownField,
		},
		"a variable without a name": {
			change: func(s *spec) { s.Env = []notificationv2beta2.PodPart{*part(`{"value":"a"}`)} },
			field:  "spec.env[0]", reason: rendering.Invalid, breaks: true,
		},
		"a variable twice": {
			change: func(s *spec) {
				s.Env = []notificationv2beta2.PodPart{*part(`{"name":"A"}`), *part(`{"name":"A","value":"b"}`)}
			},
			field: "spec.env[1]", reason: rendering.Invalid,
		},
		"our volume": {
			change: func(s *spec) { s.Volumes = []notificationv2beta2.PodPart{*part(`{"name":"data","emptyDir":{}}`)} },
			field:  "spec.volumes[0].name", reason: rendering.Invalid, breaks: true,
		},
		"our container": {
			change: func(s *spec) {
				s.Sidecars = map[string]notificationv2beta2.PodPart{
					"a": *part(`{"name":"notification-manager","image":"a"}`),
				}
			},
			field: "spec.sidecars[a].name", reason: rendering.Invalid, breaks: true,
		},
		"a sidecar without an image": {
			change: func(s *spec) {
				s.Sidecars = map[string]notificationv2beta2.PodPart{"tenant": *part(`{"type":"own"}`)}
			},
			field: "spec.sidecars[tenant].image", reason: rendering.Invalid, breaks: true,
		},
		"a port without a letter": {
			change: func(s *spec) { s.PortName = "19093" },
			field:  "spec.portName", reason: rendering.Invalid, breaks: true,
		},
		"a policy of pulling": {
			change: func(s *spec) { s.ImagePullPolicy = &policy },
			field:  "spec.imagePullPolicy", reason: rendering.Invalid, breaks: true,
		},
		"many replicas": {
			change: func(s *spec) { s.Replicas = &replicas },
			field:  "spec.replicas", reason: rendering.OneReplica,
		},
		"the image of KubeSphere": {
			change: func(s *spec) { s.Image = &image },
			field:  "spec.image", reason: rendering.ImageReplaced,
		},
		"a claim without a size": {
			change: func(s *spec) {
				s.Delivery = &notificationv2beta2.Delivery{Storage: &notificationv2beta2.DeliveryStorage{
					VolumeClaimTemplate: &notificationv2beta2.VolumeClaimTemplate{
						Spec: *part(`{"storageClassName":"fast"}`),
					},
				}}
			},
			field:  "spec.delivery.storage.volumeClaimTemplate.spec.resources.requests.storage",
			reason: rendering.Invalid, breaks: true,
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			result := rendering.Render(manager(test.change), target())

			found := slices.ContainsFunc(result.Findings, func(one rendering.Finding) bool {
				return one.Field == test.field && one.Reason == test.reason && one.Breaks == test.breaks
			})
			if !found || result.Broken() != test.breaks || test.breaks == (len(result.Children) > 0) {
				t.Errorf("%d objects, findings %+v", len(result.Children), result.Findings)
			}
		})
	}
}

func TestNamesThatNoServiceCanHave(t *testing.T) {
	for _, name := range []string{"a.b", "1a", strings.Repeat("a", 60), strings.Repeat("a", 64)} {
		made := manager(func(*notificationv2beta2.NotificationManagerSpec) {})
		made.Name = name

		if result := rendering.Render(made, target()); !result.Broken() {
			t.Errorf("%q passes", name)
		}
	}
}

// Pods are found by what the workload selects already, for that cannot be changed.
func TestSelectorIsKept(t *testing.T) {
	where := target()
	where.Selector = map[string]string{"app": "old", "tier": "a"}

	text := string(printed(t, rendering.Render(manager(func(*notificationv2beta2.NotificationManagerSpec) {}), where)))
	for _, want := range []string{"matchLabels:\n      app: old\n      tier: a\n", "        tier: a\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRegistry(t *testing.T) {
	tests := map[string]string{
		"notification-manager:v1":             "reg.io/x/notification-manager:v1",
		"ghcr.io/ours/notification-manager":   "reg.io/x/ours/notification-manager",
		"localhost/notification-manager:v1":   "reg.io/x/notification-manager:v1",
		"ours/notification-manager@sha256:00": "reg.io/x/ours/notification-manager@sha256:00",
	}

	for image, want := range tests {
		where := target()
		where.Image, where.Registry = image, "reg.io/x/"

		result := rendering.Render(manager(func(*notificationv2beta2.NotificationManagerSpec) {}), where)
		if !strings.Contains(string(printed(t, result)), "image: "+want+"\n") {
			t.Errorf("%s is not %s", image, want)
		}
	}
}

// What is granted is within what whoever grants it has to have.
func TestPermissionsAreBounded(t *testing.T) {
	bound := append(rendering.ClusterRules(), rendering.NamespaceRules()...)

	for _, input := range []string{"testdata/all.in.yaml", "testdata/least.in.yaml", "testdata/kubesphere-34.in.yaml"} {
		text := string(printed(t, rendering.Render(read(t, input), target())))
		for document := range strings.SplitSeq(text, "---\n") {
			var role struct {
				Kind  string              `json:"kind"`
				Rules []rbacv1.PolicyRule `json:"rules"`
			}
			if err := yaml.Unmarshal([]byte(document), &role); err != nil {
				t.Fatal(err)
			}

			for _, rule := range role.Rules {
				if !covered(rule, bound) {
					t.Errorf("%s: %s grants %+v", input, role.Kind, rule)
				}
			}
		}
	}
}

func covered(rule rbacv1.PolicyRule, bound []rbacv1.PolicyRule) bool {
	within := func(inner, outer []string) bool {
		return !slices.ContainsFunc(inner, func(one string) bool { return !slices.Contains(outer, one) })
	}

	return slices.ContainsFunc(bound, func(one rbacv1.PolicyRule) bool {
		return within(rule.APIGroups, one.APIGroups) && within(rule.Resources, one.Resources) &&
			within(rule.Verbs, one.Verbs) &&
			(len(one.ResourceNames) == 0 ||
				len(rule.ResourceNames) > 0 && within(rule.ResourceNames, one.ResourceNames))
	})
}

// Whatever stands in a part of a pod, nothing panics, and either there are objects or there is a finding that breaks.
func FuzzParts(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `0`, `"a"`, `{"name":"a"}`, `{"name":null}`, `{"name":"data"}`, `{"type":"kubesphere"}`,
		`{"name":"a","image":"b","ports":[{"containerPort":1}]}`, `{"limits":{"cpu":"1"}}`, `{"limits":{"cpu":{}}}`,
		`{"requests":{"storage":"1Gi"}}`, `{"resources":{"requests":{"storage":"-1"}}}`, `{"mountPath":"/tmp"}`,
		`{} {}`, `{`,
		`{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":1}]}}`, `{"runAsUser":1e99}`,
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, raw string) {
		one := *part(raw)
		result := rendering.Render(manager(func(s *notificationv2beta2.NotificationManagerSpec) {
			parts := []notificationv2beta2.PodPart{one, one}
			s.Resources, s.Affinity, s.SecurityContext = &one, &one, &one
			s.Tolerations, s.Env, s.Volumes, s.VolumeMounts = parts, parts, parts, parts
			s.Sidecars = map[string]notificationv2beta2.PodPart{"tenant": one, "other": one}
			s.Delivery = &notificationv2beta2.Delivery{Storage: &notificationv2beta2.DeliveryStorage{
				VolumeClaimTemplate: &notificationv2beta2.VolumeClaimTemplate{Spec: one},
			}}
		}), target())

		if result.Broken() == (len(result.Children) > 0) {
			t.Errorf("%d objects, findings %+v", len(result.Children), result.Findings)
		}

		for _, child := range result.Children {
			if _, err := yaml.Marshal(child); err != nil {
				t.Error(err)
			}
		}
	})
}
