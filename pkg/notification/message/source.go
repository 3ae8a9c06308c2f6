package message

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// Source is a file of templates, or of a language pack.
type Source struct {
	// Name is what findings call it: the ConfigMap and its key, or the field of a Receiver.
	Name string
	// Text is what it holds.
	Text string
}

// definition is one template: what stands between {{ define "name" }} and its {{ end }}.
type definition struct {
	name   string
	tree   *parse.Tree
	source string
	line   int
	survey survey
}

// contents are the definitions of a source, and those that it has but that are broken.
type contents struct {
	good   []*definition
	broken []string
	// unreadable is whether something was broken that has no name: what the source defined before stays.
	unreadable bool
	findings   []Finding
}

const (
	// longestSource is how long a source may be: as long as a ConfigMap.
	longestSource = 1 << 20
	// mostActions is how many actions a source may have, and by that how deep they can be nested.
	mostActions = 20_000
	// mostDefinitions is how many templates a Set may have.
	mostDefinitions = 2000
)

// readSource reads the definitions of a source. Where it does not parse as a whole each definition is tried by
// itself, so that one that is broken does not take the others with it.
func readSource(source Source, known map[string]any) contents {
	if problem := tooLarge(source.Text); problem != "" {
		return contents{unreadable: true, findings: []Finding{{
			Source: source.Name, Reason: TooLarge, Message: problem,
		}}}
	}

	var read contents
	if err := read.parse(source, piece{text: source.Text}, known); err == nil {
		return read
	}

	read = contents{}

	for _, piece := range pieces(source.Text) {
		err := read.parse(source, piece, known)
		if err == nil {
			continue
		}

		read.findings = append(read.findings, parseFailure(source.Name, piece.name, piece.linesBefore, err))

		if piece.name == "" {
			read.unreadable = true
		} else {
			read.broken = append(read.broken, piece.name)
		}
	}

	return read
}

func tooLarge(text string) string {
	if len(text) > longestSource {
		return fmt.Sprintf("the file has %d bytes, %d are allowed; split it", len(text), longestSource)
	}

	if count := strings.Count(text, "{{"); count > mostActions {
		return fmt.Sprintf("the file has %d actions, %d are allowed; split it", count, mostActions)
	}

	return ""
}

// parse adds the definitions of a text, which starts after some lines of its source. Text outside of definitions
// is never shown; an empty definition is none, as text/template has it.
func (c *contents) parse(source Source, from piece, known map[string]any) error {
	file := "file " + source.Name
	if from.linesBefore > 0 {
		file += ", after line " + strconv.Itoa(from.linesBefore)
	}

	trees, err := parse.Parse(file, from.text, "{{", "}}", known)
	if err != nil {
		return err //nolint:wrapcheck // becomes a finding, which names the place
	}

	lineOf := func(at parse.Pos) int {
		return from.linesBefore + 1 + strings.Count(from.text[:min(int(at), len(from.text))], "\n")
	}

	for _, name := range slices.Sorted(maps.Keys(trees)) {
		tree := trees[name]
		if name == file || parse.IsEmptyTree(tree.Root) {
			continue
		}

		c.good = append(c.good, &definition{
			name: name, tree: tree, source: source.Name, line: lineOf(tree.Root.Pos), survey: inspect(tree, lineOf),
		})
	}

	return nil
}

// piece is a part of a source that holds one definition, or what stands before the first.
type piece struct {
	name        string
	text        string
	linesBefore int
}

// pieces cuts a source before each definition. It is only a guess, for sources that do not parse.
func pieces(text string) []piece {
	definition := regexp.MustCompile(`\{\{-?\s*(?:define|block)\s+"((?:[^"\\\n]|\\.)*)"`)

	starts := definition.FindAllStringSubmatchIndex(text, -1)
	if len(starts) == 0 {
		return []piece{{text: text}}
	}

	var cut []piece

	if head := text[:starts[0][0]]; strings.TrimSpace(head) != "" {
		cut = append(cut, piece{text: head})
	}

	lines, counted := 0, 0

	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}

		lines += strings.Count(text[counted:start[0]], "\n")
		counted = start[0]

		cut = append(cut, piece{name: text[start[2]:start[3]], text: text[start[0]:end], linesBefore: lines})
	}

	return cut
}
