package scope_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

var update = flag.Bool("update", false, "write the golden file anew") //nolint:gochecknoglobals // a flag

// TestGolden compares what becomes of the expressions of testdata with what is written there.
func TestGolden(t *testing.T) {
	t.Parallel()

	const file = "testdata/expressions.txt"

	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	s := scopeOf(t, scope.Policy{
		Enforced: []scope.Matcher{scope.OneOf("namespace", "mine"), scope.OneOf("cluster", "host", "edge.1")},
	})

	var want strings.Builder

	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n\n") {
		text := written(paragraph)
		want.WriteString(text + "\n")

		if !strings.HasPrefix(text, "# ") {
			want.WriteString(became(t, s, text))
		}

		want.WriteString("\n")
	}

	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimSpace(want.String())+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if diff := cmp.Diff(strings.TrimSpace(string(content)), strings.TrimSpace(want.String())); diff != "" {
		t.Errorf("(-%s +got):\n%s", file, diff)
	}
}

// written returns the lines of a paragraph that do not follow from others.
func written(paragraph string) string {
	var lines []string

	for line := range strings.SplitSeq(paragraph, "\n") {
		if line != "" && !strings.ContainsAny(line[:1], ">!?") {
			lines = append(lines, line)
		}
	}

	return strings.Join(lines, "\n")
}

// became returns the lines that follow from an expression.
func became(t *testing.T, s *scope.Scope, text string) string {
	t.Helper()

	expression, err := s.Expr(text)
	if err != nil {
		refusal := refusalOf(t, err)

		return "? " + refusal.Reason + ": " + refusal.Message + "\n"
	}

	lines := []string{"> " + expression.Text}
	for _, warning := range expression.Warnings {
		lines = append(lines, "! "+warning)
	}

	return strings.Join(lines, "\n") + "\n"
}
