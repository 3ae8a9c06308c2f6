package evaluation

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// weightHistogram is for how many numbers the smallest histogram counts.
const weightHistogram = 5

var (
	errOneValue   = errors.New("one value is wanted: a number, or a histogram in double braces")
	errOnlyLabels = errors.New("a series is a name and labels; values stand apart from it")
	errBraces     = errors.New("the histogram is not closed by double braces")
)

// input is a series of a test: its samples come to light as time goes on.
type input struct {
	labels labels.Labels
	points []point
}

// newParser returns a parser for queries, or one for series: like promtool, that takes names in any letters.
//
//nolint:ireturn // Prometheus gives its parser as an interface only
func newParser(forSeries bool) parser.Parser {
	return parser.NewParser(parser.Options{
		EnableExperimentalFunctions: forSeries, EnableBinopFillModifiers: forSeries, EnableUnquotedUTF8Names: forSeries,
	})
}

// parseSeries reads a series in the notation of rule tests, its first sample at zero and one more each step.
// The number of samples is paid for before any is made.
func parseSeries(budget *Budget, name, values string, step time.Duration) (input, error) {
	if err := budget.spend(float64(len(name)+len(values)) / perByte); err != nil {
		return input{}, err
	}

	if _, err := newParser(true).ParseMetric(name); err != nil {
		return input{}, fmt.Errorf("%w: %w", errOnlyLabels, err)
	}

	if err := budget.spend(priceStored * promised(values)); err != nil {
		return input{}, err
	}

	set, sequence, err := newParser(true).ParseSeriesDesc(name + " " + values)
	if err != nil {
		return input{}, fmt.Errorf("cannot read the values: %w", err)
	}

	points := make([]point, 0, len(sequence))

	for i, value := range sequence {
		if !value.Omitted {
			at := int64(i) * step.Milliseconds()
			points = append(points, point{at: at, value: value.Value, histogram: value.Histogram})
		}
	}

	return input{labels: set, points: points}, nil
}

// promised returns an upper bound of how many samples a notation stands for: its fields, and what each `x`
// asks to repeat. A histogram counts by its length.
func promised(values string) float64 {
	total := float64(len(strings.Fields(values)))
	weight := 1.0

	if strings.Contains(values, "{{") {
		weight = weightHistogram + float64(longestHistogram(values))/perByte
	}

	for at := range len(values) {
		if values[at] != 'x' {
			continue
		}

		digits := values[at+1:]
		digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]

		if digits != "" {
			times, err := strconv.ParseFloat(digits, 64)
			if err != nil {
				times = math.Inf(1)
			}

			total += times + 1
		}
	}

	return total * weight
}

// longestHistogram returns how many bytes the longest histogram of a notation takes.
func longestHistogram(values string) int {
	longest := 0

	for part := range strings.SplitSeq(values, "{{") {
		longest = max(longest, len(part))
	}

	return longest
}

// Value is a number or a histogram.
type Value struct {
	number    float64
	histogram *histogram.FloatHistogram
}

// ParseValue reads the value that a test expects of an expression.
func ParseValue(text string) (Value, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{{") {
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q: %w", text, errOneValue)
		}

		return Value{number: number}, nil
	}

	if _, rest, closed := strings.Cut(text, "}}"); !closed || rest != "" {
		return Value{}, errBraces
	}

	_, sequence, err := newParser(false).ParseSeriesDesc("{} " + text)
	if err != nil {
		return Value{}, fmt.Errorf("cannot read the histogram: %w", err)
	}

	if len(sequence) != 1 || sequence[0].Histogram == nil {
		return Value{}, errOneValue
	}

	return Value{histogram: sequence[0].Histogram}, nil
}

// String returns the value as a test writes it.
func (v Value) String() string {
	if v.histogram != nil {
		return v.histogram.TestExpression()
	}

	if v.number == 0 {
		return "0" // There is a negative zero, too, and both are equal.
	}

	return strconv.FormatFloat(v.number, 'g', -1, 64)
}
