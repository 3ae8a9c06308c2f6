package message

import (
	"text/template/parse"
)

// mostNodes is how many nodes one action may have: what runs between two looks at the budget.
const mostNodes = 256

// survey is what there is to know of the tree of a definition before it runs.
type survey struct {
	// calls are the names of the definitions it calls.
	calls []string
	// widest is the number of nodes of its largest action, and widestLine where that stands.
	widest     int
	widestLine int
}

// inspect looks a tree through, and puts markers into it: an empty text before each node that does something. A
// marker prints nothing but calls the writer, where the budget is.
func inspect(tree *parse.Tree, lineOf func(parse.Pos) int) survey {
	var found survey

	found.list(tree.Root, false, lineOf)

	return found
}

func (s *survey) list(list *parse.ListNode, repeated bool, lineOf func(parse.Pos) int) {
	if list == nil {
		return
	}

	marked := make([]parse.Node, 0, 2*len(list.Nodes)+1)

	if repeated && len(list.Nodes) == 0 {
		marked = append(marked, marker(list.Pos))
	}

	for _, node := range list.Nodes {
		if node.Type() != parse.NodeText {
			marked = append(marked, marker(node.Position()))
		}

		s.node(node, lineOf)

		marked = append(marked, node)
	}

	list.Nodes = marked
}

func marker(at parse.Pos) parse.Node {
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at}
}

func (s *survey) node(node parse.Node, lineOf func(parse.Pos) int) {
	switch node := node.(type) {
	case *parse.ActionNode:
		s.pipe(node.Pipe, lineOf)
	case *parse.IfNode:
		s.branch(&node.BranchNode, false, lineOf)
	case *parse.WithNode:
		s.branch(&node.BranchNode, false, lineOf)
	case *parse.RangeNode:
		s.branch(&node.BranchNode, true, lineOf)
	case *parse.TemplateNode:
		s.calls = append(s.calls, node.Name)
		s.pipe(node.Pipe, lineOf)
	default:
	}
}

func (s *survey) branch(node *parse.BranchNode, repeated bool, lineOf func(parse.Pos) int) {
	s.pipe(node.Pipe, lineOf)
	s.list(node.List, repeated, lineOf)
	s.list(node.ElseList, false, lineOf)
}

func (s *survey) pipe(pipe *parse.PipeNode, lineOf func(parse.Pos) int) {
	if pipe == nil {
		return
	}

	if count := countNodes(pipe); count > s.widest {
		s.widest, s.widestLine = count, lineOf(pipe.Pos)
	}
}

func countNodes(node parse.Node) int {
	count := 1

	switch node := node.(type) {
	case *parse.PipeNode:
		for _, command := range node.Cmds {
			count += countNodes(command)
		}
	case *parse.CommandNode:
		for _, argument := range node.Args {
			count += countNodes(argument)
		}
	case *parse.ChainNode:
		count += countNodes(node.Node)
	default:
	}

	return count
}
