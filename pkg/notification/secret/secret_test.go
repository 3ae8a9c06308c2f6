package secret

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestNothingShowsIt prints a secret in each way that a careless line may, also from within what holds it.
func TestNothingShowsIt(t *testing.T) {
	t.Parallel()

	const text = "hunter2"

	type holder struct {
		Shown  String `json:"shown"`
		hidden String
		nested struct{ deep []String }
	}

	one := New(text)
	of := holder{Shown: one, hidden: one}
	of.nested.deep = []String{one}

	var all []string
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
		all = append(all, fmt.Sprintf(verb, one), fmt.Sprintf(verb, of),
			fmt.Sprintf(verb, &of), fmt.Sprintf(verb, &one))
	}

	encoded, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}

	for _, shown := range append(all, string(encoded)) {
		if strings.Contains(shown, text) || strings.Contains(shown, fmt.Sprintf("%x", text)) {
			t.Errorf("is shown in %s", shown)
		}
	}

	if one.Reveal() != text || one.Empty() || !one.Equal(New(text)) || one.Equal(New("other")) {
		t.Error("does not hold what it was made of")
	}

	if none := New(""); none.Reveal() != "" || !none.Empty() || !none.Equal(String{}) {
		t.Error("holds what it was not made of")
	}
}
