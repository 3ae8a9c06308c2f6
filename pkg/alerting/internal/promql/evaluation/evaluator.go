package evaluation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// lookback is how long a sample counts for an instant: Prometheus' default.
	lookback = 5 * time.Minute

	// samplesAtOnce is how many samples one query may hold in memory: as many as promtool allows.
	samplesAtOnce = 10_000

	// queryTimeout ends a query that neither the budget nor the estimate has stopped.
	queryTimeout = 10 * time.Second

	maxExpression = 64 << 10
)

var (
	errNoVector = errors.New("the result is neither a vector nor a scalar")
	errTooLong  = fmt.Errorf("an expression has at most %d bytes", maxExpression)
)

// Sample is one element of a result.
type Sample struct {
	Labels Labels
	Value  Value
}

// Evaluator holds series and evaluates expressions over them.
type Evaluator struct {
	budget   *Budget
	interval time.Duration
	engine   *promql.Engine
	store    *store
	inputs   []input
}

// New returns an evaluator without series. The interval is that of sub-queries that have no step.
func New(interval time.Duration, budget *Budget) *Evaluator {
	return &Evaluator{
		budget:   budget,
		interval: interval,
		store:    newStore(budget),
		engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples:               samplesAtOnce,
			Timeout:                  queryTimeout,
			LookbackDelta:            lookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   newParser(false),
		}),
	}
}

// Load takes a series of a test. Its samples are seen when Advance has come to their time. The last one counts
// of two that have the same labels.
func (e *Evaluator) Load(name, values string, step time.Duration) error {
	loaded, err := parseSeries(e.budget, name, values, step)
	if err != nil {
		return err
	}

	for i := range e.inputs {
		if labels.Equal(e.inputs[i].labels, loaded.labels) {
			e.inputs[i] = loaded

			return nil
		}
	}

	e.inputs = append(e.inputs, loaded)

	return nil
}

// Advance shows the samples of the loaded series up to a time.
func (e *Evaluator) Advance(to time.Time) error {
	for i := range e.inputs {
		in := &e.inputs[i]
		for len(in.points) > 0 && in.points[0].at <= to.UnixMilli() {
			if err := e.store.add(in.labels, in.points[0]); err != nil {
				return err
			}

			in.points = in.points[1:]
		}
	}

	return nil
}

// Append keeps what a rule has recorded.
func (e *Evaluator) Append(sample Sample, at time.Time) error {
	return e.store.add(sample.Labels.set, point{
		at: at.UnixMilli(), value: sample.Value.number, histogram: sample.Value.histogram,
	})
}

// AppendNumber keeps a sample that a rule has made itself.
func (e *Evaluator) AppendNumber(set Labels, number float64, at time.Time) error {
	return e.store.add(set.set, point{at: at.UnixMilli(), value: number})
}

// MarkStale says that a rule no longer records a series. Where another rule has recorded it for the same time,
// that one counts.
func (e *Evaluator) MarkStale(set Labels, at time.Time) error {
	err := e.store.add(set.set, point{at: at.UnixMilli(), value: math.Float64frombits(value.StaleNaN)})
	if errors.Is(err, errDuplicate) || errors.Is(err, errOutOfOrder) {
		return nil
	}

	return err
}

// Expression is a query that was looked through.
type Expression struct {
	text     string
	parsed   parser.Expr
	price    float64
	relabels bool
}

// Compile parses an expression and refuses one that no budget could pay.
func (e *Evaluator) Compile(text string) (expression *Expression, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = failed(reason)
		}
	}()

	if len(text) > maxExpression {
		return nil, errTooLong
	}

	price := priceOfText(text)
	if price > maxRegexp {
		return nil, errRegexp
	}

	if err := e.budget.spend(price); err != nil {
		return nil, err
	}

	parsed, err := newParser(false).ParseExpr(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the expression: %w", err)
	}

	// Durations may be expressions, too: this computes them.
	parsed, err = promql.PreprocessExpr(parsed, time.Unix(0, 0), time.Unix(0, 0), 0)
	if err != nil {
		return nil, fmt.Errorf("cannot compute the durations: %w", err)
	}

	if err := e.tooWide(parsed); err != nil {
		return nil, err
	}

	price += priceEvaluation + e.work(parsed, stretch{step: e.interval})

	return &Expression{text: text, parsed: parsed, price: price, relabels: relabels(parsed)}, nil
}

// Instant evaluates an expression.
func (e *Evaluator) Instant(ctx context.Context, expression *Expression, at time.Time) ([]Sample, error) {
	vector, err := e.instant(ctx, expression, at)
	if err != nil {
		return nil, err
	}

	samples := make([]Sample, 0, len(vector))
	for _, sample := range vector {
		samples = append(samples, Sample{
			Labels: Labels{set: sample.Metric}, Value: Value{number: sample.F, histogram: sample.H},
		})
	}

	return samples, nil
}

// instant pays for a query and asks the engine. The engine's answer borrows memory of the query, which is
// therefore never closed: it goes with the garbage.
func (e *Evaluator) instant(ctx context.Context, expression *Expression, at time.Time) (v promql.Vector, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = failed(reason)
		}
	}()

	if err := e.pay(expression); err != nil {
		return nil, err
	}

	query, err := e.engine.NewInstantQuery(ctx, e.store, nil, expression.text, at)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the query: %w", err)
	}

	result := query.Exec(ctx)

	if err := e.budget.spend(float64(query.Stats().Samples.TotalSamples)); err != nil {
		return nil, err
	}

	if result.Err != nil {
		return nil, result.Err
	}

	switch found := result.Value.(type) {
	case promql.Vector:
		return found, nil
	case promql.Scalar:
		return promql.Vector{{T: found.T, F: found.V, Metric: labels.EmptyLabels()}}, nil
	default:
		return nil, errNoVector
	}
}

func (e *Evaluator) pay(expression *Expression) error {
	if err := e.budget.evaluate(); err != nil {
		return err
	}

	if err := e.budget.spend(expression.price); err != nil {
		return err
	}

	if !expression.relabels {
		return nil
	}

	return e.tooLong(expression.parsed)
}

// failed makes an error of a panic in the engine: an expression that somebody has written must not take every
// controller of the process down.
func failed(reason any) error { return fmt.Errorf("the engine failed: %v", reason) }
