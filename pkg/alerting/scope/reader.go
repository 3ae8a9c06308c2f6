package scope

import (
	"fmt"
	"slices"
	"text/template/parse"
)

// maxLoops is how many loops may stand in each other: one over a query, and one over labels inside of it.
const maxLoops = 2

// reader goes through a template, lists what it queries, and refuses what it may not do. What is not known here is
// refused.
type reader struct {
	field string
	text  string
	mute  bool // no queries at all

	queries []*parse.StringNode

	// What a loop goes over must have an end: results of queries and labels do, numbers may not. lists says of a
	// variable that it never holds anything else, once all of the template is known; dot says it of the dot.
	lists map[string]bool
	known bool
	dot   bool
	loops int

	// growth is how long values get, and size the one of the last action.
	growth growth
	size   int
}

func (r *reader) refuse(node parse.Node, reason, message string) *Error {
	refusal := refuse(r.field, reason, message)

	if start := int(node.Position()) - len(prelude); start >= 0 && start <= len(r.text) {
		refusal.Line, refusal.Column = place(r.text, start)
	}

	return refusal
}

// list reads the actions and the text between two of them.
func (r *reader) list(list *parse.ListNode) *Error {
	if list == nil {
		return nil
	}

	for _, node := range list.Nodes {
		if refusal := r.action(node); refusal != nil {
			return refusal
		}
	}

	return nil
}

func (r *reader) action(node parse.Node) *Error {
	switch node := node.(type) {
	case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
		return nil
	case *parse.ActionNode:
		return r.value(node.Pipe, r.goesOver(node.Pipe))
	case *parse.IfNode:
		return r.branch(&node.BranchNode, r.dot)
	case *parse.WithNode:
		return r.branch(&node.BranchNode, r.goesOver(node.Pipe))
	case *parse.RangeNode:
		return r.loop(node)
	case *parse.TemplateNode:
		return r.refuse(node, ReasonTemplateNotAllowed,
			"it uses another template (template or block): write the text where it is used")
	}

	return r.refuse(node, ReasonTemplateNotAllowed, fmt.Sprintf("%s is not known here: write it without", node))
}

// branch reads an if or a with, with what is known of the dot inside of it.
func (r *reader) branch(node *parse.BranchNode, dot bool) *Error {
	if refusal := r.value(node.Pipe, r.goesOver(node.Pipe)); refusal != nil {
		return refusal
	}

	before, size := r.dot, r.growth.dot
	r.dot = dot

	if node.NodeType == parse.NodeWith {
		r.growth.dot = r.size
	}

	refusal := r.list(node.List)
	r.dot, r.growth.dot = before, size

	if refusal != nil {
		return refusal
	}

	return r.list(node.ElseList)
}

func (r *reader) loop(node *parse.RangeNode) *Error {
	if r.known && !r.goesOver(node.Pipe) {
		return r.refuse(node, ReasonTemplateNotAllowed,
			"a loop goes over the result of a query, or over labels: name one of these in range")
	}

	if r.loops == maxLoops {
		return r.refuse(node, ReasonTooComplex,
			fmt.Sprintf("more than %d loops stand in each other: write it with fewer", maxLoops))
	}

	if refusal := r.value(node.Pipe, false); refusal != nil {
		return refusal
	}

	before, size := r.dot, r.growth.dot
	r.dot, r.growth.dot = false, r.size
	r.loops++
	refusal := r.list(node.List)
	r.loops--
	r.dot, r.growth.dot = before, size

	if refusal != nil {
		return refusal
	}

	return r.list(node.ElseList)
}

// value reads the pipeline of an action, and how long its value gets.
func (r *reader) value(pipe *parse.PipeNode, isList bool) *Error {
	if refusal := r.pipe(pipe, isList); refusal != nil {
		return refusal
	}

	size, problem := r.growth.pipe(pipe)
	if problem != "" {
		return r.refuse(pipe, ReasonTooComplex, problem)
	}

	r.size = size

	return nil
}

// pipe reads a pipeline, whose value is one that loops may go over, or not.
func (r *reader) pipe(pipe *parse.PipeNode, isList bool) *Error {
	if r.loops > 0 && pipe.IsAssign && varies(pipe) {
		return r.refuse(pipe, ReasonTooComplex, "a variable is computed anew in each round of a loop and might grow: "+
			"assign a constant to it, or write the text where it is made")
	}

	for _, variable := range pipe.Decl {
		name := variable.Ident[0]
		before, seen := r.lists[name]
		r.lists[name] = isList && (before || !seen)
	}

	for i, command := range pipe.Cmds {
		if refusal := r.command(command, pipe.Cmds[:i]); refusal != nil {
			return refusal
		}
	}

	return nil
}

// command reads a part of a pipeline; before it are the parts whose value it gets.
func (r *reader) command(command *parse.CommandNode, before []*parse.CommandNode) *Error {
	if called(command) == functionQuery {
		if refusal := r.query(command, before); refusal != nil {
			return refusal
		}
	}

	for i, operand := range command.Args {
		if refusal := r.operand(operand, i == 0); refusal != nil {
			return refusal
		}
	}

	return nil
}

// query notes the constant that is queried.
func (r *reader) query(command *parse.CommandNode, before []*parse.CommandNode) *Error {
	if r.mute {
		return r.muted(command)
	}

	var constant *parse.StringNode

	switch {
	case len(command.Args) == 2 && len(before) == 0:
		constant = constantOf(command.Args[1])
	case len(command.Args) == 1 && len(before) == 1 && len(before[0].Args) == 1:
		constant = constantOf(before[0].Args[0])
	}

	if constant == nil {
		return r.refuse(command, ReasonQueryNotConstant, "what is queried is computed by the template, "+
			"so it cannot be confined: write the query as a constant string, such as {{ query \"up\" }}")
	}

	r.queries = append(r.queries, constant)

	return nil
}

func (r *reader) muted(node parse.Node) *Error {
	return r.refuse(node, ReasonQueryNotAllowed, "templates may not query here: "+
		"put what you need into the expression of the rule, or write it without query")
}

// operand reads what a function is called with, or the function itself, which comes first.
func (r *reader) operand(node parse.Node, first bool) *Error {
	switch node := node.(type) {
	case *parse.BoolNode, *parse.DotNode, *parse.FieldNode, *parse.NilNode, *parse.NumberNode, *parse.StringNode,
		*parse.VariableNode:
		return nil
	case *parse.ChainNode:
		return r.operand(node.Node, false)
	case *parse.PipeNode:
		return r.pipe(node, r.goesOver(node))
	case *parse.IdentifierNode:
		switch {
		case node.Ident == functionTmpl:
			return r.refuse(node, ReasonTemplateNotAllowed,
				"tmpl uses another template: write the text where it is used")
		case node.Ident == functionQuery && r.mute:
			return r.muted(node)
		case node.Ident == functionQuery && !first:
			return r.refuse(node, ReasonQueryNotConstant, "query is not called with a constant string here, "+
				"so it cannot be confined: write {{ query \"up\" }}")
		}

		return nil
	}

	return r.refuse(node, ReasonTemplateNotAllowed, fmt.Sprintf("%s is not known here: write it without", node))
}

// goesOver tells whether the value of a pipeline is one that loops may go over.
func (r *reader) goesOver(pipe *parse.PipeNode) bool {
	last := pipe.Cmds[len(pipe.Cmds)-1]

	switch first := last.Args[0].(type) {
	case *parse.IdentifierNode:
		return slices.Contains([]string{functionQuery, "sortByLabel", "args"}, first.Ident)
	case *parse.PipeNode:
		return r.goesOver(first)
	case *parse.DotNode:
		return r.dot
	case *parse.FieldNode:
		return areLabels(first.Ident)
	case *parse.ChainNode:
		return areLabels(first.Field)
	case *parse.VariableNode:
		if len(first.Ident) > 1 {
			return areLabels(first.Ident)
		}

		return r.known && r.lists[first.Ident[0]]
	}

	return false
}

// areLabels tells whether a chain of fields ends at the labels of something.
func areLabels(fields []string) bool {
	return slices.Contains([]string{"Labels", "ExternalLabels"}, fields[len(fields)-1])
}

// called returns the function that a command calls.
func called(command *parse.CommandNode) string {
	if function, ok := command.Args[0].(*parse.IdentifierNode); ok {
		return function.Ident
	}

	return ""
}

// constantOf returns the constant string that an operand is, in parentheses or not.
func constantOf(node parse.Node) *parse.StringNode {
	switch node := node.(type) {
	case *parse.StringNode:
		return node
	case *parse.PipeNode:
		if len(node.Decl) == 0 && len(node.Cmds) == 1 && len(node.Cmds[0].Args) == 1 {
			return constantOf(node.Cmds[0].Args[0])
		}
	}

	return nil
}
