package projection

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

// What the names of native objects begin with. Behind it comes the name of what they stand for. The group rbac
// limits neither their length nor, but for "/" and "%", their characters, so that every name fits.
const (
	// GlobalRolePrefix begins the ClusterRole of a GlobalRole.
	GlobalRolePrefix = "kubesphere:globalrole:"

	// GlobalRoleBindingPrefix begins the ClusterRoleBinding of a GlobalRoleBinding.
	GlobalRoleBindingPrefix = "kubesphere:globalrolebinding:"

	// IAMPrefix begins the native object of a Role, RoleBinding, ClusterRole or ClusterRoleBinding of
	// iam.kubesphere.io. Contract: KubeSphere 4.x.
	IAMPrefix = "kubesphere:iam:"

	// ServiceAccountPrefix begins the RoleBinding of a ServiceAccount with a role.
	ServiceAccountPrefix = "kubesphere:serviceaccount:"

	// AdminSuffix ends the ClusterRoleBinding of a single platform administrator, behind the name of the user.
	// Contract: both majors.
	AdminSuffix = "-cluster-admin"
)

// Roles that are more than a set of rules.
const (
	// PlatformAdmin is the GlobalRole of those who may do everything.
	PlatformAdmin = "platform-admin"

	// ClusterAdmin is the native ClusterRole that it stands for, and KubeSphere's own of the same name.
	ClusterAdmin = "cluster-admin"
)

// nativePrefix begins all other names.
const nativePrefix = "kubesphere:"

// AdminBindingName returns the name that KubeSphere gives to the ClusterRoleBinding of a platform administrator.
// False: the user has a name that no object could bear.
func AdminBindingName(user string) (string, bool) {
	name := user + AdminSuffix

	return name, len(content.IsPathSegmentName(name)) == 0 && !strings.HasPrefix(name, nativePrefix)
}

// maxRoleName is the length of the longest name that an object of a custom kind can have.
const maxRoleName = 253

// ServiceAccountBindingName returns the name of the RoleBinding that gives a ServiceAccount a role. It has the
// role's name in it, so that a ServiceAccount has the new role before it loses the old one. False: no role can
// bear that name.
func ServiceAccountBindingName(account, role string) (string, bool) {
	if role == "" || len(role) > maxRoleName || len(content.IsPathSegmentName(role)) > 0 {
		return "", false
	}

	return ServiceAccountPrefix + account + ":" + role, true
}

// hashLength is the number of letters that tell names apart of which only the beginning is the same.
const hashLength = 8

// LabelValue returns a name as the value of a label: itself, or, where it is too long for one or has other
// characters, what tells it from all others.
func LabelValue(name string) string {
	if len(utilvalidation.IsValidLabelValue(name)) == 0 {
		return name
	}

	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:])[:hashLength]

	beginning := strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}

		return '-'
	}, name)
	beginning = beginning[:min(len(beginning), utilvalidation.LabelValueMaxLength-hashLength-1)]

	return strings.Trim(strings.Trim(beginning, "-")+"-"+hash, "-")
}
