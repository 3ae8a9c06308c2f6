// Package builtin holds the rules that come with the platform, as GlobalRuleGroups in the form of KubeSphere 3.4, and
// decides what becomes of them in a cluster.
//
// They are about what every cluster has: API server, kubelets, nodes, etcd, and the monitoring itself. Each alert has a
// test in its group that says when it fires and when it does not. Nothing rests on the series of kube-state-metrics.
package builtin

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

//go:embed rules/*.yaml
var files embed.FS

const (
	folder = "rules"
	kind   = "GlobalRuleGroup"
)

// Groups returns the groups as they are made in a cluster, sorted by name: enabled, and with their initial
// configuration beside them.
func Groups() ([]alertingv2beta1.GlobalRuleGroup, error) {
	entries, err := files.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list the built-in rules: %w", err)
	}

	groups := make([]alertingv2beta1.GlobalRuleGroup, 0, len(entries))

	for _, entry := range entries {
		group, err := read(folder + "/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the built-in rules in %s: %w", entry.Name(), err)
		}

		groups = append(groups, *group)
	}

	slices.SortFunc(groups, func(a, b alertingv2beta1.GlobalRuleGroup) int { return strings.Compare(a.Name, b.Name) })

	return groups, nil
}

func read(file string) (*alertingv2beta1.GlobalRuleGroup, error) {
	text, err := files.ReadFile(file)
	if err != nil {
		return nil, err //nolint:wrapcheck // Its caller says of what.
	}

	group := &alertingv2beta1.GlobalRuleGroup{}
	if err := yaml.UnmarshalStrict(text, group); err != nil {
		return nil, err //nolint:wrapcheck // The same.
	}

	group.Annotations = map[string]string{alertingv2beta1.InitialConfigurationAnnotation: Initial(group)}

	return group, nil
}

// initial is what counts of a group in its initial configuration. KubeSphere 3.4 has the same fields there.
type initial struct {
	metav1.TypeMeta `json:",inline"`

	Metadata initialMetadata                     `json:"metadata"`
	Spec     alertingv2beta1.GlobalRuleGroupSpec `json:"spec"`
}

type initialMetadata struct {
	Labels map[string]string `json:"labels,omitempty"`
	Name   string            `json:"name"`
}

// Initial returns a group as the text of its annotation alerting.kubesphere.io/initial-configuration.
func Initial(group *alertingv2beta1.GlobalRuleGroup) string {
	var text bytes.Buffer

	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // People read it, and there are many > in it.

	// Strings and numbers can always be encoded.
	_ = encoder.Encode(initial{ //nolint:errchkjson // See above.
		TypeMeta: metav1.TypeMeta{
			APIVersion: alertingv2beta1.SchemeGroupVersion.String(), Kind: kind,
		},
		Metadata: initialMetadata{Labels: group.Labels, Name: group.Name},
		Spec:     group.Spec,
	})

	return strings.TrimSpace(text.String())
}

// initialSpec reads the spec back. False: it cannot be read.
func initialSpec(text string) (alertingv2beta1.GlobalRuleGroupSpec, bool) {
	var parsed initial

	err := json.Unmarshal([]byte(text), &parsed)

	return parsed.Spec, err == nil
}
