package controllers

import (
	"slices"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// LegacyNames returns the names that --controllers of KubeSphere 3.4 and 4.1 accepted and that no
// controller of the catalogue answers to. Charts and scripts that pass them must not fail to start.
func LegacyNames(catalog manager.Catalog) []string {
	return slices.DeleteFunc(kubeSphereNames(), func(name string) bool {
		_, found := catalog.Find(name)

		return found || slices.Contains(catalog.Domains(), manager.Domain(name))
	})
}

// kubeSphereNames lists every name of both major releases, in alphabetical order.
func kubeSphereNames() []string {
	return []string{
		"apiservice-webhook", "app-category", "application", "applicationrelease-webhook",
		"apprelease-helminstaller", "appversion", "cluster", "cluster-webhook", "clusterlabel", "clusterrole",
		"clusterrolebinding", "clusterrulegroup", "conversion-webhook", "csr", "destinationrule", "extension",
		"extension-category", "extensionVersion", "extensionentry-webhook", "fedglobalrolebindingcache",
		"fedglobalrolecache", "globalrole", "globalrolebinding", "globalrulegroup", "group", "groupbinding",
		"helm", "helmapplication", "helmapplicationversion", "helmcategory", "helmrelease", "helmrepo",
		"helmrepo-controller", "installplan", "installplan-webhook", "ippool", "job", "job-revision",
		"jsbundle-webhook", "k8sapplication", "ks-serviceaccount", "kubeconfig", "kubectl",
		"kubesphere-config-webhook", "loginrecord", "namespace", "notification", "nsnp", "pvcautoresizer",
		"pvcworkloadrestarter", "repository", "resource-protection-webhook", "resource-quota-webhook",
		"resourcequota", "reverseproxy-webhook", "role", "rolebinding", "roletemplate", "rulegroup",
		"service-account-injector", "service-account-token", "serviceaccount", "serviceaccount-secret",
		"storagecapability", "storageclass-capability", "telemetry", "user", "user-webhook", "virtualservice",
		"volumesnapshot", "workloadrestart", "workspace", "workspacerole", "workspacerolebinding",
		"workspacetemplate",
	}
}
