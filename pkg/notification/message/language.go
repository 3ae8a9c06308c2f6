package message

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	_ "embed" // the words
)

const (
	// English is the language of whoever asks for none.
	English = "English"
	// Chinese is the language in which an alert's Chinese summary is shown first.
	Chinese = "zh-cn"
)

// dictionary are the words of one language, by the word in lower case that templates use.
type dictionary map[string]string

// translate gives the word of the language, or the word it was given.
func (d dictionary) translate(word string) string {
	if len(d) == 0 {
		return word
	}

	if found, ok := d[word]; ok {
		return found
	}

	if found, ok := d[strings.ToLower(word)]; ok {
		return found
	}

	return word
}

//go:embed zh-cn.yaml
var chinesePack string

// builtinPacks are the words that are known without a language pack of a user.
func builtinPacks() []Source {
	return []Source{
		{Name: "built in", Text: "- {name: " + English + ", dictionary: {firing: FIRING, resolved: RESOLVED}}"},
		{Name: "built in", Text: chinesePack},
	}
}

// languagePack is one entry of a language pack.
type languagePack struct {
	Name       string            `json:"name"`
	Dictionary map[string]string `json:"dictionary"`
}

// newDictionary makes the dictionary of one language of all packs; of two packs with one word the later has it. A
// pack that cannot be read is a finding, and the others count.
func newDictionary(language string, packs []Source) (dictionary, []Finding) {
	var findings []Finding

	words := dictionary{}

	for _, source := range slices.Concat(builtinPacks(), packs) {
		var entries []languagePack
		if err := yaml.UnmarshalStrict([]byte(source.Text), &entries); err != nil {
			findings = append(findings, Finding{
				Source: source.Name, Reason: BadLanguagePack,
				Message: fmt.Sprintf("a language pack is a list of entries with name and dictionary: %v", err),
			})

			continue
		}

		for _, entry := range entries {
			if !strings.EqualFold(entry.Name, language) {
				continue
			}

			for word, translation := range entry.Dictionary {
				words[strings.ToLower(word)] = translation
			}
		}
	}

	return words, findings
}
