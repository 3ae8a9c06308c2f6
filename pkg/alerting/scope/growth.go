package scope

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

const (
	// maxText is how much text a template may build and write, as far as that can be told from the template: loops
	// count once, for the series they go over bound them. An evaluator holds all of it in memory, for each alert.
	maxText = 1 << 20

	// sizeOfValue is taken for what is known only when the template runs: the values of labels and of samples.
	sizeOfValue = 128

	// maxWidthDigits is how many digits a width in a format of printf may have; one more is ten times the text.
	// sizeOfWidth is taken for each width.
	maxWidthDigits = 3
	sizeOfWidth    = 1000

	// escaped is how many characters one becomes at most in what is made for URLs, HTML and JavaScript.
	escaped = 6
)

// growth follows how long the values of a template get. Variables that hold themselves twice double with each line,
// and thirty lines would fill the memory of the evaluator that all tenants share.
type growth struct {
	variables map[string]int
	dot       int
	total     int
}

// pipe returns the size of the value of a pipeline, or what is wrong with it.
func (g *growth) pipe(pipe *parse.PipeNode) (int, string) {
	size := 0

	for i, command := range pipe.Cmds {
		var problem string

		if size, problem = g.command(command, size, i > 0); problem != "" {
			return 0, problem
		}
	}

	for _, variable := range pipe.Decl {
		name := variable.Ident[0]
		g.variables[name] = max(g.variables[name], size)
	}

	g.total += size
	if g.total > maxText {
		return 0, fmt.Sprintf("it builds more than %d bytes of text: use fewer and shorter variables", maxText)
	}

	return size, ""
}

// command returns the size of what a command makes of its operands and of the value before it.
func (g *growth) command(command *parse.CommandNode, piped int, hasPiped bool) (int, string) {
	operands := command.Args
	name := called(command)

	if name != "" {
		operands = operands[1:]
	}

	sizes := make([]int, 0, len(operands)+1)

	for _, operand := range operands {
		size, problem := g.operand(operand)
		if problem != "" {
			return 0, problem
		}

		sizes = append(sizes, size)
	}

	if hasPiped {
		sizes = append(sizes, piped)
	}

	return grown(name, operands, sizes)
}

// grown returns the size of what a function makes of operands of these sizes.
func grown(name string, operands []parse.Node, sizes []int) (int, string) {
	size := 1
	for _, one := range sizes {
		size += one + 1
	}

	switch name {
	case "reReplaceAll":
		return square(sizes), ""
	case "html", "js", "urlquery", "urlQueryEscape", "graphLink", "tableLink":
		return size * escaped, ""
	case "printf":
		width, problem := widths(operands)

		return size + width, problem
	}

	return size, ""
}

// square is the most that replacements make of a text: each of its characters becomes the replacement, which itself
// may hold the text many times.
func square(sizes []int) int {
	size := 1
	for _, one := range sizes {
		size = min(size*(one+1), maxText+1)
	}

	return size
}

// widths returns what the numbers in the format of a printf add.
func widths(operands []parse.Node) (int, string) {
	var format *parse.StringNode
	if len(operands) > 0 {
		format = constantOf(operands[0])
	}

	if format == nil {
		return 0, "the format of printf is computed: write it as a constant string"
	}

	size := 0

	for _, part := range strings.Split(format.Text, "%")[1:] {
		flags := part[:len(part)-len(strings.TrimLeft(part, "+-# 0123456789.[]*"))]

		if strings.Contains(flags, "*") {
			return 0, "the format of printf takes a width from an operand (*): write it as a number"
		}

		for number := range strings.FieldsFuncSeq(flags, func(c rune) bool { return c < '0' || c > '9' }) {
			if len(number) > maxWidthDigits {
				return 0, fmt.Sprintf("the format of printf has a number of more than %d digits: write a shorter one",
					maxWidthDigits)
			}

			size += sizeOfWidth
		}
	}

	return size, ""
}

// operand returns the size of an operand.
func (g *growth) operand(node parse.Node) (int, string) {
	switch node := node.(type) {
	case *parse.StringNode:
		return len(node.Text), ""
	case *parse.PipeNode:
		return g.pipe(node)
	case *parse.ChainNode:
		return g.operand(node.Node)
	case *parse.DotNode:
		return max(g.dot, sizeOfValue), ""
	case *parse.FieldNode:
		return max(g.dot, sizeOfValue), ""
	case *parse.VariableNode:
		return max(g.variables[node.Ident[0]], sizeOfValue), ""
	}

	return sizeOfValue, ""
}

// varies tells whether there is a variable or the dot in a pipeline, so that its value may be another each time.
func varies(node parse.Node) bool {
	switch node := node.(type) {
	case *parse.VariableNode, *parse.DotNode, *parse.FieldNode, *parse.ChainNode:
		return true
	case *parse.PipeNode:
		return slices.ContainsFunc(node.Cmds, func(command *parse.CommandNode) bool {
			return slices.ContainsFunc(command.Args, varies)
		})
	}

	return false
}
