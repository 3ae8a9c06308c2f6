package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// SchemeGroupVersion is the group and version of the kinds in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: v1beta1.GroupName, Version: "v1alpha2"}

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
		&RoleBase{}, &RoleBaseList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)

	return nil
}
