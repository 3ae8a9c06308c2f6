package app

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// manifests are the objects of files.
type manifests struct {
	managers  []*notificationv2beta2.NotificationManager
	configs   []*notificationv2beta2.Config
	receivers []*notificationv2beta2.Receiver
	routers   []*notificationv2beta2.Router
	silences  []*notificationv2beta2.Silence
	rules     []*notificationv2beta2.InhibitRule
	policies  []*notificationv2beta2.NotificationPolicy
	secrets   []*corev1.Secret
	texts     []*corev1.ConfigMap
}

// readManifests reads files; "-" is the standard input.
func readManifests(paths []string, input io.Reader) (*manifests, error) {
	if len(paths) == 0 {
		return nil, usageError{errors.New("-f: name a file with manifests, or - for the standard input")}
	}

	read := &manifests{}

	for _, path := range paths {
		if err := read.file(path, input); err != nil {
			return nil, err
		}
	}

	if read.empty() {
		return nil, usageError{errors.New("-f: there is no object of " + notificationv2beta2.GroupName + " in it")}
	}

	if len(read.managers) > 1 {
		return nil, usageError{errors.New("-f: there are several NotificationManagers in it; give one")}
	}

	return read, nil
}

func (m *manifests) empty() bool {
	return len(m.managers)+len(m.configs)+len(m.receivers)+len(m.routers)+len(m.silences)+len(m.rules)+
		len(m.policies) == 0
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

	if head.Kind == "List" {
		return m.list(text)
	}

	group, err := groupOf(head.APIVersion)
	if err != nil {
		return err
	}

	switch group {
	case notificationv2beta2.GroupName:
		return m.own(head.Kind, text)
	case "":
		return m.core(head.Kind, text)
	default: // manifests stand together; what decides nothing here is passed over
		return nil
	}
}

func groupOf(version string) (string, error) {
	parsed, err := schema.ParseGroupVersion(version)
	if err != nil {
		return "", fmt.Errorf("read a manifest: apiVersion: %w", err)
	}

	return parsed.Group, nil
}

func (m *manifests) own(kind string, text []byte) error {
	switch follow.Kind(kind) {
	case follow.KindManager:
		return add(&m.managers, text)
	case follow.KindConfig:
		return add(&m.configs, text)
	case follow.KindReceiver:
		return add(&m.receivers, text)
	case follow.KindRouter:
		return add(&m.routers, text)
	case follow.KindSilence:
		return add(&m.silences, text)
	case follow.KindInhibitRule:
		return add(&m.rules, text)
	case follow.KindPolicy:
		return add(&m.policies, text)
	default:
		return fmt.Errorf("read a manifest: there is no kind %q in %s", kind, notificationv2beta2.GroupName)
	}
}

func (m *manifests) core(kind string, text []byte) error {
	switch kind {
	case "Secret":
		return add(&m.secrets, text)
	case "ConfigMap":
		return add(&m.texts, text)
	default:
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

// add decodes an object; fields that no version knows are mistakes.
func add[T any](to *[]*T, text []byte) error {
	object := new(T)
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		return fmt.Errorf("read a manifest: %w", err)
	}

	*to = append(*to, object)

	return nil
}

// manager is the NotificationManager, or one as KubeSphere installs it where the files have none.
func (m *manifests) manager() *notificationv2beta2.NotificationManager {
	if len(m.managers) == 1 {
		return m.managers[0]
	}

	of := func(value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{notificationv2beta2.TypeLabel: value}}
	}

	return &notificationv2beta2.NotificationManager{
		ObjectMeta: metav1.ObjectMeta{Name: follow.NameOfOld},
		Spec: notificationv2beta2.NotificationManagerSpec{
			DefaultConfigSelector: of(notificationv2beta2.TypeDefault),
			Receivers: notificationv2beta2.ReceiversSpec{
				TenantKey:              notificationv2beta2.TenantLabel,
				GlobalReceiverSelector: of(notificationv2beta2.TypeGlobal),
				TenantReceiverSelector: of(notificationv2beta2.TypeTenant),
			},
		},
	}
}

// sources are the Secrets and ConfigMaps of the files.
func (m *manifests) sources() resolve.Sources {
	return resolve.Sources{
		Secret: func(namespace, name string) (resolve.Object[secret.String], error) {
			for _, one := range m.secrets {
				if one.Namespace == namespace && one.Name == name {
					return resolve.Object[secret.String]{Labels: one.Labels, Data: secretData(one)}, nil
				}
			}

			return resolve.Object[secret.String]{}, resolve.ErrNotFound
		},
		ConfigMap: func(namespace, name string) (resolve.Object[string], error) {
			for _, one := range m.texts {
				if one.Namespace == namespace && one.Name == name {
					return resolve.Object[string]{Labels: one.Labels, Data: one.Data}, nil
				}
			}

			return resolve.Object[string]{}, resolve.ErrNotFound
		},
	}
}

func secretData(of *corev1.Secret) map[string]secret.String {
	data := map[string]secret.String{}

	for key, value := range of.Data {
		data[key] = secret.New(string(value))
	}

	for key, value := range of.StringData {
		data[key] = secret.New(value)
	}

	return data
}

// platform is what Receivers are resolved with, and what is wrong with it.
func (m *manifests) platform(namespace string) (*resolve.Platform, []resolve.Finding) {
	manager := m.manager()

	templates, found := follow.Templates(&manager.Spec, namespace, m.sources(), nil, time.Now)
	platform, more := resolve.New(resolve.Input{
		Manager: &manager.Spec, Namespace: namespace, Configs: m.configs, Policies: m.policies, Templates: templates,
		Sources: m.sources(), Stack: egress.New(egress.Options{}), Tokens: token.New(time.Now), Clock: time.Now,
		Random: rand.Reader,
	})

	return platform, append(found, more...)
}

// receiver is a Receiver of the files.
func (m *manifests) receiver(name string) *notificationv2beta2.Receiver {
	for _, one := range m.receivers {
		if one.Name == name {
			return one
		}
	}

	return nil
}
