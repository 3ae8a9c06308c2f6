package promql

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// generator writes random expressions that are valid PromQL, along the grammar: all that an expression can be made of
// comes up in it, at random places.
type generator struct {
	random *rand.Rand
	calls  map[parser.ValueType][]*parser.Function
}

func newGenerator(seed uint64) *generator {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same for the same seed
	g := &generator{random: random, calls: map[parser.ValueType][]*parser.Function{}}

	for _, name := range StableFunctions() {
		function := parser.Functions[name]
		g.calls[function.ReturnType] = append(g.calls[function.ReturnType], function)
	}

	return g
}

func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

func (g *generator) one(choices ...string) string { return choices[g.random.IntN(len(choices))] }

// expr writes an expression for a rule.
func (g *generator) expr() string {
	if g.chance(10) {
		return g.scalar(3)
	}

	return g.vector(1 + g.random.IntN(5))
}

// of writes an expression of a type.
func (g *generator) of(kind parser.ValueType, depth int) string {
	switch kind {
	case parser.ValueTypeScalar:
		return g.scalar(depth)
	case parser.ValueTypeMatrix:
		return g.matrix(depth)
	case parser.ValueTypeString:
		return g.text()
	default:
		return g.vector(depth)
	}
}

func (g *generator) vector(depth int) string {
	if depth <= 0 {
		return g.selector() + g.shift()
	}

	switch g.random.IntN(8) {
	case 0:
		return g.selector() + g.shift()
	case 1:
		return g.aggregate(depth - 1)
	case 2:
		return g.call(parser.ValueTypeVector, depth-1)
	case 3:
		return "(" + g.space() + g.vector(depth-1) + g.space() + ")"
	case 4:
		return g.one("-", "+", "- ") + g.vector(depth-1)
	case 5:
		return g.vector(depth-1) + " " + g.operator() + " " + g.scalar(depth-1)
	case 6:
		return g.scalar(depth-1) + " " + g.operator() + " " + g.operand(depth-1)
	default:
		return g.operand(depth-1) + g.space() + " " + g.matching() + " " + g.operand(depth-1)
	}
}

// operand writes a vector that stays one whatever operators stand beside it.
func (g *generator) operand(depth int) string {
	switch g.random.IntN(4) {
	case 0:
		return g.selector() + g.shift()
	case 1:
		return g.aggregate(depth)
	case 2:
		return g.call(parser.ValueTypeVector, depth)
	default:
		return "(" + g.vector(depth) + ")"
	}
}

func (g *generator) scalar(depth int) string {
	if depth <= 0 {
		return g.number()
	}

	switch g.random.IntN(6) {
	case 0, 1:
		return g.number()
	case 2:
		return g.call(parser.ValueTypeScalar, depth-1)
	case 3:
		return "(" + g.scalar(depth-1) + ")"
	case 4:
		return "-" + g.scalar(depth-1)
	default:
		operator := g.one("+", "-", "*", "/", "%", "^", "atan2", "== bool", "> bool", "<= bool")

		return g.scalar(depth-1) + " " + operator + " " + g.scalar(depth-1)
	}
}

func (g *generator) matrix(depth int) string {
	if depth > 0 && g.chance(40) {
		step := g.one("", g.duration())

		return "(" + g.vector(depth-1) + ")[" + g.duration() + ":" + step + "]" + g.shift()
	}

	return g.selector() + g.space() + "[" + g.duration() + "]" + g.shift()
}

func (g *generator) aggregate(depth int) string {
	operator := g.one("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk", "quantile",
		"count_values", "SUM")

	parameter := ""

	switch operator {
	case "topk", "bottomk", "quantile":
		parameter = g.scalar(depth) + ", "
		if g.chance(50) { // the place that walkers have forgotten
			parameter = "scalar(" + g.vector(depth) + "), "
		}
	case "count_values":
		parameter = g.text() + ", "
	}

	grouping := g.one("", " by ("+g.labels()+") ", " without ("+g.labels()+")")
	if g.chance(50) {
		return operator + grouping + "(" + parameter + g.vector(depth) + ")"
	}

	return operator + "(" + parameter + g.vector(depth) + ")" + grouping
}

func (g *generator) call(kind parser.ValueType, depth int) string {
	function := g.calls[kind][g.random.IntN(len(g.calls[kind]))]
	count := len(function.ArgTypes)

	switch {
	case function.Variadic > 0:
		count += g.random.IntN(function.Variadic+1) - 1
	case function.Variadic < 0:
		count += g.random.IntN(3) - 1
	}

	arguments := make([]string, 0, count)
	for i := range count {
		arguments = append(arguments, g.of(function.ArgTypes[min(i, len(function.ArgTypes)-1)], depth))
	}

	return function.Name + "(" + strings.Join(arguments, g.one(",", ", ", " , ")) + ")"
}

func (g *generator) operator() string {
	return g.one("+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "> bool", "!= bool")
}

// matching writes an operator between two vectors.
func (g *generator) matching() string {
	if g.chance(30) {
		return g.one("and", "or", "unless") + g.one("", " on("+g.labels()+")", " ignoring ("+g.labels()+")")
	}

	operator := g.operator()

	switch g.random.IntN(4) {
	case 0:
		return operator
	case 1:
		return operator + " on(a, b)" + g.one("", " group_left(c)", " group_right ()", " group_left()")
	case 2:
		return operator + " ignoring (a)" + g.one("", " group_right(c, d)", ` group_left ("e f")`)
	default:
		return operator + " on()"
	}
}

func (g *generator) labels() string {
	names := []string{"namespace", "pod", "cluster", `"with space"`, "by", "le", `"namespace"`}
	g.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

	return strings.Join(names[:g.random.IntN(4)], ", ")
}

func (g *generator) selector() string {
	matchers := []string{}
	for range g.random.IntN(4) {
		matchers = append(matchers, g.matcher())
	}

	name := g.one("up", "node_load1", "namespace:cpu:sum", "offset", "sum", "on_fire", "start", "a1", "info")

	switch g.random.IntN(5) {
	case 0:
		if len(matchers) == 0 {
			return name
		}

		return name + g.space() + "{" + strings.Join(matchers, ",") + g.one("", ",") + "}"
	case 1:
		return "{" + strings.Join(append(matchers, g.one(`"a b"`, `'up'`, "`ü`")), " , ") + "}"
	case 2:
		matchers = append(matchers, g.one(`__name__="up"`, `__name__=~"up.+"`, `"__name__"!=""`))

		return "{" + strings.Join(matchers, ", ") + "}"
	case 3:
		return "{" + strings.Join(append(matchers, `job="x"`), ",") + "}"
	default:
		return name
	}
}

func (g *generator) matcher() string {
	label := g.one("job", "namespace", `"namespace"`, "cluster", `"with space"`, "pod", "`namespace`", "on")
	value := g.one("mine", "other", "", "a.b", "mine|other", ".*", ".+", "x{1,2}", `\d`, "ü", "quote \" '")

	return label + g.space() + g.one("=", "!=", "=~", "!~") + g.space() + g.quoted(value)
}

func (g *generator) text() string {
	return g.quoted(g.one("", "namespace", "$1", "(.*)", "back\\slash", "new\nline", "ü", "{namespace=\"other\"}"))
}

// quoted writes a string in one of the quotes of PromQL.
func (g *generator) quoted(text string) string {
	if g.chance(20) && strconv.CanBackquote(text) {
		return "`" + text + "`"
	}

	quoted := strconv.Quote(text)
	if g.chance(20) && !strings.ContainsAny(text, `"'`) {
		return "'" + quoted[1:len(quoted)-1] + "'"
	}

	return quoted
}

func (g *generator) number() string {
	return g.one("0", "1", "2.5", "1e3", "0x1f", "Inf", "+Inf", "NaN", "1e-9", "5m", "1h30m", ".5",
		"123456789012345678", "1_000")
}

func (g *generator) duration() string {
	return g.one("5m", "1h", "30s", "1d12h", "1w", "100ms", "300", "1y", "90m", "0x10")
}

// shift writes what moves a selection in time.
func (g *generator) shift() string {
	if g.chance(70) {
		return ""
	}

	modifiers := []string{
		g.one(" offset 5m", " offset -1h", " offset 60", " offset\t1d"),
		g.one(" @ 1700000000", " @ start()", " @ end()", " @ 1.5", " @ -1"),
	}
	g.random.Shuffle(2, func(i, j int) { modifiers[i], modifiers[j] = modifiers[j], modifiers[i] })

	return strings.Join(modifiers[:1+g.random.IntN(2)], "")
}

func (g *generator) space() string {
	return g.one("", "", "", "", " ", "\n", "\t", " # {namespace=\"other\"} comment\n")
}

// parts counts the node types of an expression, and the places in which they stand.
func parts(root parser.Expr) map[string]int {
	counts := map[string]int{}

	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		if node != nil {
			counts[fmt.Sprintf("%T", node)]++
		}

		return nil
	})

	return counts
}

// bare returns the selectors that do not carry all matchers.
func bare(root parser.Expr, enforced []Matcher) []string {
	var found []string

	for _, selector := range parser.ExtractSelectors(root) {
		printed := []string{}
		for _, matcher := range selector {
			printed = append(printed, Matcher{matcher.Name, Operator(matcher.Type.String()), matcher.Value}.String())
		}

		for _, matcher := range enforced {
			if !slices.Contains(printed, matcher.String()) {
				found = append(found, strings.Join(printed, ","))
			}
		}
	}

	return found
}
