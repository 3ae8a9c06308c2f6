package kube_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	aac "k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/yaml"
)

func TestDebug(t *testing.T) {
	for n, k := range kinds() {
		c, _ := server(t)
		if n != "atomic selectors, empty" {
			cached := applied(t, c, intent(t, k.intent), k.object)
			for _, m := range cached.GetManagedFields() {
				b, _ := yaml.JSONToYAML(m.FieldsV1.GetRawBytes())
				fmt.Println(n, m.Manager, m.Operation, m.Subresource, "\n"+string(b))
			}
		} else {
			s := runtime.NewScheme()
			scheme.AddToScheme(s)
			tc := aac.NewTypeConverter(s)
			_, err := tc.ObjectToTyped(intent(t, k.intent).(runtime.Object))
			fmt.Println(err)
		}
	}
}
