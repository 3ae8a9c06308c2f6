package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// served is what the help makes of a request to create a namespace, without creating it.
func served(ctx context.Context, who string, request request) (map[string]string, error) {
	client, err := clientOf(who)
	if err != nil {
		return nil, err
	}

	call, err := request.call(ctx, client)
	if err != nil {
		return nil, err
	}

	body, err := call.AbsPath(request.path).Param("dryRun", "All").DoRaw(ctx)
	if err != nil {
		return nil, err
	}

	var made corev1.Namespace
	if err := json.Unmarshal(body, &made); err != nil {
		return nil, err
	}

	found := map[string]string{}

	for _, from := range []map[string]string{made.Labels, made.Annotations} {
		for key, value := range from {
			if key != "kubernetes.io/metadata.name" {
				found[key] = value
			}
		}
	}

	return found, nil
}

func isSelfServed(ctx context.Context) error {
	made, err := served(ctx, carol, creation("team-a-probe", `{}`))
	if err == nil && made["kubesphere.io/workspace"] != "team-a" {
		err = fmt.Errorf("a member's namespace is not of the workspace: %v", made)
	}

	return err
}

// A member names the namespace after the workspace, or sets the label, and the rest is set for it.
func TestSelfService(t *testing.T) {
	marks := func(workspace, name, creator string) map[string]string {
		return map[string]string{
			"kubesphere.io/workspace": workspace, "kubesphere.io/managed": "true", "kubesphere.io/namespace": name,
			"kubesphere.io/creator": creator, "tenant.kubesphere.io/self-service": "true",
		}
	}

	drawn := marks("team-a", "", robot)
	delete(drawn, "kubesphere.io/namespace")

	const labelled = `{"labels":{"kubesphere.io/workspace":"team-a"}}`

	tests := map[string]struct {
		by      string
		request request
		want    map[string]string
	}{
		"by name":   {carol, creation("team-a-dev", `{}`), marks("team-a", "team-a-dev", carol)},
		"by label":  {alice, creation("dev", labelled), marks("team-a", "dev", alice)},
		"long name": {carol, creation("team-a-b-c-d-e-f-g-h-i", `{}`), marks("team-a", "team-a-b-c-d-e-f-g-h-i", carol)},
		"longest":   {"eve", creation("team-a-b-c", `{}`), marks("team-a-b", "team-a-b-c", "eve")},
		"many words": {
			"eve", creation("a-b-c-d-e-f-g-h-i", `{}`), marks("a-b-c-d-e-f-g-h", "a-b-c-d-e-f-g-h-i", "eve"),
		},
		"untruths": {
			carol, creation("team-a-dev", `{"labels":{"kubesphere.io/managed":"false","kubesphere.io/namespace":"x"},`+
				`"annotations":{"kubesphere.io/creator":"alice","tenant.kubesphere.io/self-service":"false"}}`),
			marks("team-a", "team-a-dev", carol),
		},
		"generated name": {
			robot,
			request{
				post, "/api/v1/namespaces",
				`{"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"team-a-"}}`,
			},
			drawn,
		},
		"applied": {
			mallory,
			request{
				apply, namespace("team-a-gitops"),
				`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-a-gitops"}}`,
			},
			marks("team-a", "team-a-gitops", mallory),
		},
		"not a member":      {pete, creation("team-a-dev", `{}`), map[string]string{}},
		"the platform":      {admin, creation("team-a-dev", `{}`), map[string]string{}},
		"who may assign it": {dora, creation("dev", labelled), map[string]string{"kubesphere.io/workspace": "team-a"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := served(t.Context(), test.by, test.request)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("made of it (-want +got):\n%s", diff)
			}
		})
	}
}

// Who applies the same file again must not lose what was set for it: it would be refused to remove it.
func TestSelfServiceIsKept(t *testing.T) {
	const name = "team-a-kept"

	file := func(note string) request {
		return request{
			apply, namespace(name),
			fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"annotations":{"note":%q}}}`,
				name, note),
		}
	}

	send(t, mallory, file("x"))
	t.Cleanup(func() {
		_ = request{remove, namespace(name), ""}.send(context.WithoutCancel(t.Context()), admin, false)
	})

	got, err := served(t.Context(), mallory, file("y"))
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]string{
		"kubesphere.io/workspace": "team-a", "kubesphere.io/managed": "true", "kubesphere.io/namespace": name,
		"kubesphere.io/creator": mallory, "tenant.kubesphere.io/self-service": "true", "note": "y",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("applied again (-want +got):\n%s", diff)
	}
}

// Without the help, a member has to set the label, and everything is as safe.
func TestSelfServiceSaboteur(t *testing.T) {
	unbind(t, "mutating", "ks-self-service")

	err := eventually(t.Context(), func(ctx context.Context) error {
		if err := isSelfServed(ctx); !isRefused(err) {
			return fmt.Errorf("not refused: %w", err)
		}

		return nil
	})
	if err != nil {
		t.Error(err)
	}

	got, err := served(t.Context(), carol, creation("dev", `{"labels":{"kubesphere.io/workspace":"team-a"}}`))
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(map[string]string{"kubesphere.io/workspace": "team-a"}, got); diff != "" {
		t.Errorf("made of it (-want +got):\n%s", diff)
	}

	for _, attempt := range attempts() {
		if err := attempt.stopped(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
