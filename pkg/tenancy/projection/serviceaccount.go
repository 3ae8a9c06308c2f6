package projection

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// RefusedAnnotation on a ServiceAccount says why it does not have the role that its annotation asks for. The manager
// writes it: ServiceAccounts have no status.
const RefusedAnnotation = "tenant.kubesphere.io/role-refused"

// Account is what counts of a ServiceAccount.
type Account struct {
	// Role is the role that it asks for. Empty: none.
	Role string

	// Refused is why it does not have it, as it was last written.
	Refused string

	// Paused says that everything about it is to stay as it is.
	Paused bool
}

// maxShown is how much is kept of a role's name, of which nobody limits the length: enough to see that it is none.
const maxShown = maxRoleName + 1

// paused stands in the text of an account before everything else.
const paused = "\x00"

// TextOf returns what counts of a ServiceAccount as one string, for memory: of the thousands in a cluster few ask
// for a role, and for the others it is empty. One that is being deleted asks for nothing any more.
func TextOf(account metav1.Object, pausedAnnotation string) string {
	annotations := account.GetAnnotations()
	role, refused := annotations[iamv1beta1.ServiceAccountRoleAnnotation], annotations[RefusedAnnotation]

	if !account.GetDeletionTimestamp().IsZero() || role == "" && refused == "" {
		return ""
	}

	// A line break ends the role. In its place comes what no name of a role has either.
	text := strings.ReplaceAll(role[:min(len(role), maxShown)], "\n", "/") + "\n" + refused
	if annotations[pausedAnnotation] == "true" {
		text = paused + text
	}

	return text
}

// ParseAccount reads what TextOf returned.
func ParseAccount(text string) Account {
	text, isPaused := strings.CutPrefix(text, paused)
	role, refused, _ := strings.Cut(text, "\n")

	return Account{Role: role, Refused: refused, Paused: isPaused}
}

// AccountOfBinding returns the name of the ServiceAccount that a binding, by its name, was made for.
func AccountOfBinding(name string) (string, bool) {
	rest, isOurs := strings.CutPrefix(name, ServiceAccountPrefix)
	account, _, isComplete := strings.Cut(rest, ":")

	return account, isOurs && isComplete
}
