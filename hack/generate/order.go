package main

import (
	"slices"
	"strings"
)

// ordered sorts the properties of each schema in a definition as controller-gen writes it. The order it gives to
// names with numbers in their midst, such as load1m, load5m and load15m, differs from run to run.
func ordered(content string) string {
	lines := strings.SplitAfter(content, "\n")

	for i, line := range lines {
		if strings.TrimSpace(line) != "properties:" {
			continue
		}

		indent := indentOf(line) + 2
		rest := lines[i+1:]

		end := slices.IndexFunc(rest, func(line string) bool { return !isBlank(line) && indentOf(line) < indent })
		if end < 0 {
			end = len(rest)
		}

		sortEntries(rest[:end], indent)
	}

	return strings.Join(lines, "")
}

// sortEntries sorts the entries of a mapping by their keys, in place. Each begins with the one line of its indent.
func sortEntries(lines []string, indent int) {
	var entries [][]string

	for i, line := range lines {
		if len(entries) == 0 || !isBlank(line) && indentOf(line) == indent {
			entries = append(entries, nil)
		}

		last := len(entries) - 1
		entries[last] = append(entries[last], lines[i])
	}

	slices.SortStableFunc(entries, func(a, b []string) int { return strings.Compare(keyOf(a[0]), keyOf(b[0])) })
	copy(lines, slices.Concat(entries...))
}

func keyOf(line string) string {
	key, _, _ := strings.Cut(strings.TrimSpace(line), ":")

	return key
}

func isBlank(line string) bool { return strings.TrimSpace(line) == "" }

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
