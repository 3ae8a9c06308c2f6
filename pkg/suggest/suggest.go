// Package suggest finds what somebody may have meant by a name that does not exist.
package suggest

import (
	"cmp"
	"slices"
	"strings"
)

// most is how many suggestions are worth reading.
const most = 3

// Nearest returns the up to three known names that are nearest to name by edit distance, nearest first.
// Names that share less than half of their letters with it are left out; so is everything when nothing
// is near.
func Nearest(name string, known []string) []string {
	type candidate struct {
		name     string
		distance int
	}

	var near []candidate

	for _, other := range known {
		distance := editDistance(strings.ToLower(name), strings.ToLower(other))
		if distance <= max(len(name), len(other))/2 || strings.Contains(other, name) {
			near = append(near, candidate{name: other, distance: distance})
		}
	}

	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})

	names := make([]string, 0, most)
	for _, c := range near[:min(most, len(near))] {
		names = append(names, c.name)
	}

	return names
}

// Sentence turns suggestions into the end of an error message: `; did you mean "a" or "b"?`. Without a
// suggestion it names all that is known.
func Sentence(name string, known []string) string {
	near := Nearest(name, known)
	if len(near) == 0 {
		return "; known are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
	}

	return `; did you mean "` + strings.Join(near, `" or "`) + `"?`
}

// editDistance counts the insertions, deletions and substitutions that turn one string into the other.
func editDistance(from, to string) int {
	previous := make([]int, len(to)+1)
	for column := range previous {
		previous[column] = column
	}

	for row := range len(from) {
		current := make([]int, len(to)+1)
		current[0] = row + 1

		for column := range len(to) {
			substitution := previous[column]
			if from[row] != to[column] {
				substitution++
			}

			current[column+1] = min(substitution, previous[column+1]+1, current[column]+1)
		}

		previous = current
	}

	return previous[len(to)]
}
