package scale

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// bcryptHash is the hash of no password that anybody knows.
const bcryptHash = "$2a$10$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234"

// Tenancy is workspaces with their namespaces, roles and members.
func Tenancy() Scenario {
	return Scenario{
		Name:  "tenancy",
		Sizes: []Size{T10(), ManyWorkspaces()},
		AddToScheme: func(scheme *runtime.Scheme) error {
			return errors.Join(
				clientgoscheme.AddToScheme(scheme), tenantv1beta1.AddToScheme(scheme), iamv1beta1.AddToScheme(scheme))
		},
		Generate:  generateTenancy,
		Objects:   tenancyObjects,
		Converged: tenancyConverged,
		Resync:    changeBuiltinRole,
		Edits: []Edit{
			{Name: "member", Prepare: prepareMember},
			{Name: "project", Prepare: prepareProject},
			{Name: "manager", Prepare: prepareManager},
		},
	}
}

func generateTenancy(size Size, seed uint64) []Stage {
	return []Stage{
		{Name: "users", Objects: numbered(size.Users, user)},
		{Name: "workspace templates", Objects: numbered(size.Workspaces, func(i int) client.Object {
			return workspaceTemplate(i, size, seed)
		})},
		{Name: "namespaces", Objects: numbered(size.Namespaces, func(i int) client.Object {
			return namespace(i, size)
		})},
		{Name: "bindings", Objects: bindings(size, seed)},
		{Name: "foreign secrets", Objects: numbered(size.Secrets, func(i int) client.Object {
			return foreignSecret(i, size, seed)
		})},
	}
}

// numbered makes objects from 0 to count.
func numbered(count int, object func(int) client.Object) iter.Seq[client.Object] {
	return func(yield func(client.Object) bool) {
		for i := range count {
			if !yield(object(i)) {
				return
			}
		}
	}
}

// draw is a source of random numbers for the numbered object of a kind, the same in each run with the seed.
func draw(seed uint64, kind string, number int) *rand.ChaCha8 {
	var key [32]byte

	copy(key[:], fmt.Sprintf("%016x%08x%s", seed, number, kind))

	return rand.NewChaCha8(key)
}

// The names of what is generated.
func userName(i int) string      { return fmt.Sprintf("user-%04d", i) }
func workspaceName(i int) string { return fmt.Sprintf("ws-%04d", i) }
func namespaceName(i int) string { return fmt.Sprintf("project-%05d", i) }

// workspaceOf is the number of the workspace of the numbered namespace.
func workspaceOf(namespace int, size Size) int { return namespace % size.Workspaces }

// namespacesOf are the names of the namespaces of the numbered workspace.
func namespacesOf(workspace int, size Size) []string {
	var names []string
	for i := workspace; i < size.Namespaces; i += size.Workspaces {
		names = append(names, namespaceName(i))
	}

	return names
}

func user(i int) client.Object {
	return &iamv1beta1.User{
		ObjectMeta: metav1.ObjectMeta{Name: userName(i)},
		Spec: iamv1beta1.UserSpec{
			Email: userName(i) + "@example.com", Password: bcryptHash,
		},
	}
}

func workspaceTemplate(i int, size Size, seed uint64) client.Object {
	random := rand.New(draw(seed, "template", i)) //nolint:gosec // to be drawn again

	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: workspaceName(i)}}
	template.Spec.Template.Spec.Manager = userName(random.IntN(size.Users))
	template.Spec.Placement.ClusterSelector = &metav1.LabelSelector{}

	return template
}

func namespace(i int, size Size) client.Object {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   namespaceName(i),
		Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspaceName(workspaceOf(i, size))},
	}}
}

// The roles of each workspace that somebody is bound to, and so has in its namespaces.
const (
	viewer          = "viewer"
	selfProvisioner = "self-provisioner"
	administrator   = "admin"
)

// The service account that administers all workspaces.
const robotNamespace, robotName = "default", "robot"

// roleName is the name of a built-in role of the numbered workspace.
func roleName(workspace int, role string) string { return workspaceName(workspace) + "-" + role }

// bindings are three for each workspace.
func bindings(size Size, seed uint64) iter.Seq[client.Object] {
	const viewers, provisioners = 5, 2

	return func(yield func(client.Object) bool) {
		for i := range size.Workspaces {
			random := rand.New(draw(seed, "bindings", i)) //nolint:gosec // to be drawn again
			chosen := random.Perm(size.Users)

			group := rbacv1.Subject{
				Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "group-" + workspaceName(i),
			}
			robot := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: robotNamespace, Name: robotName}

			for _, made := range []*iamv1beta1.WorkspaceRoleBinding{
				binding(i, viewer, people(chosen[:viewers])...),
				binding(i, selfProvisioner, append(people(chosen[viewers:viewers+provisioners]), group)...),
				binding(i, administrator, robot),
			} {
				if !yield(made) {
					return
				}
			}
		}
	}
}

func people(numbers []int) []rbacv1.Subject {
	subjects := make([]rbacv1.Subject, 0, len(numbers))
	for _, i := range numbers {
		subjects = append(subjects, person(userName(i)))
	}

	return subjects
}

func person(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
}

func bindingName(workspace int, role string) string { return roleName(workspace, role) + "-members" }

func binding(workspace int, role string, subjects ...rbacv1.Subject) *iamv1beta1.WorkspaceRoleBinding {
	made := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{
		Name:   bindingName(workspace, role),
		Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspaceName(workspace)},
	}}
	made.RoleRef = rbacv1.RoleRef{
		APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: roleName(workspace, role),
	}
	made.Subjects = subjects

	return made
}

// foreignSecret has content that no compression makes smaller, in one of the namespaces.
func foreignSecret(i int, size Size, seed uint64) client.Object {
	content := make([]byte, size.SecretBytes)
	_, _ = draw(seed, "secret", i).Read(content) // it never fails

	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("foreign-%05d", i), Namespace: namespaceName(i % size.Namespaces),
		},
		Data: map[string][]byte{"content": content},
	}
}
