package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The commands of the guide are run as they stand there, one after the other.
func TestFirstStepsGuide(t *testing.T) {
	startManager(t)

	content, err := os.ReadFile(root + "/docs/guides/first-steps.md")
	if err != nil {
		t.Fatal(err)
	}

	guide := string(content)
	shop := filepath.Join(t.TempDir(), "shop.yaml")

	if err := os.WriteFile(shop, []byte(blocks(guide, "yaml")[0]), 0o600); err != nil {
		t.Fatal(err)
	}

	if out, err := shared.Kubectl(t.Context(), "apply", "--server-side", "-k", root+"/config/samples"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, errShop := shared.Kubectl(ctx, "delete", "--wait=false", "-f", shop)
		_, errSamples := shared.Kubectl(ctx, "delete", "--wait=false", "-k", root+"/config/samples")

		if errShop != nil || errSamples != nil {
			t.Errorf("clean up: %v, %v", errShop, errSamples)
		}

		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop-web"}}
		if err := admin.Delete(ctx, namespace); err != nil {
			t.Error(err)
		}
	})

	waitReady(t, "payments")

	commands := 0

	for line := range strings.Lines(strings.Join(blocks(guide, "console"), "")) {
		arguments, isKubectl := strings.CutPrefix(strings.TrimSpace(line), "bin/kubectl ")
		if !isKubectl {
			continue
		}

		commands++

		arguments = strings.ReplaceAll(arguments, "shop.yaml", shop)
		if out, err := shared.Kubectl(t.Context(), strings.Fields(arguments)...); err != nil {
			t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
	}

	if commands < 5 {
		t.Errorf("only %d commands found", commands)
	}

	waitCount(t, "shop", 1)
}

// blocks returns the fenced blocks of a language in a Markdown text.
func blocks(text, language string) []string {
	var found []string

	for _, part := range strings.Split(text, "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		found = append(found, block)
	}

	return found
}
