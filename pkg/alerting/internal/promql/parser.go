package promql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

// info reads series that no selector names, so it cannot be confined.
const info = "info"

// Language parses PromQL as far as an author may write it: with the allowed functions, and without anything that
// evaluators know only behind a feature flag.
type Language struct {
	parser parser.Parser

	// everything knows all of PromQL. It is asked only what is wrong with an expression that has been refused.
	everything parser.Parser

	functions map[string]*parser.Function
}

// StableFunctions are the functions that need no feature flag, sorted.
func StableFunctions() []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(parser.Functions)), func(name string) bool {
		return parser.Functions[name].Experimental
	})
	slices.Sort(names)

	return names
}

// NewLanguage returns the language with these functions.
func NewLanguage(functions []string) (*Language, error) {
	allowed := make(map[string]*parser.Function, len(functions))

	for _, name := range functions {
		function, known := parser.Functions[name]

		switch {
		case !known:
			return nil, fmt.Errorf("%q is not a function of PromQL", name)
		case function.Experimental:
			return nil, fmt.Errorf("the function %q is experimental: evaluators refuse a whole file for it", name)
		}

		allowed[name] = function
	}

	return &Language{
		parser:     parser.NewParser(parser.Options{Functions: allowed}),
		everything: parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true}),
		functions:  allowed,
	}, nil
}

// parse returns the tree of an expression. Every error is a *RefusalError.
func (l *Language) parse(text string) (parser.Expr, error) { //nolint:ireturn // what a tree is made of
	if len(text) > MaxLength {
		return nil, refuse(ReasonTooLong, fmt.Sprintf("it has %d bytes, and %d are the most: split it, "+
			"or record a part of it with a rule of its own", len(text), MaxLength))
	}

	if !utf8.ValidString(text) {
		return nil, refuse(ReasonNotUTF8, "it is not valid UTF-8: save it in that encoding")
	}

	if refusal := tooComplex(text); refusal != nil {
		return nil, refusal
	}

	root, err := parseSafely(l.parser, text)
	if err != nil {
		return nil, l.explain(text, err)
	}

	return root, nil
}

// parseSafely turns a panic of the parser into an error: one expression must not end the process.
func parseSafely(language parser.Parser, text string) (root parser.Expr, err error) { //nolint:ireturn // the same
	defer func() {
		if reason := recover(); reason != nil {
			root, err = nil, fmt.Errorf("the parser gave up: %v", reason)
		}
	}()

	root, err = language.ParseExpr(text)
	if err == nil && root == nil {
		err = errors.New("there is no expression")
	}

	return root, err
}

// explain says what is wrong with an expression that the parser has refused.
func (l *Language) explain(text string, err error) *RefusalError {
	root, everythingErr := parseSafely(l.everything, text)
	if everythingErr == nil {
		return l.notAllowed(text, root)
	}

	refusal := refuse(ReasonSyntax, err.Error())

	var list parser.ParseErrors
	if errors.As(err, &list) && len(list) > 0 {
		refusal.Message = list[0].Err.Error()

		return refusal.at(text, list[0].PositionRange.Start)
	}

	return refusal
}

// notAllowed names what makes valid PromQL more than an author may write.
func (l *Language) notAllowed(text string, root parser.Expr) *RefusalError {
	refusal := refuse(ReasonExperimental,
		"it uses syntax that evaluators know only behind a feature flag: write it without")

	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		call, isCall := node.(*parser.Call)
		if !isCall || l.functions[call.Func.Name] != nil {
			return nil
		}

		reason, message := ReasonFunctionNotAllowed, fmt.Sprintf("the function %s is not allowed: use %s",
			call.Func.Name, l.some())
		if call.Func.Experimental {
			reason, message = ReasonExperimental, fmt.Sprintf("the function %s is experimental, "+
				"evaluators know it only behind a feature flag: write it without", call.Func.Name)
		}

		refusal = refuse(reason, message).at(text, call.PosRange.Start)

		return errFound
	})

	return refusal
}

// some names the allowed functions, if they are few.
func (l *Language) some() string {
	const few = 12

	names := slices.Sorted(maps.Keys(l.functions))

	switch {
	case len(names) == 0:
		return "aggregations and operators, no function is allowed"
	case len(names) > few:
		return "one of those that the policy allows"
	}

	return strings.Join(names, ", ")
}

// errFound ends a walk that has what it was looking for.
var errFound = errors.New("found")
