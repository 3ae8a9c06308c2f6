package message

import (
	"strings"
	"unicode/utf8"
)

// Marker stands where a text was cut.
const Marker = "… [truncated]"

// Measure is how a provider counts the length of a text.
type Measure func(text string) int

// Bytes counts the bytes of UTF-8.
func Bytes(text string) int {
	return len(text)
}

// Runes counts characters of Unicode.
func Runes(text string) int {
	return utf8.RuneCountInString(text)
}

// UTF16 counts as JavaScript and Java do: characters beyond the first plane, most emoji, are two.
func UTF16(text string) int {
	const twoUnits = 0x10000

	count := 0

	for _, letter := range text {
		count++

		if letter >= twoUnits {
			count++
		}
	}

	return count
}

// JSONBytes counts the bytes between the quotes when the text is written in JSON: what providers count that limit the
// body of a request.
func JSONBytes(text string) int {
	const (
		short = 2 // \n
		long  = 6 // \u0000
		blank = 0x20
	)

	count := len(text)

	for i := range len(text) {
		switch letter := text[i]; {
		case letter == '"', letter == '\\', letter == '\n', letter == '\r', letter == '\t':
			count += short - 1
		case letter < blank, letter == '<', letter == '>', letter == '&':
			count += long - 1
		}
	}

	return count
}

// Truncate shortens a text to a limit, between two characters, and puts the Marker where it was cut. Where there is
// no room for the marker either it is cut without one.
func Truncate(text string, limit int, measure Measure) string {
	if measure(text) <= limit {
		return text
	}

	if marked := limit - measure(Marker); marked > 0 {
		return longestPrefix(text, marked, measure) + Marker
	}

	return longestPrefix(text, limit, measure)
}

// longestPrefix is the longest beginning of a text within a limit. All measures grow with the text, so it is found
// by halving.
func longestPrefix(text string, limit int, measure Measure) string {
	low, high := 0, len(text)

	for low < high {
		middle := (low + high + 1) / 2

		if measure(cutBytes(text, middle)) <= limit {
			low = middle
		} else {
			high = middle - 1
		}
	}

	return strings.TrimRight(cutBytes(text, low), " \t\r\n")
}

// cutBytes is the longest beginning of a text of at most some bytes that ends between two characters.
func cutBytes(text string, most int) string {
	if most >= len(text) {
		return text
	}

	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}

	return text[:max(most, 0)]
}
