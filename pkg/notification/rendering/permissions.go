package rendering

import (
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// ClusterRules are what the service may do in the whole cluster at most: whoever makes its roles has to have that.
func ClusterRules() []rbacv1.PolicyRule {
	return append(watching(), kubeSphereName(), tokens(), access())
}

// NamespaceRules are what it may do in a namespace at most.
func NamespaceRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{secrets, configMaps}, Verbs: readVerbs()}}
}

const (
	secrets, configMaps = "secrets", "configmaps"
	get, listing, watch = "get", "list", "watch"
)

func readVerbs() []string { return []string{get, listing, watch} }

// watching is to read the objects of users, and to say in their status what became of messages.
func watching() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{notificationv2beta2.GroupName},
			Resources: []string{
				"configs", "inhibitrules", "notificationmanagers", "notificationpolicies", "receivers", "routers",
				"silences",
			},
			Verbs: readVerbs(),
		},
		{
			APIGroups: []string{notificationv2beta2.GroupName},
			Resources: []string{
				"inhibitrules/status", "notificationmanagers/status", "receivers/status", "silences/status",
			},
			Verbs: []string{"patch"},
		},
	}
}

// kubeSphereName is to find the name of the cluster.
func kubeSphereName() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces"},
		ResourceNames: []string{notificationv2beta2.ClusterNamespace}, Verbs: []string{get},
	}
}

// tokens is to find out who asks.
func tokens() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"},
	}
}

// access is to find out which tenants may see a namespace.
func access() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"},
		Verbs: []string{"create"},
	}
}

// account is the one that pods run as.
func (r *renderer) account() string {
	if r.spec.ServiceAccountName != "" {
		return r.spec.ServiceAccountName
	}

	return AccountName(r.name)
}

// permissions are the account, unless it is one that is named, and its roles.
func (r *renderer) permissions() []runtime.ApplyConfiguration {
	var made []runtime.ApplyConfiguration

	if r.spec.ServiceAccountName == "" {
		made = append(made, corev1ac.ServiceAccount(AccountName(r.name), r.target.Namespace).
			WithLabels(r.labels).WithOwnerReferences(r.owner()))
	}

	rules := append(watching(), kubeSphereName())

	if r.spec.Auth != nil && r.spec.Auth.TokenReview != nil {
		rules = append(rules, tokens())
	}

	if r.asksForTenants() {
		rules = append(rules, access())
	}

	name := ClusterRoleName(r.name)
	made = append(made,
		rbacv1ac.ClusterRole(name).WithLabels(r.labels).WithOwnerReferences(r.owner()).WithRules(written(rules)...),
		rbacv1ac.ClusterRoleBinding(name).WithLabels(r.labels).WithOwnerReferences(r.owner()).
			WithRoleRef(roleRef("ClusterRole", name)).WithSubjects(r.subject()))

	named := r.named()
	for _, namespace := range slices.Sorted(maps.Keys(named)) {
		made = append(made,
			rbacv1ac.Role(AccountName(r.name), namespace).WithLabels(r.labels).WithOwnerReferences(r.owner()).
				WithRules(written(named[namespace])...),
			rbacv1ac.RoleBinding(AccountName(r.name), namespace).WithLabels(r.labels).WithOwnerReferences(r.owner()).
				WithRoleRef(roleRef("Role", AccountName(r.name))).WithSubjects(r.subject()))
	}

	return made
}

func roleRef(kind, name string) *rbacv1ac.RoleRefApplyConfiguration {
	return rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind(kind).WithName(name)
}

func (r *renderer) subject() *rbacv1ac.SubjectApplyConfiguration {
	return rbacv1ac.Subject().
		WithKind(rbacv1.ServiceAccountKind).WithNamespace(r.target.Namespace).WithName(r.account())
}

func written(rules []rbacv1.PolicyRule) []*rbacv1ac.PolicyRuleApplyConfiguration {
	made := make([]*rbacv1ac.PolicyRuleApplyConfiguration, 0, len(rules))

	for _, rule := range rules {
		one := rbacv1ac.PolicyRule().
			WithAPIGroups(rule.APIGroups...).WithResources(rule.Resources...).WithVerbs(rule.Verbs...)
		made = append(made, one.WithResourceNames(rule.ResourceNames...))
	}

	return made
}

// named are the rules for Secrets and ConfigMaps by namespace: all of those in the namespace that is for them, and
// those alone that the NotificationManager itself names elsewhere. For what Configs name in other namespaces the
// administrators of those make a Role.
func (r *renderer) named() map[string][]rbacv1.PolicyRule {
	secretNames, mapNames := map[string][]string{}, map[string][]string{}

	r.eachSecret(func(one *notificationv2beta2.Credential) {
		if ref := one.Ref(); ref != nil && ref.Name != "" {
			namespace := r.in(ref.Namespace)
			secretNames[namespace] = append(secretNames[namespace], ref.Name)
		}
	})
	r.eachConfigMap(func(one *notificationv2beta2.ConfigmapKeySelector) {
		if one.Name != "" {
			namespace := r.in(one.Namespace)
			mapNames[namespace] = append(mapNames[namespace], one.Name)
		}
	})

	all := r.secretNamespace()
	made := map[string][]rbacv1.PolicyRule{all: NamespaceRules()}

	for resource, names := range map[string]map[string][]string{secrets: secretNames, configMaps: mapNames} {
		for namespace, list := range names {
			if namespace == all {
				continue
			}

			slices.Sort(list)

			made[namespace] = append(made[namespace], rbacv1.PolicyRule{
				APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: slices.Compact(list),
				Verbs: readVerbs(),
			})
		}
	}

	for _, rules := range made {
		slices.SortFunc(rules, func(a, b rbacv1.PolicyRule) int { return slices.Compare(a.Resources, b.Resources) })
	}

	return made
}

// in is the namespace that counts where none is named.
func (r *renderer) in(namespace string) string {
	if namespace == "" {
		return r.secretNamespace()
	}

	return namespace
}

// eachSecret visits the credentials of the NotificationManager itself.
func (r *renderer) eachSecret(visit func(*notificationv2beta2.Credential)) {
	if r.spec.Auth != nil {
		visit(r.spec.Auth.BearerToken)
	}

	if r.spec.History == nil || r.spec.History.Webhook == nil || r.spec.History.Webhook.HTTPConfig == nil {
		return
	}

	config := r.spec.History.Webhook.HTTPConfig
	visit(config.BearerToken)

	if config.BasicAuth != nil {
		visit(config.BasicAuth.Password)
	}

	if config.TLSConfig == nil {
		return
	}

	visit(config.TLSConfig.RootCA)

	if certificate := config.TLSConfig.ClientCertificate; certificate != nil {
		visit(certificate.Cert)
		visit(certificate.Key)
	}
}

// eachConfigMap visits the ConfigMaps of the NotificationManager itself.
func (r *renderer) eachConfigMap(visit func(*notificationv2beta2.ConfigmapKeySelector)) {
	if r.spec.History != nil && r.spec.History.Webhook != nil && r.spec.History.Webhook.TmplText != nil {
		visit(r.spec.History.Webhook.TmplText)
	}

	if r.spec.Template == nil {
		return
	}

	if r.spec.Template.Text != nil {
		visit(r.spec.Template.Text)
	}

	for i := range r.spec.Template.LanguagePack {
		visit(&r.spec.Template.LanguagePack[i])
	}
}
