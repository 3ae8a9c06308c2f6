// Package features holds the feature gates of this project: their names, the release each stage began with,
// and which gate needs which other one. Gates live in an instance that a process makes for itself, apart
// from the gates of the libraries it uses.
package features

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"

	"github.com/ks-core/ks-controller-manager/pkg/suggest"
)

// Release is the release line whose gates are in force, as major.minor.
const Release = "0.1"

// Every controller has a gate of its own, named after it.
const (
	// Workspace counts the namespaces of each Workspace and reports on it.
	//
	// domain: tenancy
	// beta: v0.1
	Workspace featuregate.Feature = "Workspace"

	// WorkspaceTemplate makes the Workspace of each WorkspaceTemplate and lets its manager administer it.
	//
	// domain: tenancy
	// beta: v0.1
	WorkspaceTemplate featuregate.Feature = "WorkspaceTemplate"

	// Namespace makes the built-in roles of each namespace in a workspace, and workspace roles effective in it.
	//
	// domain: tenancy
	// beta: v0.1
	Namespace featuregate.Feature = "Namespace"

	// WorkspaceRole makes the native ClusterRoles of each WorkspaceRole.
	//
	// domain: tenancy
	// beta: v0.1
	WorkspaceRole featuregate.Feature = "WorkspaceRole"

	// WorkspaceRoleBinding reports on each WorkspaceRoleBinding.
	//
	// domain: tenancy
	// beta: v0.1
	WorkspaceRoleBinding featuregate.Feature = "WorkspaceRoleBinding"

	// BuiltinRole reports on each BuiltinRole.
	//
	// domain: tenancy
	// beta: v0.1
	BuiltinRole featuregate.Feature = "BuiltinRole"

	// RoleBase reports on each RoleBase.
	//
	// domain: tenancy
	// beta: v0.1
	RoleBase featuregate.Feature = "RoleBase"

	// WorkspacePolicy finds the workspaces that are full.
	//
	// domain: tenancy
	// beta: v0.1
	WorkspacePolicy featuregate.Feature = "WorkspacePolicy"

	// NamespaceAssignment puts namespaces into workspaces by selector.
	//
	// domain: tenancy
	// beta: v0.1
	NamespaceAssignment featuregate.Feature = "NamespaceAssignment"

	// GlobalRole makes the native ClusterRole of each GlobalRole.
	//
	// domain: tenancy
	// beta: v0.1
	GlobalRole featuregate.Feature = "GlobalRole"

	// GlobalRoleBinding makes the native binding of each GlobalRoleBinding.
	//
	// domain: tenancy
	// beta: v0.1
	GlobalRoleBinding featuregate.Feature = "GlobalRoleBinding"

	// Role makes the native Role of each Role of the group iam.kubesphere.io.
	//
	// domain: tenancy
	// beta: v0.1
	Role featuregate.Feature = "Role"

	// RoleBinding makes the native binding of each RoleBinding of the group iam.kubesphere.io.
	//
	// domain: tenancy
	// beta: v0.1
	RoleBinding featuregate.Feature = "RoleBinding"

	// ClusterRole makes the native ClusterRole of each ClusterRole of the group iam.kubesphere.io.
	//
	// domain: tenancy
	// beta: v0.1
	ClusterRole featuregate.Feature = "ClusterRole"

	// ClusterRoleBinding makes the native binding of each ClusterRoleBinding of the group iam.kubesphere.io.
	//
	// domain: tenancy
	// beta: v0.1
	ClusterRoleBinding featuregate.Feature = "ClusterRoleBinding"

	// ServiceAccount gives service accounts the role their annotation names.
	//
	// domain: tenancy
	// beta: v0.1
	ServiceAccount featuregate.Feature = "ServiceAccount"

	// User hashes passwords, keeps the states of users, and cleans up after them.
	//
	// domain: tenancy
	// beta: v0.1
	User featuregate.Feature = "User"

	// LoginRecord lets login records go when they are old or too many.
	//
	// domain: tenancy
	// beta: v0.1
	LoginRecord featuregate.Feature = "LoginRecord"

	// Group cleans up after groups.
	//
	// domain: tenancy
	// beta: v0.1
	Group featuregate.Feature = "Group"

	// GroupBinding makes users members of groups.
	//
	// domain: tenancy
	// beta: v0.1
	GroupBinding featuregate.Feature = "GroupBinding"

	// RuleGroup makes the PrometheusRule of each RuleGroup.
	//
	// domain: alerting
	// alpha: v0.1
	RuleGroup featuregate.Feature = "RuleGroup"

	// ClusterRuleGroup makes the PrometheusRule of each ClusterRuleGroup.
	//
	// domain: alerting
	// alpha: v0.1
	ClusterRuleGroup featuregate.Feature = "ClusterRuleGroup"

	// GlobalRuleGroup makes the PrometheusRule of each GlobalRuleGroup.
	//
	// domain: alerting
	// alpha: v0.1
	GlobalRuleGroup featuregate.Feature = "GlobalRuleGroup"

	// AlertingPolicy reports on each AlertingPolicy.
	//
	// domain: alerting
	// alpha: v0.1
	AlertingPolicy featuregate.Feature = "AlertingPolicy"

	// BuiltinRules makes the built-in GlobalRuleGroups.
	//
	// domain: alerting
	// alpha: v0.1
	BuiltinRules featuregate.Feature = "BuiltinRules"

	// CustomRuleMigration makes RuleGroups of the custom alert rules of KubeSphere 3.3.
	//
	// domain: alerting
	// alpha: v0.1
	CustomRuleMigration featuregate.Feature = "CustomRuleMigration"

	// PackedRuleMigration removes the packed PrometheusRules of KubeSphere 3.4.
	//
	// domain: alerting
	// alpha: v0.1
	PackedRuleMigration featuregate.Feature = "PackedRuleMigration"

	// NotificationManager runs the service of each NotificationManager.
	//
	// domain: notification
	// alpha: v0.1
	NotificationManager featuregate.Feature = "NotificationManager"

	// NotificationConfig checks Configs, Receivers, Routers, Silences, InhibitRules and NotificationPolicies.
	//
	// domain: notification
	// alpha: v0.1
	NotificationConfig featuregate.Feature = "NotificationConfig"

	// Alertmanager makes KubeSphere's Alertmanager and its configuration.
	//
	// domain: notification
	// alpha: v0.1
	Alertmanager featuregate.Feature = "Alertmanager"
)

// Gates answers which features are on, and can be set from the command line.
type Gates = featuregate.MutableVersionedFeatureGate

// New returns the gates of this release, each at its default.
func New() (Gates, error) {
	gates := featuregate.NewVersionedFeatureGate(version.MustParse(Release))

	if err := gates.AddVersioned(specs()); err != nil {
		return nil, fmt.Errorf("register the feature gates: %w", err)
	}

	if err := gates.AddDependencies(dependencies()); err != nil {
		return nil, fmt.Errorf("register the dependencies of feature gates: %w", err)
	}

	return gates, nil
}

func specs() map[featuregate.Feature]featuregate.VersionedSpecs {
	alpha := func() featuregate.VersionedSpecs {
		return featuregate.VersionedSpecs{
			{Version: version.MustParse("0.1"), Default: false, PreRelease: featuregate.Alpha},
		}
	}

	beta := func() featuregate.VersionedSpecs {
		return featuregate.VersionedSpecs{
			{Version: version.MustParse("0.1"), Default: true, PreRelease: featuregate.Beta},
		}
	}

	return map[featuregate.Feature]featuregate.VersionedSpecs{
		Workspace:            beta(),
		WorkspaceTemplate:    beta(),
		Namespace:            beta(),
		WorkspaceRole:        beta(),
		WorkspaceRoleBinding: beta(),
		BuiltinRole:          beta(),
		RoleBase:             beta(),
		WorkspacePolicy:      beta(),
		NamespaceAssignment:  beta(),
		GlobalRole:           beta(),
		GlobalRoleBinding:    beta(),
		Role:                 beta(),
		RoleBinding:          beta(),
		ClusterRole:          beta(),
		ClusterRoleBinding:   beta(),
		ServiceAccount:       beta(),
		User:                 beta(),
		LoginRecord:          beta(),
		Group:                beta(),
		GroupBinding:         beta(),
		RuleGroup:            alpha(),
		ClusterRuleGroup:     alpha(),
		GlobalRuleGroup:      alpha(),
		AlertingPolicy:       alpha(),
		BuiltinRules:         alpha(),
		CustomRuleMigration:  alpha(),
		PackedRuleMigration:  alpha(),
		NotificationManager:  alpha(),
		NotificationConfig:   alpha(),
		Alertmanager:         alpha(),
	}
}

// dependencies maps a gate to those it cannot work without.
func dependencies() map[featuregate.Feature][]featuregate.Feature {
	return map[featuregate.Feature][]featuregate.Feature{
		// A template is Ready when its Workspace is, and it is the Workspace controller that says so.
		WorkspaceTemplate: {Workspace},
	}
}

// Set switches gates by "Name=true,Other=false". An unknown name, a malformed value, or a gate switched on
// without one it depends on gives an error that names it and the remedy, and nothing is changed.
func Set(gates Gates, value string) error {
	wanted, err := parse(gates, value)
	if err != nil {
		return err
	}

	// The library keeps what it was told even when the result does not hold, so it is tried on a copy.
	trial := gates.DeepCopy()
	if err := trial.SetFromMap(wanted); err != nil {
		return fmt.Errorf("set feature gates %q: %w", value, err)
	}

	for _, err := range trial.Validate() {
		return fmt.Errorf("set feature gates %q: %w", value, err)
	}

	if err := gates.SetFromMap(wanted); err != nil {
		return fmt.Errorf("set feature gates %q: %w", value, err)
	}

	return nil
}

func parse(gates Gates, value string) (map[string]bool, error) {
	wanted := map[string]bool{}

	for pair := range strings.SplitSeq(value, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}

		name, state, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("feature gate %q: want Name=true or Name=false", pair)
		}

		if known := Names(gates); !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown feature gate %q%s", name, suggest.Sentence(name, known))
		}

		on, err := strconv.ParseBool(state)
		if err != nil {
			return nil, fmt.Errorf("feature gate %s=%q: want true or false", name, state)
		}

		wanted[name] = on
	}

	return wanted, nil
}

// Names lists all gates in alphabetical order, AllAlpha and AllBeta among them.
func Names(gates Gates) []string {
	names := make([]string, 0, len(gates.GetAll()))
	for feature := range maps.Keys(gates.GetAll()) {
		names = append(names, string(feature))
	}

	slices.Sort(names)

	return names
}
