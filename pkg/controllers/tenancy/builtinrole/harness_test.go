package builtinrole_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/builtinrole"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestBuiltinRoleKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t, builtinrole.Descriptor(), &iamv1beta1.BuiltinRole{}, &iamv1beta1.BuiltinRoleList{},
		[]harness.World{
			{Name: "extra", Objects: []client.Object{builtin("extra", `{"kind":"Role","metadata":{"name":"auditor"}}`)}},
			{Name: "ours", Objects: []client.Object{builtin("ours", `{"kind":"Role","metadata":{"name":"admin"}}`)}},
			{Name: "global", Objects: []client.Object{builtin("global", `{"kind":"GlobalRole","metadata":{"name":"g"}}`)}},
			{Name: "no name", Fails: true, Objects: []client.Object{builtin("unnamed", `{"kind":"Role"}`)}},
			{Name: "no kind", Fails: true, Objects: []client.Object{builtin("kindless", `{"metadata":{"name":"a"}}`)}},
			{Name: "no role", Fails: true, Objects: []client.Object{
				builtin("odd", `{"kind":"Role","metadata":{"name":"a"},"rules":"all"}`),
			}},
		}))
}

func TestRoleBaseKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t, builtinrole.RoleBaseDescriptor(), &iamv1alpha2.RoleBase{}, &iamv1alpha2.RoleBaseList{},
		[]harness.World{
			{Name: "extra", Objects: []client.Object{roleBase("extra", `{"kind":"Role","metadata":{"name":"auditor"}}`)}},
			{Name: "template", Objects: []client.Object{roleBase("template",
				`{"kind":"Role","metadata":{"name":"t","labels":{"iam.kubesphere.io/role-template":"true"}}}`)}},
			{Name: "unknown kind", Fails: true, Objects: []client.Object{
				roleBase("odd", `{"kind":"Rolle","metadata":{"name":"a"}}`),
			}},
		}))
}

func subject(
	t *testing.T, descriptor manager.Descriptor, primary client.Object, list client.ObjectList, worlds []harness.World,
) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range descriptor.AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name: descriptor.Name, Scheme: scheme, Primary: primary, Kinds: []client.ObjectList{list},
		StatusKinds: []client.Object{primary},
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := descriptor.New(manager.Dependencies{
				Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds: worlds, MaxReads: 1, MaxWrites: 1,
	}
}

func builtin(name, role string) *iamv1beta1.BuiltinRole {
	return &iamv1beta1.BuiltinRole{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Role: runtime.RawExtension{Raw: []byte(role)},
	}
}

func roleBase(name, role string) *iamv1alpha2.RoleBase {
	return &iamv1alpha2.RoleBase{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{tenantv1beta1.CustomAnnotation: "true"},
		},
		Role: runtime.RawExtension{Raw: []byte(role)},
	}
}
