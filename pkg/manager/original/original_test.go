package original_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/manager/original"
)

const image = "kubesphere/ks-controller-manager:v3.4.1"

// deployment returns the original as KubeSphere's chart installs it, with changes.
func deployment(changes ...func(*appsv1.Deployment)) *appsv1.Deployment {
	labels := map[string]string{"app": original.Name, "tier": "backend"}
	result := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: original.Namespace, Name: original.Name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: original.Name, Image: image,
					Command: []string{"controller-manager", "--logtostderr=true", "--leader-elect=true"},
				}}},
			},
		},
		Status: appsv1.DeploymentStatus{Replicas: 1},
	}

	for _, change := range changes {
		change(result)
	}

	return result
}

// container changes the manager's container.
func container(change func(*corev1.Container)) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { change(&d.Spec.Template.Spec.Containers[0]) }
}

// marked annotates the pod template.
func marked(value string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Spec.Template.Annotations = map[string]string{original.Mark: value}
	}
}

// scaled sets how many replicas are wanted and how many run.
func scaled(wanted *int32, running int32) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Spec.Replicas = wanted
		d.Status.Replicas = running
	}
}

func TestFind(t *testing.T) {
	t.Parallel()

	found := func(changes ...func(*original.Finding)) *original.Finding {
		finding := &original.Finding{
			Name: "kubesphere-system/ks-controller-manager", Image: image, Elects: true, Replicas: 1,
		}
		for _, change := range changes {
			change(finding)
		}

		return finding
	}
	replicas := func(count int32) func(*original.Finding) { return func(f *original.Finding) { f.Replicas = count } }
	pulled := func(image string) func(*original.Finding) { return func(f *original.Finding) { f.Image = image } }

	tests := map[string]struct {
		deployment *appsv1.Deployment
		want       *original.Finding
	}{
		"as installed": {deployment(), found()},
		"nothing":      {nil, nil},
		"empty":        {&appsv1.Deployment{}, nil},
		"without containers": {
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: original.Name}}, nil,
		},
		"another name": {deployment(func(d *appsv1.Deployment) { d.Name = "ks-apiserver" }), nil},
		"another namespace": {
			deployment(func(d *appsv1.Deployment) { d.Namespace = "tenants" }),
			found(func(f *original.Finding) { f.Name = "tenants/ks-controller-manager" }),
		},

		"ours":                        {deployment(marked(original.MarkValue)), nil},
		"a mark of somebody else":     {deployment(marked("edge")), found()},
		"a mark on the Deployment":    {deployment(func(d *appsv1.Deployment) { d.Annotations = map[string]string{original.Mark: original.MarkValue} }), found()},
		"a mark that is only a label": {deployment(func(d *appsv1.Deployment) { d.Spec.Template.Labels[original.Mark] = original.MarkValue }), found()},

		"replicas by default":           {deployment(scaled(nil, 0)), found()},
		"three replicas":                {deployment(scaled(new(int32(3)), 1)), found(replicas(3))},
		"not started yet":               {deployment(scaled(new(int32(1)), 0)), found()},
		"going down":                    {deployment(scaled(new(int32(0)), 2)), found(replicas(0))},
		"scaled down":                   {deployment(scaled(new(int32(0)), 0)), nil},
		"a number that nobody can want": {deployment(scaled(new(int32(-1)), -1)), nil},

		"a renamed container": {deployment(container(func(c *corev1.Container) { c.Name = "manager" })), found()},
		"an image under another name": {
			deployment(container(func(c *corev1.Container) { c.Image = "example.com/mirror/km:1" })),
			found(pulled("example.com/mirror/km:1")),
		},
		"neither name nor image": {
			deployment(container(func(c *corev1.Container) { c.Name, c.Image = "manager", "nginx" })), nil,
		},
		"behind a sidecar": {
			deployment(func(d *appsv1.Deployment) {
				pod := &d.Spec.Template.Spec
				pod.Containers = slices.Insert(pod.Containers, 0, corev1.Container{Name: "proxy", Image: "envoy:1"})
			}),
			found(),
		},
		"only as an init container": {
			deployment(func(d *appsv1.Deployment) {
				pod := &d.Spec.Template.Spec
				pod.InitContainers = pod.Containers
				pod.Containers = []corev1.Container{{Name: "manager", Image: "nginx"}}
			}),
			nil,
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, test.deployment, test.want)
		})
	}
}

func TestFindByImage(t *testing.T) {
	t.Parallel()

	digest := "@sha256:" + strings.Repeat("0a", 32)

	for image, want := range map[string]bool{
		"ks-controller-manager":                                        true,
		"ks-controller-manager:v4.1.2":                                 true,
		"kubesphere/ks-controller-manager:v3.4.1":                      true,
		"docker.io/kubesphere/ks-controller-manager":                   true,
		"registry:5000/ks-controller-manager":                          true,
		"registry:5000/x/ks-controller-manager:v3.3.0":                 true,
		"registry:5000/x/ks-controller-manager" + digest:               true,
		"registry:5000/x/ks-controller-manager:v3.3.0" + digest:        true,
		"[fd00::1]:5000/x/ks-controller-manager:v3.3.0":                true,
		"registry.cn-beijing.example.com/a/b/c/ks-controller-manager:": true,

		"":    false,
		"/":   false,
		":@/": false,

		"kubesphere/ks-controller-manager/":         false,
		"ks-controller-manager/other:v1":            false,
		"ks-controller-manager:5000/other" + digest: false,
		"example.com/ks-controller-manager-ui:v1":   false,
		"example.com/my-ks-controller-manager:v1":   false,
		"other@ks-controller-manager":               false,
		"other:ks-controller-manager":               false,
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()

			_, got := original.Find(deployment(container(func(c *corev1.Container) {
				c.Name, c.Image = "manager", image
			})))
			if got != want {
				t.Errorf("found = %v, want %v", got, want)
			}
		})
	}
}

func TestFindElects(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		command, args []string
		want          bool
	}{
		"as KubeSphere 3 installs it": {command: []string{"controller-manager", "--logtostderr=true", "--leader-elect=true"}, want: true},
		"as KubeSphere 4 installs it": {command: []string{"ks-controller-manager", "--logtostderr=true", "--leader-elect=true", "--controllers=*"}, want: true},
		"nothing":                     {},
		"other flags":                 {command: []string{"controller-manager"}, args: []string{"--leader-elect-lease-duration=30s", "--no-leader-elect", "leader-elect"}},
		"in args":                     {command: []string{"controller-manager"}, args: []string{"--leader-elect=true"}, want: true},
		"without a command":           {args: []string{"--leader-elect"}, want: true},
		"without a value":             {command: []string{"controller-manager", "--leader-elect"}, want: true},
		"one dash":                    {command: []string{"controller-manager", "-leader-elect"}, want: true},
		"three dashes":                {command: []string{"controller-manager", "---leader-elect"}},
		"one":                         {command: []string{"controller-manager", "--leader-elect=1"}, want: true},
		"upper case":                  {command: []string{"controller-manager", "--leader-elect=TRUE"}, want: true},
		"off":                         {command: []string{"controller-manager", "-leader-elect=false"}},
		"zero":                        {command: []string{"controller-manager", "--leader-elect=0"}},
		"no boolean":                  {command: []string{"controller-manager", "--leader-elect=yes"}},
		"no boolean after a good one": {command: []string{"controller-manager", "--leader-elect", "--leader-elect="}},
		"an unknown variable":         {command: []string{"controller-manager", "--leader-elect=$(ELECT)"}},
		"the last is on":              {command: []string{"controller-manager", "--leader-elect=false"}, args: []string{"--leader-elect"}, want: true},
		"the last is off":             {command: []string{"controller-manager", "--leader-elect"}, args: []string{"--leader-elect=f"}},
		"in a shell":                  {command: []string{"sh", "-c", "controller-manager --leader-elect"}, want: true},
		"in a shell, off":             {command: []string{"sh", "-c"}, args: []string{"exec controller-manager --leader-elect=false"}},
		"in a shell, quoted":          {command: []string{"/bin/bash", "-c", `exec controller-manager "--leader-elect=true" '--v=4'`}, want: true},
		"in a shell, then more":       {command: []string{"sh", "-c", "controller-manager --leader-elect=true; echo $?"}, want: true},
		"in a shell, over lines":      {command: []string{"sh", "-c", "controller-manager \\\n\t--v=4 \\\n\t--leader-elect\n"}, want: true},
		"handed on by a shell":        {command: []string{"sh", "-c", `exec controller-manager "$@"`, "--", "--leader-elect"}, want: true},
		"inside of a flag's value":    {command: []string{"controller-manager", "--application-selector=a in (b, --leader-elect)"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			finding, found := original.Find(deployment(container(func(c *corev1.Container) {
				c.Command, c.Args = test.command, test.args
			})))
			if !found || finding.Elects != test.want {
				t.Errorf("elects = %v (found: %v), want %v", finding.Elects, found, test.want)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()

	finding := original.Finding{Name: "kubesphere-system/ks-controller-manager", Image: image, Replicas: 1}

	without := "KubeSphere's own manager runs as Deployment kubesphere-system/ks-controller-manager " +
		"(image kubesphere/ks-controller-manager:v3.4.1) without leader election: " +
		"kubectl -n kubesphere-system scale deployment ks-controller-manager --replicas=0"
	if diff := cmp.Diff(without, finding.Message()); diff != "" {
		t.Errorf("without election (-want +got):\n%s", diff)
	}

	finding.Elects = true
	if got, want := finding.Message(), strings.Replace(without, "without", "with", 1); got != want {
		t.Errorf("with election: %s", got)
	}

	finding.Replicas = 0
	if got := finding.Message(); !strings.HasSuffix(got, "election: it is scaled down and its last pods are ending") {
		t.Errorf("going down: %s", got)
	}
}

// FuzzFind holds that the mark is always believed, that the last flag counts whatever stands before it, and that
// everything found can be told.
func FuzzFind(f *testing.F) {
	f.Add("kubesphere-system", original.Name, image, "controller-manager", "--leader-elect=true", int32(1), int32(1))
	f.Add("", "", "r:5000/x/ks-controller-manager@sha256:00", "sh", "exec km --leader-elect", int32(0), int32(1))
	f.Add("/", "manager", ":@/", "-", "=", int32(-1), int32(-1))

	f.Fuzz(func(t *testing.T, namespace, name, image, command, argument string, wanted, running int32) {
		candidate := deployment(scaled(&wanted, running), container(func(c *corev1.Container) {
			c.Name, c.Image, c.Command, c.Args = name, image, []string{command}, []string{argument}
		}))
		candidate.Namespace = namespace
		before := candidate.DeepCopy()

		finding, found := original.Find(candidate)
		if diff := cmp.Diff(before, candidate); diff != "" {
			t.Errorf("the Deployment has changed:\n%s", diff)
		}

		if found && wanted <= 0 && running <= 0 {
			t.Error("found although nothing runs")
		}

		told := namespace + "/" + original.Name + " (image " + image + ")"
		if found && !strings.Contains(finding.Message(), told) {
			t.Errorf("the message does not say what was found: %s", finding.Message())
		}

		for flag, want := range map[string]bool{"--leader-elect=true": true, "--leader-elect=false": false} {
			last := deployment(container(func(c *corev1.Container) {
				c.Command, c.Args = []string{command, argument}, []string{flag}
			}))
			if finding, _ := original.Find(last); finding.Elects != want {
				t.Errorf("%q with %s at the end elects: %v", argument, flag, finding.Elects)
			}
		}

		marked(original.MarkValue)(candidate)

		if finding, found := original.Find(candidate); found {
			t.Errorf("ours was taken for the original: %s", finding.Message())
		}
	})
}

// compare expects a finding, or none.
func compare(t *testing.T, deployment *appsv1.Deployment, want *original.Finding) {
	t.Helper()

	var got *original.Finding
	if finding, found := original.Find(deployment); found {
		got = &finding
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
}
