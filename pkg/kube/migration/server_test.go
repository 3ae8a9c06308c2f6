package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
)

const relics = "relics.example.kubesphere.io"

var errKilled = errors.New("killed")

// server is what the API server is to a migration: one definition, and objects
// of which it knows the version they are stored in. A call that is not made here
// must not be made.
type server struct {
	client.Client

	t          *testing.T
	definition *unstructured.Unstructured
	objects    []*object
	revision   int

	// calls is what has been asked for, writes how often that changed anything.
	calls  []string
	writes int

	// answer is asked first: an error of it is the answer to the call.
	answer func(call string) error
	// life is how many writes a client lives to see, zero for all of them.
	life int
}

type object struct {
	namespace, name string
	stored          string
	revision        int
}

// newServer returns one with a definition that changed its storage version from
// v1 to v2, and objects in v1.
func newServer(t *testing.T, names ...string) *server {
	t.Helper()

	s := &server{t: t, revision: 100}
	for _, name := range names {
		s.revision++
		s.objects = append(s.objects, &object{namespace: "ns", name: name, stored: "v1", revision: s.revision})
	}

	s.revision++
	s.definition = &unstructured.Unstructured{}
	s.decode(`{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": {
			"name": "`+relics+`", "uid": "1", "generation": 2, "resourceVersion": "`+strconv.Itoa(s.revision)+`"
		},
		"spec": {"group": "example.kubesphere.io", "names": {"kind": "Relic"}, "versions": [
			{"name": "v1", "served": true, "storage": false}, {"name": "v2", "served": true, "storage": true}
		]},
		"status": {"storedVersions": ["v1", "v2"]}
	}`, &s.definition.Object)

	return s
}

func (s *server) decode(text string, into any) {
	s.t.Helper()

	if err := json.Unmarshal([]byte(text), into); err != nil {
		s.t.Fatalf("decoding %s: %v", text, err)
	}
}

// set changes the definition, as everything does with a new resourceVersion.
func (s *server) set(value any, path ...string) {
	s.t.Helper()

	s.revision++
	s.definition.SetResourceVersion(strconv.Itoa(s.revision))

	if err := unstructured.SetNestedField(s.definition.Object, value, path...); err != nil {
		s.t.Fatalf("setting %v: %v", path, err)
	}
}

func (s *server) called(format string, arguments ...any) error {
	call := fmt.Sprintf(format, arguments...)
	s.calls = append(s.calls, call)

	if s.life > 0 && s.writes >= s.life {
		return errKilled
	}

	if s.answer == nil {
		return nil
	}

	return s.answer(call)
}

// wrote counts a write, which may be the last its client lives to see done.
func (s *server) wrote() error {
	s.writes++

	if s.writes == s.life {
		return errKilled
	}

	return nil
}

// Get implements client.Reader, for the definition.
func (s *server) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if err := s.called("get %s", key.Name); err != nil {
		return err
	}

	u := into.(*unstructured.Unstructured)
	if s.definition == nil || s.definition.GetName() != key.Name ||
		u.GroupVersionKind() != s.definition.GroupVersionKind() {
		return missing(key.Name)
	}

	s.definition.DeepCopyInto(u)

	return nil
}

// List implements client.Reader, for metadata of the objects. A token is the
// name of the first object of its page.
func (s *server) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	list := into.(*metav1.PartialObjectMetadataList)
	kind := list.GroupVersionKind()
	page := (&client.ListOptions{}).ApplyOptions(options)

	if err := s.called("list %s %d %s", kind.Version, page.Limit, page.Continue); err != nil {
		return err
	}

	if kind.GroupKind().String() != "RelicList.example.kubesphere.io" {
		s.t.Errorf("lists %s", kind)
	}

	for _, o := range s.objects {
		if o.name < page.Continue {
			continue
		}

		if int64(len(list.Items)) == page.Limit {
			list.Continue = o.name

			break
		}

		list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.namespace, Name: o.name, ResourceVersion: strconv.Itoa(o.revision),
		}})
	}

	return nil
}

// Patch implements client.Writer, for the objects. As the API server does, it
// writes only what is stored differently.
func (s *server) Patch(
	_ context.Context, obj client.Object, patch client.Patch, _ ...client.PatchOption,
) error {
	data, _ := patch.Data(obj)
	if err := s.called("patch %s %s", obj.GetName(), data); err != nil {
		return err
	}

	if patch.Type() != types.MergePatchType {
		s.t.Errorf("sends a %s", patch.Type())
	}

	i := slices.IndexFunc(s.objects, func(o *object) bool {
		return o.namespace == obj.GetNamespace() && o.name == obj.GetName()
	})
	if i < 0 {
		return missing(obj.GetName())
	}

	var err error

	if o := s.objects[i]; o.stored != "v2" {
		s.revision++
		o.stored, o.revision = "v2", s.revision
		err = s.wrote()
	}

	obj.SetResourceVersion(strconv.Itoa(s.objects[i].revision))

	return err
}

// Status implements client.StatusClient, for that of the definition.
func (s *server) Status() client.SubResourceWriter { return status{server: s} }

type status struct {
	client.SubResourceWriter

	server *server
}

// Patch implements client.SubResourceWriter.
func (w status) Patch(
	_ context.Context, obj client.Object, patch client.Patch, _ ...client.SubResourcePatchOption,
) error {
	s := w.server

	data, _ := patch.Data(obj)
	if err := s.called("status %s", data); err != nil {
		return err
	}

	var sent struct {
		Metadata struct{ ResourceVersion string }
		Status   struct{ StoredVersions []any }
	}
	s.decode(string(data), &sent)

	if s.definition == nil {
		return missing(obj.GetName())
	}

	if sent.Metadata.ResourceVersion != s.definition.GetResourceVersion() {
		return apierrors.NewConflict(schema.GroupResource{}, obj.GetName(), errors.New("changed"))
	}

	s.set(sent.Status.StoredVersions, "status", "storedVersions")

	return s.wrote()
}

// storedVersions is what the definition says.
func (s *server) storedVersions() []string {
	versions, _, err := unstructured.NestedStringSlice(s.definition.Object, "status", "storedVersions")
	if err != nil {
		s.t.Fatal(err)
	}

	return versions
}

// inOld names the objects that are not stored in the new version.
func (s *server) inOld() []string {
	var names []string

	for _, o := range s.objects {
		if o.stored != "v2" {
			names = append(names, o.name)
		}
	}

	return names
}

// migrate runs a migration in pages of two, without waiting.
func (s *server) migrate(ctx context.Context) (migration.Result, error) {
	return migration.New(s, migration.Options{PageSize: 2, Clock: newLeaper()}).Migrate(ctx, relics)
}

func missing(name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Group: "example.kubesphere.io", Resource: "relics"}, name)
}

// failure is an answer of the API server with a code.
func failure(code int32, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: message}}
}

// expired is the answer to a token that is too old, with the one to go on with.
func expired(next string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusGone, Reason: metav1.StatusReasonExpired, ListMeta: metav1.ListMeta{Continue: next},
	}}
}

// on answers the calls that begin with a text, others pass.
func on(begin string, answer func() error) func(string) error {
	return func(call string) error {
		if !strings.HasPrefix(call, begin) {
			return nil
		}

		return answer()
	}
}

// leaper is a clock that leaps to where somebody waits for.
type leaper struct{ *clocktesting.FakeClock }

func newLeaper() leaper {
	return leaper{clocktesting.NewFakeClock(time.Unix(0, 0))}
}

// NewTimer implements clock.Clock.
func (l leaper) NewTimer(d time.Duration) clock.Timer {
	timer := l.FakeClock.NewTimer(d)
	l.Step(d)

	return timer
}

// frozen is a clock that stands still, and calls back when somebody waits.
type frozen struct {
	*clocktesting.FakeClock

	waits func()
}

// NewTimer implements clock.Clock.
func (f frozen) NewTimer(d time.Duration) clock.Timer {
	f.waits()

	return f.FakeClock.NewTimer(d + time.Second)
}
