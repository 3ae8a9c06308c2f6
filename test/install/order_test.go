package install_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// stage is a part of an installation. Each needs those before it.
type stage int

const (
	namespaceStage stage = iota
	definitionStage
	roleStage
	policyStage
	managerStage
)

func (s stage) String() string {
	return [...]string{"namespaces", "definitions", "roles", "policies", "the manager"}[s]
}

// manifest is what the order depends on.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

func (m manifest) String() string { return m.Kind + " " + m.Metadata.Name }

// stageOf tells where an object belongs. Objects of our own kinds are parameters of policies.
func stageOf(object manifest) (stage, bool) {
	group, _, _ := strings.Cut(object.APIVersion, "/")

	switch group {
	case "apiextensions.k8s.io":
		return definitionStage, true
	case "rbac.authorization.k8s.io":
		return roleStage, true
	case "admissionregistration.k8s.io":
		// A webhook is served by the manager: before it, nobody would answer.
		if strings.HasSuffix(object.Kind, "WebhookConfiguration") {
			return managerStage, true
		}

		return policyStage, true
	case "apps", "policy", "networking.k8s.io":
		return managerStage, true
	case "v1":
		found, isKnown := map[string]stage{
			"Namespace": namespaceStage, "ServiceAccount": roleStage, "Service": managerStage, "ConfigMap": managerStage,
			"Secret": managerStage,
		}[object.Kind]

		return found, isKnown
	default:
		return policyStage, strings.HasSuffix(group, ".kubesphere.io")
	}
}

// rank orders what is within the policies: a binding puts its policy in force, and a policy without its parameter
// may refuse everything.
func rank(object manifest) int {
	switch {
	case strings.HasSuffix(object.Kind, "PolicyBinding"):
		return 2
	case strings.HasPrefix(object.APIVersion, "admissionregistration.k8s.io/"):
		return 1
	default:
		return 0
	}
}

// checkOrder returns a sentence for each object that comes after one that needs it.
func checkOrder(objects []manifest) []string {
	var (
		problems []string
		last     manifest
		reached  stage
	)

	for _, object := range objects {
		at, isKnown := stageOf(object)

		switch {
		case !isKnown:
			problems = append(problems, fmt.Sprintf("%s has no stage: say in stageOf where it belongs", object))

			continue
		case at < reached:
			problems = append(problems, fmt.Sprintf("%s is of %s and comes after %s, of %s", object, at, last, reached))

			continue
		case at == policyStage && reached == policyStage && rank(object) < rank(last):
			problems = append(problems, fmt.Sprintf("%s comes after %s, which needs it", object, last))

			continue
		}

		last, reached = object, at
	}

	return problems
}

func parseManifests(t *testing.T, content string) []manifest {
	t.Helper()

	var objects []manifest

	for document := range strings.SplitSeq(content, "\n---\n") {
		var object manifest
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}

		objects = append(objects, object)
	}

	return objects
}

func TestCheckOrder(t *testing.T) {
	t.Parallel()

	const (
		namespace  = "v1 Namespace a"
		definition = "apiextensions.k8s.io/v1 CustomResourceDefinition b"
		role       = "rbac.authorization.k8s.io/v1 ClusterRole c"
		account    = "v1 ServiceAccount d"
		parameter  = "tenant.kubesphere.io/v1beta1 WorkspacePolicy e"
		policy     = "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy f"
		binding    = "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding g"
		deployment = "apps/v1 Deployment h"
		webhook    = "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration i"
	)

	tests := map[string]struct {
		objects []string
		want    string // empty: in order
	}{
		"everything":                    {objects: []string{namespace, definition, role, account, parameter, policy, binding, deployment, webhook}},
		"accounts before roles":         {objects: []string{namespace, account, role, deployment}},
		"a policy before definitions":   {objects: []string{policy, definition}, want: "CustomResourceDefinition b is of definitions and comes after ValidatingAdmissionPolicy f, of policies"},
		"a policy after the manager":    {objects: []string{deployment, policy}, want: "ValidatingAdmissionPolicy f is of policies and comes after Deployment h, of the manager"},
		"a manager before its roles":    {objects: []string{deployment, role}, want: "ClusterRole c is of roles"},
		"a parameter after its policy":  {objects: []string{policy, parameter}, want: "WorkspacePolicy e comes after ValidatingAdmissionPolicy f"},
		"a policy after its binding":    {objects: []string{parameter, binding, policy}, want: "ValidatingAdmissionPolicy f comes after"},
		"a webhook before who answers":  {objects: []string{webhook, role}, want: "ClusterRole c is of roles"},
		"a kind that nobody thought of": {objects: []string{"batch/v1 Job j"}, want: "Job j has no stage"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var objects []manifest

			for _, line := range test.objects {
				var object manifest

				words := strings.Fields(line)
				object.APIVersion, object.Kind, object.Metadata.Name = words[0], words[1], words[2]
				objects = append(objects, object)
			}

			problems := strings.Join(checkOrder(objects), "; ")
			if (problems == "") != (test.want == "") || !strings.HasPrefix(problems, test.want) {
				t.Errorf("got %q, want %q", problems, test.want)
			}
		})
	}
}

// Whoever adds something to config/default in the wrong place is told here.
func TestManifestsAreInOrder(t *testing.T) {
	t.Parallel()

	for _, folder := range []string{"default", "run"} {
		objects := parseManifests(t, kubectl(t, "kustomize", root+"/config/"+folder))
		for _, problem := range checkOrder(objects) {
			t.Errorf("config/%s: %s", folder, problem)
		}

		if len(objects) < 5 {
			t.Errorf("config/%s has only %v", folder, objects)
		}
	}
}

// What config/default holds, the guide installs in the same order, and removes.
func TestGuideFollowsTheManifests(t *testing.T) {
	t.Parallel()

	content, err := os.ReadFile(root + "/config/default/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var kustomization struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(content, &kustomization); err != nil {
		t.Fatal(err)
	}

	guide := readGuide(t)
	installs, removes := folders(guide.install, "apply"), folders(guide.remove, "delete")
	components := folders(guide.component, "apply")

	for i, resource := range kustomization.Resources {
		kustomization.Resources[i] = strings.Replace(resource, "..", "config", 1)
	}

	if !slices.Equal(installs, kustomization.Resources) {
		t.Errorf("the guide installs %v, config/default has %v", installs, kustomization.Resources)
	}

	installs = append(installs, components...)
	slices.Sort(installs)

	if sorted := slices.Sorted(slices.Values(removes)); !slices.Equal(sorted, installs) {
		t.Errorf("the guide removes %v, and installs %v", sorted, installs)
	}

	// Policies go first; then the manager, so that cleanup has the last word; the definitions before the roles, which
	// are the last.
	for _, pair := range [][2]string{
		{"config/policy", "config/crd"},
		{"config/manager", "config/crd"},
		{"config/crd", "config/rbac"},
		{"config/rbac", "config/namespace"},
	} {
		first, second := slices.Index(removes, pair[0]), slices.Index(removes, pair[1])
		if first > second {
			t.Errorf("the guide removes %s after %s", pair[0], pair[1])
		}
	}
}

// folders lists the folders that commands apply or delete.
func folders(commands []string, verb string) []string {
	var found []string

	for _, command := range commands {
		words := strings.Fields(command)
		if at := slices.Index(words, "-k"); at >= 0 && slices.Contains(words, verb) {
			found = append(found, words[at+1])
		}
	}

	return found
}
