package doubles

import (
	"testing"

	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// Manager is a NotificationManager as KubeSphere installs it, that may send to this machine.
func Manager(tb testing.TB, more string) *notificationv2beta2.NotificationManager {
	tb.Helper()

	return Read[notificationv2beta2.NotificationManager](tb, `
metadata: {name: notification-manager, uid: manager}
spec:
  receivers:
    tenantKey: user
    globalReceiverSelector: {matchLabels: {type: global}}
    tenantReceiverSelector: {matchLabels: {type: tenant}}
  defaultConfigSelector: {matchLabels: {type: default}}
  groupLabels: [alertname, namespace]
  batchMaxWait: 10ms
  delivery: {egress: {allow: [127.0.0.0/8]}}
`+more)
}

// Read reads an object.
func Read[T any](tb testing.TB, text string) *T {
	tb.Helper()

	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		tb.Fatal(err)
	}

	return object
}

// Webhook is a global Receiver with a webhook.
func Webhook(tb testing.TB, name, url string) *notificationv2beta2.Receiver {
	tb.Helper()

	return Read[notificationv2beta2.Receiver](tb, `
metadata: {name: `+name+`, labels: {type: global}}
spec: {webhook: {url: "`+url+`"}}
`)
}
