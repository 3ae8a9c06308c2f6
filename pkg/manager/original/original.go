// Package original recognises KubeSphere's own ks-controller-manager by its Deployment. Two managers over the
// same objects undo each other's work unless both take part in the election for the same Lease.
package original

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Where KubeSphere 3.x and 4.x run their manager. Ours may stand there as well, and has the mark then.
const (
	Namespace = "kubesphere-system"
	Name      = "ks-controller-manager"
)

// The annotation of a pod template that tells ours from the original.
const (
	Mark      = "ks.kubesphere.io/manager"
	MarkValue = "core"
)

// electFlag of the original is off unless it is set; no configuration file can set it.
const electFlag = "leader-elect"

// Finding is what is told of a Deployment that runs the original.
type Finding struct {
	// Name is the namespace and the name of the Deployment, with a slash between them.
	Name string
	// Image of the manager's container.
	Image string
	// Elects tells whether it takes part in leader election.
	Elects bool
	// Replicas is how many are wanted. Zero while the last ones end.
	Replicas int32
}

// Find tells whether the Deployment is the original and runs, or will. It is found in any namespace, because
// the chart of KubeSphere 3 can be installed in any.
func Find(deployment *appsv1.Deployment) (Finding, bool) {
	if deployment == nil || deployment.Name != Name || deployment.Spec.Template.Annotations[Mark] == MarkValue {
		return Finding{}, false
	}

	containers := deployment.Spec.Template.Spec.Containers

	index := slices.IndexFunc(containers, isManager)
	if index < 0 {
		return Finding{}, false
	}

	wanted := int32(1) // what the API server fills in
	if deployment.Spec.Replicas != nil {
		wanted = max(0, *deployment.Spec.Replicas)
	}

	if wanted == 0 && deployment.Status.Replicas <= 0 {
		return Finding{}, false
	}

	return Finding{
		Name:     deployment.Namespace + "/" + deployment.Name,
		Image:    containers[index].Image,
		Elects:   elects(containers[index]),
		Replicas: wanted,
	}, true
}

// Message says what was found and what to do about it, in one sentence.
func (f Finding) Message() string {
	election := "without"
	if f.Elects {
		election = "with"
	}

	namespace, name, _ := strings.Cut(f.Name, "/")
	remedy := fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=0", namespace, name)

	if f.Replicas == 0 {
		remedy = "it is scaled down and its last pods are ending"
	}

	return fmt.Sprintf("KubeSphere's own manager runs as Deployment %s (image %s) %s leader election: %s",
		f.Name, f.Image, election, remedy)
}

// isManager knows the container by its name, or by its image where somebody has renamed it.
func isManager(container corev1.Container) bool {
	return container.Name == Name || repository(container.Image) == Name
}

// repository returns the last part of an image's name, without registry, tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndex(image, "/")+1:]
	image, _, _ = strings.Cut(image, ":")

	return image
}

// elects reads the command line as the original's own flags do: of several the last counts. What is no boolean
// keeps the original from starting, so it does not elect either.
func elects(container corev1.Container) bool {
	elects := false

	for _, word := range words(slices.Concat(container.Command, container.Args)) {
		flag, value, hasValue := strings.Cut(word, "=")
		if flag != "-"+electFlag && flag != "--"+electFlag {
			continue
		}

		elects = !hasValue

		if on, err := strconv.ParseBool(value); err == nil {
			elects = on
		}
	}

	return elects
}

// words splits what may be the script of a shell. A flag is never split: spaces belong to its value.
func words(commandLine []string) []string {
	var words []string

	for _, element := range commandLine {
		if strings.HasPrefix(element, "-") {
			words = append(words, element)

			continue
		}

		for word := range strings.FieldsSeq(element) {
			words = append(words, strings.Trim(word, `"';&|`))
		}
	}

	return words
}
