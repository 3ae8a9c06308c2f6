package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of users and roles.
const GroupName = "iam.kubesphere.io"

// SchemeGroupVersion is the group and version of the kinds in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1beta1"}

// AddToScheme makes the kinds of this package known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&User{}, &UserList{},
		&LoginRecord{}, &LoginRecordList{},
		&Group{}, &GroupList{},
		&GroupBinding{}, &GroupBindingList{},
		&GlobalRole{}, &GlobalRoleList{},
		&GlobalRoleBinding{}, &GlobalRoleBindingList{},
		&WorkspaceRole{}, &WorkspaceRoleList{},
		&WorkspaceRoleBinding{}, &WorkspaceRoleBindingList{},
		&Role{}, &RoleList{},
		&RoleBinding{}, &RoleBindingList{},
		&ClusterRole{}, &ClusterRoleList{},
		&ClusterRoleBinding{}, &ClusterRoleBindingList{},
		&RoleTemplate{}, &RoleTemplateList{},
		&Category{}, &CategoryList{},
		&BuiltinRole{}, &BuiltinRoleList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)

	return nil
}
