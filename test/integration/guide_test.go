package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of the guide are run as they stand there, one after the other.
func TestFirstStepsGuide(t *testing.T) {
	startManager(t)

	content, err := os.ReadFile(root + "/docs/guides/first-steps.md")
	if err != nil {
		t.Fatal(err)
	}

	guide := string(content)
	folder := t.TempDir()
	shop, auditors := filepath.Join(folder, "shop.yaml"), filepath.Join(folder, "auditors.yaml")

	for i, path := range []string{shop, auditors} {
		if err := os.WriteFile(path, []byte(blocks(guide, "yaml")[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if out, err := shared.Kubectl(t.Context(), "apply", "--server-side", "-k", root+"/config/samples"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := shared.Kubectl(ctx, "delete", "--wait=false", "-k", root+"/config/samples"); err != nil {
			t.Errorf("clean up: %v", err)
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

		arguments = strings.NewReplacer("shop.yaml", shop, "auditors.yaml", auditors).Replace(arguments)
		if out, err := shared.Kubectl(t.Context(), strings.Fields(arguments)...); err != nil {
			t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
	}

	if commands < 15 {
		t.Errorf("only %d commands found", commands)
	}
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
