package install_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// guide is what docs/guides/installing.md says to do.
type guide struct {
	install, component, remove []string
}

func readGuide(t *testing.T) guide {
	t.Helper()

	content, err := os.ReadFile(root + "/docs/guides/installing.md")
	if err != nil {
		t.Fatal(err)
	}

	var blocks [][]string

	for _, part := range strings.Split(string(content), "```console\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, strings.Split(strings.TrimSpace(block), "\n"))
	}

	if len(blocks) != 3 {
		t.Fatalf("the guide has %d blocks of commands, not those to install, to add and to remove", len(blocks))
	}

	return guide{install: blocks[0], component: blocks[1], remove: blocks[2]}
}

// run runs commands that must succeed, as they stand in the guide but for the folder they are run in.
func run(t *testing.T, commands []string) {
	t.Helper()

	for _, command := range commands {
		begun := time.Now()

		if err := try(t.Context(), command); err != nil {
			t.Fatal(err)
		}

		if took := time.Since(begun); took > 3*time.Second {
			t.Logf("%s: took %s", command, took.Round(time.Second))
		}
	}
}

func try(ctx context.Context, command string) error {
	if arguments, isManager := strings.CutPrefix(command, "bin/ks-controller-manager "); isManager {
		return manage(ctx, strings.Fields(arguments))
	}

	arguments, isKubectl := strings.CutPrefix(command, "kubectl ")
	if !isKubectl {
		return fmt.Errorf("%q is no command of kubectl", command)
	}

	_, err := shared.Kubectl(ctx, strings.Fields(strings.ReplaceAll(arguments, " config/", " "+root+"/config/"))...)

	return err
}

// manage runs a command of the manager's.
func manage(ctx context.Context, arguments []string) error {
	command, err := app.NewCommand( //nolint:contextcheck // cobra hands it on
		"ks-controller-manager", "test", controllers.Catalog())
	if err != nil {
		return fmt.Errorf("make the command: %w", err)
	}

	command.SetOut(io.Discard)
	command.SetArgs(append(arguments, "--kubeconfig="+shared.Kubeconfig()))

	return command.ExecuteContext(ctx)
}

// The commands of the guide are run as they stand there. A command that waits in vain fails by its own timeout.
//
//nolint:tparallel // the last part begins where the others end
func TestInstallingAndRemoving(t *testing.T) {
	t.Parallel()

	commands := readGuide(t)
	before := everything(t)

	startNode(t)
	run(t, commands.install)

	makeWorkspace(t, "shop", "dora")

	run(t, commands.component)
	kubectl(t, "wait", "--for=create", "--timeout=1m", "clusterrolebinding/"+access.WorkspaceRoleSelfName("shop-admin"))
	checkThere(t, []string{
		"clusterroles " + access.WorkspaceRoleSelfName("shop-admin"),
		"clusterrolebindings " + access.WorkspaceRoleSelfName("shop-admin"),
	})

	run(t, commands.remove)
	checkNamespaces(t, "shop", true)

	eventually(t, "nothing of ours is left", func(context.Context) error {
		now := everything(t) //nolint:contextcheck // a test has one

		left := slices.DeleteFunc(slices.Sorted(maps.Keys(now)), func(object string) bool {
			return before[object] || isOfOthers(object)
		})

		if len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}

		return nil
	})

	t.Run("wrong orders", wrongOrders)
}

// wrongOrders show what the guide warns of, and that its remedy helps.
func wrongOrders(t *testing.T) {
	commands := readGuide(t)

	t.Run("the definitions while the manager runs", func(t *testing.T) {
		run(t, commands.install)
		makeWorkspace(t, "together", "dora")

		// It hangs or it does not: that depends on which definition goes first.
		if err := try(t.Context(), "kubectl delete -k config/crd --timeout=10s"); err != nil {
			t.Log(err)
		}

		run(t, commands.remove)
		checkNamespaces(t, "together", true)
	})

	t.Run("the manager before its finalizers are off", func(t *testing.T) {
		run(t, commands.install)
		makeWorkspace(t, "stranded", "dora")
		run(t, []string{"kubectl delete -k config/manager --cascade=foreground --timeout=1m"})

		// kubectl says that the time is over, or that it would be before it may ask once more.
		const hangs = "kubectl delete -k config/crd --timeout=10s"

		err := try(t.Context(), hangs)
		if err == nil || !strings.Contains(err.Error(), "timed out") && !strings.Contains(err.Error(), "deadline") {
			t.Fatalf("%s did not hang: %v", hangs, err)
		}

		run(t, commands.remove)
		checkNamespaces(t, "stranded", true)
	})
}

// makeWorkspace makes a workspace with two namespaces: one that has its label, and one that 3.x made it the owner of
// too.
func makeWorkspace(t *testing.T, name, manager string) {
	t.Helper()

	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}
	template.Spec.Template.Spec.Manager = manager
	template.Spec.Placement.ClusterSelector = &metav1.LabelSelector{}

	if err := admin.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}

	kubectl(t, "wait", "--for=condition=Ready", "--timeout=1m", "workspacetemplate/"+name)

	workspace := &tenantv1beta1.Workspace{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: name}, workspace); err != nil {
		t.Fatal(err)
	}

	isTrue := true
	owner := metav1.OwnerReference{
		APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: name, UID: workspace.UID,
		Controller: &isTrue, BlockOwnerDeletion: &isTrue,
	}

	// 3.x knew no guard; with it nobody makes a Workspace the owner of a namespace any more.
	kubectl(t, "delete", "validatingadmissionpolicybinding", "ks-namespace-creation")

	for suffix, owners := range map[string][]metav1.OwnerReference{"-labelled": nil, "-owned": {owner}} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name + suffix, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: name}, OwnerReferences: owners,
		}}

		eventually(t, "the guard lets the namespace be made", func(ctx context.Context) error {
			return admin.Create(ctx, namespace)
		})
		t.Cleanup(func() {
			err := admin.Delete(context.WithoutCancel(t.Context()), namespace)
			if client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		})
	}

	kubectl(t, "apply", "--server-side", "-k", root+"/config/policy")
	kubectl(t, "wait", "--for=jsonpath={.status.namespaceCount}=2", "--timeout=1m", "workspace/"+name)

	// The owner reference goes before anything else can happen to the namespace.
	eventually(t, "the namespace is its own", func(ctx context.Context) error {
		namespace := &corev1.Namespace{}
		if err := admin.Get(ctx, client.ObjectKey{Name: name + "-owned"}, namespace); err != nil {
			return fmt.Errorf("read the namespace: %w", err)
		}

		if len(namespace.OwnerReferences) > 0 {
			return fmt.Errorf("it is owned by %v", namespace.OwnerReferences)
		}

		return nil
	})
}

// checkNamespaces expects both namespaces to be there for good, with their label or without.
func checkNamespaces(t *testing.T, workspace string, hasLabel bool) {
	t.Helper()

	for _, suffix := range []string{"-labelled", "-owned"} {
		namespace := &corev1.Namespace{}
		if err := admin.Get(t.Context(), client.ObjectKey{Name: workspace + suffix}, namespace); err != nil {
			t.Fatal(err)
		}

		if !namespace.DeletionTimestamp.IsZero() || len(namespace.OwnerReferences) > 0 ||
			(namespace.Labels[tenantv1beta1.WorkspaceLabel] == workspace) != hasLabel {
			t.Errorf("namespace %s, with its label %t: %+v", namespace.Name, hasLabel, namespace.ObjectMeta)
		}
	}
}

func checkThere(t *testing.T, objects []string) {
	t.Helper()

	there := everything(t)

	for _, object := range objects {
		if !there[object] {
			t.Errorf("%s is not there", object)
		}
	}
}

// everything lists all that the API server holds, by "resource namespace/name".
func everything(t *testing.T) map[string]bool {
	t.Helper()

	clients, err := discovery.NewDiscoveryClientForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}

	lists, err := clients.ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // a kind is on its way out
		t.Fatal(err)
	}

	found := map[string]bool{}

	for _, list := range lists {
		for _, resource := range list.APIResources {
			if slices.Contains(resource.Verbs, "list") && resource.Name != "events" {
				kind := schema.FromAPIVersionAndKind(list.GroupVersion, resource.Kind)
				addNames(t, kind, resource.Name, found)
			}
		}
	}

	return found
}

func addNames(t *testing.T, kind schema.GroupVersionKind, resource string, found map[string]bool) {
	t.Helper()

	objects := &metav1.PartialObjectMetadataList{}
	objects.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))

	if err := admin.List(t.Context(), objects); err != nil {
		return // it has gone meanwhile, or is none that is stored
	}

	for i := range objects.Items {
		found[resource+" "+strings.TrimPrefix(client.ObjectKeyFromObject(&objects.Items[i]).String(), "/")] = true
	}
}

// isOfOthers tells what comes and goes beside an installation: the namespaces of the workspace, which are to stay,
// and the work of the other tests.
func isOfOthers(object string) bool {
	_, name, _ := strings.Cut(object, " ")

	for _, part := range []string{"shop-labelled", "shop-owned", "-test", "install.example.com", "elsewhere"} {
		if strings.Contains(name, part) {
			return true
		}
	}

	return slices.Contains(trials(), name)
}
