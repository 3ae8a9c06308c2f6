package kube_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func TestRepro(t *testing.T) {
	c, _ := server(t)
	base := "apiVersion: apps/v1\nkind: Deployment\n"
	for _, tc := range [][3]string{
		{"labels", "metadata: {name: l, namespace: b, labels: {x: '1'}}", "metadata: {name: l, namespace: b, labels: {}}"},
		{"sec", "metadata: {name: s, namespace: b}\nspec: {template: {spec: {securityContext: {runAsUser: 0}}}}", "metadata: {name: s, namespace: b}\nspec: {template: {spec: {securityContext: {}}}}"},
		{"vol", "metadata: {name: v, namespace: b}\nspec: {template: {spec: {volumes: [{name: v, emptyDir: {}}]}}}", "metadata: {name: v, namespace: b}\nspec: {template: {spec: {volumes: []}}}"},
		{"cont", "metadata: {name: c, namespace: b}\nspec: {template: {spec: {containers: [{name: v, image: i}]}}}", "metadata: {name: c, namespace: b}\nspec: {template: {spec: {containers: []}}}"},
		{"order", "metadata: {name: o, namespace: b}\nspec: {template: {spec: {containers: [{name: v, image: i}, {name: w, image: i}]}}}", "metadata: {name: o, namespace: b}\nspec: {template: {spec: {containers: [{name: w, image: i}, {name: v, image: i}]}}}"},
		{"inner", "metadata: {name: i, namespace: b}\nspec: {template: {spec: {containers: [{name: v, ports: [{containerPort: 80}]}]}}}", "metadata: {name: i, namespace: b}\nspec: {template: {spec: {containers: [{name: v, ports: []}]}}}"},
		{"res", "metadata: {name: r, namespace: b}\nspec: {template: {spec: {containers: [{name: v, resources: {limits: {cpu: '1'}}}]}}}", "metadata: {name: r, namespace: b}\nspec: {template: {spec: {containers: [{name: v, resources: {}}]}}}"},
	} {
		if err := c.Apply(t.Context(), intent(t, base+tc[1]), client.FieldOwner("other"), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
		if err := c.Apply(t.Context(), intent(t, base+tc[2]), owner, client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
		d := &appsv1.Deployment{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "b", Name: tc[0][:1]}, d); err != nil {
			t.Fatal(err)
		}
		out, _ := yaml.Marshal(d.ManagedFields)
		t.Logf("%s:\n%s", tc[0], out)
	}
}
