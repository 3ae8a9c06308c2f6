package tenants

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// asked is who answers questions about tenants, in a test.
type asked struct {
	questions []string
	err       error
}

func (a *asked) ask(_ context.Context, cluster, namespace string, among []string) ([]string, error) {
	a.questions = append(a.questions, cluster+"/"+namespace)

	return among, a.err
}

func managerWith(sidecar string) *notificationv2beta2.NotificationManager {
	made := &notificationv2beta2.NotificationManager{}

	if sidecar != "" {
		part := notificationv2beta2.PodPart{}
		part.Raw = []byte(sidecar)
		made.Spec.Sidecars = map[string]notificationv2beta2.PodPart{notificationv2beta2.TenantSidecar: part}
	}

	return made
}

func of(pairs ...string) []alert.Alert {
	return []alert.Alert{{Labels: labels.FromStrings(pairs...)}}
}

func TestLearn(t *testing.T) {
	t.Parallel()

	sidecar, api := &asked{}, &asked{}
	among, now := []string{"alice"}, time.Unix(0, 0)
	tenants := New(Options{
		Sidecar: sidecar.ask, Review: func(bool) Ask { return api.ask }, Among: func() []string { return among },
		Cluster: func() string { return "host" }, Clock: func() time.Time { return now },
	})

	if tenants.For(managerWith("")) != nil {
		t.Error("nobody is to be asked, and somebody is")
	}

	tenants.Learn(t.Context(), of("namespace", "shop"))

	resolve := tenants.For(managerWith(`{"type":"kubesphere"}`))
	tenants.Learn(t.Context(), slices.Concat(of("namespace", "shop"), of("namespace", "shop"), of("a", "b")))
	tenants.Learn(t.Context(), of("namespace", "shop", "cluster", "host")) // known

	among = []string{"alice", "bob"}

	tenants.Learn(t.Context(), of("namespace", "shop")) // but not about bob

	if diff := cmp.Diff([]string{"host/shop", "host/shop"}, api.questions); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"alice", "bob"}, resolve("host", "shop")); diff != "" {
		t.Error(diff)
	}

	// Another edit of the NotificationManager changes nothing about it.
	tenants.For(managerWith(`{"type":"kubesphere"}`))

	if len(resolve("host", "shop")) != 2 {
		t.Errorf("known is %q", resolve("host", "shop"))
	}

	// What is old is asked again; while nobody answers, what was known counts.
	api.err = errors.New("no connection")
	now = now.Add(2 * fresh)

	tenants.renew(t.Context())

	if len(api.questions) != 3 || len(resolve("host", "shop")) != 2 {
		t.Errorf("asked %q, known %q", api.questions, resolve("host", "shop"))
	}

	now = now.Add(2 * kept)

	tenants.renew(t.Context())

	if resolve("host", "shop") != nil {
		t.Error("what nobody wants to know is kept")
	}

	tenants.For(managerWith(`{"image":"own"}`))
	tenants.Learn(t.Context(), of("namespace", "shop", "cluster", "member"))

	if diff := cmp.Diff([]string{"member/shop"}, sidecar.questions); diff != "" {
		t.Error(diff)
	}
}

func TestSidecar(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		switch request.URL.Query().Get("namespace") {
		case "shop":
			if request.URL.Query().Get("cluster") == "host" {
				_, _ = writer.Write([]byte(`["alice","bob"]`))
			}
		case "broken":
			_, _ = writer.Write([]byte(`{`))
		case "failing":
			writer.WriteHeader(http.StatusInternalServerError)
		default:
			writer.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()

	ask := Sidecar(server.Client(), server.URL)

	for namespace, test := range map[string]struct {
		want []string
		fail bool
	}{
		"shop": {want: []string{"alice", "bob"}}, "unknown": {}, "broken": {fail: true}, "failing": {fail: true},
	} {
		got, err := ask(t.Context(), "host", namespace, nil)
		if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != test.fail {
			t.Errorf("%s: %v %s", namespace, err, diff)
		}
	}
}

func TestReview(t *testing.T) {
	t.Parallel()

	client := fake.NewClientset()
	client.PrependReactor("create", "subjectaccessreviews",
		func(action kubetesting.Action) (bool, runtime.Object, error) {
			create, _ := action.(kubetesting.CreateAction)
			asked, _ := create.GetObject().(*authorizationv1.SubjectAccessReview)
			right := asked.Spec.ResourceAttributes
			said := asked.DeepCopy()
			said.Status.Allowed = right.Namespace == "shop" && right.Verb == "get" &&
				(asked.Spec.User == "alice" && right.Resource == "receivenotification" ||
					asked.Spec.User == "bob" && right.Resource == "pods")

			return true, said, nil
		})

	asking := Review(client.AuthorizationV1().SubjectAccessReviews(), func() string { return "host" })

	for name, test := range map[string]struct {
		since42            bool
		cluster, namespace string
		want               []string
	}{
		"of 3.x":          {false, "host", "shop", []string{"alice"}},
		"of 4.2":          {true, "host", "shop", []string{"bob"}},
		"nobody's":        {true, "host", "other", nil},
		"another cluster": {false, "member", "shop", nil},
	} {
		got, err := asking(test.since42)(t.Context(), test.cluster, test.namespace, []string{"alice", "bob", "carol"})
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}
