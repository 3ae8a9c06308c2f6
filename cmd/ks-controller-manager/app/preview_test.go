package app

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// cluster is one in memory with the workspaces a and b, alice's role in a, and a namespace in a.
func clusterInMemory(t *testing.T) client.Reader {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	in := map[string]string{tenantv1beta1.WorkspaceLabel: "a"}
	role := &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{Name: "a-dev", Labels: in}}
	role.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
	binding := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "alice", Labels: in}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: "a-dev"}
	binding.Subjects = []rbacv1.Subject{{Kind: "User", Name: "alice"}}

	protected := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "safe", Labels: map[string]string{
		tenantv1beta1.WorkspaceLabel: "b", tenantv1beta1.ProtectedLabel: "true",
	}}}

	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
		&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "b"}},
		role, binding, protected,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "payroll", Labels: in}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "payroll", Name: "eve"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "kubesphere:iam:viewer"},
			Subjects:   []rbacv1.Subject{{Kind: "User", Name: "eve"}},
		},
	).WithInterceptorFuncs(interceptor.Funcs{
		// The API services of a cluster are no kind of this scheme.
		List: func(
			ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption,
		) error {
			if list.GetObjectKind().GroupVersionKind().Group == "apiregistration.k8s.io" {
				return nil
			}

			return c.List(ctx, list, options...)
		},
	}).Build()
}

// previewed runs the command and returns what it printed.
func previewed(t *testing.T, arguments ...string) (string, error) {
	t.Helper()

	reader := clusterInMemory(t)
	shared := &previewOptions{options: &options{}, compat: access.ProfileAuto}
	shared.world = func(ctx context.Context, profile access.Profile, concerned scope) (preview.World, error) {
		return gatherWorld(ctx, reader, profile, concerned)
	}

	var out bytes.Buffer

	command := shared.command()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(arguments)

	err := command.ExecuteContext(t.Context())

	return out.String(), err
}

func TestPreview(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		arguments string
		wants     []string
		refused   string
	}{
		"transfer": {"transfer payroll --to b", []string{
			"payroll    a     b   binding removed  kubesphere:workspacerole:a-dev",
			"payroll    a     b   loses access     User alice: WorkspaceRole a-dev",
		}, ""},
		"transfer as JSON":      {"transfer payroll --to b -o json", []string{`"loses": [`, `"subject": "User alice"`}, ""},
		"transfer as YAML":      {"transfer payroll --to b -o yaml", []string{"workspace: b", "subject: User alice"}, ""},
		"transfer of nothing":   {"transfer other --to b", []string{"In the way: namespace other does not exist"}, "namespace other"},
		"transfer to nowhere":   {"transfer payroll --to c", []string{"In the way: workspace c does not exist"}, "workspace c"},
		"nothing changes":       {"transfer payroll --to a", []string{"a   none"}, ""},
		"orphan":                {"delete workspace a", []string{"propagation Orphan", "payroll          freed  role removed", "User eve: Role kubesphere:iam:viewer"}, ""},
		"cascade":               {"delete workspace a --propagation=Foreground", []string{"payroll          deleted  loses access", "(the workspace)"}, ""},
		"protected":             {"delete workspace b --propagation=Background", []string{"safe", "kept", "In the way: namespace safe is protected"}, "namespace safe is protected"},
		"roles of KubeSphere 3": {"delete workspace a --compat=v3", []string{"role removed     viewer"}, ""},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			out, err := previewed(t, strings.Fields(test.arguments)...)
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("error %v, want %q", err, test.refused)
			}

			if _, ok := errors.AsType[usageError](err); ok {
				t.Errorf("a mistake in the command line: %v", err)
			}

			for _, want := range test.wants {
				if !strings.Contains(out, want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestPreviewUsage(t *testing.T) {
	t.Parallel()

	for arguments, want := range map[string]string{
		"":                                   "say what to preview",
		"transfer":                           "name the namespaces",
		"transfer payroll":                   "with --to",
		"transfer payroll --to b -o xml":     "--output=xml",
		"delete workspace":                   "want: delete workspace NAME",
		"delete namespace x":                 "want: delete workspace NAME",
		"delete workspace a --propagation=x": "--propagation=x",
		"elsewhere":                          `unknown argument "elsewhere"`,
	} {
		_, err := previewed(t, strings.Fields(arguments)...)

		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", arguments, err, want)
		}
	}
}
