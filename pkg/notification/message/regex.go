package message

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"sync"
)

const (
	// longestPattern is how long a regular expression of a template may be.
	longestPattern = 512
	// mostInstructions bounds what a pattern like (a{1000}){1000} becomes when it is compiled.
	mostInstructions = 4096
	// mostGroups is how many groups a pattern may have.
	mostGroups = 20
	// mostPatterns is how many compiled patterns are kept.
	mostPatterns = 128
)

// pattern is a compiled regular expression.
type pattern struct {
	*regexp.Regexp

	// weight is what a byte of text costs to match, at worst.
	weight int
}

// patterns keeps compiled regular expressions. A template may make its patterns of labels: when there are too many
// the oldest goes, one at a time.
type patterns struct {
	mu    sync.Mutex
	known map[string]pattern
	order []string
}

func newPatterns() *patterns {
	return &patterns{known: make(map[string]pattern)}
}

func (p *patterns) get(text string) (pattern, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if found, ok := p.known[text]; ok {
		return found, nil
	}

	made, err := compilePattern(text)
	if err != nil {
		return pattern{}, err
	}

	if len(p.order) == mostPatterns {
		delete(p.known, p.order[0])
		p.order = append(p.order[:0], p.order[1:]...)
	}

	p.known[text] = made
	p.order = append(p.order, text)

	return made, nil
}

func compilePattern(text string) (pattern, error) {
	const bytesPerWeight = 16 // the common case is some bytes per instruction, the worst all instructions per byte

	if len(text) > longestPattern {
		return pattern{}, fmt.Errorf("the regular expression %q is %d bytes long, %d are allowed",
			shorten(text), len(text), longestPattern)
	}

	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}, fmt.Errorf("the regular expression %q does not compile: %w", shorten(text), err)
	}

	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return pattern{}, fmt.Errorf("the regular expression %q does not compile: %w", shorten(text), err)
	}

	if len(program.Inst) > mostInstructions || parsed.MaxCap() > mostGroups {
		return pattern{}, fmt.Errorf("the regular expression %q repeats or groups too much; write it with fewer counts",
			shorten(text))
	}

	compiled, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, fmt.Errorf("the regular expression %q does not compile: %w", shorten(text), err)
	}

	return pattern{Regexp: compiled, weight: 1 + len(program.Inst)/bytesPerWeight}, nil
}
