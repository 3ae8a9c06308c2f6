package promql

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// MaxLength is how many bytes of an expression are looked at.
	MaxLength = 64 << 10

	// maxPrinted is about how many bytes an expression may have when matchers have been added to it.
	maxPrinted = 2 * MaxLength

	// maxWarnings is how many warnings are told of one expression.
	maxWarnings = 10

	// maxSmall is how long an expression may be without being counted: what the parser does with one grows with
	// the square of its length, which is nothing for so few bytes.
	maxSmall = 4 << 10

	// maxTokens is how many words and signs an expression may have.
	maxTokens = 10_000

	// maxNesting is how deep an expression may be nested. The left sides of operators do not count: a long sum is
	// not nested for its reader.
	maxNesting = 256

	// maxRegexp is how long a regular expression may be, and maxCountedRegexp how long one with repetitions or
	// classes of characters, of which a few bytes may stand for thousands of instructions.
	maxRegexp        = 16 << 10
	maxCountedRegexp = 1 << 10

	// maxInstructions is about how large the program of a regular expression may become.
	maxInstructions = 10_000
)

// tooComplex refuses what would cost the parser or an evaluator out of proportion. It reads words, and nothing is
// built for them before their cost is known.
func tooComplex(text string) *RefusalError {
	if len(text) <= maxSmall && !mayRepeat(text) {
		return nil
	}

	var (
		lexer = parser.Lex(text)
		item  parser.Item
	)

	for range maxTokens {
		lexer.NextItem(&item)

		if item.Typ == parser.EOF || item.Typ == parser.ERROR { // what is wrong is said by the parser
			return nil
		}

		if item.Typ != parser.STRING { // any may be a regular expression: of a matcher, or of label_replace
			continue
		}

		if problem := expensive(unquote(item.Val)); problem != "" {
			return refuse(ReasonTooComplex, problem).at(text, item.Pos)
		}
	}

	return refuse(ReasonTooComplex, fmt.Sprintf("it has more than %d words and signs: split it, "+
		"or record a part of it with a rule of its own", maxTokens))
}

// mayRepeat tells whether a text may hold a regular expression with repetitions or classes. In one that does, a digit
// follows a brace, as in no selector, or there is an escape, which may stand for anything.
func mayRepeat(text string) bool {
	if strings.Contains(text, `\`) {
		return true
	}

	for rest := text; ; {
		_, behind, found := strings.Cut(rest, "{")
		if !found {
			return false
		}

		if behind != "" && behind[0] >= '0' && behind[0] <= '9' {
			return true
		}

		rest = behind
	}
}

// unquote returns the text of a string of PromQL. Single quotes are Go's double ones there.
func unquote(quoted string) string {
	if strings.HasPrefix(quoted, "'") && len(quoted) > 1 {
		inside := strings.NewReplacer(`\\`, `\\`, `\'`, `'`, `"`, `\"`).Replace(quoted[1 : len(quoted)-1])
		quoted = `"` + inside + `"`
	}

	text, err := strconv.Unquote(quoted)
	if err != nil {
		return quoted // the parser refuses it
	}

	return text
}

// expensive says what is wrong with a regular expression that would compile into a large program.
func expensive(expression string) string {
	if len(expression) > maxRegexp {
		return fmt.Sprintf("the regular expression has %d bytes, and %d are the most: match a label with fewer values",
			len(expression), maxRegexp)
	}

	if !strings.Contains(expression, "{") && !strings.Contains(expression, `\p`) &&
		!strings.Contains(expression, `\P`) {
		return ""
	}

	if len(expression) > maxCountedRegexp {
		return fmt.Sprintf("the regular expression has %d bytes, and with repetitions {n} or classes \\p "+
			"%d are the most: shorten it", len(expression), maxCountedRegexp)
	}

	tree, err := syntax.Parse(expression, syntax.Perl|syntax.DotNL)
	if err != nil {
		return "" // the parser says it
	}

	if instructions(tree) > maxInstructions {
		return "the regular expression repeats too much: use + or * instead of large numbers in {n}"
	}

	return ""
}

// instructions is about the size of the program of a regular expression. Go's parser bounds the depth of the tree
// and the repetitions of repetitions, so that the number cannot overflow.
func instructions(tree *syntax.Regexp) int {
	size := 1 + len(tree.Rune)

	for _, part := range tree.Sub {
		size += instructions(part)
	}

	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min, tree.Max, 1)
	}

	return size
}
