package app

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// groupObject is a group of rules with what its object says beside them.
type groupObject struct {
	kind    string
	labels  map[string]string
	content rendering.Group
}

// manifests are what was read: groups, and what decides about them.
type manifests struct {
	groups     []groupObject
	policies   []*alertingv1alpha1.AlertingPolicy
	namespaces map[string]map[string]string // labels by name
}

var errNoGroups = errors.New("-f: there is no RuleGroup, ClusterRuleGroup or GlobalRuleGroup in it")

// readManifests reads files; "-" is the standard input.
func readManifests(paths []string, input io.Reader) (manifests, error) {
	read := manifests{namespaces: map[string]map[string]string{}}

	for _, path := range paths {
		if err := read.file(path, input); err != nil {
			return manifests{}, err
		}
	}

	if len(read.groups) == 0 {
		return manifests{}, usageError{errNoGroups}
	}

	return read, nil
}

func (m *manifests) file(path string, input io.Reader) error {
	source := input

	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return usageError{fmt.Errorf("-f: %w", err)}
		}
		defer func() { _ = file.Close() }()

		source = file
	}

	documents := utilyaml.NewYAMLReader(bufio.NewReader(source))

	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err == nil {
			err = m.document(document)
		}

		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

func (m *manifests) document(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}

	var head metav1.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("read a manifest: %w", err)
	}

	switch head.Kind {
	case "List":
		return m.list(text)
	case "RuleGroup":
		return addGroup(m, text, rendering.OfNamespace)
	case "ClusterRuleGroup":
		return addGroup(m, text, rendering.OfCluster)
	case "GlobalRuleGroup":
		return addGroup(m, text, rendering.OfGlobal)
	case "AlertingPolicy":
		policy, err := decode[alertingv1alpha1.AlertingPolicy](text)
		m.policies = append(m.policies, policy)

		return err
	case "Namespace":
		namespace, err := decode[corev1.Namespace](text)
		if err == nil {
			m.namespaces[namespace.Name] = namespace.Labels
		}

		return err
	default: // Manifests stand together; what decides nothing here is passed over.
		return nil
	}
}

func (m *manifests) list(text []byte) error {
	var list struct {
		Items []runtime.RawExtension `json:"items"`
	}
	if err := yaml.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("read a list: %w", err)
	}

	for _, item := range list.Items {
		if err := m.document(item.Raw); err != nil {
			return err
		}
	}

	return nil
}

func decode[T any](text []byte) (*T, error) {
	object := new(T)
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}

	return object, nil
}

func addGroup[T any](m *manifests, text []byte, convert func(*T) rendering.Group) error {
	object, err := decode[T](text)
	if err != nil {
		return err
	}

	meta, _ := decodeMeta(text) // It has just been read.
	group := groupObject{kind: meta.Kind, labels: meta.Labels, content: convert(object)}

	if group.content.Level == alertingv2beta1.LevelNamespace && group.content.Namespace == "" {
		return fmt.Errorf("%s %s: metadata.namespace is missing; name the namespace", group.kind, meta.Name)
	}

	m.groups = append(m.groups, group)

	return nil
}

func decodeMeta(text []byte) (metav1.PartialObjectMetadata, error) {
	var meta metav1.PartialObjectMetadata

	err := yaml.Unmarshal(text, &meta)
	if err != nil {
		return meta, fmt.Errorf("read a manifest: %w", err)
	}

	return meta, nil
}

// sorted returns the groups as they are shown: by level, namespace and name.
func (m *manifests) sorted() []groupObject {
	return slices.SortedStableFunc(slices.Values(m.groups), func(a, b groupObject) int {
		return cmp.Compare(a.content.Owner(), b.content.Owner())
	})
}
