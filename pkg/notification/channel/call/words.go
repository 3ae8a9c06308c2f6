package call

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// Secret is something that holds texts nobody may see.
type Secret struct {
	texts []string
}

// Credential is a credential.
func Credential(text secret.String) Secret {
	return Secret{texts: []string{text.Reveal()}}
}

// Address is an endpoint whose URL is, or may be, a credential.
func Address(endpoint egress.Endpoint) Secret {
	return Secret{texts: endpoint.Hidden()}
}

// hidden are the texts that are cut from what is shown, as they are and as they are in URLs; the longest first, so
// that none is cut in two. What is very short would blot out half of what is said, and is no secret.
func hidden(secrets []Secret) []string {
	const shortest = 6

	var found []string

	for _, one := range secrets {
		for _, text := range one.texts {
			if len(text) >= shortest {
				found = append(found, text, url.QueryEscape(text), url.PathEscape(text))
			}
		}
	}

	return longestFirst(found)
}

func longestFirst(found []string) []string {
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})

	return slices.Compact(found)
}

// show is what may be shown of a provider's words: without secrets, in one line, and not too long.
func (c *Caller) show(words string) string {
	const longest = 200

	for _, text := range c.hidden {
		words = strings.ReplaceAll(words, text, "[redacted]")
	}

	words = strings.ToValidUTF8(words, "?")
	words = strings.Join(strings.FieldsFunc(words, unseen), " ")

	if utf8.RuneCountInString(words) > longest {
		words = string([]rune(words)[:longest]) + "..."
	}

	return words
}

func unseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r)
}
